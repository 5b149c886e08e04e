//! A service that runs only on the master, and its death there (pains A5, B1 and B6): real HAProxy on real hosts, with the
//! configurations and the hook of examples/haproxy-on-master-only.
//!
//! Hosts of a lab have no systemd: a `systemctl` of their own starts and stops HAProxy. Intervals are shortened.

use std::fs;
use std::path::Path;

use handover_tests::node::{Node, RUNTIME_DIR, api_vip, eventually, start_lab};
use handover_tests::programs::on_host;
use lab::Lab;

const VIP: &str = "192.168.1.100";
const SYSTEMCTL: &str = "#!/bin/sh
case $1 in
    start) pidof haproxy >/dev/null || haproxy -D -f /etc/haproxy.cfg ;;
    stop) killall -q haproxy; : ;;
esac
";
const HAPROXY: &str = "defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
frontend web
  bind :8080
  http-request return status 200
";

fn example(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/haproxy-on-master-only").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The same, in a hurry.
fn hurried(file: &str) -> String {
    let text = example(file);
    let text = text.replace("interval 2\n", "interval 0.3\n");
    text.replace("while master\n", "while master\n  grace 5\n  penalty 600\n")
}

fn node(lab: &Lab, name: &str, address: &str, config: &str) -> Node {
    let node = Node::new(lab, name, &[address], config);
    let files = [
        ("/usr/local/bin/systemctl", SYSTEMCTL, 0o755),
        ("/usr/local/bin/haproxy-follows-master.sh", &example("haproxy-follows-master.sh"), 0o755),
        ("/etc/haproxy.cfg", HAPROXY, 0o644),
    ];
    for (path, text, mode) in files {
        node.host().write_file(path, text, mode).expect("a file");
    }
    node
}

fn serves(node: &Node) -> bool {
    node.state() == "MASTER" && node.holds(VIP) && !node.pids("haproxy").is_empty()
}

fn handover(node: &Node, arguments: &[&str]) {
    let program = on_host("handover");
    let arguments = [&[program.as_str()], arguments, &["--runtime-dir", RUNTIME_DIR]].concat();
    let output = node.host().run(arguments).expect("run handover");
    assert!(output.success(), "{}", output.stderr);
}

fn undrain(node: &Node) {
    handover(node, &["undrain", "--all"]);
}

#[test]
fn haproxy_that_dies_on_the_master_moves_the_address() {
    let lab = start_lab();
    let a = node(&lab, "a", "192.168.1.11/24", &hurried("cure/a.conf"));
    let b = node(&lab, "b", "192.168.1.12/24", &hurried("cure/b.conf"));
    if a.sh("command -v haproxy").is_empty() {
        eprintln!("SKIPPED: haproxy is not installed");
        assert!(std::env::var_os("CI").is_none(), "CI installs haproxy");
        return;
    }
    a.start();
    eventually(&lab, &[&a], "a is MASTER, and the hook has started HAProxy", || serves(&a));
    b.start();
    eventually(&lab, &[&a, &b], "b waits", || {
        b.state() == "BACKUP" && b.at("/instances/0/master/priority") == "120"
    });
    assert_eq!(b.at("/instances/0/priority/effective"), "110", "without HAProxy, and fit");
    assert_eq!(b.pids("haproxy"), [] as [u32; 0]);

    let _ = a.sh("killall -9 haproxy");
    eventually(&lab, &[&a, &b], "b has taken over and runs HAProxy", || serves(&b));
    eventually(&lab, &[&a, &b], "a gave way", || a.state() == "BACKUP" && !a.holds(VIP));
    assert_eq!(a.at("/instances/0/priority/effective"), "100");
    assert_eq!(a.at("/instances/0/penalties/0/check"), "chk_haproxy");
    assert_eq!(a.at("/instances/0/penalties/0/length_ms"), "600000");

    // Its own HAProxy is stopped there, which says nothing; the operator says that it is well again.
    undrain(&a);
    eventually(&lab, &[&a, &b], "a serves again", || serves(&a));
    eventually(&lab, &[&a, &b], "b has stopped its HAProxy", || {
        !b.holds(VIP) && b.pids("haproxy").is_empty()
    });
    assert_eq!(a.at("/instances/0/penalties"), "");
}

/// The node whose service is known to be dead doesn't take the address back from its healthy peer because a daemon began anew.
#[test]
fn a_penalty_outlives_whoever_dies_in_it() {
    const CHECK: &str =
        "vrrp_script svc {\n  file /run/svc\n  interval 0.2\n  while master\n  grace 1\n  penalty 600\n}\n";
    let config = |priority| format!("{CHECK}{}", api_vip(priority, "  track_script {\n    svc\n  }\n"));
    let lab = start_lab();
    let a = Node::new(&lab, "a", &["192.168.1.11/24"], &config(100));
    let b = Node::new(&lab, "b", &["192.168.1.12/24"], &config(90));
    let _ = a.sh("echo 1 > /run/svc");
    let _ = b.sh("echo 1 > /run/svc");
    a.start();
    eventually(&lab, &[&a], "a is MASTER", || a.state() == "MASTER");
    b.start();
    eventually(&lab, &[&a, &b], "b waits", || b.state() == "BACKUP");
    let _ = a.sh("rm /run/svc");
    eventually(&lab, &[&a, &b], "the address has moved", || a.state() == "FAULT" && b.state() == "MASTER");

    for how in ["KILL", "TERM", "stop and start"] {
        let before = a.at("/boot");
        if how == "stop and start" {
            a.stop();
            a.start();
        } else {
            a.signal("vrrp-core", how);
        }
        eventually(&lab, &[&a, &b], how, || {
            let status = a.status();
            let at = |pointer: &str| {
                status.as_ref().and_then(|it| it.pointer(pointer)).cloned().unwrap_or_default()
            };
            at("/boot") != before && at("/instances/0/state") == "FAULT" && at("/checks/0/verdict") == "down"
        });
        assert_eq!(a.at("/instances/0/cause/code"), "failed-as-master", "{how}\n{}", a.story());
        assert_eq!(a.at("/instances/0/penalties/0/length_ms"), "600000", "{how}\n{}", a.story());
        let masters = a.log().matches("Entering MASTER STATE").count();
        assert_eq!(masters, usize::from(how != "stop and start"), "{how}\n{}", a.story());
        assert_eq!(b.state(), "MASTER", "{how}\n{}", b.story());
    }
    // Another virtual router by the same name has the same service.
    let other = config(100).replace("virtual_router_id 5", "virtual_router_id 6");
    for (text, vrid) in [(other, "6"), (config(100), "5")] {
        a.configure(&text);
        handover(&a, &["reload"]);
        eventually(&lab, &[&a, &b], "it is out as before", || {
            a.at("/instances/0/vrid") == vrid && a.state() == "FAULT"
        });
        assert_eq!(a.at("/instances/0/penalties/0/length_ms"), "600000", "{}", a.story());
    }
    let _ = a.sh("echo 1 > /run/svc");
    undrain(&a);
    eventually(&lab, &[&a, &b], "a has it back", || a.state() == "MASTER" && b.state() == "BACKUP");
    eventually(&lab, &[&a], "nothing is left to remember", || {
        a.sh("ls /run/state/penalties.json").is_empty()
    });
}
