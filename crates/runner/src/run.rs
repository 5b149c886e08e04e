//! One running script: its time, its output, its end.
//!
//! It has two descriptors to watch: [`Run::process`], readable when the script has ended, and [`Run::output`],
//! readable when it wrote something. Nothing here blocks, and no script can make it read for ever: each call of
//! [`Run::on_output`] reads a bounded amount and says whether there may be more.
//!
//! A script may leave something behind that runs on (`service &`) and still writes to the pipe. It is let be, since
//! starting services is what hooks are for, and so the pipe has to be kept and emptied: that is [`Leftover`].
//! When a script took too long, its whole process group is ended, and what it started outside of the group; when a signal
//! ended it, nobody is left who meant the rest to go on, so its group is ended as well.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use model::Instant;
use sys::process::{Child, Exit, Signal};

use crate::ladder::Ladder;
use crate::strays::Strays;

/// How much of a script's output is kept, in bytes: the end of it, where the errors are.
pub const MAX_OUTPUT: usize = 4096;
/// How much is read at once, in bytes.
const READ_SIZE: usize = 4096;
/// How many reads one call makes: a script that writes without end must not keep others waiting.
const MAX_READS: usize = 16;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, or by somebody else's signal.
    Exited(Exit),
    /// It took too long, and we ended it.
    TimedOut,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(Exit::Code(0)) => f.write_str("succeeded"),
            Self::Exited(Exit::Code(code)) => write!(f, "exited with status {code}"),
            Self::Exited(Exit::Signal(signal)) => write!(f, "was killed by signal {signal}"),
            Self::TimedOut => f.write_str("timed out"),
        }
    }
}

/// A run that is over.
#[derive(Debug)]
pub struct Finished {
    /// How.
    pub end: End,
    /// The end of what it wrote, at most [`MAX_OUTPUT`] bytes, with what isn't UTF-8 replaced.
    pub output: String,
    /// From its start.
    pub took: Duration,
    /// The user as whom it ran.
    pub user: String,
    /// The pipe, if somebody still holds its other end.
    pub leftover: Option<Leftover>,
}

/// What came of reading a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// There may be more: call again, without waiting for the descriptor.
    More,
    /// Nothing more for now: the descriptor will tell.
    Empty,
    /// Nobody will write any more: stop watching it.
    Closed,
}

/// A script that was started.
#[derive(Debug)]
pub struct Run {
    child: Child,
    output: Option<File>,
    /// The other end of it, until the script has ended: or its closing would wake the loop for nothing, just before the
    /// process is told to have ended.
    writer: Option<OwnedFd>,
    tail: VecDeque<u8>,
    ladder: Ladder,
    /// Known once it took too long.
    strays: Strays,
    started: Instant,
    user: String,
}

impl Run {
    pub(crate) fn new(
        (child, user): (Child, String),
        (output, writer): (File, OwnedFd),
        now: Instant,
        timeout: Duration,
    ) -> Self {
        let ladder = Ladder::new(now, timeout);
        Self {
            child,
            output: Some(output),
            writer: Some(writer),
            tail: VecDeque::new(),
            ladder,
            strays: Strays::default(),
            started: now,
            user,
        }
    }

    /// Its process id.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// When it was started.
    #[must_use]
    pub const fn started(&self) -> Instant {
        self.started
    }

    /// Readable when it has ended: call [`Run::poll_end`].
    #[must_use]
    pub fn process(&self) -> BorrowedFd<'_> {
        self.child.as_fd()
    }

    /// Readable when it wrote something: call [`Run::on_output`]. `None` once it has ended.
    #[must_use]
    pub fn output(&self) -> Option<BorrowedFd<'_>> {
        self.output.as_ref().map(AsFd::as_fd)
    }

    /// When to call [`Run::on_deadline`].
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.ladder.deadline()
    }

    /// Ends it by and by if its time is up. True once: at the moment when it became overdue.
    /// Not if it has ended, and only we were too slow to see it: [`Run::poll_end`] has what there is to say.
    pub fn on_deadline(&mut self, now: Instant) -> bool {
        let before = self.ladder.timed_out();
        if !before && matches!(self.child.peek(), Ok(Some(_))) {
            return false;
        }
        if let Some(signal) = self.ladder.climb(now) {
            if signal == Signal::KILL {
                self.kill_all();
            } else {
                // Before the signal: what outlives the script is below somebody else then.
                self.strays.look(self.child.pid());
                self.strays.terminate();
                self.signal(signal);
            }
        }
        self.ladder.timed_out() && !before
    }

    /// Ends it now, with all that it started. It still has to be reaped by [`Run::poll_end`].
    pub fn abort(&self) {
        self.kill_all();
    }

    /// Stops the group first, so that nobody leaves it or starts anything while it is looked at.
    fn kill_all(&self) {
        self.signal(Signal::STOP);
        let mut strays = Strays::default();
        strays.look(self.child.pid());
        strays.kill();
        self.strays.kill();
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        if let Err(error) = self.child.signal_group(signal) {
            log::warn!("end process {} and its group: {error}", self.child.pid());
        }
    }

    /// Takes what it wrote.
    pub fn on_output(&mut self) -> Drained {
        let Some(pipe) = &mut self.output else { return Drained::Closed };
        let drained = drain(pipe, |bytes| {
            self.tail.extend(bytes);
            let surplus = self.tail.len().saturating_sub(MAX_OUTPUT);
            self.tail.drain(..surplus);
        });
        if drained == Drained::Closed {
            self.output = None;
        }
        drained
    }

    /// What there is to say about it if it has ended, and reaps it; `None` while it runs. To be called once more than
    /// that only by mistake: the second answer has no output.
    pub fn poll_end(&mut self, now: Instant) -> Option<Finished> {
        let died = match self.child.peek() {
            Ok(None) => return None,
            Ok(Some(exit)) => matches!(exit, Exit::Signal(_)),
            Err(_) => false,
        };
        if self.ladder.timed_out() || died {
            // Before it is reaped, while the group's number is still its own: what it started goes with it.
            self.signal(Signal::KILL);
            self.strays.kill();
        }
        let end = match self.child.try_wait() {
            Ok(None) => return None,
            Ok(Some(_)) if self.ladder.timed_out() => End::TimedOut,
            Ok(Some(exit)) => End::Exited(exit),
            Err(error) => {
                log::error!("wait for process {}: {error}", self.child.pid());
                End::Exited(Exit::Signal(0))
            }
        };
        // What it wrote last is in the pipe; how much that can be is bounded by the pipe. Whoever holds the pipe now is
        // somebody else.
        self.writer = None;
        self.on_output();
        let leftover = self.output.take().map(|pipe| Leftover { pipe });
        let output = String::from_utf8_lossy(self.tail.make_contiguous()).into_owned();
        Some(Finished {
            end,
            output,
            took: now.since(self.started),
            user: std::mem::take(&mut self.user),
            leftover,
        })
    }
}

/// The pipe of a script that has ended, while something that it started may still write to it. Dropping it means that
/// such a writer gets SIGPIPE.
#[derive(Debug)]
pub struct Leftover {
    pipe: File,
}

impl AsFd for Leftover {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

impl Leftover {
    /// Reads and forgets.
    pub fn drain(&mut self) -> Drained {
        drain(&mut self.pipe, |_| {})
    }
}

fn drain(pipe: &mut File, mut take: impl FnMut(&[u8])) -> Drained {
    let mut buffer = [0; READ_SIZE];
    for _ in 0..MAX_READS {
        match pipe.read(&mut buffer) {
            Ok(0) => return Drained::Closed,
            Ok(length) => take(buffer.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Drained::Empty,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Drained::Closed,
        }
    }
    Drained::More
}
