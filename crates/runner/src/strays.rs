//! What a script started, also what has left its process group, so that a signal to the group doesn't reach it.
//!
//! A script is the reaper of its orphans (prctl(2), PR_SET_CHILD_SUBREAPER), so whatever it started, in whatever session,
//! is below it in the tree of processes for as long as it lives: that is when to look. What it must never do: name a
//! process by its number alone. A number is looked at again once its descriptor is held, and only that gets a signal.

use std::collections::HashSet;
use std::fs;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// How many processes below one script are looked at; a fork bomb has more, and dies with its group.
const MAX_LOOKED_AT: usize = 1024;
/// How many of them are held.
const MAX_HELD: usize = 128;

/// The processes below one script. Those in its group are held, too: they may leave it between two calls of ours.
#[derive(Debug, Default)]
pub(crate) struct Strays(Vec<Held>);

#[derive(Debug)]
struct Held {
    process: OwnedFd,
    /// It was outside of the group when it was looked at.
    outside: bool,
}

impl Strays {
    /// Looks below the leader of a group, and holds whoever is there.
    pub(crate) fn look(&mut self, leader: u32) {
        let mut parents = vec![leader];
        let mut seen = HashSet::from([leader]);
        while let Some(parent) = parents.pop() {
            for child in children(parent) {
                if seen.len() >= MAX_LOOKED_AT || !seen.insert(child) {
                    continue;
                }
                parents.push(child);
                if self.0.len() < MAX_HELD
                    && let Some(held) = hold(child, parent, leader)
                {
                    self.0.push(held);
                }
            }
        }
    }

    /// Asks those to end whom a signal to the group doesn't reach.
    pub(crate) fn terminate(&self) {
        self.0.iter().filter(|held| held.outside).for_each(|held| send(held, Signal::TERM));
    }

    /// Ends all of them.
    pub(crate) fn kill(&self) {
        self.0.iter().for_each(|held| send(held, Signal::KILL));
    }
}

/// Whoever has ended takes it without effect.
fn send(held: &Held, signal: Signal) {
    match pidfd_send_signal(&held.process, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => log::warn!("end what a script left behind: {error}"),
    }
}

/// The children of a process, of all its threads. None if it has ended.
fn children(parent: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{parent}/task")) else { return Vec::new() };
    let lists =
        threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// Holds a process, if it is still a child of that parent.
fn hold(pid: u32, parent: u32, leader: u32) -> Option<Held> {
    let process = pidfd_open(Pid::from_raw(i32::try_from(pid).ok()?)?, PidfdFlags::empty()).ok()?;
    let (its_parent, its_group) = parent_and_group(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
    (its_parent == parent).then_some(Held { process, outside: its_group != leader })
}

/// The fourth and fifth field of /proc/PID/stat (proc_pid_stat(5)); the second may hold blanks and brackets.
fn parent_and_group(stat: &str) -> Option<(u32, u32)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(1);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        assert_eq!(parent_and_group("12 (a) R 1 2) S 34 56 7 0"), Some((34, 56)));
        assert_eq!(parent_and_group("12 (a"), None);
    }
}
