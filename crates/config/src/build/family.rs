//! Which family and which version an instance speaks, and whether its addresses agree.

use std::net::IpAddr;

use model::{Family, LinkName, ProtocolVersion};

use super::defaults::Defaults;
use super::{Named, version};
use crate::diagnostic::{Complaints, Diagnostic};
use crate::model::Address;
use crate::section::Section;

/// How many addresses of each family are written out when a split is proposed.
const MAX_PROPOSED: usize = 8;

/// One family for an instance: the same VRID on IPv6 is another virtual router (V3-FSM-17).
pub(super) fn family(
    block: &Named<'_>,
    section: &Section<'_>,
    addresses: &[Address],
    complaints: &mut Complaints,
) -> Family {
    let native = section.given("native_ipv6");
    let first = addresses.first();
    let (family, because, label) = match (native, first) {
        (Some(span), _) => (Family::V6, Some(span), "makes it an IPv6 instance"),
        (None, Some(first)) => (Family::of(first.address), Some(first.span), "decides the family"),
        (None, None) => (Family::V4, None, ""),
    };
    let other = addresses.iter().find(|address| Family::of(address.address) != family);
    if let (Some(other), Some(because)) = (other, because) {
        let message = format!("{} can't be in an {family} instance", other.address);
        let help = if addresses.iter().any(|address| Family::of(address.address) == family) {
            split(block.name.text, section, addresses)
        } else {
            "remove `native_ipv6`: all addresses are IPv4".to_owned()
        };
        complaints.push(
            Diagnostic::error("mixed-families", other.span, message).related(because, label).help(help),
        );
    } else if family == Family::V6 {
        complaints.extend(not_link_local(addresses));
    }
    family
}

/// The two blocks to write instead.
fn split(name: &str, section: &Section<'_>, addresses: &[Address]) -> String {
    let id = section.number("virtual_router_id").unwrap_or(1);
    let first = addresses.iter().any(is_link_local).then(String::new);
    let first = first.unwrap_or_else(|| format!("        fe80::{id:x}/64\n"));
    let own = section.link("interface");
    let four = list(own.as_ref(), addresses.iter().filter(|it| it.address.is_ipv4()));
    let six = list(own.as_ref(), addresses.iter().filter(|it| it.address.is_ipv6()));
    format!(
        "split it into two instances; `...` is all else, the same in both, virtual_router_id too:\n\
         vrrp_instance {name}_4 {{\n    ...\n    virtual_ipaddress {{\n{four}    }}\n}}\n\
         vrrp_instance {name}_6 {{\n    ...\n    virtual_ipaddress {{\n{first}{six}    }}\n}}"
    )
}

/// The lines of a `virtual_ipaddress` block, link-local addresses first.
fn list<'a>(own: Option<&LinkName>, addresses: impl Iterator<Item = &'a Address>) -> String {
    let (mut first, mut rest): (Vec<&Address>, Vec<&Address>) = addresses.partition(|it| is_link_local(it));
    first.append(&mut rest);
    let line = |it: &&Address| {
        let dev = if own == Some(&it.link) { String::new() } else { format!(" dev {}", it.link) };
        format!("        {}/{}{dev}\n", it.address, it.prefix)
    };
    let mut lines: String = first.iter().take(MAX_PROPOSED).map(line).collect();
    if first.len() > MAX_PROPOSED {
        lines.push_str("        ...\n");
    }
    lines
}

/// V3-PKT-5: the first address of an IPv6 virtual router is link-local, and whoever keeps to the RFC drops other
/// adverts (V3-RX-9).
fn not_link_local(addresses: &[Address]) -> Option<Diagnostic> {
    let first = addresses.first().filter(|first| !is_link_local(first))?;
    let message =
        format!("the first address of an IPv6 instance should be link-local; {} isn't", first.address);
    let help = match addresses.iter().find(|it| is_link_local(it)) {
        Some(other) => {
            format!("write {} first: routers that keep to the RFC drop these adverts", other.address)
        }
        None => "put one first, for example fe80::1/64: routers that keep to the RFC drop these adverts"
            .to_owned(),
    };
    Some(Diagnostic::warning("not-link-local", first.span, message).help(help))
}

const fn is_link_local(address: &Address) -> bool {
    match address.address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// VRRPv2 or VRRPv3.
pub(super) fn protocol(
    section: &Section<'_>,
    family: Family,
    defaults: &Defaults,
    complaints: &mut Complaints,
) -> ProtocolVersion {
    match (section.choice("version"), family) {
        ("", Family::V4) => defaults.version,
        ("", Family::V6) => ProtocolVersion::V3,
        (choice, Family::V4) => version(choice),
        (choice, Family::V6) => {
            if let (ProtocolVersion::V2, Some(span)) = (version(choice), section.given("version")) {
                let message = "VRRPv2 knows no IPv6 (RFC 3768)";
                let help = "write `version 3`, or remove the line";
                complaints.push(Diagnostic::error("version-family", span, message).help(help));
            }
            ProtocolVersion::V3
        }
    }
}
