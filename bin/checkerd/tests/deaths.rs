//! Scripts that die in every way, and at any moment by somebody else's hand: nothing of them is left (pain B3).
//!
//! `HANDOVER_DEATHS=10000 cargo test -p checkerd --test deaths -- --nocapture` is the long run; `HANDOVER_SEED=N` repeats
//! one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may say why it failed")]
#![allow(dead_code, reason = "the harness serves several tests")]

mod harness;

use std::fs;

use harness::{Client, Daemon, Scratch};
use ipc::verdicts::{CheckStatus, Message};
use sys::process::{Exit, Signal};

const RUNS: u64 = 600;
const CHECKS: usize = 16;
const LOOK_AGAIN: rustix::event::Timespec = rustix::event::Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// What scripts do; `MARK` makes what they start findable.
const WAYS: [(&str, &str); 10] = [
    ("true", ""),
    ("sh -c 'exit 255'", ""),
    ("sh -c 'kill -9 $$'", ""),
    ("sh -c 'kill -SEGV $$'", ""),
    ("sh -c 'kill -9 0'", ""),
    ("sleep MARK", "timeout 0.05"),
    ("sh -c 'sleep MARK & sleep MARK'", "timeout 0.05"),
    ("sh -c 'setsid sleep MARK & (setsid sleep MARK &); sleep MARK'", "timeout 0.2"),
    ("sh -c 'yes | head -c 100000'", ""),
    ("/no/such/program", ""),
];

/// xorshift: the same numbers for the same seed, and nothing more is asked of them.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}

fn status(client: &mut Client) -> Vec<CheckStatus> {
    client.send(r#"{"request":"status"}"#).unwrap();
    client.find(|message| match message {
        Message::Status(status) => Some(status.checks),
        Message::Verdict(_) | Message::Hello(_) | Message::Reload(_) | Message::Error { .. } => None,
    })
}

fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Processes with this in their command line.
fn marked(mark: &str) -> Vec<String> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    let lines = all.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(mark))
        .collect()
}

/// Kills the first of them, unless something of it may leave the group: only a time-out finds those who have. What has not
/// been executed yet still has checkerd's command line, and may become anything.
fn murder(children: &[u32]) {
    let Some(victim) = children.first() else { return };
    let line = fs::read_to_string(format!("/proc/{victim}/cmdline")).unwrap_or_default();
    let pid = i32::try_from(*victim).ok().and_then(rustix::process::Pid::from_raw);
    let harmless = !line.contains("setsid") && !line.contains("checkerd");
    if let (Some(pid), true) = (pid, harmless) {
        // It may have ended meanwhile: the signal then goes to nobody, since numbers aren't reused that soon.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

#[test]
fn thousands_of_deaths_leave_no_process_and_no_descriptor() {
    let (wanted, seed) =
        (number("HANDOVER_DEATHS", RUNS), number("HANDOVER_SEED", u64::from(std::process::id())));
    eprintln!("HANDOVER_DEATHS={wanted} HANDOVER_SEED={seed}");
    let mut random = Random(seed.max(1));
    let mark = format!("1000.{}", std::process::id());
    let mut config = String::new();
    for number in 0..CHECKS {
        // Every way at least once.
        let (script, more) = WAYS[if number < WAYS.len() { number } else { random.below(WAYS.len()) }];
        let (script, interval) = (script.replace("MARK", &mark), 20 + random.below(80));
        config += &format!(
            "vrrp_script c{number} {{\n script \"{script}\"\n interval 0.0{interval:02}\n {more}\n}}\n"
        );
    }
    let scratch = Scratch::new("checkerd-deaths");
    let daemon = Daemon::start(env!("CARGO_BIN_EXE_checkerd"), &scratch, &config);
    let mut client = daemon.connect();
    let descriptors = || fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count();
    // Between runs there are fewest; look often enough to see that.
    let mut fewest = |limit: u64| {
        let mut fewest = usize::MAX;
        // Ten runs a second are few even on a loaded machine.
        let patience = harness::PATIENCE + std::time::Duration::from_millis(limit * 100);
        daemon.until_within(patience, "more runs", || {
            if random.below(4) == 0 {
                murder(&children(daemon.pid()));
            }
            fewest = fewest.min(descriptors());
            (status(&mut client).iter().map(|check| check.runs).sum::<u64>() >= limit).then_some(())
        });
        fewest
    };
    let early = fewest(wanted / 3);
    let late = fewest(wanted);
    assert!(late <= early + 2 * CHECKS, "{early} descriptors, then {late}");
    daemon.signal(Signal::TERM);
    let (exit, log) = daemon.ended();
    assert_eq!(exit, Exit::Code(0), "{log}");
    // What was killed needs a moment to be gone.
    let start = sys::clock::now();
    while !marked(&mark).is_empty() {
        assert!(sys::clock::now().since(start) < harness::PATIENCE, "left behind: {:?}", marked(&mark));
        rustix::event::poll(&mut [], Some(&LOOK_AGAIN)).unwrap();
    }
}
