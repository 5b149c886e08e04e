//! Initialize: not fit, or not decided yet (RFC 9568 section 6.4.1). What keeps us here is in `eligibility`.
//!
//! It must never take part while a reason stands, and never resume what it has given up in this life.

use model::Priority;

use crate::cause::Cause;
use crate::door::OrderNumber;
use crate::eligibility::Reason;
use crate::instance::{Instance, Turn};
use crate::receive::Heard;
use crate::refusal::Refusals;
use crate::state::State;

impl Instance {
    pub(crate) fn on_facts_in_initialize(&mut self, turn: &mut Turn<'_>) {
        self.refresh(&turn.facts);
        self.reconsider_keeping(turn);
        if self.stopping {
            self.transition(turn, State::Initialize, Cause::Shutdown);
        } else if !self.reasons.is_empty() {
            if self.held && !self.reasons.iter().all(Reason::is_waiting) {
                self.held = false;
                self.withdraw(turn);
            }
            self.transition(turn, State::Initialize, Cause::NotEligible(self.reasons.clone()));
        } else if std::mem::take(&mut self.held) {
            self.become_active(turn, Cause::Resumed);
        } else if self.config.wants_master
            && self.config.priority == Priority::OWNER
            && self.may_preempt(&turn.facts)
        {
            self.become_active(turn, Cause::Owner);
        } else {
            let listening = self.down_interval(self.interval());
            let refused = self.refusals.is_shy();
            self.become_backup(turn, self.interval(), None, Cause::Eligible { listening, refused });
        }
    }

    /// Who has given the addresses up in this life doesn't resume: a peer was told that it may have them.
    pub(super) fn on_manager_in_initialize(&mut self, turn: &mut Turn<'_>, held: bool) {
        self.refusals = Refusals::none();
        if held && self.decided {
            self.withdraw(turn);
        } else {
            self.held = held;
            self.withdrawing = None;
            self.unclaimed = !held;
        }
        self.lose_kept(turn);
        self.on_facts_in_initialize(turn);
    }

    pub(super) fn on_advert_in_initialize(&mut self, turn: &mut Turn<'_>, heard: &Heard<'_>) {
        self.count_received(turn, heard);
        if heard.advert.priority != Priority::STOP {
            self.leave_to_the_master(turn);
            self.notice_successor(turn.now, heard.advert.interval);
        }
    }

    pub(super) fn on_due_in_initialize(&mut self, turn: &mut Turn<'_>) {
        self.flush_remarks(turn);
        self.reconsider_keeping(turn);
        if self.refusals.end_pause(turn.now) {
            self.on_facts_in_initialize(turn);
        }
    }

    pub(super) fn on_withdrawn_in_initialize(&mut self, turn: &mut Turn<'_>, order: Option<OrderNumber>) {
        self.held = false;
        self.settle(turn, order);
        if self.stopping {
            self.transition(turn, State::Initialize, Cause::Shutdown);
        }
    }

    pub(super) fn on_shutdown_in_initialize(&mut self, turn: &mut Turn<'_>) {
        if std::mem::take(&mut self.held) {
            self.withdraw(turn);
        }
        self.become_initialize(turn, Cause::Shutdown);
    }

    /// ipmgr has had its time: stopped, whether it answered or not.
    pub(super) fn on_give_up_in_initialize(&mut self, turn: &mut Turn<'_>) {
        self.release(turn);
        self.withdrawing = None;
        self.transition(turn, State::Initialize, Cause::Shutdown);
    }
}
