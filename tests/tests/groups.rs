//! Sync groups on real hosts: two virtual routers on two links that are master together or not at all, and the hooks
//! that are told so, in the words in which keepalived tells them.

use std::time::Duration;

use handover_tests::keepalived::{self, Keepalived};
use handover_tests::node::{HOOK, LIMIT, Node, RUNTIME_DIR, eventually, hook_log, install_hook, start_lab};
use handover_tests::programs::on_host;
use lab::{Lab, Link, Spec};
use serde_json::Value;

/// The addresses of `outside` (on eth0) and of `inside` (on eth1).
const VIPS: [&str; 2] = ["192.168.1.100", "10.0.0.100"];
const FAST: Duration = Duration::from_millis(300);
/// Three of these, and the skew after a goodbye, are far longer than those of [`FAST`], on busy machines, too.
const SLOW: Duration = Duration::from_secs(3);
/// `inside` is healthy while this is there.
const HEALTHY: &str = "/tmp/healthy";

/// `inside` has an interval of its own, and a check.
fn config(priority: u8, inside: Duration) -> String {
    let instance = |name: &str, at: usize, interval: Duration, more: &str| {
        format!(
            "vrrp_instance {name} {{
  version 3
  interface eth{at}
  virtual_router_id {}
  priority {priority}
  advert_int {}
  virtual_ipaddress {{ {}/32 }}
  {more}
}}
",
            5 + at,
            interval.as_secs_f32(),
            VIPS[at]
        )
    };
    let check = format!(
        "vrrp_script healthy {{\n  script \"/usr/bin/test -e {HEALTHY}\"\n  interval 0.5\n  fall 1\n}}\n"
    );
    let group = format!("vrrp_sync_group pair {{\n  group {{ outside inside }}\n  notify {HOOK}\n}}\n");
    let outside = instance("outside", 0, FAST, "");
    let inside = instance("inside", 1, inside, "track_script { healthy }");
    [check, group, outside, inside].concat()
}

/// Two nodes with two links each; nothing is started yet.
fn pair(lab: &Lab, inside: Duration) -> [Node; 2] {
    [("a", 11, 150), ("b", 12, 100)].map(|(name, number, priority)| {
        let link = |name: &str, address: String| Link::new(name, name, &[&address]).expect("a link");
        let links =
            vec![link("eth0", format!("192.168.1.{number}/24")), link("eth1", format!("10.0.0.{number}/24"))];
        let node = Node::with_links(lab, name, links, &config(priority, inside));
        node.host().write_file(HEALTHY, "", 0o644).expect("write a file");
        node
    })
}

/// Both members and the group say so, and the addresses agree.
fn is_all(node: &Node, state: &str) -> bool {
    let pointers = ["/instances/0/state", "/instances/1/state", "/groups/0/state"];
    let held = VIPS.iter().all(|vip| node.holds(vip) == (state == "MASTER"));
    held && pointers.iter().all(|pointer| node.at(pointer) == state)
}

fn settle(lab: &Lab, nodes: [&Node; 2], states: [&str; 2]) {
    let what = format!("a is all {}, b is all {}", states[0], states[1]);
    eventually(lab, &nodes, &what, || is_all(nodes[0], states[0]) && is_all(nodes[1], states[1]));
}

/// A is master of everything, b waits.
fn settled_pair(lab: &Lab, inside: Duration) -> [Node; 2] {
    let [a, b] = pair(lab, inside);
    a.start();
    b.start();
    settle(lab, [&a, &b], ["MASTER", "BACKUP"]);
    [a, b]
}

/// What the hooks of the group were told: keepalived's arguments.
fn told(states: &[&str]) -> Vec<String> {
    states.iter().map(|state| format!("GROUP pair {state} 0")).collect()
}

#[test]
fn a_lost_link_moves_both_members_and_a_stop_does_and_hooks_are_told_of_the_group() {
    let lab = start_lab();
    let [a, b] = settled_pair(&lab, FAST);
    assert_eq!(a.at("/groups/0/members"), r#"["outside","inside"]"#, "{}", a.story());

    // The members of a whose links are fine leave as well, and say why.
    a.host().link_down("eth1").expect("take a link down");
    settle(&lab, [&a, &b], ["FAULT", "MASTER"]);
    assert_eq!(a.at("/instances/0/cause/code"), "group-member", "{}", a.story());
    assert_eq!(a.at("/instances/1/cause/code"), "link-down", "{}", a.story());
    assert_eq!(
        a.at("/groups/0/cause/code"),
        "link-down",
        "the cause is that of who moved first: {}",
        a.story()
    );
    a.host().link_up("eth1").expect("bring a link up");
    settle(&lab, [&a, &b], ["MASTER", "BACKUP"]);

    a.stop();
    eventually(&lab, &[&a, &b], "b is master of all", || is_all(&b, "MASTER"));
    assert_eq!(VIPS.map(|vip| a.holds(vip)), [false, false], "a left something behind");
    assert_eq!(a.hooks(), told(&["BACKUP", "MASTER", "FAULT", "BACKUP", "MASTER", "STOP"]));
    eventually(&lab, &[&b], "the hooks of b are told", || {
        b.hooks() == told(&["BACKUP", "MASTER", "BACKUP", "MASTER"])
    });
}

#[test]
fn a_failed_check_of_one_member_moves_both() {
    let lab = start_lab();
    let [a, b] = settled_pair(&lab, FAST);
    let _ = a.sh(&format!("rm {HEALTHY}"));
    settle(&lab, [&a, &b], ["FAULT", "MASTER"]);
    let reason = a.at("/instances/0/reasons/0/text");
    assert!(reason.contains("inside") && reason.contains("healthy"), "outside says who and why: {reason}");
    a.host().write_file(HEALTHY, "", 0o644).expect("write a file");
    settle(&lab, [&a, &b], ["MASTER", "BACKUP"]);
}

/// What `handover events --json` has printed of transitions to MASTER: who, and the code of the cause.
fn risen(feed: &lab::Proc) -> Vec<(u64, String, String)> {
    let lines = feed.lines();
    let events = lines.iter().filter_map(|line| serde_json::from_str::<Value>(&line.text).ok());
    let risen = events.filter(|event| event.get("to").and_then(Value::as_str) == Some("MASTER"));
    let text =
        |event: &Value, pointer: &str| event.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    risen
        .filter_map(|event| {
            let who = text(&event, "/instance").or_else(|| text(&event, "/group"))?;
            Some((event.get("sequence")?.as_u64()?, who, text(&event, "/cause/code")?))
        })
        .collect()
}

/// Keepalived's groups wait for the slowest timer of their members (keepalived-behaviour 3.6). Here the slow member's own
/// timer has not fired when it moves: it moves with the other one, and says so.
#[test]
fn nobody_waits_for_the_slowest_timer() {
    let lab = start_lab();
    let [a, b] = settled_pair(&lab, SLOW);
    let events =
        [on_host("handover"), "events".into(), "--json".into(), "--runtime-dir".into(), RUNTIME_DIR.into()];
    let feed = b.host().spawn(Spec::new(events)).expect("follow the feed");
    eventually(&lab, &[&b], "the feed is followed", || !feed.lines().is_empty());

    a.stop();
    eventually(&lab, &[&a, &b], "b is master of all", || is_all(&b, "MASTER"));
    eventually(&lab, &[&b], "three events", || risen(&feed).len() == 3);
    let events = risen(&feed);
    let told: Vec<(&str, &str)> = events.iter().map(|(_, who, why)| (who.as_str(), why.as_str())).collect();
    assert_eq!(told, [("outside", "peer-resigned"), ("inside", "group"), ("pair", "peer-resigned")]);
    let sequences: Vec<u64> = events.iter().map(|(sequence, ..)| *sequence).collect();
    assert!(sequences.windows(2).all(|pair| pair[1] == pair[0] + 1), "nothing between them: {events:?}");

    // The same without a goodbye.
    a.start();
    settle(&lab, [&a, &b], ["MASTER", "BACKUP"]);
    a.host().kill_all().expect("kill everything");
    eventually(&lab, &[&b], "b is master of all again", || is_all(&b, "MASTER"));
    assert_eq!(b.at("/instances/0/cause/code"), "peer-silent", "{}", b.story());
    assert_eq!(b.at("/instances/1/cause/code"), "group", "{}", b.story());
}

/// Keepalived starts hooks of one transition side by side.
fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

/// One file, keepalived on one bridge and Handover on another: the hooks of the group are told the same, word by word.
#[test]
fn hooks_are_told_of_the_group_what_keepalived_tells_them() {
    if !keepalived::is_installed() {
        return;
    }
    let lab = start_lab();
    let instance = |name: &str, vrid: u8| {
        format!(
            "vrrp_instance {name} {{
  version 3
  interface eth0
  virtual_router_id {vrid}
  advert_int 0.3
  virtual_ipaddress {{
    192.168.1.{vrid}/32
  }}
}}
"
        )
    };
    let hook = |of: &str| format!("  notify{of} \"{HOOK} own words of notify{of}\"\n");
    let hooks = ["", "_master", "_backup", "_fault", "_stop"].map(hook).concat();
    let config = format!("vrrp_sync_group pair {{\n  group {{\n    one\n    two\n  }}\n{hooks}}}\n")
        + &instance("one", 101)
        + &instance("two", 102);
    let link = Link::new("eth0", "elsewhere", &["192.168.1.12/24"]).expect("a link");
    let ours = Node::with_links(&lab, "ours", vec![link], &config);
    let theirs = Keepalived::new(&lab, "theirs", &["192.168.1.11/24"], &config);
    install_hook(theirs.host());
    let told = || [ours.hooks(), hook_log(theirs.host())].map(sorted);
    let both_told = |state: &str, times: usize| {
        let general = format!("own words of notify GROUP pair {state} 0");
        let same = lab.wait_for(LIMIT, || {
            let [ours, theirs] = told();
            ours == theirs && ours.iter().filter(|line| **line == general).count() == times
        });
        let stories = || format!("{}{}", ours.story(), theirs.story());
        assert!(same, "told when {state} was to come the {times}. time: {:?}\n{}", told(), stories());
    };
    ours.start();
    theirs.start();
    both_told("MASTER", 1);
    for host in [ours.host(), theirs.host()] {
        host.link_down("eth0").expect("take the link down");
    }
    both_told("FAULT", 1);
    for host in [ours.host(), theirs.host()] {
        host.link_up("eth0").expect("bring the link up");
    }
    both_told("MASTER", 2);
    ours.stop();
    theirs.stop();
    both_told("STOP", 1);
    let [ours, _] = told();
    assert!(ours.contains(&"own words of notify_stop".to_owned()), "only `notify` is told more: {ours:?}");
}
