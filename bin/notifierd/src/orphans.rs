//! Hooks that an earlier notifierd had started when it was killed. They are ended before any other is: two hooks of one
//! instance at a time, or an older one that ends last, would leave behind another state than the final one.
//!
//! Each hook writes itself into a file before it executes anything ([`sys::process::Spec::register`]). Under systemd the unit's
//! control group does the same; this is for everywhere else.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};

use sys::own_file::Durability;

/// The file's name in the runtime directory.
const FILE: &str = "hooks.running";
/// How much of it is read, in bytes.
const MAX_SIZE: u64 = 16 << 20;
/// Lines of those that have ended are left out of it once it is larger than this, in bytes: some 200 hooks.
const TIDY_AFTER: u64 = 64 << 10;

/// The file into which hooks write themselves.
#[derive(Debug)]
pub(crate) struct Orphans {
    path: PathBuf,
    file: Option<File>,
    tidy_after: u64,
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
        Self { path, file: file.ok(), tidy_after: TIDY_AFTER }
    }

    /// For a hook that is started.
    pub(crate) fn register(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(File::as_fd)
    }

    /// Keeps the file small. To be called while none is being started: each has written itself down by the end of its start.
    pub(crate) fn tidy(&mut self) {
        let Some(file) = &self.file else { return };
        if !file.metadata().is_ok_and(|about| about.len() > self.tidy_after) {
            return;
        }
        match self.write_anew() {
            Ok((file, length)) => {
                self.file = Some(file);
                self.tidy_after = TIDY_AFTER.max(length.saturating_mul(2));
            }
            // It goes on growing then, which does no harm for long, and is tried again.
            Err(error) => {
                self.tidy_after = self.tidy_after.saturating_mul(2);
                log::warn!("{}: {error}; it grows until that is mended", self.path.display());
            }
        }
    }

    fn write_anew(&self) -> io::Result<(File, u64)> {
        let text = read(sys::own_file::open(&self.path)?)?;
        let running: String =
            text.split_inclusive('\n').filter(|line| sys::process::runs_registered(line)).collect();
        let file = sys::own_file::replace(&self.path, running.as_bytes(), Durability::Process)?;
        Ok((file, u64::try_from(running.len()).unwrap_or(u64::MAX)))
    }
}

fn read(file: File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(MAX_SIZE).read_to_end(&mut bytes)?;
    // The name of a process needn't be text.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn end_all(file: File) {
    let text = read(file).unwrap_or_else(|error| {
        log::warn!("read {FILE}: {error}");
        String::new()
    });
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;

    /// A reader of a pipe runs as long as we do: its line stays, and those of hooks go.
    #[test]
    fn the_file_stays_small_and_keeps_who_runs() {
        let directory = std::env::temp_dir().join(format!("handover-orphans-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join(FILE);
        let mut orphans = Orphans::end(&directory);
        let own = fs::read_to_string("/proc/self/stat").unwrap();
        let ended = "1 (hook) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 99999999999 0 0\n";
        let mut file = File::from(orphans.register().unwrap().try_clone_to_owned().unwrap());
        file.write_all(own.as_bytes()).unwrap();
        file.write_all(ended.as_bytes()).unwrap();
        orphans.tidy();
        assert!(fs::read_to_string(&path).unwrap().ends_with(ended), "it is small enough");
        file.write_all(ended.repeat(2000).as_bytes()).unwrap();
        orphans.tidy();
        assert_eq!(fs::read_to_string(&path).unwrap(), own);
        // The next one writes itself into the file that the next notifierd reads.
        let mut file = File::from(orphans.register().unwrap().try_clone_to_owned().unwrap());
        file.write_all(ended.as_bytes()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), own + ended);
        fs::remove_dir_all(&directory).unwrap();
    }
}
