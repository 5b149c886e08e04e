//! What has to be done before addresses come or go (`pre_master`, `pre_backup`; pain C3), and for how long it is waited for.
//!
//! It must never cost more than its limit, whoever doesn't answer, and never hold what somebody else has won or what can't be
//! served. So an election that is won is told at once, and only the addresses wait: nobody else wins it meanwhile. And who
//! leaves by an operator's choice stays a master that speaks and serves until it may go; a better router, a failed check, a lost
//! link or an undone order end the wait. A level, not an edge: whether to leave is asked of the facts each time, and the answer
//! to a prelude that is over is nobody's. RFC 9568 knows neither; to its section 6.4.3 both are an Active router that takes its time.

use std::time::Duration;

use model::Instant;

use crate::cause::{Cause, seconds};
use crate::door::{Notice, OrderNumber, Output};
use crate::instance::{Instance, Turn};
use crate::machine::INSTALL_LIMIT;
use crate::state::Holding;

/// What a prelude comes before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prelude {
    /// `pre_master`: before the addresses are put in place.
    Master,
    /// `pre_backup`: before they go by an operator's choice.
    Backup,
}

impl Prelude {
    /// The word in the configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Master => "pre_master",
            Self::Backup => "pre_backup",
        }
    }
}

/// Which preludes there are, and how long each is waited for at the most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preludes {
    /// There is something to do before the addresses are put in place.
    pub master: bool,
    /// There is something to do before they go.
    pub backup: bool,
    /// `pre_timeout`.
    pub limit: Duration,
}

/// A prelude that is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    pub(crate) prelude: Prelude,
    /// Names it, so that a late answer isn't taken for another's.
    pub(crate) order: OrderNumber,
    /// At the latest until then.
    pub(crate) until: Instant,
}

impl Instance {
    /// The election is won and told: the addresses, after what has to be done before them. What is in place already (held by a core
    /// before us, or kept for a successor) has no before.
    pub(crate) fn open(&mut self, turn: &mut Turn<'_>, holding: Holding, in_place: bool) {
        if in_place || !self.config.manners.preludes.master {
            self.install(turn, holding);
            return;
        }
        let pause = self.begin(turn, Prelude::Master);
        // ipmgr's time begins with its order, which this stands for.
        let install_by = Some(pause.until + INSTALL_LIMIT);
        self.keep_holding(Holding { order: pause.order, install_by, pause: Some(pause), ..holding });
    }

    fn install(&mut self, turn: &mut Turn<'_>, holding: Holding) {
        let order = turn.out.order();
        turn.out.outputs.push_back(Output::Install { instance: self.id, order });
        let install_by = Some(turn.now + INSTALL_LIMIT);
        self.keep_holding(Holding { order, install_by, placed: false, pause: None, ..holding });
    }

    /// Why a master is to be one no more, by all that is known now.
    pub(crate) fn why_leave(&self) -> Option<Cause> {
        if self.stopping {
            Some(Cause::Shutdown)
        } else if self.is_unfit() {
            Some(Cause::NotEligible(self.reasons.clone()))
        } else {
            None
        }
    }

    /// Leaves Active: at once, or after what has to be done before if its addresses are in place and served as they should be.
    pub(crate) fn part(&mut self, turn: &mut Turn<'_>, holding: Holding, cause: Cause) {
        let may_wait = self.config.manners.preludes.backup && holding.install_by.is_none();
        if !may_wait || !self.serves(turn) {
            self.resign(turn, holding, cause);
        } else if holding.pause.is_some() {
            self.keep_holding(holding);
        } else {
            let pause = Some(self.begin(turn, Prelude::Backup));
            self.keep_holding(Holding { pause, ..holding });
        }
    }

    fn begin(&self, turn: &mut Turn<'_>, prelude: Prelude) -> Pause {
        let order = turn.out.order();
        turn.out.outputs.push_back(Output::Prelude { instance: self.id, order, prelude });
        Pause { prelude, order, until: turn.now + self.config.manners.preludes.limit }
    }

    /// Whoever did it says so.
    pub(crate) fn on_prelude_done_in_active(
        &mut self,
        turn: &mut Turn<'_>,
        holding: Holding,
        order: OrderNumber,
    ) {
        if let Some(pause) = holding.pause
            && pause.order == order
        {
            self.go_on(turn, holding, pause.prelude);
        }
    }

    /// Waits no longer than it may; whether it is still a master then is in its state.
    pub(crate) fn end_pause(&mut self, turn: &mut Turn<'_>, holding: Holding) {
        let Some(pause) = holding.pause.filter(|pause| turn.now >= pause.until) else { return };
        let (word, limit) = (pause.prelude.word(), seconds(self.config.manners.preludes.limit));
        let text = format!("{word} isn't done after {limit}: going on without it");
        turn.out.outputs.push_back(Output::Notice(Notice { instance: Some(self.id), text, suppressed: 0 }));
        self.go_on(turn, holding, pause.prelude);
    }

    fn go_on(&mut self, turn: &mut Turn<'_>, holding: Holding, prelude: Prelude) {
        match prelude {
            Prelude::Master => self.install(turn, holding),
            Prelude::Backup => match self.why_leave() {
                Some(cause) => self.resign(turn, holding, cause),
                None => self.keep_holding(holding.stays()),
            },
        }
    }
}

impl Holding {
    /// There is no reason to leave any more.
    pub(crate) fn stays(self) -> Self {
        Self { pause: self.pause.filter(|pause| pause.prelude == Prelude::Master), ..self }
    }

    /// The addresses have yet to be ordered.
    pub(crate) fn is_opening(&self) -> bool {
        self.pause.is_some_and(|pause| pause.prelude == Prelude::Master)
    }
}
