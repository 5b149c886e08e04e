//! The state machine of RFC 9568 section 6.4 (RFC 3768 section 6.4): every state, every event, no wildcard.
//!
//! It must never send without being Active and on time, never tell MASTER before the addresses are in place, and
//! never leave Active without ordering the addresses away. Read the match in `Instance::arm` first; the arms
//! of each state have a file, in the same order, and what several of them do (`become_*`) is below.

mod active;
mod backup;
mod initialize;

use std::net::IpAddr;
use std::time::Duration;

use model::{Instant, MacAddress, Priority};

use crate::cause::Cause;
use crate::door::{InstanceConfig, OrderNumber, Output};
use crate::eligibility::Facts;
use crate::groups::Leader;
use crate::instance::{Instance, Turn};
use crate::receive::{Heard, Rejected};
use crate::refusal::{Refusal, Refusals};
use crate::state::{Holding, Listening, Sign, State};

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
    /// [`crate::Input::Moved`].
    Moved,
    /// [`crate::Input::Barred`].
    Barred(&'a str),
    /// [`crate::Input::Mended`], and [`crate::Input::Undrain`].
    Mended,
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
        self.tell_of_silence(turn);
        self.tell_priority(turn);
        if self.roles.take_change() {
            turn.out.outputs.push_back(Output::Penalties(self.id));
        }
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
            (State::Initialize | State::Backup(_), Event::Barred(why)) => {
                self.refusals.bar(why);
                self.arm(turn, Event::Facts);
            }
            // What it has is in place; the answer to its next order will say so.
            (State::Active(_), Event::Barred(_)) => {}
            (State::Initialize | State::Backup(_) | State::Active(_), Event::Mended) => {
                self.forget_refusals(turn);
            }
            (State::Initialize | State::Backup(_), Event::Moved) => {}
            (State::Active(holding), Event::Moved) => {
                let holding = self.announce_from_elsewhere(turn, holding);
                self.keep_holding(holding);
            }
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

    // What several arms do

    /// Addresses are gone, by an order or, without one, by ipmgr's own will.
    fn settle(&mut self, turn: &mut Turn<'_>, order: Option<OrderNumber>) {
        if order.is_none() {
            self.lose_kept(turn);
        } else if order == self.withdrawing.map(|it| it.order) {
            self.withdrawing = None;
            if !self.is_active() && !self.stopping && self.refusals.is_late(turn.now, INSTALL_LIMIT) {
                self.withdraw(turn);
            }
        }
    }

    /// V3-FSM-6; V3-FSM-16: an owner preempts whatever the configuration says. What was refused to one member of a sync group would
    /// be lost by all.
    pub(crate) fn may_preempt(&self, facts: &Facts<'_>) -> bool {
        let is_shy = self.refusals.is_shy() || facts.group.is_some_and(|group| group.is_shy);
        (self.config.preempt || self.effective == Priority::OWNER) && !is_shy
    }

    /// What was refused may be tried again, and whoever is master is no longer left alone for its sake.
    fn forget_refusals(&mut self, turn: &mut Turn<'_>) {
        self.refusals = Refusals::none();
        self.arm(turn, Event::Facts);
    }

    /// Somebody is master: whatever is left here of a life before is on both hosts, and ipmgr would keep it for a grace in case we
    /// claim it.
    fn leave_to_the_master(&mut self, turn: &mut Turn<'_>) {
        if self.unclaimed && !self.held {
            self.withdraw(turn);
        }
    }

    /// Master of nothing: the kernel or ipmgr said no.
    fn refuse(&mut self, turn: &mut Turn<'_>, holding: Holding, refusal: Refusal) {
        self.refusals.begin(turn.now, refusal, turn.facts.link.fact.as_ref());
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
            since: turn.now,
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
        self.unclaimed = false;
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
            .chain(self.withdrawing.and_then(|it| it.tell_at()))
            .chain(self.remarks_deadline())
            .chain(self.roles.deadline())
            .min()
    }
}
