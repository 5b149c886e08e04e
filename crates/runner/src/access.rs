//! Whether a user could run a program, by owners and modes, before anybody tries.
//!
//! Only a forecast: access control lists and security modules decide on their own, and execve(2) has the last word. Read
//! path_resolution(7) first.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::Refusal;
use crate::account::Account;

const ANY_EXECUTE: u32 = 0o111;
const PERMISSIONS: u32 = 0o7777;

/// Whether `account` may enter every directory on the way to `program`, an absolute path, and execute that.
pub(crate) fn check(program: &Path, account: &Account) -> Result<(), Refusal> {
    let real = fs::canonicalize(program).map_err(|error| Refusal::Unreadable(program.to_owned(), error))?;
    for component in real.ancestors().collect::<Vec<_>>().into_iter().rev() {
        let metadata =
            fs::metadata(component).map_err(|error| Refusal::Unreadable(component.to_owned(), error))?;
        if !may_execute(account, &Rights::of(&metadata)) {
            let (component, mode) = (component.to_owned(), metadata.mode() & PERMISSIONS);
            return Err(Refusal::Forbidden { component, mode, user: account.name.clone() });
        }
    }
    Ok(())
}

/// What decides about a file or directory.
struct Rights {
    uid: u32,
    gid: u32,
    mode: u32,
    is_directory: bool,
}

impl Rights {
    fn of(metadata: &Metadata) -> Self {
        let (uid, gid) = (metadata.uid(), metadata.gid());
        Self { uid, gid, mode: metadata.mode(), is_directory: metadata.is_dir() }
    }
}

/// The first class that fits decides alone: an owner without a right has it not from its group.
fn may_execute(account: &Account, rights: &Rights) -> bool {
    if account.uid == 0 {
        return rights.is_directory || rights.mode & ANY_EXECUTE != 0;
    }
    let groups = account.credentials.as_ref().map(|credentials| credentials.groups.as_slice());
    let is_member = account.gid == rights.gid || groups.is_some_and(|groups| groups.contains(&rights.gid));
    let bit = match (account.uid == rights.uid, is_member) {
        (true, _) => 0o100,
        (false, true) => 0o010,
        (false, false) => 0o001,
    };
    rights.mode & bit != 0
}

#[cfg(test)]
mod tests {
    use sys::process::Credentials;

    use super::*;

    fn account(uid: u32, gid: u32, groups: &[u32]) -> Account {
        let credentials = Credentials { uid, gid, groups: groups.to_vec() };
        let (name, home) = ("somebody".to_owned(), "/".to_owned());
        Account { name, home, uid, gid, credentials: Some(credentials) }
    }

    fn file(uid: u32, gid: u32, mode: u32) -> Rights {
        Rights { uid, gid, mode, is_directory: false }
    }

    #[test]
    fn the_first_class_that_fits_decides() {
        let somebody = account(1000, 100, &[100, 20]);
        assert!(may_execute(&somebody, &file(1000, 0, 0o700)));
        assert!(!may_execute(&somebody, &file(1000, 100, 0o077)), "the owner is no member");
        assert!(may_execute(&somebody, &file(0, 20, 0o710)), "a supplementary group");
        assert!(!may_execute(&somebody, &file(0, 20, 0o707)), "a member is not others");
        assert!(may_execute(&somebody, &file(0, 0, 0o755)));
        assert!(!may_execute(&somebody, &file(0, 0, 0o750)));
    }

    #[test]
    fn root_enters_everywhere_and_executes_what_anybody_may() {
        let root = account(0, 0, &[0]);
        assert!(may_execute(&root, &file(1000, 1000, 0o100)));
        assert!(!may_execute(&root, &file(0, 0, 0o644)));
        assert!(may_execute(&root, &Rights { is_directory: true, ..file(1000, 1000, 0o000) }));
    }

    #[test]
    fn the_part_that_is_forbidden_is_named() {
        check(Path::new("/bin/true"), &account(65_534, 65_534, &[])).unwrap();
        let directory = std::env::temp_dir().join(format!("handover-access-{}", std::process::id()));
        let program = directory.join("script");
        fs::create_dir_all(&directory).unwrap();
        fs::write(&program, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let refusal = check(&program, &account(65_533, 65_533, &[])).unwrap_err();
        fs::remove_dir_all(&directory).unwrap();
        let told = refusal.to_string();
        assert!(told.contains("user somebody has no right to"), "{told}");
    }
}
