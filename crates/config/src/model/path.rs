//! Routes and rules: those that move with an instance, and those that stand still.
//!
//! Plain facts with every default filled in, so that what the kernel lists can be compared with them. Read ip-route(8) and
//! ip-rule(8) for the words.

use std::fmt;
use std::net::IpAddr;

use model::{Family, LinkName};

use super::address::Address;
use crate::Span;

/// What stands still: `static_ipaddress`, `static_routes`, `static_rules`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statics {
    /// There from the start of ipmgr to its end.
    pub addresses: Vec<Address>,
    /// Likewise.
    pub routes: Vec<VirtualRoute>,
    /// Likewise.
    pub rules: Vec<VirtualRule>,
}

/// What becomes of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteKind {
    /// They go on.
    Unicast,
    /// They vanish.
    Blackhole,
    /// Their sender is told that there is no way.
    Unreachable,
    /// Their sender is told that it is forbidden.
    Prohibit,
}

/// One way out of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteHop {
    /// `via`: the router. Without one the destination is on the link.
    pub via: Option<IpAddr>,
    /// `dev`; the kernel finds it by the router where it isn't given.
    pub link: Option<LinkName>,
    /// `onlink`: the router is on the link, whatever the addresses say.
    pub onlink: bool,
    /// `weight`, less one: its share among several.
    pub share: u8,
}

/// A line of `virtual_routes` or `static_routes`. It prints as ip-route(8) would take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualRoute {
    /// Where to.
    pub destination: IpAddr,
    /// The length of its prefix; 0 for `default`.
    pub prefix: u8,
    /// What becomes of packets.
    pub kind: RouteKind,
    /// `table`, 254 for `main`.
    pub table: u32,
    /// `metric`; 1024 in IPv6 unless given.
    pub metric: u32,
    /// `tos`.
    pub tos: u8,
    /// `scope` (`RT_SCOPE_*`); always 0 in IPv6.
    pub scope: u8,
    /// `src`: what connections begin from.
    pub source: Option<IpAddr>,
    /// `mtu`: the greatest packet, in bytes.
    pub mtu: Option<u32>,
    /// The ways; none if packets don't go on.
    pub hops: Vec<RouteHop>,
    /// False with `no_track`: whether its interfaces are up doesn't matter.
    pub follows_link: bool,
    /// The line.
    pub span: Span,
}

impl fmt::Display for VirtualRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            RouteKind::Unicast => "route ",
            RouteKind::Blackhole => "route blackhole ",
            RouteKind::Unreachable => "route unreachable ",
            RouteKind::Prohibit => "route prohibit ",
        })?;
        write!(f, "{}/{}", self.destination, self.prefix)?;
        for hop in &self.hops {
            if self.hops.len() > 1 {
                f.write_str(" nexthop")?;
            }
            hop.via.iter().try_for_each(|via| write!(f, " via {via}"))?;
            hop.link.iter().try_for_each(|link| write!(f, " dev {link}"))?;
            if hop.share > 0 {
                write!(f, " weight {}", u16::from(hop.share) + 1)?;
            }
            if hop.onlink {
                f.write_str(" onlink")?;
            }
        }
        self.source.iter().try_for_each(|source| write!(f, " src {source}"))?;
        write!(f, " table {} metric {}", self.table, self.metric)?;
        write!(f, " scope {}", self.scope)?;
        if self.tos > 0 {
            write!(f, " tos {}", self.tos)?;
        }
        self.mtu.iter().try_for_each(|mtu| write!(f, " mtu {mtu}"))
    }
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleAction {
    /// Looks into a table.
    Table(u32),
    /// The packet vanishes.
    Blackhole,
    /// Its sender is told that there is no way.
    Unreachable,
    /// Its sender is told that it is forbidden.
    Prohibit,
}

/// A line of `virtual_rules` or `static_rules`. It prints as ip-rule(8) would take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualRule {
    /// Whose packets it is for.
    pub family: Family,
    /// `preference`: the lowest is asked first.
    pub priority: u32,
    /// `not`: it is for all packets but these.
    pub not: bool,
    /// `from`.
    pub from: Option<(IpAddr, u8)>,
    /// `to`.
    pub to: Option<(IpAddr, u8)>,
    /// `iif`.
    pub incoming: Option<LinkName>,
    /// `oif`.
    pub outgoing: Option<LinkName>,
    /// `fwmark`, with its mask.
    pub mark: Option<(u32, u32)>,
    /// `tos`.
    pub tos: u8,
    /// `suppress_prefixlength`.
    pub suppress_prefix: Option<u32>,
    /// What it does.
    pub action: RuleAction,
    /// False with `no_track`.
    pub follows_link: bool,
    /// The line.
    pub span: Span,
}

impl fmt::Display for VirtualRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = match self.family {
            Family::V4 => "inet",
            Family::V6 => "inet6",
        };
        write!(f, "rule{} {family}", if self.not { " not" } else { "" })?;
        self.from.iter().try_for_each(|(address, prefix)| write!(f, " from {address}/{prefix}"))?;
        self.to.iter().try_for_each(|(address, prefix)| write!(f, " to {address}/{prefix}"))?;
        self.incoming.iter().try_for_each(|link| write!(f, " iif {link}"))?;
        self.outgoing.iter().try_for_each(|link| write!(f, " oif {link}"))?;
        self.mark.iter().try_for_each(|(mark, mask)| write!(f, " fwmark {mark:#x}/{mask:#x}"))?;
        if self.tos > 0 {
            write!(f, " tos {}", self.tos)?;
        }
        self.suppress_prefix.iter().try_for_each(|length| write!(f, " suppress_prefixlength {length}"))?;
        match self.action {
            RuleAction::Table(table) => write!(f, " table {table}")?,
            RuleAction::Blackhole => f.write_str(" blackhole")?,
            RuleAction::Unreachable => f.write_str(" unreachable")?,
            RuleAction::Prohibit => f.write_str(" prohibit")?,
        }
        write!(f, " preference {}", self.priority)
    }
}
