//! `dns_query NAME[@SERVER] [TYPE]` and the words that go with it.

use std::net::{IpAddr, SocketAddr};

use crate::diagnostic::{Complaints, Diagnostic, quote};
use crate::model::{DnsQuery, Rcode, RecordKind};
use crate::section::Section;

use super::probe::{bad, has_one_family};

/// The longest part of a name between dots, in bytes (RFC 1035, section 2.3.4).
const MAX_LABEL: usize = 63;
/// The longest name as people write it, in bytes: 255 on the wire are two more.
const MAX_NAME: usize = 253;
/// Where DNS servers listen unless said otherwise.
const DNS_PORT: u16 = 53;

/// `None` after a complaint.
pub(super) fn query(section: &Section<'_>, complaints: &mut Complaints) -> Option<DnsQuery> {
    let (subject, kind) = match section.texts("dns_query") {
        [subject] => (subject, None),
        [subject, kind] => (subject, Some(kind)),
        [_, _, extra, ..] => {
            let message = format!("{} follows the type, where nothing may follow", quote(extra.text));
            let help = "write `dns_query NAME[@SERVER] [TYPE]`";
            complaints.push(Diagnostic::error("extra-words", extra.span, message).help(help));
            return None;
        }
        [] => return None,
    };
    let (name, server) = match subject.text.split_once('@') {
        Some((name, server)) => (name, Some(server)),
        None => (subject.text, None),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    if !is_name(name) {
        return bad(subject, "a domain's name, and perhaps @SERVER: www.example.com@10.0.0.53", complaints);
    }
    let server = match server {
        Some(text) => match endpoint(text) {
            None => return bad(subject, "NAME@SERVER with the server's address: [::1]:53", complaints),
            known => known,
        },
        None => None,
    };
    let address = section.address("dns_address");
    let kind = match kind {
        None if address.is_some_and(|address| address.is_ipv6()) => RecordKind::AAAA,
        None => RecordKind::A,
        Some(word) => {
            let known = RecordKind::ALL.iter().find(|kind| kind.name.eq_ignore_ascii_case(word.text));
            *known.or_else(|| bad(word, &kinds(), complaints))?
        }
    };
    if !can_contain(kind, address) {
        let message = format!("an answer about {} never contains that address", kind.name);
        let span = section.given("dns_address").unwrap_or(subject.span);
        let help = "an IPv4 address is for type A, an IPv6 address for AAAA";
        complaints.push(Diagnostic::error("mixed-families", span, message).help(help));
        return None;
    }
    if let Some(server) = server {
        has_one_family(section, server.ip(), complaints).then_some(())?;
    }
    Some(DnsQuery {
        name: name.to_owned(),
        kind,
        server,
        source: section.address("source"),
        link: section.link("interface"),
        address,
        rcode: rcode(section, complaints),
    })
}

/// `dns_rcode`; an answer that is no success has no addresses.
fn rcode(section: &Section<'_>, complaints: &mut Complaints) -> Rcode {
    let wanted = section.choice("dns_rcode");
    let at = Rcode::NAMES.iter().position(|name| *name == wanted);
    let rcode = at.and_then(|at| u8::try_from(at).ok()).map_or(Rcode::NOERROR, Rcode);
    if let (Some(span), true) = (section.given("dns_address"), rcode != Rcode::NOERROR) {
        let message = format!("`dns_address` has no effect where {rcode} is wanted");
        complaints.push(Diagnostic::warning("no-effect", span, message).help("remove one of them"));
    }
    rcode
}

fn can_contain(kind: RecordKind, address: Option<IpAddr>) -> bool {
    address.is_none_or(|address| kind == if address.is_ipv4() { RecordKind::A } else { RecordKind::AAAA })
}

fn kinds() -> String {
    format!("one of {}", RecordKind::ALL.map(|kind| kind.name).join(", "))
}

/// An address, and perhaps a port; IPv6 with a port in brackets.
fn endpoint(text: &str) -> Option<SocketAddr> {
    let literal = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let bare = || literal.parse().ok().map(|address| SocketAddr::new(address, DNS_PORT));
    text.parse().ok().or_else(bare)
}

/// Names are more than hosts' (`_sip._tcp`); what isn't shown as it is written is refused.
fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_/*".contains(&byte))
    };
    name.len() <= MAX_NAME && (name.is_empty() || name.split('.').all(is_label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_legal_lengths() {
        for name in ["", "a", "_sip._tcp.example", "1/2.0.0.10.in-addr.arpa", &"a".repeat(MAX_LABEL)] {
            assert!(is_name(name), "{name}");
        }
        let long = vec!["a".repeat(62); 4].join(".");
        assert_eq!(long.len(), 251);
        assert!(is_name(&format!("{long}.a")) && !is_name(&format!("{long}.aa")));
        for name in ["a..b", ".a", "a b", "ä", "a\\.b", &"a".repeat(MAX_LABEL + 1)] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn servers_may_have_a_port() {
        for (text, wanted) in [
            ("10.0.0.1", "10.0.0.1:53"),
            ("10.0.0.1:5353", "10.0.0.1:5353"),
            ("::1", "[::1]:53"),
            ("[::1]", "[::1]:53"),
            ("[::1]:5353", "[::1]:5353"),
        ] {
            assert_eq!(endpoint(text), Some(wanted.parse().unwrap()), "{text}");
        }
        assert_eq!((endpoint("ns.example"), endpoint("")), (None, None));
    }
}
