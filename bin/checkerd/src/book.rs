//! What checkerd remembers of each check beside its verdict, for people: causes, times, output.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use checks::{CheckConfig, CheckId, Checks, Outcome};
use config::{Check, Config};
use model::{Cause, CheckName, Instant, Verdict};
use runner::{Finished, quoted};

/// One check and what is remembered of it.
#[derive(Debug)]
pub(crate) struct Page {
    /// As configured.
    pub(crate) check: Check,
    /// What the verdict rests on.
    pub(crate) cause: Cause,
    /// Since when, RFC 3339 in UTC.
    pub(crate) since: String,
    /// The end of what the last run wrote.
    pub(crate) last_output: String,
    /// Milliseconds that the last run took.
    pub(crate) last_duration_ms: Option<u64>,
    /// Why it can't be run, if that has been told and is still so.
    told: Option<String>,
}

impl Page {
    /// Nothing has been run.
    fn new(check: &Check, now: &str) -> Self {
        Self {
            check: check.clone(),
            cause: Cause { code: "check-not-run".to_owned(), text: "no result yet".to_owned() },
            since: now.to_owned(),
            last_output: String::new(),
            last_duration_ms: None,
            told: None,
        }
    }

    /// For the schedule.
    const fn config(&self) -> CheckConfig {
        CheckConfig { interval: self.check.interval, rise: self.check.rise, fall: self.check.fall }
    }
}

/// All checks, by number.
#[derive(Debug)]
pub(crate) struct Book {
    pages: BTreeMap<CheckId, Page>,
    /// As in the configuration.
    order: Vec<CheckId>,
}

impl Book {
    /// Nothing has been run; `now` is a time of day.
    pub(crate) fn new(config: &Config, now: &str) -> Self {
        let pages = config.checks.iter().enumerate();
        let pages = pages.map(|(number, check)| (CheckId(number), Page::new(check, now))).collect();
        Self { pages, order: (0..config.checks.len()).map(CheckId).collect() }
    }

    /// For the schedule, in the same order.
    pub(crate) fn configs(&self) -> Vec<CheckConfig> {
        self.pages().map(|(_, page)| page.config()).collect()
    }

    /// Another configuration: checks that are run as before keep their number and all that is known of them. Others are
    /// scheduled anew. Gives those that are removed; `now` is a time of day, too.
    pub(crate) fn reconfigure(
        &mut self,
        config: &Config,
        (checks, at): (&mut Checks, Instant),
        now: &str,
        same: impl Fn(&Check, &Check) -> bool,
    ) -> Vec<CheckId> {
        let known: HashMap<CheckName, CheckId> =
            self.pages.iter().map(|(id, page)| (page.check.name.clone(), *id)).collect();
        let mut before = std::mem::take(&mut self.pages);
        self.order.clear();
        for check in &config.checks {
            let kept = known
                .get(&check.name)
                .and_then(|id| before.get(id).is_some_and(|page| same(&page.check, check)).then_some(*id));
            let (id, page) = match kept.and_then(|id| Some((id, before.remove(&id)?))) {
                // Where it stands and what it weighs may have changed all the same.
                Some((id, page)) => (id, Page { check: check.clone(), ..page }),
                None => {
                    let page = Page::new(check, now);
                    (checks.add(at, &page.config()), page)
                }
            };
            self.order.push(id);
            self.pages.insert(id, page);
        }
        before.keys().for_each(|id| checks.remove(*id));
        before.into_keys().collect()
    }

    /// Every check with its number, in the order of the configuration.
    pub(crate) fn pages(&self) -> impl Iterator<Item = (CheckId, &Page)> {
        self.order.iter().filter_map(|id| Some((*id, self.pages.get(id)?)))
    }

    /// One check.
    pub(crate) fn page(&self, check: CheckId) -> Option<&Page> {
        self.pages.get(&check)
    }

    /// The verdict changed.
    pub(crate) fn on_verdict(&mut self, check: CheckId, verdict: Verdict, mut cause: Cause, now: String) {
        if let Some(page) = self.pages.get_mut(&check) {
            if cause.code == "check-timed-out" {
                cause.text += &limit(&page.check);
            }
            match verdict {
                Verdict::Up => log::info!("check {} is up: {cause}", page.check.name),
                // Told a moment ago, when it was tried.
                Verdict::Unrunnable if page.told.as_ref() == Some(&cause.text) => {}
                Verdict::Down | Verdict::Unknown | Verdict::Unrunnable => {
                    log::warn!(
                        "check {} is {verdict}: {cause}{}",
                        page.check.name,
                        quoted(&page.last_output)
                    );
                }
            }
            page.cause = cause;
            page.since = now;
        }
    }

    /// A run ended.
    pub(crate) fn on_finished(&mut self, check: CheckId, finished: Finished) {
        if let Some(page) = self.pages.get_mut(&check) {
            page.last_output = finished.output;
            page.last_duration_ms = Some(millis(finished.took));
            page.told = None;
        }
    }

    /// A probe is over, or a script couldn't be started. What can't be run is told once, and not again at each interval
    /// until something else is so.
    pub(crate) fn on_answer(&mut self, check: CheckId, outcome: &Outcome, took: Duration) {
        let Some(page) = self.pages.get_mut(&check) else { return };
        page.last_output.clear();
        let Outcome::CannotRun(why) = outcome else {
            page.last_duration_ms = Some(millis(took));
            page.told = None;
            return;
        };
        page.last_duration_ms = None;
        if page.told.as_ref() != Some(why) {
            log::warn!("check {} can't be run: {why}", page.check.name);
            page.told = Some(why.clone());
        }
    }
}

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What a run that timed out had, and where that comes from: a check that is slower than its interval is a common surprise.
fn limit(check: &Check) -> String {
    let whose = if check.given.at("timeout").is_none() {
        "; that is the interval: no `timeout` is given"
    } else {
        ""
    };
    format!(" (after {:?}{whose})", check.timeout)
}
