//! Mail about states: who is mailed what, and the one process at a time that hands it in (docs/mail.md).
//!
//! What it must never do: let a mail server hold up anything else. A letter is handed in by a process of its own ([`child`]), which
//! resolves names, connects and waits as it likes, has no rights and little memory, and is ended when its time is up. What waits
//! meanwhile is bounded ([`queue`]), and on disk for whoever comes after us ([`store`]). Whoever is as last told is not mailed
//! again, also after a restart.

pub(crate) mod child;
mod letter;
pub(crate) mod once;
mod plan;
mod queue;
mod store;

use std::collections::{HashMap, HashSet};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use config::{Config, Mail};
use ipc::events::Told;
use ipc::hooks::{MailRun, MailView};
use model::Instant;
use reactor::{Reactor, Token};
use runner::{Crew, End, Finished, Job, Runner};
use sys::process::{Exit, Signal};

pub(crate) use self::plan::plan;

use self::child::{Envelope, Fate};
use self::letter::{Letter, Writer};
use self::queue::Queue;
use self::store::Store;
use crate::occasion::{Occasion, Subject};

/// How many times as long as one answer the whole conversation may take: it has six, and one more for each recipient.
const PATIENCE: u32 = 4;
/// But no longer than this.
const MAX_CONVERSATION: Duration = Duration::from_secs(600);
/// How long the last letters have when we end.
const FAREWELL: Duration = Duration::from_secs(5);
/// Where the host has no name that could be part of an address.
const LOCALHOST: &str = "localhost";

/// Everything about mail.
#[derive(Debug)]
pub(crate) struct Post {
    settings: Option<Mail>,
    /// `router_id`, else the host's name.
    label: String,
    host: String,
    /// Ourselves, as we were started.
    program: Option<PathBuf>,
    mailed: HashSet<Subject>,
    /// How everybody is as far as we heard.
    seen: HashMap<Subject, Told>,
    written: u64,
    queue: Queue,
    store: Store,
    crew: Crew<()>,
    /// Why the last letter was not, or not altogether, taken.
    trouble: Option<String>,
    last: Option<MailRun>,
    /// Letters are lost for want of room; told once.
    overflows: bool,
    leave_at: Option<Instant>,
}

impl Post {
    /// Uses `first` and all tokens above it. Who was `seen` in which state before isn't news; what waited then waits still.
    pub(crate) fn new(
        config: &Config,
        (first, state_dir): (Token, &Path),
        seen: impl Iterator<Item = (Subject, Told)>,
        now: Instant,
    ) -> Self {
        let (store, left) = Store::open(state_dir);
        let program = std::env::current_exe();
        if let Err(error) = &program {
            log::warn!("mail can't be sent: where this program is isn't known: {error}");
        }
        let mut post = Self {
            settings: None,
            label: String::new(),
            host: host_name(),
            program: program.ok(),
            mailed: HashSet::new(),
            seen: seen.collect(),
            written: 0,
            queue: Queue::new(),
            store,
            crew: Crew::new(Runner::new(None), first),
            trouble: None,
            last: None,
            overflows: false,
            leave_at: None,
        };
        post.configure(config);
        post.take_over(left, now);
        post
    }

    /// What an earlier notifierd has left.
    fn take_over(&mut self, left: Vec<Letter>, now: Instant) {
        let count = left.len();
        let today = since_1970().as_secs();
        for letter in left {
            let age = Duration::from_secs(today.saturating_sub(letter.date));
            self.queue.put(letter, age, now);
        }
        if count > 0 && self.settings.is_some() {
            log::info!("mail: {count} letters of before our start wait");
        }
        self.lose_without_server();
    }

    /// Without a server what waits is lost.
    fn lose_without_server(&mut self) {
        if self.settings.is_none() {
            self.trouble = None;
            let lost = self.queue.clear();
            if lost > 0 {
                log::warn!("mail: {lost} letters are lost: the configuration sends no mail");
            }
        }
    }

    fn configure(&mut self, config: &Config) {
        self.settings.clone_from(&config.global.mail);
        self.label = config.global.router_id.clone().unwrap_or_else(|| self.host.clone());
        self.mailed = plan::mailed(config);
        self.crew.set_script_user(config.global.script_user.clone());
    }

    /// Another configuration. What waits goes to the recipients and the server of the new one.
    pub(crate) fn reconfigure(
        &mut self,
        config: &Config,
        renamed: &HashMap<Subject, Subject>,
        known: impl Fn(&Subject) -> bool,
        now: Instant,
    ) {
        let seen = std::mem::take(&mut self.seen).into_iter();
        let seen = seen.map(|(subject, state)| (renamed.get(&subject).cloned().unwrap_or(subject), state));
        self.seen = seen.filter(|(subject, _)| known(subject)).collect();
        let before = self.settings.take();
        self.configure(config);
        self.lose_without_server();
        if before != self.settings {
            self.queue.hurry(now);
        }
    }

    /// Somebody is in a state.
    pub(crate) fn tell(&mut self, occasion: &Occasion, now: Instant) {
        if !occasion.is_state() {
            return;
        }
        let (subject, state) = (occasion.subject(), occasion.to());
        if state == Told::Init {
            return;
        }
        let before = self.seen.insert(subject.clone(), state);
        if before == Some(state) || !self.mailed.contains(&subject) {
            return;
        }
        let wants = |mail: &Mail| mail.faults || state != Told::Fault;
        if !self.settings.as_ref().is_some_and(wants) {
            return;
        }
        self.written = self.written.saturating_add(1);
        let written = since_1970();
        let writer = Writer {
            label: &self.label,
            host: &self.host,
            id: &format!("{}.{}.{}", written.as_micros(), std::process::id(), self.written),
            date: written.as_secs(),
        };
        let Some(letter) = Letter::new(occasion, before.unwrap_or(occasion.from()), writer) else { return };
        if self.queue.put(letter, Duration::ZERO, now) {
            self.overflows &= self.queue.len() > 1;
        } else if !std::mem::replace(&mut self.overflows, true) {
            log::warn!("mail: {} letters wait; the oldest are lost from now on", queue::MAX_WAITING);
        }
    }

    /// When to call [`Self::on_time`].
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let next = self.queue.next_deadline();
        next.into_iter().chain(self.crew.next_deadline()).chain(self.leave_at).min()
    }

    /// Has the next letter handed in, by a process that writes itself into `register`.
    pub(crate) fn on_time(&mut self, now: Instant, reactor: &Reactor, register: Option<BorrowedFd<'_>>) {
        self.crew.on_time(now);
        self.hand_in(now, reactor, register);
        if let Some(waiting) = self.queue.changed() {
            self.store.keep(waiting);
        }
    }

    fn hand_in(&mut self, now: Instant, reactor: &Reactor, register: Option<BorrowedFd<'_>>) {
        let (Some(settings), Some(program)) = (&self.settings, &self.program) else { return };
        let Some(letter) = self.queue.poll(now) else { return };
        let envelope = envelope(settings, &self.host);
        let input = letter.line();
        let job = Job {
            program,
            arguments: &envelope.arguments(),
            user: None,
            variables: &[],
            input: input.as_deref(),
            register,
            timeout: settings.timeout.saturating_mul(PATIENCE).min(MAX_CONVERSATION),
        };
        if let Err(refusal) = self.crew.start(reactor, now, &job, ()) {
            self.close(Fate::Failed, refusal.to_string(), now);
        }
    }

    /// Whether a token is one of ours.
    pub(crate) const fn owns(&self, token: Token) -> bool {
        self.crew.owns(token)
    }

    /// To be called when one of our tokens is ready.
    pub(crate) fn on_ready(&mut self, reactor: &mut Reactor, token: Token, now: Instant) {
        if let Some(((), finished)) = self.crew.on_ready(reactor, token, now) {
            let (fate, words) = judged(&finished);
            self.close(fate, words, now);
        }
    }

    /// The attempt is over.
    fn close(&mut self, fate: Fate, words: String, now: Instant) {
        let subject = self.queue.under_way().map(|letter| letter.subject.clone()).unwrap_or_default();
        match fate {
            Fate::Sent | Fate::Partly => self.queue.sent(),
            Fate::Refused => self.queue.refused(),
            Fate::Failed => self.queue.failed(now),
        }
        let next = match fate {
            Fate::Sent | Fate::Partly => "",
            Fate::Refused => "; this letter is lost",
            Fate::Failed => "; it is tried again, ever more rarely",
        };
        match (fate, &self.trouble) {
            (Fate::Sent, None) => log::info!("mail: {subject}: sent"),
            (Fate::Sent, Some(_)) => log::info!("mail: {subject}: sent; the server is well again"),
            (_, None) => log::warn!("mail: {subject}: {words}{next}"),
            // Answers may differ in numbers and times: the first one is enough for the log.
            (_, Some(_)) => log::debug!("mail: {subject}: {words}{next}"),
        }
        self.trouble = (fate != Fate::Sent).then(|| words.clone());
        self.last =
            Some(MailRun { subject, outcome: words, at: service::stamp::rfc3339(sys::clock::wall()) });
    }

    /// Whether no process of ours runs.
    pub(crate) fn is_idle(&self) -> bool {
        self.crew.is_idle()
    }

    /// The last state was told. Whether it was mailed, or the time for that is over; a server that failed last is not waited
    /// for.
    pub(crate) fn may_leave(&mut self, now: Instant) -> bool {
        let at = *self.leave_at.get_or_insert(now + FAREWELL);
        let (waiting, is_hopeful) = (self.queue.len(), self.trouble.is_none() || !self.is_idle());
        if waiting > 0 && is_hopeful && at > now {
            return false;
        }
        self.crew.abort(|()| true);
        match self.store.close() {
            _ if waiting == 0 => {}
            None => log::info!("mail: {waiting} letters wait for the next notifierd"),
            Some(trouble) => log::warn!("mail: {waiting} letters are lost at our end: {trouble}"),
        }
        true
    }

    /// How it is, where mail is configured.
    pub(crate) fn view(&self) -> Option<MailView> {
        let settings = self.settings.as_ref()?;
        let tally = self.queue.tally();
        Some(MailView {
            server: plan::place(settings),
            waiting: u64::try_from(self.queue.len()).unwrap_or(u64::MAX),
            sent: tally.sent,
            refused: tally.refused,
            lost: tally.dropped.saturating_add(tally.expired),
            trouble: self.trouble.clone(),
            last: self.last.clone(),
        })
    }
}

/// What the process says of the letter, by its status and its last line.
fn judged(finished: &Finished) -> (Fate, String) {
    let said = finished.output.lines().next_back().unwrap_or_default().trim();
    match finished.end {
        End::Exited(Exit::Code(status)) if !said.is_empty() => (Fate::of(status), said.to_owned()),
        // At the bound of its memory a process says so, and at that of its time the kernel does.
        End::Exited(Exit::Signal(signal))
            if finished.output.contains("memory allocation of") || signal == Signal::XCPU.as_raw() =>
        {
            (Fate::Failed, "the server answers without end".to_owned())
        }
        End::TimedOut => (Fate::Failed, format!("no end in sight; the last step: {said}")),
        End::Exited(Exit::Code(_) | Exit::Signal(_)) => {
            let said = if said.is_empty() { String::new() } else { format!(", and said: {said}") };
            (Fate::Failed, format!("the process that hands it in {}{said}", finished.end))
        }
    }
}

fn envelope(settings: &Mail, host: &str) -> Envelope {
    let domain = domain(host);
    Envelope {
        host: settings.server.host.clone(),
        port: settings.server.port,
        timeout: settings.timeout,
        hello: settings.hello.clone().unwrap_or_else(|| domain.clone()),
        sender: settings.sender.clone().unwrap_or_else(|| format!("handover@{domain}")),
        recipients: settings.recipients.clone(),
    }
}

/// By the wall clock.
fn since_1970() -> Duration {
    sys::clock::wall().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// A host's name as it can be part of an address; hosts may have names that no domain can have.
fn domain(host: &str) -> String {
    let valid = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let labels = host.split('.').map(|label| label.chars().map(valid).collect::<String>());
    let labels = labels.map(|label| label.trim_matches('-').to_owned()).filter(|label| !label.is_empty());
    let domain = labels.collect::<Vec<_>>().join(".");
    if domain.is_empty() { LOCALHOST.to_owned() } else { domain }
}

#[cfg(test)]
mod tests;
