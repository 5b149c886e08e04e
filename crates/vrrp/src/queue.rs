//! The one queue of deadlines, for thousands of instances and links.
//!
//! It may be early, never late: a deadline that moves away stays queued at its old place and is put right when
//! that comes, so that a received advert, which happens far more often than a takeover, never touches the queue.

use std::collections::{BTreeSet, HashMap};

use model::Instant;

use crate::door::{InstanceId, LinkId};

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

    /// The earliest entry.
    pub(crate) fn first(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes an entry out that has come up by `now`.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Who> {
        let (at, who) = *self.order.first()?;
        if at > now {
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
        assert_eq!(queue.pop_due(at(4)), None);
        assert_eq!(queue.pop_due(at(100)), Some(A));
        assert_eq!(queue.pop_due(at(100)), Some(B));
        assert_eq!(queue.pop_due(at(100)), None);
        assert_eq!(queue.first(), None);
    }
}
