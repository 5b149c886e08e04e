//! That the start is behind us, in a file: for a notifierd that is restarted, and for a vrrp-core that is.
//!
//! It counts for one boot of the machine and lies in the runtime directory, as what was told does (`cursor.rs`); `handover run`
//! removes it before it starts anything. What it must never do: keep anybody from going on. Where it can't be written it is
//! told, and remembered for as long as we live.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use ipc::hooks::STARTED_FILE;
use ipc::json;
use serde::{Deserialize, Serialize};
use sys::own_file::Durability;

/// The version of the file.
const VERSION: u32 = 1;
/// A larger file isn't one of ours, in bytes.
const MAX_SIZE: u64 = 1024;

/// The file's one line.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    version: u32,
    boot: String,
}

/// Whether somebody takes part, or may.
#[derive(Debug)]
pub(super) struct Marker {
    path: PathBuf,
    line: Line,
    is_set: bool,
    trouble: Option<String>,
}

impl Marker {
    /// As it was left in this boot. What can't be understood is as good as nothing.
    pub(super) fn load(runtime_dir: &Path, boot: &str) -> Self {
        let path = runtime_dir.join(STARTED_FILE);
        let line = Line { version: VERSION, boot: boot.to_owned() };
        let is_set = match read(&path) {
            Ok(found) => found == line,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => {
                log::warn!("whether startup_script has been run isn't known: {}: {error}", path.display());
                false
            }
        };
        Self { path, line, is_set, trouble: None }
    }

    pub(super) const fn is_set(&self) -> bool {
        self.is_set
    }

    /// Why it can't be remembered, if so.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    pub(super) fn set(&mut self) {
        if !self.is_set {
            self.is_set = true;
            let written = self.write();
            self.judge(written, "a restarted notifierd may run startup_script once more");
        }
    }

    pub(super) fn clear(&mut self) {
        self.is_set = false;
        let removed = sys::own_file::remove(&self.path);
        self.judge(removed, "a restarted notifierd may not run startup_script at the next start");
    }

    fn judge(&mut self, result: io::Result<()>, consequence: &str) {
        self.trouble = result.err().map(|error| format!("{}: {error}; {consequence}", self.path.display()));
        if let Some(trouble) = &self.trouble {
            log::error!("{trouble}");
        }
    }

    fn write(&self) -> io::Result<()> {
        let bytes = json::line(&self.line).map_err(|error| io::Error::other(error.to_string()))?;
        sys::own_file::replace(&self.path, &bytes, Durability::Process).map(drop)
    }
}

fn read(path: &Path) -> io::Result<Line> {
    let mut bytes = Vec::new();
    sys::own_file::open(path)?.take(MAX_SIZE).read_to_end(&mut bytes)?;
    json::parse(&bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn it_counts_for_one_boot_and_a_file_that_is_none_for_nothing() {
        let directory = std::env::temp_dir().join(format!("handover-marker-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let mut marker = Marker::load(&directory, "this");
        assert!(!marker.is_set());
        marker.set();
        assert!(Marker::load(&directory, "this").is_set());
        assert!(!Marker::load(&directory, "the next").is_set());
        fs::write(directory.join(STARTED_FILE), "garbage").unwrap();
        assert!(!Marker::load(&directory, "this").is_set());
        marker.clear();
        assert!(!directory.join(STARTED_FILE).exists());
        fs::remove_dir_all(&directory).unwrap();
        marker.set();
        assert!(marker.is_set() && marker.trouble().unwrap().contains("once more"), "{marker:?}");
    }
}
