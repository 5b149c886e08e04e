//! What the tests of several modules need: chance that can be repeated, and a directory. Only compiled for tests.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// Longer than anything takes on a busy machine; only a failing test waits this long.
pub(crate) const LONG: std::time::Duration = std::time::Duration::from_secs(20);

/// Repeatable numbers (SplitMix64, Steele et al. 2014). `SEED=n` repeats a run; its `Display` says which.
pub(crate) struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    pub(crate) fn from_environment() -> Self {
        let seed = match std::env::var("SEED") {
            Ok(text) => text.parse().expect("SEED is a number"),
            Err(_) => sys::clock::now().as_nanos(),
        };
        Self { seed, state: seed }
    }

    /// 0 up to, but not including, `bound`; 0 for a bound of 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let z = z ^ (z >> 31);
        usize::try_from(z % (bound.max(1) as u64)).unwrap()
    }
}

impl fmt::Display for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "repeat with SEED={}", self.seed)
    }
}

/// A directory of the test's own, removed with all that is in it.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("handover-reactor.{}.{count}", std::process::id()));
        std::fs::create_dir(&path).expect("a name that nobody else uses");
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).expect("our own directory");
    }
}
