//! The loop's part about hooks that have ended while something that they started holds their output: told once in the log, and
//! in the status for as long as it is so, however often the same hook does it. Nothing waits for it, and nothing ends it: the hook may have wanted that.

use std::collections::BTreeMap;

use model::Instant;

use super::{Daemon, Tag};

impl Daemon {
    /// Tells of those that are new, but for more of what is told already.
    pub(super) fn mind_held(&mut self, now: Instant) {
        let new = self.crew.newly_held(now);
        if new.is_empty() {
            return;
        }
        let new = self.counted(new.iter());
        let all = self.counted(self.crew.held());
        for (text, count) in new {
            if all.get(&text).is_none_or(|all| *all <= count) {
                log::warn!("{text}");
            }
        }
    }

    /// For the status.
    pub(super) fn held(&self) -> Vec<String> {
        let held = self.counted(self.crew.held()).into_iter();
        held.map(|(text, count)| if count > 1 { format!("{text} ({count} times)") } else { text }).collect()
    }

    fn counted<'a>(&self, tags: impl Iterator<Item = &'a Tag>) -> BTreeMap<String, usize> {
        let mut counted = BTreeMap::new();
        for tag in tags {
            *counted.entry(self.text(tag)).or_default() += 1;
        }
        counted
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
