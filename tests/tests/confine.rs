//! Who runs code inside vrrp-core or ipmgr can do nothing with it that these don't do themselves.
//!
//! A library that is loaded into the running daemon (`confine/intruder.c`) does what a taken-over process would try.

use handover_tests::node::{LIMIT, Node, RUNTIME_DIR, VIP, api_vip, eventually, start_lab};
use handover_tests::programs::on_host;
use lab::{Exit, Host, Lab, Proc, Signal, Spec};

const CONFIG_PATH: &str = "/etc/handover/handover.conf";
const CONFIG: &str = "vrrp_instance api_vip {
  version 3
  interface eth0
  virtual_router_id 5
  virtual_ipaddress { 192.168.1.100/32 }
}
";
const INTRUDER: &str = "/tmp/intruder.so";
/// SIGSYS on every processor that we know.
const SIGSYS: i32 = 31;

/// What an intruder tries, and the system call that it takes.
const FORBIDDEN: [(&str, &str); 13] = [
    ("program", "execve"),
    ("process", "clone"),
    ("tcp", "socket"),
    ("udp", "socket"),
    ("audit", "socket"),
    ("mount", "mount"),
    ("debugger", "ptrace"),
    ("bpf", "bpf"),
    ("keys", "keyctl"),
    ("module", "init_module"),
    ("user", "setresuid"),
    ("namespace", "unshare"),
    ("signal", "kill"),
];

fn host(lab: &Lab) -> Host {
    let host = lab.add_host("a", &["192.168.1.11/24"]).expect("a host");
    host.write_file(CONFIG_PATH, CONFIG, 0o600).expect("write");
    prepare(&host);
    host
}

/// Puts the intruder there.
fn prepare(host: &Host) {
    host.write_file("/tmp/intruder.c", include_str!("confine/intruder.c"), 0o600).expect("write");
    let script =
        format!("mkdir -p {RUNTIME_DIR} /run/state && cc -shared -fPIC -O1 -o {INTRUDER} /tmp/intruder.c");
    let output = host.run(["sh", "-c", &script]).expect("run");
    assert!(output.success(), "{}{}", output.stdout, output.stderr);
}

/// Starts one daemon alone with the intruder in it.
fn start(host: &Host, daemon: &str, wish: &str, mode: &str) -> Proc {
    let program = on_host(daemon);
    let spec =
        Spec::new([&program, "--runtime-dir", RUNTIME_DIR, "--state-dir", "/run/state", "-f", CONFIG_PATH])
            .variable("LD_PRELOAD", INTRUDER)
            .variable("INTRUDER", wish)
            .variable("HANDOVER_SECCOMP", mode);
    host.spawn(spec).expect("start")
}

fn wait_until_confined(lab: &Lab, host: &Host, daemon: &str, process: &Proc) {
    let script = format!(
        "for d in /proc/[0-9]*; do read -r c < $d/comm && [ \"$c\" = {daemon} ] && cat $d/status; done 2>/dev/null; :"
    );
    let confined = lab
        .wait_for(LIMIT, || host.run(["sh", "-c", &script]).expect("run").stdout.contains("\nSeccomp:\t2\n"));
    assert!(confined, "{daemon} has no filter: {:?}", process.lines());
}

fn lines(process: &Proc) -> String {
    process.lines().iter().map(|line| line.text.clone() + "\n").collect()
}

fn dies_of_each(daemon: &str, wishes: &[(&str, &str)]) {
    let lab = start_lab();
    let host = host(&lab);
    for (wish, call) in wishes {
        let process = start(&host, daemon, wish, "");
        wait_until_confined(&lab, &host, daemon, &process);
        process.kill(Signal::USR2).expect("signal");
        let told =
            process.wait_for_line(LIMIT, |line| line.contains(&format!("the system call {call} (number ")));
        assert!(told.is_some(), "{daemon}, {wish}: {}", lines(&process));
        assert_eq!(process.wait(LIMIT), Some(Exit::Signal(SIGSYS)), "{daemon}, {wish}: {}", lines(&process));
        let said = lines(&process);
        assert!(!said.contains("the intruder lives"), "{daemon}, {wish}: {said}");
    }
}

#[test]
fn vrrp_core_ends_when_it_does_what_it_has_no_need_of() {
    // It opens no socket of the network at all, and nobody else can take the handler's place.
    let more = [
        ("packet", "socket"),
        ("mute", "rt_sigaction"),
        ("uring", "io_uring_setup"),
        ("header", "setsockopt"),
        ("filter", "setsockopt"),
    ];
    dies_of_each("vrrp-core", &[&FORBIDDEN[..], &more].concat());
}

#[test]
fn ipmgr_ends_when_it_does_what_it_has_no_need_of() {
    dies_of_each("ipmgr", &FORBIDDEN);
}

/// What is needed passes: an ipmgr opens packet sockets for its living. And to find what a list lacks, nothing is forbidden.
#[test]
fn what_is_on_the_list_passes_and_all_else_too_where_it_is_only_logged() {
    let lab = start_lab();
    let host = host(&lab);
    for (daemon, wish, mode) in [("ipmgr", "packet", "enforce"), ("vrrp-core", "tcp", "log")] {
        let process = start(&host, daemon, wish, mode);
        wait_until_confined(&lab, &host, daemon, &process);
        process.kill(Signal::USR2).expect("signal");
        let lives = process.wait_for_line(LIMIT, |line| line == "the intruder lives");
        assert!(lives.is_some(), "{daemon}, {wish}: {}", lines(&process));
        process.kill(Signal::TERM).expect("signal");
        assert_eq!(process.wait(LIMIT), Some(Exit::Code(0)), "{daemon}: {}", lines(&process));
    }
}

/// In the lab everything belongs to the user that the daemons run as: it is landlock that refuses.
#[test]
fn only_where_a_daemon_keeps_something_can_it_write() {
    let lab = start_lab();
    let host = host(&lab);
    for (daemon, wish, may) in [
        ("vrrp-core", "state", true),
        ("vrrp-core", "file", false),
        ("vrrp-core", "configuration", false),
        ("ipmgr", "state", false),
        ("ipmgr", "configuration", false),
    ] {
        let process = start(&host, daemon, wish, "enforce");
        wait_until_confined(&lab, &host, daemon, &process);
        process.kill(Signal::USR2).expect("signal");
        let told =
            process.wait_for_line(LIMIT, |line| line.starts_with("the intruder")).expect("it acts").text;
        if lines(&process).contains("this kernel has no landlock") {
            eprintln!("SKIPPED: this kernel has no landlock");
            return;
        }
        assert_eq!(told == "the intruder could", may, "{daemon}, {wish}: {}", lines(&process));
        process.kill(Signal::TERM).expect("signal");
        assert_eq!(process.wait(LIMIT), Some(Exit::Code(0)), "{daemon}: {}", lines(&process));
    }
}

#[test]
fn no_memory_becomes_code() {
    let lab = start_lab();
    let host = host(&lab);
    for daemon in ["vrrp-core", "ipmgr"] {
        let process = start(&host, daemon, "code", "enforce");
        wait_until_confined(&lab, &host, daemon, &process);
        process.kill(Signal::USR2).expect("signal");
        let told =
            process.wait_for_line(LIMIT, |line| line.starts_with("the intruder")).expect("it acts").text;
        assert_eq!(told, "the intruder could not", "{daemon}: {}", lines(&process));
    }
}

/// E3: an end by SIGSYS is one of those that the suite bears. Nothing moves, and the log says what it was.
#[test]
fn a_master_whose_core_ends_so_goes_on_as_master() {
    let lab = start_lab();
    let node = Node::new(
        &lab,
        "a",
        &["192.168.1.11/24"],
        &api_vip(150, "").replace("advert_int 0.3", "advert_int 3"),
    );
    prepare(node.host());
    let run = on_host("handover");
    let run = [&run, "run", "--runtime-dir", RUNTIME_DIR, "--state-dir", "/run/state", "-f", CONFIG_PATH];
    let spec = Spec::new(run).variable("LD_PRELOAD", INTRUDER).variable("INTRUDER", "program");
    let run = node.host().spawn(spec).expect("start handover run");
    eventually(&lab, &[&node], "it is MASTER", || node.state() == "MASTER" && node.holds(VIP));
    let monitor = node.host().spawn(Spec::new(["ip", "-o", "monitor", "address"])).expect("ip monitor");
    let before = node.pids("vrrp-core");
    node.signal("vrrp-core", "USR2");
    let told =
        run.wait_for_line(LIMIT, |line| line.contains("vrrp-core: error: the system call execve (number "));
    assert!(told.is_some(), "{}", lines(&run));
    let told = run.wait_for_line(LIMIT, |line| line.contains("vrrp-core has ended (signal 31)"));
    assert!(told.is_some(), "{}", lines(&run));
    eventually(&lab, &[&node], "another vrrp-core goes on as MASTER", || {
        node.pids("vrrp-core") != before && node.state() == "MASTER"
    });
    assert_eq!(node.at("/instances/0/cause/code"), "resumed", "{}", lines(&run));
    assert!(node.holds(VIP));
    let gone = monitor.lines().iter().any(|line| line.text.contains("Deleted") && line.text.contains(VIP));
    assert!(!gone, "{}", lines(&monitor));
}

#[test]
fn a_kernel_that_can_hold_neither_is_told_of_and_no_obstacle() {
    let lab = start_lab();
    let host = host(&lab);
    for daemon in ["vrrp-core", "ipmgr"] {
        let process = start(&host, daemon, "old", "");
        for told in
            ["this kernel has no landlock", &format!("that {daemon} has no need of stay open to it: ")]
        {
            assert!(
                process.wait_for_line(LIMIT, |line| line.contains(told)).is_some(),
                "{:?}",
                process.lines()
            );
        }
        let serves =
            || host.run(["test", "-S", &format!("{RUNTIME_DIR}/{daemon}.sock")]).expect("run").success();
        assert!(lab.wait_for(LIMIT, serves), "{}", lines(&process));
        process.kill(Signal::TERM).expect("signal");
        assert_eq!(process.wait(LIMIT), Some(Exit::Code(0)), "{daemon}: {}", lines(&process));
    }
}
