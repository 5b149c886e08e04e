//! Probes over a socket: a connection, a request, an echo.

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use checks::Outcome;
use config::{HttpGet, Target};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::http::{self, Judgement};
use super::no_resources;
use super::tls::{Stream, Trust};

/// How much is read at once, in bytes.
const READ_SIZE: usize = 4096;
/// An ICMP echo request without its checksum and identifier, which the kernel fills in (icmp(7)), and a sequence number.
const ECHO_V4: [u8; 8] = [8, 0, 0, 0, 0, 0, 0, 1];
/// The same of ICMPv6.
const ECHO_V6: [u8; 8] = [128, 0, 0, 0, 0, 0, 0, 1];

/// How far it has come.
#[derive(Debug)]
pub(super) enum Progress {
    /// The descriptor will tell.
    Waits,
    /// It is over.
    Over(Outcome),
}

#[derive(Debug)]
enum Stage {
    /// Of a connection; then the request, if there is one.
    Connecting(Option<HttpGet>),
    /// The request, as far as it isn't sent.
    Asking(HttpGet, Vec<u8>),
    /// The answer so far.
    Listening(HttpGet, Vec<u8>),
    /// An echo is awaited.
    Pinging,
}

/// A question that was asked.
#[derive(Debug)]
pub(super) struct Attempt {
    stream: Stream,
    /// For people.
    address: SocketAddr,
    stage: Stage,
}

impl AsFd for Attempt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Attempt {
    /// Connects, and no more.
    pub(super) fn tcp(target: &Target) -> Result<Self, Outcome> {
        let attempt = Self::connect(target, None, |socket| Ok(Stream::Plain(socket)))?;
        // A connection that ends with a reset leaves no TIME_WAIT behind: a thousand a second would use up all ports.
        attempt.stream.socket().set_linger(Some(Duration::ZERO)).map_err(|error| no_resources(&error))?;
        Ok(attempt)
    }

    /// Connects, and then asks.
    pub(super) fn http(get: &HttpGet, trust: &mut Trust) -> Result<Self, Outcome> {
        Self::connect(&get.target, Some(get.clone()), |socket| match &get.tls {
            Some(tls) => trust.begin(tls, socket).map_err(Outcome::CannotRun),
            None => Ok(Stream::Plain(socket)),
        })
    }

    fn connect(
        target: &Target,
        then: Option<HttpGet>,
        over: impl FnOnce(Socket) -> Result<Stream, Outcome>,
    ) -> Result<Self, Outcome> {
        let socket = open(target, Type::STREAM, Protocol::TCP)?;
        match socket.connect(&target.address.into()) {
            Err(error) if !is_under_way(&error) => Err(refused(target.address, &error)),
            Ok(()) | Err(_) => {
                Ok(Self { stream: over(socket)?, address: target.address, stage: Stage::Connecting(then) })
            }
        }
    }

    /// Sends an echo request.
    pub(super) fn ping(target: &Target) -> Result<Self, Outcome> {
        let v4 = target.address.is_ipv4();
        let protocol = if v4 { Protocol::ICMPV4 } else { Protocol::ICMPV6 };
        let socket = open(target, Type::DGRAM, protocol)?;
        let sent = socket
            .connect(&target.address.into())
            .and_then(|()| socket.send(if v4 { &ECHO_V4 } else { &ECHO_V6 }));
        match sent {
            Ok(_) => {
                Ok(Self { stream: Stream::Plain(socket), address: target.address, stage: Stage::Pinging })
            }
            Err(error) => Err(Outcome::Failed(format!("ping {}: {error}", target.address.ip()))),
        }
    }

    /// Goes as far as it gets without waiting. A wake-up that was meant for somebody else does no harm.
    pub(super) fn proceed(&mut self) -> Progress {
        loop {
            let next = match &mut self.stage {
                Stage::Connecting(then) => {
                    match connected(self.stream.socket()) {
                        Ok(false) => return Progress::Waits,
                        Err(error) => return Progress::Over(refused(self.address, &error)),
                        Ok(true) => {}
                    }
                    let Some(get) = then.take() else { return Progress::Over(Outcome::Passed) };
                    let request = http::request(&get);
                    Stage::Asking(get, request)
                }
                Stage::Asking(get, request) => match self.stream.write(request) {
                    Ok(length) if length < request.len() => {
                        request.drain(..length);
                        continue;
                    }
                    Ok(_) => Stage::Listening(get.clone(), Vec::new()),
                    Err(error) if is_in_vain(&error) => return Progress::Waits,
                    Err(error) => return Progress::Over(broken(self.address, "ask", &error)),
                },
                Stage::Listening(get, answer) => {
                    let mut buffer = [0; READ_SIZE];
                    let over = match self.stream.read(&mut buffer) {
                        Ok(length) => {
                            answer.extend(buffer.get(..length).unwrap_or_default());
                            length == 0
                        }
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                        Err(error) if is_in_vain(&error) => return Progress::Waits,
                        Err(error) => return Progress::Over(broken(self.address, "read from", &error)),
                    };
                    match http::judge(get, answer, over) {
                        Judgement::More => continue,
                        Judgement::Over(outcome) => return Progress::Over(outcome),
                    }
                }
                Stage::Pinging => {
                    let mut buffer = [0; READ_SIZE];
                    return match self.stream.read(&mut buffer) {
                        // The kernel hands over only answers to the identifier of this socket, from whom it is connected to.
                        Ok(_) => Progress::Over(Outcome::Passed),
                        Err(error) if is_in_vain(&error) => Progress::Waits,
                        Err(error) => Progress::Over(broken(self.address, "ping", &error)),
                    };
                }
            };
            self.stage = next;
        }
    }
}

/// Whether something listens on a stream socket. The kernel knows at once.
pub(super) fn unix_connect(path: &Path) -> Outcome {
    let failed = |error: &io::Error| Outcome::Failed(format!("connect to {}: {error}", path.display()));
    let address = match SockAddr::unix(path) {
        Ok(address) => address,
        Err(error) => return Outcome::CannotRun(format!("{}: {error}", path.display())),
    };
    match Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None) {
        Ok(socket) => socket.connect(&address).map_or_else(|error| failed(&error), |()| Outcome::Passed),
        Err(error) => no_resources(&error),
    }
}

/// A socket that never blocks, bound as the configuration says.
pub(super) fn open(target: &Target, kind: Type, protocol: Protocol) -> Result<Socket, Outcome> {
    let domain = if target.address.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, kind.nonblocking(), Some(protocol)).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied if matches!(protocol, Protocol::ICMPV4 | Protocol::ICMPV6) => Outcome::CannotRun(
            "ping without privileges: the sysctl net.ipv4.ping_group_range doesn't include the group of checkerd".to_owned(),
        ),
        _ => no_resources(&error),
    })?;
    if let Some(link) = &target.link {
        let bound = socket.bind_device(Some(link.as_str().as_bytes()));
        bound.map_err(|error| Outcome::CannotRun(format!("ask through {link}: {error}")))?;
    }
    if let Some(source) = target.source {
        let bound = socket.bind(&SocketAddr::new(source, 0).into());
        bound.map_err(|error| Outcome::CannotRun(format!("ask from {source}: {error}")))?;
    }
    Ok(socket)
}

fn is_under_way(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error())
}

pub(super) fn is_in_vain(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// Whether the connection has come about; false while it is under way.
fn connected(socket: &Socket) -> io::Result<bool> {
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    match socket.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}

fn refused(address: SocketAddr, error: &io::Error) -> Outcome {
    broken(address, "connect to", error)
}

fn broken(address: SocketAddr, doing: &str, error: &io::Error) -> Outcome {
    Outcome::Failed(format!("{doing} {address}: {error}"))
}
