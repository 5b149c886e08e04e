//! What a `vrrp_script` does: exactly one of `script` and the words for probes.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::{Named, dns};
use crate::diagnostic::{Complaints, Diagnostic, quote};
use crate::lexer::Word;
use crate::model::{HttpGet, Probe, Processes, Target, Tls};
use crate::section::Section;

/// Every word that says what is done.
const KINDS: [&str; 9] = [
    "script",
    "tcp_connect",
    "http_get",
    "dns_query",
    "systemd_unit",
    "unix_connect",
    "process",
    "file",
    "ping",
];
/// What a unit's name ends with.
const UNITS: [&str; 11] = [
    "service",
    "socket",
    "target",
    "timer",
    "mount",
    "automount",
    "path",
    "slice",
    "scope",
    "swap",
    "device",
];
/// The longest name of a unit, in bytes (systemd.unit(5)).
const MAX_UNIT: usize = 255;
/// Where HTTP servers listen unless the URL says otherwise.
const HTTP_PORT: u16 = 80;
/// The same with TLS.
const HTTPS_PORT: u16 = 443;

/// `None` after a complaint.
pub(super) fn probe(script: &Named<'_>, section: &Section<'_>, complaints: &mut Complaints) -> Option<Probe> {
    let mut given = KINDS.iter().filter_map(|word| section.given(word).map(|span| (*word, span)));
    let Some((kind, span)) = given.next() else {
        let message =
            format!("`vrrp_script {}` has no `script`, so there is nothing to run", script.name.text);
        let help =
            "add, for example: script \"/usr/bin/killall -0 haproxy\", or without a process: process haproxy";
        complaints.push(Diagnostic::error("missing-word", script.name.span, message).help(help));
        return None;
    };
    if let Some((other, second)) = given.next() {
        let message = format!("a check does one thing: `{kind}` or `{other}`");
        let help = "make two checks of it, and track both";
        complaints
            .push(Diagnostic::error("conflict", second, message).related(span, "given here").help(help));
        return None;
    }
    judge_idle_words(section, kind, complaints);
    match kind {
        "script" => section.command(kind).map(Probe::Script),
        "process" => process(section.text(kind)?, complaints),
        "file" => path(section.text(kind)?, complaints).map(Probe::File),
        "unix_connect" => path(section.text(kind)?, complaints).map(Probe::UnixConnect),
        "tcp_connect" => {
            let to = section.text(kind)?;
            let address = to.text.parse().ok();
            let address =
                address.or_else(|| bad(&to, "an address and a port: 10.0.0.1:80, [::1]:80", complaints))?;
            target(section, address, complaints).map(Probe::TcpConnect)
        }
        "ping" => target(section, SocketAddr::new(section.address(kind)?, 0), complaints).map(Probe::Ping),
        "systemd_unit" => unit(&section.text(kind)?, complaints).map(Probe::SystemdUnit),
        "dns_query" => dns::query(section, complaints).map(Probe::DnsQuery),
        "http_get" => http_get(section, section.text(kind)?, complaints).map(Probe::HttpGet),
        _ => None,
    }
}

/// Words that say nothing about this kind of probe.
fn judge_idle_words(section: &Section<'_>, kind: &str, complaints: &mut Complaints) {
    let asks_somebody = matches!(kind, "tcp_connect" | "http_get" | "dns_query" | "ping");
    let idle = [
        ("user", kind == "script", "only a script runs as somebody"),
        ("source", asks_somebody, "it is for tcp_connect, http_get, dns_query and ping"),
        ("interface", asks_somebody, "it is for tcp_connect, http_get, dns_query and ping"),
        ("dns_address", kind == "dns_query", "it is for dns_query"),
        ("dns_rcode", kind == "dns_query", "it is for dns_query"),
        ("http_status", kind == "http_get", "it is for http_get"),
        ("http_body", kind == "http_get", "it is for http_get"),
        ("http_host", kind == "http_get", "it is for http_get"),
        ("tls_verify", kind == "http_get", "it is for http_get"),
        ("tls_ca", kind == "http_get", "it is for http_get"),
    ];
    for (word, fits, why) in idle {
        if let (Some(span), false) = (section.given(word), fits) {
            let message = format!("`{word}` has no effect on `{kind}`");
            complaints.push(Diagnostic::warning("no-effect", span, message).help(why));
        }
    }
}

fn target(section: &Section<'_>, address: SocketAddr, complaints: &mut Complaints) -> Option<Target> {
    let source = section.address("source");
    let link = section.link("interface");
    has_one_family(section, address.ip(), complaints).then_some(Target { address, source, link })
}

/// Whether somebody can be asked from the `source` that is given; false after a complaint.
pub(super) fn has_one_family(section: &Section<'_>, whom: IpAddr, complaints: &mut Complaints) -> bool {
    let (Some(source), Some(span)) = (section.address("source"), section.given("source")) else {
        return true;
    };
    if source.is_ipv4() == whom.is_ipv4() {
        return true;
    }
    let message = format!("{whom} can't be asked from {source}: one is IPv4, the other IPv6");
    let help = "give a source of the same family";
    complaints.push(Diagnostic::error("mixed-families", span, message).help(help));
    false
}

/// `http://ADDRESS[:PORT][/PATH]`, or with https.
fn http_get(section: &Section<'_>, url: Word<'_>, complaints: &mut Complaints) -> Option<HttpGet> {
    let wanted = "a URL with a literal address: http://10.0.0.1:8080/health";
    let secure = url.text.strip_prefix("https://");
    let rest = secure.or_else(|| url.text.strip_prefix("http://"));
    let rest = rest.filter(|rest| rest.bytes().all(|byte| byte.is_ascii_graphic()));
    let Some(rest) = rest else { return bad(&url, wanted, complaints) };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let literal = authority.trim_start_matches('[').trim_end_matches(']');
    let port = if secure.is_some() { HTTPS_PORT } else { HTTP_PORT };
    let bare = || literal.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, port));
    let Some(address) = authority.parse().ok().or_else(bare) else { return bad(&url, wanted, complaints) };
    let host = section.text("http_host").map_or(authority, |word| word.text);
    if !host.bytes().all(|byte| byte.is_ascii_graphic()) {
        return bad(&section.text("http_host")?, "a host's name, and perhaps a port", complaints);
    }
    let tls = match secure {
        Some(_) => Some(tls(section, address, complaints)?),
        None => {
            for word in ["tls_verify", "tls_ca"] {
                if let Some(span) = section.given(word) {
                    let message = format!("`{word}` has no effect on a URL with http://");
                    complaints.push(Diagnostic::warning("no-effect", span, message).help("write https://"));
                }
            }
            None
        }
    };
    Some(HttpGet {
        target: target(section, address, complaints)?,
        tls,
        host: host.to_owned(),
        path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
        status: section.number("http_status").and_then(|status| u16::try_from(status).ok()),
        body: section.text("http_body").map(|word| word.text.to_owned()),
    })
}

/// The full name of a unit, as systemd.unit(5) has it; `None` after a complaint.
fn unit(word: &Word<'_>, complaints: &mut Complaints) -> Option<String> {
    let wanted = "the name of a unit: haproxy.service, keepalived@eth0.service";
    let name = if word.text.contains('.') { word.text.to_owned() } else { format!("{}.service", word.text) };
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    match name.rsplit_once('.') {
        Some((stem, kind))
            if UNITS.contains(&kind)
                && !stem.is_empty()
                && !stem.starts_with('@')
                && !stem.ends_with('@')
                && name.len() <= MAX_UNIT
                && name.bytes().all(is_legal) =>
        {
            Some(name)
        }
        Some(_) | None => bad(word, wanted, complaints),
    }
}

/// `None` after a complaint.
fn tls(section: &Section<'_>, address: SocketAddr, complaints: &mut Complaints) -> Option<Tls> {
    let host = section.text("http_host");
    let name = host.map(|word| word.text.rsplit_once(':').map_or(word.text, |(name, _)| name).to_owned());
    let verify = section.flag("tls_verify").unwrap_or(true);
    let authorities = match section.text("tls_ca") {
        Some(word) => Some(path(word, complaints)?),
        None => None,
    };
    if let (Some(span), false) = (section.given("tls_ca"), verify) {
        let message = "`tls_ca` has no effect with `tls_verify off`";
        complaints.push(Diagnostic::warning("no-effect", span, message).help("remove one of them"));
    }
    Some(Tls { name: name.unwrap_or_else(|| address.ip().to_string()), verify, authorities })
}

fn process(name: Word<'_>, complaints: &mut Complaints) -> Option<Probe> {
    if name.text.contains('/') {
        return bad(&name, "a name without its directory, as `ps -o comm` shows it", complaints);
    }
    Some(Probe::Process(Processes::named(name.text.to_owned())))
}

pub(super) fn path(word: Word<'_>, complaints: &mut Complaints) -> Option<PathBuf> {
    if word.text.starts_with('/') {
        Some(word.text.into())
    } else {
        bad(&word, "an absolute path", complaints)
    }
}

pub(super) fn bad<T>(word: &Word<'_>, wanted: &str, complaints: &mut Complaints) -> Option<T> {
    let message = format!("{} is not {wanted}", quote(word.text));
    let help = "names aren't looked up: a name service that hangs must not decide about an address";
    let diagnostic = Diagnostic::error("bad-value", word.span, message);
    complaints.push(if wanted.contains("address") { diagnostic.help(help) } else { diagnostic });
    None
}
