//! The options that all five programs share, and the habits of getopt that argh doesn't know.

use std::ffi::OsString;
use std::path::PathBuf;

use argh::FromArgs;
use config::ConfigId;

use crate::{Exit, Failure};

/// The runtime directory where neither an option nor systemd names one.
const RUNTIME_DIR: &str = "/run/handover";
/// The state directory likewise.
const STATE_DIR: &str = "/var/lib/handover";

/// All four daemons have these options.
#[derive(Debug, Default, FromArgs)]
#[argh(help_triggers("-h", "--help"))]
pub struct DaemonOptions {
    /// the configuration file (default: /etc/handover/handover.conf, else /etc/keepalived/keepalived.conf)
    #[argh(option, short = 'f', arg_name = "FILE")]
    pub config: Option<PathBuf>,

    /// the name that @NAME lines of the configuration are for (default: the host's, up to the first dot)
    #[argh(option, short = 'i', arg_name = "ID")]
    pub config_id: Option<String>,

    /// where the sockets are (default: $RUNTIME_DIRECTORY, else /run/handover)
    #[argh(option, arg_name = "DIR")]
    pub runtime_dir: Option<PathBuf>,

    /// what is remembered across restarts (default: $STATE_DIRECTORY, else /var/lib/handover)
    #[argh(option, arg_name = "DIR")]
    pub state_dir: Option<PathBuf>,

    /// print the version and exit
    #[argh(switch, short = 'V')]
    pub version: bool,
}

/// Reads the command line of a daemon, and whether its own `switch` is there, if it has one. `None`: help or version was
/// asked for, and has been printed.
///
/// # Errors
/// [`Exit::Usage`] with argh's words, and what to type for help.
pub fn parse_options(
    name: &str,
    about: &str,
    switch: Option<&str>,
) -> Result<Option<(DaemonOptions, bool)>, Failure> {
    let mut arguments = normalise(std::env::args_os().skip(1), "fi")?;
    let before = arguments.len();
    arguments.retain(|argument| switch != Some(argument));
    let switched = arguments.len() < before;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match DaemonOptions::from_args(&[name], &arguments) {
        Ok(options) if options.version => {
            say(&format!("{name} {}", env!("CARGO_PKG_VERSION")));
            Ok(None)
        }
        Ok(options) => Ok(Some((options, switched))),
        Err(early) => usage_exit(name, about, &early).map(|()| None),
    }
}

/// Prints help, or turns a mistake on the command line into a [`Failure`].
///
/// # Errors
/// [`Exit::Usage`] unless help was asked for.
pub fn usage_exit(name: &str, about: &str, early: &argh::EarlyExit) -> Result<(), Failure> {
    if early.status.is_ok() {
        let output = early.output.trim_end();
        say(&if about.is_empty() { output.to_owned() } else { format!("{about}\n\n{output}") });
        return Ok(());
    }
    Err(Failure::new(Exit::Usage, format!("{} ('{name} --help' lists the options)", early.output.trim())))
}

/// The answer to a question on the command line goes to standard output; a closed pipe is nobody's problem.
fn say(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Splits `--option=value` and `-fVALUE`, which argh would refuse, for the short options in `with_value`.
///
/// # Errors
/// [`Exit::Usage`] for an argument that isn't UTF-8.
pub fn normalise(
    arguments: impl IntoIterator<Item = OsString>,
    shorts: &str,
) -> Result<Vec<String>, Failure> {
    let mut out = Vec::new();
    let mut verbatim = false;
    for argument in arguments {
        let argument = argument.into_string().map_err(|bad| {
            Failure::new(Exit::Usage, format!("an argument isn't UTF-8: {}", bad.display()))
        })?;
        verbatim |= argument == "--";
        match (argument.strip_prefix("--"), argument.strip_prefix('-')) {
            _ if verbatim => out.push(argument),
            (Some(long), _) => match long.split_once('=') {
                Some((option, value)) => out.extend([format!("--{option}"), value.to_owned()]),
                None => out.push(argument),
            },
            (None, Some(short)) => match short.chars().next() {
                Some(c) if short.len() > c.len_utf8() && shorts.contains(c) => {
                    let (option, value) = short.split_at(c.len_utf8());
                    out.extend([format!("-{option}"), value.to_owned()]);
                }
                Some(_) | None => out.push(argument),
            },
            (None, None) => out.push(argument),
        }
    }
    Ok(out)
}

/// The configuration file: as asked, else the default that exists.
#[must_use]
pub fn config_path(asked: Option<PathBuf>) -> PathBuf {
    asked.unwrap_or_else(config::default_path)
}

/// Who reads the configuration: as asked, else this host.
#[must_use]
pub fn config_id(asked: Option<String>) -> ConfigId {
    asked.map_or_else(ConfigId::of_this_host, ConfigId::new)
}

/// The runtime directory: as asked, else systemd's `RUNTIME_DIRECTORY` (its first entry), else `/run/handover`.
#[must_use]
pub fn runtime_dir(asked: Option<PathBuf>) -> PathBuf {
    asked.unwrap_or_else(|| from_systemd("RUNTIME_DIRECTORY", RUNTIME_DIR))
}

/// The state directory: as asked, else systemd's `STATE_DIRECTORY` (its first entry), else `/var/lib/handover`.
#[must_use]
pub fn state_dir(asked: Option<PathBuf>) -> PathBuf {
    asked.unwrap_or_else(|| from_systemd("STATE_DIRECTORY", STATE_DIR))
}

/// systemd.exec(5): several directories are separated by colons.
fn from_systemd(variable: &str, otherwise: &str) -> PathBuf {
    let said = std::env::var(variable).unwrap_or_default();
    match said.split(':').next() {
        Some(first) if !first.is_empty() => PathBuf::from(first),
        Some(_) | None => PathBuf::from(otherwise),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(arguments: &[&str]) -> Vec<String> {
        normalise(arguments.iter().map(OsString::from), "f").unwrap()
    }

    #[test]
    fn getopt_habits_work() {
        assert_eq!(normal(&["--config=a=b", "-fx.conf"]), ["--config", "a=b", "-f", "x.conf"]);
        assert_eq!(normal(&["-f", "x", "--", "--a=b"]), ["-f", "x", "--", "--a=b"]);
        assert_eq!(normal(&["-x1", "-", "plain"]), ["-x1", "-", "plain"]);
    }

    #[test]
    fn an_option_wins_over_the_environment() {
        assert_eq!(runtime_dir(Some("/x".into())), PathBuf::from("/x"));
        assert_eq!(config_path(Some("/y".into())), PathBuf::from("/y"));
    }
}
