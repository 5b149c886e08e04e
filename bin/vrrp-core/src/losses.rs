//! What was lost between the network and the core, either way: counted by interface and reason, with the last offender.
//!
//! It must never grow with the traffic: its size is bounded by the interfaces and the reasons. What the core itself
//! drops it counts itself (`remarks.rs` of `crates/vrrp`); docs/conformance.md lists the words of both.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipc::events::Remark;
use sys::advert::Malformed;
use vrrp::LinkId;

/// Why a datagram never came to the core, or one of the core's never left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loss {
    /// Longer than any that we take.
    TooLong,
    /// An IPv4 header that contradicts itself.
    Header,
    /// Without what the kernel should have told of its IPv6 header.
    Unlabelled,
    /// The kernel had no room for it, since we hadn't read what came before.
    QueueFull,
    /// Our own advert, which the kernel didn't take: peers hear nothing of a master that believes it has spoken.
    Unsent,
}

impl Loss {
    /// For programs, and stable.
    const fn word(self) -> &'static str {
        match self {
            Self::TooLong => "too-long",
            Self::Header => "header",
            Self::Unlabelled => "unlabelled",
            Self::QueueFull => "queue-full",
            Self::Unsent => "unsent",
        }
    }
}

impl From<Malformed> for Loss {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::TooLong => Self::TooLong,
            Malformed::Header => Self::Header,
            Malformed::Unlabelled => Self::Unlabelled,
        }
    }
}

/// Counters since start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Losses(BTreeMap<(LinkId, Loss), Tally>);

#[derive(Clone, Debug, Default)]
struct Tally {
    count: u64,
    last_from: Option<IpAddr>,
}

impl Losses {
    /// Links have other numbers now; what was lost on those that aren't used any more is forgotten.
    pub(crate) fn renumber(&mut self, link: impl Fn(LinkId) -> Option<LinkId>) {
        let before = std::mem::take(&mut self.0).into_iter();
        self.0 = before.filter_map(|((id, loss), tally)| Some(((link(id)?, loss), tally))).collect();
    }

    /// Counts `more` datagrams that were lost on a link, and who sent the last one if that can be told. How many they
    /// are now.
    pub(crate) fn count(&mut self, link: LinkId, loss: Loss, more: u64, from: Option<IpAddr>) -> u64 {
        let tally = self.0.entry((link, loss)).or_default();
        tally.count = tally.count.saturating_add(more);
        tally.last_from = from.or(tally.last_from);
        tally.count
    }

    /// What was lost on a link, one entry for each reason.
    pub(crate) fn on(&self, link: LinkId) -> impl Iterator<Item = Remark> {
        self.0.iter().filter(move |((of, _), _)| *of == link).map(|((_, loss), tally)| Remark {
            reason: loss.word().to_owned(),
            dropped: true,
            count: tally.count,
            last_from: tally.last_from,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_counter_and_last_offender_on_each_link() {
        let (one, other) = (LinkId(0), LinkId(1));
        let [first, second] = ["192.0.2.1", "fe80::1"].map(|text| text.parse::<IpAddr>().ok());
        let mut losses = Losses::default();
        losses.count(one, Malformed::TooLong.into(), 1, first);
        losses.count(one, Malformed::TooLong.into(), 1, second);
        losses.count(one, Malformed::Header.into(), 1, None);
        losses.count(other, Malformed::Unlabelled.into(), 3, second);
        // Who can't be named doesn't hide who could.
        losses.count(other, Malformed::Unlabelled.into(), u64::MAX, None);
        let seen = |link| {
            let view = losses.on(link).map(|it| (it.reason, it.count, it.last_from));
            view.collect::<Vec<_>>()
        };
        assert_eq!(seen(one), [("too-long".to_owned(), 2, second), ("header".to_owned(), 1, None)]);
        assert_eq!(seen(other), [("unlabelled".to_owned(), u64::MAX, second)]);
        assert_eq!(seen(LinkId(2)), []);
    }
}
