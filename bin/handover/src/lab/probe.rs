//! The client: asks the address every few milliseconds and tells each answer.
//!
//! Runs on the client host of a lab. An attempt that hangs doesn't hold up the others, so that the first answer after a
//! failure is seen within one interval. It prints `NANOSECONDS NAME` per answer: `CLOCK_BOOTTIME` when it was
//! complete, and the first line of its body.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use model::Instant;
use service::Exit;

/// From one request to the next.
pub(super) const INTERVAL: Duration = Duration::from_millis(5);
/// How long a connection, and then an answer, may take.
const MAX_WAIT: Duration = Duration::from_millis(250);
/// How many requests may be under way.
const MAX_IN_FLIGHT: usize = 128;
/// How much of an answer is read, in bytes.
const MAX_ANSWER: u64 = 4096;

/// Asks for ever. The target is an address and a port.
pub(super) fn run(target: &[String]) -> ExitCode {
    let target = match target {
        [address, port] => address.parse::<IpAddr>().ok().zip(port.parse::<u16>().ok()),
        _ => None,
    };
    let Some((address, port)) = target else {
        crate::complain("handover lab-agent probe: expected an address and a port\n");
        return Exit::Usage.into();
    };
    ask_for_ever(SocketAddr::new(address, port));
    ExitCode::SUCCESS
}

/// Ends when nobody reads what it says.
fn ask_for_ever(target: SocketAddr) {
    let (sender, answers) = mpsc::channel();
    let in_flight = Arc::new(());
    let mut next = sys::clock::now();
    loop {
        match answers.recv_timeout(next.since(sys::clock::now())) {
            Ok((at, name)) => {
                let at: Instant = at;
                if !crate::say(&format!("{} {name}\n", at.as_nanos())) {
                    return;
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                // Late is late: what was missed isn't made up for by a burst.
                next = (next + INTERVAL).max(sys::clock::now());
                if Arc::strong_count(&in_flight) <= MAX_IN_FLIGHT {
                    let (sender, token) = (sender.clone(), Arc::clone(&in_flight));
                    thread::spawn(move || {
                        attempt(target, &sender);
                        drop(token);
                    });
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// One request; no answer is told by silence.
fn attempt(target: SocketAddr, answers: &Sender<(Instant, String)>) {
    if let Ok(name) = ask(target) {
        // The main thread outlives us, or nobody needs the answer.
        let _ = answers.send((sys::clock::now(), name));
    }
}

fn ask(target: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&target, MAX_WAIT)?;
    stream.set_read_timeout(Some(MAX_WAIT))?;
    stream.write_all(format!("GET / HTTP/1.0\r\nHost: {}\r\n\r\n", target.ip()).as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
    if answer.is_empty() {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(name_in(&String::from_utf8_lossy(&answer)))
}

/// The first line of the body, without anything that isn't printable; empty if there is none.
fn name_in(answer: &str) -> String {
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    body.lines().next().unwrap_or("").chars().filter(|c| !c.is_control()).take(64).collect()
}

/// One answer, as [`run`] printed it.
pub(super) fn parse(line: &str) -> Option<(Instant, &str)> {
    let (at, name) = line.split_once(' ')?;
    Some((Instant::from_nanos(at.parse().ok()?), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_first_line_of_the_body() {
        assert_eq!(name_in("HTTP/1.0 200 OK\r\nA: b\r\n\r\nnode-a\nmore"), "node-a");
        assert_eq!(name_in("HTTP/1.0 200 OK\r\n\r\n"), "");
        assert_eq!(name_in("no http at all"), "");
    }

    #[test]
    fn answers_are_read_as_printed() {
        assert_eq!(parse("17 node-a"), Some((Instant::from_nanos(17), "node-a")));
        assert_eq!(parse("17 "), Some((Instant::from_nanos(17), "")));
        assert_eq!(parse("node-a"), None);
    }
}
