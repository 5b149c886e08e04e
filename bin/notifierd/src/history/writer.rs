//! The thread that writes the history, and the file it writes.
//!
//! What it must never do: let the file grow beyond its bound, write to what isn't ours, or keep silent about what is missing.
//! Whatever goes wrong, it tries again by itself, and what was lost meanwhile is the first thing that it writes then.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ipc::history::{Entry, FILE, Lost, MAX_SIZE, OLD_FILE};
use ipc::json;
use model::Instant;

/// How long after a failure it is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(2);
/// A write that takes longer is one to a disk that hangs.
const HANGS_AFTER: Duration = Duration::from_secs(5);
/// Who may read it beside us: the group, whose members may ask notifierd anyway. Hooks say what isn't for everybody.
const MODE: u32 = 0o640;

/// What is wrong with the history, as both ends of the queue know it. Nobody holds the lock while the disk is waited for.
#[derive(Debug, Default)]
pub(super) struct Plight {
    /// Lost, and not yet told in the file.
    untold: AtomicU64,
    lost: AtomicU64,
    /// Entries that wait to be written.
    queued: AtomicUsize,
    /// When the write that goes on was begun, in nanoseconds of the clock; 0 while none does.
    begun: AtomicU64,
    trouble: Mutex<Option<String>>,
}

impl Plight {
    /// One more entry waits; false, and nothing is counted, if that would be more than so many.
    pub(super) fn enter(&self, limit: usize) -> bool {
        let more = |queued: usize| (queued < limit).then(|| queued.saturating_add(1));
        self.queued.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn leave(&self) {
        self.queued.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn begin(&self, now: Instant) {
        self.begun.store(now.as_nanos(), Ordering::Relaxed);
    }

    fn end(&self) {
        self.begun.store(0, Ordering::Relaxed);
    }

    /// Whether a write goes on for longer than any healthy disk takes.
    pub(super) fn hangs(&self, now: Instant) -> bool {
        let begun = self.begun.load(Ordering::Relaxed);
        begun != 0 && now.since(Instant::from_nanos(begun)) > HANGS_AFTER
    }

    /// An entry won't be written.
    pub(super) fn lose(&self) {
        self.untold.fetch_add(1, Ordering::Relaxed);
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// Since the start.
    pub(super) fn lost_in_all(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// What is wrong, if anything is; what is new is logged.
    pub(super) fn complain(&self, text: String) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        // The first stands until it is settled: two that take turns would fill the log.
        if trouble.is_none() {
            log::error!("history: {text}; nothing but the history suffers from it");
            *trouble = Some(text);
        }
    }

    fn settle(&self) {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take();
        if trouble.is_some() {
            log::info!("history: it is written again");
        }
    }

    /// In words.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The file, and what comes before it.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    old: PathBuf,
    plight: Arc<Plight>,
    /// With its size; `None` until there is something to write, and after a failure.
    file: Option<(File, u64)>,
    /// After a failure, not before.
    try_again: Instant,
    /// Something was written in this life.
    has_written: bool,
    pub(super) max_size: u64,
}

impl Writer {
    /// Nothing is opened yet: the first entry does that.
    pub(super) fn new(state_dir: &Path, plight: Arc<Plight>) -> Self {
        let (path, old) = (state_dir.join(FILE), state_dir.join(OLD_FILE));
        Self {
            path,
            old,
            plight,
            file: None,
            try_again: Instant::ZERO,
            has_written: false,
            max_size: MAX_SIZE,
        }
    }

    /// Writes until nobody can say anything any more.
    pub(super) fn run(mut self, entries: &Receiver<Box<Entry>>) {
        loop {
            // Only where something is missing is there anything to do without an entry.
            let next = if self.plight.trouble().is_some() {
                entries.recv_timeout(TRY_AGAIN)
            } else {
                entries.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            match next {
                Ok(entry) => {
                    self.plight.leave();
                    self.plight.begin(sys::clock::now());
                    self.write(&entry, sys::clock::now());
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.plight.begin(sys::clock::now());
                    self.recover(sys::clock::now());
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.plight.end();
        }
    }

    /// Writes an entry, or loses it.
    pub(super) fn write(&mut self, entry: &Entry, now: Instant) {
        if self.file.is_none() && self.try_again > now {
            return self.plight.lose();
        }
        if let Err(error) = self.catch_up().and_then(|()| self.append(entry)) {
            self.plight.lose();
            self.fail(&error, now);
        }
    }

    fn recover(&mut self, now: Instant) {
        if let Err(error) = self.catch_up() {
            self.fail(&error, now);
        }
    }

    /// Says first what is missing, if anything is.
    fn catch_up(&mut self) -> io::Result<()> {
        let untold = self.plight.untold.swap(0, Ordering::Relaxed);
        if untold > 0 {
            let at = service::stamp::rfc3339(sys::clock::wall());
            let reason = self.plight.trouble().unwrap_or_default();
            let at_least = !self.has_written;
            let told = self.append(&Entry::Lost(Lost { at, entries: untold, at_least, reason }));
            told.inspect_err(|_| {
                self.plight.untold.fetch_add(untold, Ordering::Relaxed);
            })?;
        }
        self.plight.settle();
        Ok(())
    }

    fn append(&mut self, entry: &Entry) -> io::Result<()> {
        let line = json::line(entry).map_err(io::Error::other)?;
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        let (mut file, mut size) = match self.file.take() {
            // Somebody has removed it, renamed it, or put something else in its place: they want a new one.
            Some((file, _)) if !self.is_in_its_place(&file)? => self.open()?,
            Some(open) => open,
            None => self.open()?,
        };
        if size > 0 && size.saturating_add(length) > self.max_size {
            fs::rename(&self.path, &self.old)?;
            (file, size) = self.open()?;
        }
        file.write_all(&line)?;
        self.has_written = true;
        self.file = Some((file, size.saturating_add(length)));
        Ok(())
    }

    fn is_in_its_place(&self, file: &File) -> io::Result<bool> {
        let own = file.metadata()?;
        match fs::symlink_metadata(&self.path) {
            Ok(there) => Ok((there.dev(), there.ino()) == (own.dev(), own.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Goes on with what is there. A line that was torn ends here, so that the next one isn't torn along.
    fn open(&self) -> io::Result<(File, u64)> {
        let mut file = sys::own_file::append(&self.path, MODE)?;
        let size = file.metadata()?.len();
        if size == 0 {
            return Ok((file, 0));
        }
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last == *b"\n" {
            return Ok((file, size));
        }
        file.write_all(b"\n")?;
        Ok((file, size.saturating_add(1)))
    }

    fn fail(&mut self, error: &io::Error, now: Instant) {
        self.file = None;
        self.try_again = now + TRY_AGAIN;
        self.plight.complain(format!("write {}: {error}", self.path.display()));
    }
}
