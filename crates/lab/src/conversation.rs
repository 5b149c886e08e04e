//! The owner's side of the pipes: calls with their answers, and what the lab tells unasked.
//!
//! One thread reads all that comes, always, so that nobody in the lab ever waits for the owner. What isn't fetched
//! is bounded. Must never block without a limit: an agent that hangs is an [`Error`], not a hanging test.

use std::collections::{BTreeMap, VecDeque};
use std::io::BufReader;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::error::Error;
use crate::protocol::{self, Answer, Call, Exit, Frame, Line, Message, Request, Stream};

/// How long an answer may take: longer than anything takes on a busy machine.
const MAX_ANSWER_TIME: Duration = Duration::from_secs(60);
/// How long a waiting thread sleeps at most before it looks again, for conditions that no message announces.
const GLANCE: Duration = Duration::from_millis(20);
/// How many lines of a process are kept; the oldest go first.
const MAX_LINES: usize = 20_000;
/// How many frames are kept; the oldest go first.
const MAX_FRAMES: usize = 100_000;

/// What is known of a process.
#[derive(Debug, Default)]
pub(crate) struct Process {
    /// What it printed and nobody took.
    pub(crate) lines: VecDeque<Line>,
    /// How it ended.
    pub(crate) exit: Option<Exit>,
    /// Standard output and error are closed.
    pub(crate) closed: (bool, bool),
}

/// What the lab has told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    ready: bool,
    /// The calls that wait, and what they got.
    answers: BTreeMap<u64, Option<Result<Answer, String>>>,
    pub(crate) processes: BTreeMap<u64, Process>,
    pub(crate) frames: VecDeque<Frame>,
    /// Why nothing more will come.
    pub(crate) ended: Option<String>,
}

/// The pipes to the agent and what came through them.
#[derive(Debug)]
pub(crate) struct Conversation {
    told: Mutex<Told>,
    news: Condvar,
    /// `None` once the lab is being ended.
    input: Mutex<Option<std::fs::File>>,
    calls: AtomicU64,
}

impl Conversation {
    /// Starts to listen.
    pub(crate) fn start(input: std::fs::File, output: std::fs::File) -> Arc<Self> {
        let conversation = Arc::new(Self {
            told: Mutex::default(),
            news: Condvar::new(),
            input: Mutex::new(Some(input)),
            calls: AtomicU64::new(1),
        });
        let listener = Arc::clone(&conversation);
        thread::spawn(move || listener.listen(output));
        conversation
    }

    fn listen(&self, output: std::fs::File) {
        let mut output = BufReader::new(output);
        loop {
            let message = protocol::read(&mut output);
            let mut told = self.lock();
            match message {
                Ok(Some(message)) => told.take(message),
                Ok(None) => told.end("the lab has ended".to_owned()),
                Err(error) => told.end(format!("what the lab said is not understood: {error}")),
            }
            self.news.notify_all();
            if told.ended.is_some() {
                return;
            }
        }
    }

    /// What was told so far.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks until something is found or `limit` is over.
    pub(crate) fn wait_for<T>(
        &self,
        limit: Duration,
        mut look: impl FnMut(&mut Told) -> Option<T>,
    ) -> Option<T> {
        let deadline = sys::clock::now() + limit;
        let mut told = self.lock();
        loop {
            if let Some(found) = look(&mut told) {
                return Some(found);
            }
            if sys::clock::now() >= deadline {
                return None;
            }
            (told, _) = self.news.wait_timeout(told, GLANCE).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for something that may be told, or may be seen elsewhere; `look` may make calls.
    pub(crate) fn poll<T>(&self, limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        let deadline = sys::clock::now() + limit;
        loop {
            if let Some(found) = look() {
                return Some(found);
            }
            if sys::clock::now() >= deadline {
                return None;
            }
            drop(self.news.wait_timeout(self.lock(), GLANCE));
        }
    }

    /// Waits until the agent has its namespaces.
    pub(crate) fn wait_until_ready(&self) -> Result<(), Error> {
        let state = self.wait_for(MAX_ANSWER_TIME, |told| match &told.ended {
            Some(why) => Some(Err(why.clone())),
            None => told.ready.then_some(Ok(())),
        });
        let late = || Err(format!("nothing was heard from it for {} s", MAX_ANSWER_TIME.as_secs()));
        state.unwrap_or_else(late).map_err(|why| Error::new("start a lab", why))
    }

    /// A number that no call or process of this lab has had.
    pub(crate) fn next_number(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }

    /// Asks and waits for the answer. `doing` is for the error.
    pub(crate) fn call(&self, doing: &str, request: Request) -> Result<Answer, Error> {
        let id = self.next_number();
        self.lock().answers.insert(id, None);
        let sent = match self.input.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(input) => protocol::write(input, &Call { id, request }).map_err(|error| error.to_string()),
            None => Err("the lab was ended".to_owned()),
        };
        let result = sent.and_then(|()| {
            let answer = self.wait_for(MAX_ANSWER_TIME, |told| {
                let answer = told.answers.get_mut(&id).and_then(Option::take);
                answer.or_else(|| told.ended.clone().map(Err))
            });
            answer.unwrap_or_else(|| Err(format!("no answer within {} s", MAX_ANSWER_TIME.as_secs())))
        });
        self.lock().answers.remove(&id);
        result.map_err(|why| Error::new(doing, why))
    }

    /// Closes the pipe that the agent lives by.
    pub(crate) fn close(&self) {
        self.input.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Told {
    fn take(&mut self, message: Message) {
        match message {
            Message::Ready => self.ready = true,
            Message::Failed(why) => self.end(why),
            Message::Answer(id, answer) => {
                // An answer that nobody waits for any more is late, and was reported as such.
                if let Some(place) = self.answers.get_mut(&id) {
                    *place = Some(answer);
                }
            }
            Message::Line(id, line) => {
                let lines = &mut self.processes.entry(id).or_default().lines;
                if lines.len() >= MAX_LINES {
                    lines.pop_front();
                }
                lines.push_back(line);
            }
            Message::Closed(id, stream) => {
                let closed = &mut self.processes.entry(id).or_default().closed;
                match stream {
                    Stream::Out => closed.0 = true,
                    Stream::Err => closed.1 = true,
                }
            }
            Message::Exited(id, exit) => self.processes.entry(id).or_default().exit = Some(exit),
            Message::Frame(frame) => {
                if self.frames.len() >= MAX_FRAMES {
                    self.frames.pop_front();
                }
                self.frames.push_back(frame);
            }
        }
    }

    /// The first reason is the one that explains.
    fn end(&mut self, why: String) {
        self.ended.get_or_insert(why);
    }
}
