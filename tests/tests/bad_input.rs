//! Bad input, and what it gets: a clear message at the right place, and the address stays where it was.

use handover_tests::node::{HOOK, Node, RUNTIME_DIR, eventually, start_lab};
use handover_tests::programs::on_host;
use lab::{Lab, Spec};

const VIP: &str = "192.168.1.100";

fn config(extra: &str, tracked: &str) -> String {
    format!(
        "{extra}
vrrp_instance api_vip {{
  version 3
  interface eth0
  virtual_router_id 5
  priority 150
  advert_int 0.3
  virtual_ipaddress {{ {VIP}/32 }}
  {tracked}
  notify {HOOK}
}}
"
    )
}

/// A node that is master.
fn master(lab: &Lab, config: &str) -> Node {
    let node = Node::new(lab, "a", &["192.168.1.11/24"], config);
    node.start();
    eventually(lab, &[&node], "it is MASTER", || node.state() == "MASTER" && node.holds(VIP));
    node
}

/// It was told MASTER once and nothing since.
fn stayed_master(node: &Node) {
    assert_eq!(node.state(), "MASTER", "{}", node.story());
    assert!(node.holds(VIP), "{}", node.story());
    assert_eq!(
        node.hooks(),
        ["INSTANCE api_vip BACKUP 150", "INSTANCE api_vip MASTER 150"],
        "{}",
        node.story()
    );
}

fn handover(node: &Node, arguments: &[&str]) -> lab::Output {
    let program = on_host("handover");
    node.host().run([&[program.as_str()], arguments].concat()).expect("run handover")
}

#[test]
fn an_absent_interface_is_a_reason_and_not_an_exit() {
    let lab = start_lab();
    let text = config("", "").replace("interface eth0", "interface eth9");
    let node = Node::new(&lab, "a", &["192.168.1.11/24"], &text);
    node.start();
    eventually(&lab, &[&node], "the reason names the interface", || {
        node.at("/instances/0/reasons/0/text").contains("eth9")
    });
    assert_ne!(node.state(), "MASTER");
    assert!(!node.holds(VIP));
    node.stop();
}

#[test]
fn files_that_are_no_configuration_are_refused_before_anything_starts() {
    let lab = start_lab();
    let node = Node::new(&lab, "a", &["192.168.1.11/24"], &config("", ""));
    node.host().write_file("/tmp/empty.conf", "", 0o644).expect("write");
    let double = config("", "") + &config("", "").replace("api_vip", "other");
    node.host().write_file("/tmp/double.conf", &double, 0o644).expect("write");
    for (file, said) in [
        ("/tmp/absent.conf", "No such file"),
        ("/tmp", "is a directory"),
        ("/tmp/empty.conf", "empty"),
        ("/tmp/double.conf", "virtual_router_id"),
    ] {
        let output = handover(&node, &["check", "-f", file]);
        assert_eq!(output.exit, lab::Exit::Code(1), "{file}: {}{}", output.stdout, output.stderr);
        assert!(output.stderr.contains(said), "{file}: expected {said:?} in\n{}", output.stderr);
        assert!(output.stderr.contains(file), "{file}: its name is missing in\n{}", output.stderr);
        let output = handover(&node, &["run", "-f", file, "--runtime-dir", RUNTIME_DIR]);
        assert_eq!(output.exit, lab::Exit::Code(78), "{file}: {}", output.stderr);
        assert!(
            node.sh(&format!("ls {RUNTIME_DIR} 2>/dev/null")).is_empty(),
            "{file}: something was started"
        );
    }
}

#[test]
fn a_script_that_cannot_run_counts_as_failed_and_says_why() {
    let lab = start_lab();
    for (name, script, why) in
        [("a", "/nonexistent/check", "no such program"), ("b", "/etc/not-executable", "xecutable")]
    {
        let extra = format!("vrrp_script chk {{ script \"{script}\" \n interval 1 }}");
        let node = Node::new(&lab, name, &["192.168.1.11/24"], &config(&extra, "track_script { chk }"));
        node.host().write_file("/etc/not-executable", "#!/bin/sh\n", 0o644).expect("write");
        node.start();
        eventually(&lab, &[&node], "the check is unrunnable", || {
            node.at("/checks/0/verdict") == "unrunnable"
        });
        eventually(&lab, &[&node], "the instance is in FAULT", || node.state() == "FAULT");
        let status = node.status().expect("status").to_string();
        assert!(status.contains(why), "expected {why:?} in {status}");
        assert!(node.at("/instances/0/cause/text").contains("chk"), "{}", node.story());
        node.stop();
    }
}

#[test]
fn a_hook_that_hangs_delays_nothing_but_itself() {
    let lab = start_lab();
    let text = config("", "").replace(HOOK, "/usr/local/bin/hang");
    let node = Node::new(&lab, "a", &["192.168.1.11/24"], &text);
    node.host().write_file("/usr/local/bin/hang", "#!/bin/sh\nexec sleep 1000\n", 0o755).expect("write");
    node.start();
    eventually(&lab, &[&node], "it is MASTER all the same", || node.state() == "MASTER" && node.holds(VIP));
    eventually(&lab, &[&node], "the hook hangs", || !node.pids("sleep").is_empty());
    assert!(node.at("/hooks").contains("api_vip"), "{}", node.story());
    // Stopping is bounded, too: the hook is ended with its process group.
    node.stop();
    assert!(node.pids("sleep").is_empty(), "the hook was left behind");
    assert!(!node.holds(VIP));
}

#[test]
fn garbage_on_the_wire_is_counted_and_changes_nothing() {
    let lab = start_lab();
    let a = master(&lab, &config("", ""));
    let flooder = lab.add_host("flooder", &["192.168.1.66/24"]).expect("host");
    let memory = |node: &Node| -> u64 {
        let pid = node.pids("vrrp-core").first().copied().expect("vrrp-core runs");
        let status = node.host().read_file(&format!("/proc/{pid}/status")).expect("read");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
    };
    let sent = |node: &Node| node.at("/instances/0/adverts_sent").parse::<u64>().expect("a number");
    let (memory_before, sent_before) = (memory(&a), sent(&a));
    let poke = on_host("poke");
    let output = flooder.run([&poke, "flood", "eth0", "192.168.1.66", "10000", "5"]).expect("flood");
    assert!(output.success(), "{}{}", output.stdout, output.stderr);
    stayed_master(&a);
    assert!(sent(&a) > sent_before, "it went on speaking");
    let status = a.status().expect("status");
    let remarks = status.pointer("/instances/0/remarks").and_then(|it| it.as_array()).expect("remarks");
    let dropped: u64 = remarks.iter().filter_map(|remark| remark["count"].as_u64()).sum();
    assert!(dropped > 100, "rejected packets are counted: {remarks:?}");
    assert!(remarks.iter().all(|remark| remark["last_from"] == "192.168.1.66"), "{remarks:?}");
    let grown = memory(&a).saturating_sub(memory_before);
    assert!(grown < 4096, "vrrp-core grew by {grown} KiB");
}

#[test]
fn other_users_and_broken_peers_on_the_sockets_change_nothing() {
    let lab = start_lab();
    let a = master(&lab, &config("", ""));
    let poke = on_host("poke");
    // A frame over the limit to ipmgr closes that connection.
    let run = a.host().run([&poke, "frame", "/run/handover/ipmgr.sock", "70000"]).expect("run");
    assert!(run.stdout.contains("closed"), "{}{}", run.stdout, run.stderr);
    // A line that isn't JSON, a line over the limit, and one that never ends.
    for socket in ["vrrp-core", "checkerd", "notifierd"] {
        let script = format!(
            "printf 'no json\\n' | timeout 5 socat -t 2 - UNIX-CONNECT:{RUNTIME_DIR}/{socket}.sock;
             head -c 200000 /dev/zero | tr '\\0' x | timeout 5 socat -t 1 - UNIX-CONNECT:{RUNTIME_DIR}/{socket}.sock >/dev/null 2>&1; :"
        );
        if lab_has(&a, "socat") {
            let said = a.sh(&script);
            assert!(said.contains("\"type\":\"error\""), "{socket} said {said:?}");
        }
    }
    // Somebody else.
    if a.sh("cat /proc/self/uid_map").split_whitespace().nth(2) == Some("4294967295") {
        let handover = on_host("handover");
        let spec = Spec::new([&poke, "as-nobody", &handover, "status", "--runtime-dir", RUNTIME_DIR]);
        let other = a.host().spawn(spec).expect("spawn").output().expect("output");
        assert!(!other.success(), "{}", other.stdout);
        assert!(other.stderr.contains("ermission denied"), "{}{}", other.stdout, other.stderr);
        let spec = Spec::new([&poke, "as-nobody", &poke, "frame", "/run/handover/ipmgr.sock", "10"]);
        let other = a.host().spawn(spec).expect("spawn").output().expect("output");
        assert!(!other.stdout.contains("Installed"), "{}", other.stdout);
    } else {
        eprintln!("SKIPPED: another user: this user namespace has only one");
    }
    eventually(&lab, &[&a], "vrrp-core is connected to ipmgr", || a.at("/processes/ipmgr/running") == "true");
    stayed_master(&a);
}

fn lab_has(node: &Node, tool: &str) -> bool {
    let there = !node.sh(&format!("command -v {tool}")).is_empty();
    assert!(there || std::env::var_os("CI").is_none(), "{tool} is not installed");
    there
}
