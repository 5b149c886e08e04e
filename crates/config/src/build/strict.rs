//! `vrrp_strict` and `strict_mode`: nothing but the RFC.
//!
//! keepalived resets what the RFC doesn't know, or ends; here every line that no longer counts is told at its place.
//! Nothing here stops an instance: whoever copied the word from a sample configuration still wants the address.

use model::ProtocolVersion;

use crate::diagnostic::{Complaints, Diagnostic};
use crate::section::Section;
use crate::source::Span;

/// Words of `global_defs` that don't count for strict instances.
const GLOBAL: [&str; 5] = [
    "vrrp_down_timer_adverts",
    "vrrp_lower_prio_no_advert",
    "vrrp_higher_prio_send_advert",
    "vrrp_garp_lower_prio_delay",
    "vrrp_garp_lower_prio_repeat",
];

/// Words of `vrrp_instance` that don't count in strict ones.
const INSTANCE: [&str; 7] = [
    "authentication",
    "preempt_delay",
    "down_timer_adverts",
    "lower_prio_no_advert",
    "higher_prio_send_advert",
    "garp_lower_prio_delay",
    "garp_lower_prio_repeat",
];

/// What `vrrp_strict` does to `global_defs`. The values stay: instances may say `strict_mode off`.
pub(super) fn tell_global(global: &Section<'_>, complaints: &mut Complaints) {
    let whose = "those of instances without `accept` answer here";
    complaints.extend(global.given("vrrp_strict").map(|span| answers(span, whose)));
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

/// Who has `accept` gets what the RFC says; it is VRRPv3's alone.
pub(super) fn judge_accept(section: &Section<'_>, version: ProtocolVersion, complaints: &mut Complaints) {
    match (version, section.given("accept")) {
        (ProtocolVersion::V3, Some(_)) => return,
        (ProtocolVersion::V2, Some(span)) => {
            let message = "VRRPv2 knows no `accept` (RFC 3768): strict mode doesn't go with it";
            let help = "remove it, or write `version 3` on all routers";
            complaints.push(Diagnostic::warning("strict", span, message).help(help));
        }
        (ProtocolVersion::V2 | ProtocolVersion::V3, None) => {}
    }
    complaints.extend(section.given("strict_mode").map(|span| answers(span, "they answer here")));
}

fn ignored(word: &str, span: Span) -> Diagnostic {
    let message = format!("`{word}` doesn't count in strict mode");
    Diagnostic::warning("strict", span, message)
        .keepalived("ignores the line as well")
        .help("remove it: the RFC leaves no choice")
}

fn answers(span: Span, whose: &str) -> Diagnostic {
    let message = format!(
        "strict mode doesn't shut the addresses off yet: {whose}, also on routers that don't own them"
    );
    Diagnostic::warning("not-supported", span, message)
        .keepalived("drops all traffic to them, ping too, unless `accept` is given")
        .help("most who have the word don't want that: remove it, or add `accept`")
}
