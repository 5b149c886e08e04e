//! What processes used and what a network namespace sent and received: two readings make a figure.
//!
//! CPU time is the scheduler's own account in nanoseconds (`/proc/PID/task/TID/schedstat`, kernel's
//! Documentation/scheduler/sched-stats.rst), since user and system ticks are whole centiseconds. It has the kernel's work
//! for a packet in it as far as that is done in the sender's name. Packets are `OutMcastPkts` and `InMcastPkts` of
//! `/proc/net/netstat`: IP multicast, which here is adverts alone but for a few IGMP reports; no ARP.

use std::fs;
use std::path::Path;

use crate::Outcome;

/// Nanoseconds of a tick of proc(5): USER_HZ is 100 wherever Linux runs.
const TICK: u64 = 10_000_000;

/// One look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Nanoseconds on a CPU, of all threads of the processes.
    pub(crate) cpu: u64,
    /// Nanoseconds of those of their children that they have waited for, in whole ticks.
    pub(crate) children: u64,
    /// Multicast packets sent.
    pub(crate) sent: u64,
    /// Multicast packets received.
    pub(crate) received: u64,
    /// Processes and threads that were started in this PID namespace, modulo `pid_max`.
    pub(crate) started: u64,
}

impl Reading {
    /// Looks, from within the namespaces of a host.
    ///
    /// # Errors
    /// `/proc` is not as proc(5) has it.
    pub(crate) fn take(processes: &[&str]) -> Outcome<Self> {
        let netstat = fs::read_to_string("/proc/net/netstat").map_err(|error| format!("netstat: {error}"))?;
        let (sent, received) = multicasts(&netstat).ok_or("/proc/net/netstat has no multicast counters")?;
        let (cpu, children) = cpu_of(processes).map_err(|error| format!("/proc: {error}"))?;
        Ok(Self {
            cpu,
            children,
            sent,
            received,
            started: last_pid().ok_or("/proc/loadavg isn't as proc(5) has it")?,
        })
    }

    /// Its own time and that of its children.
    pub(crate) const fn with_children(self) -> u64 {
        self.cpu + self.children
    }

    /// The way back from `Display`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split_whitespace().map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Self { cpu: next()?, children: next()?, sent: next()?, received: next()?, started: next()? })
    }

    /// What happened since an earlier look.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            children: self.children.saturating_sub(earlier.children),
            sent: self.sent.saturating_sub(earlier.sent),
            received: self.received.saturating_sub(earlier.received),
            // Numbers start again from 300 (kernel/pid.c), which for figures of thousands is as good as from 0.
            started: self.started.checked_sub(earlier.started).unwrap_or_else(|| {
                (self.started + pid_max().unwrap_or_default()).saturating_sub(earlier.started)
            }),
        }
    }
}

impl std::fmt::Display for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cpu, children, sent, received, started } = self;
        write!(f, "{cpu} {children} {sent} {received} {started}")
    }
}

/// A line of names, then a line of their values.
fn multicasts(netstat: &str) -> Option<(u64, u64)> {
    let mut lines = netstat.lines().filter_map(|line| line.strip_prefix("IpExt:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let value_of = |wanted| {
        let mut pairs = names.split_whitespace().zip(values.split_whitespace());
        pairs.find(|(name, _)| *name == wanted).and_then(|(_, value)| value.parse().ok())
    };
    Some((value_of("OutMcastPkts")?, value_of("InMcastPkts")?))
}

/// The number that was given last in this PID namespace (proc_loadavg(5)).
fn last_pid() -> Option<u64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().last()?.parse().ok()
}

fn pid_max() -> Option<u64> {
    fs::read_to_string("/proc/sys/kernel/pid_max").ok()?.trim().parse().ok()
}

/// What this process has used, and the children that it has waited for, in nanoseconds.
///
/// # Errors
/// `/proc` is not as proc(5) has it.
pub(crate) fn own() -> std::io::Result<u64> {
    let path = Path::new("/proc/self");
    let children = ticks_of_children(path).ok_or(std::io::ErrorKind::InvalidData)?;
    Ok(cpu_of_threads(path) + children * TICK)
}

/// Of the processes, and of the children that they have waited for.
fn cpu_of(processes: &[&str]) -> std::io::Result<(u64, u64)> {
    let mut total = (0, 0);
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        // A process may end while we look at it: what it used is then in nobody's account, ours neither.
        let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
        if processes.contains(&name.trim_end()) {
            total.0 += cpu_of_threads(&path);
            total.1 += ticks_of_children(&path).unwrap_or_default() * TICK;
        }
    }
    Ok(total)
}

fn cpu_of_threads(process: &Path) -> u64 {
    let Ok(tasks) = fs::read_dir(process.join("task")) else { return 0 };
    let used = |task: fs::DirEntry| -> Option<u64> {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok()
    };
    tasks.filter_map(|task| used(task.ok()?)).sum()
}

/// The fields cutime and cstime (proc_pid_stat(5)), the 14th and 15th after the name, which may hold anything.
fn ticks_of_children(process: &Path) -> Option<u64> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(13).map(str::parse::<u64>);
    Some(fields.next()?.ok()? + fields.next()?.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_their_names() {
        let text = "TcpExt: A OutMcastPkts\nTcpExt: 1 2\nIpExt: InMcastPkts X OutMcastPkts\nIpExt: 7 8 9\n";
        assert_eq!(multicasts(text), Some((9, 7)));
        assert_eq!(multicasts("IpExt: InMcastPkts\nIpExt: 7\n"), None);
    }

    #[test]
    fn readings_travel_as_text() {
        let reading = Reading { cpu: 5, children: 8, sent: 6, received: 7, started: 9 };
        assert_eq!(Reading::parse(&reading.to_string()), Some(reading));
        assert_eq!(Reading::parse("5 6"), None);
        assert_eq!(reading.since(Reading { cpu: 1, children: 0, sent: 9, received: 7, started: 2 }).cpu, 4);
    }

    #[test]
    fn own_time_is_counted() {
        let own = fs::read_to_string("/proc/self/comm").unwrap();
        assert!(cpu_of(&[own.trim_end()]).unwrap().0 > 0);
        assert_eq!(cpu_of(&["no such process"]).unwrap(), (0, 0));
    }
}
