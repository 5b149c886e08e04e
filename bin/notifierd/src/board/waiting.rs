//! The states of one instance or group that wait for their hooks, in order. Sans I/O.
//!
//! What it must never do: lose the newest state, or keep one that hooks were run for last. What goes before its hooks could
//! run is given back to be told.

use std::collections::VecDeque;

use config::Queue;
use ipc::events::Told;

use super::Offered;
use crate::occasion::Occasion;

/// Those states.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    states: VecDeque<Occasion>,
}

impl Waiting {
    /// Another state, where hooks were last begun for `told`.
    pub(super) fn offer(&mut self, occasion: Occasion, told: Option<Told>, queue: Queue) -> Offered {
        let state = occasion.to();
        match queue {
            Queue::Coalesce => {
                let overtaken: Vec<Told> = self.states.drain(..).map(|older| older.to()).collect();
                if told == Some(state) {
                    return Offered::Same(overtaken);
                }
                self.states.push_back(occasion);
                if overtaken.is_empty() { Offered::Taken } else { Offered::Overtook(overtaken) }
            }
            Queue::All(limit) => {
                if self.newest().or(told) == Some(state) {
                    return Offered::Same(Vec::new());
                }
                self.states.push_back(occasion);
                let dropped = self.keep(limit, told);
                if dropped.is_empty() { Offered::Taken } else { Offered::Crowded(dropped) }
            }
        }
    }

    /// Only the newest so many go on waiting; the others are given back.
    pub(super) fn keep(&mut self, limit: usize, told: Option<Told>) -> Vec<Told> {
        let mut dropped = Vec::new();
        let is_told = |states: &VecDeque<Occasion>| states.front().is_some_and(|it| told == Some(it.to()));
        // What becomes the first may be what was told last: then nothing is to be run for it either.
        while self.states.len() > limit || (!dropped.is_empty() && is_told(&self.states)) {
            dropped.extend(self.states.pop_front().map(|oldest| oldest.to()));
        }
        dropped
    }

    /// The one whose turn it is.
    pub(super) fn next(&mut self) -> Option<Occasion> {
        let next = self.states.pop_front();
        if self.states.is_empty() {
            // There are thousands of these, and most are empty most of the time.
            self.states.shrink_to_fit();
        }
        next
    }

    /// The state that is so.
    pub(super) fn newest(&self) -> Option<Told> {
        self.states.back().map(Occasion::to)
    }

    pub(super) fn len(&self) -> usize {
        self.states.len()
    }
}
