//! What may wait a moment while adverts may not.
//!
//! When thousands of instances change hands at once, announcing and telling it takes longer than a peer waits for the
//! next advert, and longer than ipmgr waits for a sign of life. So the loop does only some of it in each turn.

use std::collections::VecDeque;

use vrrp::Output;

/// Things that are done in one turn: well under a millisecond, at some 10 us for each announcement or line.
const TURN: usize = 32;
/// Things that may wait: some for each of thousands of instances. Whoever makes more of them than are done has to wait
/// for them.
const MAX_WAITING: usize = 1 << 16;

/// Outputs of the core that wait, in their order.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    waiting: VecDeque<Output>,
}

impl Backlog {
    /// Adds one at the end.
    pub(crate) fn push(&mut self, output: Output) {
        self.waiting.push_back(output);
    }

    /// The next one.
    pub(crate) fn pop(&mut self) -> Option<Output> {
        self.waiting.pop_front()
    }

    /// Whether there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many to do now.
    pub(crate) fn turn(&self) -> usize {
        if self.waiting.len() > MAX_WAITING { self.waiting.len() } else { self.waiting.len().min(TURN) }
    }
}

/// Whether a peer, or the address, waits for it: then it isn't put off. First announcements have a queue of their own.
pub(crate) const fn is_urgent(output: &Output) -> bool {
    matches!(
        output,
        Output::Transmit(_)
            | Output::Install { .. }
            | Output::Withdraw { .. }
            | Output::Prelude { .. }
            | Output::AnnouncePlaced { .. }
    )
}

#[cfg(test)]
mod tests {
    use vrrp::InstanceId;

    use super::*;

    #[test]
    fn turns_are_short_until_too_much_waits() {
        let mut backlog = Backlog::default();
        assert_eq!((backlog.turn(), backlog.is_empty()), (0, true));
        for number in 0..MAX_WAITING {
            backlog.push(Output::Announce(InstanceId(number)));
        }
        assert_eq!(backlog.turn(), TURN);
        assert_eq!(backlog.pop(), Some(Output::Announce(InstanceId(0))), "oldest first");
        backlog.push(Output::Finished);
        backlog.push(Output::Finished);
        assert_eq!(backlog.turn(), MAX_WAITING + 1);
    }
}
