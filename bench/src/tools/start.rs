//! Starts a program so many times a second, and does nothing else: what a check by script costs at least.
//!
//! By posix_spawn(3), as the standard library does it, and a wait; no output is taken, no time limited, no user changed.

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::meter;

/// Starts it `rate` times a second for so many seconds, and says how many nanoseconds each start has taken, the program's own
/// among them.
#[allow(clippy::disallowed_methods, reason = "the short way is what is measured")]
pub(super) fn repeat(program: &str, rate: u32, seconds: u32) -> Outcome<()> {
    let begin = Instant::now();
    let before = meter::own().map_err(|error| format!("/proc/self: {error}"))?;
    let starts = rate * seconds;
    for number in 0..starts {
        let due = begin + Duration::from_secs(1) * number / rate;
        sleep(due.saturating_duration_since(Instant::now()));
        let _ = Command::new(program).status().map_err(|error| format!("start {program}: {error}"))?;
    }
    let used = meter::own().map_err(|error| format!("/proc/self: {error}"))? - before;
    super::say(format!("took {}", used / u64::from(starts)))
}
