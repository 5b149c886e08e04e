//! What an ipmgr that makes room for another leaves it: whose addresses wait for the next vrrp-core, and since when.
//!
//! Who restarts both at once (`systemctl restart handover.target`, or `ipmgr vrrp-core` in either order) leaves the one who is to
//! come back as MASTER with an ipmgr that never knew its predecessor. With this note the successor goes on as if it were us:
//! the same claims, the same silence, and so the same moment at which they end. It must never prolong one: the note tells when
//! vrrp-core was last heard, and is read once. A vrrp-core that lives on is told what is held, and withdraws what it has given up
//! meanwhile.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use model::{InstanceName, Instant};
use serde::{Deserialize, Serialize};

/// The file's name in the runtime directory.
const FILE: &str = "ipmgr.succession";
/// More than any configuration has instances, with the longest names, in bytes.
const MAX_SIZE: u64 = 4 << 20;

/// The note.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// The boot whose clock `heard` was read from ([`sys::clock::machine_boot`]).
    boot: String,
    /// When vrrp-core was last heard, in nanoseconds of [`sys::clock::now`].
    heard: u64,
    /// Whose addresses that vrrp-core had ordered.
    pub(crate) instances: Vec<InstanceName>,
}

impl Note {
    pub(crate) fn new(heard: Instant, instances: Vec<InstanceName>) -> io::Result<Self> {
        Ok(Self { boot: sys::clock::machine_boot()?, heard: heard.as_nanos(), instances })
    }

    /// When vrrp-core was last heard.
    pub(crate) const fn heard(&self) -> Instant {
        Instant::from_nanos(self.heard)
    }

    /// Leaves the note for the next ipmgr.
    ///
    /// # Errors
    /// The kernel's words: then there is none, and the addresses will be left over as after a crash.
    pub(crate) fn leave(&self, runtime_dir: &Path) -> io::Result<()> {
        let bytes = ipc::json::line(self).map_err(|error| io::Error::other(error.to_string()))?;
        let path = runtime_dir.join(FILE);
        sys::own_file::create(&path)?.write_all(&bytes).inspect_err(|_| {
            let _ = fs::remove_file(&path);
        })
    }

    /// Takes the note away that an ipmgr of this boot has left, if there is one.
    ///
    /// # Errors
    /// It isn't ours, can't be understood, or can't be removed and might be read again.
    pub(crate) fn take(runtime_dir: &Path, now: Instant) -> io::Result<Option<Self>> {
        let path = runtime_dir.join(FILE);
        let file = match sys::own_file::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        fs::remove_file(&path)?;
        let mut bytes = Vec::new();
        file.take(MAX_SIZE).read_to_end(&mut bytes)?;
        let note: Self = ipc::json::parse(&bytes)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
        Ok((note.boot == sys::clock::machine_boot()? && note.heard() <= now).then_some(note))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("handover-succession-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn note(heard: u64) -> Note {
        Note::new(Instant::from_nanos(heard), vec![InstanceName::new("web").unwrap()]).unwrap()
    }

    #[test]
    fn a_note_is_read_once() {
        let directory = directory("once");
        let now = Instant::from_nanos(7);
        assert_eq!(Note::take(&directory, now).unwrap(), None);
        note(7).leave(&directory).unwrap();
        assert_eq!(Note::take(&directory, now).unwrap(), Some(note(7)));
        assert_eq!(Note::take(&directory, now).unwrap(), None);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_note_of_another_boot_or_of_the_future_is_none() {
        let directory = directory("other");
        Note { boot: "another".to_owned(), ..note(7) }.leave(&directory).unwrap();
        assert_eq!(Note::take(&directory, Instant::from_nanos(7)).unwrap(), None);
        note(8).leave(&directory).unwrap();
        assert_eq!(Note::take(&directory, Instant::from_nanos(7)).unwrap(), None);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn what_is_no_note_is_an_error_and_gone() {
        let directory = directory("garbage");
        fs::write(directory.join(FILE), "{\"boot\":").unwrap();
        assert_eq!(
            Note::take(&directory, Instant::from_nanos(7)).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
        assert_eq!(Note::take(&directory, Instant::from_nanos(7)).unwrap(), None);
        fs::remove_dir_all(directory).unwrap();
    }
}
