//! All named pipes for transitions, and the scripts that read them.
//!
//! What it must never do: let a reader that dies be gone for good, or one that won't live be started all the time. A
//! reader runs as long as its pipe: a reload that changes neither leaves both alone, and at the end it reads to the end of the
//! file before it is killed.

use std::collections::HashMap;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::Duration;

use config::{Config, Hook, NotifyPipe, UserSpec};
use ipc::hooks::PipeView;
use model::Instant;
use reactor::{Reactor, Token};
use runner::{Crew, Job, Runner};

use crate::occasion::{Occasion, Subject};
use crate::pipe::Pipe;

/// Of each pipe; there are at most two at any time.
pub(crate) const TOKENS: usize = 2;
/// A reader may run for ever; this is longer than any machine does.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
/// From the end of a reader to the next, at first; twice that after the next end, and so on.
const FIRST_RESTART: Duration = Duration::from_secs(1);
/// The longest wait; a reader that lived longer counts as healthy.
const LAST_RESTART: Duration = Duration::from_secs(60);
/// How long readers have to read the last lines.
const FAREWELL: Duration = Duration::from_secs(2);

/// Never given twice.
type Number = u64;

#[derive(Debug)]
struct Reader {
    number: Number,
    is_running: bool,
    started: Instant,
    start_at: Instant,
    wait: Duration,
    /// How the last one ended, or why there was none.
    last: Option<String>,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Pipes {
    pipes: Vec<(Pipe, Reader)>,
    crew: Crew<Number>,
    script_user: Option<UserSpec>,
    first: Token,
    next: Number,
    leave_at: Option<Instant>,
}

impl Pipes {
    /// Opens what is configured. Uses [`TOKENS`] tokens from `first`, and `readers` with all tokens above it.
    pub(crate) fn new(
        config: &Config,
        (first, readers): (Token, Token),
        reactor: &Reactor,
        now: Instant,
    ) -> Self {
        let script_user = config.global.script_user.clone();
        let mut pipes = Self {
            pipes: Vec::new(),
            crew: Crew::new(Runner::new(script_user.clone()), readers),
            script_user,
            first,
            next: 0,
            leave_at: None,
        };
        config.global.pipes.iter().for_each(|pipe| pipes.add(pipe, reactor, now));
        pipes
    }

    fn add(&mut self, config: &NotifyPipe, reactor: &Reactor, now: Instant) {
        let is_free = |at: &usize| self.pipes.iter().all(|(pipe, _)| pipe.token().0 != *at);
        let Some(at) = (self.first.0..self.first.0.saturating_add(TOKENS)).find(is_free) else { return };
        self.next = self.next.saturating_add(1);
        let pipe = Pipe::new(config, Token(at), reactor, now);
        let (number, wait) = (self.next, FIRST_RESTART);
        let reader = Reader { number, is_running: false, started: now, start_at: now, wait, last: None };
        self.pipes.push((pipe, reader));
    }

    /// Another configuration: pipes that it has, too, stay as they are, with their readers.
    pub(crate) fn reconfigure(
        &mut self,
        config: &Config,
        renamed: &HashMap<Subject, Subject>,
        reactor: &Reactor,
        now: Instant,
    ) {
        let user = config.global.script_user.clone();
        let is_wanted = |pipe: &Pipe| {
            let known = meaning(pipe.config(), self.script_user.as_ref());
            config.global.pipes.iter().any(|it| meaning(it, user.as_ref()) == known)
        };
        let (kept, gone) = std::mem::take(&mut self.pipes).into_iter().partition(|(pipe, _)| is_wanted(pipe));
        self.pipes = kept;
        for (mut pipe, reader) in gone {
            pipe.close(reactor);
            pipe.remove();
            self.crew.abort(|number| *number == reader.number);
        }
        for it in &config.global.pipes {
            if !self.pipes.iter().any(|(pipe, _)| pipe.config().path == it.path) {
                self.add(it, reactor, now);
            }
        }
        let is_kept = |subject: &Subject| crate::board::subjects(config).any(|(it, ..)| it == *subject);
        self.pipes.iter_mut().for_each(|(pipe, _)| pipe.rename(renamed, is_kept));
        if config.global.pipes_repeat {
            self.pipes.iter_mut().for_each(|(pipe, _)| pipe.repeat());
        }
        self.crew.set_script_user(user.clone());
        self.script_user = user;
    }

    /// Somebody is in a state, or something has happened in it that is to be told.
    pub(crate) fn tell(&mut self, occasion: &Occasion, config: &Config) {
        if let Occasion::Priority(notice) = occasion
            && !config.instances.iter().any(|it| it.name == notice.instance && it.tells_priority)
        {
            return;
        }
        self.pipes.iter_mut().for_each(|(pipe, _)| pipe.tell(occasion));
    }

    /// When to call [`Self::on_time`].
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let restarts = self.pipes.iter().filter_map(|(pipe, reader)| {
            let is_due = pipe.is_open() && !reader.is_running && pipe.config().reader.is_some();
            (is_due && self.leave_at.is_none()).then_some(reader.start_at)
        });
        let opening = self.pipes.iter().filter_map(|(pipe, _)| pipe.next_deadline());
        let opening = opening.filter(|_| self.leave_at.is_none());
        restarts.chain(opening).chain(self.crew.next_deadline()).chain(self.leave_at).min()
    }

    /// Opens pipes and starts readers, which write themselves into `register`.
    pub(crate) fn on_time(&mut self, now: Instant, reactor: &Reactor, register: Option<BorrowedFd<'_>>) {
        self.crew.on_time(now);
        if self.leave_at.is_some() {
            return;
        }
        for (pipe, reader) in &mut self.pipes {
            pipe.on_time(now, reactor);
            let Some(hook) = &pipe.config().reader else { continue };
            if !pipe.is_open() || reader.is_running || reader.start_at > now {
                continue;
            }
            reader.started = now;
            match start(&mut self.crew, hook, pipe, reader.number, (reactor, now, register)) {
                Ok(()) => reader.is_running = true,
                Err(why) => reader.failed(pipe.config(), why, now),
            }
        }
    }

    /// Whether a token is one of ours.
    pub(crate) fn owns(&self, token: Token) -> bool {
        (self.first.0..self.first.0.saturating_add(TOKENS)).contains(&token.0) || self.crew.owns(token)
    }

    /// To be called when one of our tokens is ready.
    pub(crate) fn on_ready(&mut self, reactor: &mut Reactor, token: Token, now: Instant) {
        if let Some((pipe, _)) = self.pipes.iter_mut().find(|(pipe, _)| pipe.token() == token) {
            pipe.flush();
        } else if let Some((number, finished)) = self.crew.on_ready(reactor, token, now)
            && let Some((pipe, reader)) = self.pipes.iter_mut().find(|(_, reader)| reader.number == number)
        {
            reader.is_running = false;
            if self.leave_at.is_none() {
                let why = format!("{}{}", finished.end, runner::quoted(&finished.output));
                reader.failed(pipe.config(), why, now);
            }
        }
    }

    /// The last line was written. Whether readers have read it, or the time for that is over.
    pub(crate) fn may_leave(&mut self, now: Instant, reactor: &Reactor) -> bool {
        let at = *self.leave_at.get_or_insert(now + FAREWELL);
        for (pipe, _) in &mut self.pipes {
            pipe.close(reactor);
        }
        if self.pipes.iter().any(|(_, reader)| reader.is_running) && at > now {
            return false;
        }
        self.crew.abort(|_| true);
        self.pipes.iter_mut().for_each(|(pipe, _)| pipe.remove());
        true
    }

    /// How each is.
    pub(crate) fn views(&self) -> Vec<PipeView> {
        let view = |(pipe, reader): &(Pipe, Reader)| {
            let is_wanted = pipe.config().reader.is_some();
            let text = match (&reader.last, reader.is_running) {
                (_, true) => "running".to_owned(),
                (Some(last), false) => format!("starts again, after: {last}"),
                (None, false) => "not started yet".to_owned(),
            };
            pipe.view(is_wanted.then_some(text))
        };
        self.pipes.iter().map(view).collect()
    }
}

impl Reader {
    /// It has ended, or couldn't be started; each new reason is told once.
    fn failed(&mut self, config: &NotifyPipe, why: String, now: Instant) {
        if now.since(self.started) > LAST_RESTART {
            self.wait = FIRST_RESTART;
        }
        self.start_at = now + self.wait;
        self.wait = (self.wait * 2).min(LAST_RESTART);
        if self.last.as_ref() != Some(&why) {
            let path = config.path.display();
            log::warn!(
                "the script that reads {path} has ended: {why}; it is started again, ever more rarely"
            );
            self.last = Some(why);
        }
    }
}

fn start(
    crew: &mut Crew<Number>,
    hook: &Hook,
    pipe: &Pipe,
    number: Number,
    (reactor, now, register): (&Reactor, Instant, Option<BorrowedFd<'_>>),
) -> Result<(), String> {
    let mut arguments = hook.command.arguments.clone();
    arguments.push(pipe.config().path.display().to_string());
    let job = Job {
        program: &hook.command.program,
        arguments: &arguments,
        user: hook.user.as_ref(),
        variables: &[],
        input: None,
        register,
        timeout: FOR_EVER,
    };
    crew.start(reactor, now, &job, number).map_err(|refusal| refusal.to_string())
}

/// What of a pipe counts, wherever it stands in the file: path, owner, and what reads it as whom.
type Meaning<'a> = (&'a Path, Option<&'a UserSpec>, Option<(&'a Path, &'a [String], Option<&'a UserSpec>)>);

fn meaning<'a>(pipe: &'a NotifyPipe, script_user: Option<&'a UserSpec>) -> Meaning<'a> {
    let reader = pipe.reader.as_ref().map(|hook| {
        (
            hook.command.program.as_path(),
            hook.command.arguments.as_slice(),
            hook.user.as_ref().or(script_user),
        )
    });
    (&pipe.path, pipe.owner.as_ref(), reader)
}
