//! What is said and understood of sync groups.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use handover_config as config;

use support::{check_all, said, with};

/// Two instances, `v` and `w`, without a mistake, and `lines` in a group.
fn group(lines: &str) -> String {
    format!("{}vrrp_sync_group g {{\n{lines}\n}}\n", pair())
}

fn pair() -> String {
    let other = with("").replace("instance v", "instance w").replace("10.0.0.1", "10.0.0.2");
    let instance = other.find("vrrp_instance").map(|at| &other[at..]).unwrap_or_default();
    format!("{}{}", with(""), instance.replace("eth0", "eth1"))
}

/// The same, where `own` stands in the first member.
fn member(own: &str) -> String {
    group("group {\n v\n w\n}").replacen("interface eth0", &format!("interface eth0\n {own}"), 1)
}

fn parsed(text: &str) -> config::Config {
    config::parse("t.conf", text).config.expect("valid")
}

#[test]
fn members() {
    check_all(
        &[
            ("group {\n v\n w\n}", &[]),
            ("group {\n v w\n}", &[]),
            ("group {\n v\n}\n group {\n w\n}", &[]),
            ("", &["error missing-word"]),
            ("group", &["error missing-word", "error missing-block"]),
            ("group {\n}", &["error empty-list"]),
            ("group {\n v\n}", &["warning one-member"]),
            ("group {\n v\n w\n v\n}", &["warning given-twice"]),
            // keepalived leaves it out.
            ("group {\n v\n w\n x_y\n}", &["error unknown-member"]),
            ("group {\n v\n w {\n}\n}", &["error stray-block"]),
            ("group {\n v\n w\n}\n }\nvrrp_sync_group h {\n group {\n w\n v\n}", &["error two-groups"; 2]),
            ("group {\n v\n w\n}\n priority 3", &["error misplaced-word"]),
            ("group {\n v\n w\n}\n notify /x", &[]),
            ("group {\n v\n w\n}\n track_script {\n knwon\n}", &["error unknown-check"]),
            ("group {\n v\n w\n}\n track_script {\n known weight 3\n}", &[]),
            ("group {\n v\n w\n}\n track_interface {\n a/b\n}", &["error bad-value"]),
        ],
        group,
    );
    let names =
        |text: &str| parsed(text).groups[0].members.iter().map(|it| it.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&group("group {\n w v\n}")), ["w", "v"]);
    let text = group("group {\n v\n w\n know\n}").replace("instance w", "instance known");
    assert!(config::parse("t", &text).report.render(false).contains("did you mean `known`?"));
    let twice = format!("{}vrrp_sync_group g {{\n group {{\n}}\n}}\n", group("group {\n v\n w\n}"));
    assert_eq!(said(&twice), ["error duplicate-name", "error empty-list"]);
}

/// An instance with a mistake of its own is still one that a group may name.
#[test]
fn a_broken_member_is_not_unknown() {
    assert_eq!(said(&member("priority 300")), ["error out-of-range"]);
    let nameless = group("group {\n v\n w\n}").replace("virtual_router_id 5", "");
    assert_eq!(said(&nameless), ["error missing-word"; 2]);
}

/// Trap 16. keepalived 2.2.7 shows the same trackers in its dump.
#[test]
fn weights_of_members_are_told() {
    let tracked = |text: &str| {
        let instance = parsed(text).instances.remove(0);
        let checks = instance.checks.iter().map(|it| (it.check.to_string(), it.weight.value));
        let links = instance.links.iter().map(|it| (it.link.to_string(), it.weight.value));
        checks.chain(links).collect::<Vec<_>>()
    };
    let found = |name: &str, weight| vec![(name.to_owned(), weight)];
    let weighted = member("track_script {\n known weight 3\n}");
    assert_eq!(said(&weighted), ["warning member-weight"]);
    assert_eq!(tracked(&weighted), []);
    let link = member("track_interface {\n eth5 weight 3\n}");
    assert_eq!(said(&link), ["warning member-weight"]);
    assert_eq!(tracked(&link), found("eth5", 0));
    let unweighted = member("track_script {\n known\n}");
    assert_eq!((said(&unweighted), tracked(&unweighted)), (vec![], found("known", 0)));
    for word in ["sync_group_tracking_weight", "global_tracking"] {
        let allowed = weighted.replace("group {", &format!("{word}\n group {{"));
        assert_eq!((said(&allowed), tracked(&allowed)), (vec![], found("known", 3)), "{word}");
    }
    // What the group tracks too counts with its weight, allowed or not.
    let both = weighted.replace("group {", "track_script {\n known weight 9\n}\n group {");
    assert_eq!((said(&both), tracked(&both)), (vec!["warning member-weight".to_owned()], vec![]));
    assert_eq!(parsed(&both).groups[0].checks[0].weight.value, 9);
}

#[test]
fn members_that_disagree() {
    assert_eq!(said(&member("nopreempt")), ["warning mixed-preempt"]);
    assert_eq!(said(&member("nopreempt").replace("interface eth1", "interface eth1\n nopreempt")), [""; 0]);
    let hooks = member("notify /x").replace("group {", "notify /y\n group {");
    assert_eq!(said(&hooks), ["note hooks-on-both"]);
    assert_eq!(said(&member("notify /x")), [""; 0]);
    let weight = member("nopreempt").replace("interface eth1", "interface eth1\n nopreempt");
    let weight = weight.replace("group {", "track_interface {\n eth8 weight 3\n}\n group {");
    assert_eq!(said(&weight), ["warning nopreempt-weight"]);
}
