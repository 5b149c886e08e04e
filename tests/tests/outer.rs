//! `startup_script` and `shutdown_script`: run before any instance takes part and after all have given up, beside
//! keepalived, and not once more whatever is restarted in between. What is promised is in docs/hooks.md.

use handover_tests::keepalived::{self, Keepalived};
use handover_tests::node::{
    CONFIG, HOOK, LIMIT, Node, RUNTIME_DIR, VIP, api_vip, eventually, hook_log, start_lab,
};
use handover_tests::programs::on_host;
use lab::{Host, Spec};

/// Remembers its arguments when it begins, and when it ends at its leisure.
const SLOW: &str = "/usr/local/bin/slow";
/// Remembers its arguments, and hears no TERM.
const DEAF: &str = "/usr/local/bin/deaf";
/// Ends once this file is there.
const UNTIL_ASKED: &str = "/usr/local/bin/until-asked";
const ASKED: &str = "/tmp/asked";
/// What notifierd asks for beyond what `shutdown_script` may take is less, in seconds.
const MARGIN: u64 = 30;

fn prepare(host: &Host) {
    let slow = format!("#!/bin/sh\n{HOOK} \"$@\"\nsleep 2\n{HOOK} \"$1\" is done\n");
    host.write_file(SLOW, &slow, 0o755).expect("write a script");
    let deaf = format!("#!/bin/sh\ntrap '' TERM\n{HOOK} \"$@\"\nwhile :; do sleep 1; done\n");
    host.write_file(DEAF, &deaf, 0o755).expect("write a script");
    let until_asked = format!("#!/bin/sh\nwhile [ ! -e {ASKED} ]; do sleep 0.1; done\n");
    host.write_file(UNTIL_ASKED, &until_asked, 0o755).expect("write a script");
}

fn node(lab: &lab::Lab, global: &str) -> Node {
    let config = format!("global_defs {{\n script_user root\n{global} }}\n{}", api_vip(100, ""));
    let node = Node::new(lab, "ours", &["192.168.1.12/24"], &config);
    prepare(node.host());
    node
}

/// Each is in the log once, in that order.
fn comes_before(log: &str, one: &str, other: &str) {
    assert_eq!((log.matches(one).count(), log.matches(other).count()), (1, 1), "{one}, {other}: {log}");
    assert!(log.find(one) < log.find(other), "{other} comes before {one}: {log}");
}

/// What happens to one instance, in order: keepalived runs its hooks of one state side by side.
#[test]
fn both_run_around_everything_as_with_keepalived() {
    if !keepalived::is_installed() {
        return;
    }
    let lab = start_lab();
    let config = |vrid: u8| {
        format!(
            "global_defs {{\n script_user root\n startup_script \"{SLOW} 'up we' go\"\n startup_script_timeout 30\n \
             shutdown_script \"{SLOW} down\"\n shutdown_script_timeout 30\n}}\nvrrp_instance one {{\n interface eth0\n \
             virtual_router_id {vrid}\n priority 100\n virtual_ipaddress {{\n 192.168.1.{vrid}/24\n }}\n notify {HOOK}\n}}\n"
        )
    };
    let theirs = Keepalived::new(&lab, "theirs", &["192.168.1.11/24"], &config(110));
    let ours = Node::new(&lab, "ours", &["192.168.1.12/24"], &config(120));
    for host in [theirs.host(), ours.host()] {
        prepare(host);
        handover_tests::node::install_hook(host);
    }
    theirs.start();
    ours.start();
    let master = "INSTANCE one MASTER 100".to_owned();
    assert!(lab.wait_for(LIMIT, || hook_log(theirs.host()).contains(&master)), "{}", theirs.story());
    eventually(&lab, &[&ours], "MASTER", || ours.hooks().contains(&master));
    theirs.stop();
    ours.stop();
    let expected = [
        "up we go",
        "up we is done",
        "INSTANCE one BACKUP 100",
        "INSTANCE one MASTER 100",
        "INSTANCE one STOP 100",
        "down",
        "down is done",
    ];
    assert_eq!(hook_log(theirs.host()), expected, "{}", theirs.story());
    assert_eq!(ours.hooks(), expected, "{}", ours.story());
}

/// Nothing but a stop in good order makes the next start one.
#[test]
fn nothing_runs_again_in_a_system_that_runs() {
    let lab = start_lab();
    let node = node(&lab, &format!(" startup_script \"{HOOK} up\"\n shutdown_script \"{HOOK} down\"\n"));
    node.start();
    eventually(&lab, &[&node], "MASTER is told", || node.hooks().len() == 3);
    let expected = ["up", "INSTANCE api_vip BACKUP 100", "INSTANCE api_vip MASTER 100"];
    assert_eq!(node.hooks(), expected);
    assert_eq!(node.at("/startup_script/last/outcome"), "succeeded", "{}", node.story());
    let is_whole =
        || ["vrrp-core", "notifierd"].iter().all(|it| node.pids(it).len() == 1) && node.state() == "MASTER";
    let connected = |n: usize| node.log().matches("connected to vrrp-core").count() == n;
    // An upgrade, a crash of each, and of both.
    let ends = [("vrrp-core", "USR1"), ("vrrp-core", "KILL"), ("notifierd", "KILL"), ("notifierd", "TERM")];
    for (connections, (who, signal)) in (2..).zip(ends) {
        let before = node.pids(who);
        node.signal(who, signal);
        eventually(&lab, &[&node], &format!("another {who} after {signal}"), || {
            node.pids(who) != before && is_whole() && connected(connections)
        });
        assert!(node.holds(VIP), "{}", node.story());
    }
    let both = ["vrrp-core", "notifierd"].map(|it| node.pids(it));
    let _ = node.sh(&format!("kill -KILL {} {}", both[0][0], both[1][0]));
    eventually(&lab, &[&node], "both are back", || {
        ["vrrp-core", "notifierd"].map(|it| node.pids(it)) != both && is_whole()
    });
    let reloaded =
        node.host().run([&on_host("handover"), "reload", "--runtime-dir", RUNTIME_DIR]).expect("reload");
    assert!(reloaded.success(), "{}{}", reloaded.stdout, reloaded.stderr);
    eventually(&lab, &[&node], "MASTER", || node.state() == "MASTER");
    assert!(!node.hooks().iter().skip(1).any(|it| it == "up" || it == "down"), "{}", node.story());
    node.stop();
    let tail = |n: usize| node.hooks().into_iter().rev().take(n).collect::<Vec<_>>();
    assert_eq!(tail(2), ["down", "INSTANCE api_vip STOP 100"], "{}", node.story());
    // Another start.
    node.start();
    eventually(&lab, &[&node], "MASTER", || tail(1) == ["INSTANCE api_vip MASTER 100"]);
    assert_eq!(node.hooks().iter().filter(|it| *it == "up").count(), 2, "{}", node.story());
    node.stop();
    let history = node.sh(&format!("{} history --state-dir /run/state", on_host("handover")));
    assert!(history.contains("  startup_script succeeded in "), "{history}");
    assert!(history.contains("  shutdown_script succeeded in "), "{history}");
}

/// Neither what hangs nor what isn't there keeps the address away, nor the end.
#[test]
fn a_script_that_hangs_or_is_missing_is_told_and_keeps_nobody() {
    let lab = start_lab();
    let global = format!(
        " startup_script \"{DEAF} up\"\n startup_script_timeout 2\n shutdown_script \"{DEAF} down\"\n shutdown_script_timeout 1\n"
    );
    let node = node(&lab, &global);
    node.start();
    eventually(&lab, &[&node], "MASTER", || node.state() == "MASTER" && node.holds(VIP));
    assert_eq!(node.at("/startup_script/last/outcome"), "timed out", "{}", node.story());
    let log = node.log();
    assert_eq!(
        log.matches("startup_script takes longer than its startup_script_timeout").count(),
        1,
        "{log}"
    );
    comes_before(&log, "startup_script failed: timed out", "Entering BACKUP STATE");
    node.stop();
    assert_eq!(node.hooks().last().map(String::as_str), Some("down"), "{log}");

    let missing = " startup_script /nonexistent/up\n shutdown_script /nonexistent/down\n";
    let config = format!("global_defs {{\n script_user root\n{missing} }}\n{}", api_vip(100, ""));
    node.configure(&config);
    node.start();
    eventually(&lab, &[&node], "MASTER", || node.state() == "MASTER" && node.holds(VIP));
    assert!(node.at("/startup_script/last/outcome").contains("/nonexistent/up"), "{}", node.story());
    let log = node.log();
    assert_eq!(log.matches("startup_script failed: ").count(), 1, "{log}");
    node.stop();
}

/// The file may say what it likes: what runs, and how long it may, is what was loaded last.
#[test]
fn a_changed_limit_counts_once_it_is_loaded() {
    let lab = start_lab();
    let limit = |seconds: u8| {
        let script = format!("shutdown_script {UNTIL_ASKED}\n shutdown_script_timeout {seconds}");
        format!("global_defs {{\n script_user root\n {script}\n}}\n{}", api_vip(100, ""))
    };
    let node = Node::new(&lab, "ours", &["192.168.1.12/24"], &limit(30));
    prepare(node.host());
    let reload = |more: &[&str]| {
        let handover = on_host("handover");
        let command = [&[handover.as_str(), "reload", "--runtime-dir", RUNTIME_DIR], more].concat();
        let reloaded = node.host().run(command).expect("reload");
        assert!(reloaded.success(), "{}{}", reloaded.stdout, reloaded.stderr);
        reloaded.stdout
    };
    // The margin is notifierd's, for what it does after the script.
    let stops_within = |seconds: u64| {
        node.ask_to_stop();
        let asked = || {
            let log = node.log();
            let (_, rest) = log.split_once("notifierd may take ")?;
            rest.split_once(" s more to stop")?.0.parse::<u64>().ok()
        };
        eventually(&lab, &[&node], "it asks for time", || asked().is_some());
        assert!(asked().is_some_and(|it| (seconds..seconds + MARGIN).contains(&it)), "{}", node.story());
        let _ = node.sh(&format!("touch {ASKED}"));
        node.wait_for_end();
        let _ = node.sh(&format!("rm {ASKED}"));
    };
    let planned = "retune   command of shutdown_script: shutdown_script_timeout\n";
    node.start();
    eventually(&lab, &[&node], "MASTER", || node.state() == "MASTER");
    node.configure(&limit(90));
    assert!(reload(&["--plan"]).contains(planned), "{}", node.story());
    stops_within(30);

    node.start();
    eventually(&lab, &[&node], "MASTER", || node.state() == "MASTER");
    node.configure(&limit(60));
    assert!(reload(&[]).contains(planned), "{}", node.story());
    node.configure(&limit(90));
    stops_within(60);
}

/// It is waited for no longer than it may take and a little more, whoever should run it.
#[test]
fn without_a_notifierd_the_start_is_late_and_comes() {
    let lab = start_lab();
    let node = node(&lab, &format!(" startup_script \"{HOOK} up\"\n startup_script_timeout 1\n"));
    let _ = node.sh(&format!("mkdir -p {RUNTIME_DIR} /run/state"));
    let start = |name: &str| {
        let directories = ["--runtime-dir", RUNTIME_DIR, "--state-dir", "/run/state"];
        let program = on_host(name);
        let argv = [program.as_str(), "--config", CONFIG].into_iter().chain(directories);
        node.host().spawn(Spec::new(argv).variable("HANDOVER_LOG", "info")).expect("start a daemon")
    };
    let daemons = ["ipmgr", "vrrp-core"].map(start);
    eventually(&lab, &[&node], "MASTER", || node.state() == "MASTER" && node.holds(VIP));
    let log: Vec<String> = daemons[1].lines().into_iter().map(|line| line.text).collect();
    let log = log.join("\n");
    comes_before(&log, "for 6 s at most", "nobody has said in time that startup_script has ended");
    comes_before(&log, "nobody has said in time that startup_script has ended", "Entering BACKUP STATE");
    assert_eq!(node.hooks(), Vec::<String>::new());
}
