//! Each process has the rights of its row in ARCHITECTURE.md and no more, and says when it is ready.

use std::collections::HashMap;

use handover_tests::capabilities::{documents, row};
use handover_tests::node::{Node, RUNTIME_DIR, eventually, start_lab};
use handover_tests::programs::on_host;
use lab::Lab;

const CONFIG: &str = "vrrp_script chk { script \"/bin/true\" \n interval 1 }
vrrp_instance api_vip {
  version 3
  interface eth0
  virtual_router_id 5
  advert_int 0.3
  virtual_ipaddress { 192.168.1.100/32 }
  track_script { chk }
}
";

/// Bits of linux/capability.h.
const KILL: u64 = 1 << 5;
const SETGID: u64 = 1 << 6;
const SETUID: u64 = 1 << 7;
const NET_ADMIN: u64 = 1 << 12;
const NET_RAW: u64 = 1 << 13;

const DAEMONS: [(&str, &str, u64); 4] = [
    ("ipmgr", "_handover-ipmgr", NET_ADMIN | NET_RAW),
    ("vrrp-core", "_handover-core", 0),
    ("checkerd", "_handover-check", SETUID | SETGID | KILL),
    ("notifierd", "_handover-notify", SETUID | SETGID | KILL),
];

/// /proc/PID/status.
fn status_text(node: &Node, name: &str) -> String {
    let pids = node.pids(name);
    let pid = pids.first().unwrap_or_else(|| panic!("{name} doesn't run\n{}", node.story()));
    node.host().read_file(&format!("/proc/{pid}/status")).expect("read")
}

/// Its fields.
fn process_status(node: &Node, name: &str) -> HashMap<String, String> {
    let text = status_text(node, name);
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect()
}

fn master(lab: &Lab, accounts: bool) -> Node {
    let node = Node::new(lab, "a", &["192.168.1.11/24"], CONFIG);
    if accounts {
        let users = DAEMONS.iter().enumerate().map(|(i, (_, user, _))| {
            format!("{user}:x:{}:900:Handover:/nonexistent:/usr/sbin/nologin\n", 901 + i)
        });
        let users = "root:x:0:0:root:/root:/bin/sh\n".to_owned() + &users.collect::<String>();
        node.host().write_file("/etc/passwd", &users, 0o644).expect("write");
        let members = DAEMONS.map(|(_, user, _)| user).join(",");
        let groups = format!("root:x:0:\n_handover:x:900:\n_handover-daemons:x:899:{members}\n");
        node.host().write_file("/etc/group", &groups, 0o644).expect("write");
        let config =
            CONFIG.replace("  track_script", "  notify_master /usr/local/bin/whoami root\n  track_script");
        node.host().write_file("/etc/handover/handover.conf", &config, 0o644).expect("write");
        let hook = "#!/bin/sh\ncat /proc/self/status > /tmp/.s && mv /tmp/.s /tmp/hook-status\n";
        node.host().write_file("/usr/local/bin/whoami", hook, 0o755).expect("write");
    }
    node.start();
    eventually(lab, &[&node], "it is MASTER", || node.state() == "MASTER" && node.holds("192.168.1.100"));
    node
}

fn has_the_rights_of_its_row(node: &Node) {
    for (name, _, rights) in DAEMONS {
        let status = process_status(node, name);
        for set in ["CapEff", "CapPrm", "CapBnd"] {
            // Those that start scripts keep the bounding set: a script that is to be root is root.
            if set == "CapBnd" && matches!(name, "checkerd" | "notifierd") {
                continue;
            }
            let bits = u64::from_str_radix(&status[set], 16).expect("hexadecimal");
            assert_eq!(bits, rights, "{name}: {set} is {bits:#x}, the row says {rights:#x}");
        }
    }
    for name in ["ipmgr", "vrrp-core"] {
        let status = process_status(node, name);
        assert_eq!(status["NoNewPrivs"], "1", "{name}");
        // SECCOMP_MODE_FILTER; what it forbids is shown by confine.rs.
        assert_eq!(status["Seccomp"], "2", "{name}");
    }
}

#[test]
fn every_process_has_just_the_capabilities_of_its_job() {
    let lab = start_lab();
    let node = master(&lab, false);
    has_the_rights_of_its_row(&node);
}

#[test]
fn with_accounts_every_process_is_a_user_of_its_own() {
    let lab = start_lab();
    if !lab_is_roots() {
        eprintln!("SKIPPED: this user's namespaces have one user only");
        assert!(std::env::var_os("CI").is_none(), "CI runs as root");
        return;
    }
    let node = master(&lab, true);
    has_the_rights_of_its_row(&node);
    let rows = DAEMONS.map(|(name, user, _)| row("`handover run`", name, user, &status_text(&node, name)));
    let lacking: Vec<&String> = rows.iter().filter(|row| !documents(row)).collect();
    assert!(lacking.is_empty(), "docs/threat-model.md lacks these rows, as measured: {lacking:#?}");
    let mut users: Vec<String> = Vec::new();
    for (i, (name, ..)) in DAEMONS.iter().enumerate() {
        let uid = process_status(&node, name)["Uid"].split_whitespace().next().unwrap_or_default().to_owned();
        assert_eq!(uid, (901 + i).to_string(), "{name}");
        users.push(uid);
    }
    // A hook that the configuration runs as root has root's rights, although its parent has not.
    eventually(&lab, &[&node], "the hook has run", || node.host().read_file("/tmp/hook-status").is_ok());
    let status = node.host().read_file("/tmp/hook-status").expect("read");
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).expect("a field");
        line.split_whitespace().nth(1).unwrap_or_default().to_owned()
    };
    assert_eq!(field("Uid:"), "0");
    let bits = u64::from_str_radix(&field("CapEff:"), 16).expect("hexadecimal");
    assert_eq!(bits & NET_ADMIN, NET_ADMIN, "CapEff of the hook is {bits:#x}");
    // And everything still works: a stop removes the address.
    node.stop();
    assert!(!node.holds("192.168.1.100"), "{}", node.story());
}

/// Nobody has said a word to any of them, and nobody but root with every right has started them: each has made itself weak
/// before it listens to anybody.
#[test]
fn before_the_first_message_each_has_given_up_the_rest() {
    let lab = start_lab();
    if !lab_is_roots() {
        eprintln!("SKIPPED: this user's namespaces have one user only");
        assert!(std::env::var_os("CI").is_none(), "CI runs as root");
        return;
    }
    let node = Node::new(&lab, "a", &["192.168.1.11/24"], CONFIG);
    let _ = node.sh(&format!("mkdir -p {RUNTIME_DIR}"));
    for (name, ..) in DAEMONS {
        // Alone: nobody connects, and nobody is there to be connected to.
        let arguments = ["--runtime-dir", RUNTIME_DIR, "-f", "/etc/handover/handover.conf"];
        let daemon = node.host().spawn(lab::Spec::new([&[on_host(name).as_str()], &arguments[..]].concat()));
        let daemon = daemon.expect("start");
        let confined = matches!(name, "ipmgr" | "vrrp-core");
        eventually(&lab, &[&node], "it listens, and is confined", || {
            node.sh(&format!("test -S {RUNTIME_DIR}/{name}.sock && echo yes")).contains("yes")
                && (!confined || process_status(&node, name)["Seccomp"] == "2")
        });
        let measured = || row("root, alone", name, "root", &status_text(&node, name));
        // The last of its start may still be to come where nothing else tells.
        let documented = lab.wait_for(handover_tests::node::LIMIT, || documents(&measured()));
        assert!(documented, "docs/threat-model.md lacks this row, as measured:\n{}", measured());
        daemon.kill(lab::Signal::TERM).expect("signal");
        assert_eq!(daemon.wait(handover_tests::node::LIMIT), Some(lab::Exit::Code(0)), "{name}");
    }
}

/// The scheduling policy and the real-time priority of a process (proc_pid_stat(5), fields 41 and 40).
fn scheduling(node: &Node, name: &str) -> (u32, u32) {
    let pids = node.pids(name);
    let text = node.host().read_file(&format!("/proc/{}/stat", pids[0])).expect("read");
    // The name of the program may hold anything.
    let (_, fields) = text.rsplit_once(')').expect("fields");
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let field = |number: usize| fields[number - 3].parse().expect("a number");
    (field(41), field(40))
}

/// The user that it runs as may do neither of itself: whoever started it saw to it.
#[test]
fn vrrp_core_alone_runs_in_real_time_and_stays_in_memory() {
    /// As /proc says it (linux/sched.h).
    const ORDINARY: u32 = 0;
    const ROUND_ROBIN: u32 = 2;
    let lab = start_lab();
    if !lab_is_roots() {
        eprintln!("SKIPPED: only root may let a process run in real time");
        assert!(std::env::var_os("CI").is_none(), "CI runs as root");
        return;
    }
    let node = master(&lab, true);
    // Root of a container may have no say over limits.
    let lockable = node.sh("ulimit -l unlimited 2>/dev/null && echo yes; :").contains("yes");
    if !lockable {
        eprintln!("SKIPPED in part: without CAP_SYS_RESOURCE nobody can let an ordinary user lock memory");
    }
    for (name, ..) in DAEMONS {
        let expected = if name == "vrrp-core" { (ROUND_ROBIN, 10) } else { (ORDINARY, 0) };
        assert_eq!(scheduling(&node, name), expected, "{name}: policy and priority\n{}", node.story());
        let locked = process_status(&node, name)["VmLck"].clone();
        assert_eq!(
            locked != "0 kB",
            lockable && name == "vrrp-core",
            "{name}: {locked} locked\n{}",
            node.story()
        );
    }
}

fn lab_is_roots() -> bool {
    sys::user::effective_uid() == 0 && sys::user::can_become(65_534).unwrap_or(false)
}

#[test]
fn each_daemon_tells_systemd_when_it_is_ready_and_when_it_stops() {
    let lab = start_lab();
    let node = Node::new(&lab, "a", &["192.168.1.11/24"], CONFIG);
    let poke = on_host("poke");
    let _ = node.sh(&format!("mkdir -p {RUNTIME_DIR}"));
    for (name, ..) in DAEMONS {
        let daemon = on_host(name);
        let arguments =
            ["until-ready", &daemon, "--runtime-dir", RUNTIME_DIR, "-f", "/etc/handover/handover.conf"];
        let output = node.host().run([&[poke.as_str()], &arguments[..]].concat()).expect("run");
        assert!(output.success(), "{name}: {}{}", output.stdout, output.stderr);
        assert!(output.stdout.starts_with("READY=1\nSTOPPING=1\n"), "{name}: {}", output.stdout);
    }
}
