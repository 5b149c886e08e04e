//! ipmgr is the only hand on the kernel's network state: it opens the raw sockets and passes them to vrrp-core, adds and
//! removes the addresses, routes and rules of the instances that vrrp-core names, and says how the links are.
//!
//! It must never do what a message says but only what the configuration says: an order is the name of an instance, and
//! what that means stands in the administrator's file. It keeps the addresses by itself as long as vrrp-core lives, and
//! removes them when vrrp-core is silent for longer than a peer would wait. Read `ipc::core_ipmgr` and ARCHITECTURE.md,
//! "What each silence means", first.

mod bystanders;
mod claims;
mod contest;
mod core_link;
mod daemon;
mod debt;
mod departure;
mod doubles;
mod evidence;
mod facts;
mod gate;
mod limiter;
mod needs;
mod paths;
mod plan;
mod progress;
mod shutter;
mod sockets;
mod succession;
mod virtual_links;
mod world;

use std::process::ExitCode;

use service::Exit;

/// Ends after which nobody starts us again. A mistyped command line isn't one of them: it says nothing of what runs here.
const FOR_GOOD: [Exit; 2] = [Exit::Rights, Exit::Configuration];

fn main() -> ExitCode {
    let about = "Holds the addresses that vrrp-core asks for, and nothing else.";
    let status = service::run("ipmgr", about, daemon::run);
    if FOR_GOOD.map(ExitCode::from).contains(&status) {
        departure::leave_nothing();
    }
    status
}
