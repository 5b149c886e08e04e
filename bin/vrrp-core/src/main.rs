//! vrrp-core speaks the protocol: packets, elections, announcements, and the story of what happened.
//!
//! It has no rights at all. Sockets come from ipmgr, verdicts from checkerd; it listens on `vrrp-core.sock`.
//! The elections themselves are in the crate `vrrp`; here is what connects them with the world.

mod backlog;
mod checker;
mod conduct;
mod daemon;
mod drains;
mod feed;
mod in_place;
mod losses;
mod lull;
mod manager;
mod needs;
mod operator;
mod pacing;
mod past;
mod penalties;
mod plan;
mod setup;
mod status;
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
    service::run("vrrp-core", "Speaks VRRP: packets, elections, announcements.", daemon::run)
}
