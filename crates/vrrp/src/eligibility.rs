//! May this router be master, and with which priority? Two pure functions of what is so.
//!
//! They must never remember anything: any order of events that ends in the same facts ends in the same answer.
//! The weights are those of keepalived's `track_script`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::{Cause, CheckName, Family, LinkFact, LinkName, Priority, Verdict};

use crate::cause::enumerate;
use crate::door::{InstanceConfig, TrackedCheck};
use crate::packet::Unsendable;

/// What is known of the address manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manager {
    /// Not heard from since start.
    Awaited,
    /// It answers.
    Present,
    /// It answered once and is gone.
    Gone,
}

/// The last real verdict on each check: never [`Verdict::Unknown`], which leaves standing what was known before.
pub(crate) type Verdicts = BTreeMap<CheckName, Verdict>;

/// What is so outside of one instance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) link_name: &'a LinkName,
    pub(crate) link: Option<&'a LinkFact>,
    pub(crate) manager: Manager,
    pub(crate) verdicts: &'a Verdicts,
}

/// One thing that keeps an instance from taking part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    LinkAwaited(LinkName),
    ManagerAwaited,
    CheckAwaited(CheckName),
    LinkAbsent(LinkName),
    LinkDown(LinkName),
    NoSource(LinkName, Family),
    ManagerGone,
    CheckFailed(CheckName, Verdict),
    Refused(Vec<String>),
    Unsendable(Unsendable),
}

impl Reason {
    /// Not known yet, rather than known to be bad: INIT, not FAULT.
    pub(crate) const fn is_waiting(&self) -> bool {
        match self {
            Self::LinkAwaited(_) | Self::ManagerAwaited | Self::CheckAwaited(_) => true,
            Self::LinkAbsent(_)
            | Self::LinkDown(_)
            | Self::NoSource(..)
            | Self::ManagerGone
            | Self::CheckFailed(..)
            | Self::Refused(_)
            | Self::Unsendable(_) => false,
        }
    }

    /// In the words that cross a process border.
    pub(crate) fn cause(&self) -> Cause {
        let (code, text) = match self {
            Self::LinkAwaited(link) => ("link-awaited", format!("waiting for the state of {link}")),
            Self::ManagerAwaited => ("ipmgr-awaited", "waiting for ipmgr".to_owned()),
            Self::CheckAwaited(check) => {
                ("check-awaited", format!("waiting for the first result of {check}"))
            }
            Self::LinkAbsent(link) => ("link-absent", format!("interface {link} does not exist")),
            Self::LinkDown(link) => ("link-down", format!("interface {link} is down or has no carrier")),
            Self::NoSource(link, Family::V4) => {
                ("no-source", format!("interface {link} has no IPv4 address to send adverts from"))
            }
            Self::NoSource(link, Family::V6) => {
                ("no-source", format!("interface {link} has no link-local IPv6 address to send adverts from"))
            }
            Self::ManagerGone => ("ipmgr-gone", "ipmgr is gone: nobody can hold the addresses".to_owned()),
            Self::CheckFailed(check, verdict) => ("check-failed", format!("check {check} is {verdict}")),
            Self::Refused(failures) => {
                let texts = enumerate(failures.iter().cloned(), "; ");
                ("install-refused", format!("no address could be put in place: {texts}"))
            }
            Self::Unsendable(why) => ("unsendable", format!("its advert can't be sent: {why}")),
        };
        Cause { code: code.to_owned(), text }
    }
}

/// Where adverts are sent from: the configured source, otherwise the link's own address (V3-PKT-6).
pub(crate) fn source(config: &InstanceConfig, link: Option<&LinkFact>) -> Option<IpAddr> {
    let own = || match config.family {
        Family::V4 => link?.ipv4.map(IpAddr::V4),
        Family::V6 => link?.ipv6.map(IpAddr::V6),
    };
    config.source.or_else(own)
}

/// Everything that keeps the instance from taking part; empty when nothing does.
///
/// `refused` and `unsendable` are the instance's own facts: what the kernel said to its addresses, and what
/// the protocol can't say of its configuration.
pub(crate) fn reasons(
    config: &InstanceConfig,
    facts: &Facts<'_>,
    refused: Option<&[String]>,
    unsendable: Option<Unsendable>,
) -> Vec<Reason> {
    let mut reasons = Vec::new();
    reasons.extend(unsendable.map(Reason::Unsendable));
    reasons.extend(link_reason(config, facts));
    reasons.extend(match facts.manager {
        Manager::Awaited => Some(Reason::ManagerAwaited),
        Manager::Present => None,
        Manager::Gone => Some(Reason::ManagerGone),
    });
    reasons.extend(config.checks.iter().filter_map(|tracked| check_reason(tracked, facts.verdicts)));
    reasons.extend(refused.map(|failures| Reason::Refused(failures.to_vec())));
    reasons
}

fn link_reason(config: &InstanceConfig, facts: &Facts<'_>) -> Option<Reason> {
    let name = || facts.link_name.clone();
    let Some(link) = facts.link else { return Some(Reason::LinkAwaited(name())) };
    if link.index.is_none() {
        Some(Reason::LinkAbsent(name()))
    } else if !link.up {
        Some(Reason::LinkDown(name()))
    } else if source(config, facts.link).is_none() {
        Some(Reason::NoSource(name(), config.family))
    } else {
        None
    }
}

/// Whether a check passes, not counting `reverse`; `None` until the first verdict.
fn passes(tracked: &TrackedCheck, verdicts: &Verdicts) -> Option<bool> {
    match verdicts.get(&tracked.check) {
        Some(Verdict::Up) => Some(true),
        Some(Verdict::Down | Verdict::Unrunnable) => Some(false),
        Some(Verdict::Unknown) | None => tracked.init_fail.then_some(false),
    }
}

fn check_reason(tracked: &TrackedCheck, verdicts: &Verdicts) -> Option<Reason> {
    if tracked.weight != 0 {
        return None;
    }
    let name = || tracked.check.clone();
    let verdict = verdicts.get(&tracked.check).copied();
    match (passes(tracked, verdicts), verdict) {
        (None, _) => Some(Reason::CheckAwaited(name())),
        // What can't run has failed, and `reverse` doesn't make a success of it.
        (Some(_), Some(Verdict::Unrunnable)) => Some(Reason::CheckFailed(name(), Verdict::Unrunnable)),
        (Some(passes), verdict) if passes == tracked.reverse => {
            Some(Reason::CheckFailed(name(), verdict.unwrap_or(Verdict::Unknown)))
        }
        (Some(_), _) => None,
    }
}

/// The priority to advertise: the base moved by the weights, 1 to 254. The owner's never moves.
pub(crate) fn effective_priority(config: &InstanceConfig, verdicts: &Verdicts) -> Priority {
    if config.priority == Priority::OWNER {
        return Priority::OWNER;
    }
    let sum: i32 = config.checks.iter().map(|tracked| contribution(tracked, verdicts)).sum();
    let total = i32::from(config.priority.0).saturating_add(sum);
    let clamped = total.clamp(1, i32::from(Priority::MAX_BACKUP.0));
    Priority(u8::try_from(clamped).unwrap_or(Priority::MAX_BACKUP.0))
}

/// A positive weight is added while the check passes, a negative one while it fails; `reverse` turns the sign
/// (so `weight 5 reverse` is -5 while the check passes, as in keepalived).
fn contribution(tracked: &TrackedCheck, verdicts: &Verdicts) -> i32 {
    let weight = i32::from(tracked.weight);
    let signed = if tracked.reverse { -weight } else { weight };
    match passes(tracked, verdicts) {
        Some(true) if weight > 0 => signed,
        Some(false) if weight < 0 => signed,
        Some(true | false) | None => 0,
    }
}
