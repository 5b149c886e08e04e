//! Real scripts, run as a daemon runs them: with a poll loop around [`Run`].

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may say why it failed"
)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::UserSpec;
use handover_runner::{Drained, End, Finished, Job, MAX_OUTPUT, Refusal, Run, Runner};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sys::clock::now;
use sys::process::{Exit, Spec, Stdio, spawn};
use sys::user::OVERFLOW;

/// Longer than any healthy machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs it to its end, as an event loop would. Also tells whether it became overdue.
fn finish(run: &mut Run) -> (Finished, bool) {
    let start = now();
    let mut overdue = false;
    loop {
        let moment = now();
        assert!(moment.since(start) < PATIENCE, "process {} doesn't end", run.pid());
        if run.deadline().is_some_and(|deadline| deadline <= moment) {
            overdue |= run.on_deadline(moment);
        }
        let more = run.on_output() == Drained::More;
        if let Some(finished) = run.poll_end(now()) {
            return (finished, overdue);
        }
        let wait = run.deadline().map_or(PATIENCE, |deadline| deadline.since(now()));
        let wait = if more { Duration::ZERO } else { wait };
        let wait =
            Timespec { tv_sec: wait.as_secs().try_into().unwrap(), tv_nsec: wait.subsec_nanos().into() };
        let process = run.process();
        let mut watched = vec![PollFd::from_borrowed_fd(process, PollFlags::IN)];
        watched.extend(run.output().map(|pipe| PollFd::from_borrowed_fd(pipe, PollFlags::IN)));
        poll(&mut watched, Some(&wait)).unwrap();
    }
}

fn job<'a>(program: &'a Path, arguments: &'a [String]) -> Job<'a> {
    Job { program, arguments, user: None, variables: &[], input: None, register: None, timeout: PATIENCE }
}

/// As whom we run already, if that has a name; else whoever stands in.
fn runner() -> Runner {
    let us = sys::user::by_id(rustix::process::geteuid().as_raw()).unwrap();
    Runner::new(us.map(|us| UserSpec { user: us.name, group: None }))
}

fn shell(script: &str) -> Vec<String> {
    vec!["-c".to_owned(), script.to_owned()]
}

fn run_shell(script: &str, timeout: Duration) -> (Finished, bool) {
    let arguments = shell(script);
    let job = Job { timeout, ..job(Path::new("/bin/sh"), &arguments) };
    finish(&mut runner().start(now(), &job).unwrap())
}

/// A directory of this test's own that is gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("handover-runner-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        Self(path)
    }

    fn script(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Whether we are root, and not only of a user namespace in which there is nobody else.
fn is_root(what: &str) -> bool {
    let root = rustix::process::geteuid().is_root() && sys::user::can_become(OVERFLOW).unwrap();
    if !root {
        println!("not root: not tested: {what}");
    }
    root
}

#[test]
fn ends_are_told_apart() {
    let mut runner = runner();
    let (finished, _) = finish(&mut runner.start(now(), &job(Path::new("true"), &[])).unwrap());
    assert_eq!(finished.end, End::Exited(Exit::Code(0)));
    let (finished, _) = finish(&mut runner.start(now(), &job(Path::new("/bin/false"), &[])).unwrap());
    assert_eq!(finished.end, End::Exited(Exit::Code(1)));
    assert_eq!(run_shell("kill -SEGV $$", PATIENCE).0.end, End::Exited(Exit::Signal(11)));
}

#[test]
fn a_script_that_sleeps_is_terminated() {
    let (finished, overdue) = run_shell("sleep 1000", Duration::from_millis(50));
    assert_eq!((finished.end, overdue), (End::TimedOut, true));
    assert!(finished.took >= Duration::from_millis(50));
}

#[test]
fn a_script_that_ignores_sigterm_is_killed_with_its_children() {
    // The pipe is closed at the end only if the grandchild is gone, too.
    let (finished, overdue) =
        run_shell("trap '' TERM; echo begun; while true; do sleep 1000; done", Duration::from_millis(200));
    assert_eq!((finished.end, overdue), (End::TimedOut, true));
    assert_eq!(finished.output, "begun\n");
    assert!(finished.took >= Duration::from_secs(2));
}

#[test]
fn a_time_out_takes_the_grandchildren_that_ignore_sigterm() {
    // The script obeys SIGTERM; its grandchild doesn't, and holds the pipe.
    let script = "(trap '' TERM; echo deaf; exec sleep 1000) & sleep 1000";
    let (mut finished, _) = run_shell(script, Duration::from_millis(300));
    assert_eq!(finished.end, End::TimedOut);
    if let Some(leftover) = &mut finished.leftover {
        wait_closed(leftover);
    }
}

/// Pain B3. Each of them leaves the group, by a session of its own; the second is an orphan besides.
#[test]
fn a_time_out_takes_those_who_left_the_group() {
    for leave in ["setsid sleep 1000 &", "(setsid sh -c 'trap \"\" TERM; sleep 1000 & wait' &);"] {
        let (mut finished, _) = run_shell(&format!("{leave} sleep 1000"), Duration::from_millis(500));
        assert_eq!(finished.end, End::TimedOut);
        if let Some(leftover) = &mut finished.leftover {
            wait_closed(leftover);
        }
    }
}

#[test]
fn what_a_killed_script_started_goes_with_it() {
    let (mut finished, _) = run_shell("sleep 1000 & kill -9 $$", PATIENCE);
    assert_eq!(finished.end, End::Exited(Exit::Signal(9)));
    if let Some(leftover) = &mut finished.leftover {
        wait_closed(leftover);
    }
}

/// Waits until nobody holds the other end any more.
fn wait_closed(leftover: &mut handover_runner::Leftover) {
    let limit = Timespec { tv_sec: PATIENCE.as_secs().try_into().unwrap(), tv_nsec: 0 };
    while leftover.drain() != Drained::Closed {
        assert_eq!(poll(&mut [PollFd::new(&leftover, PollFlags::IN)], Some(&limit)).unwrap(), 1);
    }
}

#[test]
fn what_a_script_leaves_behind_is_let_be_and_can_still_write() {
    let scratch = Scratch::new("leftover");
    let fifo = scratch.0.join("go");
    let made = spawn(&Spec::new("mkfifo").argument(&fifo)).unwrap();
    wait(made);
    let script = format!("(read go < {0}; echo late; echo $? > {0}) & echo early", fifo.display());
    let (finished, _) = run_shell(&script, PATIENCE);
    assert_eq!((finished.end, finished.output.as_str()), (End::Exited(Exit::Code(0)), "early\n"));
    let mut leftover = finished.leftover.expect("the background job holds the pipe");
    std::fs::write(&fifo, "go\n").unwrap();
    assert_eq!(std::fs::read_to_string(&fifo).unwrap(), "0\n", "its echo worked");
    wait_closed(&mut leftover);
}

fn wait(mut child: sys::process::Child) -> Exit {
    let limit = Timespec { tv_sec: PATIENCE.as_secs().try_into().unwrap(), tv_nsec: 0 };
    assert_eq!(poll(&mut [PollFd::new(&child, PollFlags::IN)], Some(&limit)).unwrap(), 1);
    child.try_wait().unwrap().unwrap()
}

#[test]
fn a_megabyte_of_output_is_read_and_its_end_is_kept() {
    let (finished, _) = run_shell("head -c 1000000 /dev/zero | tr '\\0' x; echo; echo the end", PATIENCE);
    assert_eq!(finished.end, End::Exited(Exit::Code(0)));
    assert_eq!(finished.output.len(), MAX_OUTPUT);
    assert!(finished.output.ends_with("x\nthe end\n"));
}

#[test]
fn output_without_end_does_not_keep_us_from_ending_it() {
    let (finished, _) = run_shell("exec yes", Duration::from_millis(200));
    assert_eq!(finished.end, End::TimedOut);
    assert!(finished.output.len() <= MAX_OUTPUT);
}

#[test]
fn what_is_not_utf_8_is_replaced() {
    let (finished, _) = run_shell("printf 'a\\377b'; echo to stderr >&2", PATIENCE);
    assert_eq!(finished.output, "a\u{fffd}bto stderr\n");
}

#[test]
fn the_environment_is_ours_and_nothing_else() {
    let arguments = [];
    let variables = [("HANDOVER_STATE", "MASTER".to_owned())];
    let job = Job { variables: &variables, ..job(Path::new("env"), &arguments) };
    let (finished, _) = finish(&mut runner().start(now(), &job).unwrap());
    let mut names: Vec<&str> = finished.output.lines().map(|line| line.split('=').next().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["HANDOVER_STATE", "HOME", "LANG", "LOGNAME", "PATH", "SHELL", "USER"]);
}

#[test]
fn standard_input_is_what_was_said_or_nothing() {
    let arguments = [];
    let with = Job { input: Some(b"{\"sequence\":1}\n"), ..job(Path::new("cat"), &arguments) };
    let (finished, _) = finish(&mut runner().start(now(), &with).unwrap());
    assert_eq!(finished.output, "{\"sequence\":1}\n");
    let (finished, _) = finish(&mut runner().start(now(), &job(Path::new("cat"), &arguments)).unwrap());
    assert_eq!(finished.output, "");
}

#[test]
fn what_cannot_run_says_why() {
    let scratch = Scratch::new("refusals");
    let plain = scratch.script("plain", "#!/bin/sh\n", 0o644);
    let refusal = runner().start(now(), &job(&plain, &[])).unwrap_err();
    assert_eq!(refusal.to_string(), format!("{}: not executable (mode 0644)", plain.display()));
    let refusal = runner().start(now(), &job(Path::new("/no/such/script"), &[])).unwrap_err();
    assert_eq!(refusal.to_string(), "/no/such/script: no such program");
    let broken = scratch.script("broken", "#!/no/such/interpreter\n", 0o755);
    let refusal = runner().start(now(), &job(&broken, &[])).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        format!("{}: its first line names /no/such/interpreter, which does not exist", broken.display())
    );
    let other = UserSpec { user: "no-such-user-here".into(), group: None };
    let refusal =
        runner().start(now(), &Job { user: Some(&other), ..job(Path::new("true"), &[]) }).unwrap_err();
    assert_eq!(refusal.to_string(), "no such user: no-such-user-here");
}

/// A package that replaces a script, or takes it away for a moment, meets runs that are under way and runs to come.
#[test]
fn a_script_that_is_replaced_while_it_runs_goes_on_as_it_was() {
    let scratch = Scratch::new("replaced");
    let script = scratch.script("script", "#!/bin/sh\nread -r line < \"$1\"\necho old\n", 0o755);
    let gate = script.with_file_name("gate");
    let fifo =
        finish(&mut runner().start(now(), &job(Path::new("mkfifo"), &[gate.display().to_string()])).unwrap());
    assert_eq!(fifo.0.end, End::Exited(Exit::Code(0)));
    let arguments = [gate.display().to_string()];
    let mut old = runner().start(now(), &job(&script, &arguments)).unwrap();
    // Opened by the script: it has been read so far, or we would wait here.
    let open = std::fs::OpenOptions::new().write(true).open(&gate).unwrap();
    std::fs::rename(scratch.script("new", "#!/bin/sh\necho new\n", 0o755), &script).unwrap();
    assert_eq!(finish(&mut runner().start(now(), &job(&script, &arguments)).unwrap()).0.output, "new\n");
    std::fs::remove_file(&script).unwrap();
    let refusal = runner().start(now(), &job(&script, &arguments)).unwrap_err();
    assert_eq!(refusal.to_string(), format!("{}: no such program", script.display()));
    drop(open);
    assert_eq!(finish(&mut old).0.output, "old\n");
    // What is no file can't be run, and says so at once.
    for other in [&gate, &script.parent().unwrap().to_owned()] {
        let refusal = runner().start(now(), &job(other, &[])).unwrap_err().to_string();
        assert_eq!(refusal, format!("{}: not a regular file", other.display()));
    }
}

#[test]
fn root_does_not_run_what_others_could_change() {
    if !is_root("script security") {
        return;
    }
    let scratch = Scratch::new("trust");
    let good = scratch.script("good", "#!/bin/sh\necho ran\n", 0o755);
    assert_eq!(finish(&mut runner().start(now(), &job(&good, &[])).unwrap()).0.output, "ran\n");

    let bad = scratch.script("bad", "#!/bin/sh\n", 0o777);
    let refusal = runner().start(now(), &job(&bad, &[])).unwrap_err();
    let text = refusal.to_string();
    assert!(matches!(refusal, Refusal::Untrusted { .. }), "{text}");
    assert!(text.contains("belongs to user 0 and has mode 0777"), "{text}");

    // But what we are already can't be worse than that.
    let own = std::env::current_exe().unwrap();
    let mode = std::fs::metadata(&own).unwrap().permissions();
    std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o757)).unwrap();
    let started = runner().start(now(), &job(&own, &["--list".to_owned()]));
    std::fs::set_permissions(&own, mode).unwrap();
    assert!(finish(&mut started.unwrap()).0.output.contains("root_does_not_run"));

    // By a link of somebody else's to a good script: they could point it elsewhere.
    let link = scratch.0.join("link");
    std::os::unix::fs::symlink(&good, &link).unwrap();
    finish(&mut runner().start(now(), &job(&link, &[])).unwrap());
    std::os::unix::fs::lchown(&link, Some(1000), Some(1000)).unwrap();
    let refusal = runner().start(now(), &job(&link, &[])).unwrap_err();
    assert!(matches!(&refusal, Refusal::Untrusted { component, .. } if *component == link), "{refusal}");

    // A directory on the way that belongs to somebody else.
    std::os::unix::fs::chown(&scratch.0, Some(1000), None).unwrap();
    let refusal = runner().start(now(), &job(&good, &[])).unwrap_err();
    assert!(matches!(&refusal, Refusal::Untrusted { component, .. } if *component == scratch.0), "{refusal}");

    // Another user may run it: that gives nobody anything.
    let nobody = UserSpec { user: "nobody".into(), group: None };
    let job = Job { user: Some(&nobody), ..job(&good, &[]) };
    assert_eq!(finish(&mut runner().start(now(), &job).unwrap()).0.output, "ran\n");
}

#[test]
fn a_script_of_another_user_has_none_of_our_rights_and_can_open_its_own_stderr() {
    if !is_root("changing the user") {
        return;
    }
    let nobody = UserSpec { user: "nobody".into(), group: None };
    let arguments = shell("id -un; grep CapEff /proc/self/status > /dev/stderr");
    let job = Job { user: Some(&nobody), ..job(Path::new("sh"), &arguments) };
    let (finished, _) = finish(&mut runner().start(now(), &job).unwrap());
    assert_eq!(finished.output, "nobody\nCapEff:\t0000000000000000\n");
}

#[test]
fn hundreds_of_runs_leave_no_descriptor_and_no_zombie() {
    // In a process of its own, so that other tests' descriptors don't count: this very test, alone.
    if std::env::var_os("ALONE").is_none() {
        let arguments = ["--exact", "hundreds_of_runs_leave_no_descriptor_and_no_zombie", "--nocapture"];
        let spec = Spec::new(std::env::current_exe().unwrap()).arguments(arguments).variable("ALONE", "1");
        assert_eq!(wait(spawn(&spec.stderr(Stdio::Inherit)).unwrap()), Exit::Code(0));
        return;
    }
    let count = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let mut runner = runner();
    let before = count();
    for _ in 0..200 {
        let job = Job { input: Some(b"x"), ..job(Path::new("/bin/true"), &[]) };
        finish(&mut runner.start(now(), &job).unwrap());
        runner.start(now(), &self::job(Path::new("/no/such/script"), &[])).unwrap_err();
    }
    assert_eq!(count(), before);
    assert_eq!(std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default().trim(), "");
}

#[test]
fn who_ended_in_time_isnt_overdue_because_we_looked_late() {
    let arguments = shell("exit 3");
    let mut run = runner().start(now(), &job(Path::new("/bin/sh"), &arguments)).unwrap();
    let patience = Timespec { tv_sec: PATIENCE.as_secs().try_into().unwrap(), tv_nsec: 0 };
    poll(&mut [PollFd::from_borrowed_fd(run.process(), PollFlags::IN)], Some(&patience)).unwrap();
    let late = run.deadline().unwrap() + PATIENCE;
    assert!(!run.on_deadline(late), "it has ended");
    assert_eq!(run.poll_end(late).unwrap().end, End::Exited(Exit::Code(3)));
}
