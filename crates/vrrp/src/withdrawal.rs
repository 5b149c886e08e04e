//! What ipmgr is waited for: an order to remove addresses that it hasn't answered, and since when.
//!
//! Until the answer has come the addresses may still be here, and on the next master, too: whoever asks has to hear of it, and
//! the log after as long as an order to install may take. It must never keep anybody from giving way: the protocol goes on.

use model::Instant;

use crate::door::{Notice, OrderNumber, Output};
use crate::eligibility::Manager;
use crate::instance::{Instance, Turn};
use crate::machine::INSTALL_LIMIT;
use crate::state::State;
use crate::status::{Awaited, AwaitedWhat};

/// An order to remove addresses that hasn't been answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Withdrawal {
    /// The last one.
    pub(crate) order: OrderNumber,
    /// When the first of those was given that were not answered.
    since: Instant,
    /// Somebody was told of the silence.
    told: bool,
}

impl Withdrawal {
    /// When it is time to tell of the silence, once.
    pub(crate) fn tell_at(&self) -> Option<Instant> {
        (!self.told).then(|| self.since + INSTALL_LIMIT)
    }
}

impl Instance {
    /// Orders the addresses to be removed, whether or not they are there.
    pub(crate) fn withdraw(&mut self, turn: &mut Turn<'_>) {
        let order = turn.out.order();
        turn.out.outputs.push_back(Output::Withdraw { instance: self.id, order });
        self.refused.clear();
        self.unclaimed = false;
        // Nobody answers who isn't there; its successor removes what nobody orders.
        let (since, told) = self.withdrawing.map_or((turn.now, false), |it| (it.since, it.told));
        let withdrawal = Withdrawal { order, since, told };
        self.withdrawing = (turn.facts.manager == Manager::Present).then_some(withdrawal);
    }

    /// Says once that the addresses may be on two hosts.
    pub(crate) fn tell_of_silence(&mut self, turn: &mut Turn<'_>) {
        let overdue = self.withdrawing.as_mut().filter(|it| it.tell_at().is_some_and(|at| turn.now >= at));
        let Some(withdrawal) = overdue else { return };
        withdrawal.told = true;
        let text = format!(
            "ipmgr has not said for {INSTALL_LIMIT:?} that the addresses are gone: they may still be here, whoever is master"
        );
        let notice = Notice { instance: Some(self.id), text, suppressed: 0 };
        turn.out.outputs.push_back(Output::Notice(notice));
    }

    /// What ipmgr, or a prelude, is waited for.
    pub(crate) fn awaited(&self) -> Option<Awaited> {
        let placing = match self.state {
            State::Active(holding) if holding.install_by.is_none() => None,
            State::Active(holding) => {
                Some(if holding.is_opening() { AwaitedWhat::Prelude } else { AwaitedWhat::Placing })
                    .map(|what| Awaited { what, since: holding.since })
            }
            State::Initialize | State::Backup(_) => None,
        };
        let removing = || self.withdrawing.map(|it| Awaited { what: AwaitedWhat::Removing, since: it.since });
        placing.or_else(removing)
    }
}
