//! What each lint says, what it doesn't say of clusters that are well, and how it is silenced.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use handover_lint as lint;

use support::{Nodes, complete, pair, rendered, said};

const CHECK: &str = "vrrp_script chk {\n  script \"/usr/bin/killall -0 nginx\"\n  weight WEIGHT\n}\n";

/// Two nodes of these priorities, and a check with these weights; 0 for none.
fn weighted(a: (u8, i16), b: (u8, i16)) -> Nodes {
    let text = |(priority, weight): (u8, i16)| {
        let check = CHECK.replace("WEIGHT", &weight.to_string());
        let track = if weight == 0 { "" } else { "  track_script {\n    chk\n  }\n" };
        let check = if weight == 0 { String::new() } else { check };
        complete(&format!("{check}vrrp_instance web {{\n  priority {priority}\n{track}  ...\n}}"))
    };
    Nodes::new(&[("a.conf", text(a)), ("b.conf", text(b))])
}

#[test]
fn a_good_pair_is_left_alone() {
    assert_eq!(said(&pair("", "")), [""; 0]);
    assert_eq!(said(&weighted((100, 20), (90, 20)).judged()), [""; 0]);
    assert_eq!(said(&weighted((100, -20), (90, -20)).judged()), [""; 0]);
    let peers = |own: u8, other: u8| {
        format!("  unicast_src_ip 192.0.2.{own}\n  unicast_peer {{\n    192.0.2.{other}\n  }}")
    };
    assert_eq!(said(&pair(&peers(1, 2), &peers(2, 1))), [""; 0]);
    let sticky = "  state BACKUP\n  priority 100\n  nopreempt";
    assert_eq!(said(&pair(sticky, sticky)), [""; 0], "equal priorities that are meant so");
}

/// Pain B1: the whole sum is told.
#[test]
fn the_arithmetic_of_a_weight_is_told() {
    let reports = weighted((103, -2), (100, -2)).judged();
    let text = rendered(&reports);
    assert!(
        text.contains("chk failing on a never moves web: 103 - 2 = 101 is still above 100 on b"),
        "{text}"
    );
    assert!(text.contains("--> a.conf:3:3") && text.contains("::: b.conf:"), "{text}");
    let equal = rendered(&weighted((102, -2), (100, 0)).judged());
    assert!(equal.contains("102 - 2 = 100 is no less than 100 on b"), "{equal}");
    assert_eq!(said(&weighted((101, -2), (100, -2)).judged()), [""; 0]);
}

/// A positive weight is added while the check passes, on both.
#[test]
fn a_bonus_is_lost_and_not_a_penalty_paid() {
    let reports = weighted((100, 5), (90, 5)).judged();
    assert!(
        rendered(&reports).contains("chk failing on a never moves web: 100 is still above 90 + 5 = 95 on b")
    );
    assert_eq!(said(&weighted((100, 11), (90, 11)).judged()), [""; 0]);
}

/// Two uplinks of which one may fail: neither matters alone, and each matters.
#[test]
fn a_weight_that_counts_together_with_another_is_meant_so() {
    let a = "  track_interface {\n    eth1 weight -6\n    eth2 weight -6\n  }";
    assert_eq!(said(&pair(a, "")), [""; 0]);
    let too_small = "  track_interface {\n    eth1 weight -4\n    eth2 weight -4\n  }";
    assert_eq!(said(&pair(too_small, "")), ["a.conf:4 weight-never-moves", "a.conf:5 weight-never-moves"]);
}

#[test]
fn what_a_group_follows_counts_for_its_members() {
    let member = |name: &str, id: u8, priority: u8| {
        format!(
            "vrrp_instance {name} {{\n  interface eth{id}\n  virtual_router_id {id}\n  priority {priority}\n  virtual_ipaddress {{\n    192.0.2.{id}/32\n  }}\n}}\n"
        )
    };
    let node = |priority: u8| {
        let group = "vrrp_sync_group g {\n  group {\n    one\n    two\n  }\n  track_interface {\n    eth9 weight -5\n  }\n}\n";
        format!("{group}{}{}", member("one", 1, priority), member("two", 2, priority))
    };
    let reports = Nodes::new(&[("a.conf", node(100)), ("b.conf", node(90))]).judged();
    assert_eq!(said(&reports), ["a.conf:7 weight-never-moves"]);
    assert!(rendered(&reports).contains("on b; so it is with 1 more instance"), "{}", rendered(&reports));
    let reports = Nodes::new(&[("a.conf", node(93)), ("b.conf", node(90))]).judged();
    assert_eq!(said(&reports), [""; 0]);
}

#[test]
fn a_check_that_a_master_does_not_heed_is_not_weighed() {
    let waiting = |weight: i16| {
        let text = complete(&format!(
            "{}vrrp_instance web {{\n  track_script {{\n    chk\n  }}\n  ...\n}}",
            CHECK.replace("WEIGHT", &format!("{weight}\n  while backup"))
        ));
        let other = complete("vrrp_instance web {\n  priority 90\n  ...\n}");
        said(&Nodes::new(&[("a.conf", text), ("b.conf", other)]).judged())
    };
    assert_eq!(waiting(-2), [""; 0]);
}

/// Trap 3, before it happens.
#[test]
fn version_3_lives_with_another_interval_and_version_2_does_not() {
    let severities = |version: u8| {
        let line = |interval: u8| format!("  version {version}\n  advert_int {interval}");
        let reports = pair(&line(1), &line(2));
        assert_eq!(said(&reports), ["b.conf:4 interval-differs"]);
        reports[1].has_errors()
    };
    assert!(severities(2) && !severities(3));
}

#[test]
fn who_shares_an_address_is_one_router_whatever_the_numbers() {
    let reports = pair("  virtual_router_id 7\n  interface ens3", "  virtual_router_id 8");
    assert_eq!(said(&reports), ["b.conf:3 vrid-differs"]);
}

/// Two instances on each node, with each other's priorities and the same names in another order.
#[test]
fn an_active_active_pair_is_matched_by_addresses() {
    let one = |name: &str, id: u8, priority: u8| {
        format!(
            "vrrp_instance {name} {{\n  interface eth0\n  virtual_router_id {id}\n  priority {priority}\n  virtual_ipaddress {{\n    192.0.2.{id}/32\n  }}\n}}\n"
        )
    };
    let a = one("VI_1", 10, 100) + &one("VI_2", 20, 90);
    let b = one("VI_1", 20, 100) + &one("VI_2", 10, 90);
    assert_eq!(said(&Nodes::new(&[("a.conf", a), ("b.conf", b)]).judged()), [""; 0]);
}

#[test]
fn addresses_are_compared_with_their_lengths() {
    let list = |lines: &str| format!("  virtual_ipaddress {{\n{lines}\n  }}");
    let reports = pair(&list("192.0.2.10/24\n192.0.2.11/24"), &list("192.0.2.10/32"));
    let text = rendered(&reports);
    assert!(text.contains("192.0.2.10 is /24 on a and /32 on b; b lacks 192.0.2.11"), "{text}");
}

/// Only the machine knows the address of who doesn't say it.
#[test]
fn a_peer_without_a_source_is_no_stranger() {
    let peers = |other: u8| format!("  unicast_peer {{\n    192.0.2.{other}\n  }}");
    assert_eq!(said(&pair(&peers(9), &peers(1))), [""; 0]);
}

/// A machine of which only the text of the hook is known, and the interface is as it should be.
fn hook(text: &str) -> lint::Host {
    let program = lint::Program {
        program: "/etc/hook.sh".into(),
        text: Some(text.to_owned()),
        ..lint::Program::default()
    };
    lint::Host { programs: vec![program], ..good_host() }
}

fn link(name: &str) -> model::LinkName {
    model::LinkName::new(name).unwrap()
}

fn good_host() -> lint::Host {
    let own = lint::HostAddress {
        link: link("eth0"),
        address: "192.0.2.1".parse().unwrap(),
        usable: true,
        permanent: true,
    };
    lint::Host {
        links: vec![lint::HostLink { name: link("eth0"), up: true, multicast: true }],
        addresses: vec![own],
        ..lint::Host::default()
    }
}

/// What is said of the usual instance on that machine.
fn on_host(host: lint::Host) -> Vec<String> {
    let text = complete("vrrp_instance web {\n  ...\n}");
    let mut nodes = Nodes::new(&[("a.conf", text)]);
    nodes.host = Some(host);
    said(&nodes.judged())
}

#[test]
fn a_machine_is_held_against_what_is_wanted_of_it() {
    assert_eq!(on_host(good_host()), [""; 0]);
    assert_eq!(on_host(lint::Host::default()), ["a.conf:2 interface-missing"]);
    let with = |change: fn(&mut lint::Host)| {
        let mut host = good_host();
        change(&mut host);
        on_host(host)
    };
    assert_eq!(with(|host| host.links[0].up = false), ["a.conf:2 interface-down"]);
    assert_eq!(with(|host| host.links[0].multicast = false), ["a.conf:2 no-multicast"]);
    assert_eq!(with(|host| host.addresses.clear()), ["a.conf:2 no-source-address"]);
    assert_eq!(with(|host| host.addresses[0].usable = false), ["a.conf:2 no-source-address"]);
    let vip = |host: &mut lint::Host, name: &str, permanent| {
        let address = "192.0.2.10".parse().unwrap();
        host.links.push(lint::HostLink { name: link("eth1"), up: true, multicast: true });
        host.addresses.push(lint::HostAddress { link: link(name), address, usable: true, permanent });
    };
    let put = |name: &str, permanent| {
        let mut host = good_host();
        vip(&mut host, name, permanent);
        on_host(host)
    };
    assert_eq!(put("eth0", true), ["a.conf:6 address-taken"]);
    assert_eq!(put("eth1", false), ["a.conf:6 address-taken"]);
    assert_eq!(put("eth0", false), [""; 0], "as Handover adds it");
    let barrier =
        lint::Barrier { link: link("eth0"), family: model::Family::V4, text: "policy drop".to_owned() };
    assert_eq!(on_host(lint::Host { barriers: vec![barrier], ..good_host() }), ["a.conf:2 firewall-drops"]);
}

/// Each is told at what needs it, and to nobody else.
#[test]
fn what_a_kernel_lacks_is_told_where_it_is_needed() {
    let lacks = |feature: lint::Feature, words: &str| {
        let mut nodes =
            Nodes::new(&[("a.conf", complete(&format!("vrrp_instance web {{\n  {words}\n  ...\n}}")))]);
        let lack = lint::Lack { feature, text: "this kernel has none".to_owned() };
        nodes.host = Some(lint::Host { lacks: vec![lack], ..good_host() });
        let mut said = said(&nodes.judged());
        said.retain(|line| line.ends_with("kernel-lacks"));
        said
    };
    let six = "virtual_ipaddress_excluded {\n 2001:db8::1/64\n}";
    for (feature, words, line) in [
        (lint::Feature::VirtualMac, "use_vmac", "a.conf:2"),
        (lint::Feature::Filter, "no_accept", "a.conf:2"),
        (lint::Feature::Filter, "version 3\n  strict_mode", "a.conf:3"),
        (lint::Feature::Ipv6(link("eth0")), six, "a.conf:3"),
    ] {
        assert_eq!(lacks(feature.clone(), words), [format!("{line} kernel-lacks")], "{words}");
        assert_eq!(lacks(feature, "advert_int 1"), [""; 0], "{words}");
    }
    let of_its_base = format!("use_vmac\n  {six}");
    assert_eq!(lacks(lint::Feature::Ipv6(link("eth0")), &of_its_base), ["a.conf:4 kernel-lacks"]);
    assert_eq!(lacks(lint::Feature::Ipv6(link("eth1")), six), [""; 0]);
}

#[test]
fn a_table_that_is_taken_concerns_who_needs_it() {
    let told = |words: &str| {
        let mut nodes =
            Nodes::new(&[("a.conf", complete(&format!("vrrp_instance web {{\n  {words}\n  ...\n}}")))]);
        nodes.host = Some(lint::Host { taken_table: Some("handover".to_owned()), ..good_host() });
        said(&nodes.judged())
    };
    assert_eq!(told("no_accept"), ["a.conf:2 table-taken"]);
    assert_eq!(told("accept"), [""; 0]);
}

#[test]
fn a_keepalived_beside_it_is_told_where_there_are_instances() {
    let mut nodes = Nodes::new(&[("a.conf", complete("vrrp_instance web {\n  ...\n}"))]);
    nodes.host = Some(lint::Host { keepalived: Some(812), ..good_host() });
    let text = rendered(&nodes.judged());
    assert!(text.contains("note[keepalived-runs]: keepalived runs here (process 812)"), "{text}");
}

/// `killall -0`, as whoever the package has made for it.
#[test]
fn a_check_by_signal_wants_a_user_who_may() {
    let judge = |script: &str, more: &str, user: Option<&str>| {
        let text = complete(&format!(
            "vrrp_script chk {{\n  {script}\n}}\nvrrp_instance web {{\n  track_script {{\n    chk\n  }}\n  ...\n}}\n{more}"
        ));
        let mut nodes = Nodes::new(&[("a.conf", text)]);
        nodes.host = Some(lint::Host { fallback_user: user.map(str::to_owned), ..good_host() });
        rendered(&nodes.judged())
    };
    let asks = "script \"/usr/bin/killall -0 nginx\"";
    let text = judge(asks, "", Some("_handover-check"));
    let expected = "chk would run `killall` as _handover-check, who may not signal another user's process";
    assert!(text.contains("signal-forbidden") && text.contains(expected), "{text}");
    let shell = judge("script \"/bin/sh -c 'kill -0 $(cat /run/nginx.pid)'\"", "", Some("keepalived_script"));
    assert!(shell.contains("would run `kill` as keepalived_script"), "{shell}");
    for (script, more, user) in [
        (asks, "", None),
        (asks, "global_defs {\n  script_user root\n}", Some("_handover-check")),
        ("script \"/usr/bin/killall -0 nginx\"\n  user root", "", Some("_handover-check")),
        ("script \"/usr/bin/pidof nginx skills\"", "", Some("_handover-check")),
        ("process nginx", "", Some("_handover-check")),
    ] {
        let text = judge(script, more, user);
        assert!(!text.contains("signal-forbidden"), "{script} {more} {user:?}: {text}");
    }
}

/// What couldn't be looked at is told as such, and doesn't fail a check.
#[test]
fn what_could_not_be_seen_is_told() {
    let mut nodes = Nodes::new(&[("a.conf", complete("vrrp_instance web {\n  ...\n}"))]);
    nodes.host = Some(lint::Host { unseen: vec!["the firewall: nft isn't here".to_owned()], ..good_host() });
    let text = rendered(&nodes.judged());
    assert!(text.contains("note[could-not-look]: the firewall: nft isn't here"), "{text}");
}

/// Pain B6.
#[test]
fn what_a_script_starts_is_read_where_it_is_known() {
    let text = complete(
        "vrrp_script chk {\n  script \"/usr/bin/killall -0 haproxy\"\n}\nvrrp_instance web {\n  track_script {\n    chk\n  }\n  notify /etc/hook.sh\n  ...\n}",
    );
    let judge = |script: &str| {
        let mut nodes = Nodes::new(&[("a.conf", text.clone())]);
        nodes.host = Some(hook(script));
        said(&nodes.judged())
    };
    assert_eq!(
        judge("case $3 in\n MASTER) systemctl start haproxy ;;\nesac"),
        ["a.conf:6 passes-only-on-master"]
    );
    assert_eq!(
        judge("# systemctl start haproxy\nlogger haproxy is elsewhere"),
        [""; 0],
        "a comment starts nothing"
    );
    assert_eq!(judge("systemctl start nginx"), [""; 0], "another service");
    let cured = text.replace("haproxy\"", "haproxy\"\n  while master");
    let mut nodes = Nodes::new(&[("a.conf", cured)]);
    nodes.host = Some(hook("systemctl start haproxy"));
    assert_eq!(said(&nodes.judged()), [""; 0], "it is known to run on the master only");
}

#[test]
fn a_comment_may_stand_at_four_places() {
    let allowed = "  # handover: allow(equal-priorities)";
    let a = "  priority 100";
    for b in [
        format!("  priority 100{allowed}"),
        format!("{allowed}\n  priority 100"),
        format!("{allowed}\n\n  # another comment\n  priority 100"),
        "  priority 100  ! handover: allow( two-masters , equal-priorities )".to_owned(),
    ] {
        let said = said(&pair(a, &b));
        assert!(!said.iter().any(|it| it.contains("equal")), "{b}: {said:?}");
    }
    let text =
        |comment: &str| complete(&format!("{comment}\nvrrp_instance web {{\n  priority 100\n  ...\n}}"));
    let judge = |a: &str, b: &str| said(&Nodes::new(&[("a.conf", text(a)), ("b.conf", text(b))]).judged());
    assert_eq!(judge("", allowed), [""; 0], "above the block");
    assert_eq!(judge(allowed, ""), [""; 0], "in the other file");
    assert_eq!(
        judge("", &format!("{allowed}\nglobal_defs {{\n}}")),
        ["b.conf:1 unused-allow", "b.conf:5 equal-priorities"]
    );
}

#[test]
fn a_warning_about_one_file_is_silenced_in_the_same_way() {
    let line = "  state MASTER\n  priority 100\n  nopreempt";
    let judge = |line: &str| {
        let text = complete(&format!("vrrp_instance web {{\n{line}\n  ...\n}}"));
        said(&Nodes::new(&[("a.conf", text)]).judged())
    };
    assert_eq!(judge(line), ["a.conf:4 nopreempt-ignored"]);
    assert_eq!(judge(&format!("{line} # handover: allow(nopreempt-ignored)")), [""; 0]);
}

/// Nodes may include one file: a comment that one of them needs is of use.
#[test]
fn a_comment_in_a_shared_file_is_needed_once() {
    let script = "vrrp_script chk {\n  script \"/usr/bin/true\"\n  weight -2 # handover: allow(weight-never-moves)\n}\n";
    let node = |priority: u8| {
        let track = "  track_script {\n    chk\n  }\n";
        complete(&format!("{script}vrrp_instance web {{\n  priority {priority}\n{track}  ...\n}}"))
    };
    let both = [("shared.conf", node(100)), ("shared.conf", node(90))];
    assert_eq!(said(&Nodes::new(&both).judged()), [""; 0]);
}

/// What compares nodes isn't looked for in one file alone: nobody can say that its comment is of no use.
#[test]
fn a_comment_for_the_cluster_is_no_waste_in_one_file() {
    let text = complete("vrrp_instance web {\n  priority 100 # handover: allow(equal-priorities)\n  ...\n}");
    assert_eq!(said(&Nodes::new(&[("a.conf", text)]).judged()), [""; 0]);
}

/// Whoever has hundreds of small things to hear about a file hears of the cluster as well.
#[test]
fn findings_are_not_crowded_out() {
    let unused: String =
        (0..300).map(|id| format!("vrrp_script s{id} {{\n  script \"/usr/bin/true\"\n}}\n")).collect();
    let text = unused + &complete("vrrp_instance web {\n  ...\n}");
    let reports = Nodes::new(&[("a.conf", text.clone()), ("b.conf", text)]).judged();
    assert!(said(&reports[1..]).iter().any(|it| it.ends_with("equal-priorities")));
}

#[test]
fn findings_are_bounded() {
    let node = |priority: u8| -> String {
        let one = |id: usize| {
            format!(
                "vrrp_instance v{id} {{\n  interface eth0\n  virtual_router_id {id}\n  priority {priority}\n  virtual_ipaddress {{\n    192.0.2.{id}/32\n  }}\n}}\n"
            )
        };
        (1..=200).map(one).collect()
    };
    let reports = Nodes::new(&[("a.conf", node(100)), ("b.conf", node(100))]).judged();
    assert_eq!(said(&reports).len(), lint::MAX_FINDINGS_OF_A_KIND);
}
