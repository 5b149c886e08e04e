//! `dns_query`: one datagram to a DNS server, and the one that answers it. RFC 5452 says what makes an answer believable.
//!
//! What it must never do: believe what comes from elsewhere (the socket is connected, so that the kernel drops that), from
//! a port that can be guessed (the kernel chooses it at random), or with another number; or read for ever what somebody
//! pours in. A datagram that is lost costs the run: `fall` is for that.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use checks::Outcome;
use config::{DnsQuery, Target};
use socket2::{Protocol, Socket, Type};

use super::net::{Progress, is_in_vain, open};
use super::{dns, files};

/// Where the system's DNS servers stand; resolv.conf(5).
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// As much of it is read, in bytes.
const MAX_RESOLV_CONF: u64 = 64 * 1024;
const DNS_PORT: u16 = 53;
/// The longest answer without EDNS, in bytes (RFC 1035, section 4.2.1), and room to spare: what is longer is cut.
const MAX_ANSWER: usize = 4096;
/// After so many datagrams that answer nothing, the run is over.
const MAX_STRAYS: u32 = 64;

/// A question that was asked.
#[derive(Debug)]
pub(super) struct Attempt {
    socket: Socket,
    server: SocketAddr,
    query: DnsQuery,
    asked: Vec<u8>,
    /// How many datagrams were no answers, and why the last one was none.
    strays: Option<(u32, &'static str)>,
}

impl AsFd for Attempt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Attempt {
    /// Asks.
    pub(super) fn ask(query: &DnsQuery) -> Result<Self, Outcome> {
        let server = match query.server {
            Some(server) => server,
            None => system_server(Path::new(RESOLV_CONF))?,
        };
        let target = Target { address: server, source: query.source, link: query.link.clone() };
        let socket = open(&target, Type::DGRAM, Protocol::UDP)?;
        let asked = dns::question(query, number());
        let attempt = Self { socket, server, query: query.clone(), asked, strays: None };
        let sent = attempt.socket.connect(&server.into()).and_then(|()| attempt.socket.send(&attempt.asked));
        match sent {
            Ok(_) => Ok(attempt),
            Err(error) => Err(attempt.failed(&error.to_string())),
        }
    }

    /// Reads what has come, as long as it is no answer.
    pub(super) fn proceed(&mut self) -> Progress {
        loop {
            let mut buffer = [0; MAX_ANSWER];
            let length = match self.socket.read(&mut buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if is_in_vain(&error) => return Progress::Waits,
                Err(error) => return Progress::Over(self.failed(&error.to_string())),
            };
            let answer = buffer.get(..length).unwrap_or_default();
            match dns::judge(&self.query, &self.asked, answer) {
                Ok(Outcome::Failed(why)) => return Progress::Over(self.failed(&why)),
                Ok(outcome) => return Progress::Over(outcome),
                Err(why) => {
                    let count = self.strays.map_or(0, |(count, _)| count) + 1;
                    self.strays = Some((count, why));
                    if count >= MAX_STRAYS {
                        return Progress::Over(self.on_late());
                    }
                }
            }
        }
    }

    /// What it comes to when nothing has come of it so far.
    pub(super) fn on_late(&self) -> Outcome {
        match self.strays {
            None => Outcome::TimedOut,
            Some((count, why)) => {
                self.failed(&format!("no answer, but {count} of something else (the last: {why})"))
            }
        }
    }

    fn failed(&self, why: &str) -> Outcome {
        let name = if self.query.name.is_empty() { "." } else { &self.query.name };
        Outcome::Failed(format!("ask {} for {name} {}: {why}", self.server, self.query.kind.name))
    }
}

/// What nobody can guess: the standard library's hashes are keyed by the kernel's random numbers.
fn number() -> u16 {
    let [high, low, ..] = RandomState::new().build_hasher().finish().to_be_bytes();
    u16::from_be_bytes([high, low])
}

/// The first server of resolv.conf(5) with a literal address, as it is now.
fn system_server(path: &Path) -> Result<SocketAddr, Outcome> {
    let failed = |why: &str| Outcome::CannotRun(format!("find a DNS server in {}: {why}", path.display()));
    let text = files::read(path, MAX_RESOLV_CONF).map_err(|error| failed(&error.to_string()))?;
    let address = String::from_utf8_lossy(&text).lines().find_map(nameserver);
    let address = address.ok_or_else(|| failed("there is no `nameserver ADDRESS`"))?;
    Ok(SocketAddr::new(address, DNS_PORT))
}

fn nameserver(line: &str) -> Option<IpAddr> {
    let mut words = line.split_whitespace();
    if words.next()? == "nameserver" { words.next()?.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_server_is_the_first_that_can_be_asked() {
        assert_eq!(nameserver("nameserver 10.0.0.53 # ours"), Some([10, 0, 0, 53].into()));
        assert_eq!(nameserver("\tnameserver\t::1"), Some("::1".parse().unwrap()));
        for line in ["", "# nameserver 10.0.0.1", "nameserver", "nameserver fe80::1%eth0", "search example"] {
            assert_eq!(nameserver(line), None, "{line}");
        }
        let file = std::env::temp_dir().join(format!("handover-resolv-{}", std::process::id()));
        std::fs::write(&file, "search example\nnameserver fe80::1%eth0\nnameserver 10.0.0.9\n").unwrap();
        assert_eq!(system_server(&file), Ok("10.0.0.9:53".parse().unwrap()));
        std::fs::write(&file, "").unwrap();
        let said = system_server(&file).unwrap_err().to_string();
        assert!(said.ends_with("there is no `nameserver ADDRESS`"), "{said}");
        std::fs::remove_file(&file).unwrap();
        assert!(system_server(&file).unwrap_err().to_string().contains("No such file"));
    }
}
