//! The loop's part about starting hooks: which may start now, and how far the telling has come, on disk, before each.
//!
//! What it must never do: let hooks that hang keep those of other instances from being run.

use std::collections::HashSet;
use std::time::Duration;

use model::Instant;
use runner::Job;

use super::{Daemon, Tag};
use crate::board::{Kind, Lane, MAX_RUNNING, MAX_YOUNG, Start as NextHook};
use crate::ledger::Entry;

/// How long a hook is young. One that only computes ends sooner; one that doesn't waits for something else than a CPU.
const YOUNG: Duration = Duration::from_secs(1);
/// How long a hook whose program is being written is tried again, and from one attempt to the next.
const BUSY_FOR: Duration = Duration::from_secs(10);
const BUSY_AGAIN: Duration = Duration::from_millis(100);

/// Why a hook wasn't started.
struct Refused {
    why: String,
    /// It may be so for a moment only.
    is_passing: bool,
}

impl Daemon {
    pub(super) fn start_hooks(&mut self, now: Instant) {
        if self.killed {
            return;
        }
        let mut put_back = HashSet::new();
        while let Some(start) = self.board.poll_start(self.crew.started_after(now - YOUNG).count()) {
            self.remember(now);
            let tag = Tag { lane: start.lane, kind: start.kind, state: start.occasion.to() };
            if put_back.contains(&tag.lane) {
                self.board.put_back(tag.lane, tag.kind);
                break;
            }
            match self.start_hook(&start, tag, now) {
                Err(refused) if refused.is_passing && self.bears_with(tag, now) => {
                    self.board.put_back(tag.lane, tag.kind);
                    let _ = put_back.insert(tag.lane);
                }
                Err(Refused { why, .. }) => {
                    self.busy.remove(&tag.lane);
                    let entry = Entry::refused(tag.kind.word(), tag.state, why);
                    self.close_entry(tag.lane, entry);
                }
                Ok(()) => drop(self.busy.remove(&tag.lane)),
            }
        }
        self.remember(now);
        self.orphans.tidy();
        self.mind_the_line(now);
        if !put_back.is_empty() {
            let again = now + BUSY_AGAIN;
            self.turn_at = Some(self.turn_at.map_or(again, |at| at.min(again)));
        }
    }

    /// Whether a hook that can't be run for the moment is tried again. Told once.
    fn bears_with(&mut self, tag: Tag, now: Instant) -> bool {
        let subject = self.board.lane(tag.lane).map(Lane::subject);
        let since = self.busy.entry(tag.lane).or_insert_with(|| {
            if let Some(subject) = subject {
                let (word, limit) = (tag.kind.word(), BUSY_FOR.as_secs());
                log::info!("({subject}) {word}: somebody is writing its program; tried again for {limit} s");
            }
            now
        });
        now < *since + BUSY_FOR
    }

    /// Until when hooks wait for one that runs to grow old, and that they wait though none of those is about to.
    fn mind_the_line(&mut self, now: Instant) {
        self.turn_at = None;
        let young = || self.crew.started_after(now - YOUNG);
        let is_full = self.board.is_full();
        if !is_full && young().count() < MAX_YOUNG || self.board.in_line().next().is_none() {
            return;
        }
        self.turn_at = young().min().filter(|_| !is_full).map(|started| started + YOUNG);
        if is_full && self.crowd_told.is_due(now) {
            log::warn!(
                "{MAX_RUNNING} hooks run, and no more may: those of others wait for one of them to end"
            );
        }
    }

    /// How far the telling has come, on disk.
    pub(super) fn remember(&mut self, now: Instant) {
        while let Some((subject, mark)) = self.board.poll_mark() {
            // What is killed at the end hasn't been told.
            if !self.killed {
                self.cursor.record(subject, mark, now);
            }
        }
    }

    fn start_hook(&mut self, start: &NextHook, tag: Tag, now: Instant) -> Result<(), Refused> {
        let unknown = || Refused { why: "not in the configuration".to_owned(), is_passing: false };
        let lane = self.board.lane(start.lane).ok_or_else(unknown)?;
        let hook = start.kind.hook(lane.hooks()).ok_or_else(unknown)?;
        let occasion = &start.occasion;
        let mut arguments = hook.command.arguments.clone();
        if start.kind == Kind::Any {
            arguments.extend(occasion.arguments());
        }
        let line = occasion.line();
        let job = Job {
            program: &hook.command.program,
            arguments: &arguments,
            user: hook.user.as_ref(),
            variables: &occasion.variables(start.previous),
            input: line.as_deref(),
            register: self.orphans.register(),
            timeout: lane.timeout(),
        };
        let started = self.crew.start(&self.reactor, now, &job, tag);
        started.map_err(|refusal| Refused { why: refusal.to_string(), is_passing: refusal.is_passing() })
    }
}
