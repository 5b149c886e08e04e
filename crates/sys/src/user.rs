//! Users and groups by name and number, as the system's name service has them.
//!
//! What it must never do: remember an answer about a user: the administrator may change one while a daemon runs. (The map
//! of a user namespace can't change.)
//! Read getpwnam_r(3), getgrouplist(3), nsswitch.conf(5) and, for maps, user_namespaces(7) first.

use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;

use crate::privilege::{Capability, has};

/// Whom the kernel shows in place of a user that doesn't exist in a namespace (`/proc/sys/kernel/overflowuid`).
pub const OVERFLOW: u32 = 65_534;

/// Where a buffer for one entry starts (glibc's own suggestion), in bytes.
const FIRST_BUFFER: usize = 1024;
/// No honest entry is longer than this, in bytes.
const MAX_BUFFER: usize = 1 << 20;
/// The kernel's limit on supplementary groups (`NGROUPS_MAX`, linux/limits.h).
const MAX_GROUPS: usize = 65_536;
/// How many groups are asked for first.
const FIRST_GROUPS: usize = 64;

/// One user of this system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The login name.
    pub name: String,
    /// The user's number.
    pub uid: u32,
    /// The number of the primary group.
    pub gid: u32,
    /// All groups, the primary one included.
    pub groups: Vec<u32>,
    /// The home directory.
    pub home: String,
}

/// The user with that name; `None` if there is none.
///
/// # Errors
/// The name service failed, which is not the same as "no such user".
pub fn lookup(name: &str) -> io::Result<Option<User>> {
    let Ok(name) = CString::new(name) else { return Ok(None) };
    entry(|record, buffer, result| {
        // SAFETY: the name is terminated, record and result are valid for writing, the buffer is as long as is said.
        unsafe { libc::getpwnam_r(name.as_ptr(), record, buffer.as_mut_ptr().cast(), buffer.len(), result) }
    })
}

/// The user with that number; `None` if there is none.
///
/// # Errors
/// As [`lookup`].
pub fn by_id(uid: u32) -> io::Result<Option<User>> {
    entry(|record, buffer, result| {
        // SAFETY: record and result are valid for writing, the buffer is as long as is said.
        unsafe { libc::getpwuid_r(uid, record, buffer.as_mut_ptr().cast(), buffer.len(), result) }
    })
}

/// The number of the group with that name; `None` if there is none.
///
/// # Errors
/// As [`lookup`].
pub fn group(name: &str) -> io::Result<Option<u32>> {
    let Ok(name) = CString::new(name) else { return Ok(None) };
    growing(|buffer| {
        let mut record = MaybeUninit::<libc::group>::uninit();
        let mut result = ptr::null_mut();
        let number = {
            let (memory, length) = (buffer.as_mut_ptr().cast(), buffer.len());
            // SAFETY: the name is terminated, record and result are valid for writing, the buffer is as long as is said.
            unsafe { libc::getgrnam_r(name.as_ptr(), record.as_mut_ptr(), memory, length, &raw mut result) }
        };
        if number != 0 || result.is_null() {
            return (number, None);
        }
        // SAFETY: result isn't null, so the record was filled in.
        (0, Some(unsafe { record.assume_init_ref() }.gr_gid))
    })
}

/// The number of the user as whom the calling thread acts (geteuid(2)).
#[must_use]
pub fn effective_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Whether the calling process may become that user: it is that user already, or it has `CAP_SETUID` and the number
/// exists in its user namespace.
///
/// # Errors
/// As capget(2).
pub fn can_become(uid: u32) -> io::Result<bool> {
    if uid == effective_uid() {
        return Ok(true);
    }
    Ok(has(Capability::SetUid)? && exists_here(uid)?)
}

/// Whether a user's number means anything in the calling process's user namespace. What belongs to one that doesn't
/// is shown as [`OVERFLOW`]'s.
///
/// # Errors
/// `/proc` isn't mounted.
pub fn exists_here(uid: u32) -> io::Result<bool> {
    static MAP: OnceLock<String> = OnceLock::new();
    if let Some(map) = MAP.get() {
        return Ok(is_mapped(map, uid));
    }
    let map = std::fs::read_to_string("/proc/self/uid_map")?;
    let is_mapped = is_mapped(&map, uid);
    // It is written once in the life of a namespace, and is empty before; a process of ours doesn't change its namespace.
    if !map.is_empty() {
        let _ = MAP.set(map);
    }
    Ok(is_mapped)
}

/// Reads `uid_map`: first number inside, first number outside, how many.
fn is_mapped(map: &str, uid: u32) -> bool {
    map.lines().any(|line| {
        let mut words = line.split_ascii_whitespace().map(str::parse::<u32>);
        match (words.next(), words.next(), words.next()) {
            (Some(Ok(first)), Some(Ok(_)), Some(Ok(count))) => {
                uid.checked_sub(first).is_some_and(|offset| offset < count)
            }
            _ => false,
        }
    })
}

/// Asks for one passwd entry and copies it out of the buffer.
fn entry(
    ask: impl Fn(*mut libc::passwd, &mut [u8], *mut *mut libc::passwd) -> libc::c_int,
) -> io::Result<Option<User>> {
    growing(|buffer| {
        let mut record = MaybeUninit::<libc::passwd>::uninit();
        let mut result = ptr::null_mut();
        let number = ask(record.as_mut_ptr(), buffer, &raw mut result);
        if number != 0 || result.is_null() {
            return (number, None);
        }
        // SAFETY: result isn't null, so the record was filled in.
        let record = unsafe { record.assume_init_ref() };
        // SAFETY: the fields of a filled record are terminated strings in the buffer, which lives until we return.
        let (name, home) = unsafe { (CStr::from_ptr(record.pw_name), CStr::from_ptr(record.pw_dir)) };
        let user = User {
            name: name.to_string_lossy().into_owned(),
            uid: record.pw_uid,
            gid: record.pw_gid,
            groups: groups_of(name, record.pw_gid),
            home: home.to_string_lossy().into_owned(),
        };
        (0, Some(user))
    })
}

/// Repeats a question with a larger buffer while the answer is ERANGE. The error is a number of errno(3), or 0.
fn growing<T>(ask: impl Fn(&mut [u8]) -> (libc::c_int, Option<T>)) -> io::Result<Option<T>> {
    let mut length = FIRST_BUFFER;
    loop {
        let mut buffer = vec![0; length];
        match ask(&mut buffer) {
            (0, answer) => return Ok(answer),
            (libc::ERANGE, _) if length < MAX_BUFFER => length *= 2,
            (libc::EINTR, _) => {}
            // What the manual says some systems return for "no such entry".
            (libc::ENOENT | libc::ESRCH, _) => return Ok(None),
            (number, _) => return Err(io::Error::from_raw_os_error(number)),
        }
    }
}

/// All groups of a user; the primary one alone if the list is longer than the kernel allows.
fn groups_of(name: &CStr, gid: u32) -> Vec<u32> {
    let mut length = FIRST_GROUPS;
    while length <= MAX_GROUPS {
        let mut groups = vec![0; length];
        let mut count = libc::c_int::try_from(length).unwrap_or(libc::c_int::MAX);
        // SAFETY: the name is terminated and the list has as many places as is said.
        let answer = unsafe { libc::getgrouplist(name.as_ptr(), gid, groups.as_mut_ptr(), &raw mut count) };
        if answer >= 0 {
            groups.truncate(usize::try_from(count).unwrap_or(0));
            return groups;
        }
        length *= 4;
    }
    vec![gid]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_root_by_name_and_by_number() {
        let root = lookup("root").unwrap().unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert!(root.groups.contains(&0));
        assert_eq!(by_id(0).unwrap().unwrap(), root);
        assert_eq!(group("root").unwrap(), Some(0));
    }

    #[test]
    fn nobody_home_is_none_not_an_error() {
        assert_eq!(lookup("no-such-user-here").unwrap(), None);
        assert_eq!(lookup("a\0b").unwrap(), None);
        assert_eq!(by_id(4_000_000_000).unwrap(), None);
        assert_eq!(group("no-such-group-here").unwrap(), None);
    }

    #[test]
    fn a_map_says_which_numbers_exist() {
        assert!(is_mapped("         0          0 4294967295\n", 65_534));
        assert!(is_mapped("0 1000 1\n", 0));
        assert!(!is_mapped("0 1000 1\n", 1));
        assert!(is_mapped("0 1000 1\n1 100000 65536\n", 65_534));
        assert!(!is_mapped("", 0));
        assert!(!is_mapped("garbage\n", 0));
    }

    #[test]
    fn anybody_can_become_themselves() {
        assert!(can_become(rustix::process::geteuid().as_raw()).unwrap());
    }
}
