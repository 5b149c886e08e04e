//! The agent: the process between a lab's owner and its hosts, with the bridges in its network namespace.
//!
//! It is the init of a pid namespace and ends when its standard input does. The kernel then kills every process
//! of every host, and all namespaces vanish with them: nothing has to be cleaned up, by nobody, however the
//! owner ended. That holds only while the owner has the one writing end, and while nothing here is given a name
//! outside (no `/run/netns`, no pid file). Read pid_namespaces(7) first.

mod files;
mod hosts;
mod init;
mod output;

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustix::process::Signal;
use sys::process::{Namespace, Spec, Stdio, spawn};

use crate::protocol::{self, Call, Message, Request};
pub use files::PROGRAMS;
use hosts::Hosts;
use output::Output;

/// The word before the role on the agent's command line.
pub const SUBCOMMAND: &str = "lab-agent";
/// What the owner starts: it has the namespaces, but is not the init of its pid namespace.
pub(crate) const DOORSTEP: &str = "doorstep";
/// What the doorstep starts: the agent proper.
const ROOT: &str = "root";
/// Keeps the kernel from sending router solicitations and multicast listener reports from bridges and their ports
/// (Documentation/networking/ip-sysctl.rst); hosts have their own switch for that.
const SILENT_PORTS: &str = "/proc/sys/net/ipv6/conf/default/disable_ipv6";
/// What the agent starts for each host.
const HOST: &str = "host";

/// Plays the part that the command line gives: the arguments after `lab-agent`.
///
/// A program that is to be a lab's agent calls this and ends with its result.
#[must_use]
pub fn run(arguments: &[String]) -> ExitCode {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = Output::new();
    let result = match words.as_slice() {
        [DOORSTEP] => doorstep(),
        [ROOT] => root(&output),
        [HOST, name] => init::run(name, &output),
        _ => Err("a lab's agent is started by a lab, not by hand".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // If the owner is gone, too, there is nobody to tell.
            let _ = output.say(&Message::Failed(why));
            ExitCode::FAILURE
        }
    }
}

/// Starts the agent proper as the init of a pid namespace and lasts as long as it does.
fn doorstep() -> Result<(), String> {
    let spec = Spec::new(own_path()?)
        .arguments([SUBCOMMAND, ROOT])
        .unshare(Namespace::Pid)
        .unshare(Namespace::Mount)
        .stdin(Stdio::Inherit)
        .stdout(Stdio::Inherit)
        .stderr(Stdio::Inherit)
        .die_with_parent(Signal::KILL);
    let child = spawn(&spec).map_err(|error| with_explanation(&error.to_string()))?;
    let mut poll = [rustix::event::PollFd::new(&child, rustix::event::PollFlags::IN)];
    while rustix::event::poll(&mut poll, None) == Err(rustix::io::Errno::INTR) {}
    Ok(())
}

/// The agent proper: answers calls until the owner closes its end.
fn root(output: &Output) -> Result<(), String> {
    // A switch says nothing by itself. Where there is no IPv6, its ports are silent anyway.
    let _ = std::fs::write(SILENT_PORTS, "1");
    sys::namespace::make_read_only(Path::new("/")).map_err(|error| {
        with_explanation(&format!("make the machine's files read-only for the lab: {error}"))
    })?;
    let mut hosts = Hosts::new(own_path()?, output.clone()).map_err(|error| with_explanation(&error))?;
    say(output, &Message::Ready)?;
    let mut input = io::stdin().lock();
    while let Some(call) =
        protocol::read::<Call>(&mut input).map_err(|error| format!("read a call: {error}"))?
    {
        match call.request {
            Request::Agent(request) => {
                let answer = hosts.handle(request);
                say(output, &Message::Answer(call.id, answer))?;
            }
            Request::Host(name, request) => {
                if let Err(why) = hosts.forward(&name, call.id, request) {
                    say(output, &Message::Answer(call.id, Err(why)))?;
                }
            }
        }
    }
    Ok(())
}

fn say(output: &Output, message: &Message) -> Result<(), String> {
    output.say(message).map_err(|error| format!("tell the owner: {error}"))
}

/// This very program.
fn own_path() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|error| format!("find out which program this is: {error}"))
}

/// Adds what the administrator can do about it, if it is known.
pub(crate) fn with_explanation(error: &str) -> String {
    sys::namespace::explain_refusal().map_or_else(|| error.to_owned(), |why| format!("{error}; {why}"))
}

/// Reads a text file of at most `limit` bytes.
fn read_bounded(path: &str, limit: u64) -> Result<String, String> {
    let failed = |error: io::Error| format!("read {path}: {error}");
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(limit + 1).read_to_string(&mut text).map_err(failed)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > limit {
        return Err(format!("read {path}: it has more than {limit} bytes"));
    }
    Ok(text)
}
