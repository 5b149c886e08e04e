//! Machines that aren't as they should be: a full `/run`, a directory that is somebody else's, missing rights, a kernel that
//! refuses, somebody who undoes our work. Each gets a named reason, and the others keep working.

use handover_tests::node::{Node, RUNTIME_DIR, VIP, api_vip, eventually, start_lab};
use handover_tests::programs::on_host;
use lab::{Exit, Lab};

const FILE: &str = "/etc/handover/handover.conf";
const STATE_DIR: &str = "/run/state";
/// Nothing of root's rights is left, whoever that is in the lab.
const WITHOUT_RIGHTS: &str = "setpriv --bounding-set=-all --inh-caps=-all";

fn node(lab: &Lab, config: &str) -> Node {
    Node::new(lab, "a", &["192.168.1.11/24"], config)
}

fn become_master(lab: &Lab, node: &Node) {
    node.start();
    eventually(lab, &[node], "a is MASTER", || node.state() == "MASTER" && node.holds(VIP));
}

/// It was MASTER once, and nothing since.
fn never_moved(node: &Node) {
    assert_eq!(node.state(), "MASTER", "{}", node.story());
    assert!(node.holds(VIP), "{}", node.story());
    let masters = node.hooks().iter().filter(|hook| hook.contains("MASTER")).count();
    assert_eq!(masters, 1, "{}", node.story());
}

fn in_shell(node: &Node, script: &str) -> lab::Output {
    node.host().run(["sh", "-c", script]).expect("run a shell")
}

/// Each daemon's command line.
fn daemon(name: &str) -> String {
    format!("{} --runtime-dir {RUNTIME_DIR} --state-dir {STATE_DIR} -f {FILE}", on_host(name))
}

#[test]
fn with_a_full_run_nothing_starts_and_each_says_why() {
    let lab = start_lab();
    let node = node(&lab, &api_vip(150, ""));
    // The directory itself is the one file that has room.
    let mount = format!("mkdir -p {RUNTIME_DIR} && mount -t tmpfs -o nr_inodes=1 none {RUNTIME_DIR}");
    assert!(in_shell(&node, &mount).success());
    for name in ["ipmgr", "vrrp-core", "checkerd", "notifierd"] {
        let output = in_shell(&node, &daemon(name));
        // A restart may help: somebody may make room.
        assert_eq!(output.exit, Exit::Code(1), "{name}: {}", output.stderr);
        let said = format!("listen on {RUNTIME_DIR}/{name}.sock: No space left on device");
        assert!(output.stderr.contains(&said), "{name}: {}", output.stderr);
    }
    let output = in_shell(
        &node,
        &format!("{} run --runtime-dir {RUNTIME_DIR} --state-dir {STATE_DIR} -f {FILE}", on_host("handover")),
    );
    assert_eq!(output.exit, Exit::Code(1), "{}", output.stderr);
    let said = format!("{RUNTIME_DIR}/handover.lock: No space left on device");
    assert!(output.stderr.contains(&said), "{}", output.stderr);
}

/// What can't be remembered hasn't happened, and is no reason to move.
#[test]
fn a_state_directory_that_fills_up_moves_nothing() {
    let lab = start_lab();
    let node = node(&lab, &api_vip(150, ""));
    let mount = format!("mkdir -p {STATE_DIR} && mount -t tmpfs -o size=64k none {STATE_DIR}");
    assert!(in_shell(&node, &mount).success());
    become_master(&lab, &node);
    let _ = node.sh(&format!("dd if=/dev/zero of={STATE_DIR}/full bs=4k 2>/dev/null"));
    let drain = format!("{} drain --all --force --runtime-dir {RUNTIME_DIR}", on_host("handover"));
    let output = in_shell(&node, &drain);
    assert_eq!(output.exit, Exit::Code(1), "{}{}", output.stdout, output.stderr);
    assert!(output.stderr.contains("No space left on device"), "{}", output.stderr);
    never_moved(&node);
    // Every daemon ends and comes back all the same, and the master with it.
    for name in ["notifierd", "checkerd", "vrrp-core"] {
        node.kill(name);
        eventually(&lab, &[&node], &format!("{name} is back"), || {
            node.at(&format!("/processes/{name}/running")) == "true"
        });
    }
    eventually(&lab, &[&node], "ipmgr serves the new vrrp-core", || {
        node.at("/processes/ipmgr/running") == "true" && node.state() == "MASTER"
    });
    assert!(node.holds(VIP), "{}", node.story());
    let _ = node.sh(&format!("rm {STATE_DIR}/full"));
    let output = in_shell(&node, &drain);
    assert!(output.success(), "{}{}", output.stdout, output.stderr);
}

#[test]
fn a_place_that_is_taken_keeps_one_out_and_no_other() {
    let lab = start_lab();
    let node = node(&lab, &api_vip(150, ""));
    become_master(&lab, &node);
    // In the lab every daemon may be root, who may write anywhere: so what is there is a directory that nobody removes.
    let block = format!("rm -f {RUNTIME_DIR}/notifierd.sock && mkdir -p {RUNTIME_DIR}/notifierd.sock/theirs");
    assert!(in_shell(&node, &block).success());
    node.kill("notifierd");
    eventually(&lab, &[&node], "the next notifierd says why it doesn't start", || {
        node.log().contains(&format!("listen on {RUNTIME_DIR}/notifierd.sock: "))
    });
    assert_eq!(node.at("/processes/notifierd/running"), "false", "{}", node.story());
    assert!(!node.at("/processes/notifierd/trouble").is_empty(), "{}", node.story());
    assert!(node.holds(VIP) && node.state() == "MASTER", "{}", node.story());
    let _ = node.sh(&format!("rm -r {RUNTIME_DIR}/notifierd.sock"));
    eventually(&lab, &[&node], "notifierd is back", || node.at("/processes/notifierd/running") == "true");
}

/// Anybody on the machine could take a daemon's place there.
#[test]
fn a_socket_directory_that_anybody_may_write_is_told() {
    let lab = start_lab();
    let node = node(&lab, &api_vip(150, ""));
    let _ = node.sh(&format!("mkdir -p {RUNTIME_DIR} && chmod 777 {RUNTIME_DIR}"));
    let spec = lab::Spec::new(["sh", "-c", &format!("exec {}", daemon("vrrp-core"))]);
    let running = node.host().spawn(spec).expect("start");
    let told = running.wait_for_line(handover_tests::node::LIMIT, |line| {
        line.contains("anybody may write in /run/handover")
    });
    assert!(told.is_some(), "{:?}", running.lines());
    // It starts all the same; before that a signal would find nobody who hears it.
    eventually(&lab, &[&node], "it serves its socket", || {
        in_shell(&node, &format!("test -S {RUNTIME_DIR}/vrrp-core.sock")).success()
    });
    running.kill(lab::Signal::TERM).expect("signal");
    assert_eq!(running.wait(handover_tests::node::LIMIT), Some(Exit::Code(0)));
}

/// Without the right to write there a restart won't help: 77.
#[test]
fn a_daemon_whose_user_may_not_write_there_says_so_for_good() {
    let lab = start_lab();
    if sys::user::effective_uid() != 0 || !sys::user::can_become(65_534).unwrap_or(false) {
        eprintln!("SKIPPED: this user's namespaces have one user only");
        assert!(std::env::var_os("CI").is_none(), "CI runs as root");
        return;
    }
    let node = node(&lab, &api_vip(150, ""));
    let _ = node.sh(&format!(
        "mkdir -p {RUNTIME_DIR} && chmod 755 {RUNTIME_DIR} && chmod 644 {FILE} && chmod 755 /etc/handover"
    ));
    for name in ["vrrp-core", "checkerd", "notifierd"] {
        let command = format!("setpriv --reuid 65534 --regid 65534 --clear-groups {}", daemon(name));
        let output = in_shell(&node, &command);
        assert_eq!(output.exit, Exit::Code(77), "{name}: {}", output.stderr);
        let said = format!("listen on {RUNTIME_DIR}/{name}.sock: Permission denied");
        assert!(output.stderr.contains(&said), "{name}: {}", output.stderr);
    }
}

#[test]
fn without_rights_those_who_need_some_say_which_and_the_others_work() {
    let lab = start_lab();
    let node = node(&lab, &api_vip(150, ""));
    let _ = node.sh(&format!("mkdir -p {RUNTIME_DIR} {STATE_DIR}"));
    let run =
        format!("{} run --runtime-dir {RUNTIME_DIR} --state-dir {STATE_DIR} -f {FILE}", on_host("handover"));
    for command in [&daemon("ipmgr"), &run] {
        let output = in_shell(&node, &format!("{WITHOUT_RIGHTS} {command}"));
        assert_eq!(output.exit, Exit::Code(77), "{command}: {}", output.stderr);
        assert!(output.stderr.contains("CAP_NET_ADMIN"), "{command}: {}", output.stderr);
    }
    for name in ["vrrp-core", "checkerd", "notifierd"] {
        let spec = lab::Spec::new(["sh", "-c", &format!("exec {WITHOUT_RIGHTS} {}", daemon(name))]);
        let running = node.host().spawn(spec).expect("start");
        eventually(&lab, &[&node], &format!("{name} serves its socket"), || {
            in_shell(&node, &format!("test -S {RUNTIME_DIR}/{name}.sock")).success()
        });
        running.kill(lab::Signal::TERM).expect("signal");
        assert_eq!(running.wait(handover_tests::node::LIMIT), Some(Exit::Code(0)), "{name}");
    }
}

/// D1, and what belongs to no instance.
#[test]
fn status_names_who_is_fought_and_what_was_refused_of_what_stands_still() {
    let lab = start_lab();
    let statics = "static_ipaddress {\n  192.168.1.77/32 dev eth0\n}
static_routes {\n  10.9.0.0/24 via 203.0.113.77 dev eth0\n}\n";
    let node = node(&lab, &(statics.to_owned() + &api_vip(150, "")));
    become_master(&lab, &node);
    eventually(&lab, &[&node], "status says which static route was refused", || {
        node.at("/static_refused/0").contains("10.9.0.0/24")
    });
    for _ in 0..3 {
        eventually(&lab, &[&node], "it can be taken away", || {
            in_shell(&node, &format!("ip address delete {VIP}/32 dev eth0")).success()
        });
        eventually(&lab, &[&node], "it is put back", || node.holds(VIP));
    }
    eventually(&lab, &[&node], "status says what is fought over", || {
        node.at("/contested/0/thing") == format!("{VIP} on eth0")
            && node.at("/contested/0/instance") == "api_vip"
            && node.at("/contested/0/count") == "3"
    });
    for _ in 0..2 {
        eventually(&lab, &[&node], "what is static can be taken away", || {
            in_shell(&node, "ip address delete 192.168.1.77/32 dev eth0").success()
        });
        eventually(&lab, &[&node], "it is put back, too", || node.holds("192.168.1.77"));
    }
    eventually(&lab, &[&node], "status says that it is fought over", || {
        node.at("/contested/1/thing") == "192.168.1.77 on eth0" && node.at("/contested/1/count") == "2"
    });
    assert_eq!(node.at("/contested/1/instance"), "");
    let status = format!("{} status --runtime-dir {RUNTIME_DIR}", on_host("handover"));
    let text = in_shell(&node, &status).stdout;
    assert!(text.contains(&format!("contested: {VIP} on eth0 of api_vip: ")), "{text}");
    assert!(text.contains("contested: 192.168.1.77 on eth0, which is static: "), "{text}");
    assert!(text.contains("of what is static: "), "{text}");
    never_moved(&node);
}

/// What can go wrong on a host at once, and somebody whom none of it concerns.
const CROWDED: &str = "vrrp_instance nowhere {
  version 3
  interface eth9
  virtual_router_id 6
  virtual_ipaddress { 192.168.1.101/32 }
}
vrrp_instance crowded {
  version 3
  interface eth0
  virtual_router_id 7
  advert_int 0.3
  no_accept
  virtual_ipaddress {
    192.168.1.102/32
    192.168.1.103/32 dev eth8 no_track
  }
  virtual_routes {
    198.51.100.0/24 via 203.0.113.77
  }
}
";

/// Each has its line, and whom it doesn't concern is as well as ever (docs/troubleshooting.md).
#[test]
fn status_names_everything_that_is_in_the_way_and_the_others_work() {
    let lab = start_lab();
    let node = node(&lab, &(api_vip(150, "") + CROWDED));
    let _ = node.sh("ip address add 192.168.1.102/32 dev lo; nft add table inet handover");
    become_master(&lab, &node);
    eventually(&lab, &[&node], "crowded is MASTER", || node.at("/instances/2/state") == "MASTER");
    let status = format!("{} status --runtime-dir {RUNTIME_DIR}", on_host("handover"));
    let text = in_shell(&node, &status).stdout;
    for line in [
        "not eligible: interface eth9 does not exist",
        "trouble: add 192.168.1.103/32 on eth8: there is no such interface",
        "trouble: add route 198.51.100.0/24 via 203.0.113.77 ",
        "ENETUNREACH (Network is unreachable): Nexthop has invalid gateway",
        "trouble: make the table `inet handover` of nftables: EEXIST (File exists): somebody else has a table of that name",
        "trouble: 192.168.1.102 is on lo as well, where something else put it",
    ] {
        assert!(text.contains(line), "{line}\nis not in\n{text}");
    }
    assert_eq!(node.at("/instances/0/refused"), "", "{text}");
    assert!(node.holds("192.168.1.102"), "{}", node.story());
    never_moved(&node);
    // What is mended is told no more.
    let _ = node.sh("ip address delete 192.168.1.102/32 dev lo; nft delete table inet handover");
    eventually(&lab, &[&node], "two are told no more", || {
        let text = node.at("/instances/2/refused");
        !text.contains("as well") && !text.contains("nftables") && text.contains("203.0.113.77")
    });
    assert_eq!(node.at("/instances/2/state"), "MASTER");
}
