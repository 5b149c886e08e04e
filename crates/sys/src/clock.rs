//! The two clocks: one for every decision, one for people.
//!
//! The only place that may ask either (clippy.toml disallows it elsewhere), so that everything else can be
//! handed a time, by a simulator as well as by a daemon. Read clock_gettime(2) first.

use std::time::SystemTime;

use model::Instant;
use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// `CLOCK_BOOTTIME`: nanoseconds since boot, counting suspend, without steps (TMR-3).
#[must_use]
pub fn now() -> Instant {
    let time = clock_gettime(ClockId::Boottime);
    // Both parts are never negative on this clock; a kernel that says otherwise is read as "boot".
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    Instant::from_nanos(seconds.saturating_mul(NANOS_PER_SECOND).saturating_add(nanos))
}

/// Sleeps until then, or until a signal comes. For whoever wants to miss what happens meanwhile; everybody else waits in an
/// event loop.
pub fn sleep_until(deadline: Instant) {
    // The only error of a clock that exists is that a signal came.
    let _ = clock_nanosleep_absolute(ClockId::Boottime, &timespec(deadline.as_nanos()));
}

/// Nanoseconds as the kernel takes them.
pub(crate) fn timespec(nanos: u64) -> Timespec {
    Timespec {
        // 2^64 ns are 2^34 s: neither part can be out of range.
        tv_sec: i64::try_from(nanos / NANOS_PER_SECOND).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(nanos % NANOS_PER_SECOND).unwrap_or(0),
    }
}

/// Which life of the machine, or of the container, this is: a text that no other has. The boot's number (random(4)), and when
/// process 1 was started, in ticks since the boot (field 22, proc_pid_stat(5)).
///
/// # Errors
/// `/proc` isn't there, or isn't as proc(5) has it.
pub fn boot() -> std::io::Result<String> {
    let boot = machine_boot()?;
    let init = std::fs::read_to_string("/proc/1/stat")?;
    let started = init.rsplit_once(") ").and_then(|(_, fields)| fields.split(' ').nth(19));
    let started = started.ok_or(std::io::ErrorKind::InvalidData)?;
    Ok(format!("{boot}.{started}"))
}

/// Which boot of the machine this is: the one in which [`now`] began (random(4)). Containers share it with their host.
///
/// # Errors
/// `/proc` isn't there, or isn't as random(4) has it.
pub fn machine_boot() -> std::io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// The wall clock, for what a person reads. It steps, so no deadline may ever be made of it.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
pub fn wall() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boottime_is_what_the_kernel_says_and_never_goes_back() {
        // /proc/uptime is CLOCK_BOOTTIME in hundredths of a second, rounded down (fs/proc/uptime.c).
        let before = now();
        let text = std::fs::read_to_string("/proc/uptime").unwrap();
        let after = now();
        let uptime: f64 = text.split(' ').next().unwrap().parse().unwrap();
        let hundredths = |instant: Instant| (instant.as_nanos() / 10_000_000) as f64 / 100.0;
        assert!(hundredths(before) <= uptime + 0.001, "{before} {uptime}");
        assert!(uptime <= hundredths(after) + 0.001, "{uptime} {after}");
        assert!(before <= after);
    }
}
