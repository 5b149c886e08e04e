//! What follows an address on its line: `scope`, `brd`, `label`, `peer` and their siblings.
//!
//! What the other family has no use for is told and left out; what the kernel would refuse is an error here.

use std::net::{IpAddr, Ipv4Addr};

use super::addresses::host_prefix;
use crate::arguments;
use crate::diagnostic::{Complaints, Diagnostic, quote};
use crate::entries::Entry;
use crate::lexer::Word;
use crate::model::AddressOptions;

/// The longest label (`IFNAMSIZ` with its final zero, linux/if.h).
const MAX_LABEL: usize = 15;
/// The prefix length that temporary addresses need (RFC 8981; `inet6_addr_add`, net/ipv6/addrconf.c).
const TEMPORARY_PREFIX: u8 = 64;
/// Networks longer than this have no broadcast address (RFC 3021).
const MAX_BROADCAST_PREFIX: u8 = 30;
/// The names of scopes (rtnetlink(7)).
const SCOPES: [(&str, u8); 5] =
    [("global", 0), ("site", 200), ("link", 253), ("host", 254), ("nowhere", u8::MAX)];
/// Words that mean something for one family alone.
const IPV4_ONLY: [&str; 4] = ["scope", "brd", "broadcast", "label"];
const IPV6_ONLY: [&str; 2] = ["home", "mngtmpaddr"];

/// The options of an address, and the prefix length that its `peer` brings along.
pub(super) fn options(
    entry: &Entry<'_>,
    address: IpAddr,
    prefix: Option<u8>,
    complaints: &mut Complaints,
) -> (AddressOptions, Option<u8>) {
    let is_ipv6 = address.is_ipv6();
    let mut options = AddressOptions {
        scope: 0,
        broadcast: None,
        label: None,
        peer: None,
        home: false,
        makes_temporary: false,
        no_prefix_route: false,
        preferred: !is_ipv6 || prefix.is_some_and(|prefix| prefix < host_prefix(address)),
        follows_link: true,
    };
    let mut length = prefix;
    for (row, word) in &entry.options {
        let other_family =
            if is_ipv6 { IPV4_ONLY.contains(&row.name) } else { IPV6_ONLY.contains(&row.name) };
        if other_family {
            let (own, other) = if is_ipv6 { ("IPv6", "IPv4") } else { ("IPv4", "IPv6") };
            let span = word.map_or(entry.span, |word| word.span);
            let message =
                format!("`{}` is for {other} addresses; {address} is an {own} one and has none", row.name);
            complaints.push(Diagnostic::warning("no-effect", span, message).help("remove it"));
            continue;
        }
        match (row.name, word) {
            ("home", _) => options.home = true,
            ("mngtmpaddr", _) => options.makes_temporary = true,
            ("noprefixroute", _) => options.no_prefix_route = true,
            ("no_track", _) => options.follows_link = false,
            ("scope", Some(word)) => options.scope = scope(word, complaints),
            ("label", Some(word)) => options.label = label(word, complaints),
            ("brd" | "broadcast", Some(word)) => {
                options.broadcast = broadcast(word, address, prefix, complaints);
            }
            ("preferred_lft", Some(word)) => options.preferred = preferred(word, complaints),
            ("peer", Some(word)) => {
                if let Some((peer, of_peer)) = peer(word, address, prefix, complaints) {
                    options.peer = Some(peer).filter(|peer| *peer != address);
                    length = length.or(of_peer);
                }
            }
            _ => {}
        }
    }
    if options.makes_temporary && length != Some(TEMPORARY_PREFIX) {
        let message = format!("`mngtmpaddr` needs an address with a prefix length of {TEMPORARY_PREFIX}");
        let help = format!("write {address}/{TEMPORARY_PREFIX}, or remove the word");
        complaints.push(Diagnostic::error("bad-prefix", entry.span, message).help(help));
    }
    (options, length)
}

/// A scope by name or number; the files of names that iproute2 has are not read.
pub(super) fn scope(word: &Word<'_>, complaints: &mut Complaints) -> u8 {
    let named = SCOPES.iter().find(|(name, _)| *name == word.text).map(|(_, number)| *number);
    let number = || arguments::number(word.text, 0, u8::MAX.into()).and_then(|it| u8::try_from(it).ok());
    named.or_else(number).unwrap_or_else(|| {
        let message = format!("{} is no scope", quote(word.text));
        let help = "write `global`, `site`, `link`, `host`, or a number from 0 to 255";
        complaints.push(Diagnostic::error("bad-value", word.span, message).help(help));
        0
    })
}

fn label(word: &Word<'_>, complaints: &mut Complaints) -> Option<String> {
    if (1..=MAX_LABEL).contains(&word.text.len()) {
        return Some(word.text.to_owned());
    }
    let message = format!("{} can't be a label: it has 1 to {MAX_LABEL} bytes", quote(word.text));
    let help = "usually it is the interface's name, a colon and a number: eth0:1";
    complaints.push(Diagnostic::error("bad-value", word.span, message).help(help));
    None
}

/// An address, or `+` and `-`: the host's bits all set, or none (ip-address(8)).
fn broadcast(
    word: &Word<'_>,
    address: IpAddr,
    prefix: Option<u8>,
    complaints: &mut Complaints,
) -> Option<Ipv4Addr> {
    let IpAddr::V4(address) = address else { return None };
    let hosts = prefix
        .filter(|prefix| *prefix <= MAX_BROADCAST_PREFIX)
        .map(|prefix| u32::MAX.checked_shr(prefix.into()).unwrap_or(0));
    let bits = address.to_bits();
    let found = match (word.text, hosts) {
        ("+", Some(hosts)) => Some(Ipv4Addr::from_bits(bits | hosts)),
        ("-", Some(hosts)) => Some(Ipv4Addr::from_bits(bits & !hosts)),
        ("+" | "-", None) => {
            let message = format!(
                "{address} is alone in its network, so `brd {}` finds no broadcast address",
                word.text
            );
            let help =
                format!("write the network's prefix length, for example {address}/24, or remove `brd`");
            complaints.push(Diagnostic::warning("no-effect", word.span, message).help(help));
            return None;
        }
        (text, _) => text.parse().ok(),
    };
    if found.is_none() {
        let message = format!("{} is no IPv4 broadcast address", quote(word.text));
        let help = "write an address, or `+` for the last one of the network";
        complaints.push(Diagnostic::error("bad-address", word.span, message).help(help));
    }
    found
}

/// The time is renewed for as long as the address is held, so only whether there is any counts.
fn preferred(word: &Word<'_>, complaints: &mut Complaints) -> bool {
    match (word.text, arguments::number(word.text, 0, u32::MAX.into())) {
        ("forever", _) => true,
        ("0", _) => false,
        (_, Some(_)) => {
            let message = "the address is preferred for as long as it is held here, not for some seconds";
            let help = "write `forever`, or 0 if no connection is to begin from it";
            complaints.push(Diagnostic::warning("no-effect", word.span, message).help(help));
            true
        }
        (_, None) => {
            let message = format!("{} can't be the value of `preferred_lft`", quote(word.text));
            let help = "write `forever`, or 0 if no connection is to begin from it";
            complaints.push(Diagnostic::error("bad-value", word.span, message).help(help));
            true
        }
    }
}

/// `ADDRESS[/LENGTH]` of the other end; the length is that of the address itself.
fn peer(
    word: &Word<'_>,
    address: IpAddr,
    prefix: Option<u8>,
    complaints: &mut Complaints,
) -> Option<(IpAddr, Option<u8>)> {
    let (text, length) = word.text.split_once('/').map_or((word.text, None), |(a, b)| (a, Some(b)));
    let peer = text.parse::<IpAddr>().ok().filter(|peer| peer.is_ipv6() == address.is_ipv6());
    let Some(peer) = peer else {
        let message = format!("{} can't be the other end of {address}", quote(text));
        let help = "write an address of the same family";
        complaints.push(Diagnostic::error("bad-address", word.span, message).help(help));
        return None;
    };
    let Some(length) = length else { return Some((peer, None)) };
    let number =
        arguments::number(length, 1, host_prefix(address).into()).and_then(|it| u8::try_from(it).ok());
    if number.is_none() || prefix.is_some_and(|prefix| Some(prefix) != number) {
        let message = format!("{} is not the prefix length of {address}", quote(length));
        let help = "both ends have one prefix length; write it after one of them";
        complaints.push(Diagnostic::error("bad-prefix", word.span, message).help(help));
    }
    Some((peer, number))
}
