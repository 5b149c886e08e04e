//! The files that make up a configuration: only regular ones, each within bounds, and none changed meanwhile.
//!
//! Nothing here knows the language. A FIFO or a device must neither be waited for nor be read: who names one by mistake
//! gets a message, not a program that hangs.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// The largest file that is read, in bytes: a thousand times what a large site has.
pub const MAX_FILE: usize = 16 << 20;
/// How many bytes all files of one configuration may have together.
const MAX_TOTAL: usize = 64 << 20;
/// How many files may make up one configuration.
const MAX_FILES: usize = 10_000;

/// What a file was when it was opened; the same again means the same bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether both are of one file, whatever is in it.
    pub(crate) const fn is_same_file(&self, other: &Self) -> bool {
        self.device == other.device && self.inode == other.inode
    }
}

/// Why a file isn't read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// The kernel says so.
    Io(io::Error),
    /// It is none: what it is instead.
    NotAFile(&'static str),
    /// All files together would be larger or more than a configuration may have.
    TooMuch,
}

impl From<rustix::io::Errno> for Unread {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Io(errno.into())
    }
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A file's bytes, one more than [`MAX_FILE`] at most.
pub(crate) struct Content {
    pub(crate) bytes: Vec<u8>,
    pub(crate) stamp: Stamp,
    /// It has an execute bit, which keepalived takes as a reason not to read it.
    pub(crate) executable: bool,
}

/// Every file that was read so far.
#[derive(Default)]
pub(crate) struct Files {
    read: Vec<(PathBuf, Stamp)>,
    total: usize,
}

impl Files {
    pub(crate) fn read(&mut self, path: &Path) -> Result<Content, Unread> {
        if self.read.len() >= MAX_FILES || self.total >= MAX_TOTAL {
            return Err(Unread::TooMuch);
        }
        // Opening a FIFO would wait for a writer without this.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
        let metadata = file.metadata()?;
        if let Some(kind) = other_kind(&metadata) {
            return Err(Unread::NotAFile(kind));
        }
        let stamp = Stamp::of(&metadata);
        let mut bytes = Vec::new();
        let limit = u64::try_from(MAX_FILE).unwrap_or(u64::MAX).saturating_add(1);
        file.take(limit).read_to_end(&mut bytes)?;
        self.total += bytes.len();
        self.read.push((path.to_owned(), stamp));
        Ok(Content { bytes, stamp, executable: metadata.mode() & 0o111 != 0 })
    }

    /// The first file that isn't any more what it was when it was opened.
    pub(crate) fn changed(&self) -> Option<&Path> {
        let is_other = |(path, stamp): &&(PathBuf, Stamp)| {
            fs::metadata(path).map(|now| Stamp::of(&now)).ok() != Some(*stamp)
        };
        self.read.iter().find(is_other).map(|(path, _)| path.as_path())
    }
}

/// What a path names, if it is no regular file.
fn other_kind(metadata: &Metadata) -> Option<&'static str> {
    let kind = metadata.file_type();
    Some(match () {
        () if kind.is_file() => return None,
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_seen_whoever_made_it() {
        let path = std::env::temp_dir().join(format!("handover-files-{}", std::process::id()));
        let read = || {
            fs::write(&path, "a").unwrap();
            let mut files = Files::default();
            assert_eq!(files.read(&path).unwrap().bytes, b"a");
            assert_eq!(files.changed(), None);
            files
        };
        let files = read();
        fs::write(&path, "ab").unwrap();
        assert_eq!(files.changed(), Some(path.as_path()));
        let files = read();
        // The same text in another file, as editors save it.
        fs::copy(&path, path.with_extension("new")).unwrap();
        fs::rename(path.with_extension("new"), &path).unwrap();
        assert_eq!(files.changed(), Some(path.as_path()));
        let files = read();
        fs::remove_file(&path).unwrap();
        assert_eq!(files.changed(), Some(path.as_path()));
    }
}
