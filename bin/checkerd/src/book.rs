//! What checkerd remembers of each check beside its verdict, for people: causes, times, output.

use std::time::Duration;

use checks::{CheckConfig, CheckId, Outcome};
use config::{Check, Config};
use model::{Cause, Verdict};
use runner::Finished;

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

/// All checks, by number.
#[derive(Debug)]
pub(crate) struct Book {
    pages: Vec<Page>,
}

impl Book {
    /// Nothing has been run; `now` is a time of day.
    pub(crate) fn new(config: &Config, now: &str) -> Self {
        let unknown = Cause { code: "check-not-run".to_owned(), text: "no result yet".to_owned() };
        let page = |check: &Check| Page {
            check: check.clone(),
            cause: unknown.clone(),
            since: now.to_owned(),
            last_output: String::new(),
            last_duration_ms: None,
            told: None,
        };
        Self { pages: config.checks.iter().map(page).collect() }
    }

    /// For the schedule, in the same order.
    pub(crate) fn configs(&self) -> Vec<CheckConfig> {
        let config = |page: &Page| CheckConfig {
            interval: page.check.interval,
            rise: page.check.rise,
            fall: page.check.fall,
        };
        self.pages.iter().map(config).collect()
    }

    /// Every check with its number.
    pub(crate) fn pages(&self) -> impl Iterator<Item = (CheckId, &Page)> {
        self.pages.iter().enumerate().map(|(i, page)| (CheckId(i), page))
    }

    /// One check.
    pub(crate) fn page(&self, check: CheckId) -> Option<&Page> {
        self.pages.get(check.0)
    }

    /// The verdict changed.
    pub(crate) fn on_verdict(&mut self, check: CheckId, verdict: Verdict, mut cause: Cause, now: String) {
        if let Some(page) = self.pages.get_mut(check.0) {
            if cause.code == "check-timed-out" {
                cause.text += &limit(&page.check);
            }
            match verdict {
                Verdict::Up => log::info!("check {} is up: {cause}", page.check.name),
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
        if let Some(page) = self.pages.get_mut(check.0) {
            page.last_output = finished.output;
            page.last_duration_ms = Some(millis(finished.took));
            page.told = None;
        }
    }

    /// A probe is over, or a script couldn't be started. What can't be run is told once, and not again at each interval
    /// until something else is so.
    pub(crate) fn on_answer(&mut self, check: CheckId, outcome: &Outcome, took: Duration) {
        let Some(page) = self.pages.get_mut(check.0) else { return };
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

/// The last line that a script wrote: it mostly says why.
fn quoted(output: &str) -> String {
    match output.lines().next_back() {
        Some(line) if !line.trim().is_empty() => format!("; it said: {}", line.trim()),
        Some(_) | None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_quoted_if_there_is_one() {
        assert_eq!(quoted("first\nhaproxy: no process found\n"), "; it said: haproxy: no process found");
        assert_eq!(quoted(""), "");
        assert_eq!(quoted("\n"), "");
    }
}
