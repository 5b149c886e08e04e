//! The history: what was heard and what became of the hooks, on disk, for people (`handover history`, docs/history.md).
//!
//! What it must never do: keep a hook or the feed waiting for a disk. Entries go into a bounded queue, and a thread of its own
//! ([`writer`]) writes them: where the disk is full, gone or hangs, entries are lost and counted, and nothing else happens.
//! Nothing is synced: what was written survives our death, and the last lines before a power cut aren't worth the wear of a
//! sync for each. What has to survive before a hook may start isn't here, but in `cursor.rs`. Read write(2), "ENOSPC", first.

mod writer;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::thread::Builder;
use std::time::Duration;

use ipc::events::{GroupState, InstanceState, Told};
use ipc::history::{Entry, FILE, Found, Ran, Skipped};
use ipc::hooks::HistoryView;
use model::{GroupName, InstanceName};

use crate::ledger;
use crate::occasion::{Occasion, Subject};
use writer::{Plight, Writer};

/// Entries that wait for the disk: more than two for each of 4,000 instances that move at once.
const MAX_QUEUED: usize = 10_000;
/// How long the last entries have to reach the file when we end.
const FAREWELL: Duration = Duration::from_secs(1);
/// How much of a hook's output is kept, in bytes: the end of it, where the errors are.
const MAX_OUTPUT: usize = 1024;

/// The end of the queue into which entries are put.
#[derive(Debug)]
pub(crate) struct History {
    path: PathBuf,
    /// `None` once the thread is told to end, and where there is none.
    queue: Option<Sender<Box<Entry>>>,
    /// Says nothing, but is closed when the thread has ended.
    ended: Receiver<()>,
    plight: Arc<Plight>,
    /// How everybody is as far as we heard: who is as before has no history.
    seen: HashMap<Subject, Told>,
}

impl History {
    /// Goes on with the file in that directory, in a thread that has our rights as they are now. Who was `seen` in which
    /// state before isn't news.
    pub(crate) fn begin(state_dir: &Path, seen: impl Iterator<Item = (Subject, Told)>) -> Self {
        // Without a bound of its own, since one with a bound takes the memory for it at once.
        let (sender, entries) = mpsc::channel();
        let (end, ended) = mpsc::sync_channel(0);
        let plight = Arc::new(Plight::default());
        let writer = Writer::new(state_dir, Arc::clone(&plight));
        let thread = Builder::new().name("history".to_owned()).spawn(move || {
            // Held as long as the thread lives.
            let _end: SyncSender<()> = end;
            writer.run(&entries);
        });
        if let Err(error) = &thread {
            plight.complain(format!("start a thread to write the history: {error}"));
        }
        let queue = thread.is_ok().then_some(sender);
        let history = Self { path: state_dir.join(FILE), queue, ended, plight, seen: seen.collect() };
        let version = env!("CARGO_PKG_VERSION").to_owned();
        history.put(Entry::Started { at: stamp(), version, pid: std::process::id() });
        history
    }

    /// Others go by other names now, and whoever isn't `known` is forgotten.
    pub(crate) fn reconfigure(
        &mut self,
        renamed: &HashMap<Subject, Subject>,
        known: impl Fn(&Subject) -> bool,
    ) {
        let seen = std::mem::take(&mut self.seen).into_iter();
        let seen = seen.map(|(subject, state)| (renamed.get(&subject).cloned().unwrap_or(subject), state));
        self.seen = seen.filter(|(subject, _)| known(subject)).collect();
    }

    /// Somebody is in a state. Of who was INIT before, or isn't `known` to be anything, INIT isn't news.
    pub(crate) fn heard(&mut self, occasion: &Occasion) {
        if !occasion.is_state() {
            return;
        }
        let (subject, state) = (occasion.subject(), occasion.to());
        let before = self.seen.insert(subject, state);
        if before == Some(state) || (before.is_none() && state == Told::Init) {
            return;
        }
        // Whoever came from elsewhere than we knew stands in a snapshot, which knows nothing of the way.
        let is_told = before == Some(occasion.from());
        self.put(match occasion.clone() {
            // Not a state: what a hook makes of it is in here.
            Occasion::LowerMaster(_) | Occasion::Priority(_) => return,
            Occasion::Instance(event) | Occasion::Deleted(event) if is_told => Entry::Event(event),
            Occasion::Group(event) if is_told => Entry::GroupEvent(event),
            Occasion::Instance(event) | Occasion::Deleted(event) => Entry::State(Found {
                at: stamp(),
                state: InstanceState {
                    instance: event.instance,
                    state: event.to,
                    priority: event.priority,
                    cause: event.cause,
                    since: event.at,
                },
            }),
            Occasion::Group(event) => Entry::GroupState(Found {
                at: stamp(),
                state: GroupState {
                    group: event.group,
                    state: event.to,
                    cause: event.cause,
                    since: event.at,
                },
            }),
        });
    }

    /// A hook or a prelude has ended, or couldn't be started.
    pub(crate) fn ran(&self, subject: Option<&Subject>, entry: &ledger::Entry) {
        let (instance, group) = subject.map(names).unwrap_or_default();
        self.put(Entry::Hook(Ran {
            at: stamp(),
            instance,
            group,
            hook: entry.hook.to_owned(),
            state: entry.state,
            user: entry.user.clone(),
            outcome: entry.outcome.clone(),
            succeeded: entry.succeeded,
            duration_ms: entry.duration_ms,
            output: end_of(&entry.output).to_owned(),
        }));
    }

    /// Hooks aren't run for a state.
    pub(crate) fn skipped(&self, subject: &Subject, state: Told, reason: String) {
        let (instance, group) = names(subject);
        self.put(Entry::Skipped(Skipped { at: stamp(), instance, group, state, reason }));
    }

    /// vrrp-core was away for so long.
    pub(crate) fn gap(&self, away: Duration) {
        self.put(Entry::Gap { at: stamp(), away_ms: u64::try_from(away.as_millis()).unwrap_or(u64::MAX) });
    }

    /// For the status.
    pub(crate) fn view(&self) -> HistoryView {
        HistoryView {
            path: self.path.display().to_string(),
            lost: self.plight.lost_in_all(),
            trouble: self.plight.trouble(),
        }
    }

    fn put(&self, entry: Entry) {
        let Some(queue) = &self.queue else { return self.plight.lose() };
        if !self.plight.enter(MAX_QUEUED) {
            self.plight.lose();
            self.plight.complain(format!("{}: more than {MAX_QUEUED} entries wait", self.path.display()));
        } else if queue.send(Box::new(entry)).is_err() {
            self.plight.lose();
        }
        if self.plight.hangs(sys::clock::now()) {
            self.plight.complain(format!("{}: the disk hangs, entries wait for it", self.path.display()));
        }
    }
}

impl Drop for History {
    /// The last entries are written, unless the disk hangs.
    fn drop(&mut self) {
        self.put(Entry::Stopped { at: stamp() });
        if self.queue.take().is_some() && self.ended.recv_timeout(FAREWELL) == Err(RecvTimeoutError::Timeout)
        {
            log::warn!("{}: the last entries aren't written yet, and won't be", self.path.display());
        }
    }
}

fn names(subject: &Subject) -> (Option<InstanceName>, Option<GroupName>) {
    match subject.clone() {
        Subject::Instance(name) => (Some(name), None),
        Subject::Group(name) => (None, Some(name)),
    }
}

fn stamp() -> String {
    service::stamp::rfc3339(sys::clock::wall())
}

/// The last [`MAX_OUTPUT`] bytes, less what is left of a character.
fn end_of(output: &str) -> &str {
    let mut from = output.len().saturating_sub(MAX_OUTPUT);
    while !output.is_char_boundary(from) {
        from = from.saturating_add(1);
    }
    output.get(from..).unwrap_or_default()
}

#[cfg(test)]
mod tests;
