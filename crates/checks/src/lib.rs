//! Rise, fall and scheduling of health checks, sans I/O.
//!
//! What it must never do: run anything, read a clock, or know how a check is made. [`Checks::handle`] takes one input
//! at a time, then [`Checks::poll_output`] until it is empty, then sleep until [`Checks::next_deadline`].
//!
//! | | |
//! |---|---|
//! | [`door`](Input) | what goes in and comes out |
//! | [`judge`](Judge) | rise and fall: from results to a verdict |
//! | `schedule` | when a check is due: an absolute grid, so that nothing drifts |
//! | `table` | one state machine per check, and the queue of deadlines |
//!
//! Read keepalived.conf(5) on `vrrp_script` first. Where we differ from keepalived it is for the better and on purpose:
//! a run that can't be ended counts as a failure at each interval, and what can't be run has a verdict of its own.

mod door;
mod judge;
mod schedule;
mod table;

pub use door::{CheckConfig, CheckId, Input, Outcome, Output, RunNumber};
pub use judge::{Judge, Tally};
pub use table::{Checks, View};
