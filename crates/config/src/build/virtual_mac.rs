//! `use_vmac` and `vmac_xmit_base`: the interface with the virtual router's own hardware address (RFC 9568 7.3).

use std::collections::HashMap;
use std::net::Ipv6Addr;

use model::{Family, LinkName, MacAddress, Vrid};

use super::bad_name;
use super::instance::Draft;
use crate::diagnostic::{Complaints, Diagnostic, quote};
use crate::lexer::Word;
use crate::model::VirtualMac;
use crate::section::Section;

/// What the first octet of a group's address has (IEEE 802).
const GROUP_BIT: u8 = 1;

/// The names that were given to those that have none, each with the interface that it is made on.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<String, LinkName>);

impl Names {
    /// The usual name; for a further one of that number, on another interface, that with the interface's behind it. The first in the
    /// file keeps its name whatever comes after it.
    fn find(&mut self, family: Family, vrid: Vrid, base: Option<&LinkName>) -> Option<LinkName> {
        let usual = match family {
            Family::V4 => format!("vrrp.{vrid}"),
            Family::V6 => format!("vrrp6.{vrid}"),
        };
        let Some(base) = base else { return LinkName::new(usual).ok() };
        let taken = self.0.get(&usual).is_some_and(|first| first != base);
        // Where that is too long the name is told as taken.
        let other = taken.then(|| LinkName::new(format!("{usual}.{base}")).ok()).flatten();
        other.or_else(|| {
            self.0.entry(usual.clone()).or_insert_with(|| base.clone());
            LinkName::new(usual).ok()
        })
    }
}

/// What it says; `None` without `use_vmac`. `strict`: the hardware address is the RFC's.
pub(super) fn virtual_mac(
    section: &Section<'_>,
    (vrid, base): (Option<Vrid>, Option<&LinkName>),
    (strict, names): (bool, &mut Names),
    complaints: &mut Complaints,
) -> Option<VirtualMac> {
    let (span, vrid) = (section.given("use_vmac")?, vrid?);
    let family = family(section);
    let (mut name, mut own) = (None, None);
    let mut words = section.texts("use_vmac").iter();
    while let Some(word) = words.next() {
        match word.text {
            "name" => name = words.next().or(name),
            "group" => {
                complaints.push(unused("a group of interfaces", word));
                words.next();
            }
            "netlink_notify_msg" => complaints.push(unused("a notification", word)),
            text if text.contains(':') => own = Some(word),
            _ => name = Some(word),
        }
    }
    let link = match name {
        Some(word) => {
            LinkName::new(word.text).map_err(|error| complaints.push(bad_name(word.span, &error))).ok()?
        }
        None => names.find(family, vrid, base)?,
    };
    let mac =
        own.and_then(|word| own_mac(word, vrid, strict, complaints)).unwrap_or_else(|| mac(family, vrid));
    Some(VirtualMac { link, mac, adverts_from_base: section.given("vmac_xmit_base").is_some(), span })
}

/// RFC 9568 7.3.
fn mac(family: Family, vrid: Vrid) -> MacAddress {
    let family = match family {
        Family::V4 => 1,
        Family::V6 => 2,
    };
    MacAddress([0, 0, 0x5e, 0, family, vrid.get()])
}

/// A hardware address as it is given; of five octets the VRID is the sixth, as keepalived has it.
fn own_mac(word: &Word<'_>, vrid: Vrid, strict: bool, complaints: &mut Complaints) -> Option<MacAddress> {
    if strict {
        let message =
            "a hardware address of one's own doesn't count in strict mode: it is that of RFC 9568 7.3";
        let help = "remove it: the RFC leaves no choice";
        complaints.push(Diagnostic::warning("strict", word.span, message).help(help));
        return None;
    }
    let octets = word.text.split(':').map(octet).collect::<Option<Vec<u8>>>().unwrap_or_default();
    let octets = match octets.as_slice() {
        [a, b, c, d, e] => [*a, *b, *c, *d, *e, vrid.get()],
        [a, b, c, d, e, f] => [*a, *b, *c, *d, *e, *f],
        _ => [0; 6],
    };
    let [first, ..] = octets;
    if octets == [0; 6] || first & GROUP_BIT != 0 {
        let message = format!("{} is no hardware address that an interface can have", quote(word.text));
        let help = "write five octets (the virtual_router_id is the sixth) or six, for example 02:00:00:00:00; the first is even";
        complaints.push(Diagnostic::error("bad-value", word.span, message).help(help));
        return None;
    }
    Some(MacAddress(octets))
}

/// One or two hexadecimal digits.
fn octet(text: &str) -> Option<u8> {
    let digits = (1..=2).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_hexdigit());
    u8::from_str_radix(text, 16).ok().filter(|_| digits)
}

/// That of the first address, which names the interface before the addresses can be read.
fn family(section: &Section<'_>) -> Family {
    let first = section.blocks("virtual_ipaddress").iter().find_map(|block| block.statements.first());
    let text = first.map_or("", |statement| statement.keyword.text);
    let address = text.split_once('/').map_or(text, |(address, _)| address);
    if address.parse::<Ipv6Addr>().is_ok() { Family::V6 } else { Family::V4 }
}

fn unused(what: &str, word: &Word<'_>) -> Diagnostic {
    let message = format!("{} asks for {what}, which no virtual MAC of ours has", quote(word.text));
    let help = "it has the address of RFC 9568, and a name: remove the word";
    Diagnostic::warning("not-supported", word.span, message).help(help)
}

/// Each is made under a name of its own, and nobody waits for it to come up: it is down unless it is needed.
pub(super) fn names(drafts: &[Draft], complaints: &mut Complaints) {
    let mut taken: HashMap<&LinkName, String> = HashMap::new();
    for Draft { instance, .. } in drafts {
        taken.insert(&instance.link, format!("the interface of {}", instance.name));
    }
    for Draft { instance, .. } in drafts {
        let Some(VirtualMac { link, span, .. }) = &instance.virtual_mac else { continue };
        let whose = format!("the virtual MAC of {}", instance.name);
        let Some(other) = taken.insert(link, whose) else { continue };
        let message = format!("{link} is to be the virtual MAC of {}, and is {other}", instance.name);
        let help = "write another name: use_vmac NAME";
        complaints.push(Diagnostic::error("duplicate-name", *span, message).help(help));
    }
    hardware_addresses(drafts, complaints);
    let own = |link: &LinkName| {
        drafts.iter().any(|it| it.instance.virtual_mac.as_ref().is_some_and(|own| own.link == *link))
    };
    for tracked in drafts.iter().flat_map(|it| &it.instance.links).filter(|tracked| own(&tracked.link)) {
        let message =
            format!("{} is down unless its router is MASTER, which it would never become", tracked.link);
        let help = "track the interface that it is made on";
        complaints.push(Diagnostic::error("never-up", tracked.span, message).help(help));
    }
}

/// The kernel lets no two on one interface have the same.
fn hardware_addresses(drafts: &[Draft], complaints: &mut Complaints) {
    let mut taken = HashMap::new();
    for Draft { instance, .. } in drafts {
        let Some(VirtualMac { mac, span, .. }) = &instance.virtual_mac else { continue };
        let Some(other) = taken.insert((&instance.link, *mac), instance) else { continue };
        // Two of one number are told as such.
        if (other.vrid, other.family) != (instance.vrid, instance.family) {
            let message =
                format!("{mac} on {} is to be the hardware address of {}, too", instance.link, other.name);
            let help = "give them different ones, or five octets each: the virtual_router_id is the sixth";
            complaints.push(Diagnostic::error("duplicate-mac", *span, message).help(help));
        }
    }
}
