//! Bad company for the daemons: what a test runs on a lab's host to send them what they don't deserve.

#![allow(clippy::disallowed_methods, reason = "a flood has a rate, and a test's helper may poll")]

use std::io::{ErrorKind, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use model::{Family, LinkName, Vrid};
use sys::advert::{AdvertSocket, GROUP_V4};
use sys::process::{Credentials, Signal, Spec, Stdio, spawn};
use sys::seqpacket::{Connection, Received};

/// Packets are sent in this many bursts a second.
const BURSTS: u32 = 200;
/// Who may do nothing.
const NOBODY: u32 = 65_534;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["flood", link, source, rate, seconds] => flood(link, source, rate, seconds),
        ["frame", path, length] => frame(Path::new(path), length),
        ["as-nobody", program, rest @ ..] => as_nobody(program, rest),
        ["until-ready", program, rest @ ..] => until_ready(program, rest),
        _ => {
            Err("usage: poke flood LINK SOURCE RATE SECONDS | frame SOCKET LENGTH | as-nobody PROGRAM ... | until-ready PROGRAM ..."
                .into())
        }
    };
    match result {
        Ok(exit) => exit,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "poke: {error}");
            ExitCode::FAILURE
        }
    }
}

type Outcome = Result<ExitCode, Box<dyn std::error::Error>>;

/// VRRP-like garbage for VRID 5: every length, wrong checksums, versions and types; all from `source`.
fn flood(link: &str, source: &str, rate: &str, seconds: &str) -> Outcome {
    let (rate, seconds): (u32, u32) = (rate.parse()?, seconds.parse()?);
    let index = sys::netlink::Route::open()?.link_index(link)?;
    let vrid = Vrid::new(5).ok_or("VRID")?;
    let socket = sys::advert::open(&LinkName::new(link)?, index, Family::V4, &[vrid])?;
    let socket = AdvertSocket::from_fd(socket, Family::V4)?;
    let source = IpAddr::V4(source.parse::<Ipv4Addr>()?);
    let mut sent: u32 = 0;
    for _ in 0..BURSTS * seconds {
        for _ in 0..rate / BURSTS {
            let message = garbage(sent);
            // A full queue loses packets as a real flood would.
            let _ = socket.send(source, IpAddr::V4(GROUP_V4), &message);
            sent = sent.wrapping_add(1);
        }
        std::thread::sleep(Duration::from_secs(1) / BURSTS);
    }
    writeln!(std::io::stdout(), "sent {sent}")?;
    Ok(ExitCode::SUCCESS)
}

/// One to forty bytes that look like an advert of priority 255 as far as they go, with a wrong checksum.
fn garbage(number: u32) -> Vec<u8> {
    let seed = number.wrapping_mul(2_654_435_761).to_be_bytes();
    let first = [0x21, 0x31, 0x21, 0x41][usize::from(seed[0] % 4)];
    let mut message = vec![first, 5, 255, 1, seed[1], 1, seed[2], seed[3] | 1, 192, 168, 1, 100];
    message.resize(40, seed[1]);
    message.truncate(usize::from(seed[2] % 40) + 1);
    message
}

/// A frame of that length to a SOCK_SEQPACKET socket; then waits for the other side to close.
fn frame(path: &Path, length: &str) -> Outcome {
    let connection = Connection::connect(path)?;
    connection.send(&vec![0x55; length.parse()?], None)?;
    let mut buffer = vec![0; 1 << 17];
    loop {
        match connection.receive(&mut buffer) {
            Ok(Some(Received::Closed)) => break,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => return Err(error.into()),
            Ok(Some(Received::Frame(_))) => {}
            Ok(None) => {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
    writeln!(std::io::stdout(), "closed")?;
    Ok(ExitCode::SUCCESS)
}

/// Runs a program as a user who may do nothing.
fn as_nobody(program: &str, arguments: &[&str]) -> Outcome {
    let credentials = Credentials { uid: NOBODY, gid: NOBODY, groups: Vec::new() };
    let spec = Spec::new(program).arguments(arguments).credentials(credentials);
    let mut child = spawn(&spec.stdout(Stdio::Inherit).stderr(Stdio::Inherit))?;
    loop {
        if let Some(exit) = child.try_wait()? {
            return Ok(if exit.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Plays systemd: starts a program with a notification socket, waits until it says that it is ready, and stops it.
fn until_ready(program: &str, arguments: &[&str]) -> Outcome {
    let path = format!("/tmp/notify-{}.sock", std::process::id());
    let socket = UnixDatagram::bind(&path)?;
    socket.set_read_timeout(Some(Duration::from_secs(30)))?;
    let spec =
        Spec::new(program).arguments(arguments).variable("NOTIFY_SOCKET", &path).stderr(Stdio::Inherit);
    let mut child = spawn(&spec)?;
    let mut buffer = [0; 4096];
    for said in ["READY=1", "STOPPING=1"] {
        loop {
            let length = socket.recv(&mut buffer)?;
            let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
            if text.lines().any(|line| line == said) {
                writeln!(std::io::stdout(), "{said}")?;
                break;
            }
        }
        child.signal(Signal::TERM)?;
    }
    loop {
        if let Some(exit) = child.try_wait()? {
            writeln!(std::io::stdout(), "{exit}")?;
            return Ok(if exit.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
