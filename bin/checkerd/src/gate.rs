//! How many scripts are started at a time: as many as keep the machine busy, and no more.
//!
//! Two thousand processes that share two CPUs all end late, and a check that timed out because of the others says nothing
//! about the service it asks. So a script waits here while too many are young. One that has run for a while doesn't count:
//! it waits for something else than a CPU, and must not keep healthy checks from being made. What it must never do: forget
//! somebody who waits, or let a check's own time run while it waits.

use std::collections::VecDeque;
use std::time::Duration;

use model::Instant;

/// How long a script is young. One that only computes ends sooner.
const YOUNG: Duration = Duration::from_millis(20);
/// How many may be young, for each CPU. Whoever starts a process stands still until that has had a CPU: behind dozens of
/// others that takes longer than most scripts.
const YOUNG_PER_CPU: usize = 8;
/// Who waits longer than this is told about.
const LATE: Duration = Duration::from_secs(1);
/// And not more often than this.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Those who wait, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Gate<T> {
    waiting: VecDeque<(T, Instant)>,
    most: usize,
    told: Option<Instant>,
}

impl<T> Gate<T> {
    /// For this machine.
    pub(crate) fn new() -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        Self { waiting: VecDeque::new(), most: cpus.saturating_mul(YOUNG_PER_CPU), told: None }
    }

    /// Somebody wants to start.
    pub(crate) fn wait(&mut self, who: T, now: Instant) {
        self.waiting.push_back((who, now));
    }

    /// Who may start now, if `starts` are those of everybody who runs and was started after [`Self::since`].
    pub(crate) fn next(&mut self, starts: impl Iterator<Item = Instant>, now: Instant) -> Option<T> {
        let (_, since) = self.waiting.front()?;
        if starts.count() >= self.most {
            return None;
        }
        self.tell(now.since(*since), now);
        self.waiting.pop_front().map(|(who, _)| who)
    }

    /// Who was started at this moment or before isn't young.
    pub(crate) fn since(now: Instant) -> Instant {
        now - YOUNG
    }

    /// When to ask again at the latest, while somebody waits for somebody else to grow old.
    pub(crate) fn deadline(&self, starts: impl Iterator<Item = Instant>) -> Option<Instant> {
        if self.waiting.is_empty() { None } else { starts.min().map(|started| started + YOUNG) }
    }

    /// Those don't want to start any more.
    pub(crate) fn forget(&mut self, which: impl Fn(&T) -> bool) {
        self.waiting.retain(|(who, _)| !which(who));
    }

    fn tell(&mut self, waited: Duration, now: Instant) {
        if waited < LATE || self.told.is_some_and(|told| now.since(told) < TELL_EVERY) {
            return;
        }
        self.told = Some(now);
        log::warn!(
            "{} checks wait to be started, one since {:.1} s: this machine can't run as many scripts as are configured; \
             longer intervals, or probes instead of scripts, would help",
            self.waiting.len(),
            waited.as_secs_f64()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn the_first_to_come_is_the_first_to_start_and_the_old_do_not_count() {
        let mut gate = Gate { waiting: VecDeque::new(), most: 2, told: None };
        for who in 0..3 {
            gate.wait(who, at(1000));
        }
        let young = |starts: &'static [u64], now: Instant| {
            let since = Gate::<u32>::since(now);
            starts.iter().map(|start| at(*start)).filter(move |start| *start > since)
        };
        assert_eq!(gate.next(young(&[], at(1000)), at(1000)), Some(0));
        assert_eq!(gate.next(young(&[1000], at(1000)), at(1000)), Some(1));
        assert_eq!(gate.next(young(&[1000, 1001], at(1002)), at(1002)), None);
        assert_eq!(gate.deadline(young(&[1000, 1001], at(1002))), Some(at(1020)));
        // The first one hangs: that is its own affair.
        assert_eq!(gate.next(young(&[1000, 1001], at(1020)), at(1020)), Some(2));
        assert_eq!(gate.deadline(young(&[1001], at(1020))), None);
    }

    #[test]
    fn who_was_taken_out_of_the_configuration_does_not_wait() {
        let mut gate = Gate::new();
        gate.wait(1, at(0));
        gate.wait(2, at(0));
        gate.forget(|who| *who == 1);
        assert_eq!(gate.next(std::iter::empty(), at(0)), Some(2));
        assert_eq!(gate.next(std::iter::empty(), at(0)), None);
    }
}
