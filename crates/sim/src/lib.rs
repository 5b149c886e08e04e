//! A simulated LAN with simulated nodes, seeded: the very core that runs in production, in minutes of faults that take
//! milliseconds.
//!
//! - [`Scenario`]: nodes with a [`vrrp::CoreConfig`] each, weather, and a script of [`Fault`]s; [`Scenario::run`] gives a
//!   [`Report`] with the story of what was told, or a [`Failure`] with the seed and one line per event.
//! - [`random`]: a scenario that a seed decides; [`run`] runs it.
//! - [`explore()`]: not one run but all of them, for two nodes and a handful of events.
//!
//! Inside, from the outside in: `world` takes events from the `queue`; `faults`, `lan` and `local` say what happens on the
//! network and between the processes of a `host` (with its `manager`, its `checker`, and the `service` that its hooks start); `oracle` judges after every event, with the
//! time that an election may take from `settle`.
//!
//! Nothing here reads a clock, a file, a socket or the environment, or draws a random number that the seed did not decide.

mod checker;
mod explore;
mod faults;
mod generate;
mod host;
mod lan;
mod local;
mod manager;
mod neighbours;
mod oracle;
mod prelude;
mod queue;
mod reload;
mod report;
mod rng;
mod scenario;
mod service;
mod settle;
mod shrink;
mod topology;
mod turns;
mod vary;
mod world;

pub use checks::{CheckConfig, Outcome};
pub use explore::{Explored, explore};
pub use generate::random;
pub use oracle::Violation;
pub use report::{Arithmetic, Ending, Failure, GroupTold, Happening, MAX_TRACE_LINES, Report, Told};
pub use rng::Rng;
pub use scenario::{Fault, HostDelays, NodeId, Scenario, Watched, Weather};
pub use settle::settling_time;
pub use shrink::Shrunk;
pub use vrrp::{InstanceId, Prelude};

/// Runs the random scenario of a seed.
///
/// # Errors
/// The first oracle that was violated, with the last lines of the trace.
pub fn run(seed: u64) -> Result<Report, Box<Failure>> {
    random(seed).run()
}
