//! What is going to happen, in the order of (time, sequence): the sequence makes events of one moment happen in the
//! order in which they were arranged, on every run.
//!
//! It must never order by anything that could differ between two runs of one seed.

use std::collections::BTreeMap;

use model::Instant;

/// Names an arranged event, to call it off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket {
    at: Instant,
    sequence: u64,
}

impl Ticket {
    /// When the event is due.
    pub(crate) const fn at(self) -> Instant {
        self.at
    }
}

/// The events to come.
#[derive(Debug)]
pub(crate) struct Queue<E> {
    events: BTreeMap<Ticket, E>,
    sequence: u64,
}

impl<E> Queue<E> {
    pub(crate) const fn new() -> Self {
        Self { events: BTreeMap::new(), sequence: 0 }
    }

    pub(crate) fn push(&mut self, at: Instant, event: E) -> Ticket {
        self.sequence += 1;
        let ticket = Ticket { at, sequence: self.sequence };
        self.events.insert(ticket, event);
        ticket
    }

    /// Forgets an event; nothing happens if it is past.
    pub(crate) fn cancel(&mut self, ticket: Ticket) {
        self.events.remove(&ticket);
    }

    /// Forgets every event that isn't to be kept.
    pub(crate) fn retain(&mut self, keep: impl Fn(&E) -> bool) {
        self.events.retain(|_, event| keep(event));
    }

    /// Puts another event in the place of each, or none.
    pub(crate) fn change(&mut self, change: impl Fn(E) -> Option<E>) {
        let events = std::mem::take(&mut self.events).into_iter();
        self.events = events.filter_map(|(ticket, event)| Some((ticket, change(event)?))).collect();
    }

    /// When the next event is due.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.events.first_key_value().map(|(ticket, _)| ticket.at)
    }

    pub(crate) fn pop(&mut self) -> Option<(Instant, E)> {
        self.events.pop_first().map(|(ticket, event)| (ticket.at, event))
    }

    /// Takes the first event of a kind out of its turn.
    pub(crate) fn take_first(&mut self, wanted: impl Fn(&E) -> bool) -> Option<(Instant, E)> {
        let ticket = self.events.iter().find(|(_, event)| wanted(event)).map(|(ticket, _)| *ticket)?;
        self.events.remove(&ticket).map(|event| (ticket.at, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_by_time_then_by_arrangement() {
        let at = Instant::from_nanos;
        let mut queue = Queue::new();
        queue.push(at(2), "c");
        queue.push(at(1), "a");
        let called_off = queue.push(at(1), "x");
        queue.push(at(1), "b");
        queue.cancel(called_off);
        assert_eq!(queue.take_first(|event| *event == "b"), Some((at(1), "b")));
        assert_eq!(queue.next_at(), Some(at(1)));
        assert_eq!(queue.pop(), Some((at(1), "a")));
        assert_eq!(queue.pop(), Some((at(2), "c")));
        assert_eq!(queue.pop(), None);
    }
}
