//! How hooks are run: for how long, and what becomes of states that wait while one runs.
//!
//! Handover's own words; what is so without them is what holds for keepalived's files.

use std::time::Duration;

/// `notify_timeout`, `notify_queue` and `notify_queue_limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// How long a hook may take.
    pub timeout: Duration,
    /// What becomes of states that wait.
    pub queue: Queue,
}

/// What becomes of states that wait while a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// The newest takes the place of the others.
    Coalesce,
    /// Hooks run for all of them in order; of more than so many the oldest go.
    All(usize),
}
