//! The state machine of RFC 9568 section 6.4 (RFC 3768 section 6.4): every state, every event, no wildcard.
//!
//! It must never send without being Active and on time, never tell MASTER before the addresses are in place, and
//! never leave Active without ordering the addresses away. Read the match in [`Instance::handle`] first; the arms
//! are below it in the same order, and what several of them do (`become_*`) comes last.

use std::net::IpAddr;
use std::time::Duration;

use model::{Instant, MacAddress, Priority};

use crate::announcing::DEFEND_PAUSE;
use crate::cause::{Cause, enumerate};
use crate::door::{InstanceConfig, Notice, OrderNumber, Output};
use crate::eligibility::Reason;
use crate::groups::Leader;
use crate::instance::{Instance, Turn};
use crate::queue::TOGETHER;
use crate::receive::{Heard, Rejected};
use crate::refusal::Refusals;
use crate::remarks::Remark;
use crate::state::{Holding, Listening, Sign, State, next_on_schedule};

/// The pause between adverts that other people's adverts make us send: a bound on what a forger can draw out of us.
const ANSWER_PAUSE: Duration = Duration::from_millis(10);
/// How long ipmgr may take to put addresses in place before we stop claiming them.
pub(crate) const INSTALL_LIMIT: Duration = Duration::from_secs(5);

/// What [`crate::Input::Installed`] says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Installed<'a> {
    pub(crate) order: OrderNumber,
    pub(crate) failures: &'a [String],
    pub(crate) nothing: bool,
}

/// What the core tells an instance.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event<'a> {
    /// Something around it changed, or may have.
    Facts,
    /// ipmgr answers, and holds its addresses or doesn't.
    ManagerPresent { held: bool },
    /// A valid advert.
    Advert(Heard<'a>),
    /// A packet that was not.
    Rejected { rejected: Rejected, from: IpAddr },
    /// [`crate::Input::Claim`].
    Claim { address: IpAddr, mac: MacAddress },
    /// Some timer may be due.
    Due,
    /// [`crate::Input::Placed`].
    Placed { order: OrderNumber, places: &'a [u32] },
    /// [`crate::Input::Installed`].
    Installed(Installed<'a>),
    /// [`crate::Input::Withdrawn`].
    Withdrawn { order: Option<OrderNumber> },
    /// [`crate::Input::PreludeDone`].
    PreludeDone { order: OrderNumber },
    /// Another member of the sync group has become Active.
    Rise(&'a Leader),
    /// Another member of the sync group is Active no more.
    Yield(&'a Leader),
    /// Other settings of the same virtual router ([`crate::Core::reconfigure`]).
    Retune(&'a InstanceConfig),
    /// It is in the configuration no longer, or begins anew.
    Dismiss(&'a Cause),
    /// [`crate::Input::Shutdown`].
    Shutdown,
    /// The time for that is over.
    GiveUp,
}

impl Instance {
    /// One event. Outputs per event are bounded by the number of destinations and the announcements configured.
    pub(crate) fn handle(&mut self, turn: &mut Turn<'_>, event: Event<'_>) {
        self.look_at_the_clock(turn);
        self.stopping |= matches!(event, Event::Shutdown);
        self.arm(turn, event);
        self.tell_priority(turn);
    }

    /// One arm for each state and event.
    fn arm(&mut self, turn: &mut Turn<'_>, event: Event<'_>) {
        match (self.state, event) {
            (State::Initialize, Event::Facts) => self.on_facts_in_initialize(turn),
            (State::Initialize, Event::ManagerPresent { held }) => self.on_manager_in_initialize(turn, held),
            (State::Initialize, Event::Advert(heard)) => self.on_advert_in_initialize(turn, &heard),
            (State::Initialize, Event::Rejected { rejected, from }) => {
                self.count_rejected(turn, rejected, from)
            }
            // Somebody has to have the address, and it isn't us.
            (State::Initialize, Event::Claim { .. }) => {}
            (State::Initialize, Event::Due) => self.on_due_in_initialize(turn),
            // Whoever left Active has ordered the addresses away since.
            (State::Initialize, Event::Placed { .. } | Event::Installed(_)) => {}
            (State::Initialize, Event::Withdrawn { order }) => self.on_withdrawn_in_initialize(turn, order),
            // Whoever has left Active waits for nothing any more.
            (State::Initialize, Event::PreludeDone { .. }) => {}
            // What keeps one member out keeps all out, and has been told as a fact.
            (State::Initialize, Event::Rise(_) | Event::Yield(_)) => {}
            (State::Initialize, Event::Retune(settings)) => self.on_retune_in_initialize(turn, settings),
            (State::Initialize, Event::Dismiss(cause)) => self.on_dismiss_in_initialize(turn, cause),
            (State::Initialize, Event::Shutdown) => self.on_shutdown_in_initialize(turn),
            (State::Initialize, Event::GiveUp) => self.on_give_up_in_initialize(turn),

            (State::Backup(listening), Event::Facts) => self.on_facts_in_backup(turn, listening),
            (State::Backup(_), Event::ManagerPresent { held }) => self.on_manager_in_backup(turn, held),
            (State::Backup(listening), Event::Advert(heard)) => {
                self.on_advert_in_backup(turn, listening, &heard)
            }
            (State::Backup(_), Event::Rejected { rejected, from }) => {
                self.count_rejected(turn, rejected, from)
            }
            (State::Backup(_), Event::Claim { .. }) => {}
            (State::Backup(listening), Event::Due) => self.on_due_in_backup(turn, listening),
            (State::Backup(_), Event::Placed { .. } | Event::Installed(_)) => {}
            (State::Backup(_), Event::Withdrawn { order }) => self.settle(turn, order),
            (State::Backup(_), Event::PreludeDone { .. }) => {}
            (State::Backup(_), Event::Rise(leader)) => self.on_rise_in_backup(turn, leader),
            (State::Backup(_), Event::Yield(_)) => {}
            (State::Backup(listening), Event::Retune(settings)) => {
                self.on_retune_in_backup(turn, listening, settings);
            }
            (State::Backup(_), Event::Dismiss(cause)) => self.on_dismiss_in_backup(turn, cause),
            (State::Backup(_), Event::Shutdown) => self.become_initialize(turn, Cause::Shutdown),
            // Shutdown has left Backup behind.
            (State::Backup(_), Event::GiveUp) => {}

            (State::Active(holding), Event::Facts) => self.on_facts_in_active(turn, holding),
            (State::Active(holding), Event::ManagerPresent { .. }) => {
                self.on_manager_in_active(turn, holding)
            }
            (State::Active(holding), Event::Advert(heard)) => self.on_advert_in_active(turn, holding, &heard),
            (State::Active(_), Event::Rejected { rejected, from }) => {
                self.count_rejected(turn, rejected, from)
            }
            (State::Active(holding), Event::Claim { address, mac }) => {
                self.on_claim_in_active(turn, holding, address, mac);
            }
            (State::Active(holding), Event::Due) => self.on_due_in_active(turn, holding),
            (State::Active(holding), Event::Placed { order, places }) => {
                self.on_placed_in_active(turn, holding, order, places);
            }
            (State::Active(holding), Event::Installed(answer)) => {
                self.on_installed_in_active(turn, holding, &answer);
            }
            (State::Active(_), Event::Withdrawn { order }) => self.on_withdrawn_in_active(turn, order),
            (State::Active(holding), Event::PreludeDone { order }) => {
                self.on_prelude_done_in_active(turn, holding, order);
            }
            (State::Active(_), Event::Rise(_)) => {}
            (State::Active(holding), Event::Yield(leader)) => self.on_yield_in_active(turn, holding, leader),
            (State::Active(holding), Event::Retune(settings)) => {
                self.on_retune_in_active(turn, holding, settings);
            }
            (State::Active(_), Event::Dismiss(cause)) => self.on_dismiss_in_active(turn, cause),
            (State::Active(holding), Event::Shutdown) => self.part(turn, holding, Cause::Shutdown),
            (State::Active(holding), Event::GiveUp) => self.on_give_up_in_active(turn, holding),
        }
    }

    /// whoever slept while a peer could have taken over does not speak. Asked before every event. Peers count
    /// from the last advert that they heard, not from the one that was due.
    fn look_at_the_clock(&mut self, turn: &mut Turn<'_>) {
        let State::Active(holding) = self.state else { return };
        if turn.now > self.spoke + self.stall_limit(self.interval()) {
            self.withdraw(turn);
            let late = turn.now.since(holding.advert_at);
            self.become_backup(turn, self.interval(), None, Cause::Stalled { late });
        }
    }

    // Initialize

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
        } else if self.config.wants_master && self.config.priority == Priority::OWNER {
            self.become_active(turn, Cause::Owner);
        } else {
            let listening = self.down_interval(self.interval());
            self.become_backup(turn, self.interval(), None, Cause::Eligible { listening });
        }
    }

    /// Who has given the addresses up in this life doesn't resume: a peer was told that it may have them.
    fn on_manager_in_initialize(&mut self, turn: &mut Turn<'_>, held: bool) {
        self.refusals = Refusals::none();
        if held && self.decided {
            self.withdraw(turn);
        } else {
            self.held = held;
            self.withdrawing = None;
        }
        self.lose_kept(turn);
        self.on_facts_in_initialize(turn);
    }

    fn on_advert_in_initialize(&mut self, turn: &mut Turn<'_>, heard: &Heard<'_>) {
        self.count_received(turn, heard);
        if heard.advert.priority != Priority::STOP {
            self.notice_successor(turn.now, heard.advert.interval);
        }
    }

    fn on_due_in_initialize(&mut self, turn: &mut Turn<'_>) {
        self.flush_remarks(turn);
        self.reconsider_keeping(turn);
        if self.refusals.end_pause(turn.now) {
            self.on_facts_in_initialize(turn);
        }
    }

    fn on_withdrawn_in_initialize(&mut self, turn: &mut Turn<'_>, order: Option<OrderNumber>) {
        self.held = false;
        self.settle(turn, order);
        if self.stopping {
            self.transition(turn, State::Initialize, Cause::Shutdown);
        }
    }

    fn on_shutdown_in_initialize(&mut self, turn: &mut Turn<'_>) {
        if std::mem::take(&mut self.held) {
            self.withdraw(turn);
        }
        self.become_initialize(turn, Cause::Shutdown);
    }

    /// ipmgr has had its time: stopped, whether it answered or not.
    fn on_give_up_in_initialize(&mut self, turn: &mut Turn<'_>) {
        self.release(turn);
        self.withdrawing = None;
        self.transition(turn, State::Initialize, Cause::Shutdown);
    }

    // Backup

    fn on_facts_in_backup(&mut self, turn: &mut Turn<'_>, listening: Listening) {
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
    fn on_manager_in_backup(&mut self, turn: &mut Turn<'_>, held: bool) {
        if held {
            self.withdraw(turn);
        } else {
            self.withdrawing = None;
        }
        self.lose_kept(turn);
    }

    fn on_advert_in_backup(&mut self, turn: &mut Turn<'_>, listening: Listening, heard: &Heard<'_>) {
        self.count_received(turn, heard);
        let sign = Some(Sign::of(heard, turn.now));
        let priority = heard.advert.priority;
        if priority == Priority::STOP {
            // V3-FSM-5
            let down_at = turn.now + self.skew(listening.interval);
            self.keep_listening(Listening { down_at, accepted: sign, ..listening });
            return;
        }
        self.notice_successor(turn.now, heard.advert.interval);
        // V3-FSM-16: an owner preempts whatever the configuration says.
        let preempt = self.config.preempt || self.effective == Priority::OWNER;
        let lower = preempt && priority < self.effective;
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

    fn on_due_in_backup(&mut self, turn: &mut Turn<'_>, listening: Listening) {
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

    fn on_rise_in_backup(&mut self, turn: &mut Turn<'_>, leader: &Leader) {
        self.reconsider_keeping(turn);
        self.become_active(turn, leader.followed());
    }

    // Active

    fn on_facts_in_active(&mut self, turn: &mut Turn<'_>, holding: Holding) {
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
    fn on_manager_in_active(&mut self, turn: &mut Turn<'_>, holding: Holding) {
        if holding.is_opening() {
            return;
        }
        let order = turn.out.order();
        turn.out.outputs.push_back(Output::Install { instance: self.id, order });
        self.keep_holding(Holding { order, ..holding });
    }

    fn on_advert_in_active(&mut self, turn: &mut Turn<'_>, holding: Holding, heard: &Heard<'_>) {
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
    fn on_claim_in_active(
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
    fn is_outranked_by(&self, heard: &Heard<'_>) -> bool {
        let tie = || self.source.is_none_or(|own| heard.source > own);
        heard.advert.priority > self.effective || (heard.advert.priority == self.effective && tie())
    }

    fn on_due_in_active(&mut self, turn: &mut Turn<'_>, holding: Holding) {
        self.flush_remarks(turn);
        self.end_pause(turn, holding);
        // Whoever goes on as a master has an advert to send on time all the same.
        let State::Active(mut holding) = self.state else { return };
        if holding.install_by.is_some_and(|limit| turn.now >= limit) {
            self.refuse(turn, holding, vec![format!("ipmgr did not answer within {INSTALL_LIMIT:?}")]);
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
    fn on_placed_in_active(
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

    fn on_installed_in_active(&mut self, turn: &mut Turn<'_>, holding: Holding, answer: &Installed<'_>) {
        let Installed { order, failures, nothing } = *answer;
        // Before the addresses are ordered, the number is a prelude's, and ipmgr can't have answered it.
        if order != holding.order || holding.is_opening() {
            return;
        }
        if nothing {
            self.refuse(turn, holding, failures.to_vec());
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

    fn on_withdrawn_in_active(&mut self, turn: &mut Turn<'_>, order: Option<OrderNumber>) {
        if order.is_some() {
            self.settle(turn, order);
            return;
        }
        // Our own order to install may be under way: the one to withdraw has to follow it.
        self.withdraw(turn);
        self.become_backup(turn, self.interval(), None, Cause::Abandoned);
    }

    /// The time for saying goodbye is over, whatever is waited for.
    fn on_give_up_in_active(&mut self, turn: &mut Turn<'_>, holding: Holding) {
        self.resign(turn, holding, Cause::Shutdown);
        self.on_give_up_in_initialize(turn);
    }

    /// Its own peers don't know yet that they are to take over.
    fn on_yield_in_active(&mut self, turn: &mut Turn<'_>, holding: Holding, leader: &Leader) {
        self.say_goodbye(turn);
        self.leave_to_whom_it_concerns(turn, &holding);
        self.become_backup(turn, self.interval(), None, leader.followed());
    }

    // What several arms do

    /// Addresses are gone, by an order or, without one, by ipmgr's own will.
    fn settle(&mut self, turn: &mut Turn<'_>, order: Option<OrderNumber>) {
        if order.is_none() {
            self.lose_kept(turn);
        } else if order == self.withdrawing {
            self.withdrawing = None;
        }
    }

    /// Master of nothing: the kernel or ipmgr said no.
    fn refuse(&mut self, turn: &mut Turn<'_>, holding: Holding, failures: Vec<String>) {
        self.refusals.begin(turn.now, failures, turn.facts.link.fact.as_ref());
        self.refresh(&turn.facts);
        self.resign(turn, holding, Cause::NotEligible(self.reasons.clone()));
    }

    /// From Active to Initialize: says so (V3-FSM-13), and lets go.
    pub(crate) fn resign(&mut self, turn: &mut Turn<'_>, holding: Holding, cause: Cause) {
        self.say_goodbye(turn);
        self.leave_to_whom_it_concerns(turn, &holding);
        self.become_initialize(turn, cause);
    }

    pub(crate) fn become_initialize(&mut self, turn: &mut Turn<'_>, cause: Cause) {
        self.decided = true;
        self.transition(turn, State::Initialize, cause);
    }

    /// Listens for a full Active_Down_Interval of a master with this interval (V3-FSM-2, V3-FSM-11).
    fn become_backup(
        &mut self,
        turn: &mut Turn<'_>,
        interval: Duration,
        accepted: Option<Sign>,
        cause: Cause,
    ) {
        if let Some(cause) = self.why_leave() {
            // It was about to leave anyway.
            self.become_initialize(turn, cause);
            return;
        }
        self.decided = true;
        let down_at = turn.now + self.down_interval(interval);
        let listening = Listening {
            since: turn.now,
            down_at,
            interval,
            accepted,
            lower: None,
            deaf_since: turn.facts.link.is_deaf().then_some(turn.now),
            patient_until: None,
        };
        self.transition(turn, State::Backup(listening), cause);
    }

    /// Speaks first, and has the addresses put in place (V3-FSM-1, V3-FSM-4).
    fn become_active(&mut self, turn: &mut Turn<'_>, cause: Cause) {
        let in_place = self.keeping.take().is_some() || matches!(cause, Cause::Resumed);
        let holding = Holding {
            advert_at: turn.now + self.interval(),
            order: OrderNumber::default(),
            placed: false,
            pause: None,
            install_by: Some(turn.now + INSTALL_LIMIT),
            announce_again: None,
            refresh_at: None,
            rival_announced: None,
            rival_again: None,
            answered: None,
            lower_told: None,
        };
        self.transition(turn, State::Active(holding), cause);
        self.advertise(turn);
        self.open(turn, holding, in_place);
    }

    /// Moves Backup's timers; the state stays.
    pub(crate) fn keep_listening(&mut self, listening: Listening) {
        self.state = State::Backup(listening);
    }

    /// Moves Active's timers; the state stays.
    pub(crate) fn keep_holding(&mut self, holding: Holding) {
        self.state = State::Active(holding);
    }

    /// The next moment at which [`Event::Due`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let timers = match self.state {
            State::Initialize => [self.refusals.deadline(), None, None, None],
            State::Backup(listening) => {
                [Some(listening.ends_at(self.config.manners.link_patience)), None, None, None]
            }
            State::Active(holding) => [
                Some(holding.advert_at),
                holding.install_by.into_iter().chain(holding.pause.map(|pause| pause.until)).min(),
                holding.announce_again.map(|round| round.at),
                holding.refresh_at.into_iter().chain(holding.rival_again).min(),
            ],
        };
        let kept = self.keeping.map(|keeping| keeping.until);
        timers
            .into_iter()
            .flatten()
            .chain(kept)
            .chain(self.remarks_deadline())
            .chain(self.roles.deadline())
            .min()
    }
}
