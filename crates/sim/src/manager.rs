//! A host's ipmgr as far as the protocol can tell: it holds addresses, obeys the core, and lets go when the core is silent.
//!
//! It is the simulator's model of the contract in [`vrrp::Input`] and of the design's "what each silence means"; it
//! must never know more than the real one: no states, no priorities.

use std::time::Duration;

use model::Instant;
use vrrp::{InstanceId, OrderNumber};

/// How many advertisement intervals a silent core's addresses are kept: less than the three in which a peer takes over.
pub(crate) const GRACE_INTERVALS: u32 = 2;

/// What a core says to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// A core connects.
    Hello,
    /// Hold these addresses.
    Install(InstanceId, OrderNumber),
    /// Let go of them.
    Withdraw(InstanceId, OrderNumber),
    /// The core's socket was closed: it is dead.
    Closed,
}

/// Why addresses are to be let go of, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Release {
    /// Not at all.
    Never,
    /// The core that ordered them died; only a new order keeps them.
    Orphaned(Instant),
    /// The core is connected and silent; a sign of life keeps them.
    Silent(Instant),
}

#[derive(Clone, Copy, Debug)]
struct Holding {
    grace: Duration,
    installed: bool,
    release: Release,
}

/// One host's address manager.
#[derive(Debug)]
pub(crate) struct Manager {
    holdings: Vec<Holding>,
    silent: bool,
}

impl Manager {
    /// Holds nothing. `intervals` are the advertisement intervals of the instances.
    pub(crate) fn new(intervals: impl Iterator<Item = Duration>) -> Self {
        let holding = |interval: Duration| Holding {
            grace: interval.saturating_mul(GRACE_INTERVALS),
            installed: false,
            release: Release::Never,
        };
        Self { holdings: intervals.map(holding).collect(), silent: false }
    }

    /// Another configuration: who goes on is held as before, at its new place.
    pub(crate) fn switch(&mut self, intervals: impl Iterator<Item = Duration>, moved: &[Option<InstanceId>]) {
        let fresh = Self::new(intervals);
        for (holding, is) in std::mem::replace(&mut self.holdings, fresh.holdings).into_iter().zip(moved) {
            if let Some(to) = is.and_then(|is| self.holdings.get_mut(is.0)) {
                *to = Holding { grace: to.grace, ..holding };
            }
        }
    }

    pub(crate) fn holds(&self, instance: InstanceId) -> bool {
        self.holdings.get(instance.0).is_some_and(|holding| holding.installed)
    }

    /// The instances whose addresses are held.
    pub(crate) fn held(&self) -> Vec<InstanceId> {
        (0..self.holdings.len()).map(InstanceId).filter(|instance| self.holds(*instance)).collect()
    }

    /// Adds the addresses; a silent core's only until the grace has passed.
    pub(crate) fn install(&mut self, now: Instant, instance: InstanceId) {
        let silent = self.silent;
        if let Some(holding) = self.holdings.get_mut(instance.0) {
            holding.installed = true;
            holding.release = if silent { Release::Silent(now + holding.grace) } else { Release::Never };
        }
    }

    pub(crate) fn withdraw(&mut self, instance: InstanceId) {
        if let Some(holding) = self.holdings.get_mut(instance.0) {
            holding.installed = false;
            holding.release = Release::Never;
        }
    }

    /// The core is dead: its addresses are orphans from now on.
    pub(crate) fn core_gone(&mut self, now: Instant) {
        self.silent = false;
        for holding in self.holdings.iter_mut().filter(|holding| holding.installed) {
            holding.release = match holding.release {
                Release::Never => Release::Orphaned(now + holding.grace),
                Release::Orphaned(at) | Release::Silent(at) => Release::Orphaned(at),
            };
        }
    }

    /// The connected core shows no sign of life from now on.
    pub(crate) fn core_silent(&mut self, now: Instant) {
        self.silent = true;
        for holding in self.holdings.iter_mut().filter(|holding| holding.installed) {
            holding.release = match holding.release {
                Release::Never => Release::Silent(now + holding.grace),
                Release::Orphaned(at) => Release::Orphaned(at),
                Release::Silent(at) => Release::Silent(at),
            };
        }
    }

    /// The connected core lives again.
    pub(crate) fn core_back(&mut self) {
        self.silent = false;
        for holding in &mut self.holdings {
            holding.release = match holding.release {
                Release::Never | Release::Silent(_) => Release::Never,
                Release::Orphaned(at) => Release::Orphaned(at),
            };
        }
    }

    /// When the next addresses are to be let go of.
    pub(crate) fn next_release(&self) -> Option<Instant> {
        self.holdings
            .iter()
            .filter_map(|holding| match holding.release {
                Release::Never => None,
                Release::Orphaned(at) | Release::Silent(at) => Some(at),
            })
            .min()
    }

    /// Lets go of what is due and says of what.
    pub(crate) fn release(&mut self, now: Instant) -> Vec<InstanceId> {
        let mut released = Vec::new();
        for (index, holding) in self.holdings.iter_mut().enumerate() {
            match holding.release {
                Release::Orphaned(at) | Release::Silent(at) if at <= now => {
                    holding.installed = false;
                    holding.release = Release::Never;
                    released.push(InstanceId(index));
                }
                Release::Never | Release::Orphaned(_) | Release::Silent(_) => {}
            }
        }
        released
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: InstanceId = InstanceId(0);

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    fn manager() -> Manager {
        let mut manager = Manager::new([Duration::from_secs(1)].into_iter());
        manager.install(at(0), ONE);
        manager
    }

    #[test]
    fn keeps_a_dead_cores_addresses_for_the_grace_only() {
        let mut manager = manager();
        manager.core_gone(at(5));
        assert_eq!(manager.next_release(), Some(at(7)));
        assert!(manager.release(at(6)).is_empty());
        assert_eq!(manager.held(), [ONE]);
        assert_eq!(manager.release(at(7)), [ONE]);
        assert!(manager.held().is_empty());
    }

    #[test]
    fn a_new_order_keeps_them_and_a_sign_of_life_does_not() {
        let mut manager = manager();
        manager.core_gone(at(5));
        manager.core_back();
        assert_eq!(manager.next_release(), Some(at(7)));
        manager.install(at(6), ONE);
        assert_eq!(manager.next_release(), None);
    }

    #[test]
    fn a_silent_core_keeps_them_by_coming_back() {
        let mut manager = manager();
        manager.core_silent(at(5));
        assert_eq!(manager.next_release(), Some(at(7)));
        manager.core_back();
        assert_eq!(manager.next_release(), None);
        // What it had ordered before it fell silent is not held longer than the rest.
        manager.core_silent(at(8));
        manager.install(at(9), ONE);
        assert_eq!(manager.next_release(), Some(at(11)));
    }
}
