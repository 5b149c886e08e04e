//! What has come into place of the orders at hand, so that it can be told before all of it has. Sans I/O.
//!
//! Adding thousands of addresses takes the kernel tens of milliseconds, and seconds for IPv6, while vrrp-core may announce each
//! as soon as it is there. It must never say of an address that it is in place before the kernel has.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use config::Config;

use crate::claims::{Claim, Claims, InstanceId};
use crate::plan::Spot;

/// The number of an address among all that its instance holds.
type Number = u32;

/// The orders at hand.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Who wants what is at that place.
    wanted: HashMap<Spot, Vec<(InstanceId, Number)>>,
    orders: BTreeMap<InstanceId, Order>,
}

#[derive(Debug)]
struct Order {
    number: u64,
    /// In place and not told yet.
    fresh: Vec<Number>,
    told: BTreeSet<Number>,
}

impl Progress {
    /// Nothing of these orders is in place yet, as far as is known.
    pub(crate) fn of(
        config: &Config,
        claims: &Claims,
        orders: impl IntoIterator<Item = (InstanceId, u64)>,
    ) -> Self {
        let mut progress = Self::default();
        for (id, number) in orders {
            let ordered = config.instances.get(id.0).filter(|_| claims.of(id) == Claim::Ordered);
            // An interface that is filled before it is switched on can't announce anything yet.
            let Some(instance) = ordered.filter(|it| it.virtual_mac.is_none()) else {
                continue;
            };
            let order = Order { number, fresh: Vec::new(), told: BTreeSet::new() };
            if progress.orders.insert(id, order).is_none() {
                for (address, number) in instance.held().zip(0..) {
                    progress.wanted.entry(Spot::of(address)).or_default().push((id, number));
                }
            }
        }
        progress
    }

    /// The kernel has added what is there.
    pub(crate) fn note(&mut self, spot: &Spot) {
        for (id, number) in self.wanted.get(spot).into_iter().flatten() {
            if let Some(order) = self.orders.get_mut(id) {
                order.fresh.push(*number);
            }
        }
    }

    /// Whose addresses have come into place since this was asked the last time: the order and their numbers.
    pub(crate) fn news(&mut self) -> Vec<(InstanceId, u64, Vec<Number>)> {
        let orders = self.orders.iter_mut().filter(|(_, order)| !order.fresh.is_empty());
        orders
            .map(|(id, order)| {
                let fresh = std::mem::take(&mut order.fresh);
                order.told.extend(&fresh);
                (*id, order.number, fresh)
            })
            .collect()
    }

    /// Whether that address was told.
    pub(crate) fn has_told(&self, id: InstanceId, number: Number) -> bool {
        self.orders.get(&id).is_some_and(|order| order.told.contains(&number))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::Instant;

    use super::*;

    const TEXT: &str = "
vrrp_instance one { interface eth0 \n virtual_router_id 1 \n virtual_ipaddress { 192.0.2.5/24 \n 192.0.2.6/24 } }
vrrp_instance two { interface eth0 \n virtual_router_id 2 \n virtual_ipaddress { 192.0.2.6/24 } }
vrrp_instance three { interface eth0 \n virtual_router_id 3 \n virtual_ipaddress { 192.0.2.5/24 } }
";
    const ONE: InstanceId = InstanceId(0);
    const TWO: InstanceId = InstanceId(1);
    const THREE: InstanceId = InstanceId(2);

    #[test]
    fn whoever_ordered_it_is_told_once() {
        let config = config::parse("test.conf", TEXT).config.expect("valid");
        let mut claims = Claims::new([Duration::from_secs(1); 3], Instant::ZERO);
        claims.order(ONE);
        claims.order(TWO);
        // The third was withdrawn in the same turn, and the first ordered twice.
        let mut progress = Progress::of(&config, &claims, [(ONE, 6), (TWO, 7), (THREE, 8), (ONE, 9)]);
        let spots: Vec<Spot> = config.instances[0].held().map(Spot::of).collect();
        assert_eq!(progress.news(), []);
        progress.note(&spots[1]);
        assert!(!progress.has_told(ONE, 1));
        assert_eq!(progress.news(), [(ONE, 9, vec![1]), (TWO, 7, vec![0])]);
        assert!(progress.has_told(ONE, 1) && progress.has_told(TWO, 0) && !progress.has_told(ONE, 0));
        progress.note(&spots[0]);
        assert_eq!(progress.news(), [(ONE, 9, vec![0])]);
        assert_eq!(progress.news(), []);
    }
}
