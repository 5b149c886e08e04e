use std::fs;
use std::path::Path;

use super::*;

const RELOAD: Token = Token(1);

fn text(priority: u8) -> String {
    format!(
        "vrrp_instance a {{\n interface eth0\n virtual_router_id 5\n priority {priority}\n virtual_ipaddress {{\n 10.0.0.1\n }}\n}}\n"
    )
}

/// A daemon that makes the priority of a configuration.
struct Daemon {
    reactor: Reactor,
    participant: Participant<u8, u8>,
    path: PathBuf,
}

impl Daemon {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("handover-reload-{}-{name}.conf", std::process::id()));
        fs::write(&path, text(100)).unwrap();
        let loaded = config::load(&path);
        let start = Start {
            config: Arc::new(loaded.config.expect("valid")),
            config_path: path.clone(),
            config_id: config::ConfigId::default(),
            fingerprint: loaded.fingerprint,
            runtime_dir: PathBuf::from("/nonexistent"),
            state_dir: PathBuf::from("/nonexistent"),
        };
        let make: fn(&Config, &Config) -> Made<u8> = |_, new| (new.instances[0].priority.0, Vec::new());
        Self { reactor: Reactor::new().unwrap(), participant: Participant::new(&start, RELOAD, make), path }
    }

    fn write(&self, text: &str) -> String {
        fs::write(&self.path, text).unwrap();
        config::load(&self.path).fingerprint.to_string()
    }

    /// Asks, and waits for what follows.
    fn ask(&mut self, ask: Ask<u8>) -> Resolution<u8, u8> {
        if let Some(resolution) = self.participant.ask(&self.reactor, ask) {
            return resolution;
        }
        let reading = self.read();
        self.participant.resolve(&self.reactor, reading, None)
    }

    fn read(&mut self) -> Reading<u8, u8> {
        let mut ready = Vec::new();
        loop {
            self.reactor.wait(&mut ready).unwrap();
            if let Some(reading) = self.participant.on_ready(&self.reactor) {
                return reading;
            }
        }
    }

    fn outcome(&self) -> Option<(Outcome, String)> {
        self.participant.last().map(|last| (last.outcome, last.by))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = fs::remove_file(Path::new(&self.path));
    }
}

fn prepare(asker: u8) -> Ask<u8> {
    Ask::Prepare { asker, by: Some("a test".into()) }
}

fn commit(asker: u8, config: &str) -> Ask<u8> {
    Ask::Commit { asker, by: "a test".into(), config: config.into() }
}

fn is_ready(answers: &[(u8, Answer)], asker: u8) -> bool {
    matches!(answers, [(who, Answer::Ready { .. })] if *who == asker)
}

fn refusal(resolution: &Resolution<u8, u8>) -> &str {
    assert!(resolution.adopt.is_none());
    match resolution.answers.as_slice() {
        [(_, Answer::Refused { error })] => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_prepared_runs_from_the_commit_on_and_not_before() {
    let mut daemon = Daemon::new("commit");
    let before = daemon.participant.running();
    let config = daemon.write(&text(150));
    let prepared = daemon.ask(prepare(1));
    assert!(is_ready(&prepared.answers, 1) && prepared.adopt.is_none());
    assert_eq!((daemon.participant.running(), daemon.outcome()), (before, None));
    // The file may change again: what was agreed upon is run.
    daemon.write("nothing that is valid");
    let committed = daemon.ask(commit(1, &config));
    assert_eq!(committed.adopt.map(|candidate| candidate.made), Some(150));
    assert_eq!(committed.answers, [(1, Answer::Done { running: config.clone() })]);
    assert_eq!(daemon.outcome(), Some((Outcome::Adopted, "a test".into())));
    // Once more is harmless.
    let again = daemon.ask(commit(2, &config));
    assert!(again.adopt.is_none());
    assert_eq!(again.answers, [(2, Answer::Done { running: config })]);
}

#[test]
fn a_file_that_cannot_run_is_refused_with_its_diagnostics() {
    let mut daemon = Daemon::new("invalid");
    let before = daemon.participant.running();
    daemon.write("vrrp_instance a {\n interfac eth0\n}\n");
    let refused = daemon.ask(prepare(1));
    assert!(refusal(&refused).contains(".conf:2:"), "{refused:?}");
    assert_eq!(daemon.outcome().map(|(outcome, _)| outcome), Some(Outcome::Refused));
    assert_eq!(daemon.participant.running(), before);
    // Valid for us, but not for a sibling.
    daemon.write(&text(150));
    assert!(daemon.participant.ask(&daemon.reactor, prepare(1)).is_none());
    let reading = daemon.read();
    let refused = daemon.participant.resolve(&daemon.reactor, reading, Some("not for me".into()));
    assert_eq!(refusal(&refused), "not for me");
}

#[test]
fn who_leaves_has_prepared_for_nothing() {
    let mut daemon = Daemon::new("leaves");
    let config = daemon.write(&text(150));
    daemon.ask(prepare(1));
    daemon.ask(prepare(2));
    daemon.participant.forget(&2);
    assert!(!daemon.participant.has_prepared(&config));
    // A commit all the same: the file still says so.
    assert!(daemon.ask(commit(1, &config)).adopt.is_some());
    // And one to what the file doesn't say any more.
    let other = daemon.write(&text(160));
    daemon.write(&text(170));
    let refused = daemon.ask(commit(1, &other));
    assert!(refusal(&refused).contains("changed meanwhile"), "{refused:?}");
}

#[test]
fn whoever_asks_while_the_file_is_read_is_answered_about_a_later_reading() {
    let mut daemon = Daemon::new("late");
    assert!(daemon.participant.ask(&daemon.reactor, prepare(1)).is_none());
    let first = daemon.read();
    let config = daemon.write(&text(150));
    assert!(daemon.participant.ask(&daemon.reactor, prepare(2)).is_none());
    let early = daemon.participant.resolve(&daemon.reactor, first, None);
    assert!(is_ready(&early.answers, 1), "{early:?}");
    let second = daemon.read();
    let late = daemon.participant.resolve(&daemon.reactor, second, None);
    let Some((2, Answer::Ready { config: found, .. })) = late.answers.first() else { panic!("{late:?}") };
    assert_eq!(*found, config);
}

#[test]
fn where_siblings_differ_the_file_decides() {
    let mut daemon = Daemon::new("follow");
    let follow = || Ask::Follow { sibling: "checkerd" };
    assert!(daemon.ask(follow()).adopt.is_none(), "it is the other that is behind");
    daemon.write("half of a fi");
    assert!(daemon.ask(follow()).adopt.is_none());
    assert_eq!(daemon.outcome().map(|(outcome, _)| outcome), Some(Outcome::Refused));
    daemon.write(&text(150));
    assert_eq!(daemon.ask(follow()).adopt.map(|candidate| candidate.made), Some(150));
    assert!(daemon.outcome().unwrap().1.contains("checkerd"));
}

#[test]
fn nobody_is_there_to_reload() {
    let error = coordinate(Path::new("/nonexistent"), Trigger::Command).unwrap_err();
    assert_eq!(
        error,
        "nothing has changed: no daemon is running in /nonexistent: there is nothing to reload"
    );
}
