//! Active: it advertises, has its addresses put in place, and leaves to whom is better (RFC 9568 section 6.4.3).
//!
//! It must never tell MASTER before the addresses are in place, and never leave without ordering them away.

use std::net::IpAddr;

use model::{MacAddress, Priority};

use super::{ANSWER_PAUSE, INSTALL_LIMIT, Installed};
use crate::announcing::DEFEND_PAUSE;
use crate::cause::{Cause, enumerate};
use crate::door::{Notice, OrderNumber, Output};
use crate::groups::Leader;
use crate::instance::{Instance, Turn};
use crate::queue::TOGETHER;
use crate::receive::Heard;
use crate::refusal::{Refusal, Refusals};
use crate::remarks::Remark;
use crate::state::{Holding, Sign, State, next_on_schedule};

impl Instance {
    pub(super) fn on_facts_in_active(&mut self, turn: &mut Turn<'_>, holding: Holding) {
        let changed = self.refresh(&turn.facts);
        match self.why_leave() {
            Some(cause) => self.part(turn, holding, cause),
            None => self.keep_holding(holding.stays()),
        }
        if changed && self.is_active() {
            // At once, besides the schedule: a peer may have to take over now.
            self.advertise(turn);
        }
    }

    /// A manager that is new to us gets the standing order again.
    pub(super) fn on_manager_in_active(&mut self, turn: &mut Turn<'_>, holding: Holding) {
        if holding.is_opening() {
            return;
        }
        let order = turn.out.order();
        turn.out.outputs.push_back(Output::Install { instance: self.id, order });
        self.keep_holding(Holding { order, ..holding });
    }

    pub(super) fn on_advert_in_active(&mut self, turn: &mut Turn<'_>, holding: Holding, heard: &Heard<'_>) {
        self.count_received(turn, heard);
        let priority = heard.advert.priority;
        let may_answer = holding.answered.is_none_or(|last| turn.now >= last + ANSWER_PAUSE);
        if priority == Priority::STOP {
            // V3-FSM-10; X-4: it was master beside us.
            let mut holding = holding;
            if may_answer {
                self.advertise(turn);
                holding.advert_at = turn.now + self.interval();
                holding.answered = Some(turn.now);
            }
            let holding = self.announce_against_lower_master(turn, holding);
            self.keep_holding(holding);
        } else if self.is_outranked_by(heard) {
            // V3-FSM-11, whatever preemption is. X-4: a master that its neighbours have seen is seen by its successor too,
            // which would otherwise never know whom to win back from us.
            if holding.install_by.is_none() || self.config.manners.advertise_before_yielding {
                self.advertise(turn);
            }
            if priority > self.effective {
                self.leave_to_successor(turn, &holding, heard.advert.interval);
            } else {
                // Equals preempt nobody: both were master, and it has the addresses already.
                self.withdraw(turn);
            }
            let cause = Cause::Outranked { source: heard.source, priority, own: self.effective };
            self.become_backup(turn, heard.advert.interval, Some(Sign::of(heard, turn.now)), cause);
        } else {
            // V3-FSM-12; until our addresses are in place it may only be the master that we relieve.
            if holding.install_by.is_none() {
                let ours = self.interval();
                self.remark(turn, Remark::LowerMaster, heard.source, || {
                    heard.sentence(Remark::LowerMaster, ours)
                });
            }
            let mut holding = self.tell_of_lower_master(turn, holding, heard);
            if may_answer && self.config.manners.answer_lower {
                self.advertise(turn);
                holding.answered = Some(turn.now);
            }
            let holding = self.announce_against_lower_master(turn, holding);
            self.keep_holding(holding);
        }
    }

    /// X-4 and pain A1: two masters that don't hear each other's adverts still see each other's announcements. Until our own
    /// addresses are in place, the former master may rightly have them.
    pub(super) fn on_claim_in_active(
        &mut self,
        turn: &mut Turn<'_>,
        holding: Holding,
        address: IpAddr,
        mac: MacAddress,
    ) {
        if holding.install_by.is_some() {
            return;
        }
        self.remark(turn, Remark::Rival, address, || {
            format!(
                "{address} is claimed by {mac}, and we are MASTER: two masters, or a neighbour answers for it"
            )
        });
        let holding = self.announce_against_rival(turn, holding, DEFEND_PAUSE);
        self.keep_holding(holding);
    }

    /// V3-FSM-11: a higher priority, or the same and a greater address (V3-FSM-18).
    pub(super) fn is_outranked_by(&self, heard: &Heard<'_>) -> bool {
        let tie = || self.source.is_none_or(|own| heard.source > own);
        heard.advert.priority > self.effective || (heard.advert.priority == self.effective && tie())
    }

    pub(super) fn on_due_in_active(&mut self, turn: &mut Turn<'_>, holding: Holding) {
        self.flush_remarks(turn);
        self.end_pause(turn, holding);
        // Whoever goes on as a master has an advert to send on time all the same.
        let State::Active(mut holding) = self.state else { return };
        if holding.install_by.is_some_and(|limit| turn.now >= limit) {
            self.refuse(turn, holding, Refusal::Silence(INSTALL_LIMIT));
            return;
        }
        // V3-FSM-9, and along with somebody else's if that is sooner: the schedule stays.
        if turn.now + TOGETHER >= holding.advert_at {
            self.advertise(turn);
            holding.advert_at = next_on_schedule(holding.advert_at, self.interval(), turn.now);
        }
        let holding = self.announce_due(turn, holding);
        self.keep_holding(holding);
    }

    /// V3-FSM-15: what is in place may be announced, and the rest may take its time: ipmgr is at work.
    pub(super) fn on_placed_in_active(
        &mut self,
        turn: &mut Turn<'_>,
        holding: Holding,
        order: OrderNumber,
        places: &[u32],
    ) {
        if order != holding.order || holding.is_opening() || holding.install_by.is_none() {
            return;
        }
        self.announce_placed(turn, places);
        let install_by = Some(turn.now + INSTALL_LIMIT);
        self.keep_holding(Holding { install_by, placed: true, ..holding });
    }

    pub(super) fn on_installed_in_active(
        &mut self,
        turn: &mut Turn<'_>,
        holding: Holding,
        answer: &Installed<'_>,
    ) {
        let Installed { order, failures, nothing } = *answer;
        // Before the addresses are ordered, the number is a prelude's, and ipmgr can't have answered it.
        if order != holding.order || holding.is_opening() {
            return;
        }
        if nothing {
            self.refuse(turn, holding, Refusal::Kernel(failures.to_vec()));
            return;
        }
        if !failures.is_empty() {
            let text = format!(
                "master, and not all is as it should be: {}",
                enumerate(failures.iter().cloned(), "; ")
            );
            turn.out.outputs.push_back(Output::Notice(Notice {
                instance: Some(self.id),
                text,
                suppressed: 0,
            }));
        }
        self.refusals = Refusals::none();
        self.refused = failures.to_vec();
        // V3-FSM-15: only now may anybody learn of it.
        let holding = self.announce_first(turn, holding);
        let cause = self.cause();
        self.transition(turn, State::Active(holding), cause);
    }

    pub(super) fn on_withdrawn_in_active(&mut self, turn: &mut Turn<'_>, order: Option<OrderNumber>) {
        if order.is_some() {
            self.settle(turn, order);
            return;
        }
        // Our own order to install may be under way: the one to withdraw has to follow it.
        self.withdraw(turn);
        self.become_backup(turn, self.interval(), None, Cause::Abandoned);
    }

    /// The time for saying goodbye is over, whatever is waited for.
    pub(super) fn on_give_up_in_active(&mut self, turn: &mut Turn<'_>, holding: Holding) {
        self.resign(turn, holding, Cause::Shutdown);
        self.on_give_up_in_initialize(turn);
    }

    /// Its own peers don't know yet that they are to take over.
    pub(super) fn on_yield_in_active(&mut self, turn: &mut Turn<'_>, holding: Holding, leader: &Leader) {
        self.say_goodbye(turn);
        self.leave_to_whom_it_concerns(turn, &holding);
        self.become_backup(turn, self.interval(), None, leader.followed());
    }
}
