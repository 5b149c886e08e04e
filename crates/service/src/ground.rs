//! Whether the directory of the sockets is one that our siblings alone can write to.
//!
//! Whoever else can may take a daemon's place: its clients would believe a stranger. That is told and no more: it must never keep
//! a daemon from starting, since addresses that nobody holds are worse. Read unix(7), "Pathname socket ownership and
//! permissions".

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// `S_IWOTH`.
const ANYBODY_WRITES: u32 = 0o002;
const ROOT: u32 = 0;

/// Says in the log what is wrong with the directory, if something is. One that isn't there is for others to tell.
pub(crate) fn look(runtime_dir: &Path) {
    let Ok(about) = fs::metadata(runtime_dir) else { return };
    if let Some(what) = complaint(about.uid(), about.mode(), sys::user::effective_uid()) {
        let path = runtime_dir.display();
        log::warn!(
            "{what} in {path}: who does can take a daemon's place there; it should belong to root, with group _handover-daemons and mode 1775"
        );
    }
}

fn complaint(owner: u32, mode: u32, own: u32) -> Option<String> {
    if mode & ANYBODY_WRITES != 0 {
        return Some("anybody may write".to_owned());
    }
    (![ROOT, own].contains(&owner)).then(|| format!("the user with number {owner} may write"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_and_ourselves_may_own_it_and_nobody_else_write_there() {
        assert_eq!(complaint(0, 0o041_775, 901), None, "as packaged");
        assert_eq!(complaint(1000, 0o040_755, 1000), None, "a user's own");
        assert_eq!(complaint(1000, 0o040_755, 901).as_deref(), Some("the user with number 1000 may write"));
        assert_eq!(complaint(0, 0o041_777, 901).as_deref(), Some("anybody may write"));
    }
}
