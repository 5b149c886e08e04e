//! Policy routing rules: listed, added and removed (rtnetlink(7), `RTM_NEWRULE`; linux/fib_rules.h).
//!
//! As with routes, what is listed and removed is told by its origin (`FRA_PROTOCOL`, since Linux 4.17); a kernel that keeps
//! none would show no rule of ours. Read ip-rule(8) first.

use std::fmt;
use std::net::IpAddr;

use model::Family;
use netlink_packet_core::{
    DecodeError, NLM_F_CREATE, NLM_F_EXCL, NlasIterator, parse_ip, parse_string, parse_u8, parse_u32,
};
use netlink_packet_route::route::RouteProtocol;
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleHeader, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::Route;
use super::error::KernelError;
use super::exchange::Request;

/// The size of `struct fib_rule_hdr`, after which the attributes begin.
const HEADER: usize = 12;
/// Attributes (linux/fib_rules.h).
const DST: u16 = 1;
const SRC: u16 = 2;
const IIF: u16 = 3;
const PRIORITY: u16 = 6;
const FWMARK: u16 = 10;
const SUPPRESS_PREFIX: u16 = 14;
const TABLE: u16 = 15;
const FWMASK: u16 = 16;
const OIF: u16 = 17;
const PROTOCOL: u16 = 21;

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Looks into a table.
    Table(u32),
    /// The packet vanishes.
    Blackhole,
    /// Its sender is told that there is no way.
    Unreachable,
    /// Its sender is told that it is forbidden.
    Prohibit,
}

/// A rule. Its origin is no part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whose packets it is for.
    pub family: Family,
    /// When it is asked: the lowest first.
    pub priority: u32,
    /// It is for all packets but these.
    pub not: bool,
    /// From this network.
    pub from: Option<(IpAddr, u8)>,
    /// To this network.
    pub to: Option<(IpAddr, u8)>,
    /// That came in by an interface of this name.
    pub incoming: Option<String>,
    /// That a socket bound to an interface of this name sends.
    pub outgoing: Option<String>,
    /// With this mark, under this mask.
    pub mark: Option<(u32, u32)>,
    /// With this type of service, 0 for all.
    pub tos: u8,
    /// Routes with a prefix of this length or less don't count in its table.
    pub suppress_prefix: Option<u32>,
    /// What it does.
    pub verdict: Verdict,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {} ({})", self.priority, self.family)
    }
}

/// A change of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleChange {
    /// Adds it; the same one of another origin stays beside it.
    Add {
        /// What.
        rule: Rule,
    },
    /// Removes it.
    Remove {
        /// What.
        rule: Rule,
    },
}

impl RuleChange {
    /// What.
    #[must_use]
    pub const fn rule(&self) -> &Rule {
        match self {
            Self::Add { rule } | Self::Remove { rule } => rule,
        }
    }

    const fn op(&self) -> &'static str {
        match self {
            Self::Add { .. } => "add",
            Self::Remove { .. } => "remove",
        }
    }

    fn request(&self, origin: u8) -> Request {
        match self {
            Self::Add { rule } => {
                let message = RouteNetlinkMessage::NewRule(rule.message(origin));
                Request { message, flags: NLM_F_CREATE | NLM_F_EXCL }
            }
            Self::Remove { rule } => {
                Request { message: RouteNetlinkMessage::DelRule(rule.message(origin)), flags: 0 }
            }
        }
    }
}

impl Rule {
    fn message(&self, origin: u8) -> RuleMessage {
        let mut message = RuleMessage::default();
        let (action, table) = match self.verdict {
            Verdict::Table(table) => (RuleAction::ToTable, Some(table)),
            Verdict::Blackhole => (RuleAction::Blackhole, None),
            Verdict::Unreachable => (RuleAction::Unreachable, None),
            Verdict::Prohibit => (RuleAction::Prohibit, None),
        };
        message.header = RuleHeader {
            family: match self.family {
                Family::V4 => AddressFamily::Inet,
                Family::V6 => AddressFamily::Inet6,
            },
            dst_len: self.to.map_or(0, |(_, prefix)| prefix),
            src_len: self.from.map_or(0, |(_, prefix)| prefix),
            tos: self.tos,
            action,
            flags: if self.not { RuleFlags::Invert } else { RuleFlags::empty() },
            ..RuleHeader::default()
        };
        let attributes = &mut message.attributes;
        attributes.push(RuleAttribute::Priority(self.priority));
        attributes.push(RuleAttribute::Protocol(RouteProtocol::from(origin)));
        attributes.extend(self.from.map(|(address, _)| RuleAttribute::Source(address)));
        attributes.extend(self.to.map(|(address, _)| RuleAttribute::Destination(address)));
        attributes.extend(self.incoming.clone().map(RuleAttribute::Iifname));
        attributes.extend(self.outgoing.clone().map(RuleAttribute::Oifname));
        if let Some((mark, mask)) = self.mark {
            attributes.push(RuleAttribute::FwMark(mark));
            attributes.push(RuleAttribute::FwMask(mask));
        }
        attributes.extend(self.suppress_prefix.map(RuleAttribute::SuppressPrefixLen));
        attributes.extend(table.map(RuleAttribute::Table));
        message
    }

    /// `None` for one of another origin, or that does what nobody here asks for.
    fn decode(payload: &[u8], origin: u8) -> Result<Option<Self>, DecodeError> {
        let header = RuleHeader::parse(payload)?;
        let family = match header.family {
            AddressFamily::Inet => Family::V4,
            AddressFamily::Inet6 => Family::V6,
            _ => return Ok(None),
        };
        let mut rule = Self {
            family,
            priority: 0,
            not: header.flags.contains(RuleFlags::Invert),
            from: None,
            to: None,
            incoming: None,
            outgoing: None,
            mark: None,
            tos: header.tos,
            suppress_prefix: None,
            verdict: match header.action {
                RuleAction::ToTable => Verdict::Table(header.table.into()),
                RuleAction::Blackhole => Verdict::Blackhole,
                RuleAction::Unreachable => Verdict::Unreachable,
                RuleAction::Prohibit => Verdict::Prohibit,
                _ => return Ok(None),
            },
        };
        let (mut whose, mut mark, mut mask) = (None, 0, 0);
        for attribute in NlasIterator::new(payload.get(HEADER..).unwrap_or_default()) {
            let attribute = attribute?;
            let value = attribute.value();
            match attribute.kind() {
                DST => rule.to = Some((parse_ip(value)?, header.dst_len)),
                SRC => rule.from = Some((parse_ip(value)?, header.src_len)),
                IIF => rule.incoming = Some(parse_string(value)?),
                OIF => rule.outgoing = Some(parse_string(value)?),
                PRIORITY => rule.priority = parse_u32(value)?,
                FWMARK => mark = parse_u32(value)?,
                FWMASK => mask = parse_u32(value)?,
                PROTOCOL => whose = Some(parse_u8(value)?),
                SUPPRESS_PREFIX => {
                    rule.suppress_prefix = Some(parse_u32(value)?).filter(|it| *it != u32::MAX)
                }
                TABLE if matches!(rule.verdict, Verdict::Table(_)) => {
                    rule.verdict = Verdict::Table(parse_u32(value)?);
                }
                _ => {}
            }
        }
        rule.mark = (mask != 0).then_some((mark, mask));
        Ok((whose == Some(origin)).then_some(rule))
    }
}

impl Route {
    /// Makes the changes in order, each with an answer of its own. `origin` is whose the rules are.
    ///
    /// # Errors
    /// Per change, with the kernel's words.
    pub fn apply_rules(&mut self, changes: &[RuleChange], origin: u8) -> Vec<Result<(), KernelError>> {
        self.make(changes, |it| it.request(origin), |it| (it.op(), it.rule().to_string()))
    }

    /// All rules of that origin.
    ///
    /// # Errors
    /// When a whole and untorn list can't be had after several attempts.
    pub fn rules(&mut self, origin: u8) -> Result<Vec<Rule>, KernelError> {
        let mut rules = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut message = RuleMessage::default();
            message.header.family = family;
            let all = RouteNetlinkMessage::GetRule(message);
            let found = self.exchange.list(&all, |payload| Rule::decode(payload, origin));
            rules.extend(found.map_err(|refusal| KernelError::new("list", "rules".into(), refusal))?);
        }
        Ok(rules)
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::Emitable as _;
    use proptest::prelude::*;

    use super::*;

    fn full() -> Rule {
        Rule {
            family: Family::V4,
            priority: 100,
            not: true,
            from: Some(("192.0.2.0".parse().unwrap(), 24)),
            to: Some(("198.51.100.1".parse().unwrap(), 32)),
            incoming: Some("eth0".into()),
            outgoing: Some("eth1".into()),
            mark: Some((3, 0xff)),
            tos: 8,
            suppress_prefix: Some(0),
            verdict: Verdict::Table(1000),
        }
    }

    fn bytes(rule: &Rule, origin: u8) -> Vec<u8> {
        let message = rule.message(origin);
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        bytes
    }

    #[test]
    fn what_is_sent_is_what_is_read() {
        let plain = Rule {
            from: None,
            to: None,
            mark: None,
            suppress_prefix: None,
            verdict: Verdict::Prohibit,
            ..full()
        };
        for rule in [full(), plain] {
            assert_eq!(Rule::decode(&bytes(&rule, 9), 9).unwrap(), Some(rule.clone()));
            assert_eq!(Rule::decode(&bytes(&rule, 4), 9).unwrap(), None, "somebody else's");
        }
    }

    proptest! {
        #[test]
        fn any_payload_panics_nothing(at in 0_usize..120, to: u8, length in 0_usize..120) {
            let mut bytes = bytes(&full(), 9);
            let at = at % bytes.len();
            bytes[at] = to;
            bytes.truncate(length);
            let _ = Rule::decode(&bytes, 9);
        }
    }
}
