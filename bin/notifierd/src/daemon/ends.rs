//! The loop's part about `startup_script` and `shutdown_script`: who says when, and who hears what became of them.

use std::time::Duration;

use ipc::events::Told;
use model::Instant;
use runner::KILL_AFTER;

use super::Daemon;
use crate::ledger::Entry;
use crate::occasion::Occasion;
use crate::outer::Due;

/// What is left to do after `shutdown_script` has ended: the last entries of the history, and our own end.
const LEAVE_TIME: Duration = Duration::from_secs(5);

impl Daemon {
    /// What the feed says of starts and ends, besides who is in which state.
    pub(super) fn mind_ends(&mut self, news: &[Occasion]) {
        // A state that was heard before vrrp-core went is no sign of a new one.
        if self.feed.take_farewell() {
            self.outer.ended();
        } else if news.iter().any(|it| matches!(it.to(), Told::Backup | Told::Master)) {
            self.outer.begun();
        }
    }

    /// Does what is due. To be called after the hooks of all states that are known were started.
    pub(super) fn play_outer(&mut self, now: Instant) {
        let is_quiet = self.killed || (self.board.is_idle() && self.preludes.is_idle());
        // Once we are about to go, a start is the next one's to prepare.
        let stays = self.leave_at.is_none();
        while let Some(due) = self.outer.due(stays && self.feed.awaits_startup(), is_quiet) {
            match due {
                Due::Answer => self.feed.startup_done(),
                Due::Play(side) => {
                    let tools = (&self.reactor, self.orphans.register());
                    if let Some(entry) = self.outer.play(side, tools, &self.config, now) {
                        self.on_outer_done(entry);
                    }
                    self.ask_for_time();
                }
            }
        }
    }

    /// Our supervisor waits for our end, and not as long as such a script may take.
    pub(super) fn ask_for_time(&self) {
        if self.leave_at.is_some()
            && let Some(script) = self.outer.playing().and_then(|side| side.script(&self.config))
        {
            service::notify_more_time(script.timeout + KILL_AFTER + LEAVE_TIME);
        }
    }

    /// One of them has ended, or couldn't be started.
    pub(super) fn on_outer_done(&mut self, entry: Entry) {
        entry.log(None);
        self.history.ran(None, &entry);
        self.outer.remember(entry, service::stamp::rfc3339(sys::clock::wall()));
    }

    /// We are about to go: a start that isn't done is the next notifierd's.
    pub(super) fn leave_outer(&mut self) {
        self.outer.abort_startup();
        self.ask_for_time();
    }

    /// Whether what is left to be run has been.
    pub(super) const fn may_leave_outer(&self) -> bool {
        self.outer.is_idle()
    }
}
