//! What makes a program a well-behaved service: shared options, log lines, readiness, exit codes.
//!
//! The four daemons start through [`run`], so that who knows one knows all. Nothing here knows what a
//! daemon is for.

pub mod client;
mod confine;
mod failure;
mod ground;
mod keepsake;
pub mod log;
mod options;
mod post;
mod ready;
pub mod reload;
mod serve;
pub mod sole;
pub mod stamp;
mod trouble;
mod watchdog;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

pub use confine::{SECCOMP_VARIABLE, confine};
pub use failure::{Exit, Failure};
pub use keepsake::Keepsake;
pub use options::{
    DaemonOptions, config_id, config_path, normalise, parse_options, runtime_dir, state_dir, usage_exit,
};
pub use ready::{notify_more_time, notify_ready, notify_status, notify_stopping};
pub use serve::{Daemon, Readiness, Turn, event_loop, serve};
pub use trouble::Trouble;

/// What a daemon has in hand when its own work begins.
#[derive(Debug)]
pub struct Start {
    /// The valid configuration.
    pub config: Arc<config::Config>,
    /// What that configuration was read from, as an absolute path.
    pub config_path: PathBuf,
    /// As whom it was read.
    pub config_id: config::ConfigId,
    /// Its fingerprint: two daemons with the same one run the same text.
    pub fingerprint: config::Fingerprint,
    /// Where the sockets are.
    pub runtime_dir: PathBuf,
    /// Where what outlives the process is; it may not exist.
    pub state_dir: PathBuf,
}

/// Runs a daemon: options, log, configuration, then `body`; its result becomes the exit status.
///
/// `about` is the one-line description that `--help` shows.
pub fn run(name: &'static str, about: &'static str, body: fn(Start) -> Result<(), Failure>) -> ExitCode {
    finish(name, about, None, |start, _| body(start))
}

/// The same for a daemon with a `switch` of its own, which `about` explains; `body` gets whether it was given.
pub fn run_with_switch(
    name: &'static str,
    about: &'static str,
    switch: &'static str,
    body: fn(Start, bool) -> Result<(), Failure>,
) -> ExitCode {
    finish(name, about, Some(switch), body)
}

fn finish(
    name: &'static str,
    about: &'static str,
    switch: Option<&'static str>,
    body: impl FnOnce(Start, bool) -> Result<(), Failure>,
) -> ExitCode {
    log::start(name);
    let started = supervised().and_then(|()| start(name, about, switch));
    // What reading took, before anybody locks it.
    sys::memory::give_back();
    match started.and_then(|start| start.map_or(Ok(()), |(start, switched)| body(start, switched))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            ::log::error!("{failure}");
            failure.exit.into()
        }
    }
}

/// Runs a command of a person's, which is the first argument of a daemon's program; `command` gets those after it.
pub fn act(name: &'static str, command: fn(&[&str]) -> Result<ExitCode, Failure>) -> ExitCode {
    log::start(name);
    let arguments = normalise(std::env::args_os().skip(2), "fi");
    let done = arguments.and_then(|arguments| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        command(&arguments)
    });
    done.unwrap_or_else(|failure| {
        ::log::error!("{failure}");
        failure.exit.into()
    })
}

/// The configuration that such a command is about, read as the daemon reads it; nothing is told but errors.
///
/// # Errors
/// [`Exit::Configuration`] if it isn't valid.
pub fn load(path: Option<PathBuf>, id: Option<String>) -> Result<config::Config, Failure> {
    let path = config_path(path);
    config::load_as(&path, &config_id(id)).config.ok_or_else(|| invalid(&path))
}

fn invalid(path: &Path) -> Failure {
    let why = format!("{} is not valid; 'handover check -f {0}' shows where", path.display());
    Failure::new(Exit::Configuration, why)
}

/// A variable by which `handover run` says who it is; its daemons end when it does, however it ends.
pub const SUPERVISOR: &str = "HANDOVER_SUPERVISOR";

/// Ends with the supervisor, if there is one.
fn supervised() -> Result<(), Failure> {
    let Some(parent) = std::env::var(SUPERVISOR).ok().and_then(|pid| pid.parse().ok()) else { return Ok(()) };
    sys::process::die_with(parent, sys::process::Signal::TERM)
        .map_err(|error| Failure::io("tie ourselves to the supervisor", &error))
}

/// `None` when the options asked for nothing but help or the version, which has been printed.
fn start(
    name: &'static str,
    about: &'static str,
    switch: Option<&str>,
) -> Result<Option<(Start, bool)>, Failure> {
    let Some((options, switched)) = parse_options(name, about, switch)? else { return Ok(None) };
    let config_path = config_path(options.config);
    let config_path = std::path::absolute(&config_path).unwrap_or(config_path);
    let config_id = config_id(options.config_id);
    let loaded = config::load_as(&config_path, &config_id);
    // One of them tells what all have read: it, or checkerd where it is alone.
    let is_alone = loaded.config.as_ref().is_some_and(|config| config.instances.is_empty());
    let tells = name == "vrrp-core" || is_alone;
    for (line, diagnostic) in loaded.report.one_line().iter().zip(loaded.report.diagnostics()) {
        let level = match diagnostic.severity {
            config::Severity::Error => ::log::Level::Error,
            config::Severity::Warning if tells => ::log::Level::Warn,
            config::Severity::Warning => ::log::Level::Debug,
            config::Severity::Note => ::log::Level::Debug,
        };
        ::log::log!(level, "{line}");
    }
    let Some(config) = loaded.config else {
        return Err(invalid(&config_path));
    };
    let start = Start {
        config: Arc::new(config),
        config_path,
        config_id,
        fingerprint: loaded.fingerprint,
        runtime_dir: runtime_dir(options.runtime_dir),
        state_dir: state_dir(options.state_dir),
    };
    ground::look(&start.runtime_dir);
    Ok(Some((start, switched)))
}
