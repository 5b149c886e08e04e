//! The only source of chance: SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
//!
//! One `u64` decides a whole run, on every machine and with every version of every library; that is why no crate
//! is used for it. It must never be seeded from the outside world, and it is no good for secrets.

use std::time::Duration;

/// A stream of numbers that its seed decides.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The stream of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 for a bound of 0. The bias of the remainder is far below what a simulation sees.
    pub const fn below(&mut self, bound: u64) -> u64 {
        match self.bits().checked_rem(bound) {
            Some(number) => number,
            None => 0,
        }
    }

    /// True this often in a thousand. Certain answers draw nothing, so a calm run stays calm when odds are added.
    pub const fn chance(&mut self, per_mille: u16) -> bool {
        per_mille > 0 && self.below(1000) < per_mille as u64
    }

    /// A time from `shortest` to `longest`, both possible.
    pub fn between(&mut self, shortest: Duration, longest: Duration) -> Duration {
        let span = u64::try_from(longest.saturating_sub(shortest).as_nanos()).unwrap_or(u64::MAX - 1);
        if span == 0 { shortest } else { shortest + Duration::from_nanos(self.below(span + 1)) }
    }

    /// One of several, each as likely as the others.
    pub fn pick<T: Copy>(&mut self, first: T, others: &[T]) -> T {
        let count = u64::try_from(others.len()).unwrap_or(u64::MAX - 1) + 1;
        let index = usize::try_from(self.below(count)).unwrap_or(0);
        index.checked_sub(1).and_then(|index| others.get(index)).copied().unwrap_or(first)
    }

    /// Puts the items into an order of its own choice (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let bound = u64::try_from(last).unwrap_or(u64::MAX - 1) + 1;
            items.swap(last, usize::try_from(self.below(bound)).unwrap_or(last));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_published_generator() {
        // The reference implementation's first numbers for seed 1234567.
        let mut rng = Rng::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| rng.bits()).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn keeps_its_bounds() {
        let mut rng = Rng::new(7);
        let (short, long) = (Duration::from_millis(2), Duration::from_millis(3));
        for _ in 0..1000 {
            assert!(rng.below(3) < 3);
            let time = rng.between(short, long);
            assert!(time >= short && time <= long, "{time:?}");
            assert!([1, 2, 3].contains(&rng.pick(1, &[2, 3])));
        }
        assert_eq!(rng.below(0), 0);
        assert!(!rng.chance(0));
        assert!(rng.chance(1000));
    }
}
