//! `checkerd run NAME`: one check once, as the daemon runs it, and everything that there is to say about it.
//!
//! The same runner, probes, rights and environment as in the daemon, so that "it works when I run it by hand" can be
//! looked into (pain B5). It must never talk to a daemon or change what one knows.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use argh::FromArgs;
use checks::{CheckId, Outcome, RunNumber};
use config::{Check, Config, UserSpec};
use reactor::{Reactor, Ready, Token};
use runner::{Crew, Finished, Runner, TRADITIONAL_USER};
use service::{Exit, Failure};
use sys::likeness::Likeness;

use crate::daemon::{PROBES, WATCHES, drop_rights, job, outcome_of};
use crate::probe::Probes;

/// What a daemon would count it as.
const TAG: (CheckId, RunNumber) = (CheckId(0), RunNumber(0));
/// Who may do as anybody.
const ROOT: u32 = 0;
/// The crew's.
const SCRIPT: Token = Token(0);

/// Run one check once, as the daemon would, and explain what came of it. The status is 0 if it passed, else 1.
#[derive(Debug, FromArgs)]
#[argh(help_triggers("-h", "--help"))]
struct Arguments {
    /// the configuration file (default: as the daemon's)
    #[argh(option, short = 'f', arg_name = "FILE")]
    config: Option<PathBuf>,

    /// the name that @NAME lines of the configuration are for (default: the host's)
    #[argh(option, short = 'i', arg_name = "ID")]
    config_id: Option<String>,

    /// where the socket of a checkerd is whose place is taken (default: $RUNTIME_DIRECTORY, else /run/handover)
    #[argh(option, arg_name = "DIR")]
    runtime_dir: Option<PathBuf>,

    /// the name of the vrrp_script
    #[argh(positional)]
    name: String,
}

/// A run that is over.
struct Ended {
    outcome: Outcome,
    output: String,
    took: std::time::Duration,
    /// Whom a script ran as.
    user: Option<String>,
}

/// # Errors
/// The command line, the configuration, or a name that isn't in it.
pub(crate) fn run(arguments: &[&str]) -> Result<ExitCode, Failure> {
    let arguments = match Arguments::from_args(&["checkerd", "run"], arguments) {
        Ok(arguments) => arguments,
        Err(early) => return service::usage_exit("checkerd run", "", &early).map(|()| ExitCode::SUCCESS),
    };
    let config = service::load(arguments.config, arguments.config_id)?;
    let check = find(&config, &arguments.name)?;
    let service = running(&service::runtime_dir(arguments.runtime_dir));
    if let Some((pid, likeness)) = &service {
        likeness
            .take_on()
            .map_err(|error| Failure::io(format!("take the place of process {pid}"), &error))?;
    }
    drop_rights()?;
    say(&description(check, service.as_ref().map(|(pid, _)| *pid)));
    let ended = attempt(&config, check, service.as_ref().map(|(_, likeness)| likeness))?;
    say(&explanation(check, &ended));
    Ok(if ended.outcome == Outcome::Passed { ExitCode::SUCCESS } else { Exit::Failed.into() })
}

fn find<'c>(config: &'c Config, name: &str) -> Result<&'c Check, Failure> {
    config.checks.iter().find(|check| check.name.as_str() == name).ok_or_else(|| {
        let known: Vec<&str> = config.checks.iter().map(|check| check.name.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Failure::new(Exit::Usage, format!("there is no check {name:?}; there are: {known}"))
    })
}

/// Runs it, to its end.
fn attempt(config: &Config, check: &Check, service: Option<&Likeness>) -> Result<Ended, Failure> {
    let mut reactor = Reactor::new().map_err(|error| Failure::io("make an event loop", &error))?;
    let runner = Runner::new(config.global.script_user.clone().or_else(|| as_the_service(service)));
    let runner = if service.is_some() { runner.with_usual_path() } else { runner };
    let mut crew = Crew::new(runner, SCRIPT);
    let mut probes = Probes::new(PROBES, WATCHES);
    let now = sys::clock::now();
    let over = |outcome, took| Ended { outcome, output: String::new(), took, user: None };
    if let Some(command) = check.probe.command() {
        if let Err(refusal) = crew.start(&reactor, now, &job(check, command, &variables(check)), TAG) {
            return Ok(over(Outcome::CannotRun(refusal.to_string()), std::time::Duration::ZERO));
        }
    } else if let Some(answer) = probes.start(&reactor, now, TAG, (&check.probe, check.timeout)) {
        return Ok(over(answer.outcome, answer.took));
    }
    let mut ready = Vec::new();
    loop {
        let now = sys::clock::now();
        crew.on_time(now);
        if let Some(late) = probes.on_time(now).pop() {
            return Ok(over(late.outcome, late.took));
        }
        let deadline = crew.next_deadline().into_iter().chain(probes.next_deadline()).min();
        let waited = reactor.arm(deadline).and_then(|()| reactor.wait(&mut ready));
        waited.map_err(|error| Failure::io("wait for the check", &error))?;
        for event in ready.drain(..) {
            let Ready::Token { token, .. } = event else { continue };
            let now = sys::clock::now();
            if probes.owns(token) {
                if let Some(answer) = probes.on_ready(token, now) {
                    return Ok(over(answer.outcome, answer.took));
                }
            } else if let Some((_, finished)) = crew.on_ready(&mut reactor, token, now) {
                let outcome = outcome_of(finished.end);
                let Finished { output, took, user, .. } = finished;
                return Ok(Ended { outcome, output, took, user: Some(user) });
            }
        }
    }
}

/// The checkerd that runs here, for root: a check that passes with all of root's rights may fail with its. Whoever listens there has
/// to be who may, since as root we do as it does.
fn running(runtime_dir: &Path) -> Option<(u32, Likeness)> {
    if sys::user::effective_uid() != ROOT {
        return None;
    }
    let socket = sys::unix::connect_stream(&runtime_dir.join("checkerd.sock")).ok()?;
    let peer = sys::unix::peer_credentials(&socket).ok()?;
    let its_own = sys::user::lookup(service::sole::CHECK_USER).ok().flatten().map(|user| user.uid);
    let pid = peer.pid.filter(|_| peer.uid == ROOT || Some(peer.uid) == its_own)?;
    match Likeness::of(pid) {
        Ok(likeness) => Some((pid, likeness)),
        Err(error) => {
            log::warn!("run it as checkerd (process {pid}) does: {error}; it is run with our own rights");
            None
        }
    }
}

/// As whom a check runs that names nobody: as the checkerd that runs, else as the one that would.
fn as_the_service(service: Option<&Likeness>) -> Option<UserSpec> {
    let is_there = |name: &str| matches!(sys::user::lookup(name), Ok(Some(_)));
    if sys::user::effective_uid() != ROOT || is_there(TRADITIONAL_USER) {
        return None;
    }
    let user = match service {
        Some(service) if service.uid() == ROOT => return None,
        Some(service) => sys::user::by_id(service.uid()).ok().flatten()?.name,
        None => Some(service::sole::CHECK_USER.to_owned()).filter(|user| is_there(user))?,
    };
    Some(UserSpec { user, group: None })
}

/// What a script is told beside what every script is.
pub(crate) fn variables(check: &Check) -> [(&'static str, String); 1] {
    [("HANDOVER_CHECK", check.name.to_string())]
}

fn description(check: &Check, service: Option<u32>) -> String {
    let mut text = format!("check {}: {}\n", check.name, check.probe.words().join(" "));
    if check.probe.command().is_some() {
        text += "in /, with PATH, HOME, USER, LOGNAME, SHELL, LANG and HANDOVER_CHECK alone\n";
        if let Some(pid) = service {
            text += &format!(
                "as checkerd (process {pid}) runs it: its files, its rights, its user where none is named\n"
            );
        }
    }
    text
}

/// As exact as a person wants it.
const fn rounded(took: Duration) -> Duration {
    let step = if took.as_millis() < 10 { 10_000 } else { 1_000_000 };
    Duration::new(took.as_secs(), took.subsec_nanos() / step * step)
}

fn explanation(check: &Check, ended: &Ended) -> String {
    let user = ended.user.as_ref().map_or_else(String::new, |user| format!(", as {user}"));
    let mut text = match &ended.outcome {
        Outcome::CannotRun(_) => format!("{}\n", ended.outcome),
        outcome => format!("{outcome} after {:?} of {:?}{user}\n", rounded(ended.took), check.timeout),
    };
    if !ended.output.trim().is_empty() {
        // Whoever reads it here may be root, and a terminal obeys.
        let said = ended.output.replace(|c: char| c.is_control() && c != '\n' && c != '\t', "");
        text += &format!("it said:\n{}\n", said.trim_end());
    }
    let (rise, fall) = (check.rise, check.fall);
    text += &match &ended.outcome {
        Outcome::Passed => format!("This counts as a success; {rise} in a row make the check up.\n"),
        Outcome::TimedOut if check.given.at("timeout").is_none() => {
            "This counts as a failure. No `timeout` is given, so it is the interval.\n".to_owned()
        }
        Outcome::CannotRun(_) => {
            "It can't be run: the check is `unrunnable`, which counts as failed.\n".to_owned()
        }
        Outcome::Number(_) => {
            "It multiplies the weight; without a weight any number but 0 means FAULT.\n".to_owned()
        }
        Outcome::Exited(_) | Outcome::Failed(_) | Outcome::Killed(_) | Outcome::TimedOut => {
            format!("This counts as a failure; {fall} in a row make the check down, a first one alone.\n")
        }
    };
    text
}

/// A closed pipe is nobody's problem.
fn say(text: &str) {
    use std::io::Write as _;
    let _ = std::io::stdout().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_reads_nanoseconds() {
        for (took, text) in [(909_266, "900µs"), (9_087_654, "9.08ms"), (1_000_322_302, "1s"), (0, "0ns")] {
            assert_eq!(format!("{:?}", rounded(Duration::from_nanos(took))), text);
        }
    }
}
