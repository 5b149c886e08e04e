//! `handover`: the operator's command, and the supervisor where there is no systemd.

mod args;
mod check;
mod drain;
mod events;
mod explain;
mod fmt;
mod history;
mod lab;
mod pulse;
mod recipe;
mod reload;
mod run;
mod simulate;
mod status;
mod supervise;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use argh::FromArgs as _;
use service::Failure;

use crate::args::{Arguments, Command};

fn main() -> ExitCode {
    // The lab runs this program under the names of what a machine may lack (its stand-ins).
    if let Some(exit) = lab::stand_in() {
        return exit;
    }
    match act() {
        Ok(_) if UNPRINTED.load(Ordering::Relaxed) => service::Exit::Failed.into(),
        Ok(exit) => exit,
        Err(failure) => {
            complain(&format!("handover: {failure}\n"));
            failure.exit.into()
        }
    }
}

fn act() -> Result<ExitCode, Failure> {
    let arguments = simulate::tie_times(service::normalise(std::env::args_os().skip(1), "fi")?);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // Started by 'handover lab' alone, and in nobody's way in the list of commands.
    if let Some((&::lab::agent::SUBCOMMAND, role)) = arguments.split_first() {
        return Ok(lab::agent(role));
    }
    let arguments = match Arguments::from_args(&["handover"], &arguments) {
        Ok(arguments) => arguments,
        Err(early) => return service::usage_exit("handover", "", &early).map(|()| ExitCode::SUCCESS),
    };
    if arguments.version {
        say(&format!("handover {}\n", env!("CARGO_PKG_VERSION")));
        return Ok(ExitCode::SUCCESS);
    }
    let done = match arguments.command {
        Some(Command::Run(it)) => {
            let directories = run::Directories::new(it.runtime_dir, it.state_dir);
            run::run(&run::Reading::new(it.config, it.config_id), &directories)
        }
        Some(Command::Status(it)) => status::run(&service::runtime_dir(it.runtime_dir), it.json),
        Some(Command::Check(it)) => check::run(&it),
        Some(Command::Explain(it)) => explain::run(&it),
        Some(Command::Fmt(it)) => fmt::run(it),
        Some(Command::Events(it)) => events::run(&service::runtime_dir(it.runtime_dir), it.json),
        Some(Command::History(it)) => history::run(&it),
        Some(Command::Drain(it)) => drain::Whom::new(it.instance, it.all)
            .and_then(|whom| drain::drain(&service::runtime_dir(it.runtime_dir), &whom, it.force)),
        Some(Command::Undrain(it)) => drain::Whom::new(it.instance, it.all)
            .and_then(|whom| drain::undrain(&service::runtime_dir(it.runtime_dir), &whom)),
        Some(Command::Reload(it)) => reload::run(it),
        Some(Command::Simulate(it)) => simulate::run(&it),
        Some(Command::Lab(it)) => return Ok(lab::run(&it)),
        None => Err(Failure::new(
            service::Exit::Usage,
            "what to do? One of run, status, check, explain, fmt, events, history, drain, undrain, reload, simulate, lab ('handover --help' says more)",
        )),
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// Something that was to be printed is lost, and not because the reader had read enough: that is no success.
static UNPRINTED: AtomicBool = AtomicBool::new(false);

/// Writes to standard output; false when it can't be written to any more. The program ends with status 1 then, unless its
/// reader has just gone.
fn say(text: &str) -> bool {
    say_bytes(text.as_bytes())
}

/// The same for what may be no UTF-8.
fn say_bytes(bytes: &[u8]) -> bool {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(bytes).and_then(|()| out.flush());
    if let Err(error) = &written
        && error.kind() != std::io::ErrorKind::BrokenPipe
        && !UNPRINTED.swap(true, Ordering::Relaxed)
    {
        complain(&format!("handover: write to standard output: {error}\n"));
    }
    written.is_ok()
}

/// Writes to standard error; if that is closed there is nobody left to tell.
fn complain(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
