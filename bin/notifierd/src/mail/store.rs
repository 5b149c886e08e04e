//! The letters that wait, on disk: for the notifierd that comes after us.
//!
//! A file in the state directory with a line for each letter, written as a whole by a thread of its own whenever others wait, and
//! not there while none does. What it must never do: keep the loop waiting for a disk, grow, or read what isn't ours. Only the
//! latest is written, so that a disk that hangs costs no memory. Nothing is synced: it survives our death, and a power cut may
//! cost letters. One that was handed in just before a kill is sent once more, with the same number.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use ipc::json;
use runner::MAX_INPUT;

use super::letter::Letter;
use super::queue::MAX_WAITING;

/// The file's name in the state directory.
const FILE: &str = "mail.jsonl";
/// What a file that isn't understood is called from then on.
const BAD_FILE: &str = "mail.bad";
/// All that may wait and the one under way, as long as they can be, in bytes. A larger file isn't one of ours.
const MAX_SIZE: usize = (MAX_WAITING + 1) * MAX_INPUT;
/// How long the last words have to reach the file when we end.
const FAREWELL: Duration = Duration::from_secs(1);

/// What goes from the loop to the thread, and back.
#[derive(Debug, Default)]
struct Slot {
    /// To be written next; none for what is written already.
    text: Option<Vec<u8>>,
    /// Why the last text isn't on disk.
    trouble: Option<String>,
}

/// The loop's end.
#[derive(Debug)]
pub(super) struct Store {
    slot: Arc<Mutex<Slot>>,
    /// Says that there is something in the slot; `None` once the thread is told to end, and where there is none.
    bell: Option<SyncSender<()>>,
    /// Says nothing, but is closed when the thread has ended.
    ended: Receiver<()>,
}

impl Store {
    /// With what an earlier notifierd has left in that directory, in its order.
    pub(super) fn open(state_dir: &Path) -> (Self, Vec<Letter>) {
        let path = state_dir.join(FILE);
        let letters = load(&path).unwrap_or_else(|error| {
            set_aside(&path, &error);
            Vec::new()
        });
        let slot = Arc::new(Mutex::new(Slot::default()));
        let (bell, rings) = mpsc::sync_channel(1);
        let (end, ended) = mpsc::sync_channel(0);
        let theirs = Arc::clone(&slot);
        let thread = Builder::new().name("mail".to_owned()).spawn(move || {
            // Held as long as the thread lives.
            let _end: SyncSender<()> = end;
            // The last text is there before the bell is gone.
            while rings.recv().is_ok() {
                write_latest(&theirs, &path);
            }
            write_latest(&theirs, &path);
        });
        if let Err(error) = &thread {
            log::warn!("mail: what waits will be lost when we end: start a thread to write it: {error}");
        }
        (Self { slot, bell: thread.is_ok().then_some(bell), ended }, letters)
    }

    /// These wait, and no others.
    pub(super) fn keep<'a>(&self, letters: impl Iterator<Item = &'a Letter>) {
        let Some(bell) = &self.bell else { return };
        let text = letters.filter_map(Letter::line).flatten().collect();
        locked(&self.slot).text = Some(text);
        // Where it rings already, the thread has yet to look.
        let _ = bell.try_send(());
    }

    /// Why what waits isn't on disk, once all was written that can be.
    pub(super) fn close(&mut self) -> Option<String> {
        if self.bell.take().is_none() {
            return Some("there is no thread to write it".to_owned());
        }
        if self.ended.recv_timeout(FAREWELL) == Err(RecvTimeoutError::Timeout) {
            return Some("the disk hangs".to_owned());
        }
        locked(&self.slot).trouble.take()
    }
}

impl Drop for Store {
    /// However we end, short of a kill.
    fn drop(&mut self) {
        self.close();
    }
}

fn locked(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// In the thread; the lock isn't held while the disk is waited for.
fn write_latest(slot: &Mutex<Slot>, path: &Path) {
    let Some(text) = locked(slot).text.take() else { return };
    let trouble = write(path, &text).err().map(|error| format!("{}: {error}", path.display()));
    let before = std::mem::replace(&mut locked(slot).trouble, trouble.clone());
    match (before, trouble) {
        (None, Some(trouble)) => log::warn!("mail: what waits will be lost when we end: {trouble}"),
        (Some(_), None) => log::info!("mail: what waits is on disk again"),
        (None, None) | (Some(_), Some(_)) => {}
    }
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    if !text.is_empty() {
        return sys::own_file::replace(path, text).map(drop);
    }
    sys::own_file::remove(path)
}

/// None where there is no file.
fn load(path: &Path) -> io::Result<Vec<Letter>> {
    let file = match sys::own_file::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened?,
    };
    let (limit, mut text) = (u64::try_from(MAX_SIZE).unwrap_or(u64::MAX), Vec::new());
    file.take(limit.saturating_add(1)).read_to_end(&mut text)?;
    if text.len() > MAX_SIZE {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too large to be ours"));
    }
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let letters = lines.enumerate().map(|(number, line)| {
        let bad = |error: String| {
            let place = number.saturating_add(1);
            io::Error::new(io::ErrorKind::InvalidData, format!("line {place}: {error}"))
        };
        let letter: Letter = json::parse(line).map_err(|error| bad(error.to_string()))?;
        // What can't be handed in must not come back for ever.
        letter.line().map(|_| letter).ok_or_else(|| bad("it is too long for a letter".to_owned()))
    });
    letters.collect()
}

fn set_aside(path: &Path, error: &io::Error) {
    let bad: PathBuf = path.with_file_name(BAD_FILE);
    let what = format!("what waited before our start is lost: {}: {error}", path.display());
    match fs::rename(path, &bad) {
        Ok(()) => log::warn!("mail: {what}; it is {} now", bad.display()),
        Err(stays) => log::warn!("mail: {what}; and it can't be set aside: {stays}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("handover-mail-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn file(&self) -> PathBuf {
            self.0.join(FILE)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn letter(id: &str) -> Letter {
        Letter { id: id.to_owned(), date: 1, subject: "a\nb".to_owned(), body: "c\r\n.\r\n".to_owned() }
    }

    #[test]
    fn what_is_kept_last_is_what_the_next_one_finds() {
        let scratch = Scratch::new("next");
        let (mut store, found) = Store::open(&scratch.0);
        assert_eq!(found, []);
        for last in 0..100 {
            store.keep((0..last).map(|id| letter(&id.to_string())).collect::<Vec<_>>().iter());
        }
        store.keep([letter("1"), letter("2")].iter());
        assert_eq!(store.close(), None);
        let (mut store, found) = Store::open(&scratch.0);
        assert_eq!(found, [letter("1"), letter("2")]);
        assert!(scratch.file().exists(), "not before they are sent");
        store.keep([].iter());
        assert_eq!(store.close(), None);
        assert!(!scratch.file().exists());
    }

    #[test]
    fn what_is_not_understood_is_set_aside() {
        let scratch = Scratch::new("bad");
        let good = String::from_utf8(letter("1").line().unwrap()).unwrap();
        let long = good.replace(r#""1""#, &format!("\"{}\"", "1".repeat(MAX_INPUT)));
        let large = "\n".repeat(MAX_SIZE + 1);
        for text in ["garbage\n", &format!("{good}{{\"id\":\"torn"), &long, &large, "\u{0}"] {
            fs::write(scratch.file(), text).unwrap();
            assert_eq!(Store::open(&scratch.0).1, []);
            assert!(!scratch.file().exists());
            assert_eq!(fs::read_to_string(scratch.0.join(BAD_FILE)).unwrap(), *text);
        }
        std::os::unix::fs::symlink("/etc/passwd", scratch.file()).unwrap();
        assert_eq!(Store::open(&scratch.0).1, []);
        assert!(!scratch.file().is_symlink());
    }

    #[test]
    fn a_directory_that_is_not_there_keeps_nothing_and_nobody() {
        let scratch = Scratch::new("gone");
        let (mut store, found) = Store::open(&scratch.0.join("none"));
        assert_eq!(found, []);
        store.keep([letter("1")].iter());
        assert!(store.close().unwrap().contains("No such file"), "a reason");
    }
}
