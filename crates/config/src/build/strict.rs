//! `vrrp_strict` and `strict_mode`: nothing but the RFC.
//!
//! keepalived resets what the RFC doesn't know, or ends; here every line that no longer counts is told at its place.
//! Nothing here stops an instance: whoever copied the word from a sample configuration still wants the address. What it
//! does to accept mode is RFC 9568 6.1 and 6.4.3: read them first.

use model::ProtocolVersion;

use super::instance::Draft;
use crate::diagnostic::{Complaints, Diagnostic};
use crate::model::Instance;
use crate::section::Section;
use crate::source::Span;

/// How many instances one diagnostic names.
const MAX_NAMED: usize = 3;

/// Words of `global_defs` that don't count for strict instances.
const GLOBAL: [&str; 5] = [
    "vrrp_down_timer_adverts",
    "vrrp_lower_prio_no_advert",
    "vrrp_higher_prio_send_advert",
    "vrrp_garp_lower_prio_delay",
    "vrrp_garp_lower_prio_repeat",
];

/// Words of `vrrp_instance` that don't count in strict ones.
const INSTANCE: [&str; 8] = [
    "authentication",
    "preempt_delay",
    "down_timer_adverts",
    "lower_prio_no_advert",
    "higher_prio_send_advert",
    "garp_lower_prio_delay",
    "garp_lower_prio_repeat",
    "vmac_xmit_base",
];

/// What `vrrp_strict` does to `global_defs`. The values stay: instances may say `strict_mode off`.
pub(super) fn tell_global(global: &Section<'_>, complaints: &mut Complaints) {
    for word in GLOBAL {
        if let Some(span) = global.given(word) {
            complaints.push(ignored(word, span));
        }
    }
}

/// Takes out of a strict instance what doesn't count, telling it.
pub(super) fn apply(section: &mut Section<'_>, complaints: &mut Complaints) {
    for word in INSTANCE {
        if let Some(span) = section.forget(word) {
            complaints.push(ignored(word, span));
        }
    }
    // Without a priority it means 255, and the owner does start as MASTER.
    let outvoted = section.given("priority").is_some() && section.number("priority") != Some(255);
    if section.choice("state") == "MASTER"
        && outvoted
        && let Some(span) = section.forget("state")
    {
        let message = "`state MASTER` doesn't count in strict mode: only the owner starts as MASTER";
        let help = "remove the line: it is the priority that decides";
        complaints.push(Diagnostic::warning("strict", span, message).help(help));
    }
    if let Some(span) = section.given("unicast_peer") {
        let message = "VRRP knows no unicast (RFC 9568 5.1): strict mode doesn't go with `unicast_peer`";
        complaints.push(
            Diagnostic::warning("strict", span, message)
                .keepalived("refuses to start with both on most interfaces")
                .help("the peers count all the same; remove the strictness"),
        );
    }
}

/// Whether a strict instance has accept mode if it isn't owner: only where asked for, and only VRRPv3 knows it.
pub(super) fn may_accept(
    section: &Section<'_>,
    version: ProtocolVersion,
    complaints: &mut Complaints,
) -> bool {
    let Some(span) = section.given("accept") else { return false };
    if version == ProtocolVersion::V2 {
        let message = "VRRPv2 knows no `accept` (RFC 3768): it doesn't count in strict mode";
        let help = "write `version 3` on all routers, or remove the strictness";
        complaints.push(
            Diagnostic::warning("strict", span, message).keepalived("ignores the line as well").help(help),
        );
    }
    version == ProtocolVersion::V3
}

/// Tells whose addresses won't answer, of those who haven't asked for just that: once where each strictness comes from.
pub(super) fn tell_shut(global: &Section<'_>, drafts: &[Draft], complaints: &mut Complaints) {
    let shut = drafts.iter().map(|draft| &draft.instance);
    let shut = shut.filter(|it| !it.accepts && it.given.at("no_accept").is_none());
    let (own, all): (Vec<_>, Vec<_>) = shut.partition(|it| it.given.at("strict_mode").is_some());
    for instance in own {
        complaints.extend(instance.given.at("strict_mode").map(|span| silent(span, &[instance])));
    }
    if let (Some(span), false) = (global.given("vrrp_strict"), all.is_empty()) {
        complaints.push(silent(span, &all));
    }
}

fn silent(span: Span, whose: &[&Instance]) -> Diagnostic {
    let names: Vec<_> = whose.iter().take(MAX_NAMED).map(|it| it.name.as_str()).collect();
    let names = match whose.len() - names.len() {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    };
    let message = format!(
        "the addresses of {names} will not answer, not even to ping: strict mode lets in nothing that is sent to an \
         address, except on its owner"
    );
    let help = if whose.iter().any(|it| it.version == ProtocolVersion::V2) {
        "to have them answer, remove the word (most have copied it from a sample), or write `version 3` and `accept`"
    } else {
        "to have them answer, add `accept`, or remove the word: most have copied it from a sample"
    };
    Diagnostic::warning("silent-address", span, message).keepalived("drops it as well").help(help)
}

fn ignored(word: &str, span: Span) -> Diagnostic {
    let message = format!("`{word}` doesn't count in strict mode");
    Diagnostic::warning("strict", span, message)
        .keepalived("ignores the line as well")
        .help("remove it: the RFC leaves no choice")
}
