//! `handover check`: whether a configuration is valid, and where it isn't.

use std::io::IsTerminal as _;
use std::path::Path;

use config::Config;
use service::{Exit, Failure};

/// Prints every diagnostic to standard error and a verdict to standard output.
///
/// # Errors
/// [`Exit::Failed`] (status 1) when there is an error; warnings alone are fine.
pub(crate) fn run(path: &Path) -> Result<(), Failure> {
    let config = valid(path, Exit::Failed)?;
    let (instances, checks) =
        (count(config.instances.len(), "instance"), count(config.checks.len(), "check"));
    crate::say(&format!("{}: valid ({instances}, {checks})\n", path.display()));
    Ok(())
}

/// Refuses to start anything on an invalid configuration, with the same diagnostics.
///
/// # Errors
/// [`Exit::Configuration`] when there is an error.
pub(crate) fn refuse_invalid(path: &Path) -> Result<(), Failure> {
    valid(path, Exit::Configuration).map(|_| ())
}

/// The configuration of a file, after every diagnostic has gone to standard error.
///
/// # Errors
/// `otherwise` when there is an error in it.
pub(crate) fn valid(path: &Path, otherwise: Exit) -> Result<Config, Failure> {
    let loaded = config::load(path);
    let color = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    crate::complain(&loaded.report.render(color));
    loaded.config.ok_or_else(|| {
        Failure::new(otherwise, format!("{}: {}", path.display(), count(loaded.report.errors(), "error")))
    })
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
