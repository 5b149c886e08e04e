//! notifierd is killed, and another one comes: what was told before isn't told again, and the final state always is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may say why it failed"
)]

#[path = "../../checkerd/tests/harness/mod.rs"]
mod harness;
#[path = "core/mod.rs"]
mod vrrp_core;

use std::fs::File;
use std::io::Write as _;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use harness::{Daemon, PATIENCE, Scratch};
use ipc::events::{Before, Told};
use ipc::history::Entry;
use ipc::hooks::Message;
use ipc::json;
use sys::clock::now;
use sys::process::{Exit, Signal};
use vrrp_core::{Core, instance};

/// How many kills are enough for an everyday run; `HANDOVER_KILLS` says otherwise.
const KILLS: usize = 40;
const NAMES: [&str; 4] = ["A", "B", "C", "D"];
const STATES: [Told; 3] = [Told::Backup, Told::Master, Told::Fault];

fn start(scratch: &Scratch, config: &str) -> Daemon {
    Daemon::start(env!("CARGO_BIN_EXE_notifierd"), scratch, config)
}

/// A hook that says when it begins and when it ends, and takes a moment.
fn teller(scratch: &Scratch) -> String {
    let text = "#!/bin/sh\necho \"begin $2 $3 $HANDOVER_SEQUENCE\" >> TOLD\nsleep 0.00$(($HANDOVER_SEQUENCE % 10))\n\
                echo \"end $2 $3 $HANDOVER_SEQUENCE\" >> TOLD\n";
    let text = text.replace("TOLD", scratch.path("told").to_str().unwrap());
    scratch.write("hook", &text, 0o755).display().to_string()
}

fn config(hook: &str) -> String {
    config_with(hook, "")
}

fn config_with(hook: &str, more: &str) -> String {
    let one = |(name, vrid): (&&str, u8)| instance(name, vrid, &format!("notify {hook}\n {more}"));
    NAMES.iter().zip(1..).map(one).collect()
}

/// What was told to whom, in order.
fn ends(scratch: &Scratch, name: &str) -> Vec<String> {
    let told = scratch.read("told");
    let ends = told.lines().filter_map(|line| line.strip_prefix(&format!("end {name} ")));
    ends.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

fn last_end(scratch: &Scratch, name: &str) -> Option<String> {
    ends(scratch, name).pop()
}

#[test]
fn who_comes_back_tells_only_what_is_new() {
    let scratch = Scratch::new("notifierd-restart");
    let config = config(&teller(&scratch));
    let listener = Core::listen(&scratch);
    let daemon = start(&scratch, &config);
    let states = [("A", Told::Master), ("B", Told::Backup)];
    let _core = Core::accept(&listener, &states);
    daemon.until("both first states", || {
        (last_end(&scratch, "A").is_some() && last_end(&scratch, "B").is_some()).then_some(())
    });
    // The last words of a hook aren't its end.
    daemon.until("the end of both", || is_idle(&daemon).then_some(()));
    daemon.signal(Signal::KILL);
    assert_eq!(daemon.ended().0, Exit::Signal(9));

    // B became MASTER meanwhile; C, of whom nobody had heard, is told once.
    let daemon = start(&scratch, &config);
    let states = [("A", Told::Master), ("B", Told::Master), ("C", Told::Backup)];
    let mut core = Core::accept_at(&listener, &states, &[], 7, || ());
    daemon.until("what is new", || (last_end(&scratch, "C").is_some()).then_some(()));
    core.event("A", Told::Master, Told::Backup);
    daemon.until("what comes next", || (ends(&scratch, "A").len() > 1).then_some(()));
    daemon.until("B", || (ends(&scratch, "B").len() > 1).then_some(()));
    assert_eq!(ends(&scratch, "A"), ["MASTER", "BACKUP"]);
    assert_eq!(ends(&scratch, "B"), ["BACKUP", "MASTER"]);
    assert_eq!(ends(&scratch, "C"), ["BACKUP"]);
}

/// A script that says its number and never ends.
fn hanger(scratch: &Scratch) -> String {
    let script = "#!/bin/sh\necho $$ > PID.new\nmv PID.new PID\nwhile true; do sleep 1; done\n";
    let script = script.replace("PID", scratch.path("pid").to_str().unwrap());
    scratch.write("hangs", &script, 0o755).display().to_string()
}

/// Whatever has said its number doesn't outlive the notifierd that comes after the one that is killed.
fn ends_with_the_next(scratch: &Scratch, daemon: Daemon) {
    let pid = daemon.until("the script", || scratch.read("pid").trim().parse::<u32>().ok());
    daemon.signal(Signal::KILL);
    daemon.ended();
    let _daemon = start(scratch, "");
    let begin = now();
    // Gone, or a zombie that nobody has reaped yet.
    let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let lives = || state().rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']));
    while lives() {
        assert!(now().since(begin) < PATIENCE, "process {pid} lives on: {}", state());
        sys::clock::sleep_until(now() + Duration::from_millis(5));
    }
}

#[test]
fn whoever_comes_next_ends_the_hooks_that_it_would_start_others_beside() {
    let scratch = Scratch::new("notifierd-orphan");
    let listener = Core::listen(&scratch);
    let daemon = start(&scratch, &instance("A", 1, &format!("notify {}", hanger(&scratch))));
    let _core = Core::accept(&listener, &[("A", Told::Master)]);
    ends_with_the_next(&scratch, daemon);
}

/// Nobody else is there to end it at its limit.
#[test]
fn whoever_comes_next_ends_the_preludes_too() {
    let scratch = Scratch::new("notifierd-prelude-orphan");
    let listener = Core::listen(&scratch);
    let preludes = format!("pre_master {}\n pre_timeout 10", hanger(&scratch));
    let daemon = start(&scratch, &instance("A", 1, &preludes));
    let mut core = Core::accept(&listener, &[("A", Told::Backup)]);
    core.prelude("A", Before::Master);
    ends_with_the_next(&scratch, daemon);
}

/// A3 of hooks: a hanging hook keeps the last state from being told for a while, and not for good.
#[test]
fn a_hook_that_hangs_gives_way_to_the_stop_hook() {
    let scratch = Scratch::new("notifierd-gives-way");
    let script = "#!/bin/sh\n[ $3 = STOP ] && { echo stopped > FILE; exit; }\ntrap '' TERM\n: > HANGS\nwhile true; do sleep 1; done\n";
    let script = script.replace("FILE", scratch.path("stopped").to_str().unwrap());
    let script = script.replace("HANGS", scratch.path("hangs").to_str().unwrap());
    let script = scratch.write("hook", &script, 0o755);
    let listener = Core::listen(&scratch);
    let daemon = start(&scratch, &instance("A", 1, &format!("notify {}", script.display())));
    let mut core = Core::accept(&listener, &[("A", Told::Master)]);
    daemon.until("the hook", || scratch.path("hangs").exists().then_some(()));
    core.stopping();
    daemon.signal(Signal::TERM);
    daemon.until("the signal", || daemon.log().contains("stopping").then_some(()));
    core.event("A", Told::Master, Told::Stop);
    drop(core);
    let (exit, log) = daemon.ended();
    assert_eq!(exit, Exit::Code(0), "{log}");
    assert_eq!(scratch.read("stopped"), "stopped\n", "{log}");
    assert!(log.contains("(A) notify for MASTER is ended: STOP waits for it"), "{log}");
}

/// Whether nothing runs and nothing waits.
fn is_idle(daemon: &Daemon) -> bool {
    let mut client = daemon.connect();
    client.send(r#"{"request":"status"}"#).unwrap();
    let status = client.find(|message| match message {
        Message::Status(status) => Some(status),
        Message::Hello(_) | Message::Reload(_) | Message::Error { .. } => None,
    });
    status.instances.iter().all(|it| it.hooks.running.is_none() && it.hooks.queued == 0)
}

/// What a storm is made of.
struct Storm {
    scratch: Scratch,
    config: String,
    listener: UnixListener,
    states: [Told; 4],
    sequence: u64,
    random: u64,
}

impl Storm {
    /// A number below `bound` (xorshift64).
    fn random(&mut self, bound: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random >> 33).unwrap() % bound
    }

    fn begin(&self) -> (Daemon, Core) {
        let daemon = start(&self.scratch, &self.config);
        let states: Vec<_> = NAMES.into_iter().zip(self.states).collect();
        // It is there: nothing that the last one had started says another word.
        let note = || {
            let path = self.scratch.path("told");
            let mut told = File::options().append(true).create(true).open(path).unwrap();
            told.write_all(b"begun anew\n").unwrap();
        };
        (daemon, Core::accept_at(&self.listener, &states, &[], self.sequence, note))
    }

    fn blow(&mut self, core: &mut Core) {
        for _ in 0..=self.random(6) {
            let who = self.random(NAMES.len());
            let state = STATES[self.random(STATES.len())];
            if state != self.states[who] {
                core.event(NAMES[who], self.states[who], state);
                self.states[who] = state;
                self.sequence = core.sequence;
            }
        }
    }

    /// For each of them: one hook at a time, and never an older state after a newer one.
    fn check_order(&self, about: &str) {
        let told = self.scratch.read("told");
        for name in NAMES {
            let (mut running, mut newest) = (false, 0);
            for line in told.lines() {
                let words: Vec<&str> = line.split(' ').collect();
                match words.as_slice() {
                    ["begun", "anew"] => running = false,
                    ["begin", who, _, sequence] if *who == name => {
                        assert!(!running, "{about}: two hooks of {name} at a time");
                        let sequence: u64 = sequence.parse().unwrap();
                        assert!(sequence >= newest, "{about}: {line} after {newest}");
                        (running, newest) = (true, sequence);
                    }
                    ["end", who, ..] if *who == name => running = false,
                    _ => {}
                }
            }
        }
    }
}

/// A kill costs the line that it tears, and no other.
fn check_history(history: &str, about: &str) {
    let is_whole = |line: &str| json::parse::<Entry>(line.as_bytes()).is_ok();
    let lines: Vec<&str> = history.lines().collect();
    assert!(lines.iter().filter(|line| is_whole(line)).count() > KILLS, "{about}: {history}");
    for pair in lines.windows(2) {
        let next_begins = || matches!(json::parse(pair[1].as_bytes()), Ok(Entry::Started { .. }));
        assert!(is_whole(pair[0]) || next_begins(), "{about}: {pair:?}");
    }
}

/// C2. Killed at random in a storm of transitions: the last hook run is the one for the final state, in the order of the
/// transitions, one at a time; and once all is told, nothing is told again.
#[test]
fn the_last_hook_is_for_the_final_state_whenever_notifierd_is_killed() {
    storm("notifierd-storm", "");
}

/// The same where a hook is run for each state: what waited is gone with the notifierd that is killed, order isn't.
#[test]
fn so_it_is_where_hooks_run_for_every_state() {
    storm("notifierd-storm-all", "notify_queue all \n notify_queue_limit 20");
}

fn storm(scratch: &str, more: &str) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let kills = number("HANDOVER_KILLS").map_or(KILLS, |kills| usize::try_from(kills).unwrap());
    let seed = number("HANDOVER_SEED").unwrap_or_else(|| now().as_nanos()) | 1;
    let about = format!("HANDOVER_KILLS={kills} HANDOVER_SEED={seed}");
    println!("{about}");
    let scratch = Scratch::new(scratch);
    let config = config_with(&teller(&scratch), more);
    let listener = Core::listen(&scratch);
    let mut storm = Storm { scratch, config, listener, states: [Told::Backup; 4], sequence: 1, random: seed };
    let (mut daemon, mut core) = storm.begin();
    for _ in 0..kills {
        storm.blow(&mut core);
        let moment = Duration::from_micros(u64::try_from(storm.random(30_000)).unwrap());
        sys::clock::sleep_until(now() + moment);
        daemon.signal(Signal::KILL);
        daemon.ended();
        (daemon, core) = storm.begin();
    }
    let is_told = |storm: &Storm| {
        let told = NAMES.iter().map(|name| last_end(&storm.scratch, name).unwrap_or_default());
        told.zip(storm.states).all(|(told, state)| told == state.to_string())
    };
    daemon.until(&format!("the final states ({about})"), || is_told(&storm).then_some(()));
    storm.check_order(&about);
    check_history(&storm.scratch.read("history.jsonl"), &about);

    // The last words of a hook aren't its end.
    daemon.until("the end of all hooks", || is_idle(&daemon).then_some(()));
    daemon.signal(Signal::KILL);
    daemon.ended();
    let (daemon, mut core) = storm.begin();
    let before = storm.scratch.read("told");
    let next = if storm.states[0] == Told::Fault { Told::Backup } else { Told::Fault };
    core.event("A", storm.states[0], next);
    storm.states[0] = next;
    daemon.until("what is new", || is_told(&storm).then_some(()));
    let after = storm.scratch.read("told");
    let new: Vec<&str> = after[before.len()..].lines().collect();
    assert_eq!(new.len(), 2, "{about}: only A's state is new: {new:?}");
}
