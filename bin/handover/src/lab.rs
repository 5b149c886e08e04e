//! `handover lab DIR`: rehearses a directory of configurations on hosts that exist for a minute.
//!
//! The real processes, real packets and real addresses, in namespaces of their own (crate `lab`); nothing of the machine
//! is touched, and nothing is left however this program ends: the kernel ends the lab when our end of a pipe is closed,
//! so that Ctrl-C needs no handler. This file is the way in; [`plan`] reads the directory, [`rules`] says what should
//! happen, [`stage`] sets up the hosts, [`watch`] sees what happens, [`acts`] plays.

mod acts;
mod floor;
mod plan;
mod probe;
mod rules;
mod stage;
mod stand_in;
mod timeline;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use argh::FromArgs;
use service::Exit;

pub(crate) use stand_in::stand_in;

/// The role of the agent's that is ours: the client's stream of requests.
const PROBE: &str = "probe";

/// Rehearse a directory of NODE.conf files: one host each, a client, and what goes wrong with them.
///
/// Needs no installation; works as root and, where the kernel gives namespaces to ordinary users, as one of them.
#[derive(Debug, FromArgs)]
#[argh(
    subcommand,
    name = "lab",
    help_triggers("-h", "--help"),
    example = "handover lab examples/haproxy-pair"
)]
pub(crate) struct LabArguments {
    /// where the NODE.conf files are, and what they need: hook scripts, haproxy.cfg
    #[argh(positional, arg_name = "dir")]
    pub(crate) directory: PathBuf,
}

/// Plays all acts; success only if every one came out.
pub(crate) fn run(arguments: &LabArguments) -> ExitCode {
    let plan = match plan::Plan::read(&arguments.directory) {
        Ok(plan) => plan,
        Err(why) => {
            crate::complain(&format!("handover lab: {why}\n"));
            return Exit::Configuration.into();
        }
    };
    match acts::play(&plan) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => Exit::Failed.into(),
        Err(why) => {
            crate::complain(&format!("handover lab: {why}\n"));
            Exit::Failed.into()
        }
    }
}

/// Plays a part in a lab: its agent, a host's init, or the client's probe.
pub(crate) fn agent(role: &[&str]) -> ExitCode {
    let words: Vec<String> = role.iter().map(|word| (*word).to_owned()).collect();
    match words.split_first() {
        Some((role, target)) if role == PROBE => probe::run(target),
        Some(_) | None => ::lab::agent::run(&words),
    }
}
