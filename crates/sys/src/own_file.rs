//! Files that a daemon keeps for itself in a directory into which others may write, too.
//!
//! The state and the runtime directory are shared by the daemons' group: a sibling that was taken over could put a file, a link or a FIFO there
//! before we do. So what we read must be our own regular file, and what we write must be new. Read open(2) on O_NOFOLLOW,
//! O_EXCL and O_NONBLOCK first.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// `rw-r-----`, and less by the umask.
const MODE: u32 = 0o640;

/// A regular file that belongs to us, to be read.
///
/// # Errors
/// As open(2); `InvalidData` if it is somebody else's, or no regular file.
pub fn open(path: &Path) -> io::Result<File> {
    ours(regular(path, File::options().read(true))?)
}

/// What is in a regular file that belongs to us; `None` where there is no file.
///
/// # Errors
/// As [`open`], read(2); `InvalidData` for more than `max` bytes.
pub fn read(path: &Path, max: usize) -> io::Result<Option<Vec<u8>>> {
    let file = match open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    file.take(u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > max { Err(strange("it is too large to be ours")) } else { Ok(Some(bytes)) }
}

/// A regular file to be read, whosever it is, and the number of the user whose it is: for a person who may have it shown.
///
/// # Errors
/// As open(2); `InvalidData` if it is no regular file.
pub fn open_of_anybody(path: &Path) -> io::Result<(File, u32)> {
    let (file, about) = regular(path, File::options().read(true))?;
    Ok((file, about.uid()))
}

/// A regular file that belongs to us and goes by no other name, to be read, and to be written at its end. It is made, with
/// these permissions at most, if there is none.
///
/// # Errors
/// As open(2); `InvalidData` if it is somebody else's, no regular file, or has another name.
pub fn append(path: &Path, mode: u32) -> io::Result<File> {
    let (file, about) = match regular(path, File::options().read(true).append(true)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let new = File::options().read(true).append(true).create_new(true).mode(mode).open(path)?;
            let about = new.metadata()?;
            (new, about)
        }
        opened => opened?,
    };
    if about.nlink() > 1 {
        return Err(strange("it has another name, too"));
    }
    ours((file, about))
}

/// Neither a link is followed nor is a FIFO waited for.
fn regular(path: &Path, options: &mut OpenOptions) -> io::Result<(File, Metadata)> {
    let file = options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path).map_err(|error| {
        let link = error.raw_os_error() == Some(libc::ELOOP);
        if link { strange("it is a symbolic link") } else { error }
    })?;
    let about = file.metadata()?;
    if about.is_file() { Ok((file, about)) } else { Err(strange("it is no regular file")) }
}

fn ours((file, about): (File, Metadata)) -> io::Result<File> {
    let is_ours = about.uid() == rustix::process::geteuid().as_raw();
    if is_ours { Ok(file) } else { Err(strange("it belongs to somebody else")) }
}

fn strange(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// A new file of that name, to be written at its end; what is there before is removed. Nobody but its user and group may read it: what a
/// daemon keeps for its successor is nobody else's.
///
/// # Errors
/// As unlink(2), for what isn't ours to remove, and open(2).
pub fn create(path: &Path) -> io::Result<File> {
    anew(path, File::options().append(true))
}

/// As [`create`], to be written anywhere.
///
/// # Errors
/// As [`create`].
pub fn create_to_overwrite(path: &Path) -> io::Result<File> {
    anew(path, File::options().write(true))
}

fn anew(path: &Path, how: &mut OpenOptions) -> io::Result<File> {
    remove(path)?;
    how.create_new(true).mode(MODE).open(path)
}

/// No file of that name, whether or not there was one.
///
/// # Errors
/// As unlink(2).
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What a file has to outlive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Its writer: nobody waits for the disk, and a power cut may leave neither the old file nor the new one.
    Process,
    /// The power as well.
    Disk,
}

/// A file of that name with this in it, in place of the old one: whoever is killed meanwhile leaves the one or the other. It stays
/// open, to be written at its end. The name with `.new` for its extension is used on the way.
///
/// # Errors
/// As [`create`], write(2), fsync(2), rename(2); then the old one is there as before.
pub fn replace(path: &Path, bytes: &[u8], durability: Durability) -> io::Result<File> {
    let new = path.with_extension("new");
    let mut file = create(&new)?;
    let written = file.write_all(bytes).and_then(|()| match durability {
        Durability::Process => Ok(()),
        Durability::Disk => file.sync_all(),
    });
    written.and_then(|()| fs::rename(&new, path)).inspect_err(|_| {
        // It is in nobody's way, and the next attempt begins by removing it.
        let _ = fs::remove_file(&new);
    })?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("handover-own-file-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn what_is_read_whole_is_ours_and_not_too_much() {
        let directory = scratch("read");
        let path = directory.join("file");
        assert_eq!(read(&path, 4).unwrap(), None);
        create(&path).unwrap().write_all(b"four").unwrap();
        assert_eq!(read(&path, 4).unwrap().unwrap(), b"four");
        assert_eq!(read(&path, 3).unwrap_err().to_string(), "it is too large to be ours");
        std::os::unix::fs::symlink(&path, directory.join("link")).unwrap();
        assert!(read(&directory.join("link"), 4).is_err());
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn what_cannot_be_replaced_is_as_before_and_nothing_is_left_beside_it() {
        let directory = scratch("replace");
        let path = directory.join("file");
        for (text, durability) in [("one", Durability::Process), ("two", Durability::Disk)] {
            replace(&path, text.as_bytes(), durability).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        fs::create_dir(directory.join("taken")).unwrap();
        assert!(replace(&directory.join("taken"), b"three", Durability::Process).is_err());
        let mut names: Vec<_> =
            fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["file", "taken"]);
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_file_grows_at_its_end_if_it_is_ours_alone() {
        let directory = scratch("append");
        let path = directory.join("file");
        append(&path, 0o640).unwrap().write_all(b"one ").unwrap();
        append(&path, 0o600).unwrap().write_all(b"two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one two");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o037, 0, "nobody else may read it");
        let (mut file, owner) = open_of_anybody(&path).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), owner), ("one two", rustix::process::geteuid().as_raw()));

        fs::hard_link(&path, directory.join("other")).unwrap();
        assert_eq!(append(&path, 0o640).unwrap_err().to_string(), "it has another name, too");
        std::os::unix::fs::symlink(&path, directory.join("link")).unwrap();
        for strange in [append(&directory.join("link"), 0o640), open(&directory.join("link"))] {
            assert_eq!(strange.unwrap_err().to_string(), "it is a symbolic link");
        }
        assert!(open_of_anybody(&directory).is_err());
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn only_our_own_regular_files_are_read_and_only_new_ones_written() {
        let directory = scratch("open");
        let (file, link, fifo) = (directory.join("file"), directory.join("link"), directory.join("fifo"));
        create(&file).unwrap().write_all(b"ours").unwrap();
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o037, 0, "nobody else may read it");
        let mut text = String::new();
        open(&file).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "ours");

        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(open(&link).unwrap_err().to_string(), "it is a symbolic link");
        create(&link).unwrap().write_all(b"new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "ours", "what a link led to is as it was");

        // Nobody ever opens the other end: it must not be waited for.
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert_eq!(open(&fifo).unwrap_err().to_string(), "it is no regular file");
        create(&fifo).unwrap();
        assert!(open(&fifo).is_ok());

        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&file, Some(65_534), None).unwrap();
            assert_eq!(open(&file).unwrap_err().to_string(), "it belongs to somebody else");
        }
        fs::remove_dir_all(&directory).unwrap();
    }
}
