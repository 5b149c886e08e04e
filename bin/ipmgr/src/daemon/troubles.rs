//! What vrrp-core is told beside the answers to its orders, so that `handover status` has it: feuds, and what was refused of what
//! stands still.
//!
//! It must never tell an event: each report says all that is wrong, and replaces the one before.

use std::collections::HashMap;

use config::Config;
use ipc::core_ipmgr::{self, ALIVE_EVERY, Report, Troubles};
use model::Instant;

use super::Daemon;
use crate::core_link::Stage;
use crate::plan::{Spot, Thing};

impl Daemon {
    /// Tells what is wrong, if it is something else than vrrp-core was told last.
    pub(super) fn tell_troubles(&mut self, now: Instant) {
        let Some(core) = self.core.as_mut().filter(|core| core.stage == Stage::Ready) else { return };
        let standing = core_ipmgr::bounded(standing(&self.config, &self.failures));
        let troubles = Troubles { feuds: self.contest.told(now), standing };
        if core.troubles != troubles {
            core.troubles = troubles.clone();
            self.with_core(|core| core.send(&Report::Troubles(troubles), None));
        }
    }

    /// Gives the sign of life that is due.
    pub(super) fn tell_alive(&mut self, now: Instant) {
        if now >= self.alive_at {
            self.alive_at = now + ALIVE_EVERY;
            self.with_core(|core| core.send(&Report::Alive, None));
        }
    }
}

/// What was refused of what belongs to no instance, in the configuration's order.
fn standing(config: &Config, failures: &HashMap<Thing, String>) -> Vec<String> {
    if failures.is_empty() {
        return Vec::new();
    }
    standing_things(config).filter_map(|thing| failures.get(&thing).cloned()).collect()
}

/// What belongs to no instance, in the configuration's order.
pub(super) fn standing_things(config: &Config) -> impl Iterator<Item = Thing> {
    let statics = &config.statics;
    let addresses = statics.addresses.iter().map(|it| Thing::Address(Spot::of(it)));
    let paths = statics.routes.iter().map(Thing::of).chain(statics.rules.iter().map(Thing::of));
    addresses.chain(paths)
}
