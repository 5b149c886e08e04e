//! Hooks that an earlier notifierd had started when it was killed. They are ended before any other is: two hooks of one
//! instance at a time, or an older one that ends last, would leave behind another state than the final one.
//!
//! Each hook writes itself into a file before it executes anything ([`sys::process::Spec::register`]). Under systemd the unit's
//! control group does the same; this is for everywhere else.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};

/// The file's name in the state directory.
const FILE: &str = "hooks.running";
/// A larger one isn't ours, in bytes.
const MAX_SIZE: u64 = 16 << 20;
/// It is emptied when no hook runs, once it is larger than this.
const EMPTY_AFTER: u64 = 64 << 10;

/// The file into which hooks write themselves.
#[derive(Debug)]
pub(crate) struct Orphans {
    file: Option<File>,
}

impl Orphans {
    /// Ends what is left, and begins a new file. Without one (told in the log) hooks run all the same.
    pub(crate) fn end(state_dir: &Path) -> Self {
        let path = state_dir.join(FILE);
        match fs::metadata(&path) {
            Ok(about) if about.is_file() && about.len() <= MAX_SIZE => end_all(&path),
            Ok(_) => log::warn!("{} isn't ours; what it says is ignored", path.display()),
            Err(_) => {}
        }
        let file = open(&path).inspect_err(|error| {
            log::warn!("{}: {error}; hooks that outlive a killed notifierd won't be found", path.display());
        });
        Self { file: file.ok() }
    }

    /// For a hook that is started.
    pub(crate) fn register(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(File::as_fd)
    }

    /// No hook runs: nobody has to be found.
    pub(crate) fn on_idle(&self) {
        let Some(file) = &self.file else { return };
        if file.metadata().is_ok_and(|about| about.len() > EMPTY_AFTER) {
            // It goes on growing then, which is told when it can't.
            let _ = file.set_len(0);
        }
    }
}

fn end_all(path: &PathBuf) {
    let text = fs::read_to_string(path).unwrap_or_default();
    for line in text.lines() {
        match sys::process::end_registered(line) {
            Ok(None) => {}
            Ok(Some(pid)) => {
                log::warn!("process {pid} of a hook that the last notifierd had started is ended")
            }
            Err(error) => log::warn!("end a hook that the last notifierd had started: {error}"),
        }
    }
}

/// A new file: what stands in the old one may be another's.
fn open(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    File::options().append(true).create_new(true).open(path)
}
