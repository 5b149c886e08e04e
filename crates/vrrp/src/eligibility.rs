//! May this router be master, and with which priority? Two pure functions of what is so.
//!
//! They must never remember anything: any order of events that ends in the same facts ends in the same answer. What a
//! master failed is such a fact; `roles.rs` keeps it.
//! The weights are those of keepalived's `track_script`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use model::{Cause, CheckName, Family, InstanceName, Instant, LinkFact, LinkName, Priority, Verdict};

use crate::cause::{enumerate, seconds};
use crate::door::{InstanceConfig, LinkId, TrackedCheck};
use crate::groups::GroupFacts;
use crate::link::KnownLink;
use crate::packet::Unsendable;
use crate::roles::{Counting, RoleChecks};
use crate::settings::TrackedLink;
use crate::startup::Startup;

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

/// The last number of each check that has one. One that isn't known yet counts as 0.
pub(crate) type Numbers = BTreeMap<CheckName, i32>;

/// A number times a weight counts for no more than this, either way (keepalived.conf(5), `track_file`).
const NUMBER_MOVES: (i32, i32) = (-254, 253);

/// What is so outside of one instance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) now: Instant,
    /// The instance's own link.
    pub(crate) link: &'a KnownLink,
    /// All links, by [`LinkId`].
    pub(crate) links: &'a [KnownLink],
    pub(crate) manager: Manager,
    /// What the wall clock showed at [`model::Instant::ZERO`], for sequence numbers alone.
    pub(crate) wall_at_zero: Duration,
    pub(crate) verdicts: &'a Verdicts,
    pub(crate) numbers: &'a Numbers,
    pub(crate) startup: Startup,
    /// Out by order, in the words of who gave it.
    pub(crate) drained: Option<&'a str>,
    /// The sync group that it is in.
    pub(crate) group: Option<GroupFacts<'a>>,
}

impl<'a> Facts<'a> {
    fn link(&self, id: LinkId) -> Option<&'a KnownLink> {
        self.links.get(id.0)
    }
}

/// One thing that keeps an instance from taking part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    StartupScript,
    StartupDelay,
    Drained(String),
    LinkAwaited(LinkName),
    ManagerAwaited,
    CheckAwaited(CheckName),
    LinkAbsent(LinkName),
    LinkDown(LinkName),
    LinkUp(LinkName),
    NoSource(LinkName, Family),
    SourceGone(LinkName, IpAddr),
    /// Unicast answers to it go elsewhere.
    SourceElsewhere(IpAddr),
    ManagerGone,
    CheckFailed(CheckName, Verdict),
    /// The number of a check takes all that there is.
    NumberTooLow(CheckName, i32),
    /// A check that counts while MASTER failed there, and counts for so long after that.
    FailedAsMaster(CheckName, Duration),
    Refused(Vec<String>),
    Unsendable(Unsendable),
    /// Another member of its sync group can't take part.
    Member(InstanceName, Box<Self>),
}

impl Reason {
    /// Not known yet, rather than known to be bad: INIT, not FAULT.
    pub(crate) fn is_waiting(&self) -> bool {
        match self {
            Self::Member(_, reason) => reason.is_waiting(),
            Self::StartupScript
            | Self::StartupDelay
            | Self::LinkAwaited(_)
            | Self::ManagerAwaited
            | Self::CheckAwaited(_) => true,
            Self::Drained(_)
            | Self::LinkAbsent(_)
            | Self::LinkDown(_)
            | Self::LinkUp(_)
            | Self::NoSource(..)
            | Self::SourceGone(..)
            | Self::SourceElsewhere(_)
            | Self::ManagerGone
            | Self::CheckFailed(..)
            | Self::NumberTooLow(..)
            | Self::FailedAsMaster(..)
            | Self::Refused(_)
            | Self::Unsendable(_) => false,
        }
    }

    /// Something that another member of its sync group has.
    pub(crate) const fn is_second_hand(&self) -> bool {
        matches!(self, Self::Member(..))
    }

    /// Whether requests to the addresses are still answered as they should be: only then they may be kept for a
    /// successor.
    pub(crate) fn leaves_service_fit(&self) -> bool {
        match self {
            Self::Member(_, reason) => reason.leaves_service_fit(),
            Self::Drained(_) => true,
            Self::StartupScript
            | Self::StartupDelay
            | Self::LinkAwaited(_)
            | Self::ManagerAwaited
            | Self::CheckAwaited(_)
            | Self::LinkAbsent(_)
            | Self::LinkDown(_)
            | Self::LinkUp(_)
            | Self::NoSource(..)
            | Self::SourceGone(..)
            | Self::SourceElsewhere(_)
            | Self::ManagerGone
            | Self::CheckFailed(..)
            | Self::NumberTooLow(..)
            | Self::FailedAsMaster(..)
            | Self::Refused(_)
            | Self::Unsendable(_) => false,
        }
    }

    /// In the words that cross a process border.
    pub(crate) fn cause(&self) -> Cause {
        let (code, text) = match self {
            Self::StartupScript => ("startup-script", "startup_script hasn't ended".to_owned()),
            Self::StartupDelay => ("startup-delay", "vrrp_startup_delay isn't over".to_owned()),
            Self::Drained(text) => ("drained", format!("drained: {text}")),
            Self::LinkAwaited(link) => ("link-awaited", format!("waiting for the state of {link}")),
            Self::ManagerAwaited => ("ipmgr-awaited", "waiting for ipmgr".to_owned()),
            Self::CheckAwaited(check) => {
                ("check-awaited", format!("waiting for the first result of {check}"))
            }
            Self::LinkAbsent(link) => ("link-absent", format!("interface {link} does not exist")),
            Self::LinkDown(link) => ("link-down", format!("interface {link} is down or has no carrier")),
            Self::LinkUp(link) => ("link-up", format!("{link} is up, and tracked in reverse")),
            Self::SourceGone(link, source) => {
                ("source-gone", format!("{source}, which adverts are to be sent from, is not on {link}"))
            }
            Self::SourceElsewhere(source) => (
                "source-gone",
                format!(
                    "{source}, which adverts are to be sent from, is on no interface of this host: no peer's advert \
                     would arrive"
                ),
            ),
            Self::NoSource(link, Family::V4) => {
                ("no-source", format!("interface {link} has no IPv4 address to send adverts from"))
            }
            Self::NoSource(link, Family::V6) => {
                ("no-source", format!("interface {link} has no link-local IPv6 address to send adverts from"))
            }
            Self::ManagerGone => ("ipmgr-gone", "ipmgr is gone: nobody can hold the addresses".to_owned()),
            Self::CheckFailed(check, verdict) => ("check-failed", format!("check {check} is {verdict}")),
            Self::NumberTooLow(check, number) => {
                ("check-failed", format!("check {check} says {number}, which takes all of the priority"))
            }
            Self::FailedAsMaster(check, length) => (
                "failed-as-master",
                format!("check {check} failed while MASTER, and counts for {} after that", seconds(*length)),
            ),
            Self::Refused(failures) => {
                let texts = enumerate(failures.iter().cloned(), "; ");
                ("install-refused", format!("no address could be put in place: {texts}"))
            }
            Self::Member(name, reason) => {
                ("group-member", format!("{name} of its sync group: {}", reason.cause().text))
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

/// What only the instance itself knows: what was said to its addresses, and what ipmgr still holds for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnFacts<'a> {
    /// The kernel's or ipmgr's refusal.
    pub(crate) refused: Option<&'a [String]>,
    /// What the protocol can't say of its configuration.
    pub(crate) unsendable: Option<Unsendable>,
    /// Its addresses are still held from a core that died: it doesn't start, it goes on.
    pub(crate) held: bool,
    /// Which checks count.
    pub(crate) roles: &'a RoleChecks,
}

/// Everything that keeps the instance from taking part; empty when nothing does.
pub(crate) fn reasons(config: &InstanceConfig, facts: &Facts<'_>, own: &OwnFacts<'_>) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if !own.held {
        reasons.extend(match facts.startup {
            Startup::Script(_) => Some(Reason::StartupScript),
            Startup::Delay(_) => Some(Reason::StartupDelay),
            Startup::Over => None,
        });
    }
    reasons.extend(facts.drained.map(|text| Reason::Drained(text.to_owned())));
    reasons.extend(own.unsendable.map(Reason::Unsendable));
    reasons.extend(link_reason(config, facts));
    for tracked in &config.tracked_links {
        // Its own interface may be tracked too; one reason is enough.
        reasons.extend(tracked_link_reason(tracked, facts).filter(|reason| !reasons.contains(reason)));
    }
    reasons.extend(match facts.manager {
        Manager::Awaited => Some(Reason::ManagerAwaited),
        Manager::Present => None,
        Manager::Gone => Some(Reason::ManagerGone),
    });
    let check = |tracked| check_reason(tracked, facts.verdicts, own.roles);
    reasons.extend(config.checks.iter().filter_map(check));
    // No weight moves an owner.
    if config.priority != Priority::OWNER {
        reasons.extend(config.checks.iter().filter_map(|tracked| number_reason(tracked, facts)));
    }
    reasons.extend(own.refused.map(|failures| Reason::Refused(failures.to_vec())));
    reasons
}

/// Adverts need a link that is there and an address on it, whatever else is configured.
fn link_reason(config: &InstanceConfig, facts: &Facts<'_>) -> Option<Reason> {
    let name = || facts.link.name.clone();
    let fact = facts.link.fact.as_ref();
    let no_source = || match (config.source, source(config, fact)) {
        (_, None) => Some(Reason::NoSource(name(), config.family)),
        (Some(wanted), Some(_)) if config.follows_source && !is_there(fact, wanted) => {
            Some(Reason::SourceGone(name(), wanted))
        }
        // Whoever can't be answered hears nobody, and silence would make it a second master.
        (Some(wanted), Some(_)) if !config.peers.is_empty() && !is_hosted(fact, wanted) => {
            Some(Reason::SourceElsewhere(wanted))
        }
        (Some(_) | None, Some(_)) => None,
    };
    match facts.link.down_reason() {
        Some(Reason::LinkDown(_)) if !config.follows_link => no_source(),
        Some(reason) => Some(reason),
        None => no_source(),
    }
}

fn is_there(link: Option<&LinkFact>, source: IpAddr) -> bool {
    link.is_some_and(|link| link.sources.contains(&source))
}

fn is_hosted(link: Option<&LinkFact>, source: IpAddr) -> bool {
    link.is_some_and(|link| link.hosted.contains(&source))
}

fn tracked_link_reason(tracked: &TrackedLink, facts: &Facts<'_>) -> Option<Reason> {
    if tracked.weight != 0 {
        return None;
    }
    let link = facts.link(tracked.link)?;
    match (tracked.reverse, link.is_up()) {
        (false, _) => link.down_reason(),
        (true, None) => Some(Reason::LinkAwaited(link.name.clone())),
        (true, Some(true)) => Some(Reason::LinkUp(link.name.clone())),
        (true, Some(false)) => None,
    }
}

/// Whether a check passes, not counting `reverse`; `None` until the first verdict.
fn passes(tracked: &TrackedCheck, verdicts: &Verdicts, roles: &RoleChecks) -> Option<bool> {
    match roles.counting(tracked) {
        Counting::AsPassed => return Some(!tracked.reverse),
        Counting::AsFailed(_) => return Some(tracked.reverse),
        Counting::Verdict => {}
    }
    match verdicts.get(&tracked.check) {
        Some(Verdict::Up) => Some(true),
        Some(Verdict::Down | Verdict::Unrunnable) => Some(false),
        Some(Verdict::Unknown) | None => tracked.init_fail.then_some(false),
    }
}

fn check_reason(tracked: &TrackedCheck, verdicts: &Verdicts, roles: &RoleChecks) -> Option<Reason> {
    if tracked.weight != 0 {
        return None;
    }
    let name = || tracked.check.clone();
    match roles.counting(tracked) {
        Counting::AsPassed => return None,
        Counting::AsFailed(length) => return Some(Reason::FailedAsMaster(name(), length)),
        Counting::Verdict => {}
    }
    let verdict = verdicts.get(&tracked.check).copied();
    match (passes(tracked, verdicts, roles), verdict) {
        (None, _) => Some(Reason::CheckAwaited(name())),
        // What can't run has failed, and `reverse` doesn't make a success of it.
        (Some(_), Some(Verdict::Unrunnable)) => Some(Reason::CheckFailed(name(), Verdict::Unrunnable)),
        (Some(passes), verdict) if passes == tracked.reverse => {
            Some(Reason::CheckFailed(name(), verdict.unwrap_or(Verdict::Unknown)))
        }
        (Some(_), _) => None,
    }
}

fn number_reason(tracked: &TrackedCheck, facts: &Facts<'_>) -> Option<Reason> {
    let weight = Weight { weight: tracked.weight, reverse: tracked.reverse, of: of_number(tracked, facts)? };
    let number = facts.numbers.get(&tracked.check)?;
    (weight.counts() <= NUMBER_MOVES.0).then(|| Reason::NumberTooLow(tracked.check.clone(), *number))
}

/// What multiplies the weight of a check with a number.
fn of_number(tracked: &TrackedCheck, facts: &Facts<'_>) -> Option<Of> {
    tracked.number.then(|| Of::Number(facts.numbers.get(&tracked.check).copied().unwrap_or(0)))
}

/// The priority to advertise.
pub(crate) fn effective_priority(config: &InstanceConfig, facts: &Facts<'_>, roles: &RoleChecks) -> Priority {
    weigh(config.priority, weights(config, facts, roles))
}

/// The base moved by the weights, 1 to 254. The owner's never moves.
#[must_use]
pub fn weigh(base: Priority, weights: impl IntoIterator<Item = Weight>) -> Priority {
    if base == Priority::OWNER {
        return Priority::OWNER;
    }
    let sum: i32 = weights.into_iter().map(Weight::counts).sum();
    let total = i32::from(base.0).saturating_add(sum);
    let clamped = total.clamp(1, i32::from(Priority::MAX_BACKUP.0));
    Priority(u8::try_from(clamped).unwrap_or(Priority::MAX_BACKUP.0))
}

/// Whether nothing that is tracked takes anything from the priority.
pub(crate) fn is_fit(config: &InstanceConfig, facts: &Facts<'_>, roles: &RoleChecks) -> bool {
    weights(config, facts, roles).all(|weight| weight.counts() == weight.at_best())
}

/// Everything that moves the priority.
fn weights(config: &InstanceConfig, facts: &Facts<'_>, roles: &RoleChecks) -> impl Iterator<Item = Weight> {
    let checks = config.checks.iter().map(|tracked| Weight {
        weight: tracked.weight,
        reverse: tracked.reverse,
        of: of_number(tracked, facts).unwrap_or_else(|| Of::Success(passes(tracked, facts.verdicts, roles))),
    });
    let links = config.tracked_links.iter().map(|tracked| Weight {
        weight: tracked.weight,
        reverse: tracked.reverse,
        of: Of::Success(facts.link(tracked.link).and_then(KnownLink::is_up)),
    });
    checks.chain(links)
}

/// What a weight is tied to.
#[derive(Clone, Copy, Debug)]
pub enum Of {
    /// Whether the check succeeds or the interface is up; `None` for not known yet.
    Success(Option<bool>),
    /// What multiplies it.
    Number(i32),
}

/// A weight, and what it is tied to.
#[derive(Clone, Copy, Debug)]
pub struct Weight {
    /// As configured.
    pub weight: i16,
    /// The sign is turned.
    pub reverse: bool,
    /// How that is now.
    pub of: Of,
}

impl Weight {
    /// A positive weight is added while the tracker passes, a negative one while it fails; `reverse` turns the sign
    /// (so `weight 5 reverse` is -5 while it passes, as in keepalived).
    #[must_use]
    pub fn counts(self) -> i32 {
        match self.of {
            Of::Success(Some(true)) if self.weight > 0 => self.signed(),
            Of::Success(Some(false)) if self.weight < 0 => self.signed(),
            Of::Success(_) => 0,
            Of::Number(number) => number.saturating_mul(self.signed()).clamp(NUMBER_MOVES.0, NUMBER_MOVES.1),
        }
    }

    /// Nobody knows how much a number can add; what it takes is what is missing.
    fn at_best(self) -> i32 {
        match self.of {
            Of::Success(_) => self.signed().max(0),
            Of::Number(_) => self.counts().max(0),
        }
    }

    fn signed(self) -> i32 {
        let weight = i32::from(self.weight);
        if self.reverse { -weight } else { weight }
    }
}
