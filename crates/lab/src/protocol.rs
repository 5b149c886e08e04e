//! What the owner of a lab, its agent and the inits of its hosts say to each other: JSON Lines over pipes.
//!
//! All three are the same program on the same machine, so there is no version here. What a process prints, a
//! file's contents and a host's name travel as text. Nothing else may be written to an agent's standard output.

use std::io::{self, BufRead, Read as _, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use model::{Instant, MacAddress};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The longest line, in bytes: a file of some 100 KiB with every byte escaped.
pub(crate) const MAX_LINE: u64 = 1 << 20;

/// A request of the owner's; the answer carries the same number.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Call {
    /// Counts from 1 in the life of a lab.
    pub(crate) id: u64,
    /// What is asked.
    pub(crate) request: Request,
}

/// Whom a request is for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Request {
    /// The agent, which has the bridges.
    Agent(AgentRequest),
    /// The init of this host.
    Host(String, HostRequest),
}

/// What the agent can do.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AgentRequest {
    /// Makes a host with these links; bridges are made as they are named.
    AddHost(String, Vec<Link>),
    /// Takes the port of a host's link off its bridge.
    Disconnect(String, String),
    /// Puts it back.
    Connect(String, String),
    /// Tells every frame from now on.
    Capture,
}

/// What the init of a host can do.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum HostRequest {
    /// Gives an interface that has just been moved here its name and addresses.
    Furnish {
        /// What it is called so far.
        from: String,
        /// What it is to be.
        link: Link,
    },
    /// Starts a process under a number of the owner's choice.
    Spawn(u64, Spec),
    /// Sends a signal to a process that was started here.
    Kill(u64, i32),
    /// SIGKILL for all but the init.
    KillAll,
    /// Writes a file that only this host sees.
    WriteFile(File),
    /// Copies the program itself to this path, which only this host sees.
    Install(String),
    /// Reads a file of the host's.
    ReadFile(String),
    /// All addresses of the host's interfaces.
    Addresses,
    /// Sets an interface up or down.
    SetLink(String, bool),
}

/// What comes back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Message {
    /// The agent has its namespaces, or a host's init has its own.
    Ready,
    /// It can't have them, and why; it ends after this.
    Failed(String),
    /// The answer to a call.
    Answer(u64, Result<Answer, String>),
    /// A line that a process printed.
    Line(u64, Line),
    /// A process, and all that it handed its descriptor to, will print no more there.
    Closed(u64, Stream),
    /// A process ended. Lines of it may still come.
    Exited(u64, Exit),
    /// A frame on a bridge.
    Frame(Frame),
}

/// What an answer holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// It is done.
    Done,
    /// To [`HostRequest::ReadFile`].
    Text(String),
    /// To [`HostRequest::Addresses`].
    Addresses(Vec<HostAddress>),
}

/// An interface of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its name on the host, such as `eth0`.
    pub name: String,
    /// The bridge that it is plugged into; hosts on one bridge hear each other.
    pub bridge: String,
    /// Its addresses with their prefix lengths.
    pub addresses: Vec<(IpAddr, u8)>,
}

/// What to run on a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// The program, a path or a name for PATH, and its arguments.
    pub argv: Vec<String>,
    /// Variables beside PATH, which is always the usual one. Nothing else is inherited.
    pub env: Vec<(String, String)>,
    /// Files to write first.
    pub files: Vec<File>,
}

impl Spec {
    /// A command without variables and files.
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Adds a variable.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }
}

/// A file of a host's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Where; absolute. Directories on the way are made.
    pub path: String,
    /// What is in it.
    pub contents: String,
    /// Its permission bits, such as 0o755.
    pub mode: u32,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// By itself, with this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// Where a line was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// A line that a process printed, without its newline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When its end was read.
    pub at: Instant,
    /// Which descriptor.
    pub stream: Stream,
    /// The text, with what isn't UTF-8 replaced.
    pub text: String,
}

/// An address of a host's interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostAddress {
    /// The interface.
    pub link: String,
    /// The address.
    pub address: IpAddr,
    /// The length of its prefix.
    pub prefix: u8,
}

/// A frame that a host put on a bridge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// When the agent read it.
    pub at: Instant,
    /// The host that sent it.
    pub host: String,
    /// The interface of that host.
    pub link: String,
    /// The Ethernet source address.
    pub source_mac: MacAddress,
    /// What it carries.
    pub packet: Packet,
}

/// What is captured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Packet {
    /// IP protocol 112, or protocol 51 (AH) around it.
    Vrrp {
        /// The sender.
        source: IpAddr,
        /// The group, or a unicast peer.
        destination: IpAddr,
        /// Time to live or hop limit.
        ttl: u8,
        /// The VRRP message, from its version on.
        message: Vec<u8>,
    },
    /// ARP for IPv4 over Ethernet.
    Arp {
        /// 1 request, 2 reply.
        operation: u16,
        /// Sender's protocol address.
        sender: Ipv4Addr,
        /// Target's protocol address; the same as the sender's in an announcement.
        target: Ipv4Addr,
    },
    /// ICMPv6 neighbour advertisement.
    NeighbourAdvertisement {
        /// The sender.
        source: Ipv6Addr,
        /// The address that is advertised.
        target: Ipv6Addr,
    },
}

/// Reads one line; `None` at the end of the stream.
///
/// # Errors
/// The stream's; `InvalidData` for a line that is too long or isn't a `T`.
pub(crate) fn read<T: DeserializeOwned>(from: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    from.take(MAX_LINE).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(&line).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Writes one line at once, so that writers who take turns by a lock never mix.
///
/// # Errors
/// The stream's; `InvalidInput` for what would be longer than [`MAX_LINE`].
pub(crate) fn write<T: Serialize>(to: &mut impl Write, message: &T) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    if u64::try_from(line.len()).unwrap_or(u64::MAX) > MAX_LINE {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "longer than a message of the lab may be"));
    }
    to.write_all(&line)?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let call = Call { id: 7, request: Request::Host("a".into(), HostRequest::Kill(3, 9)) };
        let mut bytes = Vec::new();
        write(&mut bytes, &call).unwrap();
        let back: Call = read(&mut bytes.as_slice()).unwrap().unwrap();
        assert_eq!(format!("{back:?}"), format!("{call:?}"));
        assert!(read::<Call>(&mut &b""[..]).unwrap().is_none());
    }

    #[test]
    fn lines_are_bounded_both_ways() {
        let long = "x".repeat(usize::try_from(MAX_LINE).unwrap());
        assert!(write(&mut Vec::new(), &long).is_err());
        let line = format!("\"{long}\"\n");
        assert_eq!(read::<String>(&mut line.as_bytes()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
