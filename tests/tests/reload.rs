//! A reload on real hosts: everybody or nobody, and nothing is disturbed that the change doesn't concern.
//!
//! Ten reloads a second for a minute: `RELOAD_SECONDS=60 cargo test -p handover-tests --test reload ten_reloads -- --nocapture`.

use std::time::Duration;

use handover_tests::node::{HOOK, LIMIT, Node, RUNTIME_DIR, eventually, start_lab};
use handover_tests::programs::on_host;
use lab::{Frame, Lab, Packet, Proc, Signal, Spec};
use serde_json::Value;

const VIP: &str = "192.168.1.100";
const OTHER_VIP: &str = "192.168.1.101";
/// `chk` is up while this is there.
const HEALTHY: &str = "/tmp/healthy";
/// ipmgr renews an address when so much of its minute is over.
const RENEWAL: Duration = Duration::from_secs(20);
/// Reloads whose consequences are counted: many more than there may be renewals meanwhile.
const MANY: usize = 20;

/// What of a configuration differs from test to test.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    name: &'a str,
    priority: u8,
    interval: &'a str,
    vips: &'a [&'a str],
    /// More lines of the instance.
    more: &'a str,
    /// More blocks.
    blocks: &'a str,
}

const PLAIN: Wanted<'_> =
    Wanted { name: "api_vip", priority: 150, interval: "0.3", vips: &[VIP], more: "", blocks: "" };

fn config(wanted: Wanted<'_>) -> String {
    let Wanted { name, priority, interval, vips, more, blocks } = wanted;
    let vips: String = vips.iter().map(|vip| format!("    {vip}/32\n")).collect();
    format!(
        "vrrp_script chk {{\n  script \"/usr/bin/test -e {HEALTHY}\"\n  interval 0.5\n  weight 10\n}}
vrrp_instance {name} {{
  version 3
  interface eth0
  virtual_router_id 5
  priority {priority}
  advert_int {interval}
  virtual_ipaddress {{\n{vips}  }}
  track_script {{ chk }}
  notify {HOOK}
  {more}
}}
{blocks}"
    )
}

fn reload(node: &Node, arguments: &[&str]) -> lab::Output {
    let program = on_host("handover");
    let arguments = [&[program.as_str(), "reload"], arguments, &["--runtime-dir", RUNTIME_DIR]].concat();
    node.host().run(arguments).expect("run handover reload")
}

#[track_caller]
fn reloaded(node: &Node) -> String {
    let output = reload(node, &[]);
    assert!(output.success(), "{}\n{}", output.stderr, node.story());
    output.stdout
}

/// A node that is master, has its verdict, and has told its hook.
fn master(lab: &Lab, wanted: Wanted<'_>) -> Node {
    let node = Node::new(lab, "a", &["192.168.1.11/24"], &config(wanted));
    node.host().write_file(HEALTHY, "", 0o644).expect("write a file");
    node.start();
    eventually(lab, &[&node], "a is MASTER with its check up and its hook run", || {
        node.state() == "MASTER"
            && node.holds(VIP)
            && node.at("/checks/0/verdict") == "up"
            && node.at("/instances/0/priority/effective") == (wanted.priority + 10).to_string()
            && node.hooks().iter().any(|line| line.contains("MASTER"))
    });
    node
}

/// Follows the feed as anybody may, and has its snapshot.
fn follow(node: &Node) -> Proc {
    let spec = Spec::new([&on_host("handover"), "events", "--json", "--runtime-dir", RUNTIME_DIR]);
    let events = node.host().spawn(spec).expect("follow the feed");
    events.wait_for_line(LIMIT, |line| line.contains("\"snapshot\"")).expect("a snapshot");
    let _ = events.take_lines();
    events
}

fn messages(feed: &Proc) -> Vec<String> {
    let kind =
        |line: &str| serde_json::from_str::<Value>(line).ok()?.get("type")?.as_str().map(str::to_owned);
    feed.lines().iter().filter_map(|line| kind(&line.text)).collect()
}

/// What netlink tells of addresses.
fn watch_addresses(lab: &Lab, node: &Node) -> Proc {
    let watch = node.host().spawn(Spec::new(["ip", "-o", "monitor", "address"])).expect("ip monitor");
    // It listens once it sees an address come.
    let mut number = 0;
    assert!(lab.wait_for(LIMIT, || {
        number += 1;
        let _ = node.sh(&format!("ip address add 127.9.0.{number}/32 dev lo"));
        !watch.lines().is_empty()
    }));
    let _ = watch.take_lines();
    watch
}

/// The adverts of a host, each with its time.
fn adverts(frames: &[Frame], host: &str) -> Vec<(model::Instant, Vec<u8>)> {
    let of_host = frames.iter().filter(|frame| frame.host == host);
    let message = |frame: &Frame| match &frame.packet {
        Packet::Vrrp { message, .. } => Some((frame.at, message.clone())),
        Packet::Arp { .. } | Packet::NeighbourAdvertisement { .. } => None,
    };
    of_host.filter_map(message).collect()
}

/// What a host announces of an address.
fn announcements(frames: &[Frame], vip: &str) -> usize {
    let announces = |frame: &&Frame| match &frame.packet {
        Packet::Arp { sender, target, .. } => sender == target && sender.to_string() == vip,
        Packet::Vrrp { .. } | Packet::NeighbourAdvertisement { .. } => false,
    };
    frames.iter().filter(announces).count()
}

#[test]
fn an_identical_file_is_noticed_by_nobody() {
    let lab = start_lab();
    let node = master(&lab, PLAIN);
    let (feed, watch, capture) =
        (follow(&node), watch_addresses(&lab, &node), lab.capture().expect("capture"));
    // The last announcements of the takeover are over once nothing but adverts has come for a while.
    eventually(&lab, &[&node], "both rounds of announcements are over", || {
        let _ = capture.take();
        let mut frames = Vec::new();
        while adverts(&frames, "a").len() < 20 {
            frames.extend(capture.wait_for(LIMIT, |frame| frame.host == "a"));
        }
        announcements(&frames, VIP) == 0
    });
    let (hooks, runs) = (node.hooks(), node.at("/checks/0/runs"));
    let _ = watch.take_lines();
    let _ = capture.take();
    let begun = sys::clock::now();
    for _ in 0..MANY {
        assert!(reloaded(&node).contains("the configuration is the same"));
    }
    let mut frames = Vec::new();
    while adverts(&frames, "a").len() < 4 {
        frames.extend(capture.wait_for(LIMIT, |frame| frame.host == "a"));
    }
    frames.extend(capture.take());
    let took = sys::clock::now().since(begun);

    assert_eq!(node.at("/last_reload/outcome"), "unchanged", "{}", node.story());
    assert_eq!(node.at("/last_reload/by"), "handover reload, by root");
    assert_eq!(messages(&feed), [""; 0], "nobody was told anything");
    assert_eq!(node.hooks(), hooks);
    let sent = adverts(&frames, "a");
    assert!(sent.windows(2).all(|pair| pair[0].1 == pair[1].1), "always the same advert: {sent:?}");
    let due = usize::try_from(took.as_millis() / 300).unwrap() + 2;
    assert!(sent.len() <= due, "{} adverts where {due} were due: a reload sent some", sent.len());
    assert_eq!(announcements(&frames, VIP), 0, "{frames:?}");
    let told: Vec<String> = watch.lines().into_iter().map(|line| line.text).collect();
    let renewals = usize::try_from(took.as_secs() / RENEWAL.as_secs()).unwrap() + 1;
    assert!(told.len() <= renewals && told.len() < MANY, "{told:?} in {took:?}");
    assert!(told.iter().all(|line| !line.contains("Deleted")), "{told:?}");
    assert_ne!(node.at("/checks/0/runs"), "0", "after {runs}");
}

#[test]
fn a_bad_file_changes_nothing_and_is_shown() {
    let lab = start_lab();
    let node = master(&lab, PLAIN);
    let feed = follow(&node);
    let running = node.at("/processes/vrrp-core/config");
    node.configure("vrrp_instance api_vip {\n  interface eth0\n  virtual_router_id 512\n  priorty 200\n}\n");
    let refused = reload(&node, &[]);
    assert_eq!(refused.exit, lab::Exit::Code(1), "{}", refused.stdout);
    assert!(refused.stderr.contains("nothing has changed: "), "{}", refused.stderr);
    assert!(refused.stderr.contains("handover.conf:3:"), "where: {}", refused.stderr);
    for pointer in
        ["/processes/vrrp-core/config", "/processes/checkerd/config", "/processes/notifierd/config"]
    {
        assert_eq!(node.at(pointer), running, "{pointer}");
    }
    assert_eq!(node.at("/last_reload/outcome"), "refused");
    assert!(node.at("/last_reload/error").contains("handover.conf:3:"), "{}", node.story());
    let shown = node.sh(&format!("{} status --runtime-dir {RUNTIME_DIR}", on_host("handover")));
    assert!(shown.contains("refused (handover reload, by root): "), "{shown}");
    assert_eq!((node.state(), messages(&feed)), ("MASTER".to_owned(), vec![]));
    // As JSON, for programs; and a plan of it is refused without being remembered.
    let json: Value = serde_json::from_str(&reload(&node, &["--json"]).stdout).expect("JSON");
    assert!(json["error"].as_str().is_some_and(|error| error.contains("handover.conf:3:")), "{json}");
    let at = node.at("/last_reload/at");
    assert!(!reload(&node, &["--plan"]).success());
    assert_eq!(node.at("/last_reload/at"), at);
}

#[test]
fn a_plan_says_what_would_happen_and_does_nothing() {
    let lab = start_lab();
    let node = master(&lab, PLAIN);
    let feed = follow(&node);
    let changed = Wanted {
        name: "web",
        priority: 200,
        vips: &[VIP, OTHER_VIP],
        more: "notify_master /bin/true",
        blocks: "vrrp_instance two {\n  interface eth0\n  virtual_router_id 6\n  virtual_ipaddress { 192.168.1.102/32 }\n}\n",
        ..PLAIN
    };
    node.configure(&config(changed).replace("interval 0.5", "interval 0.7"));
    let planned = reload(&node, &["--plan"]);
    assert!(planned.success(), "{}", planned.stderr);
    for line in [
        "retune   instance web (was api_vip): name, priority, addresses",
        "add      instance two",
        "restart  check chk: interval",
        "retune   hooks of web (was api_vip): notify_master",
        "nothing has been done",
    ] {
        assert!(planned.stdout.contains(line), "{line} in {}", planned.stdout);
    }
    let json: Value = serde_json::from_str(&reload(&node, &["--plan", "--json"]).stdout).expect("JSON");
    assert_eq!((json["changed"].as_bool(), json["done"].as_bool()), (Some(true), Some(false)), "{json}");
    assert_eq!(json["plan"].as_array().map(Vec::len), Some(4), "{json}");
    assert_eq!(node.at("/instances/0/name"), "api_vip");
    assert_eq!((node.at("/last_reload"), messages(&feed)), (String::new(), vec![]));
}

/// Nobody can know what the kernel will refuse; whoever has ordered it has to hear of it.
#[test]
fn what_the_kernel_refuses_of_a_new_configuration_fails_the_command() {
    let lab = start_lab();
    let node = master(&lab, PLAIN);
    let two = config(Wanted { vips: &[VIP, OTHER_VIP], ..PLAIN });
    // What stays carries on, and the rest is named.
    node.configure(&two.replace("192.168.1.101/32", "192.168.1.101/32 dev eth8 no_track"));
    let some = reload(&node, &[]);
    assert_eq!(some.exit, lab::Exit::Code(1), "{}", some.stdout);
    let told =
        "not all of it could be done:\napi_vip: add 192.168.1.101/32 on eth8: there is no such interface";
    assert!(some.stderr.contains(told), "{}", some.stderr);
    assert_eq!(node.state(), "MASTER");
    // What is known stays in the status, and fails nothing anew.
    node.configure(
        &two.replace("192.168.1.101/32", "192.168.1.101/32 dev eth8 no_track")
            .replace("priority 150", "priority 140"),
    );
    let _ = reloaded(&node);
    node.configure(&config(PLAIN).replace(&format!("{VIP}/32"), "192.168.1.101/32 dev eth8 no_track"));
    let nothing = reload(&node, &["--json"]);
    assert_eq!(nothing.exit, lab::Exit::Code(1), "{}", nothing.stdout);
    assert!(
        nothing.stderr.contains("api_vip is in FAULT: no address could be put in place"),
        "{}",
        nothing.stderr
    );
    let json: Value = serde_json::from_str(&nothing.stdout).expect("JSON");
    assert_eq!(json["trouble"].as_array().map(Vec::len), Some(1), "{json}");
    node.configure(&config(PLAIN));
    let _ = reloaded(&node);
    eventually(&lab, &[&node], "a is MASTER again", || node.state() == "MASTER" && node.holds(VIP));
}

/// The master goes on through all of it: another name, other addresses, priority, interval, hook, a neighbour.
#[test]
fn a_master_takes_changes_in_place() {
    let lab = start_lab();
    let node = master(&lab, PLAIN);
    let peer = Node::new(&lab, "b", &["192.168.1.12/24"], &config(Wanted { priority: 100, ..PLAIN }));
    peer.start();
    eventually(&lab, &[&node, &peer], "b is BACKUP", || peer.state() == "BACKUP");
    let (feed, peers_feed, watch) = (follow(&node), follow(&peer), watch_addresses(&lab, &node));
    let hooks = node.hooks();
    let since = node.at("/checks/0/since");

    let changed = Wanted { priority: 200, interval: "0.2", vips: &[OTHER_VIP, VIP], ..PLAIN };
    node.configure(&config(changed));
    reloaded(&node);
    eventually(&lab, &[&node], "it has both addresses and the other priority", || {
        node.holds(VIP) && node.holds(OTHER_VIP) && node.at("/instances/0/priority/effective") == "210"
    });
    // A name, another hook, and one address less.
    let changed = Wanted { name: "web", vips: &[OTHER_VIP], more: "notify_stop /bin/true", ..changed };
    let neighbour = "vrrp_instance two {\n  interface eth0\n  virtual_router_id 6\n  version 3\n  advert_int 0.2\n  \
                     virtual_ipaddress { 192.168.1.102/32 }\n}\n";
    node.configure(&config(Wanted { blocks: neighbour, ..changed }));
    reloaded(&node);
    eventually(&lab, &[&node], "the neighbour is MASTER, and one address is gone", || {
        node.at("/instances/1/state") == "MASTER" && !node.holds(VIP) && node.holds("192.168.1.102")
    });
    assert_eq!((node.at("/instances/0/name").as_str(), node.state().as_str()), ("web", "MASTER"));
    node.configure(&config(changed));
    reloaded(&node);
    eventually(&lab, &[&node], "the neighbour is gone", || !node.holds("192.168.1.102"));

    let lines = feed.lines();
    let about = |name: &str| {
        lines
            .iter()
            .filter(|line| {
                line.text.contains("\"event\"") && line.text.contains(&format!("\"instance\":\"{name}\""))
            })
            .count()
    };
    assert_eq!((about("api_vip"), about("web")), (0, 0), "{}", node.story());
    assert!(about("two") >= 2, "it came and it went");
    assert_eq!(node.hooks(), hooks, "no hook for an unchanged state");
    assert_eq!((peer.state(), messages(&peers_feed)), ("BACKUP".to_owned(), vec![]), "the peer saw nothing");
    assert_eq!(node.at("/checks/0/since"), since, "the check has kept its history");
    let gone: Vec<_> = watch.lines().into_iter().filter(|line| line.text.contains("Deleted")).collect();
    let removed = |vip: &str| gone.iter().filter(|line| line.text.contains(vip)).count();
    assert_eq!((removed(VIP), removed(OTHER_VIP)), (1, 0), "{gone:?}");
    // And what was moved still works.
    node.stop();
    eventually(&lab, &[&peer], "b takes over", || peer.state() == "MASTER");
}

/// SIGHUP to any of them is `handover reload`.
#[test]
fn a_hang_up_reloads_everybody() {
    let lab = start_lab();
    let node = master(&lab, PLAIN);
    for (number, program) in
        ["ipmgr", "vrrp-core", "checkerd", "notifierd", "handover"].into_iter().enumerate()
    {
        let priority = 100 + u8::try_from(number).unwrap();
        node.configure(&config(Wanted { priority, ..PLAIN }));
        node.signal(program, "HUP");
        eventually(&lab, &[&node], program, || {
            let config = |program: &str| node.at(&format!("/processes/{program}/config"));
            node.at("/instances/0/priority/base") == priority.to_string()
                && config("vrrp-core") == config("checkerd")
                && config("vrrp-core") == config("notifierd")
        });
        assert!(node.at("/last_reload/by").starts_with("SIGHUP, by "), "{}", node.story());
    }
    assert_eq!(node.state(), "MASTER");
}

/// Whoever dies comes back with the file as it is, and the others follow it: no mixture stays.
#[test]
fn whoever_comes_back_with_another_file_is_followed() {
    let lab = start_lab();
    let node = master(&lab, PLAIN);
    for (number, program) in ["checkerd", "notifierd", "ipmgr", "vrrp-core"].into_iter().enumerate() {
        let priority = 100 + u8::try_from(number).unwrap();
        node.configure(&config(Wanted { priority, ..PLAIN }));
        node.kill(program);
        eventually(&lab, &[&node], program, || {
            let config = |program: &str| node.at(&format!("/processes/{program}/config"));
            node.at("/instances/0/priority/base") == priority.to_string()
                && config("vrrp-core") == config("checkerd")
                && config("vrrp-core") == config("notifierd")
                && node.at("/processes/ipmgr/running") == "true"
                && node.state() == "MASTER"
        });
    }
}

/// Everybody or nobody: one that doesn't answer keeps the others as they are, for no longer than a coordinator waits.
#[test]
fn nobody_changes_unless_all_can() {
    let lab = start_lab();
    let node = master(&lab, PLAIN);
    let feed = follow(&node);
    node.configure(&config(Wanted { priority: 200, ..PLAIN }));
    for program in ["checkerd", "ipmgr", "notifierd"] {
        node.signal(program, "STOP");
        let refused = reload(&node, &[]);
        node.signal(program, "CONT");
        assert_eq!(refused.exit, lab::Exit::Code(1), "{program}: {}", refused.stdout);
        assert!(
            refused.stderr.contains("nothing has changed: ") && refused.stderr.contains(program),
            "{}",
            refused.stderr
        );
        assert_eq!(node.at("/instances/0/priority/base"), "150", "{}", node.story());
        // Also where vrrp-core itself was ready.
        let last = node.at("/last_reload/error");
        assert!(node.at("/last_reload/outcome") == "refused" && last.contains(program), "{last}");
    }
    // A coordinator that dies has prepared for nothing.
    node.signal("notifierd", "STOP");
    let spec = Spec::new([&on_host("handover"), "reload", "--runtime-dir", RUNTIME_DIR]);
    let coordinator = node.host().spawn(spec).expect("run handover reload");
    assert!(coordinator.is_running());
    coordinator.kill(Signal::KILL).expect("signal");
    let _ = coordinator.wait(LIMIT);
    node.signal("notifierd", "CONT");
    assert_eq!(node.at("/instances/0/priority/base"), "150", "{}", node.story());
    drop(feed);
    reloaded(&node);
    eventually(&lab, &[&node], "the reload after that works", || {
        node.at("/instances/0/priority/base") == "200"
    });
}

/// As long as RELOAD_SECONDS says, else for a few seconds. `RELOAD_SECONDS=60 cargo test -p handover-tests --test reload`
#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "a rate and a yardstick are made of durations, not of conditions"
)]
fn ten_reloads_a_second_delay_no_advert() {
    const INTERVAL: Duration = Duration::from_millis(100);
    let seconds =
        std::env::var("RELOAD_SECONDS").map_or(5, |text| text.parse().expect("a number of seconds"));
    let lab = start_lab();
    let fast = Wanted { interval: "0.1", ..PLAIN };
    let node = master(&lab, fast);
    let peer = Node::new(&lab, "b", &["192.168.1.12/24"], &config(Wanted { priority: 100, ..fast }));
    peer.start();
    eventually(&lab, &[&node, &peer], "b is BACKUP", || peer.state() == "BACKUP");
    let capture = lab.capture().expect("capture");
    let texts = [
        config(Wanted { priority: 160, ..fast }),
        config(Wanted { priority: 170, vips: &[VIP, OTHER_VIP], ..fast }),
        config(Wanted { name: "web", priority: 180, more: "notify_stop /bin/true", ..fast }),
    ];
    // What the machine itself does to whoever wants to run every few milliseconds.
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let yardstick = {
        let done = std::sync::Arc::clone(&done);
        std::thread::spawn(move || {
            let (tick, mut worst) = (Duration::from_millis(5), Duration::ZERO);
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let before = sys::clock::now();
                std::thread::sleep(tick);
                worst = worst.max(sys::clock::now().since(before).saturating_sub(tick));
            }
            worst
        })
    };
    let begun = sys::clock::now();
    let mut reloads = 0_u32;
    let mut running = Vec::new();
    while sys::clock::now().since(begun) < Duration::from_secs(seconds) {
        node.configure(&texts[usize::try_from(reloads).unwrap() % texts.len()]);
        let spec = Spec::new([&on_host("handover"), "reload", "--runtime-dir", RUNTIME_DIR]);
        running.push(node.host().spawn(spec).expect("run handover reload"));
        reloads += 1;
        let due = begun + Duration::from_millis(100) * reloads;
        std::thread::sleep(due.since(sys::clock::now()));
    }
    for reload in running {
        reload.wait(LIMIT).expect("it ends");
    }
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    let lateness = yardstick.join().expect("the yardstick");
    let frames = capture.take();
    let times: Vec<_> = adverts(&frames, "a").into_iter().map(|(at, _)| at).collect();
    let longest = times.windows(2).map(|pair| pair[1].since(pair[0])).max().expect("adverts");
    eprintln!(
        "{reloads} reloads, {} adverts, longest gap {longest:?}, the machine {lateness:?}",
        times.len()
    );
    assert!(
        longest <= INTERVAL * 2 + lateness * 3,
        "an advert came {longest:?} after another; the machine: {lateness:?}"
    );
    if lateness < INTERVAL {
        assert_eq!(adverts(&frames, "b").len(), 0, "b took over\n{}\n{}", node.story(), peer.story());
    }
    reloaded(&node);
    assert_eq!(node.state(), "MASTER");
}
