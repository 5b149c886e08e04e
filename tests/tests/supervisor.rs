//! `handover run` when its daemons or it itself come to harm: no orphan, and one daemon's trouble stays its own.

use handover_tests::node::{Node, RUNTIME_DIR, VIP, api_vip, eventually, start_lab};
use handover_tests::programs::on_host;
use lab::{Lab, Spec};

const FILE: &str = "/etc/handover/handover.conf";

fn master(lab: &Lab) -> Node {
    let node = Node::new(lab, "a", &["192.168.1.11/24"], &api_vip(150, ""));
    node.start();
    eventually(lab, &[&node], "a is MASTER", || node.state() == "MASTER" && node.holds(VIP));
    node
}

#[test]
fn no_daemon_outlives_the_supervisor() {
    let lab = start_lab();
    let node = master(&lab);
    node.kill("handover");
    eventually(&lab, &[&node], "every daemon has ended by itself", || {
        ["ipmgr", "vrrp-core", "checkerd", "notifierd"].iter().all(|name| node.pids(name).is_empty())
    });
    // They were asked, not killed: nothing is left on the interface, and a new start works.
    assert!(!node.holds(VIP), "the address was left behind");
    assert_eq!(
        node.sh(&format!("ls {RUNTIME_DIR}/*.sock 2>&1 | grep -v 'No such'")),
        "",
        "sockets were left behind"
    );
    node.start();
    eventually(&lab, &[&node], "a is MASTER again", || node.state() == "MASTER" && node.holds(VIP));
}

#[test]
fn a_daemon_that_cannot_come_back_leaves_the_address_where_it_is() {
    let lab = start_lab();
    let node = master(&lab);
    let broken = api_vip(150, "") + "garbage {\n";
    node.host().write_file(FILE, &broken, 0o644).expect("break the file");
    node.kill("notifierd");
    eventually(&lab, &[&node], "status says that notifierd is away", || {
        node.at("/processes/notifierd/running") == "false"
    });
    node.host().write_file(FILE, &api_vip(150, ""), 0o644).expect("mend the file");
    eventually(&lab, &[&node], "notifierd is back", || node.at("/processes/notifierd/running") == "true");
    assert_eq!(node.state(), "MASTER", "{}", node.story());
    assert!(node.holds(VIP));
    assert_eq!(node.at("/instances/0/cause/code"), "no-master", "it never moved: {}", node.story());
}

/// A daemon that hangs is as bad as one that is dead, and nobody's `wait` tells.
#[test]
fn daemons_that_hang_are_replaced_and_nothing_moves() {
    let lab = start_lab();
    let node = master(&lab);
    let hanging = ["ipmgr", "checkerd", "notifierd"];
    let before = hanging.map(|name| node.pids(name));
    hanging.iter().for_each(|name| node.signal(name, "STOP"));
    eventually(&lab, &[&node], "all three are others", || {
        let now = hanging.map(|name| node.pids(name));
        now.iter().zip(&before).all(|(now, before)| now.len() == 1 && now != before)
    });
    assert!(node.log().contains("ipmgr hangs, and is killed"), "{}", node.log());
    eventually(&lab, &[&node], "it is still MASTER", || node.state() == "MASTER" && node.holds(VIP));
    let hooks = node.hooks();
    assert!(!hooks.iter().any(|line| line.contains("FAULT")), "{hooks:?}\n{}", node.story());
}

/// The last hook run is that of the final state, also if notifierd dies while everything stops: vrrp-core has not told it yet.
#[test]
fn a_notifierd_that_dies_during_the_stop_is_there_for_the_last_hooks() {
    let lab = start_lab();
    let node = Node::new(
        &lab,
        "a",
        &["192.168.1.11/24"],
        &api_vip(150, "").replace("advert_int 0.3", "advert_int 1"),
    );
    node.start();
    eventually(&lab, &[&node], "a is MASTER", || node.state() == "MASTER" && node.holds(VIP));
    eventually(&lab, &[&node], "its hook ran", || node.hooks().iter().any(|hook| hook.contains("MASTER")));
    node.signal("handover", "TERM");
    node.kill("notifierd");
    eventually(&lab, &[&node], "everything has stopped", || node.pids("handover").is_empty());
    let hooks = node.hooks();
    assert!(hooks.last().is_some_and(|hook| hook.contains("STOP")), "{hooks:?}\n{}", node.log());
    assert!(node.log().contains("notifierd has ended (signal 9)"), "{}", node.log());
}

/// A log shim that hangs, a terminal that was stopped: nobody may wait for whoever reads the log.
#[test]
fn a_log_that_nobody_reads_keeps_nobody_from_working() {
    let lab = start_lab();
    let node = Node::new(&lab, "a", &["192.168.1.11/24"], &api_vip(150, ""));
    // The shell's own descriptor keeps the pipe open, and reads nothing.
    let run = format!(
        "mkfifo /run/log && exec 3<>/run/log && exec {} run --runtime-dir {RUNTIME_DIR} --state-dir /run/state -f {FILE} >/run/log 2>&1",
        on_host("handover")
    );
    let run =
        node.host().spawn(Spec::new(["sh", "-c", &run]).variable("HANDOVER_LOG", "info")).expect("start");
    eventually(&lab, &[&node], "a is MASTER", || node.state() == "MASTER" && node.holds(VIP));
    let full = "dd if=/dev/zero of=/run/log bs=4096 count=1000 oflag=nonblock 2>&1 | grep -c 'temporarily unavailable'";
    eventually(&lab, &[&node], "the pipe is full", || node.sh(full).trim() == "1");
    for _ in 0..3 {
        let _ = node.sh(&format!("ip address del {VIP}/32 dev eth0"));
        eventually(&lab, &[&node], "ipmgr works", || node.holds(VIP));
    }
    let _ = node.sh("ip link set eth0 down");
    eventually(&lab, &[&node], "vrrp-core works", || node.state() == "FAULT");
    let _ = node.sh("ip link set eth0 up");
    eventually(&lab, &[&node], "the link is seen again", || node.state() == "BACKUP");
    let reader = node
        .host()
        .spawn(Spec::new(["sh", "-c", "grep -a --line-buffered lost </run/log"]))
        .expect("read on");
    let _ = node.sh("ip link set eth0 down");
    eventually(&lab, &[&node], "what is lost is told", || {
        reader.lines().iter().any(|it| it.text.contains("lines of the log are lost, since nobody read them"))
    });
    drop(run);
}

/// ipmgr has restarted after an edit: the file decides, and the address stays where it is.
#[test]
fn an_ipmgr_with_another_configuration_is_followed() {
    let lab = start_lab();
    let a = master(&lab);
    let b = Node::new(&lab, "b", &["192.168.1.12/24"], &api_vip(100, ""));
    b.start();
    eventually(&lab, &[&a, &b], "b is BACKUP", || b.state() == "BACKUP");
    a.host().write_file(FILE, &api_vip(151, ""), 0o644).expect("edit the file");
    a.kill("ipmgr");
    eventually(&lab, &[&a, &b], "a runs what the file says", || {
        a.at("/instances/0/priority/base") == "151" && a.at("/processes/ipmgr/running") == "true"
    });
    assert_eq!(
        (a.state(), b.state()),
        ("MASTER".to_owned(), "BACKUP".to_owned()),
        "{}\n{}",
        a.story(),
        b.story()
    );
    assert!(a.holds(VIP));
}

#[test]
fn a_second_supervisor_in_the_same_directory_is_refused() {
    let lab = start_lab();
    let node = master(&lab);
    let handover = handover_tests::programs::on_host("handover");
    let output = node.host().run([&handover, "run", "-f", FILE, "--runtime-dir", RUNTIME_DIR]).expect("run");
    assert_eq!(output.exit, lab::Exit::Code(1), "{}", output.stderr);
    assert!(output.stderr.contains("another 'handover run' uses /run/handover"), "{}", output.stderr);
    assert_eq!(node.state(), "MASTER");
}
