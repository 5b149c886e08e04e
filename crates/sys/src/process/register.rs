//! Children that write themselves down, so that whoever comes after a parent that was killed can find and end them.
//!
//! A child appends its own line of `/proc/self/stat` to a file before it executes anything: not its parent, which may be killed
//! between the two. Its number and the moment of its start together belong to no other process of this boot. Read
//! proc_pid_stat(5) first. (PR_SET_PDEATHSIG would do without a file, but the kernel forgets it when root executes a program
//! and so gains rights.)

use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read, write};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

/// The longest line that the kernel makes: a name of 64 bytes and 51 numbers.
const MAX_LINE: usize = 2048;
/// Fields after the name, counted from the state: the group and the start time.
const GROUP: usize = 2;
const START: usize = 19;

/// In the child, with system calls alone. What fails is left out: the program is to run all the same.
pub(super) fn register(file: BorrowedFd<'_>) {
    let append = || -> Result<(), Errno> {
        let stat = open(c"/proc/self/stat", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut line = [0; MAX_LINE];
        let length = read(&stat, &mut line)?;
        // The file is opened to append: one call is one line.
        write(file, line.get(..length).unwrap_or_default()).map(drop)
    };
    let _ = append();
}

/// Its number, its group and its start.
fn identity(stat: &str) -> Option<(i32, i32, u64)> {
    let (number, rest) = stat.split_once(' ')?;
    // The name is in brackets and may hold anything.
    let (_, fields) = rest.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let group = fields.nth(GROUP)?.parse().ok()?;
    let start = fields.nth(START - GROUP - 1)?.trim_end().parse().ok()?;
    Some((number.parse().ok()?, group, start))
}

/// Whether the process that wrote this line still runs, or is a zombie that its parent hasn't reaped.
#[must_use]
pub fn runs_registered(line: &str) -> bool {
    let Some((number, _, start)) = identity(line) else { return false };
    let now = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
    identity(&now).is_some_and(|(_, _, its)| its == start)
}

/// Ends the process that wrote this line, with its group, if it still runs. Its number if so.
///
/// # Errors
/// `InvalidData` if the line isn't one; EPERM if it isn't ours to end.
pub fn end_registered(line: &str) -> io::Result<Option<u32>> {
    let (number, _, start) = identity(line).ok_or(io::ErrorKind::InvalidData)?;
    let pid = Pid::from_raw(number).ok_or(io::ErrorKind::InvalidData)?;
    // From here on the number can't become another's without our noticing: the descriptor stays with this process.
    let held = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(held) => held,
        Err(Errno::SRCH) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let now = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
    // Before it had a group of its own, it hadn't written this.
    if identity(&now).is_none_or(|(_, group, its)| its != start || group != number) {
        return Ok(None);
    }
    match kill_process_group(pid, Signal::KILL) {
        Ok(()) => Ok(Some(number.unsigned_abs())),
        Err(Errno::SRCH) => Ok(None),
        Err(error) => Err(error.into()),
    }
    .inspect(|_| drop(held))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_of_one_process_and_of_no_other() {
        let own = std::fs::read_to_string("/proc/self/stat").unwrap();
        assert!(runs_registered(&own));
        let (_, _, start) = identity(&own).unwrap();
        let other = own.replacen(&format!(" {start} "), &format!(" {} ", start + 1), 1);
        assert!(!runs_registered(&other), "the same number, begun at another time");
        assert!(!runs_registered("garbage"));
    }

    #[test]
    fn a_name_may_hold_anything() {
        let line = "77 (a) b) (c) S 1 77 5 0 -1 4194304 65 4580 0 0 0 0 4 1 20 0 1 0 2816524 2654208 357\n";
        assert_eq!(identity(line), Some((77, 77, 2_816_524)));
        assert_eq!(identity("77 (a) S 1"), None);
        assert_eq!(identity(""), None);
    }

    #[test]
    fn another_process_of_that_number_is_let_be() {
        let own = std::fs::read_to_string("/proc/self/stat").unwrap();
        let (number, _, start) = identity(&own).unwrap();
        let other = own.replace(&format!(" {start} "), &format!(" {} ", start - 1));
        assert_eq!(end_registered(&other).unwrap(), None, "{number} started at another time");
        assert!(end_registered("garbage").is_err());
    }
}
