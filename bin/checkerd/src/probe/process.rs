//! Whether a process of a name runs: proc(5), as far as checkerd sees it, so in a container that of the container.
//!
//! One that was found is looked at first the next time, which is one small file in place of all of them.

use std::collections::HashMap;
use std::fs;

use checks::{CheckId, Outcome};

/// The kernel keeps so many bytes of a name (TASK_COMM_LEN without its end).
const MAX_NAME: usize = 15;

/// The process that was found for each check.
#[derive(Debug, Default)]
pub(super) struct Processes(HashMap<CheckId, u32>);

impl Processes {
    /// Such checks are no more.
    pub(super) fn forget(&mut self, which: impl Fn(&CheckId) -> bool) {
        self.0.retain(|check, _| !which(check));
    }
}

/// Looks for a process of that name.
pub(super) fn outcome(processes: &mut Processes, check: CheckId, name: &str) -> Outcome {
    let known = &mut processes.0;
    if known.get(&check).is_some_and(|pid| is_it(*pid, name)) {
        return Outcome::Passed;
    }
    known.remove(&check);
    let entries = match fs::read_dir("/proc") {
        Ok(entries) => entries,
        Err(error) => return Outcome::CannotRun(format!("look for processes in /proc: {error}")),
    };
    let mut pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    match pids.find(|pid| is_it(*pid, name)) {
        Some(pid) => {
            known.insert(check, pid);
            Outcome::Passed
        }
        None => Outcome::Failed(format!("no process {name} runs")),
    }
}

/// A zombie doesn't run any more. What is longer than the kernel's names is compared with what it was started as.
fn is_it(pid: u32, name: &str) -> bool {
    let Ok(stat) = fs::read(format!("/proc/{pid}/stat")) else { return false };
    let Some((comm, state)) = comm_and_state(&stat) else { return false };
    let wanted = name.as_bytes();
    if matches!(state, b'Z' | b'X') || wanted.get(..wanted.len().min(MAX_NAME)) != Some(comm) {
        return false;
    }
    wanted.len() <= MAX_NAME || started_as(pid).is_some_and(|started| started == wanted)
}

/// The second field of /proc/PID/stat without its brackets, which may hold anything, and the third (proc_pid_stat(5)).
fn comm_and_state(stat: &[u8]) -> Option<(&[u8], u8)> {
    let begin = stat.iter().position(|byte| *byte == b'(')?;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    Some((stat.get(begin + 1..end)?, *stat.get(end + 2)?))
}

/// The last part of its first argument.
fn started_as(pid: u32) -> Option<Vec<u8>> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let program = line.split(|byte| *byte == 0).next()?;
    program.rsplit(|byte| *byte == b'/').next().map(<[u8]>::to_vec)
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
        let mut processes = Processes::default();
        for _ in 0..2 {
            assert_eq!(outcome(&mut processes, CheckId(0), own.trim()), Outcome::Passed);
        }
        let none = outcome(&mut processes, CheckId(0), "no-such-process-here");
        assert_eq!(none, Outcome::Failed("no process no-such-process-here runs".to_owned()));
        assert_eq!(processes.0.len(), 0, "nothing is remembered of what is gone");
    }
}
