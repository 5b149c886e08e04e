//! checkerd runs health checks, applies rise and fall, and publishes verdicts.
//!
//! It knows nothing of VRRP, and is useful alone: any program can connect to `checkerd.sock` and read. Rise, fall and
//! schedule are in the crate `checks`, running scripts in the crate `runner`, probes without
//! a process in `probe`; here is what connects them.

mod book;
mod daemon;
mod probe;
mod status;

use std::process::ExitCode;

fn main() -> ExitCode {
    service::run("checkerd", "Runs health checks and publishes verdicts.", daemon::run)
}
