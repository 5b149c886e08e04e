//! How many processes of a kind run: proc(5), as far as checkerd sees it, so in a container that of the container.
//!
//! Those that were found are looked at first the next time, which is one small file each in place of all of them; and
//! the end of each is seen at once, by pidfd_open(2). A new one is seen at the next look.

use std::collections::HashMap;
use std::fs;
use std::os::fd::OwnedFd;

use checks::{CheckId, Outcome};
use config::{CommandLine, Fit, Processes};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// The kernel keeps so many bytes of a name (TASK_COMM_LEN without its end).
const MAX_NAME: usize = 15;
/// Of each check so many processes are remembered, each with a descriptor. More are counted each time.
const MAX_KNOWN: usize = 64;

/// The processes that were found for each check.
#[derive(Debug, Default)]
pub(super) struct Census(HashMap<CheckId, Vec<Known>>);

#[derive(Debug)]
struct Known {
    pid: u32,
    /// Readable once it has ended. Not having one costs promptness alone.
    _end: Option<OwnedFd>,
}

impl Census {
    /// Such checks are no more.
    pub(super) fn forget(&mut self, which: impl Fn(&CheckId) -> bool) {
        self.0.retain(|check, _| !which(check));
    }

    /// Counts, as far as that decides. `watch` is told of each descriptor that will be readable when somebody ends.
    pub(super) fn outcome(
        &mut self,
        check: CheckId,
        wanted: &Processes,
        mut watch: impl FnMut(&OwnedFd),
    ) -> Outcome {
        let known = self.0.entry(check).or_default();
        known.retain(|known| is_it(known.pid, wanted));
        let enough = wanted.most.map_or(wanted.least, |most| most.saturating_add(1)) as usize;
        let mut count = known.len();
        if count < enough {
            let entries = match fs::read_dir("/proc") {
                Ok(entries) => entries,
                Err(error) => return Outcome::CannotRun(format!("look for processes in /proc: {error}")),
            };
            let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
            for pid in pids {
                if count >= enough {
                    break;
                }
                if known.iter().any(|known| known.pid == pid) || !is_it(pid, wanted) {
                    continue;
                }
                count += 1;
                if known.len() < MAX_KNOWN {
                    let end = open(pid);
                    end.iter().for_each(&mut watch);
                    known.push(Known { pid, _end: end });
                }
            }
        }
        judge(wanted, count)
    }
}

fn judge(wanted: &Processes, count: usize) -> Outcome {
    let Processes { program, least, most, .. } = wanted;
    if most.is_some_and(|most| count > most as usize) {
        return Outcome::Failed(match most {
            Some(0) => format!("a process {program} runs, and none may"),
            Some(most) => format!("more than {most} processes {program} run"),
            None => format!("{count} processes {program} run"),
        });
    }
    if count >= *least as usize {
        return Outcome::Passed;
    }
    Outcome::Failed(match (count, least) {
        (0, 1) => format!("no process {program} runs"),
        (count, least) => format!("{count} of {least} processes {program} run"),
    })
}

fn open(pid: u32) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// A zombie doesn't run any more.
fn is_it(pid: u32, wanted: &Processes) -> bool {
    let Ok(stat) = fs::read(format!("/proc/{pid}/stat")) else { return false };
    let Some((comm, state)) = comm_and_state(&stat) else { return false };
    if matches!(state, b'Z' | b'X') {
        return false;
    }
    let command_line = || fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    match &wanted.command_line {
        None => has_name(comm, wanted.program.as_bytes(), command_line),
        Some(line) => has_line(&command_line(), wanted.program.as_bytes(), line),
    }
}

/// What is longer than the kernel's names is compared with what it was started as.
fn has_name(comm: &[u8], wanted: &[u8], command_line: impl Fn() -> Vec<u8>) -> bool {
    if wanted.get(..wanted.len().min(MAX_NAME)) != Some(comm) {
        return false;
    }
    wanted.len() <= MAX_NAME || {
        let line = command_line();
        let program = line.split(|byte| *byte == 0).next().unwrap_or_default();
        program.rsplit(|byte| *byte == b'/').next() == Some(wanted)
    }
}

/// `line` is as in /proc/PID/cmdline: each word ends with a zero. Those of the kernel's own threads are empty.
fn has_line(line: &[u8], program: &[u8], wanted: &CommandLine) -> bool {
    let mut words = line.strip_suffix(&[0]).unwrap_or(line).split(|byte| *byte == 0);
    if words.next() != Some(program) {
        return false;
    }
    let Some((last, others)) = wanted.arguments.split_last() else {
        return wanted.fit != Fit::Exact || words.next().is_none();
    };
    others.iter().all(|other| words.next() == Some(other.as_bytes()))
        && words.next().is_some_and(|word| match wanted.fit {
            Fit::Exact | Fit::Partial => word == last.as_bytes(),
            Fit::Initial => word.starts_with(last.as_bytes()),
        })
        && (wanted.fit != Fit::Exact || words.next().is_none())
}

/// The second field of /proc/PID/stat without its brackets, which may hold anything, and the third (proc_pid_stat(5)).
fn comm_and_state(stat: &[u8]) -> Option<(&[u8], u8)> {
    let begin = stat.iter().position(|byte| *byte == b'(')?;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    Some((stat.get(begin + 1..end)?, *stat.get(end + 2)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_hold_anything() {
        assert_eq!(comm_and_state(b"12 (a) Z (b) S 1 2"), Some((&b"a) Z (b"[..], b'S')));
        assert_eq!(comm_and_state(b"12 (a)"), None);
        assert_eq!(comm_and_state(b")("), None);
    }

    #[test]
    fn we_run_and_others_do_not() {
        let own = fs::read_to_string("/proc/self/comm").unwrap();
        let own = Processes::named(own.trim().to_owned());
        let mut census = Census::default();
        for watched in [1, 0] {
            let mut descriptors = 0;
            assert_eq!(census.outcome(CheckId(0), &own, |_| descriptors += 1), Outcome::Passed);
            assert_eq!(descriptors, watched, "it is remembered");
        }
        let none = Processes::named("no-such-process-here".to_owned());
        let outcome = census.outcome(CheckId(0), &none, |_| {});
        assert_eq!(outcome, Outcome::Failed("no process no-such-process-here runs".to_owned()));
        assert!(census.0[&CheckId(0)].is_empty(), "nothing is remembered of what is gone");
    }

    #[test]
    fn how_many_there_are_decides() {
        let said = |least, most, count| {
            judge(&Processes { least, most, ..Processes::named("x".to_owned()) }, count).to_string()
        };
        assert_eq!(said(1, None, 1), "passed");
        assert_eq!(said(3, None, 2), "2 of 3 processes x run");
        assert_eq!(said(1, Some(2), 2), "passed");
        assert_eq!(said(1, Some(2), 3), "more than 2 processes x run");
        assert_eq!(said(0, Some(0), 0), "passed");
        assert_eq!(said(0, Some(0), 1), "a process x runs, and none may");
    }

    #[test]
    fn command_lines_are_compared_word_by_word() {
        let fits = |line: &str, fit, arguments: &[&str]| {
            let arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
            has_line(line.replace(' ', "\0").as_bytes(), b"/bin/a", &CommandLine { arguments, fit })
        };
        assert!(fits("/bin/a ", Fit::Exact, &[]));
        assert!(!fits("/bin/a x ", Fit::Exact, &[]));
        assert!(fits("/bin/a x ", Fit::Partial, &[]));
        assert!(fits("/bin/a x y ", Fit::Exact, &["x", "y"]));
        assert!(!fits("/bin/a x y ", Fit::Exact, &["x"]));
        assert!(fits("/bin/a x y ", Fit::Partial, &["x"]));
        assert!(!fits("/bin/a xy ", Fit::Partial, &["x"]));
        assert!(fits("/bin/a xy z ", Fit::Initial, &["x"]));
        assert!(!fits("/bin/a w xy ", Fit::Initial, &["x"]));
        assert!(!fits("/bin/a ", Fit::Initial, &["x"]));
        assert!(!fits("/bin/b x ", Fit::Exact, &["x"]) && !fits("", Fit::Partial, &[]));
    }
}
