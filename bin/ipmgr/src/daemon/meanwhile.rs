//! What vrrp-core says while a large order is being made: thousands of addresses take the kernel a while.
//!
//! Between two batches its orders are read, so that the addresses of an instance that it gives up meanwhile aren't added after all,
//! and kept: they are carried out, in their order, once what is being made has been answered. It must never grow with what a
//! vrrp-core says without end.

use std::collections::HashSet;

use ipc::core_ipmgr::Order;
use model::Instant;

use super::Daemon;
use crate::claims::InstanceId;
use crate::core_link::End;

/// Orders that are kept; more stay in the socket.
const MAX_KEPT: usize = 16_384;

/// What was said and is not carried out yet.
#[derive(Debug, Default)]
pub(super) struct Meanwhile {
    orders: Vec<Order>,
    /// Why there is no more to be read.
    end: Option<End>,
    given_up: HashSet<InstanceId>,
}

impl Meanwhile {
    /// Whether vrrp-core wants the addresses of that instance no more.
    pub(super) fn has_given_up(&self, instance: Option<InstanceId>) -> bool {
        instance.is_some_and(|instance| self.given_up.contains(&instance))
    }
}

impl Daemon {
    /// Reads what there is, and carries out none of it.
    pub(super) fn listen_meanwhile(&mut self) {
        let Some(core) = &mut self.core else { return };
        if self.meanwhile.end.is_some() {
            return;
        }
        let (orders, end) = core.read();
        for order in &orders {
            let (instance, is_wanted) = match order {
                Order::Install { instance, .. } => (instance, true),
                Order::Withdraw { instance, .. } => (instance, false),
                Order::Hello { .. } | Order::Beat | Order::Prepare | Order::Adopt { .. } => continue,
            };
            let Some(id) = self.instances.get(instance) else { continue };
            if is_wanted {
                self.meanwhile.given_up.remove(id);
            } else {
                self.meanwhile.given_up.insert(*id);
            }
        }
        if !orders.is_empty() {
            self.claims.hear(sys::clock::now());
        }
        self.meanwhile.orders.extend(orders);
        self.meanwhile.end = match end {
            End::Empty if self.meanwhile.orders.len() < MAX_KEPT => None,
            End::Empty => Some(End::TurnOver),
            End::TurnOver | End::Broken(_) => Some(end),
        };
    }

    /// Carries out what was said meanwhile.
    pub(super) fn catch_up(&mut self, now: Instant) {
        let Meanwhile { orders, end, given_up: _ } = std::mem::take(&mut self.meanwhile);
        self.carry_out(orders, end.unwrap_or(End::Empty), now);
    }
}
