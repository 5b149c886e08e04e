//! An address that an instance holds, and what the kernel is to keep of it.
//!
//! Plain facts, already judged; it must never hold a combination that the kernel refuses for any reason that a file can show.
//! Read ip-address(8) for the words.

use std::net::{IpAddr, Ipv4Addr};

use model::LinkName;

use crate::Span;

/// An address that moves, or one that doesn't.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub address: IpAddr,
    /// The length of its prefix: 32 or 128 unless given.
    pub prefix: u8,
    /// Where it is added: `dev`, else the instance's interface.
    pub link: LinkName,
    /// What follows it on its line.
    pub options: AddressOptions,
    /// The entry.
    pub span: Span,
}

/// What follows an address on its line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AddressOptions {
    /// `scope`, IPv4: how far it reaches, 0 for everywhere (`RT_SCOPE_*`, linux/rtnetlink.h).
    pub scope: u8,
    /// `brd`, IPv4: the address of all hosts of its network.
    pub broadcast: Option<Ipv4Addr>,
    /// `label`, IPv4: another name of the interface; at most 15 bytes.
    pub label: Option<String>,
    /// `peer`: the other end of a point-to-point link.
    pub peer: Option<IpAddr>,
    /// `home`, IPv6: a mobile host's at home.
    pub home: bool,
    /// `mngtmpaddr`, IPv6: temporary addresses are made from it.
    pub makes_temporary: bool,
    /// `noprefixroute`: its network is not reached through it.
    pub no_prefix_route: bool,
    /// Connections may begin from it. Not with `preferred_lft 0`, nor for an IPv6 address without a prefix length.
    pub preferred: bool,
    /// False with `no_track`: whether its interface is up doesn't matter.
    pub follows_link: bool,
}
