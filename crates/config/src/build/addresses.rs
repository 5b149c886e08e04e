//! `virtual_ipaddress`, `virtual_ipaddress_excluded` and `unicast_peer`: lists of addresses.

use std::collections::HashMap;
use std::net::IpAddr;

use model::{Family, LinkName};

use super::address_options::options;
use crate::arguments;
use crate::diagnostic::{Complaints, Diagnostic, quote};
use crate::directives::{self, Argument, Place};
use crate::entries::{Entry, entries};
use crate::lexer::Word;
use crate::model::{Address, Peer};
use crate::section::Section;
use crate::source::Span;
use crate::tree::Block;

/// An advert counts its addresses in one byte (RFC 9568 5.2.5).
const MAX_IPV4: usize = 255;
/// An IPv6 advert of so many fits an Ethernet frame: (1500 - 40 - 8) / 16. The RFC has none in fragments.
const MAX_IPV6: usize = 90;

/// The addresses of an instance.
pub(super) struct Lists {
    /// Those that adverts carry.
    pub(super) advertised: Vec<Address>,
    /// The rest.
    pub(super) excluded: Vec<Address>,
}

/// `virtual_ipaddress` and `virtual_ipaddress_excluded`, each address once in both.
pub(super) fn virtual_addresses(
    section: &Section<'_>,
    link: Option<&LinkName>,
    complaints: &mut Complaints,
) -> Lists {
    let mut seen = HashMap::new();
    let mut list = |word| addresses(section.blocks(word), link, &mut seen, complaints);
    let mut advertised = list("virtual_ipaddress");
    let mut excluded = list("virtual_ipaddress_excluded");
    let room = match advertised.first() {
        Some(first) if first.address.is_ipv6() => MAX_IPV6,
        _ => MAX_IPV4,
    };
    if advertised.len() > room {
        let rest = advertised.split_off(room);
        let span = rest.first().map(|first| first.span);
        let message = format!(
            "an advert carries {room} addresses and no more: the last {} are held and not advertised",
            rest.len()
        );
        let help = "write them into `virtual_ipaddress_excluded`, so that everybody sees it";
        complaints.push(Diagnostic::warning("too-many", span, message).help(help));
        excluded.splice(0..0, rest);
    }
    Lists { advertised, excluded }
}

/// `static_ipaddress`: each of them says where it is, or `default_interface` does.
pub(super) fn standing(
    blocks: &[&Block<'_>],
    link: Option<&LinkName>,
    complaints: &mut Complaints,
) -> Vec<Address> {
    let found = addresses(blocks, link, &mut HashMap::new(), complaints);
    let lines = blocks.iter().map(|block| block.statements.len()).sum::<usize>();
    if let (None, true, Some(block)) = (link, found.len() < lines && complaints.errors() == 0, blocks.first())
    {
        let message = "an address that stands still needs an interface";
        let help = "write `dev` and its name after each address, or `default_interface` into `global_defs`";
        complaints.push(Diagnostic::error("missing-word", block.open, message).help(help));
    }
    found
}

/// The addresses of some blocks.
fn addresses(
    blocks: &[&Block<'_>],
    link: Option<&LinkName>,
    seen: &mut HashMap<IpAddr, Span>,
    complaints: &mut Complaints,
) -> Vec<Address> {
    let mut addresses = Vec::new();
    for entry in entries(Place::AddressEntry, blocks, complaints) {
        let Some((address, prefix)) = address(&entry.head, complaints) else { continue };
        let own_link = own_link(&entry, complaints);
        let (options, prefix) = options(&entry, address, prefix, complaints);
        if is_repeated(seen, address, entry.head.span, complaints) {
            continue;
        }
        if let Some(link) = own_link.or_else(|| link.cloned()) {
            let prefix = prefix.unwrap_or(host_prefix(address));
            addresses.push(Address { address, prefix, link, options, span: entry.span });
        }
    }
    // Each of the daemons keeps it, and most of thousands of instances have one.
    addresses.shrink_to_fit();
    addresses
}

/// `unicast_peer`, each address once and not `own`.
pub(super) fn peers(
    section: &Section<'_>,
    own: Option<IpAddr>,
    complaints: &mut Complaints,
) -> Vec<(Peer, Span)> {
    let mut seen = HashMap::new();
    let mut peers = Vec::new();
    for entry in entries(Place::PeerEntry, section.blocks("unicast_peer"), complaints) {
        let span = entry.head.span;
        let Some((address, prefix)) = address(&entry.head, complaints) else { continue };
        if prefix.is_some() {
            let message = format!(
                "a peer is one host, so the prefix length of {} means nothing",
                quote(entry.head.text)
            );
            complaints
                .push(Diagnostic::warning("prefix-ignored", span, message).help(format!("write {address}")));
        }
        if own == Some(address) {
            let message =
                format!("{address} is this router's own `unicast_src_ip` and is left out of its peers");
            let help = "list the other routers only";
            complaints.push(Diagnostic::warning("own-peer", span, message).help(help));
        } else if !is_repeated(&mut seen, address, span, complaints) {
            peers.push((peer(address, &entry, complaints), span));
        }
    }
    peers
}

fn peer(address: IpAddr, entry: &Entry<'_>, complaints: &mut Complaints) -> Peer {
    let mut peer = Peer { address, min_ttl: u8::MIN, max_ttl: u8::MAX };
    for (row, value) in &entry.options {
        let (Argument::Number(min, max), Some(word)) = (row.argument, value) else { continue };
        let number = arguments::number(word.text, min, max).and_then(|number| u8::try_from(number).ok());
        match (number, row.name) {
            (None, _) => complaints.push(arguments::unfit(row, word)),
            (Some(ttl), "min_ttl") => peer.min_ttl = ttl,
            (Some(ttl), _) => peer.max_ttl = ttl,
        }
    }
    if peer.min_ttl > peer.max_ttl {
        let message = format!(
            "no TTL is at least {} and at most {}: {address} would never be heard",
            peer.min_ttl, peer.max_ttl
        );
        let help = "min_ttl 255 means that the peer is on this very link";
        complaints.push(Diagnostic::error("out-of-range", entry.span, message).help(help));
    }
    peer
}

fn is_repeated(
    seen: &mut HashMap<IpAddr, Span>,
    address: IpAddr,
    span: Span,
    complaints: &mut Complaints,
) -> bool {
    let Some(first) = seen.get(&address) else {
        seen.insert(address, span);
        return false;
    };
    let message = format!("{address} is in this list twice; the first one counts");
    let diagnostic = Diagnostic::warning("given-twice", span, message);
    complaints.push(diagnostic.related(*first, "given here first").help("remove one of them"));
    true
}

/// `ADDRESS[/LENGTH]` of one host.
fn address(word: &Word<'_>, complaints: &mut Complaints) -> Option<(IpAddr, Option<u8>)> {
    let (text, length) = match word.text.split_once('/') {
        Some((text, length)) => (text, Some(length)),
        None => (word.text, None),
    };
    let Ok(address) = text.parse::<IpAddr>() else {
        let message = format!("{} is not an IPv4 or IPv6 address", quote(text));
        let help = if directives::find(Place::Root, text).is_some()
            || directives::find(Place::Instance, text).is_some()
        {
            "is the `}` of the list missing?"
        } else {
            "write it in numbers, one a line, for example 192.0.2.1/24 or 2001:db8::1/64"
        };
        complaints.push(Diagnostic::error("bad-address", word.span, message).help(help));
        return None;
    };
    complaints.extend(not_a_host(address, word.span));
    let Some(length) = length else { return Some((address, None)) };
    let prefix = arguments::number(length, 1, i64::from(host_prefix(address)));
    let Some(prefix) = prefix.and_then(|prefix| u8::try_from(prefix).ok()) else {
        let most = host_prefix(address);
        let message = format!("{} is not a prefix length from 1 to {most}", quote(length));
        complaints.push(
            Diagnostic::error("bad-prefix", word.span, message)
                .keepalived(format!("would use /{most} here"))
                .help("write the prefix length of the network, or none for a host's"),
        );
        return None;
    };
    if is_end_of_network(address, prefix) {
        let message = format!("{address} is the broadcast address of its network /{prefix}");
        let diagnostic = Diagnostic::error("bad-address", word.span, message);
        complaints.push(
            diagnostic
                .keepalived("adds it, and hosts of this network then take it as their broadcast")
                .help("choose another address, or write the prefix length of the network"),
        );
    }
    Some((address, Some(prefix)))
}

/// An address that no single host can have.
pub(super) fn not_a_host(address: IpAddr, span: Span) -> Option<Diagnostic> {
    let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    let (message, help) = if address.is_loopback() {
        (
            format!("{address} is every host's own, and can't be reached from another"),
            "write an address of the network",
        )
    } else if address.is_multicast() || address.is_unspecified() || broadcast {
        (
            format!("{address} can't be the address of a host"),
            "multicast, broadcast and unspecified addresses belong to no interface",
        )
    } else {
        return None;
    };
    Some(Diagnostic::error("bad-address", span, message).help(help))
}

/// The last address of an IPv4 network that has a last address (RFC 3021 has it for two hosts).
fn is_end_of_network(address: IpAddr, prefix: u8) -> bool {
    let IpAddr::V4(address) = address else { return false };
    let hosts = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
    prefix < 31 && address.to_bits() & hosts == hosts
}

pub(super) const fn host_prefix(address: IpAddr) -> u8 {
    match Family::of(address) {
        Family::V4 => 32,
        Family::V6 => 128,
    }
}

/// `dev`.
fn own_link(entry: &Entry<'_>, complaints: &mut Complaints) -> Option<LinkName> {
    let (_, word) = entry.options.iter().rev().find(|(row, _)| row.name == "dev")?;
    let word = word.as_ref()?;
    let link = LinkName::new(word.text);
    link.map_err(|error| complaints.push(super::bad_name(word.span, &error))).ok()
}
