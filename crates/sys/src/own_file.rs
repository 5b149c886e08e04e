//! Files that a daemon keeps for itself in a directory into which others may write, too.
//!
//! The state directory is shared by the daemons' group: a sibling that was taken over could put a file, a link or a FIFO there
//! before we do. So what we read must be our own regular file, and what we write must be new. Read open(2) on O_NOFOLLOW,
//! O_EXCL and O_NONBLOCK first.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// A regular file that belongs to us, to be read.
///
/// # Errors
/// As open(2); `InvalidData` if it is somebody else's, or no regular file.
pub fn open(path: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = File::options().read(true).custom_flags(flags).open(path).map_err(|error| {
        let link = error.raw_os_error() == Some(libc::ELOOP);
        if link { io::Error::new(io::ErrorKind::InvalidData, "it is a symbolic link") } else { error }
    })?;
    let about = file.metadata()?;
    let strange = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidData, what.to_owned()));
    if !about.is_file() {
        return strange("it is no regular file");
    }
    if about.uid() != rustix::process::geteuid().as_raw() {
        return strange("it belongs to somebody else");
    }
    Ok(file)
}

/// A new file of that name, to be written at its end; what is there before is removed.
///
/// # Errors
/// As unlink(2), for what isn't ours to remove, and open(2).
pub fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    File::options().append(true).create_new(true).open(path)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn only_our_own_regular_files_are_read_and_only_new_ones_written() {
        let directory = std::env::temp_dir().join(format!("handover-own-file-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let (file, link, fifo) = (directory.join("file"), directory.join("link"), directory.join("fifo"));
        create(&file).unwrap().write_all(b"ours").unwrap();
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
