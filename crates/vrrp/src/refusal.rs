//! An installation that was refused: what was said, and how long it is left alone.
//!
//! Each attempt takes the address from a healthy lower master and loses it again, so a kernel that goes on refusing is asked
//! ever more rarely. It must never wait for what may have been mended: whoever sees another link, another configuration or
//! another ipmgr asks at once, and begins to count anew. RFC 9568 6.4.3 knows no master that has none of its addresses.

use std::time::Duration;

use model::{Instant, LinkFact, MacAddress};

/// How long a refused installation is left alone the first time; each time after it twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// And never longer than this.
const MAX_PAUSE: Duration = Duration::from_secs(300);

/// What of a link can make the difference to a kernel: which one it is, whether it is up, its hardware address.
type Seen = (Option<u32>, bool, Option<MacAddress>);

/// What was refused since an installation last succeeded.
#[derive(Debug)]
pub(crate) struct Refusals {
    current: Option<Refusal>,
    /// How long the next one is left alone.
    pause: Duration,
    /// The link of the last one.
    seen: Option<Seen>,
}

/// The kernel took none of the addresses, or ipmgr did not answer.
#[derive(Debug)]
struct Refusal {
    failures: Vec<String>,
    retry_at: Instant,
}

impl Refusals {
    pub(crate) const fn none() -> Self {
        Self { current: None, pause: FIRST_PAUSE, seen: None }
    }

    /// Once more, or for the first time.
    pub(crate) fn begin(&mut self, now: Instant, failures: Vec<String>, link: Option<&LinkFact>) {
        self.current = Some(Refusal { failures, retry_at: now + self.pause });
        self.pause = self.pause.saturating_mul(2).min(MAX_PAUSE);
        self.seen = link.map(seen);
    }

    /// What was refused on a link that was another one then, or not as it is now, says nothing any more.
    pub(crate) fn look(&mut self, link: Option<&LinkFact>) {
        if self.seen.is_some() && self.seen != link.map(seen) {
            *self = Self::none();
        }
    }

    /// True once, when the pause is over: from then on nothing keeps it from another attempt.
    pub(crate) fn end_pause(&mut self, now: Instant) -> bool {
        self.current.take_if(|refusal| now >= refusal.retry_at).is_some()
    }

    /// What keeps the instance out now, in the kernel's or our own words.
    pub(crate) fn failures(&self) -> Option<&[String]> {
        self.current.as_ref().map(|refusal| refusal.failures.as_slice())
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.current.as_ref().map(|refusal| refusal.retry_at)
    }
}

fn seen(fact: &LinkFact) -> Seen {
    (fact.index, fact.up, fact.mac)
}
