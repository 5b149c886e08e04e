//! Announcements that wait: for their turn, for the distance to the one before (`vrrp_garp_interval`, `vrrp_gna_interval`),
//! or for a link that takes them.
//!
//! Some switches drop ARP that comes in bursts. So each link has two lanes, one for gratuitous ARP and one for neighbour
//! advertisements, and in each lane one announcement goes at a time. What the kernel doesn't take (a full queue, a link that
//! is down) goes first when it is tried again, for as long as it is true: a neighbour who was never told sends to the old
//! master. An address that was not announced yet goes before any that was, and repetitions keep to a rate: while thousands of
//! addresses come into place, the first word about each is what its neighbours wait for. It must never sleep, send or hold up anything else: it says what may go now and when the next may. What has become
//! untrue while it waited is dropped: to announce an address that has moved on would take it away from its new master. Read
//! RFC 9568 6.4.2 first.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use config::Pacing;
use model::{Family, Instant};
use vrrp::InstanceId;

use crate::setup::CarrierId;

/// How often one address may be waiting. Whoever asks for more than the distance lets through gets the distance.
const MAX_WAITING: u16 = 255;
/// How soon a lane is tried again whose announcement was not taken: about as long as a full queue of a 100 Mbit/s link lasts.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// Each further failure doubles the pause, up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// So many repetitions of a lane may follow one another, and then it rests that long: as many as all addresses of most
/// instances need at once, and 16,000 a second.
const BURST: u8 = 16;
const REST: Duration = Duration::from_millis(1);

/// A link, and ARP or neighbour advertisements.
pub(crate) type LaneId = (CarrierId, Family);

/// One address to be announced: whose, and its place among that instance's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Announcement {
    pub(crate) instance: InstanceId,
    pub(crate) place: usize,
}

/// What waits, on all links.
#[derive(Debug)]
pub(crate) struct Pacer {
    distances: Pacing,
    lanes: HashMap<LaneId, Lane>,
    /// The lanes in which something waits, by the time when it may go.
    due: BTreeSet<(Instant, LaneId)>,
}

#[derive(Debug)]
struct Lane {
    /// What goes for the first time, each once.
    first: VecDeque<Announcement>,
    /// What went already and is to go again, each once; who has still more to come goes to the end.
    again: VecDeque<Announcement>,
    /// How often each is to be announced.
    counts: HashMap<Announcement, u16>,
    /// When the distance to the last one is kept, and when what was not taken is tried again.
    free_at: Instant,
    /// When repetitions go on, and how many went since they rested.
    again_at: Instant,
    burst: u8,
    /// Its entry in [`Pacer::due`].
    due: Option<Instant>,
    /// The last one was not taken, and this was the pause after it.
    pause: Option<Duration>,
    /// How often one was not taken.
    failures: u64,
}

impl Pacer {
    /// Nothing waits.
    pub(crate) fn new(distances: Pacing) -> Self {
        Self { distances, lanes: HashMap::new(), due: BTreeSet::new() }
    }

    /// The least time between two announcements of that kind; zero for none.
    const fn distance(&self, family: Family) -> Duration {
        match family {
            Family::V4 => self.distances.arp,
            Family::V6 => self.distances.neighbour,
        }
    }

    /// Adds one at the end of a lane, to be sent so many times.
    pub(crate) fn push(&mut self, id: LaneId, what: Announcement, times: u8, now: Instant) {
        let lane = self.lanes.entry(id).or_insert_with(|| Lane {
            first: VecDeque::new(),
            again: VecDeque::new(),
            counts: HashMap::new(),
            free_at: now,
            again_at: now,
            burst: 0,
            due: None,
            pause: None,
            failures: 0,
        });
        if lane.due.is_none() {
            lane.free_at = lane.free_at.max(now);
        }
        lane.push(what, times.into());
        lane.arrange(id, &mut self.due);
    }

    /// Takes out what may go now, if it still `holds`. Whether it went has to be told.
    pub(crate) fn pop(
        &mut self,
        now: Instant,
        holds: impl Fn(Announcement) -> bool,
    ) -> Option<(LaneId, Announcement)> {
        loop {
            let (at, id) = *self.due.first()?;
            if at > now {
                return None;
            }
            let distance = self.distance(id.1);
            let lane = self.lanes.get_mut(&id)?;
            let next = lane.pop(now, &holds);
            if next.is_some() {
                // What was dropped was not sent, and costs the next one nothing.
                lane.free_at = now + distance;
            }
            lane.arrange(id, &mut self.due);
            if let Some(what) = next {
                return Some((id, what));
            }
        }
    }

    /// What was taken out of that lane went.
    pub(crate) fn sent(&mut self, id: LaneId) {
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.pause = None;
        }
    }

    /// What was taken out of that lane didn't go: it is the next, after a pause. How often that has happened there.
    pub(crate) fn failed(&mut self, id: LaneId, what: Announcement, now: Instant) -> u64 {
        let Some(lane) = self.lanes.get_mut(&id) else { return 0 };
        lane.failures = lane.failures.saturating_add(1);
        let pause = lane.pause.map_or(FIRST_PAUSE, |pause| pause.saturating_mul(2).min(LONGEST_PAUSE));
        lane.pause = Some(pause);
        lane.free_at = now + pause;
        lane.put_back(what);
        lane.arrange(id, &mut self.due);
        lane.failures
    }

    /// Another configuration runs: what waits goes on waiting by its new numbers, or is dropped if it has none.
    pub(crate) fn renumber(
        &mut self,
        distances: Pacing,
        carrier: impl Fn(CarrierId) -> Option<CarrierId>,
        announcement: impl Fn(Announcement) -> Option<Announcement>,
    ) {
        self.distances = distances;
        self.due.clear();
        let lanes = std::mem::take(&mut self.lanes).into_iter();
        self.lanes = lanes
            .filter_map(|((id, family), lane)| {
                let renumbered =
                    |queue: &VecDeque<_>| queue.iter().copied().filter_map(&announcement).collect();
                let (first, again) = (renumbered(&lane.first), renumbered(&lane.again));
                let counts = lane.counts.iter();
                let counts = counts.filter_map(|(it, count)| Some((announcement(*it)?, *count))).collect();
                Some(((carrier(id)?, family), Lane { first, again, counts, due: None, ..lane }))
            })
            .collect();
        for (id, lane) in &mut self.lanes {
            lane.arrange(*id, &mut self.due);
        }
    }

    /// When the next may go; `None` if nothing waits.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }
}

impl Lane {
    fn push(&mut self, what: Announcement, times: u16) {
        if times == 0 {
            return;
        }
        let count = self.counts.entry(what).or_default();
        if *count == 0 {
            self.first.push_back(what);
        }
        *count = count.saturating_add(times).min(MAX_WAITING);
    }

    /// As if it had not been popped.
    fn put_back(&mut self, what: Announcement) {
        let count = self.counts.entry(what).or_default();
        if *count > 0 {
            // It has more to come, and waits at the end for that.
            self.again.retain(|other| *other != what);
        }
        *count = count.saturating_add(1).min(MAX_WAITING);
        self.first.push_front(what);
    }

    fn pop(&mut self, now: Instant, holds: impl Fn(Announcement) -> bool) -> Option<Announcement> {
        loop {
            let fresh = self.first.pop_front();
            let what = match fresh {
                Some(what) => what,
                None if self.again_at <= now => self.again.pop_front()?,
                None => return None,
            };
            let left = self.counts.remove(&what).unwrap_or_default().saturating_sub(1);
            if !holds(what) {
                continue;
            }
            if left > 0 {
                self.counts.insert(what, left);
                self.again.push_back(what);
            }
            if fresh.is_none() {
                self.repeated(now);
            }
            return Some(what);
        }
    }

    fn repeated(&mut self, now: Instant) {
        self.burst = self.burst.saturating_add(1);
        if self.burst >= BURST {
            self.burst = 0;
            self.again_at = now + REST;
        }
    }

    /// Notes when it may be popped next.
    fn arrange(&mut self, id: LaneId, due: &mut BTreeSet<(Instant, LaneId)>) {
        if let Some(at) = self.due.take() {
            due.remove(&(at, id));
        }
        self.due = match (self.first.is_empty(), self.again.is_empty()) {
            (false, _) => Some(self.free_at),
            (true, false) => Some(self.free_at.max(self.again_at)),
            (true, true) => None,
        };
        due.extend(self.due.map(|at| (at, id)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARP: LaneId = (CarrierId(0), Family::V4);
    const OTHER_LINK: LaneId = (CarrierId(1), Family::V4);
    const NA: LaneId = (CarrierId(0), Family::V6);

    const fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    const fn of(instance: usize, place: usize) -> Announcement {
        Announcement { instance: InstanceId(instance), place }
    }

    fn pacer() -> Pacer {
        Pacer::new(Pacing { arp: Duration::from_millis(10), neighbour: Duration::from_millis(100) })
    }

    /// All that goes out from `now` on, with its time in milliseconds, when the loop wakes at the deadlines.
    fn run(pacer: &mut Pacer, mut now: Instant) -> Vec<(u64, Announcement)> {
        let mut gone = Vec::new();
        while let Some(deadline) = pacer.next_deadline() {
            now = now.max(deadline);
            while let Some((_, what)) = pacer.pop(now, |_| true) {
                gone.push((u64::try_from(now.since(Instant::ZERO).as_millis()).unwrap(), what));
            }
        }
        gone
    }

    #[test]
    fn another_configuration_keeps_what_waits_under_its_new_numbers() {
        let mut pacer = pacer();
        for place in 0..3 {
            pacer.push(ARP, of(0, place), 1, at(5));
        }
        pacer.push(ARP, of(1, 0), 1, at(5));
        pacer.push(OTHER_LINK, of(1, 1), 1, at(5));
        assert_eq!(pacer.pop(at(5), |_| true), Some((ARP, of(0, 0))));
        // The first link is the second now, the other is gone; so are an address and an instance.
        let faster = Pacing { arp: Duration::from_millis(1), neighbour: Duration::ZERO };
        let announcement = |it: Announcement| (it.instance.0 == 0 && it.place == 2).then_some(of(7, 0));
        let carrier = |CarrierId(id)| (id == 0).then_some(CarrierId(1));
        pacer.renumber(faster, carrier, announcement);
        assert_eq!(run(&mut pacer, at(5)), [(15, of(7, 0))], "the distance that was kept is kept");
    }

    #[test]
    fn the_first_goes_at_once_and_the_others_keep_their_distance() {
        let mut pacer = pacer();
        for place in [0, 1, 0, 1] {
            pacer.push(ARP, of(0, place), 1, at(5));
        }
        // The distance is to the one before, however late that was; and no address twice before each is once.
        let gone = run(&mut pacer, at(5));
        assert_eq!(gone, [(5, of(0, 0)), (15, of(0, 1)), (25, of(0, 0)), (35, of(0, 1))]);
        pacer.push(ARP, of(0, 0), 1, at(36));
        assert_eq!(pacer.next_deadline(), Some(at(45)), "also to one that left the lane empty");
        assert_eq!(run(&mut pacer, at(60)), [(60, of(0, 0))]);
        pacer.push(ARP, of(0, 0), 1, at(200));
        assert_eq!(pacer.next_deadline(), Some(at(200)));
    }

    #[test]
    fn links_and_kinds_do_not_wait_for_each_other() {
        let mut pacer = pacer();
        for lane in [ARP, OTHER_LINK, NA, ARP, NA] {
            pacer.push(lane, of(0, lane.0.0), 1, at(0));
        }
        let times: Vec<u64> = run(&mut pacer, at(0)).into_iter().map(|(ms, _)| ms).collect();
        assert_eq!(times, [0, 0, 0, 10, 100]);
    }

    #[test]
    fn what_is_no_longer_true_is_dropped_and_costs_nothing() {
        let mut pacer = pacer();
        for what in [of(0, 0), of(0, 0), of(0, 1), of(1, 0)] {
            pacer.push(ARP, what, 1, at(0));
        }
        assert_eq!(pacer.pop(at(0), |it| it.instance.0 == 1), Some((ARP, of(1, 0))));
        assert_eq!((pacer.pop(at(1000), |_| true), pacer.next_deadline()), (None, None));
        pacer.push(ARP, of(0, 0), 1, at(1000));
        assert_eq!(pacer.pop(at(1000), |_| false), None);
        assert_eq!(pacer.next_deadline(), None);
    }

    #[test]
    fn whoever_asks_for_too_much_gets_the_distance() {
        let mut pacer = pacer();
        for _ in 0..100_000 {
            pacer.push(ARP, of(0, 0), 1, at(0));
        }
        assert_eq!(run(&mut pacer, at(0)).len(), usize::from(MAX_WAITING));
    }

    #[test]
    fn what_is_not_taken_is_the_next_after_a_pause_and_costs_no_other_lane_anything() {
        let mut pacer = Pacer::new(Pacing { arp: Duration::ZERO, neighbour: Duration::ZERO });
        for what in [of(0, 0), of(0, 0), of(0, 1)] {
            pacer.push(ARP, what, 1, at(0));
        }
        pacer.push(NA, of(0, 2), 1, at(0));
        assert_eq!(pacer.pop(at(0), |_| true), Some((ARP, of(0, 0))));
        assert_eq!(pacer.failed(ARP, of(0, 0), at(0)), 1);
        assert_eq!(pacer.pop(at(0), |_| true), Some((NA, of(0, 2))));
        pacer.sent(NA);
        let mut now = at(0);
        for (pause, failures) in [(1, 2), (2, 3), (4, 4), (8, 5)] {
            assert_eq!(pacer.next_deadline(), Some(now + Duration::from_millis(pause)));
            now = now + Duration::from_millis(pause);
            assert_eq!(pacer.pop(now, |_| true), Some((ARP, of(0, 0))));
            assert_eq!(pacer.failed(ARP, of(0, 0), now), failures);
        }
        now = now + LONGEST_PAUSE;
        assert_eq!(pacer.pop(now, |_| true), Some((ARP, of(0, 0))));
        pacer.sent(ARP);
        let rest: Vec<Announcement> = run(&mut pacer, now).into_iter().map(|(_, what)| what).collect();
        assert_eq!(rest, [of(0, 1), of(0, 0)], "as often as it was wanted");
    }

    #[test]
    fn what_is_never_taken_is_tried_once_in_a_second_as_long_as_it_holds() {
        let mut pacer = pacer();
        pacer.push(ARP, of(0, 0), 1, at(0));
        let (mut now, mut tries) = (at(0), 0);
        while now < at(60_000) {
            let (lane, what) = pacer.pop(now, |_| true).unwrap();
            pacer.failed(lane, what, now);
            tries += 1;
            now = pacer.next_deadline().unwrap();
        }
        assert!((60..=75).contains(&tries), "{tries}");
        assert_eq!((pacer.pop(now, |_| false), pacer.next_deadline()), (None, None));
    }

    #[test]
    fn the_first_word_about_an_address_goes_before_any_second_one() {
        let mut pacer = Pacer::new(Pacing { arp: Duration::ZERO, neighbour: Duration::ZERO });
        for place in 0..40 {
            pacer.push(ARP, of(0, place), 2, at(0));
        }
        let now = at(0);
        for place in 0..40 {
            assert_eq!(pacer.pop(now, |_| true), Some((ARP, of(0, place))));
        }
        for place in 0..usize::from(BURST) {
            assert_eq!(pacer.pop(now, |_| true), Some((ARP, of(0, place))));
        }
        assert_eq!(
            (pacer.pop(now, |_| true), pacer.next_deadline()),
            (None, Some(now + REST)),
            "repetitions rest"
        );
        pacer.push(ARP, of(1, 0), 1, now);
        assert_eq!(pacer.pop(now, |_| true), Some((ARP, of(1, 0))), "and nobody else does");
        let rest = run(&mut pacer, now);
        let times: Vec<u64> = rest.iter().map(|(ms, _)| *ms).collect();
        assert_eq!((times.len(), times[0], times[times.len() - 1]), (24, 1, 2));
    }
}
