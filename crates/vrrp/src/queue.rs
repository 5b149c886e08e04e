//! The one queue of deadlines, for thousands of instances and links.
//!
//! It may be early, never late: a deadline that moves away stays queued at its old place and is put right when
//! that comes, so that a received advert, which happens far more often than a takeover, never touches the queue.
//! Whoever comes up soon after somebody else comes up with them.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use model::Instant;

use crate::door::{InstanceId, LinkId};

/// How much earlier than due an entry may come up, and an advert leave, because another is due: what a host sends and
/// its peers hear costs by the wake-up. Small against any interval, and nobody's schedule is moved by it.
pub(crate) const TOGETHER: Duration = Duration::from_millis(1);

/// Whose deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Who {
    Instance(InstanceId),
    Link(LinkId),
}

/// At most one entry for each [`Who`].
#[derive(Debug, Default)]
pub(crate) struct Queue {
    order: BTreeSet<(Instant, Who)>,
    queued: HashMap<Who, Instant>,
}

impl Queue {
    /// Sees to it that `who` comes up at `deadline` or before.
    pub(crate) fn ensure(&mut self, who: Who, deadline: Option<Instant>) {
        let Some(deadline) = deadline else { return };
        if let Some(queued) = self.queued.get(&who) {
            if *queued <= deadline {
                return;
            }
            self.order.remove(&(*queued, who));
        }
        self.queued.insert(who, deadline);
        self.order.insert((deadline, who));
    }

    /// Everybody has another name; who has none any more is forgotten.
    pub(crate) fn rename(&mut self, name: impl Fn(Who) -> Option<Who>) {
        let queued = std::mem::take(&mut self.queued).into_iter();
        self.queued = queued.filter_map(|(who, at)| Some((name(who)?, at))).collect();
        self.order = self.queued.iter().map(|(who, at)| (*at, *who)).collect();
    }

    /// The earliest entry.
    pub(crate) fn first(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes an entry out that has come up by `now` or does so within [`TOGETHER`]. Who can't do anything yet is queued
    /// again by the next [`Self::ensure`].
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Who> {
        let (at, who) = *self.order.first()?;
        if at > now + TOGETHER {
            return None;
        }
        self.order.pop_first();
        self.queued.remove(&who);
        Some(who)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Who = Who::Instance(InstanceId(0));
    const B: Who = Who::Link(LinkId(0));

    const fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn an_earlier_deadline_moves_the_entry_and_a_later_one_does_not() {
        let mut queue = Queue::default();
        queue.ensure(A, Some(at(10)));
        queue.ensure(A, Some(at(20)));
        assert_eq!(queue.first(), Some(at(10)));
        queue.ensure(A, Some(at(5)));
        queue.ensure(B, Some(at(7)));
        assert_eq!(queue.pop_due(at(100)), Some(A));
        assert_eq!(queue.pop_due(at(100)), Some(B));
        assert_eq!(queue.pop_due(at(100)), None);
        assert_eq!(queue.first(), None);
    }

    #[test]
    fn what_is_due_within_a_millisecond_comes_up_together() {
        let mut queue = Queue::default();
        let now = at(1_000_000_000);
        queue.ensure(A, Some(now + TOGETHER));
        queue.ensure(B, Some(now + TOGETHER + Duration::from_nanos(1)));
        assert_eq!(queue.first(), Some(now + TOGETHER), "alone, nobody is early");
        assert_eq!((queue.pop_due(now), queue.pop_due(now)), (Some(A), None));
    }
}
