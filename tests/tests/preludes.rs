//! `pre_master` and `pre_backup` on real hosts (pain C3): before the addresses come, before they go by choice, and never for
//! longer than `pre_timeout`, whoever hangs.

use handover_tests::node::{Node, RUNTIME_DIR, VIP, api_vip, eventually, start_lab};
use handover_tests::programs::on_host;
use lab::Lab;

const PRELUDE: &str = "/usr/local/bin/prelude";

/// Says for what it runs, and whether the address is there, in the log of the hooks.
fn prelude_text() -> String {
    format!(
        "#!/bin/sh
held=absent
ip -o addr | grep -q 'inet {VIP}/' && held=held
sleep ${{1:-0}}
echo \"before $HANDOVER_INSTANCE $HANDOVER_STATE $held $(jq -r .before)\" >>/tmp/hooks
"
    )
}

/// `a` has preludes and is master; `b` waits.
fn pair(lab: &Lab, preludes: &str) -> (Node, Node) {
    let a = Node::new(lab, "a", &["192.168.1.11/24"], &api_vip(150, preludes));
    let b = Node::new(lab, "b", &["192.168.1.12/24"], &api_vip(100, ""));
    a.host().write_file(PRELUDE, &prelude_text(), 0o755).expect("the prelude");
    a.start();
    eventually(lab, &[&a], "a is MASTER", || a.state() == "MASTER" && a.holds(VIP));
    b.start();
    eventually(lab, &[&a, &b], "b is BACKUP", || {
        b.state() == "BACKUP" && b.at("/instances/0/master/address") == "192.168.1.11"
    });
    (a, b)
}

fn command(node: &Node, order: &[&str]) {
    let handover = on_host("handover");
    let output =
        node.host().run([&[handover.as_str()], order, &["api_vip", "--runtime-dir", RUNTIME_DIR]].concat());
    let output = output.expect("run handover");
    assert!(output.success(), "{}", output.stderr);
}

fn moved_to_b(lab: &Lab, a: &Node, b: &Node) {
    eventually(lab, &[a, b], "b takes over", || b.state() == "MASTER" && b.holds(VIP) && !a.holds(VIP));
}

#[test]
fn preludes_run_before_the_address_comes_and_before_it_goes() {
    let lab = start_lab();
    let preludes = format!("pre_master \"{PRELUDE} 0.2\" \n pre_backup \"{PRELUDE} 0.2\" \n pre_timeout 10");
    let (a, b) = pair(&lab, &preludes);
    let begun =
        ["INSTANCE api_vip BACKUP 150", "before api_vip MASTER absent MASTER", "INSTANCE api_vip MASTER 150"];
    eventually(&lab, &[&a], "pre_master, then MASTER", || a.hooks() == begun);
    assert_eq!(a.at("/hooks/0/prelude/last/outcome"), "succeeded", "{}", a.story());
    assert_eq!(a.at("/hooks/0/prelude/last/hook"), "pre_master");

    command(&a, &["drain", "--force"]);
    moved_to_b(&lab, &a, &b);
    let drained = [&begun[..], &["before api_vip BACKUP held BACKUP", "INSTANCE api_vip FAULT 150"]].concat();
    eventually(&lab, &[&a], "pre_backup, then FAULT", || a.hooks() == drained);

    command(&a, &["undrain"]);
    let back = [&["INSTANCE api_vip BACKUP 150"], &begun[1..]].concat();
    eventually(&lab, &[&a, &b], "a is MASTER again", || {
        a.state() == "MASTER" && a.hooks() == [&drained[..], &back[..]].concat()
    });
    a.stop();
    let end = ["before api_vip BACKUP held BACKUP", "INSTANCE api_vip STOP 150"];
    assert_eq!(a.hooks(), [&drained[..], &back[..], &end[..]].concat(), "{}", a.story());
    moved_to_b(&lab, &a, &b);
}

/// C3. As a key at the terminal does, or the death of the supervisor: nobody stops them one after the other. notifierd stays as
/// long as vrrp-core has something to do for it, the last hook included.
#[test]
fn asked_to_stop_all_at_once_the_last_hooks_still_run() {
    let lab = start_lab();
    let (a, b) = pair(&lab, &format!("pre_backup \"{PRELUDE} 3\" \n pre_timeout 10"));
    let begun = a.hooks().len();
    let pids = |name: &str| a.pids(name).first().copied().unwrap_or_default();
    let (notifierd, core) = (pids("notifierd"), pids("vrrp-core"));
    let _ = a.sh(&format!("kill -TERM {notifierd} {core} {}", pids("handover")));
    moved_to_b(&lab, &a, &b);
    eventually(&lab, &[&a], "notifierd has ended", || a.pids("notifierd").is_empty());
    let end = ["before api_vip BACKUP held BACKUP", "INSTANCE api_vip STOP 150"];
    assert_eq!(a.hooks()[begun..], end, "{}", a.story());
}

#[test]
fn a_prelude_that_hangs_costs_its_limit() {
    let lab = start_lab();
    let preludes = format!("pre_master \"{PRELUDE} 600\" \n pre_backup \"{PRELUDE} 600\" \n pre_timeout 0.5");
    let (a, b) = pair(&lab, &preludes);
    assert!(a.log().contains("pre_master isn't done after 0.5 s"), "{}", a.story());
    command(&a, &["drain", "--force"]);
    moved_to_b(&lab, &a, &b);
    assert!(a.log().contains("pre_backup isn't done after 0.5 s"), "{}", a.story());
    assert!(a.hooks().iter().all(|line| !line.starts_with("before")), "{}", a.story());
    let history = format!("{} history api_vip --state-dir /run/state", on_host("handover"));
    let told = "pre_backup for BACKUP FAILED: timed out after";
    eventually(&lab, &[&a], "it is in the history", || a.sh(&history).contains(told));
    assert_eq!(a.at("/hooks/0/prelude/last/outcome"), "timed out", "{}", a.story());
    let sleeps = || a.pids("sleep").is_empty();
    eventually(&lab, &[&a], "what hung is ended", sleeps);
}

#[test]
fn a_notifierd_that_hangs_or_is_gone_costs_no_more() {
    let lab = start_lab();
    let preludes = format!("pre_backup {PRELUDE} \n pre_timeout 0.5");
    let (a, b) = pair(&lab, &preludes);
    a.signal("notifierd", "STOP");
    command(&a, &["drain", "--force"]);
    moved_to_b(&lab, &a, &b);
    a.signal("notifierd", "CONT");
    command(&a, &["undrain"]);
    eventually(&lab, &[&a, &b], "a is MASTER again", || a.state() == "MASTER" && a.holds(VIP));

    // Its successor has the part at once; until then nobody is waited for.
    let before = a.pids("notifierd");
    a.kill("notifierd");
    eventually(&lab, &[&a], "notifierd is back", || {
        let now = a.pids("notifierd");
        now.len() == 1 && now != before && a.at("/processes/notifierd/running") == "true"
    });
    command(&a, &["drain", "--force"]);
    moved_to_b(&lab, &a, &b);
}
