//! The init of a host: starts, watches and kills what the owner asks for, and reaps everything else.
//!
//! Ends when its standard input does, and its pid namespace with it. Must never wait for a child's output before it
//! answers: each pipe has a thread of its own. Read pid_namespaces(7), "The namespace init process".

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::process::{Pid, Signal, WaitOptions};
use sys::process::{self, Child};

use super::files::Files;
use super::hosts::{addresses, open_route};
use super::output::Output;
use super::{own_path, read_bounded, say};
use crate::protocol::{self, Answer, Call, Exit, HostRequest, Line, Link, Message, Request, Spec, Stream};

/// The environment's one fixed variable: where an ordinary host looks for programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How many processes of the owner's may run at a time.
const MAX_PROCESSES: usize = 256;
/// The longest piece of output that is told as one line, in bytes; longer lines come in pieces.
const MAX_OUTPUT_LINE: u64 = 8192;
/// The largest file that can be read, in bytes.
const MAX_READ: u64 = 100 << 10;

/// What the owner started and what hasn't been reaped, by the owner's number.
#[derive(Debug, Default)]
struct Children {
    running: Mutex<BTreeMap<u64, Child>>,
    started: Condvar,
}

impl Children {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Child>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Init {
    program: PathBuf,
    files: Files,
    children: Arc<Children>,
    output: Output,
}

/// Furnishes the host and answers calls until the agent closes its end.
///
/// # Errors
/// A sentence.
pub(super) fn run(name: &str, output: &Output) -> Result<(), String> {
    sys::namespace::set_host_name(name).map_err(|error| format!("name the host {name}: {error}"))?;
    let program = own_path()?;
    let files = Files::furnish(&program)?;
    let children = Arc::new(Children::default());
    let mut init = Init { program, files, children: Arc::clone(&children), output: output.clone() };
    let reaper_output = output.clone();
    thread::spawn(move || reap(&children, &reaper_output));
    say(output, &Message::Ready)?;
    let mut input = io::stdin().lock();
    while let Some(call) =
        protocol::read::<Call>(&mut input).map_err(|error| format!("read a call: {error}"))?
    {
        let answer = match call.request {
            Request::Host(_, request) => init.handle(request),
            Request::Agent(_) => Err("that is the agent's to do".to_owned()),
        };
        say(output, &Message::Answer(call.id, answer))?;
    }
    Ok(())
}

impl Init {
    fn handle(&mut self, request: HostRequest) -> Result<Answer, String> {
        match request {
            HostRequest::Furnish { from, link } => furnish(&from, &link)?,
            HostRequest::Spawn(id, spec) => self.spawn(id, spec)?,
            HostRequest::Kill(id, signal) => self.kill(id, signal)?,
            HostRequest::KillAll => {
                sys::namespace::kill_everybody_else().map_err(|error| format!("kill everything: {error}"))?;
            }
            HostRequest::WriteFile(file) => {
                self.files.write(&file.path, file.contents.as_bytes(), file.mode)?;
            }
            HostRequest::Install(path) => {
                self.files.install(self.program.file_name().unwrap_or_default(), &path)?;
            }
            HostRequest::ReadFile(path) => return read_bounded(&path, MAX_READ).map(Answer::Text),
            HostRequest::Addresses => return addresses().map(Answer::Addresses),
            HostRequest::SetLink(link, up) => {
                let mut route = open_route()?;
                let done = if up { route.set_up(&link) } else { route.set_down(&link) };
                done.map_err(|error| error.to_string())?;
            }
        }
        Ok(Answer::Done)
    }

    fn spawn(&mut self, id: u64, spec: Spec) -> Result<(), String> {
        for file in &spec.files {
            self.files.write(&file.path, file.contents.as_bytes(), file.mode)?;
        }
        let mut argv = spec.argv.into_iter();
        let program = argv.next().ok_or("no program was named")?;
        let mut child = process::Spec::new(program)
            .arguments(argv)
            .clear_environment()
            .variable("PATH", PATH)
            .stdout(process::Stdio::Pipe)
            .stderr(process::Stdio::Pipe)
            .directory("/")
            .own_group();
        for (name, value) in spec.env {
            child = child.variable(name, value);
        }
        // Held until the child is known, so that the reaper can't take it for an orphan.
        let mut running = self.children.lock();
        if running.len() >= MAX_PROCESSES {
            return Err(format!("more than {MAX_PROCESSES} processes at a time"));
        }
        let mut child = process::spawn(&child).map_err(|error| error.to_string())?;
        for (stream, pipe) in [(Stream::Out, child.stdout.take()), (Stream::Err, child.stderr.take())] {
            let output = self.output.clone();
            let pipe = pipe.map(std::fs::File::from);
            thread::spawn(move || {
                if let Some(pipe) = pipe {
                    tell_lines(id, stream, pipe, &output);
                }
                // If this can't be told, the agent is gone, and so are we in a moment.
                let _ = output.say(&Message::Closed(id, stream));
            });
        }
        running.insert(id, child);
        self.children.started.notify_all();
        Ok(())
    }

    fn kill(&self, id: u64, signal: i32) -> Result<(), String> {
        let signal = Signal::from_named_raw(signal).ok_or_else(|| format!("there is no signal {signal}"))?;
        match self.children.lock().get(&id) {
            Some(child) => child.signal(signal).map_err(|error| format!("kill {}: {error}", child.pid())),
            // It ended by itself meanwhile.
            None => Ok(()),
        }
    }
}

/// Names an interface that was just moved here, gives it its addresses and sets it up.
fn furnish(from: &str, link: &Link) -> Result<(), String> {
    let name = &link.name;
    let mut route = open_route()?;
    route.rename(from, name).map_err(|error| error.to_string())?;
    // An address that is still being checked for duplicates can't be used yet (RFC 4862 5.4); nobody else is here.
    let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/accept_dad"), "0");
    for (address, prefix) in &link.addresses {
        route.add_address(name, *address, *prefix).map_err(|error| error.to_string())?;
    }
    route.set_up("lo").map_err(|error| error.to_string())?;
    route.set_up(name).map_err(|error| error.to_string())
}

/// Tells what comes out of a pipe, line by line, until it is closed.
fn tell_lines(id: u64, stream: Stream, pipe: std::fs::File, output: &Output) {
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut reader).take(MAX_OUTPUT_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned();
        let message = Message::Line(id, Line { at: sys::clock::now(), stream, text });
        if output.say(&message).is_err() {
            return;
        }
    }
}

/// Reaps for ever: the owner's processes are told, orphans are not.
fn reap(children: &Children, output: &Output) {
    loop {
        let Ok(pid) = sys::namespace::wait_for_any_child() else {
            // No child at all: whatever comes next is started by us.
            let running = children.lock();
            drop(children.started.wait_while(running, |running| running.is_empty()));
            continue;
        };
        let mut running = children.lock();
        match running.iter().find(|(_, child)| Some(pid) == raw_pid(child)).map(|(id, _)| *id) {
            Some(id) => {
                if let Some(exit) = running.remove(&id).and_then(|mut child| child.try_wait().ok().flatten())
                {
                    drop(running);
                    let _ = output.say(&Message::Exited(id, exit.into()));
                }
            }
            None => {
                // An error means that somebody else reaped it, which is just as well.
                let _ = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
            }
        }
    }
}

fn raw_pid(child: &Child) -> Option<Pid> {
    i32::try_from(child.pid()).ok().and_then(Pid::from_raw)
}

impl From<process::Exit> for Exit {
    fn from(exit: process::Exit) -> Self {
        match exit {
            process::Exit::Code(code) => Self::Code(code),
            process::Exit::Signal(signal) => Self::Signal(signal),
        }
    }
}
