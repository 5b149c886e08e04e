//! Finds a script's program, and says whether root may run it.
//!
//! Root runs only what nobody else can change or replace: every part of the path, through every symbolic link, must
//! belong to root and must not be writable by others. (A sticky directory such as `/tmp` is fine as a part: there
//! nobody can replace what isn't theirs.) A merged `/usr` is no obstacle, since links are followed and not
//! forbidden. Read path_resolution(7) first.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use sys::user::{OVERFLOW, exists_here};

use crate::Refusal;

/// As many symbolic links in one path as the kernel follows (MAXSYMLINKS, linux/namei.h).
const MAX_LINKS: u32 = 40;
const STICKY: u32 = 0o1000;
const GROUP_WRITE: u32 = 0o020;
const OTHER_WRITE: u32 = 0o002;
const ANY_EXECUTE: u32 = 0o111;
const PERMISSIONS: u32 = 0o7777;

/// The program's absolute path: as it is, or found in `search` (as PATH) if it is a bare name.
pub(crate) fn find(program: &Path, search: &OsStr) -> Result<PathBuf, Refusal> {
    if program.is_absolute() {
        executable(program)?;
        return Ok(program.to_owned());
    }
    if program.components().count() != 1 || !matches!(program.components().next(), Some(Component::Normal(_)))
    {
        return Err(Refusal::Relative(program.to_owned()));
    }
    std::env::split_paths(search)
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_absolute() && candidate.is_file() && executable(candidate).is_ok())
        .ok_or_else(|| Refusal::NotFound(program.to_owned()))
}

/// Says early, and in better words, what exec would say. What we may not look at, exec has to judge: the script's
/// user may see more than the daemon.
fn executable(path: &Path) -> Result<(), Refusal> {
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => Err(Refusal::NotAFile(path.to_owned())),
        Ok(metadata) if metadata.mode() & ANY_EXECUTE == 0 => {
            Err(Refusal::NotExecutable(path.to_owned(), metadata.mode() & PERMISSIONS))
        }
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Err(Refusal::NotFound(path.to_owned()))
        }
        Err(_) => Ok(()),
    }
}

/// Whether root may run `program`, an absolute path.
pub(crate) fn check(program: &Path) -> Result<(), Refusal> {
    let unreadable = |path: &Path, error| Refusal::Unreadable(path.to_owned(), error);
    // In a user namespace the real root has no number; what is its own looks as if it were the overflow user's.
    let stranger_is_root = !exists_here(OVERFLOW).map_err(|error| unreadable(program, error))?;
    let mut links = 0;
    let mut so_far = PathBuf::from("/");
    let mut ahead = parts(program);
    trusted(program, &so_far, stranger_is_root)?;
    while let Some(part) = ahead.pop_front() {
        if part == ".." {
            so_far.pop();
            continue;
        }
        so_far.push(part);
        if !trusted(program, &so_far, stranger_is_root)?.is_symlink() {
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(Refusal::Links(program.to_owned()));
        }
        let target = fs::read_link(&so_far).map_err(|error| unreadable(&so_far, error))?;
        so_far.pop();
        if target.is_absolute() {
            so_far = PathBuf::from("/");
        }
        let mut through = parts(&target);
        through.append(&mut ahead);
        ahead = through;
    }
    Ok(())
}

fn parts(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some(OsString::from("..")),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

fn trusted(program: &Path, component: &Path, stranger_is_root: bool) -> Result<Metadata, Refusal> {
    let metadata =
        fs::symlink_metadata(component).map_err(|error| Refusal::Unreadable(component.to_owned(), error))?;
    if is_safe(&Owner::of(&metadata), stranger_is_root) {
        return Ok(metadata);
    }
    Err(Refusal::Untrusted {
        program: program.to_owned(),
        component: component.to_owned(),
        owner: metadata.uid(),
        mode: metadata.mode() & PERMISSIONS,
    })
}

/// What decides on trust, of a file or directory.
struct Owner {
    uid: u32,
    gid: u32,
    mode: u32,
    is_directory: bool,
    is_link: bool,
}

impl Owner {
    fn of(metadata: &Metadata) -> Self {
        Self {
            uid: metadata.uid(),
            gid: metadata.gid(),
            mode: metadata.mode(),
            is_directory: metadata.is_dir(),
            is_link: metadata.is_symlink(),
        }
    }
}

fn is_safe(owner: &Owner, stranger_is_root: bool) -> bool {
    let is_root = |id: u32| id == 0 || (stranger_is_root && id == OVERFLOW);
    if !is_root(owner.uid) {
        return false;
    }
    // The mode of a link means nothing (symlink(7)).
    if owner.is_link || (owner.is_directory && owner.mode & STICKY != 0) {
        return true;
    }
    owner.mode & OTHER_WRITE == 0 && (owner.mode & GROUP_WRITE == 0 || is_root(owner.gid))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(uid: u32, gid: u32, mode: u32) -> Owner {
        Owner { uid, gid, mode, is_directory: false, is_link: false }
    }

    #[test]
    fn root_runs_only_what_is_roots_and_nobody_elses_to_change() {
        assert!(is_safe(&file(0, 0, 0o755), false));
        assert!(is_safe(&file(0, 0, 0o775), false));
        assert!(!is_safe(&file(1000, 0, 0o755), false));
        assert!(!is_safe(&file(0, 1000, 0o775), false));
        assert!(is_safe(&file(0, 1000, 0o755), false));
        assert!(!is_safe(&file(0, 0, 0o757), false));
        assert!(!is_safe(&file(0, 0, 0o1777), false), "sticky means nothing for a file");
        assert!(is_safe(&Owner { is_directory: true, ..file(0, 0, 0o1777) }, false));
        assert!(!is_safe(&Owner { is_directory: true, ..file(0, 0, 0o777) }, false));
        assert!(is_safe(&Owner { is_link: true, ..file(0, 0, 0o777) }, false));
        assert!(!is_safe(&Owner { is_link: true, ..file(1000, 0, 0o777) }, false));
    }

    #[test]
    fn in_a_user_namespace_the_real_root_is_a_stranger() {
        assert!(is_safe(&file(OVERFLOW, OVERFLOW, 0o755), true));
        assert!(!is_safe(&file(OVERFLOW, OVERFLOW, 0o755), false));
        assert!(!is_safe(&file(1000, OVERFLOW, 0o755), true));
    }

    #[test]
    fn a_bare_name_is_found_and_a_relative_path_is_not_wanted() {
        let search = OsStr::new("/no/such/directory:/usr/bin:/bin");
        assert_eq!(find(Path::new("env"), search).unwrap(), Path::new("/usr/bin/env"));
        assert!(matches!(find(Path::new("no-such-program"), search), Err(Refusal::NotFound(_))));
        assert!(matches!(find(Path::new("bin/env"), search), Err(Refusal::Relative(_))));
        assert!(matches!(find(Path::new("./env"), search), Err(Refusal::Relative(_))));
        assert!(matches!(find(Path::new(".."), search), Err(Refusal::Relative(_))));
        assert!(matches!(find(Path::new("/usr"), search), Err(Refusal::NotAFile(_))));
        assert!(matches!(find(Path::new("/etc/passwd"), search), Err(Refusal::NotExecutable(_, 0o644))));
        assert!(matches!(find(Path::new("/etc/passwd/x"), search), Err(Refusal::NotFound(_))));
    }

    #[test]
    fn a_merged_usr_is_no_obstacle() {
        check(Path::new("/bin/true")).unwrap();
        check(Path::new("/usr/bin/../bin/true")).unwrap();
    }
}
