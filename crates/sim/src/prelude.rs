//! What has to be done before addresses come or go, as a core sees it: an answer in time, one that comes too late, or none.
//!
//! A hook that hangs is a fault that a script doesn't name: it befalls any prelude, and what may follow from it is what the
//! oracles hold of every run. Drawn apart from everything else, so that runs without preludes keep their stories.

use std::time::Duration;

use vrrp::{CoreConfig, InstanceId, OrderNumber, Preludes};

use crate::rng::Rng;
use crate::scenario::NodeId;
use crate::world::{Event, Message, World};

/// In so many of a thousand runs some instances have preludes.
const SHARE: u16 = 300;
/// How many of a thousand instances then have one or the other.
const LIKELY: u16 = 600;
/// The longest that a prelude of a run is waited for.
const MAX_LIMIT: Duration = Duration::from_secs(2);
/// What a seed is mixed with.
const APART: u64 = 0x7072_656c_7564_6573;

/// Gives preludes to some instances of some seeds.
pub(crate) fn draw(seed: u64, configs: &mut [CoreConfig]) {
    let mut rng = Rng::new(seed ^ APART);
    if !rng.chance(SHARE) {
        return;
    }
    let limit = rng.between(Duration::from_millis(1), MAX_LIMIT);
    for instance in configs.iter_mut().flat_map(|config| &mut config.instances) {
        instance.manners.preludes =
            Preludes { master: rng.chance(LIKELY), backup: rng.chance(LIKELY), limit };
    }
}

impl World {
    /// Somebody begins to do it.
    pub(crate) fn play_prelude(&mut self, node: NodeId, instance: InstanceId, order: OrderNumber) {
        let mut rng = Rng::new(self.scenario.seed ^ APART ^ self.now.as_nanos());
        let takes = match rng.below(4) {
            _ if !self.scenario.fickle_preludes => Duration::ZERO,
            // It hangs.
            0 => return,
            // Nobody is there to do it.
            1 => Duration::ZERO,
            // Some are late.
            _ => rng.between(Duration::ZERO, MAX_LIMIT * 2),
        };
        let Some(running) = self.hosts.get(node.0).and_then(|host| host.running.as_ref()) else { return };
        let answer = Event::ToCore(node, running.incarnation, Message::PreludeDone(instance, order));
        self.queue.push(self.now + takes, answer);
    }
}
