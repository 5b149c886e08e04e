//! Probes that need no process: each a question that is asked in the daemon's own loop, and takes no longer than it may.
//!
//! What it must never do: block, wait for a name service, or read more of an answer than is bounded here. What can be
//! said at once (`process`, `file`, `unix_connect`) is said at once; the others are [`Attempt`]s on a socket. Each check
//! has at most one, under a token of its own. Read connect(2) on EINPROGRESS, socket(7) on SO_LINGER and icmp(7) first.

mod attempt;
mod dbus;
mod dns;
mod files;
mod http;
mod name_server;
mod net;
mod process;
mod tls;
mod unit;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use checks::{CheckId, Outcome, RunNumber};
use config::Probe;
use model::Instant;
use reactor::{Interest, Reactor, Token};

use self::attempt::Attempt;
use self::files::Watcher;
use self::net::Progress;
use self::process::Census;
use self::tls::Trust;

/// A probe that is over.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) check: CheckId,
    pub(crate) run: RunNumber,
    pub(crate) outcome: Outcome,
    pub(crate) took: Duration,
}

#[derive(Debug)]
struct Running {
    run: RunNumber,
    attempt: Attempt,
    started: Instant,
    until: Instant,
}

/// All probes that are under way.
#[derive(Debug)]
pub(crate) struct Probes {
    first: Token,
    /// Of what tells that a check would come to something else now; from here on upwards.
    watches: Token,
    running: BTreeMap<CheckId, Running>,
    census: Census,
    trust: Trust,
    files: Watcher,
}

impl Probes {
    /// Uses `first` and the tokens above it, one for each check, and likewise those from `watches` on, which are above.
    pub(crate) fn new(first: Token, watches: Token) -> Self {
        Self {
            first,
            watches,
            running: BTreeMap::new(),
            census: Census::default(),
            trust: Trust::default(),
            files: Watcher::default(),
        }
    }

    /// Whether a token is one of ours.
    pub(crate) const fn owns(&self, token: Token) -> bool {
        token.0 >= self.first.0
    }

    /// The checks that would come to something else now, if one of our tokens says that.
    pub(crate) fn news(&mut self, token: Token) -> Option<Vec<CheckId>> {
        match token.0.checked_sub(self.watches.0)? {
            0 => Some(self.files.on_ready()),
            above => Some(vec![CheckId(above - 1)]),
        }
    }

    /// `init_file`: what a file is to hold at the start, and no longer at a reload.
    pub(crate) fn initialize(probe: &Probe) {
        if let Probe::Number(file) = probe
            && let Err(error) = files::initialize(file)
        {
            log::warn!("init_file {}: {error}", file.path.display());
        }
    }

    /// Asks. The answer comes from here if it is known at once, else from [`Self::on_ready`] or [`Self::on_time`].
    pub(crate) fn start(
        &mut self,
        reactor: &Reactor,
        now: Instant,
        (check, run): (CheckId, RunNumber),
        (probe, timeout): (&Probe, Duration),
    ) -> Option<Answer> {
        let at_once = |outcome| Some(Answer { check, run, outcome, took: Duration::ZERO });
        let attempt = match probe {
            Probe::Process(wanted) => {
                let token = Token(self.watches.0 + 1 + check.0);
                let watch = |end: &OwnedFd| {
                    if let Err(error) = reactor.register(token, end, Interest::READABLE) {
                        log::debug!("the end of a process will be seen at the next look: {error}");
                    }
                };
                return at_once(self.census.outcome(check, wanted, watch));
            }
            Probe::File(path) => {
                self.watch(reactor, check, path);
                return at_once(files::exists(path));
            }
            Probe::Number(file) => {
                self.watch(reactor, check, &file.path);
                return at_once(files::number(&file.path));
            }
            Probe::UnixConnect(path) => return at_once(net::unix_connect(path)),
            Probe::TcpConnect(target) => net::Attempt::tcp(target).map(Attempt::Stream),
            Probe::HttpGet(get) => net::Attempt::http(get, &mut self.trust).map(Attempt::Stream),
            Probe::Ping(target) => net::Attempt::ping(target).map(Attempt::Stream),
            Probe::DnsQuery(query) => name_server::Attempt::ask(query).map(Attempt::Name),
            Probe::SystemdUnit(name) => {
                unit::Attempt::ask(Path::new(unit::SYSTEM_BUS), name).map(Attempt::Unit)
            }
            // The crew's.
            Probe::Script(_) => return None,
        };
        let attempt = match attempt {
            Ok(attempt) => attempt,
            Err(outcome) => return at_once(outcome),
        };
        let token = Token(self.first.0 + check.0);
        if let Err(error) = reactor.register(token, &attempt, Interest::READABLE | Interest::WRITABLE) {
            return at_once(no_resources(&error));
        }
        // What was under way has been judged already, and ends with its descriptor.
        self.running.insert(check, Running { run, attempt, started: now, until: now + timeout });
        None
    }

    /// To be called when the loop says that one of our tokens is ready.
    pub(crate) fn on_ready(&mut self, token: Token, now: Instant) -> Option<Answer> {
        let check = CheckId(token.0.checked_sub(self.first.0)?);
        match self.running.get_mut(&check)?.attempt.proceed() {
            Progress::Waits => None,
            Progress::Over(outcome) => self.end(check, outcome, now),
        }
    }

    /// When to call [`Self::on_time`].
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.running.values().map(|running| running.until).min()
    }

    /// Gives up what has taken too long.
    pub(crate) fn on_time(&mut self, now: Instant) -> Vec<Answer> {
        let late = self.running.iter().filter(|(_, running)| running.until <= now);
        let late: Vec<_> = late.map(|(check, running)| (*check, running.attempt.on_late())).collect();
        late.into_iter().filter_map(|(check, outcome)| self.end(check, outcome, now)).collect()
    }

    /// Gives up what such checks ask.
    pub(crate) fn abort(&mut self, which: impl Fn(&CheckId) -> bool) {
        self.running.retain(|check, _| !which(check));
        self.census.forget(&which);
        self.files.forget(which);
    }

    fn watch(&mut self, reactor: &Reactor, check: CheckId, path: &Path) {
        let token = self.watches;
        self.files.watch(check, path, |inotify| reactor.register(token, inotify, Interest::READABLE));
    }

    fn end(&mut self, check: CheckId, outcome: Outcome, now: Instant) -> Option<Answer> {
        let Running { run, started, .. } = self.running.remove(&check)?;
        Some(Answer { check, run, outcome, took: now.since(started) })
    }
}

fn no_resources(error: &io::Error) -> Outcome {
    Outcome::CannotRun(format!("no resources for one more probe: {error}"))
}

#[cfg(test)]
mod tests;
