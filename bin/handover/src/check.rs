//! `handover check`: whether a configuration is valid, where it isn't, and whether the nodes of a cluster go together.
//!
//! It needs no root and asks nothing of the machine, unless `--host` is given ([`host`]). What there is to say of one file is crate `config`'s, what there
//! is to say of several crate `lint`'s; here it is only told, and becomes an exit status.

mod firewall;
mod host;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use argh::FromArgs;
use config::{Config, ConfigId, Loaded};
use service::{Exit, Failure};

/// Tell whether a configuration is valid, and where it isn't. Several files are taken as the nodes of one cluster and compared.
///
/// Nothing on this machine is changed, and nothing is looked at without --host. 'handover explain ID' says more about what is found, and how to silence it.
#[derive(Debug, FromArgs)]
#[argh(
    subcommand,
    name = "check",
    help_triggers("-h", "--help"),
    example = "handover check /etc/keepalived/keepalived.conf",
    example = "handover check node-a.conf node-b.conf --deny warnings",
    note = "Exit status: 0 fine, 1 errors, or warnings with --deny warnings, 64 wrong usage."
)]
pub(crate) struct CheckArguments {
    /// the configuration file (default: /etc/handover/handover.conf, else /etc/keepalived/keepalived.conf)
    #[argh(option, short = 'f', arg_name = "FILE")]
    config: Option<PathBuf>,

    /// the name that @NAME lines of the configuration are for (default: the host's, up to the first dot)
    #[argh(option, short = 'i', arg_name = "ID")]
    config_id: Option<String>,

    /// what is to count as an error besides errors: warnings
    #[argh(option, arg_name = "WHAT")]
    deny: Option<Deny>,

    /// look also at this machine: interfaces, addresses, scripts and their users, the firewall
    #[argh(switch)]
    host: bool,

    /// tell also each word that is Handover's own and that keepalived doesn't know
    #[argh(switch)]
    portable: bool,

    /// on standard output, one object of JSON for each diagnostic
    #[argh(switch)]
    json: bool,

    /// the same, without the option; one for each node
    #[argh(positional, arg_name = "file")]
    files: Vec<PathBuf>,

    /// accepted by all programs; not needed here
    #[argh(option, arg_name = "DIR")]
    #[allow(dead_code, reason = "all five programs share these two options")]
    runtime_dir: Option<PathBuf>,
}

/// What `--deny` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deny {
    Warnings,
}

impl std::str::FromStr for Deny {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "warnings" => Ok(Self::Warnings),
            _ => Err("only warnings can be denied".to_owned()),
        }
    }
}

/// Tells everything about these files: to standard error for people, with a verdict on standard output; with `--json` to
/// standard output.
///
/// # Errors
/// [`Exit::Failed`] (status 1) when there is an error, or a warning that is denied.
pub(crate) fn run(arguments: &CheckArguments) -> Result<(), Failure> {
    let mut paths: Vec<PathBuf> = arguments.config.iter().chain(&arguments.files).cloned().collect();
    if paths.is_empty() {
        paths.push(service::config_path(None));
    }
    let id = service::config_id(arguments.config_id.clone());
    let mut all: Vec<Loaded> = paths.iter().map(|path| config::load_as(path, &id)).collect();
    if arguments.host && all.len() > 1 {
        let message = "--host is about this machine, so one file: the one that is for it";
        return Err(Failure::new(Exit::Usage, message));
    }
    judge(&paths, &mut all, arguments);
    let mut bad = Vec::new();
    for (path, loaded) in paths.iter().zip(&all) {
        let report = &loaded.report;
        if arguments.json {
            report.json_lines().iter().for_each(|line| _ = crate::say(&format!("{line}\n")));
        } else {
            crate::complain(&report.render(color()));
        }
        let denied = arguments.deny == Some(Deny::Warnings) && report.warnings() > 0;
        if report.has_errors() || denied {
            bad.push(format!("{}: {}", path.display(), tally(report)));
        } else if let (Some(config), false) = (&loaded.config, arguments.json) {
            crate::say(&verdict(path, config));
        }
    }
    if bad.is_empty() { Ok(()) } else { Err(Failure::new(Exit::Failed, bad.join("; "))) }
}

/// Adds what lints have to say to the reports. A cluster is compared only when all of it can be read.
fn judge(paths: &[PathBuf], all: &mut [Loaded], arguments: &CheckArguments) {
    let names = names(paths);
    let config = all.first().and_then(|loaded| loaded.config.as_ref());
    let host = config.filter(|_| arguments.host).map(host::look);
    let nodes: Vec<lint::Node<'_>> = names
        .iter()
        .zip(all.iter())
        .filter_map(|(name, loaded)| {
            let config = loaded.config.as_ref()?;
            Some(lint::Node { name, config, report: &loaded.report, host: host.as_ref() })
        })
        .collect();
    if nodes.len() < all.len() {
        if all.len() > 1 && !arguments.json {
            crate::complain("The nodes are compared when all files are valid.\n\n");
        }
        return;
    }
    let told = lint::judge(&nodes, lint::Asked { portable: arguments.portable });
    for (loaded, told) in all.iter_mut().zip(told) {
        loaded.report.silence(&told.silenced);
        loaded.report.extend(told.added);
    }
}

/// What nodes are called: as their files without the ending, else as the directories, else by their whole paths.
fn names(paths: &[PathBuf]) -> Vec<String> {
    let stem = |path: &PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let directory = |path: &PathBuf| Some(path.parent()?.file_name()?.to_string_lossy().into_owned());
    let unique =
        |names: &Vec<String>| names.iter().collect::<std::collections::BTreeSet<_>>().len() == paths.len();
    let all = |name: &dyn Fn(&PathBuf) -> Option<String>| paths.iter().map(name).collect::<Option<Vec<_>>>();
    let short = all(&stem).filter(unique).or_else(|| all(&directory).filter(unique));
    short.unwrap_or_else(|| paths.iter().map(|path| path.display().to_string()).collect())
}

fn verdict(path: &Path, config: &Config) -> String {
    let (instances, checks) =
        (count(config.instances.len(), "instance"), count(config.checks.len(), "check"));
    format!("{}: valid ({instances}, {checks})\n", path.display())
}

/// `1 error, 2 warnings`, without what there is none of.
fn tally(report: &config::Report) -> String {
    let counts = [(report.errors(), "error"), (report.warnings(), "warning")];
    let counts =
        counts.into_iter().filter(|(number, _)| *number > 0).map(|(number, what)| count(number, what));
    counts.collect::<Vec<_>>().join(", ")
}

/// The configuration of a file, after every diagnostic has gone to standard error.
///
/// # Errors
/// `otherwise` when there is an error in it.
pub(crate) fn valid(path: &Path, id: &ConfigId, otherwise: Exit) -> Result<Config, Failure> {
    let Loaded { config, report, .. } = config::load_as(path, id);
    crate::complain(&report.render(color()));
    config.ok_or_else(|| {
        let errors = count(report.errors(), "error");
        Failure::new(otherwise, format!("{}: {errors}", path.display()))
    })
}

/// Whether standard error is a terminal whose user hasn't asked for plain text (no-color.org).
pub(crate) fn color() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(paths: &[&str]) -> Vec<String> {
        names(&paths.iter().map(PathBuf::from).collect::<Vec<_>>())
    }

    #[test]
    fn nodes_are_called_by_what_tells_them_apart() {
        assert_eq!(named(&["x/a.conf", "y/b.conf"]), ["a", "b"]);
        assert_eq!(named(&["x/a.conf", "y/a.conf"]), ["x", "y"]);
        assert_eq!(named(&["a.conf", "y/a.conf"]), ["a.conf", "y/a.conf"]);
        assert_eq!(named(&["1/x/a.conf", "2/x/a.conf"]), ["1/x/a.conf", "2/x/a.conf"]);
    }
}
