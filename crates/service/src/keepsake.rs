//! What a daemon keeps on disk for its successor, written beside the loop.
//!
//! A file in the state directory that always has the latest text, written as a whole by a thread of its own, and not there while
//! the text is empty. What it must never do: keep the loop waiting for a disk, or grow. Only the latest is written, so that a
//! disk that hangs costs no memory. Nothing is synced: it survives the daemon's death, and a power cut may cost it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use sys::own_file::Durability;

/// How long the last words have to reach the file when we end.
const FAREWELL: Duration = Duration::from_secs(1);
/// Enough for a line of the log, and little: vrrp-core's memory is locked.
const STACK: usize = 256 << 10;

/// What goes from the loop to the thread, and back.
#[derive(Debug, Default)]
struct Slot {
    /// To be written next; none for what is written already.
    text: Option<Vec<u8>>,
    /// Why the last text isn't on disk.
    trouble: Option<String>,
}

/// The thread as the loop knows it.
#[derive(Debug)]
struct Writer {
    /// Says that there is something in the slot; the thread ends when it is dropped.
    bell: SyncSender<()>,
    /// Says nothing, but is closed when the thread has ended.
    ended: Receiver<()>,
}

/// The loop's end.
#[derive(Debug)]
pub struct Keepsake {
    path: PathBuf,
    what: &'static str,
    slot: Arc<Mutex<Slot>>,
    /// From the first text on, so that it has no more rights than the loop has then.
    writer: Option<Writer>,
}

impl Keepsake {
    /// To be kept at `path`; `what` is kept, for the log.
    #[must_use]
    pub fn new(path: PathBuf, what: &'static str) -> Self {
        Self { path, what, slot: Arc::default(), writer: None }
    }

    /// Where it is kept.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// This is the text from now on; what can't be written is told in the log, once.
    pub fn keep(&mut self, text: Vec<u8>) {
        locked(&self.slot).text = Some(text);
        if self.writer.is_none() {
            match self.start() {
                Ok(writer) => self.writer = Some(writer),
                Err(error) => {
                    tell(&self.slot, self.what, Some(format!("start a thread to write it: {error}")))
                }
            }
        }
        if let Some(Writer { bell, .. }) = &self.writer {
            // Where it rings already, the thread has yet to look.
            let (Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(()))) = bell.try_send(());
        }
    }

    fn start(&self) -> io::Result<Writer> {
        let (bell, rings) = mpsc::sync_channel(1);
        let (end, ended) = mpsc::sync_channel(0);
        let (slot, path, what) = (Arc::clone(&self.slot), self.path.clone(), self.what);
        Builder::new().name("keepsake".to_owned()).stack_size(STACK).spawn(move || {
            // Held as long as the thread lives.
            let _end: SyncSender<()> = end;
            if let Err(error) = sys::schedule::ordinary() {
                log::warn!("work beside the loop at its priority: {error}");
            }
            // The last text is there before the bell is gone.
            while rings.recv().is_ok() {
                write_latest(&slot, &path, what);
            }
            write_latest(&slot, &path, what);
        })?;
        Ok(Writer { bell, ended })
    }

    /// Why the text isn't on disk, once all was written that can be; waits no longer than a second.
    pub fn close(&mut self) -> Option<String> {
        if let Some(Writer { bell, ended }) = self.writer.take() {
            drop(bell);
            if ended.recv_timeout(FAREWELL) == Err(RecvTimeoutError::Timeout) {
                return Some("the disk hangs".to_owned());
            }
        }
        locked(&self.slot).trouble.take()
    }
}

impl Drop for Keepsake {
    /// However we end, short of a kill.
    fn drop(&mut self) {
        self.close();
    }
}

fn locked(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// In the thread; the lock isn't held while the disk is waited for.
fn write_latest(slot: &Mutex<Slot>, path: &Path, what: &str) {
    let Some(text) = locked(slot).text.take() else { return };
    tell(slot, what, write(path, &text).err().map(|error| format!("{}: {error}", path.display())));
}

fn tell(slot: &Mutex<Slot>, what: &str, trouble: Option<String>) {
    let before = std::mem::replace(&mut locked(slot).trouble, trouble.clone());
    match (before, trouble) {
        (None, Some(trouble)) => log::warn!("{what} will be lost when we end: {trouble}"),
        (Some(_), None) => log::info!("{what}: on disk again"),
        (None, None) | (Some(_), Some(_)) => {}
    }
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    if text.is_empty() {
        return sys::own_file::remove(path);
    }
    sys::own_file::replace(path, text, Durability::Process).map(drop)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("handover-keepsake-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn the_last_text_is_there_in_the_end_and_an_empty_one_is_no_file() {
        let directory = scratch("last");
        let path = directory.join("file");
        for (texts, left) in [(100, Some("99")), (0, None)] {
            let mut keepsake = Keepsake::new(path.clone(), "a number");
            for number in 0..texts {
                keepsake.keep(number.to_string().into_bytes());
            }
            if left.is_none() {
                keepsake.keep(Vec::new());
            }
            assert_eq!(keepsake.close(), None);
            assert_eq!(fs::read_to_string(&path).ok().as_deref(), left);
        }
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn who_keeps_nothing_touches_nothing() {
        let directory = scratch("nothing");
        let path = directory.join("file");
        fs::write(&path, "of the one before").unwrap();
        drop(Keepsake::new(path.clone(), "nothing"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "of the one before");
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_directory_that_is_not_there_is_a_reason() {
        let mut keepsake = Keepsake::new(PathBuf::from("/nonexistent/file"), "a number");
        keepsake.keep(b"1".to_vec());
        assert!(keepsake.close().unwrap().contains("/nonexistent/file: No such file"), "a reason");
    }
}
