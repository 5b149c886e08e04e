//! The command line of `handover`.

use std::path::PathBuf;

use argh::FromArgs;

/// Keeps IP addresses alive: the operator's command.
#[derive(Debug, FromArgs)]
#[argh(
    help_triggers("-h", "--help"),
    example = "handover check -f /etc/keepalived/keepalived.conf",
    example = "handover run -f node-a.conf --runtime-dir /tmp/handover",
    example = "handover status --json"
)]
pub(crate) struct Arguments {
    /// print the version and exit
    #[argh(switch, short = 'V')]
    pub(crate) version: bool,

    #[argh(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What to do.
#[derive(Debug, FromArgs)]
#[argh(subcommand)]
pub(crate) enum Command {
    Run(Run),
    Status(Status),
    Check(crate::check::CheckArguments),
    Explain(crate::explain::ExplainArguments),
    Fmt(crate::fmt::FmtArguments),
    Events(Events),
    History(crate::history::HistoryArguments),
    Drain(Drain),
    Undrain(Undrain),
    Reload(crate::reload::ReloadArguments),
    Simulate(crate::simulate::SimulateArguments),
    Lab(crate::lab::LabArguments),
}

/// Start the four daemons in the foreground and keep them running.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "run", help_triggers("-h", "--help"))]
pub(crate) struct Run {
    /// the configuration file (default: /etc/handover/handover.conf, else /etc/keepalived/keepalived.conf)
    #[argh(option, short = 'f', arg_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// the name that @NAME lines of the configuration are for (default: the host's, up to the first dot)
    #[argh(option, short = 'i', arg_name = "ID")]
    pub(crate) config_id: Option<String>,

    /// where the sockets are made (default: $RUNTIME_DIRECTORY, else /run/handover)
    #[argh(option, arg_name = "DIR")]
    pub(crate) runtime_dir: Option<PathBuf>,

    /// what is remembered across restarts (default: $STATE_DIRECTORY, else /var/lib/handover)
    #[argh(option, arg_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
}

/// Take an instance out of the elections until it is undrained, across restarts, too; returns when its addresses are gone.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "drain", help_triggers("-h", "--help"))]
pub(crate) struct Drain {
    /// which one
    #[argh(positional)]
    pub(crate) instance: Option<String>,

    /// every instance
    #[argh(switch)]
    pub(crate) all: bool,

    /// also if no other router has been heard that could take over: backups are silent, so look at its status first
    #[argh(switch)]
    pub(crate) force: bool,

    /// where the sockets are (default: $RUNTIME_DIRECTORY, else /run/handover)
    #[argh(option, arg_name = "DIR")]
    pub(crate) runtime_dir: Option<PathBuf>,
}

/// Bring a drained instance back; one that is not drained tries again what the kernel has refused it.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "undrain", help_triggers("-h", "--help"))]
pub(crate) struct Undrain {
    /// which one
    #[argh(positional)]
    pub(crate) instance: Option<String>,

    /// every instance
    #[argh(switch)]
    pub(crate) all: bool,

    /// where the sockets are (default: $RUNTIME_DIRECTORY, else /run/handover)
    #[argh(option, arg_name = "DIR")]
    pub(crate) runtime_dir: Option<PathBuf>,
}

/// Show the state of every instance and check, and why it is so.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "status", help_triggers("-h", "--help"))]
pub(crate) struct Status {
    /// as one JSON object
    #[argh(switch)]
    pub(crate) json: bool,

    /// accepted by all programs; not needed here
    #[argh(option, short = 'f', arg_name = "FILE")]
    #[allow(dead_code, reason = "all five programs share these two options")]
    pub(crate) config: Option<PathBuf>,

    /// where the sockets are (default: $RUNTIME_DIRECTORY, else /run/handover)
    #[argh(option, arg_name = "DIR")]
    pub(crate) runtime_dir: Option<PathBuf>,
}

/// Follow the transitions as they happen.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "events", help_triggers("-h", "--help"))]
pub(crate) struct Events {
    /// as JSON Lines, just as vrrp-core sends them
    #[argh(switch)]
    pub(crate) json: bool,

    /// accepted by all programs; not needed here
    #[argh(option, short = 'f', arg_name = "FILE")]
    #[allow(dead_code, reason = "all five programs share these two options")]
    pub(crate) config: Option<PathBuf>,

    /// where the sockets are (default: $RUNTIME_DIRECTORY, else /run/handover)
    #[argh(option, arg_name = "DIR")]
    pub(crate) runtime_dir: Option<PathBuf>,
}
