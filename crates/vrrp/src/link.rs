//! What counts of a link: what ipmgr says of it, but with a short patience for its own addresses.
//!
//! Whatever manages the network takes a link's addresses away and puts them back when it is restarted (systemd-networkd within
//! some 50 ms). A master without an address to send from can't go on, but no peer misses it for so long. It must never cost
//! more than one advert: then peers begin to count. All else that changes counts at once.

use std::net::IpAddr;
use std::time::Duration;

use model::{Instant, LinkFact, LinkName};

use crate::eligibility::Reason;

/// For how long an address that is gone still counts, and never for longer than the shortest interval on the link.
pub const SOURCE_PATIENCE: Duration = Duration::from_millis(250);

/// A link and what is known of it.
#[derive(Debug)]
pub(crate) struct KnownLink {
    pub(crate) name: LinkName,
    /// What counts; `None` before its first fact.
    pub(crate) fact: Option<LinkFact>,
    /// What was said last, if it lacks addresses that still count, and until when they do.
    coming: Option<(Instant, LinkFact)>,
}

impl KnownLink {
    pub(crate) const fn new(name: LinkName) -> Self {
        Self { name, fact: None, coming: None }
    }

    /// The same, once it is known as one of another configuration.
    pub(crate) fn take(&mut self) -> Self {
        Self { name: self.name.clone(), fact: self.fact.take(), coming: self.coming.take() }
    }

    /// Takes note of what is said of it.
    pub(crate) fn learn(&mut self, now: Instant, said: &LinkFact, patience: Duration) {
        let lasting = self.fact.as_ref().and_then(|before| keep_addresses(before, said));
        let until = self.coming.take().map_or(now + patience, |(until, _)| until);
        match lasting {
            Some(kept) if now < until => {
                self.fact = Some(kept);
                self.coming = Some((until, said.clone()));
            }
            Some(_) | None => self.fact = Some(said.clone()),
        }
    }

    /// Patience may be over. True if so, and what was said last counts now.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        let over = self.coming.take_if(|(until, _)| *until <= now);
        let is_over = over.is_some();
        if let Some((_, said)) = over {
            self.fact = Some(said);
        }
        is_over
    }

    /// When to call [`Self::expire`].
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.coming.as_ref().map(|(until, _)| *until)
    }

    /// Up with carrier; `None` before its first fact.
    pub(crate) fn is_up(&self) -> Option<bool> {
        self.fact.as_ref().map(|fact| fact.index.is_some() && fact.up)
    }

    /// Up, and nobody knows whether it carries frames.
    pub(crate) fn is_deaf(&self) -> bool {
        self.fact.as_ref().is_some_and(|fact| fact.index.is_some() && fact.up && !fact.carries)
    }

    pub(crate) fn down_reason(&self) -> Option<Reason> {
        let name = || self.name.clone();
        match &self.fact {
            None => Some(Reason::LinkAwaited(name())),
            Some(fact) if fact.index.is_none() => Some(Reason::LinkAbsent(name())),
            Some(fact) if !fact.up => Some(Reason::LinkDown(name())),
            Some(_) => None,
        }
    }
}

/// What is said, with the addresses that it lacks of what counted before; `None` if it lacks none, or isn't about the same
/// link in the same state.
fn keep_addresses(before: &LinkFact, said: &LinkFact) -> Option<LinkFact> {
    let same = said.index.is_some() && said.index == before.index && said.up && before.up;
    let kept = LinkFact {
        ipv4: said.ipv4.or(before.ipv4),
        ipv6: said.ipv6.or(before.ipv6),
        sources: union(&before.sources, &said.sources),
        hosted: union(&before.hosted, &said.hosted),
        ..said.clone()
    };
    let lacks = kept.ipv4 != said.ipv4
        || kept.ipv6 != said.ipv6
        || kept.sources.len() > said.sources.len()
        || kept.hosted.len() > said.hosted.len();
    (same && lacks).then_some(kept)
}

fn union(before: &[IpAddr], said: &[IpAddr]) -> Vec<IpAddr> {
    let more = said.iter().filter(|address| !before.contains(address));
    before.iter().chain(more).copied().collect()
}
