//! A process on a host, as the owner of its lab holds it.

use std::sync::Arc;
use std::time::Duration;

use sys::process::Signal;

use crate::conversation::{Conversation, Process};
use crate::error::Error;
use crate::host::Host;
use crate::protocol::{Exit, Line, Stream};

/// How long [`Proc::output`] waits for a command to end: longer than any command in a lab should take.
const MAX_RUN: Duration = Duration::from_secs(120);
/// How long it waits for the rest of the output of one that has ended, which a child of it may hold open.
const MAX_REST: Duration = Duration::from_secs(2);

/// A process that was started on a host. Dropping it does nothing to it.
#[derive(Debug)]
pub struct Proc {
    host: Host,
    id: u64,
    conversation: Arc<Conversation>,
}

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub exit: Exit,
    /// What it printed.
    pub stdout: String,
    /// What it complained.
    pub stderr: String,
}

impl Output {
    /// Whether it ended by itself with status 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.exit == Exit::Code(0)
    }
}

impl Proc {
    pub(crate) const fn new(host: Host, id: u64, conversation: Arc<Conversation>) -> Self {
        Self { host, id, conversation }
    }

    /// Where it runs.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// Sends a signal; one that has ended takes it without effect.
    ///
    /// # Errors
    /// The lab has ended.
    pub fn kill(&self, signal: Signal) -> Result<(), Error> {
        self.host.kill(self.id, signal.as_raw())
    }

    /// Whether it hasn't been seen to end yet.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.with(|process| process.exit.is_none())
    }

    /// How it ended; `None` if it doesn't within `limit`.
    #[must_use]
    pub fn wait(&self, limit: Duration) -> Option<Exit> {
        self.conversation.wait_for(limit, |told| told.processes.get(&self.id)?.exit)
    }

    /// The lines that it printed and that weren't taken before, oldest first.
    #[must_use]
    pub fn take_lines(&self) -> Vec<Line> {
        self.with(|process| process.lines.drain(..).collect())
    }

    /// The lines that weren't taken, without taking them.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.with(|process| process.lines.iter().cloned().collect())
    }

    /// Waits for a line that `wanted` accepts, and takes it and all before it.
    #[must_use]
    pub fn wait_for_line(&self, limit: Duration, wanted: impl Fn(&str) -> bool) -> Option<Line> {
        self.conversation.wait_for(limit, |told| {
            let lines = &mut told.processes.entry(self.id).or_default().lines;
            while let Some(line) = lines.pop_front() {
                if wanted(&line.text) {
                    return Some(line);
                }
            }
            None
        })
    }

    /// Waits for its end, and takes all that it printed.
    ///
    /// # Errors
    /// It doesn't end, or the lab does.
    pub fn output(&self) -> Result<Output, Error> {
        let ended = self.conversation.wait_for(MAX_RUN, |told| match told.processes.get(&self.id)?.exit {
            Some(exit) => Some(Ok(exit)),
            None => told.ended.clone().map(Err),
        });
        let late = || Err(format!("it hasn't ended within {} s", MAX_RUN.as_secs()));
        let exit = ended.unwrap_or_else(late).map_err(|why| Error::new("wait for a command", why))?;
        let closed = |process: &Process| process.closed == (true, true);
        self.conversation
            .wait_for(MAX_REST, |told| told.processes.get(&self.id).is_some_and(closed).then_some(()));
        let lines = self.take_lines();
        let text = |stream: Stream| {
            lines.iter().filter(|line| line.stream == stream).map(|line| format!("{}\n", line.text)).collect()
        };
        Ok(Output { exit, stdout: text(Stream::Out), stderr: text(Stream::Err) })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Process) -> T) -> T {
        act(self.conversation.lock().processes.entry(self.id).or_default())
    }
}
