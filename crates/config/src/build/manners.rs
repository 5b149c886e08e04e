//! How an instance announces its addresses and treats other routers: its own words, else those of `global_defs`.
//!
//! The same things have one word in `global_defs` and another in `vrrp_instance`; the two are read by the same code.

use std::time::Duration;

use model::{Family, ProtocolVersion};

use super::defaults::Defaults;
use crate::diagnostic::{Complaints, Diagnostic};
use crate::model::{Announcements, Manners};
use crate::section::Section;

/// What each thing is called at one place.
struct Words {
    delay: &'static str,
    repeat: &'static str,
    refresh: &'static str,
    refresh_repeat: &'static str,
    lower_delay: &'static str,
    lower_repeat: &'static str,
    down_timer: &'static str,
    no_answer: &'static str,
    send_advert: &'static str,
    skip_addresses: &'static str,
    keep: &'static str,
    link_patience: &'static str,
}

const GLOBAL: Words = Words {
    delay: "vrrp_garp_master_delay",
    repeat: "vrrp_garp_master_repeat",
    refresh: "vrrp_garp_master_refresh",
    refresh_repeat: "vrrp_garp_master_refresh_repeat",
    lower_delay: "vrrp_garp_lower_prio_delay",
    lower_repeat: "vrrp_garp_lower_prio_repeat",
    down_timer: "vrrp_down_timer_adverts",
    no_answer: "vrrp_lower_prio_no_advert",
    send_advert: "vrrp_higher_prio_send_advert",
    skip_addresses: "vrrp_skip_check_adv_addr",
    keep: "vrrp_keep_until_taken_over",
    link_patience: "vrrp_link_patience",
};

const INSTANCE: Words = Words {
    delay: "garp_master_delay",
    repeat: "garp_master_repeat",
    refresh: "garp_master_refresh",
    refresh_repeat: "garp_master_refresh_repeat",
    lower_delay: "garp_lower_prio_delay",
    lower_repeat: "garp_lower_prio_repeat",
    down_timer: "down_timer_adverts",
    no_answer: "lower_prio_no_advert",
    send_advert: "higher_prio_send_advert",
    skip_addresses: "skip_check_adv_addr",
    keep: "keep_until_taken_over",
    link_patience: "link_patience",
};

/// The same word at both places.
const CHECKSUM: &str = "v3_checksum_as_v2";
const DOWN_TIMER_ADVERTS: u8 = 3;
/// Longer than the 30 s that spanning tree keeps a port closed (IEEE 802.1D: two forward delays of 15 s).
const LINK_PATIENCE: Duration = Duration::from_secs(40);
const REPEAT: u8 = 5;
const DELAY: Duration = Duration::from_secs(5);

/// What instances announce that say nothing of it.
pub(super) fn global_announcements(section: &Section<'_>, complaints: &mut Complaints) -> Announcements {
    let least = section.flag("vrrp_min_garp").unwrap_or(false);
    let usual = Announcements {
        repeat: if least { 1 } else { REPEAT },
        delay: if least { None } else { Some(DELAY) },
        refresh: None,
        refresh_repeat: 1,
        lower_priority_delay: None,
        lower_priority_repeat: 0,
    };
    let master = after_takeover(section, &GLOBAL, usual, complaints);
    let like_master =
        Announcements { lower_priority_delay: master.delay, lower_priority_repeat: master.repeat, ..master };
    after_lower_priority(section, &GLOBAL, like_master)
}

/// What this instance announces. `strict`: not for a lower master.
pub(super) fn announcements(
    section: &Section<'_>,
    defaults: &Defaults,
    strict: bool,
    complaints: &mut Complaints,
) -> Announcements {
    let mut base = defaults.announcements;
    if strict {
        (base.lower_priority_delay, base.lower_priority_repeat) = (None, 0);
    }
    let master = after_takeover(section, &INSTANCE, base, complaints);
    if let (None, Some(span)) = (master.refresh, section.given(INSTANCE.refresh_repeat)) {
        let message = format!("`{}` has no effect without `{}`", INSTANCE.refresh_repeat, INSTANCE.refresh);
        complaints.push(Diagnostic::warning("no-effect", span, message).help("add it, or remove the line"));
    }
    after_lower_priority(section, &INSTANCE, master)
}

fn after_takeover(
    section: &Section<'_>,
    words: &Words,
    base: Announcements,
    complaints: &mut Complaints,
) -> Announcements {
    Announcements {
        repeat: at_least_one(section, words.repeat, base.repeat, complaints),
        delay: time(section, words.delay, base.delay),
        refresh: time(section, words.refresh, base.refresh),
        refresh_repeat: at_least_one(section, words.refresh_repeat, base.refresh_repeat, complaints),
        ..base
    }
}

fn after_lower_priority(section: &Section<'_>, words: &Words, base: Announcements) -> Announcements {
    Announcements {
        lower_priority_delay: time(section, words.lower_delay, base.lower_priority_delay),
        lower_priority_repeat: count(section, words.lower_repeat).unwrap_or(base.lower_priority_repeat),
        ..base
    }
}

/// How instances behave that say nothing of it.
pub(super) fn global(section: &Section<'_>, complaints: &mut Complaints) -> Manners {
    if let (Some(false), Some(span)) = (section.flag(CHECKSUM), section.given(CHECKSUM)) {
        let message = format!("`{CHECKSUM} off` is off");
        let keepalived = "turns it on here, whatever follows the word";
        complaints.push(Diagnostic::note("off-is-off", span, message).keepalived(keepalived));
    }
    let usual = Manners {
        down_timer_adverts: DOWN_TIMER_ADVERTS,
        answer_lower: true,
        advertise_before_yielding: false,
        checksum_as_v2: false,
        compare_addresses: true,
        keep_until_taken_over: true,
        link_patience: LINK_PATIENCE,
    };
    manners(section, &GLOBAL, usual)
}

/// How this instance behaves. `strict`: towards other routers as the RFC of its version has it.
pub(super) fn instance(
    section: &Section<'_>,
    defaults: &Defaults,
    strict: bool,
    protocol: (ProtocolVersion, Family),
    complaints: &mut Complaints,
) -> Manners {
    if protocol != (ProtocolVersion::V3, Family::V4)
        && let Some(span) = section.given(CHECKSUM)
    {
        let message =
            format!("`{CHECKSUM}` has no effect: there is one checksum only, except in VRRPv3 over IPv4");
        complaints.push(Diagnostic::warning("no-effect", span, message).help("remove the line"));
    }
    let word = INSTANCE.skip_addresses;
    if let (Some(false), Some(span)) = (section.flag(word), section.given(word)) {
        let message = format!("`{word} off` is off");
        let keepalived = "turns it on, whatever follows the word";
        complaints.push(Diagnostic::note("off-is-off", span, message).keepalived(keepalived));
    }
    let mut base = defaults.manners;
    if strict {
        base.down_timer_adverts = DOWN_TIMER_ADVERTS;
        base.advertise_before_yielding = false;
        // RFC 3768 6.4.3 discards a lower advert in silence; RFC 9568 6.4.3 answers it.
        base.answer_lower = protocol.0 == ProtocolVersion::V3;
    }
    manners(section, &INSTANCE, base)
}

fn manners(section: &Section<'_>, words: &Words, base: Manners) -> Manners {
    let not = |word, base: bool| section.flag(word).map_or(base, |on| !on);
    Manners {
        down_timer_adverts: count(section, words.down_timer).unwrap_or(base.down_timer_adverts),
        answer_lower: not(words.no_answer, base.answer_lower),
        advertise_before_yielding: section.flag(words.send_advert).unwrap_or(base.advertise_before_yielding),
        checksum_as_v2: section.flag(CHECKSUM).unwrap_or(base.checksum_as_v2),
        compare_addresses: not(words.skip_addresses, base.compare_addresses),
        keep_until_taken_over: section.flag(words.keep).unwrap_or(base.keep_until_taken_over),
        link_patience: given_seconds(section, words.link_patience).unwrap_or(base.link_patience),
    }
}

/// The number that was given; a default of the table is none.
fn number(section: &Section<'_>, word: &'static str) -> Option<i64> {
    section.given(word).and_then(|_| section.number(word))
}

/// The time that was given, likewise.
fn given_seconds(section: &Section<'_>, word: &'static str) -> Option<Duration> {
    section.given(word).and_then(|_| section.seconds(word))
}

fn count(section: &Section<'_>, word: &'static str) -> Option<u8> {
    number(section, word).and_then(|number| u8::try_from(number).ok())
}

/// Whole seconds; 0 means never.
fn time(section: &Section<'_>, word: &'static str, base: Option<Duration>) -> Option<Duration> {
    let Some(seconds) = number(section, word).and_then(|number| u64::try_from(number).ok()) else {
        return base;
    };
    Some(Duration::from_secs(seconds)).filter(|time| !time.is_zero())
}

fn at_least_one(section: &Section<'_>, word: &'static str, base: u8, complaints: &mut Complaints) -> u8 {
    let count = count(section, word).unwrap_or(base);
    if let (0, Some(span)) = (count, section.given(word)) {
        let message = format!("`{word} 0` means 1: the neighbours have to be told at least once");
        complaints.push(Diagnostic::warning("rounded", span, message).help("write 1"));
    }
    count.max(1)
}
