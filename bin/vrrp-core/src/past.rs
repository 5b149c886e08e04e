//! The last events, for a subscriber that comes back and says which one it saw last.
//!
//! It must never grow beyond its bound, and never give a row with a gap: who can't be given exactly what it missed gets
//! `None`, and then a snapshot. Sans I/O: encoded lines in, encoded lines out.

use std::collections::VecDeque;

/// Events that are remembered: some 400 KiB. Who missed more is better served by a snapshot.
const MAX_REMEMBERED: usize = 1024;

/// Events without a gap, up to the last one.
#[derive(Debug, Default)]
pub(crate) struct Past {
    lines: VecDeque<Vec<u8>>,
    last: u64,
}

impl Past {
    /// Takes an event, as it is sent.
    pub(crate) fn remember(&mut self, sequence: u64, line: Vec<u8>) {
        if Some(sequence) != self.last.checked_add(1) {
            self.lines.clear();
        }
        if self.lines.len() >= MAX_REMEMBERED {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
        self.last = sequence;
    }

    /// From here on everything is new: who hasn't seen this number needs a snapshot.
    pub(crate) fn begin_at(&mut self, sequence: u64) {
        self.lines.clear();
        self.last = sequence;
    }

    /// Everything after that number, one line behind the other; `None` if not all of it is remembered.
    pub(crate) fn after(&self, sequence: u64) -> Option<Vec<u8>> {
        let missed = usize::try_from(self.last.checked_sub(sequence)?).ok()?;
        let first = self.lines.len().checked_sub(missed)?;
        Some(self.lines.iter().skip(first).flatten().copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u64) -> Vec<u8> {
        format!("{number}\n").into_bytes()
    }

    fn after(past: &Past, sequence: u64) -> Option<String> {
        past.after(sequence).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn exactly_what_was_missed_is_given() {
        let mut past = Past::default();
        assert_eq!(after(&past, 0).as_deref(), Some(""), "nothing has happened");
        assert_eq!(after(&past, 1), None, "a number of the future");
        (1..=5).for_each(|number| past.remember(number, line(number)));
        assert_eq!(after(&past, 3).as_deref(), Some("4\n5\n"));
        assert_eq!(after(&past, 5).as_deref(), Some(""));
        assert_eq!(after(&past, 0).as_deref(), Some("1\n2\n3\n4\n5\n"));
        assert_eq!(after(&past, u64::MAX), None);
    }

    #[test]
    fn what_is_too_long_ago_is_gone() {
        let mut past = Past::default();
        let last = MAX_REMEMBERED as u64 + 10;
        (1..=last).for_each(|number| past.remember(number, line(number)));
        assert_eq!(past.lines.len(), MAX_REMEMBERED);
        assert_eq!(after(&past, 9), None);
        assert!(after(&past, 10).unwrap().starts_with("11\n"));
    }

    /// A reload names others: its snapshot has a number of its own, and who hasn't seen it doesn't go on without it.
    #[test]
    fn nobody_goes_on_across_a_new_beginning_or_a_gap() {
        let mut past = Past::default();
        past.remember(1, line(1));
        past.begin_at(2);
        assert_eq!((after(&past, 1), after(&past, 2).as_deref()), (None, Some("")));
        past.remember(3, line(3));
        assert_eq!(after(&past, 2).as_deref(), Some("3\n"));
        past.remember(5, line(5));
        assert_eq!((after(&past, 3), after(&past, 4).as_deref()), (None, Some("5\n")));
    }
}
