//! `checkerd watch`: every check of a checkerd that runs, as a table that is kept up to date.
//!
//! A client of its socket like any other: it asks for the status and reads the answer, once a second.

use std::io::{BufReader, IsTerminal as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use argh::FromArgs;
use ipc::verdicts::{CheckStatus, Message};
use service::{Exit, Failure};

/// From one look to the next.
const REFRESH: Duration = Duration::from_secs(1);
/// How long checkerd may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// To the top left corner, and nothing below it (console_codes(4)).
const CLEAR: &str = "\u{1b}[H\u{1b}[J";
/// The most characters of an outcome and of what a script said.
const MAX_SAID: usize = 60;

/// Show all checks of the running checkerd, anew each second on a terminal, once elsewhere.
#[derive(Debug, FromArgs)]
#[argh(help_triggers("-h", "--help"))]
struct Arguments {
    /// where the socket is (default: $RUNTIME_DIRECTORY, else /run/handover)
    #[argh(option, arg_name = "DIR")]
    runtime_dir: Option<PathBuf>,

    /// show them once and end
    #[argh(switch)]
    once: bool,
}

/// # Errors
/// The command line, or that no checkerd answers.
pub(crate) fn run(arguments: &[&str]) -> Result<ExitCode, Failure> {
    let arguments = match Arguments::from_args(&["checkerd", "watch"], arguments) {
        Ok(arguments) => arguments,
        Err(early) => return service::usage_exit("checkerd watch", "", &early).map(|()| ExitCode::SUCCESS),
    };
    let path = service::runtime_dir(arguments.runtime_dir).join("checkerd.sock");
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new(Exit::Failed, format!("ask checkerd at {}: {error}", path.display()))
    };
    let mut stream = UnixStream::connect(&path).map_err(|error| failed(&error))?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(|error| failed(&error))?;
    let mut lines = BufReader::new(stream.try_clone().map_err(|error| failed(&error))?);
    let once = arguments.once || !std::io::stdout().is_terminal();
    loop {
        stream.write_all(b"{\"request\":\"status\"}\n").map_err(|error| failed(&error))?;
        let checks = status(&mut lines).map_err(|error| failed(&error))?;
        let text = if once { table(&checks) } else { format!("{CLEAR}{}", table(&checks)) };
        if std::io::stdout().write_all(text.as_bytes()).is_err() || once {
            return Ok(ExitCode::SUCCESS);
        }
        let pause = rustix::event::Timespec::try_from(REFRESH).map_err(|error| failed(&error))?;
        // A signal that ends us needs no answer.
        let _ = rustix::event::poll(&mut [], Some(&pause));
    }
}

/// Reads until the answer to our request; verdicts in between are in it.
fn status(lines: &mut impl std::io::BufRead) -> Result<Vec<CheckStatus>, String> {
    let mut line = String::new();
    loop {
        line.clear();
        match lines.read_line(&mut line) {
            Ok(0) => return Err("it has closed the connection".to_owned()),
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
        match ipc::json::parse(line.as_bytes()) {
            Ok(Message::Status(status)) => return Ok(status.checks),
            Ok(Message::Hello(_) | Message::Verdict(_) | Message::Reload(_)) => {}
            Ok(Message::Error { error }) => return Err(error),
            Err(error) => return Err(error.to_string()),
        }
    }
}

fn table(checks: &[CheckStatus]) -> String {
    let width = checks.iter().map(|check| check.name.as_str().len()).max().unwrap_or_default().max(5);
    let mut text = format!(
        "{:width$}  {:10}  {:>7}  {:>8}  {:>7}  {:>6}  last\n",
        "CHECK", "VERDICT", "RUNS", "FAILURES", "IN A ROW", "MS"
    );
    for check in checks {
        let took = check.last_duration_ms.map_or_else(String::new, |took| took.to_string());
        let outcome = check.last_outcome.as_deref().unwrap_or("no result yet");
        text += &format!(
            "{:width$}  {:10}  {:>7}  {:>8}  {:>8}  {:>6}  {}\n",
            check.name.as_str(),
            check.verdict.to_string(),
            check.runs,
            check.failures,
            check.consecutive,
            took,
            said(outcome, &check.last_output),
        );
    }
    text
}

/// On one line, without what a terminal would obey, and cut.
fn said(outcome: &str, output: &str) -> String {
    let output = output.trim().lines().next_back().unwrap_or_default();
    let both = if output.is_empty() { outcome.to_owned() } else { format!("{outcome}: {output}") };
    both.chars().filter(|c| !c.is_control()).take(MAX_SAID).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_script_wrote_is_cut_and_commands_nobody() {
        assert_eq!(
            said("exited with status 1", "a\nno \u{1b}[2Jprocess\n"),
            "exited with status 1: no [2Jprocess"
        );
        assert_eq!(said(&"x".repeat(200), "").chars().count(), MAX_SAID);
    }
}
