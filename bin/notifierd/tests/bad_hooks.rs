//! Hooks as nobody wants them, one after the other: what the status and the log say of each, once, and that the hook of
//! somebody else isn't delayed by it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may say why it failed")]

#[path = "../../checkerd/tests/harness/mod.rs"]
mod harness;
#[path = "core/mod.rs"]
mod vrrp_core;

use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixListener;

use harness::{Client, Daemon, Scratch};
use ipc::events::Told;
use ipc::hooks::{HookRun, Message, PipeView, Status};
use rustix::fs::OFlags;
use vrrp_core::{Core, instance};

/// What is told of a hook whose output is held.
const HELD: &str = "(A) notify_master for MASTER has ended, and what it started still holds its output: it should have closed it";
/// How much more memory notifierd may have had for a hook that writes without end, in KiB.
const MAX_GROWTH: u64 = 8 << 10;

/// A hook of `bad`, and what is told of it.
#[derive(Debug)]
struct Case {
    what: &'static str,
    /// `DIR` is a directory that it may write to.
    script: &'static str,
    mode: u32,
    /// How the status' outcome begins, or ends.
    outcome: &'static str,
    /// In the log, once for its one run.
    logged: &'static str,
}

const CASES: [Case; 7] = [
    Case {
        what: "closes nothing: a grandchild in a session of its own keeps every descriptor",
        script: "setsid sh -c 'echo $$ > DIR/left; exec sleep 1000' &\nwhile ! test -s DIR/left; do sleep 0.01; done",
        mode: 0o755,
        outcome: "succeeded",
        logged: HELD,
    },
    Case {
        what: "forks and leaves",
        script: "setsid sh -c 'echo $$ > DIR/left; exec sleep 1000' < /dev/null > /dev/null 2>&1 &\nwhile ! test -s DIR/left; do sleep 0.01; done",
        mode: 0o755,
        outcome: "succeeded",
        logged: "notify_master for MASTER succeeded in ",
    },
    Case {
        what: "ignores TERM, and so does what left its group",
        script: "trap '' TERM\nsetsid sh -c 'echo $$ > DIR/ended; while :; do sleep 1; done' &\nwhile :; do sleep 1; done",
        mode: 0o755,
        outcome: "timed out",
        logged: "notify_master for MASTER takes longer than its notify_timeout; it is ended",
    },
    Case {
        what: "writes 1 GB",
        script: "head -c 1073741824 /dev/zero; echo the end; exit 3",
        mode: 0o755,
        outcome: "exited with status 3",
        logged: "notify_master for MASTER failed: exited with status 3; it said: the end",
    },
    Case {
        what: "is replaced while it runs",
        script: "printf '#!/bin/sh\\nexit 9\\n' > DIR/new; chmod 755 DIR/new; mv DIR/new DIR/bad\nexit 4",
        mode: 0o755,
        outcome: "exited with status 4",
        logged: "notify_master for MASTER failed: exited with status 4",
    },
    Case {
        what: "is not executable",
        script: "exit 0",
        mode: 0o644,
        outcome: "not executable (mode 0644)",
        logged: "not executable (mode 0644)",
    },
    Case {
        what: "may be written by others",
        script: "exit 0",
        mode: 0o757,
        outcome: "has mode 0757",
        logged: "not run as root, since others could change it",
    },
];

fn status(client: &mut Client) -> Status {
    client.send(r#"{"request":"status"}"#).unwrap();
    client.find(|message| match message {
        Message::Status(status) => Some(*status),
        Message::Hello(_) | Message::Reload(_) | Message::Error { .. } => None,
    })
}

/// The most memory that it had until now, in KiB: VmHWM of proc_pid_status(5).
fn most_memory(daemon: &Daemon) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn pid(scratch: &Scratch, name: &str) -> Option<u32> {
    scratch.read(name).trim().parse().ok()
}

fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // Whose parent doesn't look yet is a zombie, and runs no more.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// One notifierd, with a bad hook for A and a good one for B.
struct Stage {
    scratch: Scratch,
    daemon: Daemon,
    core: Core,
    client: Client,
    _listener: UnixListener,
}

impl Stage {
    fn new(name: &str, script: &str, mode: u32) -> Self {
        let scratch = Scratch::new(name);
        let directory = scratch.path("").display().to_string();
        let text = format!("#!/bin/sh\n{script}\n").replace("DIR/", &directory);
        let bad = scratch.write("bad", &text, mode);
        let good =
            scratch.write("good", &"#!/bin/sh\necho $3 >> DIR/told\n".replace("DIR/", &directory), 0o755);
        let listener = Core::listen(&scratch);
        // Only where that is what is told: a slow machine takes its time.
        let limit = if script.contains("trap") { 1 } else { 600 };
        let hooks = format!("notify_master {}\n notify_timeout {limit}", bad.display());
        let config = instance("A", 1, &hooks) + &instance("B", 2, &format!("notify {}", good.display()));
        let daemon = Daemon::start(env!("CARGO_BIN_EXE_notifierd"), &scratch, &config);
        let core = Core::accept(&listener, &[("A", Told::Backup), ("B", Told::Init)]);
        let client = daemon.connect();
        Self { scratch, daemon, core, client, _listener: listener }
    }

    /// A is MASTER once more: what became of its hook, which has run so often by then.
    fn run(&mut self, times: u64) -> HookRun {
        let Self { daemon, client, scratch, core, .. } = self;
        let (from, to) =
            if times.is_multiple_of(2) { (Told::Backup, Told::Fault) } else { (Told::Fault, Told::Backup) };
        core.event("A", Told::Backup, Told::Master);
        core.event("B", from, to);
        daemon.until("the hook of B", || scratch.read("told").ends_with(&format!("{to}\n")).then_some(()));
        let mut hooks_of_a = || status(client).instances.remove(0).hooks;
        let run = daemon.until("the hook of A", || {
            let hooks = hooks_of_a();
            hooks.last.filter(|_| hooks.runs == times)
        });
        core.event("A", Told::Master, Told::Backup);
        daemon.until("A is BACKUP", || (hooks_of_a().told == Some(Told::Backup)).then_some(()));
        run
    }

    /// How often the log has that.
    fn logged(&self, text: &str) -> usize {
        self.daemon.log().lines().filter(|line| line.contains(text)).count()
    }
}

#[test]
fn each_is_told_once_and_delays_nobody() {
    for (number, case) in CASES.iter().enumerate() {
        if case.mode & 0o002 != 0 && !rustix::process::geteuid().is_root() {
            println!("SKIPPED: {}: not root", case.what);
            assert!(std::env::var_os("CI").is_none(), "CI is root");
            continue;
        }
        let mut stage = Stage::new(&format!("bad-hook-{number}"), case.script, case.mode);
        let before = most_memory(&stage.daemon);
        let run = stage.run(1);
        assert!(
            run.outcome.starts_with(case.outcome) || run.outcome.ends_with(case.outcome),
            "{case:?} {run:?}"
        );
        assert!(run.output.len() <= runner::MAX_OUTPUT, "{case:?}");
        let grown = most_memory(&stage.daemon) - before;
        assert!(grown <= MAX_GROWTH, "{grown} KiB more: {case:?}");
        stage.daemon.until(case.logged, || (stage.logged(case.logged) > 0).then_some(()));
        assert!(stage.logged("(A) ") <= 2, "{case:?}: a flood:\n{}", stage.daemon.log());
        let is_plain = |c: char| c == '\n' || !c.is_control();
        assert!(stage.daemon.log().chars().all(is_plain), "{case:?}: a line that a terminal obeys");
        let held = if case.logged == HELD { vec![HELD.to_owned()] } else { Vec::new() };
        assert_eq!(status(&mut stage.client).troubles, held, "{case:?}");
        if let Some(left) = pid(&stage.scratch, "left") {
            assert!(runs(left), "who leaves is let be: {case:?}");
            let left = rustix::process::Pid::from_raw(left.try_into().unwrap()).unwrap();
            rustix::process::kill_process(left, rustix::process::Signal::KILL).unwrap();
        }
        if let Some(ended) = pid(&stage.scratch, "ended") {
            stage.daemon.until("its end", || (!runs(ended)).then_some(()));
        }
        let Stage { daemon, client, .. } = &mut stage;
        daemon.until("nothing to complain of", || status(client).troubles.is_empty().then_some(()));
        assert_eq!(stage.logged(case.logged), 1, "{case:?}:\n{}", stage.daemon.log());
    }
}

/// A package is upgraded while a hook of it runs.
#[test]
fn the_next_run_is_of_what_is_there_by_then() {
    let replaces = CASES.iter().find(|case| case.what.contains("replaced")).unwrap();
    let mut stage = Stage::new("bad-hook-replaced", replaces.script, replaces.mode);
    assert_eq!(stage.run(1).outcome, "exited with status 4");
    assert_eq!(stage.run(2).outcome, "exited with status 9", "{}", stage.daemon.log());
}

/// Far more than a pipe holds.
#[test]
fn a_pipe_that_nobody_reads_is_told_once_and_holds_up_no_hook() {
    let scratch = Scratch::new("bad-pipe");
    let path = scratch.path("transitions");
    let hook =
        scratch.write("good", &format!("#!/bin/sh\necho $3 >> {}\n", scratch.path("told").display()), 0o755);
    let listener = Core::listen(&scratch);
    let config = format!("global_defs {{\n notify_fifo {}\n}}\n", path.display())
        + &instance("A", 1, "")
        + &instance("B", 2, &format!("notify {}", hook.display()));
    let daemon = Daemon::start(env!("CARGO_BIN_EXE_notifierd"), &scratch, &config);
    let mut core = Core::accept(&listener, &[("A", Told::Backup), ("B", Told::Init)]);
    let mut client = daemon.connect();
    let mut pipe = || -> PipeView { status(&mut client).pipes.remove(0) };
    for _ in 0..3000 {
        core.event("A", Told::Backup, Told::Master);
        core.event("A", Told::Master, Told::Backup);
    }
    let full = daemon.until("a full pipe", || Some(pipe()).filter(|pipe| pipe.trouble.is_some()));
    assert!(full.trouble.unwrap().ends_with("full, since nobody reads; the newest states wait"));
    core.event("B", Told::Init, Told::Backup);
    daemon.until("the hook", || (scratch.read("told") == "BACKUP\n").then_some(()));
    assert!(pipe().waiting <= 2 && pipe().overtaken > 1000, "{:?}", pipe());
    let count = |text: &str| daemon.log().lines().filter(|line| line.contains(text)).count();
    assert_eq!(count("full, since nobody reads"), 1, "{}", daemon.log());
    // Somebody reads after all, all that there is.
    let mut reader = fs::File::options()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(&path)
        .unwrap();
    let mut text = Vec::new();
    daemon.until("the newest states", || {
        let _ = std::io::Read::read_to_end(&mut reader, &mut text);
        let text = String::from_utf8_lossy(&text);
        let last = |name: &str| text.lines().rfind(|line| line.contains(name)).unwrap_or_default().to_owned();
        (last("\"A\"").contains(" BACKUP ") && last("\"B\"").contains(" BACKUP ")).then_some(())
    });
    daemon.until("all is well", || pipe().trouble.is_none().then_some(()));
    assert_eq!((count("it is read again"), count("full, since nobody reads")), (1, 1), "{}", daemon.log());
}
