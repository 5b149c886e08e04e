//! The command among others in a pipeline: what it prints arrives, or it says so, and it ends with its reader.

use std::fmt::Write as _;

use handover_tests::node::{Node, eventually, start_lab};
use handover_tests::programs::on_host;

const CONFIG: &str = "vrrp_instance api_vip {\n interface eth0\n virtual_router_id 5\n virtual_ipaddress {\n 10.0.0.1/32\n }\n}\n";
/// Longer than a busy machine needs for a command; only one that hangs is ended by it (timeout(1), status 124).
const LIMIT: &str = "timeout 25";

/// What a shell prints on the host of a node that runs.
fn shell(node: &Node, script: &str) -> String {
    node.sh(&format!("handover() {{ {} \"$@\"; }}; {script}", on_host("handover")))
}

#[test]
fn what_cannot_be_written_is_no_success() {
    let lab = start_lab();
    let node = Node::new(&lab, "a", &["10.0.0.11/24"], CONFIG);
    node.start();
    eventually(&lab, &[&node], "it answers", || !node.state().is_empty());
    for command in ["status", "status --json", "events", "check /etc/handover/handover.conf"] {
        let said = shell(&node, &format!("handover {command} 2>&1 >/dev/full; echo $?"));
        assert_eq!(
            said, "handover: write to standard output: No space left on device (os error 28)\n1\n",
            "{command}"
        );
    }
    assert!(!shell(&node, "handover --help").contains("lab-agent"));
}

#[test]
fn the_feed_ends_with_its_reader() {
    let lab = start_lab();
    let node = Node::new(&lab, "a", &["10.0.0.11/24"], CONFIG);
    node.start();
    eventually(&lab, &[&node], "it is MASTER", || node.state() == "MASTER");
    // Nothing happens any more that could be written into the broken pipe.
    let handover = on_host("handover");
    let pipeline =
        format!("{{ {LIMIT} {handover} events; echo $? >/tmp/status; }} | head -1; cat /tmp/status");
    let said = node.sh(&pipeline);
    let (first, status) = said.split_once('\n').expect("two lines");
    assert!(first.contains("api_vip  MASTER"), "{said}");
    assert_eq!(status, "0\n", "124 is the time limit's");
}

/// All places are taken by programs that have one connection each, as hung ones do: whoever asks is still answered, and so is
/// a notifierd that comes back.
#[test]
fn no_number_of_clients_keeps_the_operator_or_notifierd_out() {
    let lab = start_lab();
    let node = Node::new(&lab, "a", &["10.0.0.11/24"], CONFIG);
    node.start();
    eventually(&lab, &[&node], "it answers", || !node.state().is_empty());
    let mut holders = String::new();
    for _ in 0..80 {
        writeln!(holders, "{} events >/dev/null 2>>/tmp/sent-away &", on_host("handover"))
            .expect("a string grows");
    }
    let script = format!("{holders} echo started");
    assert!(node.sh(&script).contains("started"));
    eventually(&lab, &[&node], "who has no place is told why", || {
        node.sh("cat /tmp/sent-away").contains("64 clients are connected, and this one gives way to another")
    });
    let said = shell(&node, "handover status 2>&1");
    assert!(!said.contains("64 clients"), "{said}");

    node.kill("notifierd");
    eventually(&lab, &[&node], "notifierd is connected again", || {
        node.log().matches("notifierd: connected to vrrp-core").count() == 2
            && !node.at("/hook_troubles").contains("not connected")
    });
}
