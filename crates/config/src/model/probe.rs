//! What a check does each time it runs: a script, or a question that checkerd asks by itself. docs/checks.md is the prose.
//!
//! Nothing here is looked up: addresses are literal, since a name service that hangs must not decide about an address.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use model::LinkName;

use super::{Check, Command, DnsQuery};
use crate::Span;

/// What a check does each time it runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Probe {
    /// `script`: runs a program, which passes with status 0.
    Script(Command),
    /// `tcp_connect`: passes when a connection comes about.
    TcpConnect(Target),
    /// `http_get`: passes when an HTTP server gives the answer that is wanted.
    HttpGet(HttpGet),
    /// `dns_query`: passes when a DNS server gives the answer that is wanted.
    DnsQuery(DnsQuery),
    /// `systemd_unit`: passes while systemd says that the unit is active. Its full name.
    SystemdUnit(String),
    /// `unix_connect`: passes when something listens on that stream socket.
    UnixConnect(PathBuf),
    /// `process`: passes while as many such processes run as are wanted.
    Process(Processes),
    /// `file`: passes while that file exists.
    File(PathBuf),
    /// `track_file`: what number a file holds. Passes while that is 0.
    Number(NumberFile),
    /// `ping`: passes when an ICMP echo is answered. The port means nothing.
    Ping(Target),
}

/// Whom to ask, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Whom.
    pub address: SocketAddr,
    /// `source`: the address to ask from.
    pub source: Option<IpAddr>,
    /// `interface`: the interface to ask through.
    pub link: Option<LinkName>,
}

/// Which processes are counted, and how many there have to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Processes {
    /// The program's name, or how it was started.
    pub program: String,
    /// What has to be so of the command line; `None` where only the name counts, as the kernel has it.
    pub command_line: Option<CommandLine>,
    /// `quorum`: how many there must be at least.
    pub least: u32,
    /// `quorum_max`: how many there may be at most.
    pub most: Option<u32>,
}

/// What a command line has to be like, its first word being the program as given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// The words after the program.
    pub arguments: Vec<String>,
    /// How these are compared.
    pub fit: Fit,
}

/// `param_match`: how arguments are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// They are these.
    Exact,
    /// `partial`: they begin with these.
    Partial,
    /// `initial`: likewise, and the last one of these need only be the beginning of one.
    Initial,
}

/// A file that holds a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberFile {
    /// Which.
    pub path: PathBuf,
    /// `init_file`: what is written at the start.
    pub initial: Option<Initial>,
}

/// What a file is to hold at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Initial {
    /// The number.
    pub number: i32,
    /// Also if there is such a file already.
    pub overwrite: bool,
}

/// How a request is encrypted, and who is believed to be the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The name that is asked for (SNI), and that the certificate has to be for: `http_host` without its port, else the
    /// address.
    pub name: String,
    /// False with `tls_verify off`: any certificate will do.
    pub verify: bool,
    /// `tls_ca`: a file with the certificates of who is trusted; the system's where it isn't given.
    pub authorities: Option<PathBuf>,
}

impl Processes {
    /// At least one process of a name.
    #[must_use]
    pub const fn named(program: String) -> Self {
        Self { program, command_line: None, least: 1, most: None }
    }
}

/// An HTTP request and the answer that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpGet {
    /// Whom to ask.
    pub target: Target,
    /// `https://`: how it is encrypted.
    pub tls: Option<Tls>,
    /// What the `Host` header says: `http_host`, else what stands in the URL.
    pub host: String,
    /// The path and the query.
    pub path: String,
    /// `http_status`: the status that is wanted; any from 200 to 299 where it isn't given.
    pub status: Option<u16>,
    /// `http_body`: a text that the answer has to contain.
    pub body: Option<String>,
}

impl Probe {
    /// The word of `vrrp_script` that asks for it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Script(_) => "script",
            Self::TcpConnect(_) => "tcp_connect",
            Self::HttpGet(_) => "http_get",
            Self::DnsQuery(_) => "dns_query",
            Self::SystemdUnit(_) => "systemd_unit",
            Self::UnixConnect(_) => "unix_connect",
            Self::Process(_) => "process",
            Self::File(_) | Self::Number(_) => "file",
            Self::Ping(_) => "ping",
        }
    }

    /// The program and its arguments; of anything but a script the word, and what it is about.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let about = match self {
            Self::Script(command) => {
                let program = command.program.display().to_string();
                return std::iter::once(program).chain(command.arguments.iter().cloned()).collect();
            }
            Self::TcpConnect(target) => target.address.to_string(),
            Self::HttpGet(get) => {
                let scheme = if get.tls.is_some() { "https" } else { "http" };
                format!("{scheme}://{}{}", get.target.address, get.path)
            }
            Self::DnsQuery(query) => {
                let server = query.server.map(|server| format!("@{server}")).unwrap_or_default();
                let subject = format!("{}{server}", if query.name.is_empty() { "." } else { &query.name });
                return vec![self.word().to_owned(), subject, query.kind.name.to_owned()];
            }
            Self::SystemdUnit(unit) => unit.clone(),
            Self::UnixConnect(path) | Self::File(path) => path.display().to_string(),
            Self::Number(file) => file.path.display().to_string(),
            Self::Process(wanted) => {
                let arguments = wanted.command_line.iter().flat_map(|line| &line.arguments);
                let program = [self.word().to_owned(), wanted.program.clone()];
                return program.into_iter().chain(arguments.cloned()).collect();
            }
            Self::Ping(target) => target.address.ip().to_string(),
        };
        vec![self.word().to_owned(), about]
    }

    /// Whether it comes to a number that multiplies weights.
    #[must_use]
    pub const fn is_number(&self) -> bool {
        matches!(self, Self::Number(_))
    }

    /// The command of a script.
    #[must_use]
    pub const fn command(&self) -> Option<&Command> {
        match self {
            Self::Script(command) => Some(command),
            Self::TcpConnect(_)
            | Self::HttpGet(_)
            | Self::DnsQuery(_)
            | Self::SystemdUnit(_)
            | Self::UnixConnect(_)
            | Self::Process(_)
            | Self::File(_)
            | Self::Number(_)
            | Self::Ping(_) => None,
        }
    }
}

impl Check {
    /// Where the block says what is done.
    #[must_use]
    pub fn probe_span(&self) -> Span {
        self.given.at(self.probe.word()).unwrap_or(self.span)
    }
}
