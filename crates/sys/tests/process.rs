//! Children, for real: what they get, what they don't, and how they end.
//!
//! Each test starts its own children and waits for them by their descriptors. What needs root is skipped elsewhere,
//! and says so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may say why it failed"
)]

use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};

use handover_sys::privilege::{self, Capability};
use handover_sys::process::{Child, Credentials, Exit, Namespace, Rights, Signal, Spec, Stdio, Step, spawn};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Longer than any healthy machine needs.
const PATIENCE: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };
const NOBODY: u32 = 65_534;

fn end(child: &mut Child) -> Exit {
    let ready = poll(&mut [PollFd::new(child, PollFlags::IN)], Some(&PATIENCE)).unwrap();
    assert_eq!(ready, 1, "child {} didn't end", child.pid());
    child.try_wait().unwrap().expect("the descriptor said that it ended")
}

fn shell(script: &str) -> Spec {
    Spec::new("/bin/sh").arguments(["-c", script])
}

fn output(spec: Spec) -> String {
    let mut child = spawn(&spec.stdout(Stdio::Pipe).stderr(Stdio::Inherit)).unwrap();
    let mut text = String::new();
    std::fs::File::from(child.stdout.take().unwrap()).read_to_string(&mut text).unwrap();
    assert_eq!(end(&mut child), Exit::Code(0), "it said: {text}");
    text
}

/// Whether we are root, and not only of a user namespace in which there is nobody else.
fn is_root(what: &str) -> bool {
    let root = rustix::process::geteuid().is_root() && handover_sys::user::can_become(NOBODY).unwrap();
    if !root {
        println!("not root: not tested: {what}");
    }
    root
}

#[test]
fn an_exit_and_a_signal_are_told_apart() {
    assert_eq!(end(&mut spawn(&shell("exit 7")).unwrap()), Exit::Code(7));
    assert_eq!(end(&mut spawn(&shell("kill -9 $$")).unwrap()), Exit::Signal(9));
    assert!(Exit::Code(0).success() && !Exit::Code(1).success() && !Exit::Signal(15).success());
}

#[test]
fn what_cannot_be_executed_says_so_and_leaves_nothing() {
    let error = spawn(&Spec::new("/no/such/program")).unwrap_err();
    assert_eq!(error.step, Step::Execute);
    assert_eq!(error.error.kind(), std::io::ErrorKind::NotFound);
    assert!(error.to_string().starts_with("cannot run /no/such/program: execute: "), "{error}");

    let error = spawn(&Spec::new("/etc/passwd")).unwrap_err();
    assert_eq!((error.step, error.error.kind()), (Step::Execute, std::io::ErrorKind::PermissionDenied));

    let error = spawn(&Spec::new("/bin/true").directory("/no/such/directory")).unwrap_err();
    assert_eq!((error.step, error.error.kind()), (Step::Directory, std::io::ErrorKind::NotFound));
}

#[test]
fn an_ended_child_is_seen_before_it_is_reaped() {
    let mut child = spawn(&shell("exit 3").own_group()).unwrap();
    poll(&mut [PollFd::new(&child, PollFlags::IN)], Some(&PATIENCE)).unwrap();
    assert_eq!(child.peek().unwrap(), Some(Exit::Code(3)));
    assert_eq!(child.peek().unwrap(), Some(Exit::Code(3)));
    assert_eq!(child.try_wait().unwrap(), Some(Exit::Code(3)));
    assert_eq!(child.try_wait().unwrap(), Some(Exit::Code(3)));
    child.signal(Signal::KILL).unwrap();
    child.signal_group(Signal::KILL).unwrap();
}

#[test]
fn a_group_dies_with_its_grandchildren() {
    // The pipe closes only when the grandchild, too, is gone.
    let spec = shell("sleep 1000 & echo started; wait").own_group().stdout(Stdio::Pipe);
    let mut child = spawn(&spec).unwrap();
    let mut out = std::fs::File::from(child.stdout.take().unwrap());
    let mut line = [0; 8];
    out.read_exact(&mut line).unwrap();
    child.signal_group(Signal::KILL).unwrap();
    assert_eq!(end(&mut child), Exit::Signal(9));
    assert_eq!(out.read(&mut line).unwrap(), 0);
}

#[test]
fn a_group_signal_without_a_group_is_refused() {
    let mut child = spawn(&shell("sleep 1000")).unwrap();
    assert!(child.signal_group(Signal::KILL).is_err());
    child.signal(Signal::TERM).unwrap();
    assert_eq!(end(&mut child), Exit::Signal(15));
}

#[test]
fn the_environment_is_what_was_said() {
    let spec = Spec::new("/usr/bin/env").clear_environment().variable("A", "1").variable("B", "two words");
    assert_eq!(output(spec), "A=1\nB=two words\n");
}

#[test]
fn only_passed_descriptors_are_open() {
    // One that a careless library left open for children, and one that is passed.
    let careless = std::fs::File::open("/dev/zero").unwrap();
    rustix::io::fcntl_setfd(&careless, rustix::io::FdFlags::empty()).unwrap();
    let mut spec = Spec::new("/bin/ls").argument("/proc/self/fd");
    let passed = spec.pass(OwnedFd::from(std::fs::File::open("/dev/zero").unwrap()));
    let seen = output(spec);
    let seen: Vec<i32> = seen.lines().map(|line| line.parse().unwrap()).collect();
    assert!(seen.contains(&passed), "{passed} isn't in {seen:?}");
    // 0, 1, 2, the passed one, and ls's own view of the directory.
    assert_eq!(seen.len(), 5, "{seen:?}; {} should not be there", careless.as_raw_fd());
}

#[test]
fn standard_input_can_be_a_pipe() {
    let mut child = spawn(&shell("read word && test $word = hello").stdin(Stdio::Pipe)).unwrap();
    std::fs::File::from(child.stdin.take().unwrap()).write_all(b"hello\n").unwrap();
    assert_eq!(end(&mut child), Exit::Code(0));
}

#[test]
fn a_child_has_no_signal_held_back_and_sigpipe_ends_it() {
    // Programs of Rust ignore SIGPIPE; whoever starts a daemon may have blocked others (nohup, a careless shell).
    let held_back = std::thread::spawn(|| {
        // SAFETY: the set is made before it is used, and this thread ends.
        unsafe {
            let mut set = std::mem::MaybeUninit::uninit();
            libc::sigemptyset(set.as_mut_ptr());
            libc::sigaddset(set.as_mut_ptr(), libc::SIGUSR1);
            libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
        }
        output(Spec::new("/bin/cat").argument("/proc/self/status"))
    });
    let status = held_back.join().unwrap();
    let mask = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
    };
    assert_eq!((mask("SigBlk:"), mask("SigCgt:"), mask("SigIgn:") & (1 << (libc::SIGPIPE - 1))), (0, 0, 0));
}

#[test]
fn a_bare_name_is_found_in_the_childs_path() {
    // A child that another test starts meanwhile has our file open for writing until it executes (ETXTBSY, execve(2)).
    if !is_alone("a_bare_name_is_found_in_the_childs_path") {
        return;
    }
    let directory = std::env::temp_dir().join(format!("handover-path-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("handover-no-line");
    // No `#!` line: the kernel can't run it, and every shell can.
    std::fs::write(&file, "echo $0 $1\n").unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let named = || Spec::new("handover-no-line").argument("word");
    let path = format!("/no/such:{}", directory.display());
    let said = output(named().variable("PATH", &path));
    let elsewhere = spawn(&named().variable("PATH", "/no/such:/")).unwrap_err();
    std::fs::remove_dir_all(&directory).unwrap();
    assert_eq!(said, format!("{} word\n", file.display()));
    assert_eq!((elsewhere.step, elsewhere.error.kind()), (Step::Execute, std::io::ErrorKind::NotFound));
}

/// Whether this process runs that test alone. If not, it is run in one that does, and has to pass there.
fn is_alone(test: &str) -> bool {
    if std::env::var_os("HANDOVER_ALONE").is_some() {
        return true;
    }
    let alone = Spec::new(std::env::current_exe().unwrap())
        .arguments([test, "--exact", "--test-threads=1"])
        .variable("HANDOVER_ALONE", "1")
        .stdout(Stdio::Inherit)
        .stderr(Stdio::Inherit);
    assert_eq!(end(&mut spawn(&alone).unwrap()), Exit::Code(0));
    false
}

#[test]
fn a_thousand_failures_leave_no_descriptor_no_memory_and_no_child() {
    // Others of this file open descriptors meanwhile.
    if !is_alone("a_thousand_failures_leave_no_descriptor_no_memory_and_no_child") {
        return;
    }
    let count = |path: &str| std::fs::read_to_string(path).map_or(0, |text| text.lines().count());
    let look = || (std::fs::read_dir("/proc/self/fd").unwrap().count(), count("/proc/self/maps"));
    let fail = || spawn(&Spec::new("/no/such").stdout(Stdio::Pipe)).unwrap_err();
    fail();
    let (descriptors, maps) = look();
    (0..1000).for_each(|_| drop(fail()));
    let after = look();
    assert_eq!(after.0, descriptors);
    assert!(after.1 < maps + 10, "{maps} mappings became {}", after.1);
    let children = std::fs::read_to_string("/proc/thread-self/children").unwrap();
    assert_eq!(children, "", "children are left");
}

#[test]
fn children_keep_the_limit_of_open_files_that_was_found() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    if !is_alone("children_keep_the_limit_of_open_files_that_was_found") {
        return;
    }
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(512), maximum }).unwrap();
    handover_sys::process::raise_open_files().unwrap();
    let ours = getrlimit(Resource::Nofile).current.unwrap();
    assert!(ours > 512 && ours <= 65_536, "{ours}");
    assert_eq!(output(shell("ulimit -Sn")), "512\n");
}

#[test]
fn our_own_files_in_proc_stay_ours_after_a_child_changed_its_user() {
    if !is_root("a child of another user") {
        return;
    }
    let mut child = spawn(&Spec::new("/bin/true").credentials(nobody())).unwrap();
    assert_eq!(rustix::process::dumpable_behavior().unwrap(), rustix::process::DumpableBehavior::Dumpable);
    assert_eq!(end(&mut child), Exit::Code(0));
}

/// The `Cap...` lines of a child's status: inheritable, permitted, effective, bounding, ambient.
fn capabilities_of(spec: Spec) -> Vec<u64> {
    let status = output(spec.arguments(["/proc/self/status"]));
    let lines = status.lines().filter(|line| line.starts_with("Cap"));
    lines.map(|line| u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()).collect()
}

fn nobody() -> Credentials {
    Credentials { uid: NOBODY, gid: NOBODY, groups: vec![NOBODY] }
}

#[test]
fn exactly_these_rights_for_root_and_for_others() {
    if !is_root("capabilities of children") {
        return;
    }
    let net_raw = 1 << 13;
    let rights = || Rights::Exactly(vec![Capability::NetRaw]);
    assert_eq!(capabilities_of(Spec::new("/bin/cat").rights(rights())), [net_raw; 5]);
    assert_eq!(capabilities_of(Spec::new("/bin/cat").rights(rights()).credentials(nobody())), [net_raw; 5]);
    let nothing = Spec::new("/bin/cat").rights(Rights::Exactly(Vec::new())).credentials(nobody());
    assert_eq!(capabilities_of(nothing), [0; 5]);
}

#[test]
fn no_rights_of_ours_leave_root_root_and_files_their_capabilities() {
    if !is_root("capabilities of children") {
        return;
    }
    let root = capabilities_of(Spec::new("/bin/cat").rights(Rights::None));
    assert_eq!(root[1], root[3], "root has what the bounding set allows: {root:x?}");
    let other = capabilities_of(Spec::new("/bin/cat").rights(Rights::None).credentials(nobody()));
    assert_eq!((other[1], other[2], other[4]), (0, 0, 0));
    assert_ne!(other[3], 0, "set-user-ID programs need a bounding set");
}

#[test]
fn a_child_is_the_user_it_should_be() {
    if !is_root("changing the user") {
        return;
    }
    let credentials = Credentials { uid: NOBODY, gid: 12_345, groups: vec![1, 2] };
    let status = output(Spec::new("/bin/cat").argument("/proc/self/status").credentials(credentials));
    let line = |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert_eq!(line("Uid:"), "Uid:\t65534\t65534\t65534\t65534");
    assert_eq!(line("Gid:"), "Gid:\t12345\t12345\t12345\t12345");
    assert_eq!(line("Groups:").trim_end(), "Groups:\t1 2");
}

#[test]
fn a_user_that_cannot_be_taken_is_named_as_the_step() {
    if !is_root("losing CAP_SETUID") {
        return;
    }
    // Capabilities belong to a thread: this one is given up afterwards.
    std::thread::spawn(|| {
        privilege::limit(&[]).unwrap();
        let error = spawn(&Spec::new("/bin/true").credentials(nobody())).unwrap_err();
        assert_eq!(
            (error.step, error.error.kind()),
            (Step::Credentials, std::io::ErrorKind::PermissionDenied)
        );
        let error =
            spawn(&Spec::new("/bin/true").rights(Rights::Exactly(vec![Capability::NetRaw]))).unwrap_err();
        assert_eq!(error.step, Step::Rights);
    })
    .join()
    .unwrap();
}

#[test]
fn restrict_keeps_what_was_asked_and_never_brings_it_back() {
    std::thread::spawn(|| {
        let had = privilege::effective().unwrap();
        privilege::restrict(&[Capability::Kill], true).unwrap();
        let kept: Vec<_> = had.iter().copied().filter(|capability| *capability == Capability::Kill).collect();
        assert_eq!(privilege::effective().unwrap(), kept);
        // Again, with more wishes than rights: nothing fails, nothing is gained.
        privilege::restrict(&[Capability::Kill, Capability::NetAdmin], false).unwrap();
        assert_eq!(privilege::effective().unwrap(), kept);
        privilege::restrict(&[], false).unwrap();
        assert_eq!(privilege::effective().unwrap(), []);
        assert!(
            !handover_sys::user::can_become(NOBODY).unwrap_or(true)
                || rustix::process::geteuid().as_raw() == NOBODY
        );
        assert!(rustix::thread::no_new_privs().unwrap());
    })
    .join()
    .unwrap();
}

#[test]
fn a_child_dies_with_the_thread_that_started_it() {
    let child =
        std::thread::spawn(|| spawn(&shell("exec sleep 1000").die_with_parent(Signal::KILL)).unwrap());
    assert_eq!(end(&mut child.join().unwrap()), Exit::Signal(9));
}

#[test]
fn a_host_of_its_own_in_namespaces() {
    if !is_root("namespaces") {
        return;
    }
    let host = |spec: Spec| {
        spec.unshare(Namespace::Net).unshare(Namespace::Mount).unshare(Namespace::Pid).unshare(Namespace::Uts)
    };
    // Number 1, alone in /proc, and without our links.
    let seen = output(host(shell("echo $$; ls -d /proc/[0-9]*; wc -l < /proc/net/dev")));
    assert_eq!(seen.lines().next(), Some("1"), "{seen}");
    assert!(seen.lines().filter(|line| line.starts_with("/proc/")).count() <= 2, "{seen}");
    // Our own next child is born here again.
    let here = std::fs::read_link("/proc/self/ns/pid").unwrap();
    assert_eq!(output(shell("readlink /proc/self/ns/pid")).trim_end(), here.to_str().unwrap());

    // Another child can join the host.
    let first = spawn(&host(Spec::new("sleep").argument("1000")).own_group()).unwrap();
    let namespace =
        |kind: &str| OwnedFd::from(std::fs::File::open(format!("/proc/{}/ns/{kind}", first.pid())).unwrap());
    let joined = shell("cat /proc/1/comm; echo $$; ls /proc | grep -c '^[0-9]'")
        .enter(Namespace::Net, namespace("net"))
        .enter(Namespace::Mount, namespace("mnt"))
        .enter(Namespace::Pid, namespace("pid"));
    let seen = output(joined);
    assert!(seen.starts_with("sleep\n2\n"), "{seen}");
    first.signal(Signal::KILL).unwrap();
    let mut first = first;
    assert_eq!(end(&mut first), Exit::Signal(9));
}

#[test]
fn a_new_user_namespace_has_one_user_root() {
    let spec = shell("id -u; cat /proc/self/uid_map").unshare(Namespace::User);
    match spawn(&shell("true").unshare(Namespace::User)) {
        Ok(mut child) => assert_eq!(end(&mut child), Exit::Code(0)),
        Err(error) => {
            println!("not tested: this kernel allows no user namespaces: {error}");
            return;
        }
    }
    assert!(output(spec).starts_with("0\n"));
    let error = spawn(&shell("true").unshare(Namespace::User).unshare(Namespace::Pid)).unwrap_err();
    assert_eq!(error.step, Step::Namespace);
}

#[test]
fn hundreds_of_children_leave_no_descriptor_and_no_zombie() {
    let count = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    // In a process of its own, so that other tests' descriptors don't count: this very test, alone.
    if std::env::var_os("ALONE").is_none() {
        let this = std::env::current_exe().unwrap();
        let arguments = ["--exact", "hundreds_of_children_leave_no_descriptor_and_no_zombie"];
        let mut child = spawn(&Spec::new(this).arguments(arguments).variable("ALONE", "1")).unwrap();
        assert_eq!(end(&mut child), Exit::Code(0));
        return;
    }
    let before = count();
    for round in 0..300 {
        let mut child = spawn(&Spec::new("/bin/true").stdout(Stdio::Pipe).own_group()).unwrap();
        assert_eq!(end(&mut child), Exit::Code(0));
        assert!(spawn(&Spec::new("/no/such/program")).is_err());
        assert!(child.as_fd().as_raw_fd() > 2, "{round}");
    }
    assert_eq!(count(), before);
    let zombies = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    assert_eq!(zombies.trim(), "");
}
