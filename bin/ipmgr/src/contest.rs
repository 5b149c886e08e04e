//! How quickly an address, route or rule that somebody takes away is put back. Sans I/O.
//!
//! Once is an accident, and is mended within milliseconds. Whoever does it again and again (another network manager, a
//! script of the administrator's) has an opponent that counts, says so, and takes its time: two programs that undo each
//! other's work as fast as they can help nobody. It must never give up, and never hold back what is ordered just now.

use std::collections::HashMap;
use std::time::Duration;

use ipc::core_ipmgr;
use model::{InstanceName, Instant};

use crate::plan::Thing;

/// From so many times on it is told.
const TOLD_FROM: u32 = 2;

/// So often something is put back at once.
const AT_ONCE: u32 = 8;
/// The pause after that; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// What is wanted can be missing for so long because of us, and no longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Whoever leaves it alone for so long has made peace.
const PEACE: Duration = Duration::from_secs(60);
/// The log names the same thing once in so long, and when it begins to wait.
const NAMED_EVERY: Duration = Duration::from_secs(10);

/// What is to be said of something that was put back.
#[derive(Debug)]
pub(crate) struct PutBack {
    /// How often by now.
    pub(crate) count: u32,
    /// The pause until the next time.
    pub(crate) pause: Duration,
    /// It was not named a moment ago.
    pub(crate) is_news: bool,
}

#[derive(Debug)]
struct Feud {
    /// Whose it is; `None` for what stands still.
    instance: Option<InstanceName>,
    /// How often we have put it back.
    count: u32,
    last: Instant,
    /// The same as a clock on the wall shows it.
    last_at: String,
    named: Option<Instant>,
    not_before: Instant,
    /// It is missing, and we hold back.
    waits: bool,
}

/// What somebody takes away.
#[derive(Debug, Default)]
pub(crate) struct Contest {
    feuds: HashMap<Thing, Feud>,
}

impl Contest {
    /// We have put it back.
    pub(crate) fn put_back(
        &mut self,
        instance: Option<&InstanceName>,
        thing: Thing,
        now: Instant,
        wall: String,
    ) -> PutBack {
        self.feuds.retain(|_, feud| now.since(feud.last) < PEACE);
        let feud = self.feuds.entry(thing).or_insert_with(|| Feud {
            instance: instance.cloned(),
            count: 0,
            last: now,
            last_at: String::new(),
            named: None,
            not_before: now,
            waits: false,
        });
        feud.count = feud.count.saturating_add(1);
        let pause = match feud.count.checked_sub(AT_ONCE) {
            None | Some(0) => Duration::ZERO,
            Some(over) => {
                FIRST_PAUSE.saturating_mul(1_u32.checked_shl(over - 1).unwrap_or(u32::MAX)).min(LONGEST_PAUSE)
            }
        };
        (feud.last, feud.last_at) = (now, wall);
        (feud.not_before, feud.waits) = (now + pause, false);
        let begins_to_wait = feud.count == AT_ONCE + 1;
        let is_news = begins_to_wait || feud.named.is_none_or(|named| now.since(named) >= NAMED_EVERY);
        if is_news {
            feud.named = Some(now);
        }
        PutBack { count: feud.count, pause, is_news }
    }

    /// Who takes what away again and again, the most often first; once is an accident, and so is what nobody repeats for a minute.
    pub(crate) fn told(&self, now: Instant) -> Vec<core_ipmgr::Feud> {
        let lasting = |feud: &Feud| feud.count >= TOLD_FROM && now.since(feud.last) < PEACE;
        let lasting = self.feuds.iter().filter(|(_, feud)| lasting(feud));
        let mut told: Vec<core_ipmgr::Feud> = lasting
            .map(|(thing, feud)| core_ipmgr::Feud {
                instance: feud.instance.clone(),
                thing: core_ipmgr::cut(thing.to_string()),
                count: feud.count,
                last: feud.last_at.clone(),
            })
            .collect();
        told.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.thing.cmp(&b.thing)));
        told.truncate(core_ipmgr::MAX_FEUDS);
        told
    }

    /// Another configuration runs: what is not in it is nothing to fight over. Takes whose it is, and what.
    pub(crate) fn forget_all_but(&mut self, is_there: impl Fn(Option<&InstanceName>, &Thing) -> bool) {
        self.feuds.retain(|thing, feud| is_there(feud.instance.as_ref(), thing));
    }

    /// Whether that has to wait. [`Self::next_deadline`] then says for how long.
    pub(crate) fn holds_back(&mut self, thing: &Thing, now: Instant) -> bool {
        let Some(feud) = self.feuds.get_mut(thing) else { return false };
        feud.waits = now < feud.not_before;
        feud.waits
    }

    /// Whether something has waited long enough; says so once.
    pub(crate) fn is_over(&mut self, now: Instant) -> bool {
        let mut over = false;
        for feud in self.feuds.values_mut().filter(|feud| feud.waits && feud.not_before <= now) {
            feud.waits = false;
            over = true;
        }
        over
    }

    /// When the next of those that wait has waited long enough.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.feuds.values().filter(|feud| feud.waits).map(|feud| feud.not_before).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put_back(contest: &mut Contest, thing: Thing, now: Instant) -> (u32, Duration) {
        let PutBack { count, pause, .. } = named(contest, thing, now);
        (count, pause)
    }

    fn named(contest: &mut Contest, thing: Thing, now: Instant) -> PutBack {
        contest.put_back(Some(&InstanceName::new("api_vip").unwrap()), thing, now, String::new())
    }

    fn thing(text: &str) -> Thing {
        Thing::Path(text.to_owned())
    }

    /// D1: back at once, and then ever more slowly, for ever.
    #[test]
    fn who_takes_an_address_again_and_again_waits_for_us_and_nobody_else_does() {
        let (mine, other) = (thing("192.0.2.5"), thing("192.0.2.6"));
        let mut contest = Contest::default();
        let mut now = Instant::from_nanos(1);
        let mut pauses = Vec::new();
        for count in 1..=16 {
            assert!(!contest.holds_back(&mine, now));
            let (counted, pause) = put_back(&mut contest, mine.clone(), now);
            assert_eq!(counted, count);
            if !pause.is_zero() {
                assert!(contest.holds_back(&mine, now) && !contest.holds_back(&other, now));
                assert_eq!(contest.next_deadline(), Some(now + pause));
                assert!(!contest.is_over(now), "not before its time");
            }
            pauses.push(pause.as_millis());
            now = now + pause;
            assert_eq!(contest.is_over(now), !pause.is_zero());
            assert!(!contest.is_over(now), "once");
            assert_eq!(contest.next_deadline(), None);
        }
        assert_eq!(pauses, [0, 0, 0, 0, 0, 0, 0, 0, 100, 200, 400, 800, 1600, 2000, 2000, 2000]);
    }

    #[test]
    fn peace_is_believed_after_a_minute() {
        let mut contest = Contest::default();
        let mut now = Instant::from_nanos(1);
        for _ in 0..100 {
            put_back(&mut contest, thing("192.0.2.5"), now);
        }
        assert!(contest.holds_back(&thing("192.0.2.5"), now));
        now = now + PEACE;
        assert_eq!(put_back(&mut contest, thing("192.0.2.5"), now), (1, Duration::ZERO));
        put_back(&mut contest, thing("192.0.2.6"), now + PEACE);
        assert_eq!(contest.feuds.len(), 1, "what is over is forgotten");
    }
    #[test]
    fn who_fights_over_what_is_told_for_as_long_as_it_lasts() {
        let mut contest = Contest::default();
        let now = Instant::from_nanos(1);
        put_back(&mut contest, thing("192.0.2.5"), now);
        assert_eq!(contest.told(now), [], "an accident");
        for _ in 0..3 {
            put_back(&mut contest, thing("192.0.2.6"), now);
            put_back(&mut contest, thing("192.0.2.5"), now);
        }
        let told: Vec<(String, u32)> =
            contest.told(now).into_iter().map(|feud| (feud.thing, feud.count)).collect();
        assert_eq!(told, [("192.0.2.5".to_owned(), 4), ("192.0.2.6".to_owned(), 3)]);
        assert_eq!(contest.told(now + PEACE), []);
        contest.forget_all_but(|name, _| name.is_some_and(|name| name.as_str() == "api_vip"));
        assert_eq!(contest.told(now).len(), 2);
        contest.forget_all_but(|_, _| false);
        assert_eq!(contest.told(now), [], "the instance is gone");
    }

    #[test]
    fn what_stands_still_is_fought_over_likewise_and_belongs_to_nobody() {
        let mut contest = Contest::default();
        let now = Instant::from_nanos(1);
        for _ in 0..=AT_ONCE {
            contest.put_back(None, thing("10.0.0.0/8"), now, String::new());
        }
        assert!(contest.holds_back(&thing("10.0.0.0/8"), now));
        let told = contest.told(now);
        assert_eq!((told.len(), &told[0].instance, told[0].count), (1, &None, AT_ONCE + 1));
        contest.forget_all_but(|name, what| name.is_none() && *what == thing("10.0.0.0/8"));
        assert_eq!(contest.told(now).len(), 1);
    }

    #[test]
    fn each_thing_is_named_the_first_time_when_it_begins_to_wait_and_now_and_then() {
        let mut contest = Contest::default();
        let now = Instant::from_nanos(1);
        let mut numbers = Vec::new();
        for number in 1..=12 {
            if named(&mut contest, thing("192.0.2.5"), now).is_news {
                numbers.push(number);
            }
        }
        assert_eq!(numbers, [1, AT_ONCE + 1]);
        assert!(named(&mut contest, thing("192.0.2.6"), now).is_news, "each has a first time");
        assert!(named(&mut contest, thing("192.0.2.5"), now + NAMED_EVERY).is_news);
        assert!(!named(&mut contest, thing("192.0.2.5"), now + NAMED_EVERY).is_news);
    }
}
