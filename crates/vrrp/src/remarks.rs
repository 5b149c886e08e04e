//! What was wrong with received packets, or odd about them: counted by reason with the last offender, told at a limited rate.
//!
//! It must never let the network fill a log, and never lose a number: what was held back is told when the
//! pause is over. RFC 9568 section 7.1 lists what to log.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use model::Instant;

use crate::status::RemarkView;

/// The pause between two notices of one reason for one instance or link.
pub(crate) const NOTICE_PAUSE: Duration = Duration::from_secs(10);

/// Every reason. The words of [`Remark::word`] are for programs and stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Remark {
    /// V3-RX-11.
    OwnPacket,
    /// V3-RX-1.
    Ttl,
    /// V3-RX-2.
    Version,
    /// V3-RX-3.
    Type,
    /// V3-RX-4.
    Length,
    /// V3-RX-5.
    Checksum,
    /// V3-RX-6.
    UnknownVrid,
    /// V3-RX-7.
    NoAddresses,
    /// V3-RX-8.
    ZeroInterval,
    /// V3-RX-9.
    NotLinkLocal,
    /// V2-RX-2, the type.
    AuthenticationType,
    /// V2-RX-2, the data.
    AuthenticationData,
    /// V2-RX-2: no authentication header as it has to be.
    AuthenticationHeader,
    /// V2-RX-2: an authentication header that was heard before, or one older than that.
    AuthenticationReplay,
    /// V2-RX-1.
    Interval,
    /// V3-RX-10.
    NotAPeer,
    /// Multicast for a unicast instance, or the other way round.
    Destination,
    /// V3-RX-12, kept.
    IntervalDiffers,
    /// V3-RX-13, kept.
    AddressesDiffer,
    /// V3-RX-14, kept.
    RivalOwner,
    /// V3-PKT-4: the message-only form, kept.
    ChecksumMessageOnly,
    /// V3-FSM-12: a second master, of lower rank than we are, kept.
    LowerMaster,
    /// no packet of VRRP, but somebody else's ARP or NA for an address that we hold.
    Rival,
}

impl Remark {
    /// For programs.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::OwnPacket => "own-packet",
            Self::Ttl => "ttl",
            Self::Version => "version",
            Self::Type => "type",
            Self::Length => "length",
            Self::Checksum => "checksum",
            Self::UnknownVrid => "unknown-vrid",
            Self::NoAddresses => "no-addresses",
            Self::ZeroInterval => "zero-interval",
            Self::NotLinkLocal => "not-link-local",
            Self::AuthenticationType => "auth-type",
            Self::AuthenticationData => "auth-data",
            Self::AuthenticationHeader => "auth-header",
            Self::AuthenticationReplay => "auth-replay",
            Self::Interval => "interval",
            Self::NotAPeer => "not-a-peer",
            Self::Destination => "destination",
            Self::IntervalDiffers => "interval-differs",
            Self::AddressesDiffer => "addresses-differ",
            Self::RivalOwner => "rival-owner",
            Self::ChecksumMessageOnly => "checksum-message-only",
            Self::LowerMaster => "lower-master",
            Self::Rival => "rival",
        }
    }

    /// Whether such a packet is dropped.
    pub(crate) const fn dropped(self) -> bool {
        match self {
            Self::OwnPacket
            | Self::Ttl
            | Self::Version
            | Self::Type
            | Self::Length
            | Self::Checksum
            | Self::UnknownVrid
            | Self::NoAddresses
            | Self::ZeroInterval
            | Self::NotLinkLocal
            | Self::AuthenticationType
            | Self::AuthenticationData
            | Self::AuthenticationHeader
            | Self::AuthenticationReplay
            | Self::Interval
            | Self::NotAPeer
            | Self::Destination => true,
            Self::IntervalDiffers
            | Self::AddressesDiffer
            | Self::RivalOwner
            | Self::ChecksumMessageOnly
            | Self::LowerMaster
            | Self::Rival => false,
        }
    }

    /// Whether it is worth a line. Other groups' adverts and an allowed checksum are everyday things.
    const fn told(self) -> bool {
        !matches!(self, Self::UnknownVrid | Self::ChecksumMessageOnly)
    }
}

/// A text to tell, and how many like it were held back before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) suppressed: u64,
}

/// The remarks of one instance or link. Its size is bounded by the number of reasons.
#[derive(Debug, Default)]
pub(crate) struct Remarks(BTreeMap<Remark, Tally>);

#[derive(Debug)]
struct Tally {
    count: u64,
    last_from: IpAddr,
    told: Instant,
    suppressed: u64,
}

impl Remarks {
    /// Counts one packet. `Some` if it may be told now; the text is only made then.
    pub(crate) fn note(
        &mut self,
        now: Instant,
        remark: Remark,
        from: IpAddr,
        text: impl FnOnce() -> String,
    ) -> Option<Line> {
        let Some(tally) = self.0.get_mut(&remark) else {
            self.0.insert(remark, Tally { count: 1, last_from: from, told: now, suppressed: 0 });
            return remark.told().then(|| Line { text: text(), suppressed: 0 });
        };
        tally.count = tally.count.saturating_add(1);
        tally.last_from = from;
        if !remark.told() {
            return None;
        }
        if now < tally.told + NOTICE_PAUSE {
            tally.suppressed = tally.suppressed.saturating_add(1);
            return None;
        }
        tally.told = now;
        Some(Line { text: text(), suppressed: std::mem::take(&mut tally.suppressed) })
    }

    /// When something that was held back may be told.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.0.values().filter(|tally| tally.suppressed > 0).map(|tally| tally.told + NOTICE_PAUSE).min()
    }

    /// Tells what was held back and whose pause is over.
    pub(crate) fn flush(&mut self, now: Instant) -> Vec<Line> {
        let due = |tally: &Tally| tally.suppressed > 0 && now >= tally.told + NOTICE_PAUSE;
        self.0
            .iter_mut()
            .filter(|(_, tally)| due(tally))
            .map(|(remark, tally)| {
                tally.told = now;
                let text = format!(
                    "more packets with the remark {}, the last from {}",
                    remark.word(),
                    tally.last_from
                );
                Line { text, suppressed: std::mem::take(&mut tally.suppressed) }
            })
            .collect()
    }

    pub(crate) fn view(&self) -> Vec<RemarkView> {
        self.0
            .iter()
            .map(|(remark, tally)| RemarkView {
                reason: remark.word(),
                dropped: remark.dropped(),
                count: tally.count,
                last_from: tally.last_from,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const A: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn the_first_is_told_at_once_and_no_number_is_lost() {
        let mut remarks = Remarks::default();
        let text = || "bad".to_owned();
        assert_eq!(remarks.note(at(0), Remark::Ttl, A, text).unwrap().suppressed, 0);
        assert!(remarks.note(at(1), Remark::Ttl, A, text).is_none());
        assert!(remarks.note(at(2), Remark::Ttl, B, text).is_none());
        assert_eq!(remarks.deadline(), Some(at(10)));
        assert!(remarks.flush(at(9)).is_empty());
        let told = remarks.flush(at(10));
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].suppressed, 2);
        assert!(told[0].text.contains("192.0.2.2"), "{}", told[0].text);
        assert_eq!(remarks.deadline(), None);
        // The flush was a notice too: the next one has to wait again.
        assert!(remarks.note(at(11), Remark::Ttl, A, text).is_none());
        assert_eq!(remarks.note(at(21), Remark::Ttl, A, text).unwrap().suppressed, 1);
        assert_eq!(remarks.view()[0].count, 5);
        assert_eq!(remarks.view()[0].last_from, A);
    }

    #[test]
    fn reasons_do_not_silence_each_other() {
        let mut remarks = Remarks::default();
        assert!(remarks.note(at(0), Remark::Ttl, A, String::new).is_some());
        assert!(remarks.note(at(0), Remark::Checksum, A, String::new).is_some());
    }
}
