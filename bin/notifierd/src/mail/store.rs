//! The letters that wait, on disk: for the notifierd that comes after us.
//!
//! A line for each letter in a file of the state directory ([`Keepsake`]), which isn't there while none waits. What it must never
//! do: grow, or read what isn't ours. One that was handed in just before a kill is sent once more, with the same number.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ipc::json;
use runner::MAX_INPUT;
use service::Keepsake;

use super::letter::Letter;
use super::queue::MAX_WAITING;

/// The file's name in the state directory.
const FILE: &str = "mail.jsonl";
/// What a file that isn't understood is called from then on.
const BAD_FILE: &str = "mail.bad";
/// All that may wait and the one under way, as long as they can be, in bytes. A larger file isn't one of ours.
const MAX_SIZE: usize = (MAX_WAITING + 1) * MAX_INPUT;

/// What waits, kept on disk.
#[derive(Debug)]
pub(super) struct Store(Keepsake);

impl Store {
    /// With what an earlier notifierd has left in that directory, in its order.
    pub(super) fn open(state_dir: &Path) -> (Self, Vec<Letter>) {
        let path = state_dir.join(FILE);
        let letters = load(&path).unwrap_or_else(|error| {
            set_aside(&path, &error);
            Vec::new()
        });
        (Self(Keepsake::new(path, "mail that waits")), letters)
    }

    /// These wait, and no others.
    pub(super) fn keep<'a>(&mut self, letters: impl Iterator<Item = &'a Letter>) {
        self.0.keep(letters.filter_map(Letter::line).flatten().collect());
    }

    /// Why what waits isn't on disk, once all was written that can be.
    pub(super) fn close(&mut self) -> Option<String> {
        self.0.close()
    }
}

/// None where there is no file.
fn load(path: &Path) -> io::Result<Vec<Letter>> {
    let text = sys::own_file::read(path, MAX_SIZE)?.unwrap_or_default();
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
