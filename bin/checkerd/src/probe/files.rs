//! Files that are there or not, and the numbers in them.
//!
//! What happens in a directory is told by inotify(7), so that a look at an interval only mends what was missed: a directory
//! that isn't there yet, or that was replaced. What it must never do: wait for a file (one that is a FIFO is refused), or
//! read more of it than a number takes.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use checks::{CheckId, Outcome};
use config::{Initial, NumberFile};
use rustix::fs::OFlags;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};

/// So many bytes of a file are read: a number, and blanks before it.
const MAX_READ: u64 = 128;
/// So many bytes of events are taken at once; one has at most a name of 255.
const EVENTS: usize = 4096;

/// Which directories are watched, and for whom.
#[derive(Debug, Default)]
pub(super) struct Watcher {
    /// `None` before the first file, and where the kernel has none left for us.
    inotify: Option<OwnedFd>,
    tried: bool,
    directories: HashMap<i32, PathBuf>,
    files: HashMap<CheckId, PathBuf>,
}

impl Watcher {
    /// Such checks are no more.
    pub(super) fn forget(&mut self, which: impl Fn(&CheckId) -> bool) {
        self.files.retain(|check, _| !which(check));
        let gone: Vec<i32> = self.directories.keys().copied().filter(|id| !self.is_needed(*id)).collect();
        for id in gone {
            self.directories.remove(&id);
            if let Some(inotify) = &self.inotify {
                // It may be gone already.
                let _ = inotify::remove_watch(inotify, id);
            }
        }
    }

    fn is_needed(&self, id: i32) -> bool {
        let directory = self.directories.get(&id).map(PathBuf::as_path);
        self.files.values().any(|file| file.parent() == directory)
    }

    /// From now on, as far as that is possible, what happens to it is told. `register` is told of the descriptor, once.
    pub(super) fn watch(
        &mut self,
        check: CheckId,
        path: &Path,
        register: impl FnOnce(&OwnedFd) -> io::Result<()>,
    ) {
        if !self.tried {
            self.tried = true;
            self.inotify = open(register)
                .map_err(|error| log::warn!("files are looked at each interval alone: inotify: {error}"))
                .ok();
        }
        let (Some(inotify), Some(directory)) = (&self.inotify, path.parent()) else { return };
        if self.directories.values().any(|known| known == directory) && self.files.contains_key(&check) {
            return;
        }
        // Not each write: whoever replaces a number by a shorter text has an empty file in between.
        let what = WatchFlags::CLOSE_WRITE | WatchFlags::CREATE | WatchFlags::DELETE;
        let what = what | WatchFlags::MOVED_FROM | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
        let what = what | WatchFlags::MOVE_SELF | WatchFlags::DELETE_SELF;
        match inotify::add_watch(inotify, directory, what) {
            Ok(id) => {
                self.directories.insert(id, directory.to_owned());
                self.files.insert(check, path.to_owned());
            }
            Err(error) => log::debug!("watch {}: {error}", directory.display()),
        }
    }

    /// Whose files are something else now.
    pub(super) fn on_ready(&mut self) -> Vec<CheckId> {
        let mut changed: Vec<(PathBuf, Option<OsString>)> = Vec::new();
        let Some(inotify) = &self.inotify else { return Vec::new() };
        let mut buffer = [MaybeUninit::uninit(); EVENTS];
        let mut reader = Reader::new(inotify, &mut buffer);
        while let Ok(event) = reader.next() {
            let ends = ReadFlags::IGNORED | ReadFlags::MOVE_SELF | ReadFlags::DELETE_SELF;
            let directory = if event.events().intersects(ends) {
                self.directories.remove(&event.wd())
            } else {
                self.directories.get(&event.wd()).cloned()
            };
            let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()).to_owned());
            changed.extend(directory.map(|directory| (directory, name)));
        }
        let concerned = |path: &Path| {
            changed.iter().any(|(directory, name)| {
                let is_it = name.as_deref().is_none_or(|name| path.file_name() == Some(name));
                path.parent() == Some(directory) && is_it
            })
        };
        self.files.iter().filter(|(_, path)| concerned(path)).map(|(check, _)| *check).collect()
    }
}

fn open(register: impl FnOnce(&OwnedFd) -> io::Result<()>) -> io::Result<OwnedFd> {
    let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    register(&inotify)?;
    Ok(inotify)
}

/// Whether it is there.
pub(super) fn exists(path: &Path) -> Outcome {
    match path.metadata() {
        Ok(_) => Outcome::Passed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Outcome::Failed(format!("{} does not exist", path.display()))
        }
        Err(error) => Outcome::CannotRun(format!("look at {}: {error}", path.display())),
    }
}

/// Its number. As in keepalived it is 0 if there is no file, or no number in it.
pub(super) fn number(path: &Path) -> Outcome {
    match read(path, MAX_READ) {
        Ok(text) => Outcome::Number(parse(&text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Outcome::Number(0),
        Err(error) => Outcome::CannotRun(format!("read {}: {error}", path.display())),
    }
}

/// The beginning of a regular file: nothing else ends for sure, or answers at once.
pub(super) fn read(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
    // Opening a FIFO would wait for somebody who writes.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut text = Vec::new();
    file.take(longest).read_to_end(&mut text)?;
    Ok(text)
}

/// As strtol(3) with base 0: blanks, a sign, `0x` or `0`, digits, and whatever follows. Beyond 32 bits: the greatest there.
fn parse(text: &[u8]) -> i32 {
    let text = text.trim_ascii_start();
    let (negative, text) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        Some(_) | None => (false, text),
    };
    let (base, digits) = match text {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest),
        [b'0', rest @ ..] => (8, rest),
        _ => (10, text),
    };
    let digits = digits.iter().map_while(|byte| char::from(*byte).to_digit(base));
    let value = digits.fold(0_i64, |value, digit| {
        value.saturating_mul(i64::from(base)).saturating_add(i64::from(digit)).min(i64::from(u32::MAX))
    });
    let value = if negative { -value } else { value };
    i32::try_from(value.clamp(i64::from(i32::MIN), i64::from(i32::MAX))).unwrap_or(0)
}

/// `init_file`: writes the number if there is no file, or whatever there is.
///
/// # Errors
/// Those of open(2) and write(2): mostly that checkerd may not write there.
pub(super) fn initialize(file: &NumberFile) -> io::Result<()> {
    let Some(Initial { number, overwrite }) = file.initial else { return Ok(()) };
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let opened = if overwrite {
        options.create(true).truncate(true).open(&file.path)
    } else {
        options.create_new(true).open(&file.path)
    };
    match opened {
        Ok(mut opened) => opened.write_all(format!("{number}\n").as_bytes()),
        Err(error) if !overwrite && error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_keepalived_reads_them() {
        for (text, wanted) in [
            ("", 0),
            ("10\n", 10),
            (" \t-7 is it", -7),
            ("+3", 3),
            ("0x10", 16),
            ("010", 8),
            ("ten", 0),
            ("-", 0),
            ("99999999999999999999", i32::MAX),
            ("-99999999999999999999", i32::MIN),
        ] {
            assert_eq!(parse(text.as_bytes()), wanted, "{text:?}");
        }
    }
}
