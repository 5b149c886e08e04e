//! Taking another configuration in place: what a daemon does when a coordinator, a sibling or SIGHUP asks for it.
//!
//! It must never read or parse in the loop, never change anything before everybody is ready, and never let two daemons
//! differ without a word. Reading happens in a thread (`errand`); what was read is kept until a commit names its
//! fingerprint. Where two siblings find that they differ, the file decides: each reads it again. Read `ipc::reload` first.

mod coordinator;
mod errand;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use config::{Config, ConfigId, Fingerprint, Severity};
use ipc::reload::{Answer, LastReload, MAX_OBJECTION, Outcome, Planned, Step, Trigger};
use reactor::{Reactor, Token};
use sys::unix::PeerCredentials;

pub use coordinator::{Coordinated, coordinate};
use errand::Errand;

use crate::Start;

/// Diagnostics of an invalid file that are passed on; `handover check` shows all.
const MAX_LINES: usize = 20;

/// A valid configuration that was read and doesn't run yet.
#[derive(Debug)]
pub struct Candidate<T> {
    /// Of the text.
    pub fingerprint: Fingerprint,
    /// What it says.
    pub config: Arc<Config>,
    /// What the daemon has made of it.
    pub made: T,
    /// What running it would change.
    pub plan: Vec<Planned>,
}

/// Why the file is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask<A> {
    /// A coordinator wants to know whether we could.
    Prepare {
        /// Who gets the answer.
        asker: A,
        /// For [`LastReload::by`]; `None` if nobody is to remember it.
        by: Option<String>,
    },
    /// A coordinator wants us to run what has this fingerprint.
    Commit {
        /// Who gets the answer.
        asker: A,
        /// For [`LastReload::by`].
        by: String,
        /// As text.
        config: String,
    },
    /// A coordinator has given it up: somebody else objects.
    Abandon {
        /// Who gets the answer.
        asker: A,
        /// For [`LastReload::by`].
        by: String,
        /// For [`LastReload::error`].
        error: String,
    },
    /// A sibling runs another configuration than we do: the file decides.
    Follow {
        /// Which one.
        sibling: &'static str,
    },
}

impl<A> Ask<A> {
    /// What a client asks for with a step.
    pub fn of(asker: A, step: Step, peer: Option<PeerCredentials>) -> Self {
        match step {
            Step::Prepare { trigger: Trigger::Plan } => Self::Prepare { asker, by: None },
            Step::Prepare { trigger } => Self::Prepare { asker, by: Some(doer(trigger, peer)) },
            Step::Commit { config, trigger } => Self::Commit { asker, by: doer(trigger, peer), config },
            Step::Abandon { error, trigger } => Self::Abandon { asker, by: doer(trigger, peer), error },
        }
    }

    /// Whose doing it is if a configuration with that fingerprint is adopted for it; `None` if it asks for no such thing.
    fn adopts(&self, fingerprint: Fingerprint) -> Option<String> {
        match self {
            Self::Prepare { .. } | Self::Abandon { .. } => None,
            Self::Commit { config, .. } => (*config == fingerprint.to_string()).then(|| self.doer())?,
            Self::Follow { .. } => self.doer(),
        }
    }

    /// Whose doing it is, for [`LastReload::by`].
    fn doer(&self) -> Option<String> {
        match self {
            Self::Prepare { by, .. } => by.clone(),
            Self::Commit { by, .. } | Self::Abandon { by, .. } => Some(by.clone()),
            Self::Follow { sibling } => Some(format!("found that {sibling} runs another configuration")),
        }
    }

    const fn asker(&self) -> Option<&A> {
        match self {
            Self::Prepare { asker, .. } | Self::Commit { asker, .. } | Self::Abandon { asker, .. } => {
                Some(asker)
            }
            Self::Follow { .. } => None,
        }
    }
}

fn doer(trigger: Trigger, peer: Option<PeerCredentials>) -> String {
    let who = match peer.map(|peer| peer.uid) {
        Some(0) => "root".to_owned(),
        Some(uid) => format!("user {uid}"),
        None => "somebody who has left".to_owned(),
    };
    let how = match trigger {
        Trigger::Command | Trigger::Plan => "handover reload",
        Trigger::Signal => "SIGHUP",
        Trigger::Sibling => "a sibling that runs another configuration",
    };
    format!("{how}, by {who}")
}

/// What was read, and for whom.
#[derive(Debug)]
pub struct Reading<A, T> {
    asks: Vec<Ask<A>>,
    fingerprint: Fingerprint,
    found: Result<Candidate<T>, String>,
}

impl<A, T> Reading<A, T> {
    /// Whether it could run.
    pub const fn is_valid(&self) -> bool {
        self.found.is_ok()
    }

    /// Of the text that was read.
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

/// What follows from a reading.
#[derive(Debug)]
pub struct Resolution<A, T> {
    /// To be told, after the adoption.
    pub answers: Vec<(A, Answer)>,
    /// To be run from now on.
    pub adopt: Option<Candidate<T>>,
}

type Made<T> = (T, Vec<Planned>);
type Read<T> = (Fingerprint, Result<Candidate<T>, String>);

/// A daemon's part in reloads.
#[derive(Debug)]
pub struct Participant<A, T> {
    path: PathBuf,
    id: ConfigId,
    runtime_dir: PathBuf,
    token: Token,
    make: fn(&Config, &Config) -> Made<T>,
    config: Arc<Config>,
    running: Fingerprint,
    errand: Option<Errand<Read<T>>>,
    /// For whom it is read.
    asks: Vec<Ask<A>>,
    /// What was read is with the daemon until [`Self::resolve`].
    lent: bool,
    /// Who came too late for the reading that goes on.
    waiting: Vec<Ask<A>>,
    /// For whom, and what.
    prepared: Option<(Vec<A>, Candidate<T>)>,
    last: Option<LastReload>,
    signals: Arc<AtomicUsize>,
}

impl<A: Clone + PartialEq, T: Send + 'static> Participant<A, T> {
    /// `make` is what the daemon makes of another configuration, given the one that runs and the other one: it is called
    /// in a thread. The loop tells of that thread's end as `token`.
    pub fn new(start: &Start, token: Token, make: fn(&Config, &Config) -> Made<T>) -> Self {
        Self {
            path: start.config_path.clone(),
            id: start.config_id.clone(),
            runtime_dir: start.runtime_dir.clone(),
            token,
            make,
            config: Arc::clone(&start.config),
            running: start.fingerprint,
            errand: None,
            asks: Vec::new(),
            lent: false,
            waiting: Vec::new(),
            prepared: None,
            last: None,
            signals: Arc::default(),
        }
    }

    /// The fingerprint of what runs.
    pub const fn running(&self) -> Fingerprint {
        self.running
    }

    /// Whether somebody may be about to commit to a configuration with that fingerprint.
    pub fn has_prepared(&self, config: &str) -> bool {
        self.prepared.as_ref().is_some_and(|(_, candidate)| candidate.fingerprint.to_string() == config)
    }

    /// Whether another configuration may be about to run.
    pub const fn is_prepared(&self) -> bool {
        self.prepared.is_some()
    }

    /// For status.
    pub fn last(&self) -> Option<LastReload> {
        self.last.clone()
    }

    /// SIGHUP: a thread coordinates a reload of all daemons. Signals that come meanwhile make for one more in the end.
    pub fn on_signal(&self) {
        coordinate_in_a_thread(&self.runtime_dir, &self.signals);
    }

    /// Somebody asks. What can be answered at once is; else the answer follows from [`Self::on_ready`].
    pub fn ask(&mut self, reactor: &Reactor, ask: Ask<A>) -> Option<Resolution<A, T>> {
        if let Ask::Commit { asker, by, config } = &ask {
            if *config == self.running.to_string() {
                self.remember(by, self.running, Outcome::Unchanged, None);
                let answers = vec![(asker.clone(), self.done())];
                return Some(Resolution { answers, adopt: None });
            }
            if let Some((_, candidate)) =
                self.prepared.take_if(|(_, candidate)| candidate.fingerprint.to_string() == *config)
            {
                let fingerprint = candidate.fingerprint;
                let reading = Reading { asks: vec![ask], fingerprint, found: Ok(candidate) };
                return Some(self.decide(reading, None));
            }
        }
        if let Ask::Abandon { asker, by, error } = &ask {
            let prepared = self.prepared.as_ref().filter(|(askers, _)| askers.contains(asker));
            let read = prepared.map_or(self.running, |(_, candidate)| candidate.fingerprint);
            let error: String = error.chars().take(MAX_OBJECTION).collect();
            self.remember(by, read, Outcome::Refused, Some(&error));
            self.forget(asker);
            let answers = vec![(asker.clone(), self.done())];
            return Some(Resolution { answers, adopt: None });
        }
        // One question at a time of each: whoever asks again has given up the first.
        self.waiting.retain(|other| other.asker().is_none() || other.asker() != ask.asker());
        if !self.waiting.contains(&ask) {
            self.waiting.push(ask);
        }
        self.start_reading(reactor)
    }

    fn start_reading(&mut self, reactor: &Reactor) -> Option<Resolution<A, T>> {
        if self.errand.is_some() || self.lent || self.waiting.is_empty() {
            return None;
        }
        let asks = std::mem::take(&mut self.waiting);
        let (path, id) = (self.path.clone(), self.id.clone());
        let (config, make) = (Arc::clone(&self.config), self.make);
        match Errand::start(reactor, self.token, move || {
            let outcome = read((&path, &id), &config, make);
            sys::memory::give_back();
            outcome
        }) {
            Ok(errand) => {
                self.errand = Some(errand);
                self.asks = asks;
                None
            }
            Err(error) => {
                let found = Err(format!("start a thread to read the configuration: {error}"));
                Some(self.decide(Reading { asks, fingerprint: self.running, found }, None))
            }
        }
    }

    /// Whether that token is ours.
    pub fn owns(&self, token: Token) -> bool {
        token == self.token
    }

    /// The file has been read. What was read goes to [`Self::resolve`], at once or when siblings have had their say.
    pub fn on_ready(&mut self, reactor: &Reactor) -> Option<Reading<A, T>> {
        let errand = self.errand.take()?;
        let (fingerprint, found) = errand
            .finish(reactor)
            .unwrap_or_else(|| (self.running, Err("the thread that read the configuration died".to_owned())));
        self.lent = true;
        Some(Reading { asks: std::mem::take(&mut self.asks), fingerprint, found })
    }

    /// Decides what follows from a reading. An `objection` is that of a sibling that would have to come along. Whoever
    /// asked while the file was read may have seen a newer one: it is read again for them.
    pub fn resolve(
        &mut self,
        reactor: &Reactor,
        reading: Reading<A, T>,
        objection: Option<String>,
    ) -> Resolution<A, T> {
        self.lent = false;
        let mut resolution = self.decide(reading, objection);
        resolution.answers.extend(self.start_reading(reactor).into_iter().flat_map(|it| it.answers));
        resolution
    }

    /// A client has left: it will neither commit nor hear an answer.
    pub fn forget(&mut self, asker: &A) {
        self.prepared.take_if(|(askers, _)| {
            askers.retain(|other| other != asker);
            askers.is_empty()
        });
        for asks in [&mut self.asks, &mut self.waiting] {
            asks.retain(|ask| ask.asker() != Some(asker));
        }
    }

    fn decide(&mut self, reading: Reading<A, T>, objection: Option<String>) -> Resolution<A, T> {
        let Reading { asks, fingerprint, found } = reading;
        let found = match objection {
            None => found,
            Some(objection) => found.and(Err(objection)),
        };
        let mut adopt = None;
        // `None`: what was read runs, already or from now on.
        let found = found.map(|candidate| {
            if fingerprint == self.running {
                return None;
            }
            let Some(by) = asks.iter().find_map(|ask| ask.adopts(fingerprint)) else {
                return Some(candidate);
            };
            self.running = fingerprint;
            self.config = Arc::clone(&candidate.config);
            self.prepared = None;
            self.remember(&by, fingerprint, Outcome::Adopted, None);
            adopt = Some(candidate);
            None
        });
        let (mut answers, mut askers) = (Vec::new(), Vec::new());
        for ask in asks {
            let answer = match (&ask, &found) {
                (Ask::Prepare { .. }, Ok(None)) => self.ready(fingerprint, Vec::new()),
                (Ask::Prepare { asker, .. }, Ok(Some(candidate))) => {
                    askers.push(asker.clone());
                    self.ready(fingerprint, candidate.plan.clone())
                }
                (Ask::Commit { config, .. }, _) if *config == self.running.to_string() => self.done(),
                (Ask::Commit { .. }, Ok(_)) => {
                    self.refuse(&ask, fingerprint, "the file has changed meanwhile; reload once more")
                }
                (Ask::Prepare { .. } | Ask::Commit { .. } | Ask::Follow { .. }, Err(error)) => {
                    self.refuse(&ask, fingerprint, error)
                }
                // Those never wait for a reading.
                (Ask::Abandon { .. }, _) => self.done(),
                (Ask::Follow { .. }, Ok(_)) => continue,
            };
            answers.extend(ask.asker().map(|asker| (asker.clone(), answer)));
        }
        if let (Ok(Some(candidate)), false) = (found, askers.is_empty()) {
            self.prepared = Some((askers, candidate));
        }
        Resolution { answers, adopt }
    }

    fn refuse(&mut self, ask: &Ask<A>, fingerprint: Fingerprint, error: &str) -> Answer {
        if let Some(by) = ask.doer() {
            self.remember(&by, fingerprint, Outcome::Refused, Some(error));
        }
        Answer::Refused { error: error.to_owned() }
    }

    fn ready(&self, found: Fingerprint, plan: Vec<Planned>) -> Answer {
        Answer::Ready { config: found.to_string(), running: self.running.to_string(), plan }
    }

    fn done(&self) -> Answer {
        Answer::Done { running: self.running.to_string() }
    }

    fn remember(&mut self, by: &str, config: Fingerprint, outcome: Outcome, error: Option<&str>) {
        match (outcome, error) {
            (Outcome::Adopted, _) => log::info!("another configuration runs from now on ({by})"),
            (Outcome::Unchanged, _) => log::info!("reload: the configuration is the same ({by})"),
            (Outcome::Refused, error) => {
                let error = first_line(error.unwrap_or_default());
                log::error!("reload refused, nothing has changed ({by}): {error}");
            }
        }
        self.last = Some(LastReload {
            at: crate::stamp::rfc3339(sys::clock::wall()),
            by: by.to_owned(),
            outcome,
            config: config.to_string(),
            error: error.map(str::to_owned),
        });
    }
}

/// A log has one line for each entry, and each daemon has an entry of its own: the first error, and where the others are.
fn first_line(error: &str) -> String {
    match error.split_once('\n') {
        None => error.to_owned(),
        Some((first, rest)) => {
            format!("{first} (and {} more: 'handover check' shows all)", rest.lines().count())
        }
    }
}

/// In the thread.
fn read<T>(
    (path, id): (&Path, &ConfigId),
    running: &Config,
    make: fn(&Config, &Config) -> Made<T>,
) -> Read<T> {
    let loaded = config::load_as(path, id);
    let fingerprint = loaded.fingerprint;
    let Some(config) = loaded.config else {
        let lines = loaded.report.one_line();
        let all = lines.into_iter().zip(loaded.report.diagnostics());
        let errors: Vec<String> = all
            .filter(|(_, diagnostic)| diagnostic.severity == Severity::Error)
            .map(|(line, _)| line)
            .take(MAX_LINES)
            .collect();
        return (fingerprint, Err(errors.join("\n")));
    };
    let (made, plan) = make(running, &config);
    (fingerprint, Ok(Candidate { fingerprint, config: Arc::new(config), made, plan }))
}

/// Coordinates a reload of the daemons in `runtime_dir` in a thread that logs what came of it. `pending` counts who asked;
/// those who ask while one goes on get one more in the end.
pub fn coordinate_in_a_thread(runtime_dir: &Path, pending: &Arc<AtomicUsize>) {
    if pending.fetch_add(1, Ordering::AcqRel) > 0 {
        return;
    }
    let (runtime_dir, counter) = (runtime_dir.to_owned(), Arc::clone(pending));
    let thread = std::thread::Builder::new().name("reload".to_owned()).spawn(move || {
        loop {
            let seen = counter.load(Ordering::Acquire);
            match coordinate(&runtime_dir, Trigger::Signal) {
                Ok(Coordinated { changed: true, .. }) => {
                    log::info!("SIGHUP: all daemons run the new configuration")
                }
                Ok(Coordinated { changed: false, .. }) => log::info!("SIGHUP: the configuration is the same"),
                Err(error) => log::error!("SIGHUP: {}", first_line(&error)),
            }
            if counter.compare_exchange(seen, 0, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                return;
            }
        }
    });
    if let Err(error) = thread {
        log::error!("SIGHUP: start a thread to reload: {error}");
        pending.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
