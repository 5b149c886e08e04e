//! Letters that wait for the server: one at a time, the oldest first, tried again ever more rarely. Sans I/O.
//!
//! What it must never do: grow, or keep trying without a pause. When it is full the oldest letter is lost, and what is too
//! old to be news is lost, too; each is counted.

use std::collections::VecDeque;
use std::time::Duration;

use model::Instant;

use super::letter::Letter;

/// Letters that wait, a kilobyte each.
pub(crate) const MAX_WAITING: usize = 1000;
/// From a failure to the next attempt, at first; twice that after the next failure, and so on.
pub(crate) const FIRST_RETRY: Duration = Duration::from_secs(5);
/// The longest pause.
pub(crate) const LAST_RETRY: Duration = Duration::from_secs(300);
/// How long a letter is tried.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(4 * 3600);

/// What has become of letters so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Handed in, to one recipient at least.
    pub(crate) sent: u64,
    /// Refused by the server for good.
    pub(crate) refused: u64,
    /// The queue was full, or closed.
    pub(crate) dropped: u64,
    /// Tried for [`MAX_AGE`].
    pub(crate) expired: u64,
}

/// All letters.
#[derive(Debug)]
pub(crate) struct Queue {
    /// Each with when it is too old.
    waiting: VecDeque<(Letter, Instant)>,
    under_way: Option<(Letter, Instant)>,
    try_at: Instant,
    pause: Duration,
    tally: Tally,
    /// Other letters wait than when somebody asked.
    is_changed: bool,
}

impl Queue {
    /// Empty.
    pub(crate) const fn new() -> Self {
        let tally = Tally { sent: 0, refused: 0, dropped: 0, expired: 0 };
        Self {
            waiting: VecDeque::new(),
            under_way: None,
            try_at: Instant::ZERO,
            pause: FIRST_RETRY,
            tally,
            is_changed: false,
        }
    }

    /// One more, which was written so long ago. False if the oldest had to go for it.
    pub(crate) fn put(&mut self, letter: Letter, age: Duration, now: Instant) -> bool {
        self.is_changed = true;
        self.waiting.push_back((letter, now + MAX_AGE.saturating_sub(age)));
        self.make_room()
    }

    /// All letters in their order, if they are others than when this was last asked.
    pub(crate) fn changed(&mut self) -> Option<impl Iterator<Item = &Letter>> {
        let all = self.under_way.iter().chain(&self.waiting).map(|(letter, _)| letter);
        std::mem::take(&mut self.is_changed).then_some(all)
    }

    fn make_room(&mut self) -> bool {
        let fits = self.waiting.len() <= MAX_WAITING;
        if !fits {
            self.is_changed = true;
            self.waiting.pop_front();
            self.tally.dropped = self.tally.dropped.saturating_add(1);
        }
        fits
    }

    /// The letter to hand in now, if it is time to; answered by one of the three below.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<&Letter> {
        if self.under_way.is_some() || self.try_at > now {
            return None;
        }
        while self.waiting.front().is_some_and(|(_, until)| *until <= now) {
            self.is_changed = true;
            self.waiting.pop_front();
            self.tally.expired = self.tally.expired.saturating_add(1);
        }
        self.under_way = self.waiting.pop_front();
        self.under_way()
    }

    /// The letter that is being handed in.
    pub(crate) fn under_way(&self) -> Option<&Letter> {
        self.under_way.as_ref().map(|(letter, _)| letter)
    }

    /// The server has it.
    pub(crate) fn sent(&mut self) {
        self.done();
        self.tally.sent = self.tally.sent.saturating_add(1);
    }

    /// The server doesn't want it, now or ever.
    pub(crate) fn refused(&mut self) {
        self.done();
        self.tally.refused = self.tally.refused.saturating_add(1);
    }

    fn done(&mut self) {
        (self.under_way, self.pause, self.is_changed) = (None, FIRST_RETRY, true);
    }

    /// It couldn't be handed in this time.
    pub(crate) fn failed(&mut self, now: Instant) {
        self.try_at = now + self.pause;
        self.pause = (self.pause * 2).min(LAST_RETRY);
        if let Some(letter) = self.under_way.take() {
            self.waiting.push_front(letter);
            self.make_room();
        }
    }

    /// The server may be another one now.
    pub(crate) fn hurry(&mut self, now: Instant) {
        (self.try_at, self.pause) = (now, FIRST_RETRY);
    }

    /// There is no server any more: what waits is lost. How much that is.
    pub(crate) fn clear(&mut self) -> usize {
        let lost = self.waiting.len();
        self.waiting.clear();
        self.is_changed = true;
        self.tally.dropped = self.tally.dropped.saturating_add(u64::try_from(lost).unwrap_or(u64::MAX));
        lost
    }

    /// When to call [`Self::poll`].
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        (self.under_way.is_none() && !self.waiting.is_empty()).then_some(self.try_at)
    }

    /// How many wait or are under way.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + usize::from(self.under_way.is_some())
    }

    /// What has become of the others.
    pub(crate) const fn tally(&self) -> Tally {
        self.tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(number: usize) -> Letter {
        Letter { id: number.to_string(), date: 0, subject: String::new(), body: String::new() }
    }

    #[test]
    fn one_at_a_time_in_their_order() {
        let (mut queue, now) = (Queue::new(), Instant::ZERO);
        assert!(queue.put(letter(1), Duration::ZERO, now) && queue.put(letter(2), Duration::ZERO, now));
        assert_eq!(queue.poll(now).map(|it| it.id.as_str()), Some("1"));
        assert_eq!(queue.poll(now), None, "the first is under way");
        queue.refused();
        assert_eq!(queue.poll(now).map(|it| it.id.as_str()), Some("2"));
        queue.sent();
        assert_eq!((queue.len(), queue.next_deadline()), (0, None));
        assert_eq!(queue.tally(), Tally { sent: 1, refused: 1, dropped: 0, expired: 0 });
    }

    #[test]
    fn what_waits_is_told_in_its_order_when_it_is_other_than_before() {
        let (mut queue, now) = (Queue::new(), Instant::ZERO);
        let changed = |queue: &mut Queue| {
            Some(queue.changed()?.map(|letter| letter.id.clone()).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(changed(&mut queue), None);
        for number in 1..=3 {
            queue.put(letter(number), Duration::ZERO, now);
        }
        assert_eq!(changed(&mut queue).as_deref(), Some("1 2 3"));
        queue.poll(now);
        queue.failed(now);
        assert_eq!(changed(&mut queue), None, "it was tried, and waits as before");
        let now = queue.next_deadline().unwrap();
        queue.poll(now);
        queue.put(letter(4), Duration::ZERO, now);
        assert_eq!(changed(&mut queue).as_deref(), Some("1 2 3 4"));
        queue.sent();
        assert_eq!(changed(&mut queue).as_deref(), Some("2 3 4"));
        queue.clear();
        assert_eq!(changed(&mut queue).as_deref(), Some(""));
    }

    #[test]
    fn who_has_waited_before_waits_for_the_rest() {
        let (mut queue, now) = (Queue::new(), Instant::ZERO);
        let second = Duration::from_secs(1);
        queue.put(letter(1), MAX_AGE - second, now);
        queue.put(letter(2), MAX_AGE * 2, now);
        assert!(queue.poll(now).is_some());
        queue.failed(now);
        assert_eq!(queue.poll(now + LAST_RETRY), None);
        assert_eq!((queue.tally().expired, queue.len()), (2, 0));
    }

    #[test]
    fn attempts_get_rarer_and_end() {
        let mut queue = Queue::new();
        queue.put(letter(1), Duration::ZERO, Instant::ZERO);
        let (mut now, mut pauses) = (Instant::ZERO, Vec::new());
        while queue.poll(now).is_some() {
            queue.failed(now);
            let next = queue.next_deadline().unwrap();
            assert_eq!(queue.poll(now), None, "not before its time");
            pauses.push(next.since(now));
            now = next;
        }
        assert!(
            pauses.is_sorted() && pauses[0] == FIRST_RETRY && pauses.last() == Some(&LAST_RETRY),
            "{pauses:?}"
        );
        assert!(pauses.len() < 60 && now.since(Instant::ZERO) >= MAX_AGE, "{pauses:?}");
        assert_eq!((queue.tally().expired, queue.len()), (1, 0));
    }

    #[test]
    fn success_and_another_server_end_the_pause() {
        let (mut queue, now) = (Queue::new(), Instant::ZERO);
        queue.put(letter(1), Duration::ZERO, now);
        queue.poll(now);
        queue.failed(now);
        queue.hurry(now);
        assert!(queue.poll(now).is_some());
        queue.sent();
        queue.put(letter(2), Duration::ZERO, now);
        assert!(queue.poll(now).is_some());
    }

    #[test]
    fn the_oldest_goes_when_it_is_full() {
        let (mut queue, now) = (Queue::new(), Instant::ZERO);
        assert!((0..MAX_WAITING).all(|number| queue.put(letter(number), Duration::ZERO, now)));
        queue.poll(now);
        assert!(queue.put(letter(MAX_WAITING), Duration::ZERO, now), "one is under way");
        assert!(!queue.put(letter(MAX_WAITING + 1), Duration::ZERO, now));
        queue.failed(now);
        assert_eq!((queue.len(), queue.tally().dropped), (MAX_WAITING, 2));
        assert_eq!(queue.clear(), MAX_WAITING);
        assert_eq!(queue.len(), 0);
    }
}
