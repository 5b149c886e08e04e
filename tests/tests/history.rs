//! `handover history` on real hosts: what happened is told, also when notifierd is down, and a disk that takes nothing costs
//! entries and no hook.

use handover_tests::node::{Node, api_vip, eventually, start_lab};
use handover_tests::programs::on_host;
use lab::Lab;

/// Where the nodes keep what they remember.
const STATE_DIR: &str = "/run/state";
/// A hook that fails, and says enough to fill the rest of a page of memory with a few entries.
const COMPLAINT: &str = "/usr/local/bin/complain";

/// MASTER while /tmp/ok is there, FAULT while it isn't; `notify_master` and `notify_fault` are [`COMPLAINT`].
fn node(lab: &Lab) -> Node {
    let check = "vrrp_script ok {\n script \"/usr/bin/test -e /tmp/ok\"\n interval 0.1\n}\n";
    let more = format!("track_script {{ ok }} \n notify_master {COMPLAINT} \n notify_fault {COMPLAINT}");
    let node = Node::new(lab, "a", &["192.168.1.11/24"], &(check.to_owned() + &api_vip(150, &more)));
    let script =
        "#!/bin/sh\nhead -c 900 /dev/zero | tr '\\0' x\necho\necho 'haproxy: no such file'\nexit 3\n";
    node.host().write_file(COMPLAINT, script, 0o755).expect("the hook");
    let _ = node.sh(&format!("touch /tmp/ok; mkdir -p {STATE_DIR}"));
    node
}

/// What the command says, on both outputs, and its status.
fn history(node: &Node, arguments: &str) -> String {
    let handover = on_host("handover");
    node.sh(&format!("{handover} history {arguments} --state-dir {STATE_DIR} 2>&1; echo \"status $?\""))
}

/// There and back, and what is told of it.
fn fault_and_back(lab: &Lab, node: &Node) {
    let told = node.hooks().len();
    let _ = node.sh("rm /tmp/ok");
    eventually(lab, &[node], "it is in FAULT", || node.hooks().len() > told && node.state() == "FAULT");
    let _ = node.sh("touch /tmp/ok");
    // FAULT, BACKUP, MASTER; BACKUP may be overtaken.
    let last = || node.hooks().last().is_some_and(|line| line.contains("MASTER"));
    eventually(lab, &[node], "its hooks say MASTER again", || node.hooks().len() >= told + 2 && last());
}

/// G1.
#[test]
fn a_night_can_be_read_also_when_notifierd_is_down() {
    let lab = start_lab();
    let node = node(&lab);
    node.start();
    eventually(&lab, &[&node], "it is MASTER", || node.state() == "MASTER");
    fault_and_back(&lab, &node);
    let last = "notify for MASTER succeeded";
    eventually(&lab, &[&node], "the last hook is in it", || history(&node, "api_vip -n 2").contains(last));
    let said = history(&node, "");
    for part in ["MASTER -> FAULT  priority 150", "notify_fault for FAULT FAILED: exited with status 3 after"]
    {
        assert!(said.contains(part), "{part}\n{said}");
    }
    assert!(said.contains("as root\n") && said.contains("    | haproxy: no such file\n"), "{said}");
    assert!(said.ends_with("status 0\n") && !said.contains("handover: "), "nothing is missing: {said}");
    assert!(history(&node, "-n 2").contains("older entries: -n "));
    let unknown = "there is no instance or group \"nobody\", and the history knows none; there are: api_vip\nstatus 64\n";
    assert!(history(&node, "nobody").ends_with(unknown), "{}", history(&node, "nobody"));
    assert!(history(&node, "--since yesterday").ends_with("status 64\n"));
    let events = format!(
        "{} history --json --state-dir {STATE_DIR} | jq -r 'select(.type == \"event\").to'",
        on_host("handover")
    );
    assert!(node.sh(&events).ends_with("FAULT\nBACKUP\nMASTER\n"), "{}", node.sh(&events));

    node.kill("vrrp-core");
    let back = "vrrp-core is back; for ";
    eventually(&lab, &[&node], "the gap is told", || history(&node, "").contains(back));

    // Who has no right to it is told; others may not even look.
    let nobody = format!(
        "setpriv --reuid 65534 --regid 65534 --clear-groups {} history --state-dir {STATE_DIR} 2>&1",
        on_host("handover")
    );
    let refused = node.sh(&nobody);
    assert!(refused.contains("may not be read by you: root and members of its group may"), "{refused}");

    node.stop();
    let said = history(&node, "");
    assert!(said.contains(" -> STOP") && said.contains("notifierd stopped\n"), "{said}");
    assert!(said.contains("handover: what happens now isn't written: notifierd is not running"), "{said}");
    assert!(said.ends_with("status 0\n"), "{said}");
    let said = history(&node, "nobody");
    assert!(said.contains("started as") && said.contains("none of this is about nobody alone"), "{said}");
}

/// A full disk under the history, and before that one that can't be written at all.
#[test]
fn a_disk_that_takes_nothing_costs_entries_and_no_hook() {
    let lab = start_lab();
    let node = node(&lab);
    let _ = node.sh(&format!("mount -t tmpfs -o size=64k,ro tmpfs {STATE_DIR}"));
    node.start();
    eventually(&lab, &[&node], "it is MASTER, and told", || {
        node.state() == "MASTER" && node.hooks().last().is_some_and(|line| line.contains("MASTER"))
    });
    let trouble = || node.at("/history/trouble");
    assert!(trouble().contains("Read-only file system"), "{}", node.story());
    let said = history(&node, "");
    assert!(said.contains("no history: write /run/state/history.jsonl: Read-only file system"), "{said}");
    let _ = node.sh(&format!("mount -o remount,rw {STATE_DIR}"));
    eventually(&lab, &[&node], "it recovers by itself", || trouble().is_empty());
    assert!(history(&node, "").contains("MISSING HERE: write /run/state/history.jsonl: Read-only"));

    let _ = node.sh(&format!("cat /dev/zero >{STATE_DIR}/filler 2>/dev/null"));
    for _ in 0..10 {
        fault_and_back(&lab, &node);
        if !trouble().is_empty() {
            break;
        }
    }
    assert!(trouble().contains("No space left on device"), "{}", node.story());
    fault_and_back(&lab, &node);
    let told = node.log().matches("nothing but the history suffers from it").count();
    assert_eq!(told, 2, "once for each time\n{}", node.story());
    let _ = node.sh(&format!("rm {STATE_DIR}/filler"));
    eventually(&lab, &[&node], "it recovers again", || trouble().is_empty());
    fault_and_back(&lab, &node);
    let said = history(&node, "-n 1000");
    assert!(said.contains("MISSING HERE: write /run/state/history.jsonl: No space left"), "{said}");
    let status = node.sh(&format!("{} status --runtime-dir /run/handover", on_host("handover")));
    assert!(status.contains("lost since notifierd started; it is written again"), "{status}");
}
