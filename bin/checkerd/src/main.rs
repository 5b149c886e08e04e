//! checkerd runs health checks, applies rise and fall, and publishes verdicts.
//!
//! It knows nothing of VRRP, and is useful alone: any program can connect to `checkerd.sock` and read. Rise, fall and
//! schedule are in the crate `checks`, running scripts in the crate `runner`, probes without
//! a process in `probe`; here is what connects them.

mod book;
mod daemon;
mod gate;
mod once;
mod plan;
mod probe;
mod status;
mod stdout;
mod watch;

use std::process::ExitCode;

/// What `--help` says first.
const ABOUT: &str = "Runs health checks and publishes verdicts.\n\n  \
    --stdout            verdicts on standard output as well, as JSON Lines\n  \
    checkerd run NAME   run one check once and explain the outcome\n  \
    checkerd watch      show all checks of the running checkerd";

fn main() -> ExitCode {
    let command = std::env::args_os().nth(1);
    match command.as_ref().and_then(|command| command.to_str()) {
        Some("run") => service::act("checkerd", once::run),
        Some("watch") => service::act("checkerd", watch::run),
        Some(_) | None => service::run_with_switch("checkerd", ABOUT, "--stdout", daemon::run),
    }
}
