//! notifierd runs hooks for vrrp-core's events: in order, one at a time for each instance and each sync group.
//!
//! What it runs is in its own configuration; the feed only tells which of them is in which state. Whatever becomes of a
//! hook, and of this process, no address moves for it. Running programs is in the crate `runner`; here is what connects
//! it with the feed.

mod board;
mod cursor;
mod daemon;
mod feed;
mod history;
mod ledger;
mod mail;
mod occasion;
mod orphans;
mod outer;
mod pipe;
mod pipes;
mod plan;
mod preludes;
mod status;

use std::process::ExitCode;

/// What `--help` says first.
const ABOUT: &str = "Runs hooks in the order of the transitions, and mails states.\n\n  \
    notifierd mail   mail a test and explain the outcome";

/// The first argument of the process that keeps what hooks left running from dying with us.
const KEEP: &str = "keep-pipes";

fn main() -> ExitCode {
    let command = std::env::args_os().nth(1);
    match command.as_ref().and_then(|command| command.to_str()) {
        Some(mail::child::COMMAND) => mail::child::run(),
        Some(KEEP) => runner::Keeper::serve().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS),
        Some("mail") => service::act("notifierd", mail::once::run),
        Some(_) | None => service::run("notifierd", ABOUT, daemon::run),
    }
}
