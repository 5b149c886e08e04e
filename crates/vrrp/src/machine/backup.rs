//! Backup: it listens, and waits until nobody is heard any more (RFC 9568 section 6.4.2).
//!
//! It must never send anything.

use model::Priority;

use crate::cause::Cause;
use crate::groups::Leader;
use crate::instance::{Instance, Turn};
use crate::receive::Heard;
use crate::refusal::Refusals;
use crate::state::{Listening, Sign};

impl Instance {
    pub(super) fn on_facts_in_backup(&mut self, turn: &mut Turn<'_>, listening: Listening) {
        let before = self.skew(listening.interval);
        self.refresh(&turn.facts);
        self.reconsider_keeping(turn);
        if !self.reasons.is_empty() {
            self.become_initialize(turn, Cause::NotEligible(self.reasons.clone()));
            return;
        }
        let after = self.skew(listening.interval);
        let listening = Listening { down_at: listening.down_at + after - before, ..listening };
        let down = self.down_interval(listening.interval);
        self.keep_listening(listening.with_link(turn.facts.link.is_deaf(), turn.now, down));
    }

    /// What it doesn't hold needs no answer any more: the order may have been lost with its predecessor.
    pub(super) fn on_manager_in_backup(&mut self, turn: &mut Turn<'_>, held: bool) {
        if held {
            self.withdraw(turn);
        } else {
            self.withdrawing = None;
            self.unclaimed = true;
        }
        self.refusals = Refusals::none();
        self.lose_kept(turn);
    }

    pub(super) fn on_advert_in_backup(
        &mut self,
        turn: &mut Turn<'_>,
        listening: Listening,
        heard: &Heard<'_>,
    ) {
        self.count_received(turn, heard);
        let sign = Some(Sign::of(heard, turn.now));
        let priority = heard.advert.priority;
        if priority == Priority::STOP {
            // V3-FSM-5
            let down_at = turn.now + self.skew(listening.interval);
            self.keep_listening(Listening { down_at, accepted: sign, ..listening });
            return;
        }
        self.leave_to_the_master(turn);
        self.notice_successor(turn.now, heard.advert.interval);
        let lower = self.may_preempt(&turn.facts) && priority < self.effective;
        let patient_until =
            lower.then(|| listening.patient_until.unwrap_or(turn.now + self.config.preempt_delay));
        if patient_until.is_some_and(|until| turn.now >= until) {
            // V3-FSM-7
            self.keep_listening(Listening { lower: sign, patient_until, ..listening });
            return;
        }
        // V3-FSM-6
        let interval = heard.advert.interval;
        let down_at = turn.now + self.down_interval(interval);
        self.keep_listening(Listening {
            down_at,
            interval,
            accepted: sign,
            lower: None,
            patient_until,
            ..listening
        });
    }

    pub(super) fn on_due_in_backup(&mut self, turn: &mut Turn<'_>, listening: Listening) {
        self.flush_remarks(turn);
        self.reconsider_keeping(turn);
        let ends_at = listening.ends_at(self.config.manners.link_patience);
        if turn.now < ends_at {
            return;
        }
        // what a master said meanwhile may never have reached us.
        if turn.now > ends_at + self.stall_limit(listening.interval) {
            let late = turn.now.since(ends_at);
            self.become_backup(turn, listening.interval, listening.accepted, Cause::Stalled { late });
            return;
        }
        if let Some(until) = turn.facts.group.and_then(|group| group.held_back_until)
            && turn.now < until
        {
            self.keep_listening(Listening { down_at: until, ..listening });
            return;
        }
        // V3-FSM-4
        let cause = listening.cause(turn.now, self.effective, &turn.facts.link.name);
        self.become_active(turn, cause);
    }

    pub(super) fn on_rise_in_backup(&mut self, turn: &mut Turn<'_>, leader: &Leader) {
        self.reconsider_keeping(turn);
        self.become_active(turn, leader.followed());
    }
}
