//! Who runs, in a file: so that the next daemon can find and end what this one had started when it was killed.
//!
//! Two runs of one check at a time would fight over whatever it looks at, and one that hangs would stay for ever. Under systemd the
//! unit's control group does the same; this is for everywhere else. Each place of the [`Crew`](crate::Crew) has a line of
//! fixed length, which is overwritten by the next that runs there: one short write for each start, since checks start thousands of times a
//! second. What it must never do: end a process by its number alone. A line counts only for a process that leads its own group and
//! was started between the two moments that it names, in this very boot. Read proc_pid_stat(5) first.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use model::Instant;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::strays::Strays;

/// The first line, padded: which boot it is.
const HEAD: usize = 128;
/// `PID FROM TO` and a newline; the moments are nanoseconds of CLOCK_BOOTTIME.
const LINE: usize = 53;
/// How much of a file is read, in bytes: twenty thousand lines.
const MAX_SIZE: u64 = 1 << 20;
/// Fields after the name of proc_pid_stat(5), counted from the state: the group, and the start in ticks since the boot.
const GROUP: usize = 2;
const START: usize = 19;
/// Of the latter, in nanoseconds: USER_HZ is 100 on every machine that Rust has a Linux for (time(7)).
const TICK: u64 = 10_000_000;

/// The file of one crew.
#[derive(Debug)]
pub struct Roster {
    file: File,
}

/// A line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    pid: i32,
    /// It was started at this moment or later,
    from: Instant,
    /// and at this one or earlier.
    to: Instant,
}

impl Roster {
    /// Ends what the last daemon's file of that name says, as far as it still runs, tells whom, and begins a new one. `boot` is this
    /// life of the machine ([`sys::clock::boot`]).
    ///
    /// # Errors
    /// The new file can't be made; what there was is ended all the same.
    pub fn take_over(path: &Path, boot: &str) -> io::Result<(Self, Vec<u32>)> {
        let ended = match sys::own_file::open(path).and_then(read) {
            Ok(text) => entries(&text, boot).filter_map(end).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                log::warn!("{}: {error}; what it says is ignored", path.display());
                Vec::new()
            }
        };
        let file = sys::own_file::create_to_overwrite(path)?;
        file.write_all_at(format!("{boot:<width$}\n", width = HEAD - 1).as_bytes(), 0)?;
        Ok((Self { file }, ended))
    }

    /// A process was started between two moments, and has this place.
    pub(crate) fn note(&self, place: usize, pid: u32, (from, to): (Instant, Instant)) {
        let mut line = [0; LINE];
        let [from, to] = [from, to].map(|it| it.since(Instant::ZERO).as_nanos());
        let written = writeln!(line.as_mut_slice(), "{pid:>10} {from:>20} {to:>20}");
        let at = u64::try_from(HEAD + place * LINE).unwrap_or(u64::MAX);
        if let Err(error) = written.and_then(|()| self.file.write_all_at(&line, at)) {
            log::debug!("a process that outlives us won't be found: {error}");
        }
    }
}

fn read(file: File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(MAX_SIZE).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What a file says, if it is of this boot. Lines that aren't whole say nothing.
fn entries<'a>(text: &'a str, boot: &str) -> impl Iterator<Item = Entry> + 'a {
    let mut lines = text.lines();
    let is_ours = lines.next().is_some_and(|head| head.trim_end() == boot);
    lines.filter(move |_| is_ours).filter_map(|line| {
        let mut numbers = line.split_whitespace();
        let pid = numbers.next()?.parse().ok()?;
        let mut moment = || Some(Instant::ZERO + Duration::from_nanos(numbers.next()?.parse().ok()?));
        Some(Entry { pid, from: moment()?, to: moment()? })
    })
}

/// Ends that process with its group and all below it, if it still runs. Its number if so.
fn end(entry: Entry) -> Option<u32> {
    let pid = Pid::from_raw(entry.pid)?;
    // From here on the number can't become another's without our noticing: the descriptor stays with this process.
    let held = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", entry.pid)).ok()?;
    if !is_it(&stat, entry) {
        return None;
    }
    let number = entry.pid.unsigned_abs();
    // Stopped first, so that nobody leaves the group or starts anything while it is looked at.
    let _ = kill_process_group(pid, Signal::STOP);
    let mut strays = Strays::default();
    strays.look(number);
    strays.kill();
    let ended = kill_process_group(pid, Signal::KILL);
    drop(held);
    match ended {
        Ok(()) => Some(number),
        Err(Errno::SRCH) => None,
        Err(error) => {
            log::warn!("end process {number}, which the last daemon had started: {error}");
            None
        }
    }
}

/// Whether that line of `/proc/PID/stat` is of the process that is meant.
fn is_it(stat: &str, entry: Entry) -> bool {
    // The name is in brackets and may hold anything.
    let Some((_, fields)) = stat.rsplit_once(") ") else { return false };
    let mut fields = fields.split_whitespace();
    let group = fields.nth(GROUP).and_then(|it| it.parse::<i32>().ok());
    let start = fields.nth(START - GROUP - 1).and_then(|it| it.parse::<u64>().ok());
    let (Some(group), Some(start)) = (group, start) else { return false };
    let begins = |ticks: u64| Instant::ZERO + Duration::from_nanos(ticks.saturating_mul(TICK));
    group == entry.pid && begins(start.saturating_add(1)) > entry.from && begins(start) <= entry.to
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(milliseconds)
    }

    #[test]
    fn it_is_who_leads_a_group_and_was_started_then() {
        let entry = Entry { pid: 77, from: at(28_165_245), to: at(28_165_249) };
        let stat = |group: u32, start: u64| {
            format!(
                "77 (a) b) (c) S 1 {group} 5 0 -1 4194304 65 4580 0 0 0 0 4 1 20 0 1 0 {start} 2654208 357\n"
            )
        };
        assert!(is_it(&stat(77, 2_816_524), entry));
        for (group, start) in [(76, 2_816_524), (77, 2_816_523), (77, 2_816_525), (77, u64::MAX / 2)] {
            assert!(!is_it(&stat(group, start), entry), "{group} {start}");
        }
        assert!(!is_it("77 (a) S 1", entry));
        assert!(!is_it("", entry));
    }

    #[test]
    fn only_whole_lines_of_this_boot_count() {
        let head = format!("{:<width$}\n", "boot.1", width = HEAD - 1);
        let text = head + "        77                    1                    2\n\0\0\0 garbage\n 78 5\n";
        let found: Vec<Entry> = entries(&text, "boot.1").collect();
        let expected = Entry {
            pid: 77,
            from: Instant::ZERO + Duration::from_nanos(1),
            to: Instant::ZERO + Duration::from_nanos(2),
        };
        assert_eq!(found, [expected]);
        assert_eq!(entries(&text, "boot.2").count(), 0);
        assert_eq!(entries("", "boot.1").count(), 0);
    }
}
