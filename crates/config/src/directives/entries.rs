//! The options of address, peer, tracker, route and rule lines.

use super::Argument::{Address, Free, Link, Nothing, Number, Text};
use super::{Directive, Place, absent, not_yet, used};

const ADDRESS: &[Place] = &[Place::AddressEntry];
const PEER: &[Place] = &[Place::PeerEntry];
const TRACK: &[Place] = &[Place::TrackEntry];
const ROUTE: &[Place] = &[Place::RouteEntry];
const RULE: &[Place] = &[Place::RuleEntry];
const ROUTE_RULE: &[Place] = &[Place::RouteEntry, Place::RuleEntry];
const NO_TRACK: &[Place] = &[Place::AddressEntry, Place::RouteEntry, Place::RuleEntry];

const fn route(name: &'static str) -> Directive {
    not_yet(name, ROUTE, Free, "is part of a route (ip-route(8))").harms(absent::PART)
}

const fn rule(name: &'static str) -> Directive {
    not_yet(name, RULE, Free, "is part of a rule (ip-rule(8))").harms(absent::PART)
}

const fn both(name: &'static str) -> Directive {
    not_yet(name, ROUTE_RULE, Free, "is part of a route or rule").harms(absent::PART)
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
    used("no_track", NO_TRACK, Nothing, "doesn't follow its interface's state"),
    not_yet("track_group", NO_TRACK, Text("NAME"), "is whose state a static item follows"),
    used("min_ttl", PEER, Number(0, 255), "is the least TTL from this peer").default("0"),
    used("max_ttl", PEER, Number(0, 255), "is the greatest TTL from this peer").default("255"),
    used("weight", TRACK, Number(-253, 253), "is what it does to the priority"),
    used("reverse", TRACK, Nothing, "makes success and failure change places"),
    used("noreverse", TRACK, Nothing, "leaves them in their places"),
    used("inet", ROUTE_RULE, Nothing, "says that IPv4 is meant"),
    used("inet6", ROUTE_RULE, Nothing, "says that IPv6 is meant"),
    used("to", ROUTE_RULE, Text("NETWORK"), "is where packets go"),
    route("from"),
    used("from", RULE, Text("NETWORK"), "is where packets come from"),
    used("dev", ROUTE_RULE, Link, "is the interface"),
    used("oif", ROUTE_RULE, Link, "is the interface that packets leave by"),
    used("table", ROUTE_RULE, Text("TABLE"), "is the table: a number, `main`, `default` or `local`"),
    used(
        "priority",
        ROUTE_RULE,
        Number(0, 4_294_967_295),
        "is the same as `metric` of a route, `preference` of a rule",
    ),
    used(
        "preference",
        ROUTE_RULE,
        Number(0, 4_294_967_295),
        "is when a rule is asked, the lowest first; of a route, `metric`",
    ),
    used("protocol", ROUTE_RULE, Text("NAME"), "changes nothing: ours have a number of their own"),
    used("tos", ROUTE_RULE, Number(0, 255), "is the type of service that it is for"),
    used("dsfield", ROUTE_RULE, Number(0, 255), "is the same as `tos`"),
    both("realms"),
    used("via", ROUTE, Text("[inet|inet6] ADDRESS"), "is the router"),
    used("src", ROUTE, Address, "is what connections begin from"),
    route("vrf"),
    used("metric", ROUTE, Number(0, 4_294_967_295), "is the metric, the lowest counts"),
    used("scope", ROUTE, Text("SCOPE"), "is how far the destination is"),
    used("onlink", ROUTE, Nothing, "says that the router is on the link"),
    used("mtu", ROUTE, Number(68, 4_294_967_295), "is the greatest packet, in bytes"),
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
    used("weight", ROUTE, Number(1, 256), "is the share of this way among several"),
    used("nexthop", ROUTE, Nothing, "begins one of several ways: via, dev, weight, onlink"),
    used("gw", ROUTE, Text("ADDRESS"), "is the old name of `via`"),
    route("or"),
    used("default", ROUTE, Nothing, "is everywhere"),
    used("default6", ROUTE, Nothing, "is everywhere in IPv6"),
    used("not", RULE, Nothing, "is for all packets but these"),
    used("lookup", RULE, Text("TABLE"), "is the same as `table`"),
    used("order", RULE, Number(1, 4_294_967_295), "is the same as `preference`"),
    used("fwmark", RULE, Text("MARK[/MASK]"), "is the mark of the packets"),
    used(
        "suppress_prefixlength",
        RULE,
        Number(0, 128),
        "ignores routes with a prefix of this length or less",
    ),
    used("sup_pl", RULE, Number(0, 128), "is the same as `suppress_prefixlength`"),
    rule("suppress_ifgroup"),
    rule("sup_group"),
    used("iif", RULE, Link, "is the interface that packets come in by"),
    rule("tunnel-id"),
    rule("uidrange"),
    rule("l3mdev"),
    rule("ipproto"),
    rule("sport"),
    rule("dport"),
    rule("goto"),
    rule("nop"),
    used("blackhole", ROUTE_RULE, Nothing, "drops the packets"),
    used("unreachable", ROUTE_RULE, Nothing, "tells the sender that there is no way"),
    used("prohibit", ROUTE_RULE, Nothing, "tells the sender that it is forbidden"),
    rule("type"),
];
