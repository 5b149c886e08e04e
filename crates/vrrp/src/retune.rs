//! How a running instance bears another configuration: other settings in its state, or its end.
//!
//! It must never leave a state only because a setting is another one: whoever is fit goes on, says at once what its peers
//! have to know, and keeps every timer that still means the same. Which change is borne and which isn't is decided in `plan.rs`.
//! The states and timers are those of RFC 9568 section 6.

use std::time::Duration;

use model::{Priority, ProtocolVersion};

use crate::cause::Cause;
use crate::door::{InstanceConfig, Output};
use crate::eligibility::Reason;
use crate::instance::{Instance, Turn};
use crate::machine::INSTALL_LIMIT;
use crate::state::{Holding, Listening, Sign, State};

impl Instance {
    /// Whether something is known that keeps a master from being one. What isn't known yet (of a check that a changed
    /// configuration has brought) keeps it from becoming one only.
    pub(crate) fn is_unfit(&self) -> bool {
        !self.reasons.iter().all(Reason::is_waiting)
    }

    /// What was refused is tried anew at once if it isn't the same any more ([`Instance::adopt`]).
    pub(crate) fn on_retune_in_initialize(&mut self, turn: &mut Turn<'_>, settings: &InstanceConfig) {
        self.adopt(settings.clone(), &turn.facts);
        self.on_facts_in_initialize(turn);
    }

    /// Its wait is as much longer or shorter as it would be for somebody who began it with these settings; with another
    /// measure of a master's silence it begins anew, so that no peer is late by a clock that it doesn't know of.
    pub(crate) fn on_retune_in_backup(
        &mut self,
        turn: &mut Turn<'_>,
        listening: Listening,
        settings: &InstanceConfig,
    ) {
        let waited = self.wait(&listening, listening.interval);
        let missed = self.config.manners.down_timer_adverts;
        let patience = self.config.preempt_delay;
        self.adopt(settings.clone(), &turn.facts);
        self.reconsider_keeping(turn);
        if !self.reasons.is_empty() {
            self.become_initialize(turn, Cause::NotEligible(self.reasons.clone()));
            return;
        }
        let interval = self.listening_interval(&listening);
        let wait = self.wait(&listening, interval);
        let same_measure = interval == listening.interval && missed == self.config.manners.down_timer_adverts;
        let down_at = if same_measure { listening.down_at + wait - waited } else { turn.now + wait };
        let patient_until = listening.patient_until.map(|until| until + self.config.preempt_delay - patience);
        let listening = Listening { interval, down_at, patient_until, ..listening };
        self.keep_listening(self.respectful(turn, listening));
    }

    /// Peers hear of a change at once. Other addresses are ordered, and announced when they are in place.
    pub(crate) fn on_retune_in_active(
        &mut self,
        turn: &mut Turn<'_>,
        holding: Holding,
        settings: &InstanceConfig,
    ) {
        let interval = self.interval();
        let refresh = self.config.announcements.refresh;
        let installs_differently = self.installs_differently(settings);
        let renamed = self.config.name != settings.name;
        let says_differently = self.adopt(settings.clone(), &turn.facts);
        if let Some(cause) = self.why_leave() {
            self.part(turn, holding, cause);
            return;
        }
        let mut holding = holding.stays();
        if says_differently {
            self.advertise(turn);
        }
        if interval != self.interval() {
            holding.advert_at = turn.now + self.interval();
        }
        if refresh != self.config.announcements.refresh {
            holding.refresh_at = None;
            if holding.install_by.is_none() {
                holding.refresh_at = self.next_refresh(turn.now);
            }
        }
        if holding.is_opening() {
            // What is ordered by its name when its time has come is what is configured then.
        } else if installs_differently || (renamed && holding.install_by.is_some()) {
            holding = self.order_anew(turn, holding);
        } else if renamed {
            // The same addresses by another name: they are in place, so nobody waits for the answer.
            let order = turn.out.order();
            turn.out.outputs.push_back(Output::Install { instance: self.id, order });
        }
        self.keep_holding(holding);
    }

    fn order_anew(&self, turn: &mut Turn<'_>, holding: Holding) -> Holding {
        let order = turn.out.order();
        turn.out.outputs.push_back(Output::Install { instance: self.id, order });
        // Both rounds of announcements begin when they are in place.
        Holding {
            order,
            since: turn.now,
            install_by: Some(turn.now + INSTALL_LIMIT),
            placed: false,
            announce_again: None,
            refresh_at: None,
            ..holding
        }
    }

    /// Whether an order by its name has another meaning with these settings.
    pub(crate) fn installs_differently(&self, settings: &InstanceConfig) -> bool {
        (&self.config.addresses, self.config.placement) != (&settings.addresses, settings.placement)
    }

    /// How long after the last advert, or since it began to listen, its down timer fires.
    fn wait(&self, listening: &Listening, interval: Duration) -> Duration {
        match listening.accepted {
            // V3-FSM-5
            Some(Sign { priority: Priority::STOP, .. }) => self.skew(interval),
            Some(_) | None => self.down_interval(interval),
        }
    }

    /// VRRPv3 has learnt the master's interval with its advert (V3-RX-12); VRRPv2 takes its own for everybody's.
    fn listening_interval(&self, listening: &Listening) -> Duration {
        match (self.config.version, listening.accepted) {
            (ProtocolVersion::V3, Some(_)) => listening.interval,
            (ProtocolVersion::V3, None) | (ProtocolVersion::V2, _) => self.interval(),
        }
    }

    /// A lower master that was to be preempted is a master like others if it isn't lower any more, or may stay (V3-FSM-6).
    fn respectful(&self, turn: &Turn<'_>, listening: Listening) -> Listening {
        let preempts = self.may_preempt(&turn.facts);
        let patient_until = listening.patient_until.filter(|_| preempts);
        match listening.lower {
            Some(sign) if !preempts || sign.priority >= self.effective => Listening {
                down_at: listening.down_at.max(sign.at + self.down_interval(listening.interval)),
                accepted: Some(sign),
                lower: None,
                patient_until: None,
                ..listening
            },
            Some(_) | None => Listening { patient_until, ..listening },
        }
    }

    pub(crate) fn on_dismiss_in_initialize(&mut self, turn: &mut Turn<'_>, cause: &Cause) {
        if std::mem::take(&mut self.held) {
            self.withdraw(turn);
        }
        self.end(turn, cause);
    }

    pub(crate) fn on_dismiss_in_backup(&mut self, turn: &mut Turn<'_>, cause: &Cause) {
        self.end(turn, cause);
    }

    /// V3-FSM-13. Nothing is kept for a successor: ipmgr's configuration doesn't have it any more either.
    pub(crate) fn on_dismiss_in_active(&mut self, turn: &mut Turn<'_>, cause: &Cause) {
        self.say_goodbye(turn);
        self.withdraw(turn);
        self.end(turn, cause);
    }

    /// Says its last word. Nobody will be here for an answer.
    fn end(&mut self, turn: &mut Turn<'_>, cause: &Cause) {
        if self.keeping.take().is_some() {
            self.withdraw(turn);
        }
        self.withdrawing = None;
        self.stopping = true;
        self.transition(turn, State::Initialize, cause.clone());
    }
}
