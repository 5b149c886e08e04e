//! An installation that was refused: what was said, how long it is left alone, and whom it leaves alone.
//!
//! Each attempt takes the address from a healthy lower master and loses it again. So until one succeeds, or what was refused may
//! have been mended, nobody is preempted; whoever falls silent is succeeded as ever, since then there is nothing to lose. It must
//! never wait for what may have been mended: whoever sees another link, another configuration or another ipmgr, or hears that
//! it was, asks at once, and begins to count anew. RFC 9568 6.4.3 knows no master that has none of its addresses.

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
    /// In the kernel's or our own words; none if nothing was.
    failures: Vec<String>,
    /// Until then it isn't tried again.
    retry_at: Option<Instant>,
    /// How long the next one is left alone.
    pause: Duration,
    /// The link of the last one.
    seen: Option<Seen>,
    /// There is no use in trying.
    barred: bool,
    /// Whether to leave alone who is master.
    shy: bool,
    /// When an ipmgr that had not answered was asked for something else.
    asked_at: Option<Instant>,
}

/// Who refused.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The kernel took none of the addresses, in its words.
    Kernel(Vec<String>),
    /// ipmgr did not answer for this long.
    Silence(Duration),
}

impl Refusals {
    pub(crate) const fn none() -> Self {
        Self {
            failures: Vec::new(),
            retry_at: None,
            pause: FIRST_PAUSE,
            seen: None,
            barred: false,
            shy: false,
            asked_at: None,
        }
    }

    /// Once more, or for the first time. An ipmgr that was silent is asked to withdraw at the same moment.
    pub(crate) fn begin(&mut self, now: Instant, refusal: Refusal, link: Option<&LinkFact>) {
        (self.failures, self.asked_at) = match refusal {
            Refusal::Kernel(failures) => (failures, None),
            Refusal::Silence(limit) => (vec![format!("ipmgr did not answer within {limit:?}")], Some(now)),
        };
        self.barred = false;
        self.retry_at = Some(now + self.pause);
        self.pause = self.pause.saturating_mul(2).min(MAX_PAUSE);
        self.seen = link.map(seen);
        self.shy = true;
    }

    /// An installation would be refused for certain, until somebody says otherwise.
    pub(crate) fn bar(&mut self, why: &str) {
        *self = Self { failures: vec![why.to_owned()], barred: true, ..Self::none() };
    }

    /// What was refused on a link that was another one then, or not as it is now, says nothing any more.
    pub(crate) fn look(&mut self, link: Option<&LinkFact>) {
        if self.seen.is_some() && self.seen != link.map(seen) {
            *self = Self::none();
        }
    }

    /// ipmgr has withdrawn what it was asked to. Whoever does that within the `limit` for an installation may be asked for one
    /// again. True if it was late, and has to be asked once more.
    pub(crate) fn is_late(&mut self, now: Instant, limit: Duration) -> bool {
        let Some(asked_at) = self.asked_at else { return false };
        if now <= asked_at + limit {
            (self.shy, self.asked_at) = (false, None);
            false
        } else {
            self.asked_at = Some(now);
            true
        }
    }

    /// True once, when the pause is over: from then on nothing keeps it from another attempt.
    pub(crate) fn end_pause(&mut self, now: Instant) -> bool {
        self.retry_at.take_if(|retry_at| now >= *retry_at).is_some()
    }

    /// What keeps the instance out now, in the kernel's or our own words.
    pub(crate) fn failures(&self) -> Option<&[String]> {
        (self.barred || self.retry_at.is_some()).then_some(self.failures.as_slice())
    }

    /// What was refused and hasn't succeeded since, for people to read.
    pub(crate) fn view(&self) -> impl Iterator<Item = String> {
        let shy = self.shy && self.retry_at.is_none();
        self.failures.iter().cloned().chain(shy.then(|| {
            "it preempts nobody until that has succeeded; once the cause is mended, undrain has it try at once".to_owned()
        }))
    }

    /// Whether whoever is master is to be left alone, since the addresses would only be lost.
    pub(crate) const fn is_shy(&self) -> bool {
        self.shy
    }

    pub(crate) const fn deadline(&self) -> Option<Instant> {
        self.retry_at
    }
}

fn seen(fact: &LinkFact) -> Seen {
    (fact.index, fact.up, fact.mac)
}
