//! How hooks are run: the words of an instance or a sync group, else those of `global_defs`.

use std::time::Duration;

use crate::diagnostic::{Complaints, Diagnostic};
use crate::model::{Delivery, Queue};
use crate::section::Section;

/// What counts where a block says nothing of its own, each word for itself.
#[derive(Clone, Copy)]
pub(super) struct Usual {
    timeout: Duration,
    runs_all: bool,
    limit: usize,
}

impl Usual {
    /// What holds for the whole file.
    pub(super) fn new(global: &Section<'_>) -> Self {
        // Also what the table says, for people.
        Self { timeout: Duration::from_secs(60), runs_all: false, limit: 100 }.with(global)
    }

    fn with(self, section: &Section<'_>) -> Self {
        Self {
            timeout: section.seconds("notify_timeout").unwrap_or(self.timeout),
            runs_all: match section.choice("notify_queue") {
                "all" => true,
                "coalesce" => false,
                _ => self.runs_all,
            },
            limit: section
                .number("notify_queue_limit")
                .and_then(|limit| usize::try_from(limit).ok())
                .unwrap_or(self.limit),
        }
    }
}

/// Of an instance or a group.
pub(super) fn delivery(section: &Section<'_>, usual: Usual, complaints: &mut Complaints) -> Delivery {
    let own = usual.with(section);
    if let Some(span) = section.given("notify_queue_limit").filter(|_| !own.runs_all) {
        let message =
            "`notify_queue_limit` is for `notify_queue all`: here the newest state is all that waits";
        let help = "add `notify_queue all`, or remove the line";
        complaints.push(Diagnostic::warning("no-effect", span, message).help(help));
    }
    Delivery {
        timeout: own.timeout,
        queue: if own.runs_all { Queue::All(own.limit) } else { Queue::Coalesce },
    }
}
