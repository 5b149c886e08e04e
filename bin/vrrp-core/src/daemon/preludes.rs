//! Who does what comes before addresses come or go, and before anything takes part: one client, which is asked and answers.
//!
//! It must never make anybody wait for a client that isn't there: then the answer is given here, at once. How long one that is
//! there is waited for is the core's to know. What is to be done is the client's: it reads its own configuration
//! (docs/events.md). SO_PEERCRED of unix(7) says who asks for the part.

use std::collections::BTreeMap;
use std::time::Duration;

use ipc::events::{Before, Message};
use model::{InstanceName, Instant};
use reactor::ClientId;
use vrrp::{Input, InstanceId, OrderNumber, Prelude};

use super::Daemon;

/// Whom the units run notifierd as.
const NOTIFIER: &str = "_handover-notify";

/// Who is asked, and for what.
#[derive(Debug)]
pub(super) struct Preludes {
    /// Who may have the part.
    users: Vec<u32>,
    player: Option<ClientId>,
    /// The last one of each instance that has not been answered; by name, since numbers change with a reload.
    open: BTreeMap<InstanceName, OrderNumber>,
}

impl Preludes {
    /// Nobody is there yet.
    pub(super) fn new() -> Self {
        let notifier = sys::user::lookup(NOTIFIER).unwrap_or_default().map(|user| user.uid);
        let users = [0, sys::user::effective_uid()].into_iter().chain(notifier).collect();
        Self { users, player: None, open: BTreeMap::new() }
    }
}

impl Daemon {
    /// The core wants something done first.
    pub(super) fn ask_for(&mut self, id: InstanceId, order: OrderNumber, prelude: Prelude, now: Instant) {
        let found = self.setup.instance_config(id).map(|it| (it.name.clone(), it.manners.preludes.limit));
        match (self.preludes.player, found) {
            (Some(player), Some((instance, limit))) => {
                let before = match prelude {
                    Prelude::Master => Before::Master,
                    Prelude::Backup => Before::Backup,
                };
                self.preludes.open.insert(instance.clone(), order);
                let (order, limit_ms) = (order.0, millis(limit));
                let prelude = ipc::events::Prelude { instance, before, order, limit_ms };
                self.tell(player, &Message::Prelude(prelude));
            }
            (None, _) | (_, None) => {
                log::warn!("{} is not run: no notifierd is there", prelude.word());
                self.core.handle(now, Input::PreludeDone { instance: id, order });
            }
        }
    }

    /// Somebody wants the part. Who had it before has it no more: a notifierd that was restarted is another client.
    pub(super) fn on_player(&mut self, client: ClientId, now: Instant) {
        let user = self.server.peer(client).map(|peer| peer.uid);
        if user.is_none_or(|user| !self.preludes.users.contains(&user)) {
            let error = format!("preludes are for root, the user of vrrp-core and {NOTIFIER}");
            self.tell(client, &Message::Error { error });
            return;
        }
        if let Some(before) = self.preludes.player.filter(|before| *before != client) {
            self.lose_player(before, now);
        }
        self.preludes.player = Some(client);
        self.ask_for_startup(client, now);
        self.tell(client, &Message::Done { done: "preludes are asked of you".to_owned() });
    }

    /// It is done, if it is what was asked.
    pub(super) fn on_prelude_done(
        &mut self,
        client: ClientId,
        name: &InstanceName,
        order: u64,
        now: Instant,
    ) {
        let order = OrderNumber(order);
        if self.is_player(client) && self.preludes.open.get(name) == Some(&order) {
            self.preludes.open.remove(name);
            self.finish_prelude(name, order, now);
        }
    }

    /// Whether that client has the part. One that hasn't is told how to get it.
    fn is_player(&mut self, client: ClientId) -> bool {
        let is_player = self.preludes.player == Some(client);
        if !is_player {
            let error = "nothing was asked of you: send {\"request\":\"preludes\"} first".to_owned();
            self.tell(client, &Message::Error { error });
        }
        is_player
    }

    /// For the log: why nothing takes part yet.
    pub(super) fn tell_of_startup(&self) {
        if let Some(until) = self.core.startup_script_until() {
            let limit = until.since(self.started).as_secs();
            log::info!("no instance takes part before startup_script has ended, for {limit} s at most");
        }
    }

    /// Who has just taken the part may know more of `startup_script` than we do; who is restarted meanwhile is asked anew.
    fn ask_for_startup(&mut self, client: ClientId, now: Instant) {
        if let Some(until) = self.core.startup_script_until() {
            self.tell(client, &Message::Startup { limit_ms: millis(until.since(now)) });
        }
    }

    /// Elections may begin.
    pub(super) fn on_startup_done(&mut self, client: ClientId, now: Instant) {
        if self.is_player(client) {
            self.core.handle(now, Input::StartupDone);
        }
    }

    /// Who was asked is gone: nobody will answer any more.
    pub(super) fn lose_player(&mut self, client: ClientId, now: Instant) {
        if self.preludes.player != Some(client) {
            return;
        }
        self.preludes.player = None;
        for (name, order) in std::mem::take(&mut self.preludes.open) {
            self.finish_prelude(&name, order, now);
        }
    }

    fn finish_prelude(&mut self, name: &InstanceName, order: OrderNumber, now: Instant) {
        if let Some(instance) = self.setup.instance(name) {
            self.core.handle(now, Input::PreludeDone { instance, order });
        }
    }
}

fn millis(limit: Duration) -> u64 {
    u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)
}
