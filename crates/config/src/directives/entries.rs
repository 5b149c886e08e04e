//! The options of address, peer, tracker, route and rule lines.

use super::Argument::{Free, Link, Nothing, Number, Text};
use super::{Directive, Place, absent, not_yet, used};

const ADDRESS: &[Place] = &[Place::AddressEntry];
const PEER: &[Place] = &[Place::PeerEntry];
const TRACK: &[Place] = &[Place::TrackEntry];
const ROUTE: &[Place] = &[Place::RouteEntry];
const RULE: &[Place] = &[Place::RuleEntry];
const ROUTE_RULE: &[Place] = &[Place::RouteEntry, Place::RuleEntry];
const NO_TRACK: &[Place] = &[Place::AddressEntry, Place::RouteEntry, Place::RuleEntry];

const fn route(name: &'static str) -> Directive {
    not_yet(name, ROUTE, Free, "is part of a route (ip-route(8))")
}

const fn rule(name: &'static str) -> Directive {
    not_yet(name, RULE, Free, "is part of a rule (ip-rule(8))")
}

const fn both(name: &'static str) -> Directive {
    not_yet(name, ROUTE_RULE, Free, "is part of a route or rule")
}

pub(super) const ROWS: &[Directive] = &[
    used("dev", ADDRESS, Link, "is where the address is added"),
    used("scope", ADDRESS, Text("SCOPE"), "is how far the address reaches"),
    used("brd", ADDRESS, Text("ADDRESS"), "is the broadcast address; `+` is the last one of the network"),
    used("broadcast", ADDRESS, Text("ADDRESS"), "is the same as `brd`"),
    used("label", ADDRESS, Text("LABEL"), "labels the address"),
    used("peer", ADDRESS, Text("ADDRESS"), "is the other end's address"),
    used("home", ADDRESS, Nothing, "makes it a mobile host's home address"),
    not_yet("-nodad", ADDRESS, Nothing, "looks for duplicates first"),
    used("mngtmpaddr", ADDRESS, Nothing, "makes temporary addresses from it"),
    used("noprefixroute", ADDRESS, Nothing, "makes no route for the prefix"),
    not_yet("autojoin", ADDRESS, Nothing, "joins the multicast group"),
    used(
        "preferred_lft",
        ADDRESS,
        Text("SECONDS"),
        "is 0 if no connection is to begin from it, else `forever`",
    ),
    not_yet("use_vmac", ADDRESS, Nothing, "uses a virtual MAC").without(absent::NO_VMAC),
    used("no_track", ADDRESS, Nothing, "doesn't follow its interface's state"),
    not_yet("no_track", ROUTE_RULE, Nothing, "doesn't follow the interface's state"),
    not_yet("track_group", NO_TRACK, Text("NAME"), "is whose state a static item follows"),
    used("min_ttl", PEER, Number(0, 255), "is the least TTL from this peer").default("0"),
    used("max_ttl", PEER, Number(0, 255), "is the greatest TTL from this peer").default("255"),
    used("weight", TRACK, Number(-253, 253), "is what it does to the priority"),
    used("reverse", TRACK, Nothing, "makes success and failure change places"),
    used("noreverse", TRACK, Nothing, "leaves them in their places"),
    both("inet"),
    both("inet6"),
    both("to"),
    both("from"),
    both("dev"),
    both("oif"),
    both("table"),
    both("priority"),
    both("preference"),
    both("protocol"),
    both("tos"),
    both("dsfield"),
    both("realms"),
    route("via"),
    route("src"),
    route("vrf"),
    route("metric"),
    route("scope"),
    route("onlink"),
    route("mtu"),
    route("advmss"),
    route("rtt"),
    route("rttvar"),
    route("reordering"),
    route("window"),
    route("cwnd"),
    route("ssthresh"),
    route("initcwnd"),
    route("initrwnd"),
    route("rto_min"),
    route("hoplimit"),
    route("features"),
    route("quickack"),
    route("congctl"),
    route("pref"),
    route("ttl-propagate"),
    route("fastopen_no_cookie"),
    route("lock"),
    route("encap"),
    route("expires"),
    route("add"),
    route("prepend"),
    route("append"),
    route("nexthop"),
    route("gw"),
    route("or"),
    route("default"),
    route("default6"),
    rule("not"),
    rule("lookup"),
    rule("order"),
    rule("fwmark"),
    rule("suppress_prefixlength"),
    rule("sup_pl"),
    rule("suppress_ifgroup"),
    rule("sup_group"),
    rule("iif"),
    rule("tunnel-id"),
    rule("uidrange"),
    rule("l3mdev"),
    rule("ipproto"),
    rule("sport"),
    rule("dport"),
    rule("goto"),
    rule("nop"),
    rule("blackhole"),
    rule("unreachable"),
    rule("prohibit"),
    rule("type"),
];
