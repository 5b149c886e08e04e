//! The smallest program that can be a lab's agent: what this crate's own tests start.
//!
//! `lab-agent hold` is an owner instead: it makes a lab with a busy host, prints `held PID` with the process id of the
//! lab's agent, and lasts until it is killed. So a test can kill an owner.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use handover_lab::{Lab, Spec};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((word, rest)) if word == "lab-agent" => handover_lab::agent::run(rest),
        Some((word, _)) if word == "hold" => match hold() {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                let _ = writeln!(std::io::stderr(), "{why}");
                ExitCode::FAILURE
            }
        },
        Some(_) | None => ExitCode::FAILURE,
    }
}

fn hold() -> Result<(), Box<dyn std::error::Error>> {
    let lab = Lab::start(&std::env::current_exe()?)?;
    let host = lab.add_host("busy", &["192.0.2.1/24"])?;
    // One that ignores what a polite end would send, and one that left its group.
    host.spawn(Spec::new(["sh", "-c", "trap '' TERM HUP INT; setsid sleep 1000 & sleep 1000"]))?;
    writeln!(std::io::stdout(), "held {}", lab.pid())?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
