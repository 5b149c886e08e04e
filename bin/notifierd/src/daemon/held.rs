//! The loop's part about hooks that have ended while something that they started holds their output: told once in the log, and
//! in the status for as long as it is so. Nothing waits for it, and nothing ends it: the hook may have wanted that.

use model::Instant;

use super::{Daemon, Tag};

impl Daemon {
    /// Tells of those that are new.
    pub(super) fn mind_held(&mut self, now: Instant) {
        for tag in self.crew.newly_held(now) {
            log::warn!("{}", self.text(&tag));
        }
    }

    /// For the status.
    pub(super) fn held(&self) -> Vec<String> {
        self.crew.held().map(|tag| self.text(tag)).collect()
    }

    fn text(&self, tag: &Tag) -> String {
        // Whom a reload has removed has no name any more.
        let name = self.board.lane(tag.lane).map(|lane| format!("({}) ", lane.subject())).unwrap_or_default();
        let (word, state) = (tag.kind.word(), tag.state);
        format!(
            "{name}{word} for {state} has ended, and what it started still holds its output: it should have closed it"
        )
    }
}
