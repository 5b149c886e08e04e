//! What is asked of a DNS server, and which answer passes. RFC 1035, section 3.2.2, has the types, 4.1.1 the codes.

use std::net::{IpAddr, SocketAddr};

use model::LinkName;

/// A question, and the answer that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsQuery {
    /// The full name, without its last dot; empty for the root. Its labels are of legal lengths.
    pub name: String,
    /// Of what.
    pub kind: RecordKind,
    /// Whom; the first server of /etc/resolv.conf, as it is at each run, where it isn't given.
    pub server: Option<SocketAddr>,
    /// `source`: the address to ask from.
    pub source: Option<IpAddr>,
    /// `interface`: the interface to ask through.
    pub link: Option<LinkName>,
    /// `dns_address`: an address that the answer has to contain.
    pub address: Option<IpAddr>,
    /// `dns_rcode`: what the server has to say of the question.
    pub rcode: Rcode,
}

/// Kinds of records that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordKind {
    /// As people write it.
    pub name: &'static str,
    /// As it is sent.
    pub number: u16,
}

impl RecordKind {
    /// IPv4 addresses.
    pub const A: Self = Self { name: "A", number: 1 };
    /// IPv6 addresses.
    pub const AAAA: Self = Self { name: "AAAA", number: 28 };
    /// Each that can be asked for.
    pub const ALL: [Self; 9] = [
        Self::A,
        Self::AAAA,
        Self { name: "NS", number: 2 },
        Self { name: "CNAME", number: 5 },
        Self { name: "SOA", number: 6 },
        Self { name: "PTR", number: 12 },
        Self { name: "MX", number: 15 },
        Self { name: "TXT", number: 16 },
        Self { name: "SRV", number: 33 },
    ];
}

/// The code of an answer (RCODE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rcode(pub u8);

impl Rcode {
    /// There is such a name.
    pub const NOERROR: Self = Self(0);
    /// What can be asked for with `dns_rcode`, at the place of its number.
    pub const NAMES: [&'static str; 6] = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];
}

impl std::fmt::Display for Rcode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match Self::NAMES.get(usize::from(self.0)) {
            Some(name) => f.write_str(name),
            None => write!(f, "code {}", self.0),
        }
    }
}
