//! Oracle 10: when a master falls silent, the best backup speaks first (V3-TMR-1: the higher the priority, the shorter the
//! skew).
//!
//! It must only judge what the protocol promises: one settled virtual router whose master has just gone, nothing else
//! disturbed until somebody speaks, and a difference of skews that no delay of a packet or timer can make up for.

use std::time::Duration;

use crate::oracle::Standing;

/// The master of a virtual router has gone; who may follow, with the skew of each.
#[derive(Clone, Debug)]
struct Vacancy {
    left: usize,
    candidates: Vec<(usize, Duration)>,
}

/// Whose turn it is, per virtual router.
#[derive(Debug)]
pub(crate) struct Turns {
    vacancies: Vec<Option<Vacancy>>,
}

impl Turns {
    pub(crate) fn new(routers: usize) -> Self {
        Self { vacancies: vec![None; routers] }
    }

    /// Something happened: nobody's turn is certain any more.
    pub(crate) fn forget(&mut self) {
        self.vacancies.fill(None);
    }

    /// Nobody's turn is certain at this virtual router.
    pub(crate) fn forget_one(&mut self, router: usize) {
        if let Some(vacancy) = self.vacancies.get_mut(router) {
            *vacancy = None;
        }
    }

    /// `master` was the settled one of `router` and is gone; `skew` is that of a priority there.
    pub(crate) fn vacate(
        &mut self,
        router: usize,
        master: usize,
        standings: &[Standing],
        skew: impl Fn(&Standing) -> Duration,
    ) {
        let others = || standings.iter().filter(|s| s.router == router && s.eligible && s.node != master);
        let side = standings.iter().find(|s| s.router == router && s.node == master).map(|s| s.side);
        if others().any(|s| Some(s.side) != side) {
            return;
        }
        let candidates = others().map(|s| (s.node, skew(s))).collect();
        if let Some(vacancy) = self.vacancies.get_mut(router) {
            *vacancy = Some(Vacancy { left: master, candidates });
        }
    }

    /// A node advertises itself as master: by its turn, if no other's skew is shorter by more than `slack`.
    ///
    /// # Errors
    /// Whose turn it was.
    pub(crate) fn speak(&mut self, router: usize, node: usize, slack: Duration) -> Result<(), usize> {
        let Some(vacancy) = self.vacancies.get_mut(router) else { return Ok(()) };
        if vacancy.as_ref().is_some_and(|it| it.left == node) {
            // Its last words.
            return Ok(());
        }
        let Some(Vacancy { candidates, .. }) = vacancy.take() else { return Ok(()) };
        let Some((_, own)) = candidates.iter().find(|(it, _)| *it == node) else { return Ok(()) };
        match candidates.iter().find(|(_, skew)| *skew + slack < *own) {
            Some((better, _)) => Err(*better),
            None => Ok(()),
        }
    }
}
