//! A lab's hosts are apart from the machine and from each other, and nothing is left of them.
//!
//! Needs the right to make namespaces, as root or as an ordinary user; says so and fails where the kernel refuses.

#![expect(clippy::unwrap_used, reason = "clippy knows only the test functions themselves as tests")]

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use handover_lab::{Exit, Frame, Host, Lab, Packet, Proc, Signal, Spec};

/// Longer than anything takes on a busy machine; only a failing test waits this long.
const LONG: Duration = Duration::from_secs(60);

/// The example program, which cargo builds beside the tests.
fn agent() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let agent = test.parent().unwrap().parent().unwrap().join("examples/lab-agent");
    assert!(
        agent.is_file(),
        "{} isn't there: 'cargo build -p handover-lab --examples' makes it",
        agent.display()
    );
    agent
}

fn start() -> Lab {
    Lab::start(&agent()).unwrap()
}

#[test]
fn a_host_has_its_own_name_processes_files_and_addresses() {
    let lab = start();
    let a = lab.add_host("a", &["192.0.2.1/24"]).unwrap();
    let b = lab.add_host("b", &["192.0.2.2/24", "2001:db8::2/64"]).unwrap();
    assert_eq!(a.read_file("/proc/sys/kernel/hostname").unwrap(), "a\n");
    assert_eq!(b.read_file("/proc/sys/kernel/hostname").unwrap(), "b\n");

    // Processes: what runs on b isn't seen on a, nor is the machine's, so that `killall` means this host.
    let sleeper = b.spawn(Spec::new(["sleep", "1000"])).unwrap();
    let seen = |host: &Host| host.run(["sh", "-c", "cat /proc/[0-9]*/comm"]).unwrap().stdout;
    assert!(lab.wait_for(LONG, || seen(&b).contains("sleep")));
    assert!(!seen(&a).contains("sleep"), "{}", seen(&a));
    let machine = std::fs::read_to_string("/proc/self/comm").unwrap();
    assert!(
        !seen(&a).contains(machine.trim()) && seen(&a).lines().count() <= 3,
        "init, sh, cat: {}",
        seen(&a)
    );

    // Files: /run and /tmp are each host's own, and so is what is written over the machine's.
    a.write_file("/run/x/y", "from a", 0o644).unwrap();
    assert_eq!(a.read_file("/run/x/y").unwrap(), "from a");
    assert!(b.read_file("/run/x/y").is_err());
    assert!(!std::path::Path::new("/run/x/y").exists());

    // Network: exactly what was asked for (and lo, and a link-local address).
    let addresses: Vec<String> = b.addresses().unwrap().iter().map(|it| it.address.to_string()).collect();
    assert!(addresses.contains(&"192.0.2.2".into()), "{addresses:?}");
    assert!(addresses.contains(&"2001:db8::2".into()), "{addresses:?}");
    assert!(!addresses.contains(&"192.0.2.1".into()), "{addresses:?}");
    assert!(sleeper.is_running());
    sleeper.kill(Signal::TERM).unwrap();
    assert_eq!(sleeper.wait(LONG), Some(Exit::Signal(15)));
}

#[test]
fn a_file_covers_the_machines_for_one_host_only() {
    let lab = start();
    let a = lab.add_host("a", &[]).unwrap();
    let b = lab.add_host("b", &[]).unwrap();
    let machine = std::fs::read_to_string("/etc/passwd").unwrap();
    a.write_file("/etc/passwd", "nobody here\n", 0o644).unwrap();
    a.write_file("/usr/local/bin/handover-lab-hook", "#!/bin/sh\necho \"$0 $1\"\n", 0o755).unwrap();
    assert_eq!(a.read_file("/etc/passwd").unwrap(), "nobody here\n");
    assert_eq!(b.read_file("/etc/passwd").unwrap(), machine);
    assert_eq!(std::fs::read_to_string("/etc/passwd").unwrap(), machine);
    let hook = a.run(["handover-lab-hook", "MASTER"]).unwrap();
    assert_eq!(hook.stdout, "/usr/local/bin/handover-lab-hook MASTER\n");
    assert!(b.run(["handover-lab-hook"]).is_err());
    // The agent's own program under another name, which is how it stands in for what a machine lacks.
    a.install_agent("/usr/local/sbin/stand-in").unwrap();
    assert_eq!(a.run(["stand-in", "neither agent nor owner"]).unwrap().exit, Exit::Code(1));
    // The rest of the covered directory is still there: /etc/group is /etc/group.
    assert_eq!(a.read_file("/etc/group").unwrap(), std::fs::read_to_string("/etc/group").unwrap());
    // And where no cover is, nothing can be written at all.
    let refused = a.run(["sh", "-c", "echo x > /var/tmp/handover-lab-test"]).unwrap();
    assert!(!refused.success(), "{refused:?}");
    assert!(a.write_file("/etc/../etc/x", "", 0o644).is_err());
}

#[test]
fn programs_say_what_they_say_and_end_as_they_end() {
    let lab = start();
    let a = lab.add_host("a", &[]).unwrap();
    let output = a.run(["sh", "-c", "echo one; echo two >&2; exit 3"]).unwrap();
    assert_eq!(
        (output.exit, output.stdout.as_str(), output.stderr.as_str()),
        (Exit::Code(3), "one\n", "two\n")
    );
    let error = a.run(["/no/such/program"]).unwrap_err().to_string();
    assert!(error.contains("/no/such/program") && error.contains("No such file"), "{error}");
    // More than all pipes on the way hold together, which nobody takes meanwhile.
    let much = a.run(["sh", "-c", "i=0; while [ $i -lt 10000 ]; do echo $i; i=$((i+1)); done"]).unwrap();
    assert_eq!(much.stdout.lines().last(), Some("9999"));
    assert_eq!(much.stdout.lines().count(), 10_000);
    // Orphans are reaped: no zombie stays.
    a.run(["sh", "-c", "(sleep 0.01 &) ; exit 0"]).unwrap();
    let states = || a.run(["sh", "-c", "cat /proc/[0-9]*/stat"]).unwrap().stdout;
    assert!(lab.wait_for(LONG, || !states().contains("sleep")), "{}", states());
}

/// A TCP server on `port` that says its host's name, without any program being installed but sh.
fn reach(from: &Host, address: &str) -> bool {
    from.run(["bash", "-c", &format!("exec 3<>/dev/tcp/{address}/7")]).unwrap().success()
}

/// Something that accepts on port 7: the kernel's refusal isn't reachability.
fn listen(on: &Host) -> Proc {
    on.spawn(Spec::new(["socat", "TCP-LISTEN:7,fork,reuseaddr", "EXEC:true"])).unwrap()
}

#[test]
fn hosts_reach_each_other_until_they_are_disconnected() {
    let lab = start();
    let a = lab.add_host("a", &["192.0.2.1/24"]).unwrap();
    let b = lab.add_host("b", &["192.0.2.2/24"]).unwrap();
    let server = listen(&b);
    assert!(lab.wait_for(LONG, || reach(&a, "192.0.2.2")));
    let attempt = "timeout 1 bash -c 'exec 3<>/dev/tcp/192.0.2.2/7'";
    b.disconnect("eth0").unwrap();
    assert!(!a.run(["sh", "-c", attempt]).unwrap().success());
    b.connect("eth0").unwrap();
    assert!(lab.wait_for(LONG, || reach(&a, "192.0.2.2")));
    b.link_down("eth0").unwrap();
    assert!(!a.run(["sh", "-c", attempt]).unwrap().success());
    b.link_up("eth0").unwrap();
    assert!(lab.wait_for(LONG, || reach(&a, "192.0.2.2")));
    assert!(server.is_running());
}

#[test]
fn kill_all_spares_nobody_but_the_host_itself() {
    let lab = start();
    let a = lab.add_host("a", &[]).unwrap();
    let b = lab.add_host("b", &[]).unwrap();
    let stubborn = a.spawn(Spec::new(["sh", "-c", "trap '' TERM; setsid sleep 1000 & sleep 1000"])).unwrap();
    let other = b.spawn(Spec::new(["sleep", "1000"])).unwrap();
    a.kill_all().unwrap();
    assert_eq!(stubborn.wait(LONG), Some(Exit::Signal(9)));
    let left = || a.run(["sh", "-c", "cat /proc/[0-9]*/comm"]).unwrap().stdout;
    assert!(lab.wait_for(LONG, || !left().contains("sleep")), "{}", left());
    assert!(other.is_running());
}

#[test]
fn the_tap_hears_who_announces_an_address() {
    let lab = start();
    let capture = lab.capture().unwrap();
    let a = lab.add_host("a", &["192.0.2.1/24"]).unwrap();
    let _b = lab.add_host("b", &["192.0.2.2/24"]).unwrap();
    // Asking for a neighbour's address is an ARP request.
    assert!(lab.wait_for(LONG, || {
        a.run(["bash", "-c", "exec 3<>/dev/tcp/192.0.2.2/7"]).unwrap();
        let asks = |frame: &Frame| {
            matches!(&frame.packet, Packet::Arp { operation: 1, target, .. } if target.octets() == [192, 0, 2, 2])
        };
        capture.take().iter().any(|frame| frame.host == "a" && frame.link == "eth0" && asks(frame))
    }));
}

/// Processes whose ancestor is `root`, itself included, as the machine sees them.
fn descendants(root: u32) -> Vec<u32> {
    let parent_of = |pid: u32| -> Option<u32> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
    };
    let all =
        std::fs::read_dir("/proc").unwrap().filter_map(|it| it.ok()?.file_name().to_str()?.parse().ok());
    let is_below = |pid: &u32| {
        let mut ancestors = std::iter::successors(Some(*pid), |pid| parent_of(*pid));
        ancestors.any(|pid| pid == root)
    };
    all.filter(is_below).collect()
}

/// There, and no zombie that only waits for a parent outside of our reach.
fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[test]
fn nothing_is_left_when_a_lab_is_dropped() {
    let lab = start();
    let a = lab.add_host("a", &[]).unwrap();
    a.spawn(Spec::new(["sh", "-c", "trap '' TERM; sleep 1000"])).unwrap();
    let pids = descendants(lab.pid());
    assert!(pids.len() >= 4, "doorstep, agent, init, sh: {pids:?}");
    drop(lab);
    let left: Vec<u32> = pids.into_iter().filter(|pid| is_alive(*pid)).collect();
    assert!(left.is_empty(), "{left:?} after drop returned");
    assert!(a.run(["true"]).is_err());
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the owner that is killed here has to be a child of the test's"
)]
fn nothing_is_left_when_the_owner_is_killed() {
    use std::io::BufRead as _;
    let mut owner = std::process::Command::new(agent())
        .arg("hold")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufReader::new(owner.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let agent_pid: u32 = line.trim().strip_prefix("held ").expect(&line).parse().unwrap();
    let deadline = sys::clock::now() + LONG;
    let mut pids = descendants(agent_pid);
    while pids.len() < 5 {
        assert!(sys::clock::now() < deadline, "doorstep, agent, init, sh, sleep: {pids:?}");
        pids = descendants(agent_pid);
    }
    owner.kill().unwrap();
    owner.wait().unwrap();
    while pids.iter().any(|pid| is_alive(*pid)) {
        assert!(sys::clock::now() < deadline, "{:?} outlived their owner", descendants(agent_pid));
        std::thread::yield_now();
    }
}
