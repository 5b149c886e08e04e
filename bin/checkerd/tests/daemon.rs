//! checkerd as a process: real scripts, a real socket, bad clients.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may say why it failed")]

mod harness;

use harness::{Client, Daemon, Scratch};
use ipc::verdicts::{CheckStatus, CheckVerdict, Message};
use model::Verdict;
use sys::process::{Exit, Signal};

fn start(scratch: &Scratch, config: &str) -> Daemon {
    Daemon::start(env!("CARGO_BIN_EXE_checkerd"), scratch, config)
}

/// `vrrp_script` blocks with a short interval; the rest as given.
fn check(name: &str, script: &str, more: &str) -> String {
    format!("vrrp_script {name} {{\n script \"{script}\"\n interval 0.05\n {more}\n}}\n")
}

fn verdict(client: &mut Client, wanted: Verdict) -> CheckVerdict {
    client.find(|message| match message {
        Message::Verdict(line) if line.verdict == wanted => Some(line),
        Message::Verdict(_) | Message::Hello(_) | Message::Status(_) | Message::Reload(_) => None,
        Message::Error { error } => panic!("{error}"),
    })
}

fn status(client: &mut Client) -> Vec<CheckStatus> {
    client.send(r#"{"request":"status"}"#).unwrap();
    client.find(|message| match message {
        Message::Status(status) => Some(status.checks),
        Message::Verdict(_) | Message::Hello(_) | Message::Reload(_) | Message::Error { .. } => None,
    })
}

fn only(mut checks: Vec<CheckStatus>) -> CheckStatus {
    assert_eq!(checks.len(), 1);
    checks.remove(0)
}

#[test]
fn a_verdict_follows_the_script_and_tells_its_cause() {
    let scratch = Scratch::new("checkerd-follows");
    let file = scratch.write("up", "", 0o644);
    let daemon = start(&scratch, &check("chk", &format!("test -e {}", file.display()), "fall 2\n rise 2"));
    let mut client = daemon.connect();
    let Some(Message::Hello(hello)) = client.next() else { panic!("no hello") };
    assert_eq!((hello.program.as_str(), hello.pid), ("checkerd", daemon.pid()));
    assert_eq!(verdict(&mut client, Verdict::Up).cause.text, "passed");
    std::fs::remove_file(&file).unwrap();
    let down = verdict(&mut client, Verdict::Down);
    assert_eq!(down.cause.text, "exited with status 1, 2 failures in a row");
    assert_eq!(down.cause.code, "check-failed");

    // Who comes later gets what is so, not what was.
    let mut late = daemon.connect();
    assert!(matches!(late.next(), Some(Message::Hello(_))));
    let Some(Message::Verdict(line)) = late.next() else { panic!("no snapshot") };
    assert_eq!(line, down);

    scratch.write("up", "", 0o644);
    assert_eq!(verdict(&mut client, Verdict::Up).cause.text, "passed 2 times in a row");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().0, Exit::Code(0));
}

#[test]
fn what_cannot_run_is_unrunnable_told_once_and_tried_again() {
    let scratch = Scratch::new("checkerd-unrunnable");
    let script = scratch.path("script");
    let daemon = start(&scratch, &check("chk", script.to_str().unwrap(), ""));
    let mut client = daemon.connect();
    let line = verdict(&mut client, Verdict::Unrunnable);
    assert_eq!(line.cause.text, format!("{}: no such program", script.display()));
    daemon.until("five attempts", || (only(status(&mut client)).runs >= 5).then_some(()));
    assert_eq!(daemon.log().matches("can't be run").count(), 1, "{}", daemon.log());

    scratch.write("script", "#!/bin/sh\nexit 0\n", 0o644);
    daemon.until("another reason", || {
        let outcome = only(status(&mut client)).last_outcome?;
        outcome.contains("not executable (mode 0644)").then_some(())
    });
    scratch.write("script", "#!/no/such/interpreter\n", 0o755);
    daemon.until("a third reason", || {
        let outcome = only(status(&mut client)).last_outcome?;
        outcome
            .contains("/script: its first line names /no/such/interpreter, which does not exist")
            .then_some(())
    });
    scratch.write("script", "#!/bin/sh\necho fine\n", 0o755);
    verdict(&mut client, Verdict::Up);
    assert_eq!(only(status(&mut client)).last_output, "fine\n");
}

#[test]
fn a_script_that_hangs_times_out_and_others_are_not_kept_waiting() {
    let scratch = Scratch::new("checkerd-hangs");
    let config = check("hangs", "sleep 1000", "timeout 0.2") + &check("works", "true", "");
    let daemon = start(&scratch, &config);
    let mut client = daemon.connect();
    let down = verdict(&mut client, Verdict::Down);
    assert_eq!((down.check.as_str(), down.cause.code.as_str()), ("hangs", "check-timed-out"));
    assert_eq!(down.cause.text, "timed out (after 200ms)");
    let scratch = Scratch::new("checkerd-slow");
    let slow = start(&scratch, &check("slow", "sleep 1000", ""));
    let down = verdict(&mut slow.connect(), Verdict::Down);
    assert_eq!(down.cause.text, "timed out (after 50ms; that is the interval: no `timeout` is given)");
    let checks = status(&mut client);
    assert!(checks[0].timeouts >= 1);
    assert!(checks[1].runs > 1 && checks[1].failures == 0, "{checks:?}");
}

/// A `vrrp_script` block with a probe in place of a script.
fn probe(name: &str, lines: &str) -> String {
    format!("vrrp_script {name} {{\n {lines}\n interval 0.05\n}}\n")
}

#[test]
fn probes_need_no_process() {
    let scratch = Scratch::new("checkerd-probes");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let file = scratch.write("here", "", 0o644);
    let config = probe("tcp", &format!("tcp_connect {address}"))
        + &probe("own", "process checkerd")
        + &probe("file", &format!("file {}", file.display()))
        + &probe("unix", &format!("unix_connect {}", scratch.path("checkerd.sock").display()))
        + &probe("silent", &format!("http_get http://{address}/\n timeout 0.2"));
    let daemon = start(&scratch, &config);
    let mut client = daemon.connect();
    daemon.until("all but one are up", || {
        let checks = status(&mut client);
        let wanted =
            |check: &CheckStatus| (check.verdict == Verdict::Up) == (check.name.as_str() != "silent");
        checks.iter().all(|check| check.runs > 2 && wanted(check)).then_some(())
    });
    let checks = status(&mut client);
    assert_eq!(checks[0].command, ["tcp_connect", &address.to_string()]);
    assert_eq!(checks[4].last_outcome.as_deref(), Some("timed out"));
    assert_eq!(scratch_children(daemon.pid()), 0);

    drop(listener);
    std::fs::remove_file(file).unwrap();
    let mut told = Vec::new();
    while told.len() < 2 {
        let down = verdict(&mut client, Verdict::Down);
        if down.check.as_str() != "silent" {
            told.push((down.check.to_string(), down.cause.text));
        }
    }
    told.sort();
    assert!(told[0].1.ends_with("/here does not exist"), "{told:?}");
    assert!(told[1].1.starts_with(&format!("connect to {address}: Connection refused")), "{told:?}");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().0, Exit::Code(0));
}

#[test]
fn sigterm_takes_running_scripts_along() {
    let scratch = Scratch::new("checkerd-sigterm");
    let script =
        "#!/bin/sh\ntrap '' TERM\necho $$ > pid.new\nmv pid.new pid\nwhile true; do sleep 1000; done\n";
    let script = script.replace("pid", scratch.path("pid").to_str().unwrap());
    let script = scratch.write("script", &script, 0o755);
    let daemon = start(&scratch, &check("chk", script.to_str().unwrap(), "timeout 500"));
    let pid = daemon.until("the script", || scratch.read("pid").trim().parse::<u32>().ok());
    daemon.signal(Signal::TERM);
    let (exit, log) = daemon.ended();
    assert_eq!(exit, Exit::Code(0), "{log}");
    assert!(
        !std::path::Path::new(&format!("/proc/{pid}")).exists(),
        "the script outlived us, or is a zombie"
    );
}

/// A check that hangs, with a child that has left its session; neither hears SIGTERM.
#[test]
fn whoever_comes_after_a_killed_checkerd_ends_what_that_had_started() {
    let scratch = Scratch::new("checkerd-killed");
    let script = "#!/bin/sh\ncd DIRECTORY\ntrap '' TERM\n\
        setsid sh -c 'trap \"\" TERM; echo $$ > far.new; mv far.new far; while true; do sleep 1000; done' &\n\
        while test ! -e far; do sleep 0.01; done\n\
        echo $$ > near.new; mv near.new near; while true; do sleep 1000; done\n";
    let script = script.replace("DIRECTORY", scratch.path("").to_str().unwrap());
    let script = scratch.write("script", &script, 0o755);
    let config = check("chk", script.to_str().unwrap(), "timeout 500");
    let number = |name: &str| scratch.read(name).trim().parse::<u32>().ok();
    let both = || number("near").zip(number("far"));
    let daemon = start(&scratch, &config);
    let old = daemon.until("the script", both);
    daemon.signal(Signal::KILL);
    assert_eq!(daemon.ended().0, Exit::Signal(9));

    let daemon = start(&scratch, &config);
    let new = daemon.until("the next run", || both().filter(|now| now.0 != old.0 && now.1 != old.1));
    let runs = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
    };
    daemon.until("the end of the last one's", || (!runs(old.0) && !runs(old.1)).then_some(()));
    assert!(runs(new.0) && runs(new.1), "the next one's was ended, too");
    let told = format!("process {} of a check that the last checkerd had started is ended", old.0);
    assert!(daemon.log().contains(&told), "{}", daemon.log());
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().0, Exit::Code(0));
}

#[test]
fn bad_clients_get_an_answer_or_are_sent_away_and_nobody_else_notices() {
    let scratch = Scratch::new("checkerd-clients");
    let daemon = start(&scratch, &check("chk", "true", ""));
    let mut client = daemon.connect();
    for garbage in ["", "{not json", r#"{"request":"shutdown"}"#, "[1,2,3]", "null", "\u{fffd}\u{0}"] {
        client.send(garbage).unwrap();
        let error = client.find(|message| match message {
            Message::Error { error } => Some(error),
            Message::Verdict(_) | Message::Hello(_) | Message::Status(_) | Message::Reload(_) => None,
        });
        assert!(error.starts_with("expected {"), "{error}");
    }
    // The connection is still good.
    assert_eq!(only(status(&mut client)).name.as_str(), "chk");

    let mut endless = daemon.connect();
    let long = "x".repeat(1 << 20);
    // It may be gone before all is written.
    let _ = endless.send(&long);
    while endless.next::<Message>().is_some() {}

    // Asks and asks, and never reads: a few megabytes of answers.
    let mut deaf = daemon.connect();
    for _ in 0..20_000 {
        if deaf.send(r#"{"request":"status"}"#).is_err() {
            break;
        }
    }
    assert_eq!(only(status(&mut client)).verdict, Verdict::Up);
    assert_eq!(only(status(&mut daemon.connect())).failures, 0);
}

#[test]
fn hundreds_of_runs_leave_no_zombie_and_no_descriptor() {
    let scratch = Scratch::new("checkerd-leaks");
    let config = check("a", "true", "") + &check("b", "false", "") + &check("c", "/no/such/program", "");
    let config = config.replace("interval 0.05", "interval 0.01");
    let daemon = start(&scratch, &config);
    let mut client = daemon.connect();
    let runs = |client: &mut Client| status(client).iter().map(|check| check.runs).min().unwrap();
    daemon.until("a hundred runs", || (runs(&mut client) > 100).then_some(()));
    // At any moment there are at most two children, each with three descriptors; look until all are between runs.
    let count = || std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count();
    let children = || scratch_children(daemon.pid());
    let least = |limit: u64, client: &mut Client| {
        let mut least = usize::MAX;
        daemon.until("more runs", || {
            least = least.min(count());
            (runs(client) > limit).then_some(())
        });
        least
    };
    let before = least(200, &mut client);
    let after = least(400, &mut client);
    assert!(after <= before, "{before} descriptors, then {after}");
    assert!(children() <= 2);
}

/// How many children a process has, zombies included.
fn scratch_children(pid: u32) -> usize {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().count()
}

/// The interval is longer than the test: what is told in it was seen when it happened.
#[test]
fn the_end_of_a_process_is_seen_at_once_and_a_standby_keeps_the_check_up() {
    let scratch = Scratch::new("checkerd-census");
    let program = scratch.path("census");
    std::fs::copy("/bin/sleep", &program).unwrap();
    let run = || sys::process::spawn(&sys::process::Spec::new(&program).argument("1000")).unwrap();
    let (one, two) = (run(), run());
    let config = "vrrp_script census {\n process census\n interval 1000\n}\n\
        vrrp_track_process both {\n process PROGRAM 1000\n quorum 2\n delay 1000\n}\n"
        .replace("PROGRAM", program.to_str().unwrap());
    let daemon = start(&scratch, &config);
    let mut client = daemon.connect();
    daemon.until("both up", || status(&mut client).iter().all(|it| it.verdict == Verdict::Up).then_some(()));
    // Whichever of them was found for the first check, it goes on with the other.
    one.signal(Signal::KILL).unwrap();
    daemon.until("one is missed", || {
        let both = &status(&mut client)[1];
        (both.last_outcome.as_deref()? == format!("1 of 2 processes {} run", program.display())).then_some(())
    });
    let checks = status(&mut client);
    assert_eq!(checks[1].verdict, Verdict::Up, "`terminate_delay` isn't over");
    assert_eq!(checks[0].failures, 0);
    two.signal(Signal::KILL).unwrap();
    assert_eq!(verdict(&mut client, Verdict::Down).cause.text, "no process census runs");
}

/// The interval of the first is longer than the test; that of the second, which is keepalived's, isn't waited for either.
#[test]
fn what_happens_to_a_file_is_seen_at_once() {
    let scratch = Scratch::new("checkerd-files");
    std::fs::create_dir(scratch.path("made")).unwrap();
    let config = "vrrp_script ready {\n file HERE/made/ready\n interval 1000\n}\n\
        track_file load {\n file HERE/load\n init_file 3\n}\n"
        .replace("HERE", scratch.path("").to_str().unwrap().trim_end_matches('/'));
    let daemon = start(&scratch, &config);
    let mut client = daemon.connect();
    let number = |client: &mut Client, wanted: i32| {
        client.find(|message| match message {
            Message::Verdict(line) if line.number == Some(wanted) => Some(line),
            Message::Verdict(_) | Message::Hello(_) | Message::Status(_) | Message::Reload(_) => None,
            Message::Error { error } => panic!("{error}"),
        })
    };
    assert_eq!(number(&mut client, 3).cause.text, "the number is 3");
    assert_eq!(scratch.read("load"), "3\n");
    std::fs::write(scratch.path("made/ready"), "").unwrap();
    assert_eq!(verdict(&mut client, Verdict::Up).check.as_str(), "ready");
    std::fs::remove_file(scratch.path("made/ready")).unwrap();
    let down = client.find(|message| match message {
        Message::Verdict(line) if line.verdict == Verdict::Down && line.check.as_str() == "ready" => {
            Some(line)
        }
        Message::Verdict(_) | Message::Hello(_) | Message::Status(_) | Message::Reload(_) => None,
        Message::Error { error } => panic!("{error}"),
    });
    assert!(down.cause.text.ends_with("/made/ready does not exist"), "{down:?}");
    scratch.write("load", "-12", 0o644);
    assert_eq!(number(&mut client, -12).verdict, Verdict::Down);
    std::fs::remove_file(scratch.path("load")).unwrap();
    assert_eq!(number(&mut client, 0).verdict, Verdict::Up);
    std::fs::create_dir(scratch.path("load")).unwrap();
    let cannot = verdict(&mut client, Verdict::Unrunnable);
    assert!(cannot.cause.text.ends_with("/load: it is no regular file"), "{cannot:?}");
}
