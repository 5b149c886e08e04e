//! Hooks that an earlier notifierd had started when it was killed. They are ended before any other is: two hooks of one
//! instance at a time, or an older one that ends last, would leave behind another state than the final one.
//!
//! Each hook writes itself into a file before it executes anything ([`sys::process::Spec::register`]). Under systemd the unit's
//! control group does the same; this is for everywhere else.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::Path;

/// The file's name in the runtime directory.
const FILE: &str = "hooks.running";
/// How much of it is read, in bytes.
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
    pub(crate) fn end(runtime_dir: &Path) -> Self {
        let path = runtime_dir.join(FILE);
        match sys::own_file::open(&path) {
            Ok(file) => end_all(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => log::warn!("{}: {error}; what it says is ignored", path.display()),
        }
        // A new one: what stands in the old one may be of hooks that run on as somebody else's.
        let file = sys::own_file::create(&path).inspect_err(|error| {
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

fn end_all(file: File) {
    let mut text = String::new();
    if let Err(error) = file.take(MAX_SIZE).read_to_string(&mut text) {
        log::warn!("read {FILE}: {error}");
    }
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
