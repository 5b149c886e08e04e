//! `virtual_routes` and `static_routes`: lines as ip-route(8) has them.
//!
//! What isn't done here would make another route of it, so every such word is an error.

use std::net::{IpAddr, Ipv6Addr};

use model::Family;

use super::address_options::scope;
use super::line::{Line, Next, Wrong, lines};
use crate::diagnostic::{Complaints, Diagnostic};
use crate::directives::{Directive, Place};
use crate::lexer::Word;
use crate::model::{RouteHop, RouteKind, VirtualRoute};
use crate::tree::Block;

/// The table that is asked for everything (`RT_TABLE_MAIN`).
const MAIN: u32 = 254;
/// Of what is on the link (`RT_SCOPE_LINK`).
const LINK_SCOPE: u8 = 253;
/// The kernel's own choice in IPv6 (`IP6_RT_PRIO_USER`, net/ipv6/ip6_fib.h).
const IPV6_METRIC: u32 = 1024;
/// The least MTU of IPv4 (RFC 791) and the greatest of all.
const MTU: (u32, u32) = (68, u32::MAX);

/// The routes of these blocks.
pub(super) fn routes(blocks: &[&Block<'_>], complaints: &mut Complaints) -> Vec<VirtualRoute> {
    lines(Place::RouteEntry, blocks, complaints, route)
}

/// What has been read of a line.
#[derive(Default)]
struct Draft {
    family: Option<Family>,
    kind: Option<RouteKind>,
    destination: Option<(IpAddr, u8)>,
    table: Option<u32>,
    metric: Option<u32>,
    tos: u8,
    scope: Option<u8>,
    source: Option<IpAddr>,
    mtu: Option<u32>,
    only: RouteHop,
    /// Those of `nexthop`.
    hops: Vec<RouteHop>,
    no_track: bool,
}

fn route(line: &mut Line<'_, '_>) -> Result<VirtualRoute, Wrong> {
    let mut draft = Draft::default();
    while let Some(next) = line.next()? {
        match next {
            Next::Option(row, word) => option(&mut draft, line, row, word)?,
            Next::Plain(word) if draft.destination.is_none() => {
                line.note_destination();
                draft.destination = Some(line.network(&word, draft.family)?);
            }
            Next::Plain(word) => return Err(line.stray(&word)),
        }
    }
    finish(draft, line)
}

fn option<'a>(
    draft: &mut Draft,
    line: &mut Line<'a, '_>,
    row: &'static Directive,
    word: Word<'a>,
) -> Result<(), Wrong> {
    let hop = draft.hops.last_mut().unwrap_or(&mut draft.only);
    match row.name {
        "inet" => draft.family = Some(Family::V4),
        "inet6" => draft.family = Some(Family::V6),
        "blackhole" => draft.kind = Some(RouteKind::Blackhole),
        "unreachable" => draft.kind = Some(RouteKind::Unreachable),
        "prohibit" => draft.kind = Some(RouteKind::Prohibit),
        "default" | "default6" | "to" => draft.destination = Some(line.network(&word, draft.family)?),
        "nexthop" => draft.hops.push(RouteHop::default()),
        "via" | "gw" => {
            let word = line.after_family(word);
            hop.via = Some(line.address(&word)?);
        }
        "dev" | "oif" => hop.link = Some(line.link(&word)?),
        "onlink" => hop.onlink = true,
        "weight" => {
            let weight = line.number(row, &word, 1, 256)?;
            hop.share = u8::try_from(weight - 1).unwrap_or(u8::MAX);
        }
        "src" => draft.source = Some(line.address(&word)?),
        "table" => draft.table = Some(line.table(&word)?),
        "metric" | "priority" | "preference" => draft.metric = Some(line.number(row, &word, 0, u32::MAX)?),
        "tos" | "dsfield" => draft.tos = line.byte(row, &word)?,
        "scope" => draft.scope = Some(scope(&word, line.complaints)),
        "mtu" => draft.mtu = Some(line.number(row, &word, MTU.0, MTU.1)?),
        "no_track" => draft.no_track = true,
        "protocol" => {
            let message = "routes that move carry a protocol number of their own";
            let help = "remove the word; `ip route show proto 112` lists them";
            line.complaints.push(Diagnostic::warning("no-effect", word.span, message).help(help));
        }
        _ => return Err(line.stray(&word)),
    }
    Ok(())
}

fn finish(draft: Draft, line: &mut Line<'_, '_>) -> Result<VirtualRoute, Wrong> {
    let Some((destination, prefix)) = draft.destination else {
        let message = "this route leads nowhere";
        let help = "write where it leads to: a network such as 198.51.100.0/24, or `default`";
        return Err(line.wrong(Diagnostic::error("missing-value", line.span, message).help(help)));
    };
    let mut hops = draft.hops;
    if hops.is_empty() {
        hops.push(draft.only);
    }
    // `default via fe80::1`: it is the router that says which family is meant.
    let routers = hops.iter().filter_map(|hop| hop.via);
    let sayers: Vec<IpAddr> = draft.source.into_iter().chain(routers).collect();
    let is_open = prefix == 0 && draft.family.is_none();
    let destination = match destination {
        IpAddr::V4(_) if is_open && sayers.iter().any(IpAddr::is_ipv6) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        other => other,
    };
    let kind = draft.kind.unwrap_or(RouteKind::Unicast);
    if kind != RouteKind::Unicast {
        hops.clear();
    } else if hops.iter().any(|hop| hop.via.is_none() && hop.link.is_none()) {
        let message = "this route has no way out";
        let help = "write `via` and a router, or `dev` and an interface";
        return Err(line.wrong(Diagnostic::error("missing-value", line.span, message).help(help)));
    }
    if let Some(other) = sayers.iter().find(|it| destination.is_ipv6() && it.is_ipv4()) {
        let message = format!("{other} is of no use to an IPv6 route");
        let help = "a router and a source are of the destination's family";
        return Err(line.wrong(Diagnostic::error("mixed-families", line.span, message).help(help)));
    }
    let is_ipv6 = destination.is_ipv6();
    let on_link = kind == RouteKind::Unicast && hops.iter().all(|hop| hop.via.is_none());
    let usual_scope = if on_link { LINK_SCOPE } else { 0 };
    Ok(VirtualRoute {
        destination,
        prefix,
        kind,
        table: draft.table.unwrap_or(MAIN),
        metric: draft.metric.filter(|it| *it > 0 || !is_ipv6).unwrap_or(if is_ipv6 {
            IPV6_METRIC
        } else {
            0
        }),
        tos: draft.tos,
        scope: if is_ipv6 { 0 } else { draft.scope.unwrap_or(usual_scope) },
        source: draft.source,
        mtu: draft.mtu,
        hops,
        follows_link: !draft.no_track,
        span: line.span,
    })
}
