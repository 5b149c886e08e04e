//! Bad company for the daemons: what a test runs on a lab's host to send them what they don't deserve.

#![allow(clippy::disallowed_methods, reason = "a flood has a rate, and a test's helper may poll")]

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use model::{LinkName, MacAddress, Priority, Transport, Vrid};
use socket2::SockRef;
use sys::advert::{AdvertSocket, GROUP_V4, Packet, TTL};
use sys::announce::AnnounceSocket;
use sys::process::{Credentials, Signal, Spec, Stdio, spawn};
use sys::seqpacket::{Connection, Received};
use vrrp::packet::{self, AddressList, Advert, Authentication, ChecksumForm, Dialect};

/// Packets are sent in this many bursts a second.
const BURSTS: u32 = 200;
/// An attack with garbage has this many packets, and begins again.
const GARBAGE_KINDS: u32 = 1024;
/// How often somebody else may be quicker.
const MAX_RETRIES: usize = 100;
/// Who may do nothing.
const NOBODY: u32 = 65_534;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["flood", link, source, rate, seconds] => flood(link, source, rate, seconds),
        ["attack", kind, link, source, destination, rate, seconds] => {
            attack(kind, link, (source, destination), rate, seconds)
        }
        ["claim", link, address, mac, times] => claim(link, address, mac, times),
        ["hear", count] => hear(count),
        ["frame", path, length] => frame(Path::new(path), length),
        ["as-nobody", program, rest @ ..] => as_nobody(program, rest),
        ["until-ready", program, rest @ ..] => until_ready(program, rest),
        _ => {
            Err("usage: poke flood LINK SOURCE RATE SECONDS | attack KIND LINK SOURCE DESTINATION RATE SECONDS | \
                 claim LINK ADDRESS MAC TIMES | hear COUNT | frame SOCKET LENGTH | as-nobody PROGRAM ... | until-ready PROGRAM ..."
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
    let socket = sys::advert::open(&LinkName::new(link)?, index, Transport::V4, &[vrid], &[])?;
    let socket = AdvertSocket::from_fd(socket, Transport::V4)?;
    let source = IpAddr::V4(source.parse::<Ipv4Addr>()?);
    let mut sent: u32 = 0;
    for _ in 0..BURSTS * seconds {
        for _ in 0..rate / BURSTS {
            let message = garbage(sent);
            // A full queue loses packets as a real flood would.
            let destination = IpAddr::V4(GROUP_V4);
            let _ = socket.send(&Packet { source, destination, ttl: TTL, sealed: None, message: &message });
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

/// Packets of one kind for VRID 5, evenly over the time, as many as the machine can make of those that are asked for.
fn attack(kind: &str, link: &str, (from, to): (&str, &str), rate: &str, seconds: &str) -> Outcome {
    let (source, destination): (Ipv4Addr, Ipv4Addr) = (from.parse()?, to.parse()?);
    let (rate, seconds): (u32, u32) = (rate.parse()?, seconds.parse()?);
    let packets = packets(kind, source, destination)?;
    let index = sys::netlink::Route::open()?.link_index(link)?;
    // Hears nothing, and takes packets with the header that we write.
    let socket = sys::advert::open(&LinkName::new(link)?, index, Transport::V4, &[], &[])?;
    let socket = SockRef::from(&socket);
    let to = SocketAddrV4::new(destination, 0).into();
    let begin = sys::clock::now();
    let mut sent: u32 = 0;
    for packet in packets.iter().cycle() {
        let now = sys::clock::now();
        if now >= begin + Duration::from_secs(seconds.into()) {
            break;
        }
        // What a busy machine couldn't send in time comes later, in a burst.
        let due = begin + Duration::from_secs(1) * sent / rate;
        if due > now {
            std::thread::sleep(due.since(now).max(Duration::from_secs(1) / BURSTS));
        }
        // A full queue loses packets as a real flood would.
        let _ = socket.send_to(packet, &to);
        sent += 1;
    }
    writeln!(std::io::stdout(), "{sent}")?;
    Ok(ExitCode::SUCCESS)
}

/// Where a message has its version, and where the end of its checksum (RFC 9568 5.1).
const VERSION_AND_TYPE: usize = 0;
const CHECKSUM: usize = 7;

/// What an attack of that kind sends in turn: whole packets, with their IPv4 header.
fn packets(
    kind: &str,
    source: Ipv4Addr,
    destination: Ipv4Addr,
) -> Result<Vec<Vec<u8>>, Box<dyn std::error::Error>> {
    let advert_of = |dialect: Dialect, interval: Duration, priority: u8| {
        let addresses = [192, 168, 1, 100];
        let advert = Advert {
            vrid: Vrid::new(5).ok_or("VRID")?,
            priority: Priority(priority),
            interval,
            addresses: AddressList::new(model::Family::V4, &addresses),
            dialect,
        };
        packet::emit(&advert, ChecksumForm::PseudoHeader, source.into(), destination.into())
            .map_err(|why| why.to_string())
    };
    let advert = |priority: u8| advert_of(Dialect::V3, Duration::from_millis(100), priority);
    let advert_v2 = || advert_of(Dialect::V2(Authentication::None), Duration::from_secs(1), 255);
    let spoilt = |mut message: Vec<u8>, at: usize| {
        if let Some(byte) = message.get_mut(at) {
            *byte ^= 0x70;
        }
        message
    };
    let (ttl, messages) = match kind {
        "garbage" => (255, (0..GARBAGE_KINDS).map(garbage).collect()),
        "checksum" => (255, vec![spoilt(advert(255)?, CHECKSUM)]),
        "checksum-v2" => (255, vec![spoilt(advert_v2()?, CHECKSUM)]),
        // Still an advertisement, so that it passes the filter on the socket.
        "version" => (255, vec![spoilt(advert(255)?, VERSION_AND_TYPE)]),
        "ttl" => (64, vec![advert(255)?]),
        "goodbye" => (255, vec![advert(0)?]),
        "lower" => (255, vec![advert(1)?]),
        other => return Err(format!("no attack is called {other}").into()),
    };
    messages.iter().map(|message: &Vec<u8>| with_header(source, destination, ttl, message)).collect()
}

/// RFC 791 3.1, with what the kernel doesn't fill in (raw(7)).
fn with_header(
    source: Ipv4Addr,
    destination: Ipv4Addr,
    ttl: u8,
    message: &[u8],
) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    const VERSION_AND_WORDS: u8 = 0x45;
    const HEADER: usize = 20;
    let [high, low] = u16::try_from(HEADER + message.len())?.to_be_bytes();
    let protocol = u8::try_from(sys::advert::PROTOCOL)?;
    let mut packet = vec![VERSION_AND_WORDS, 0, high, low, 0, 0, 0, 0, ttl, protocol, 0, 0];
    packet.extend(source.octets());
    packet.extend(destination.octets());
    packet.extend(message);
    Ok(packet)
}

/// Says by ARP or NA that the address lives at that hardware address.
fn claim(link: &str, address: &str, mac: &str, times: &str) -> Outcome {
    let index = sys::netlink::Route::open()?.link_index(link)?;
    let socket = AnnounceSocket::from_fd(sys::announce::open(index)?)?;
    let address: IpAddr = address.parse()?;
    let bytes: Result<Vec<u8>, _> = mac.split(':').map(|byte| u8::from_str_radix(byte, 16)).collect();
    let mac = MacAddress(bytes?.try_into().map_err(|_| "six bytes make a hardware address")?);
    for _ in 0..times.parse::<u32>()? {
        match address {
            IpAddr::V4(address) => socket.gratuitous_arp(mac, address)?,
            IpAddr::V6(address) => socket.unsolicited_na(mac, address, false)?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Says `hearing`, then `heard NUMBER` for each that divides the count evenly, of different addresses that were announced.
fn hear(count: &str) -> Outcome {
    let count: usize = count.parse()?;
    let mut ear = lab::Ear::open()?;
    writeln!(std::io::stdout(), "hearing")?;
    let mut heard = BTreeSet::new();
    while heard.len() < count {
        if let lab::Heard::Announcement(address) = ear.hear()?
            && heard.insert(address)
            && count.is_multiple_of(heard.len())
        {
            writeln!(std::io::stdout(), "heard {}", heard.len())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A frame of that length to a SOCK_SEQPACKET socket; then waits for the other side to close. Who belongs there comes back
/// at once and takes our place, maybe before we have spoken: then it is tried again.
fn frame(path: &Path, length: &str) -> Outcome {
    let frame = vec![0x55; length.parse()?];
    let connect = || -> io::Result<Connection> {
        let connection = Connection::connect(path)?;
        connection.send(&frame, None)?;
        Ok(connection)
    };
    let mut connection = connect();
    for _ in 0..MAX_RETRIES {
        match &connection {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => connection = connect(),
            Err(_) | Ok(_) => break,
        }
    }
    let connection = connection?;
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
