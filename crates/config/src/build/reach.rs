//! Where adverts come from and go to: `unicast_*`, `mcast_*` and `track_src_ip`.

use std::net::IpAddr;

use model::Family;

use super::addresses;
use super::defaults::{self, Defaults};
use crate::diagnostic::{Complaints, Diagnostic};
use crate::model::Peer;
use crate::section::Section;
use crate::source::Span;

/// What the RFC asks of multicast (RFC 9568 5.1.1.3), and keepalived sends by unicast as well.
const UNICAST_TTL: u8 = 255;

/// The same fields as in [`crate::Instance`].
pub(super) struct Reach {
    pub(super) source: Option<IpAddr>,
    pub(super) peers: Vec<Peer>,
    pub(super) unicast_ttl: u8,
    pub(super) multicast_group: IpAddr,
    pub(super) follows_source: bool,
}

pub(super) fn reach(
    section: &Section<'_>,
    family: Family,
    defaults: &Defaults,
    complaints: &mut Complaints,
) -> Reach {
    let source = source(section, complaints);
    let peers = addresses::peers(section, source.map(|(address, _)| address), complaints);
    let named = peers.iter().map(|(peer, span)| (peer.address, *span));
    for (address, span) in source.into_iter().chain(named) {
        if Family::of(address) != family {
            let message = format!("{address} can't be used by an {family} instance");
            let help = "adverts are of the family of the virtual addresses";
            complaints.push(Diagnostic::error("mixed-families", span, message).help(help));
        }
    }
    judge_peers(section, source.is_some(), peers.is_empty(), complaints);
    judge_effect(section, source.is_some(), peers.is_empty(), complaints);
    let ttl = section.number("unicast_ttl").and_then(|ttl| u8::try_from(ttl).ok());
    let group = defaults::group(section, "mcast_dst_ip", family, complaints);
    Reach {
        source: source.map(|(address, _)| address),
        peers: peers.into_iter().map(|(peer, _)| peer).collect(),
        unicast_ttl: ttl.unwrap_or(UNICAST_TTL),
        multicast_group: group.unwrap_or(defaults.group(family)),
        follows_source: section.given("track_src_ip").is_some(),
    }
}

/// Two words for one thing; the last one counts.
fn source(section: &Section<'_>, complaints: &mut Complaints) -> Option<(IpAddr, Span)> {
    let at = |word| section.address(word).zip(section.given(word));
    let (unicast, multicast) = (at("unicast_src_ip"), at("mcast_src_ip"));
    let source = match (unicast, multicast) {
        (Some(unicast), Some(multicast)) => {
            let later = section.is_later("unicast_src_ip", "mcast_src_ip");
            let (first, last) = if later { (multicast, unicast) } else { (unicast, multicast) };
            if first.0 != last.0 {
                let message = "`unicast_src_ip` and `mcast_src_ip` are one setting; the last one counts";
                let diagnostic = Diagnostic::warning("given-twice", last.1, message);
                complaints.push(diagnostic.related(first.1, "given here first").help("remove one of them"));
            }
            Some(last)
        }
        (one, other) => one.or(other),
    };
    if let Some((address, span)) = source {
        complaints.extend(addresses::not_a_host(address, span));
    }
    source
}

/// Who the peers are, and whether that can be meant.
fn judge_peers(section: &Section<'_>, has_source: bool, is_empty: bool, complaints: &mut Complaints) {
    let list = section.given("unicast_peer");
    let unicast = list.or(section.given("unicast_src_ip"));
    if let (Some(span), Some(_), true) = (section.given("unicast_fault_no_peer"), unicast, is_empty) {
        let message = "there is no peer, and this forbids multicast: the instance could never leave FAULT";
        let help = "list the other routers in `unicast_peer { ... }`, or remove the line";
        complaints.push(Diagnostic::error("no-peers", span, message).help(help));
        return;
    }
    match (list, section.given("unicast_src_ip"), is_empty) {
        (Some(span), _, true) => {
            let message = "there is no peer in this list, so adverts go out by multicast";
            let help = "list the other routers, or remove the block";
            complaints.push(Diagnostic::warning("no-peers", span, message).help(help));
        }
        (Some(span), None, false) if !has_source => {
            let message = "there is no `unicast_src_ip`: adverts come from the interface's first address";
            let help = "the other routers have to list exactly that address; `unicast_src_ip` makes it sure";
            complaints.push(Diagnostic::note("no-source", span, message).help(help));
        }
        (None, Some(span), _) => {
            let message = "there is no `unicast_peer`, so adverts go out by multicast from this address";
            let help = "list the other routers in `unicast_peer { ... }`, or remove the line";
            complaints.push(Diagnostic::warning("no-peers", span, message).help(help));
        }
        (Some(_), _, false) | (None, None, _) => {}
    }
}

/// Words that say nothing beside the others.
fn judge_effect(section: &Section<'_>, has_source: bool, is_empty: bool, complaints: &mut Complaints) {
    let mut no_effect = |word, holds, why: &str| {
        if let (Some(span), false) = (section.given(word), holds) {
            let message = format!("`{word}` has no effect: {why}");
            complaints.push(Diagnostic::warning("no-effect", span, message).help("remove the line"));
        }
    };
    let unicast = section.given("unicast_peer").is_some() || section.given("unicast_src_ip").is_some();
    let by_multicast = "there are no peers, so adverts go out by multicast";
    no_effect("unicast_ttl", !is_empty, by_multicast);
    no_effect("check_unicast_src", !is_empty, by_multicast);
    no_effect("unicast_fault_no_peer", unicast, "this instance uses no unicast");
    no_effect("mcast_dst_ip", is_empty, "adverts go out to the peers, not by multicast");
    no_effect("track_src_ip", has_source, "no `unicast_src_ip` or `mcast_src_ip` is given");
    if let (Some(span), false) = (section.given("check_unicast_src"), is_empty) {
        let message = "`check_unicast_src` asks for what is always so";
        let help = "unicast from others than the peers is always dropped; the line may be removed";
        complaints.push(Diagnostic::note("as-usual", span, message).help(help));
    }
}
