//! What the lab brings where the machine has it not: a service that answers with its host's name, and `killall`.
//!
//! Both are this very program under another name, copied into a host of a lab; nothing of it is ever installed. The
//! service is told apart by a variable that only the lab sets, since it may have any name that a check looks for.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use service::Exit;

/// The variable that makes this program a service; its value is the port.
pub(super) const SERVICE_PORT: &str = "HANDOVER_LAB_SERVICE_PORT";
/// The other name that this program acts by.
pub(super) const KILLALL: &str = "killall";
/// How long a request may take to come.
const MAX_WAIT: Duration = Duration::from_secs(1);
/// How many connections are served at a time.
const MAX_CONNECTIONS: usize = 64;
/// The longest request that is read, in bytes.
const MAX_REQUEST: usize = 1024;
/// What the kernel keeps of a process's name (`TASK_COMM_LEN` - 1, linux/sched.h).
const MAX_COMM: usize = 15;

/// Acts as a stand-in, if that is what this program was started as.
pub(crate) fn stand_in() -> Option<ExitCode> {
    let mut arguments = std::env::args();
    let name = arguments.next()?;
    if let Some(port) = std::env::var(SERVICE_PORT).ok().and_then(|port| port.parse().ok()) {
        return Some(serve(port));
    }
    let name = Path::new(&name).file_name()?.to_str()?;
    (name == KILLALL).then(|| killall(&arguments.collect::<Vec<_>>()))
}

/// Answers every HTTP request with the host's name, until it is killed.
fn serve(port: u16) -> ExitCode {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    // The first takes IPv4, too; a kernel without IPv6 has only the second.
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))
        .or_else(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)));
    let listener = match listener {
        Ok(listener) => listener,
        Err(error) => {
            crate::complain(&format!("stand-in service: listen on port {port}: {error}\n"));
            return Exit::Failed.into();
        }
    };
    let served = Arc::new(());
    for connection in listener.incoming() {
        let Ok(connection) = connection else { continue };
        if Arc::strong_count(&served) > MAX_CONNECTIONS {
            continue;
        }
        let (name, token) = (name.clone(), Arc::clone(&served));
        thread::spawn(move || {
            // A client that goes away is no trouble of the service's.
            let _ = answer(connection, &name);
            drop(token);
        });
    }
    ExitCode::SUCCESS
}

fn answer(mut connection: TcpStream, name: &str) -> io::Result<()> {
    connection.set_read_timeout(Some(MAX_WAIT))?;
    let mut request = Vec::new();
    let mut buffer = [0; 256];
    while !request.ends_with(b"\r\n\r\n") && request.len() < MAX_REQUEST {
        match connection.read(&mut buffer)? {
            0 => break,
            count => request.extend_from_slice(buffer.get(..count).unwrap_or_default()),
        }
    }
    let head = "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n";
    connection.write_all(format!("{head}{name}").as_bytes())
}

/// `killall [-SIGNAL] NAME...`: status 0 if, for each name, a process got the signal (0: if there is one).
fn killall(arguments: &[String]) -> ExitCode {
    let mut signal = Some(Signal::TERM);
    let mut names = Vec::new();
    for argument in arguments {
        match argument.strip_prefix('-') {
            None => names.push(argument.as_str()),
            Some("0") => signal = None,
            Some(word) => match signal_named(word) {
                Some(named) => signal = Some(named),
                None => {
                    crate::complain(&format!("killall (of the lab): {argument} isn't known here\n"));
                    return Exit::Failed.into();
                }
            },
        }
    }
    let hit = |name: &&str| {
        // Every process is tried, so no short cut at the first.
        let hits = pids_of(name).into_iter().filter(|pid| match signal {
            Some(signal) => kill_process(*pid, signal).is_ok(),
            None => test_kill_process(*pid).is_ok(),
        });
        hits.count() > 0
    };
    let missing: Vec<&str> = names.iter().copied().filter(|name| !hit(name)).collect();
    for name in &missing {
        crate::complain(&format!("{name}: no process found\n"));
    }
    if missing.is_empty() && !names.is_empty() { ExitCode::SUCCESS } else { Exit::Failed.into() }
}

fn signal_named(word: &str) -> Option<Signal> {
    match word.strip_prefix("SIG").unwrap_or(word) {
        "HUP" => Some(Signal::HUP),
        "INT" => Some(Signal::INT),
        "KILL" => Some(Signal::KILL),
        "TERM" => Some(Signal::TERM),
        "USR1" => Some(Signal::USR1),
        "USR2" => Some(Signal::USR2),
        number => number.parse().ok().and_then(Signal::from_named_raw),
    }
}

/// The processes of that name, but this one.
fn pids_of(name: &str) -> Vec<Pid> {
    let name: String = name.chars().take(MAX_COMM).collect();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_named =
        |pid: &i32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim_end() == name);
    let own = i32::try_from(std::process::id()).ok();
    pids.filter(|pid| Some(*pid) != own).filter(is_named).filter_map(Pid::from_raw).collect()
}
