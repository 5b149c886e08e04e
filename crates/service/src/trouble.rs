//! What is wrong with a sibling: kept for status, and logged once however often it is tried again.

use std::time::Duration;

use model::Instant;

/// Before anything was tried.
const NOT_YET: &str = "not connected yet";
/// Siblings start together and don't find each other at once, and one that died is back in a moment.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is wrong, if anything is.
#[derive(Clone, Debug)]
pub struct Trouble {
    whose: &'static str,
    text: Option<String>,
    /// Since when nobody answers.
    unreachable_since: Option<Instant>,
}

impl Trouble {
    /// Nothing has been tried yet, which is a trouble, too; `whose` begins each line of the log.
    #[must_use]
    pub fn new(whose: &'static str) -> Self {
        Self { whose, text: Some(NOT_YET.to_owned()), unreachable_since: None }
    }

    /// Remembers what is wrong, and logs it when it is something new.
    pub fn complain(&mut self, text: String) {
        if self.text.as_ref() != Some(&text) {
            log::warn!("{}: {text}", self.whose);
            self.text = Some(text);
        }
    }

    /// Nobody answers: that is a trouble when it has been so for a second, and what was wrong before stands until then.
    pub fn unreachable(&mut self, now: Instant, text: String) {
        let since = *self.unreachable_since.get_or_insert(now);
        if now.since(since) >= PATIENCE {
            self.complain(text);
        }
    }

    /// Remembers what is wrong, and had to be: it is news, and no warning.
    pub fn expect(&mut self, text: String) {
        if self.text.as_ref() != Some(&text) {
            log::info!("{}: {text}", self.whose);
            self.text = Some(text);
        }
    }

    /// Nothing is wrong any more; whether something was.
    pub fn settle(&mut self) -> bool {
        self.unreachable_since = None;
        self.text.take().is_some()
    }

    /// What is wrong, in words.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_trouble_stands_until_it_is_settled() {
        let mut trouble = Trouble::new("checkerd");
        assert_eq!(trouble.text(), Some("not connected yet"));
        trouble.complain("gone".to_owned());
        trouble.complain("refused".to_owned());
        assert_eq!(trouble.text(), Some("refused"));
        assert!(trouble.settle());
        assert_eq!(trouble.text(), None);
        assert!(!trouble.settle(), "told once");
    }

    #[test]
    fn who_is_away_for_a_moment_is_no_trouble() {
        let mut trouble = Trouble::new("checkerd");
        let at = |ms| Instant::ZERO + Duration::from_millis(ms);
        trouble.unreachable(at(5_000), "refused".to_owned());
        trouble.unreachable(at(5_900), "refused".to_owned());
        assert_eq!(trouble.text(), Some("not connected yet"));
        trouble.unreachable(at(6_000), "refused".to_owned());
        assert_eq!(trouble.text(), Some("refused"));
        trouble.settle();
        trouble.complain("gone".to_owned());
        trouble.unreachable(at(9_000), "refused".to_owned());
        assert_eq!(trouble.text(), Some("gone"), "counted anew");
    }
}
