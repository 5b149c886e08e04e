//! Another configuration in place: read beside the loop, with ipmgr's consent, and then taken between two adverts.
//!
//! It must never change anything that ipmgr couldn't change along, nor leave a sibling behind without a word. What
//! becomes of an instance is the core's affair (`vrrp::Core::reconfigure`); here everything that knows it by its number
//! learns the new one.

use std::collections::HashMap;
use std::time::Duration;

use config::{Config, Pacing};
use ipc::core_ipmgr::Order;
use ipc::events::Message;
use ipc::reload::{Planned, Step};
use model::{Family, InstanceName, Instant, Transport};
use reactor::{ClientId, Interest};
use service::reload::{Ask, Candidate, Reading, Resolution};
use vrrp::{CoreConfig, Input, InstanceId, LinkId, Switched};

use super::{Daemon, moment, token_of, token_of_carrier};
use crate::pacing::Announcement;
use crate::plan;
use crate::setup::{CarrierId, Setup};

/// How long ipmgr may take to read the configuration: less than a coordinator waits for us.
const IPMGR_PATIENCE: Duration = Duration::from_secs(10);

/// What is made of a configuration before it runs.
#[derive(Debug)]
pub(super) struct Made {
    setup: Setup,
    core: CoreConfig,
    pacing: Pacing,
}

/// In a thread.
pub(super) fn make(old: &Config, new: &Config) -> (Made, Vec<Planned>) {
    let setup = Setup::new(new);
    let plan = plan::plan(old, new, &setup.core);
    (Made { core: setup.core.clone(), setup, pacing: new.global.pacing }, plan)
}

/// ipmgr has been asked.
#[derive(Debug)]
pub(super) struct Awaiting {
    reading: Reading<ClientId, Made>,
    pub(super) until: Instant,
}

impl Daemon {
    /// A coordinator's.
    pub(super) fn on_step(&mut self, client: ClientId, step: Step, now: Instant) {
        let ask = Ask::of(client, step, self.server.peer(client));
        let resolution = self.reload.ask(&self.reactor, ask);
        self.resolve(resolution, now);
    }

    /// The file has been read. If it says something new, ipmgr is asked to read it, too.
    pub(super) fn on_read(&mut self, now: Instant) {
        let Some(reading) = self.reload.on_ready(&self.reactor) else { return };
        let news = reading.is_valid() && reading.fingerprint() != self.reload.running();
        if news && self.manager.is_greeted() {
            self.manager.send(&Order::Prepare, now);
            self.awaiting = Some(Awaiting { reading, until: now + IPMGR_PATIENCE });
        } else {
            self.conclude(reading, None, now);
        }
    }

    /// ipmgr has read the file.
    pub(super) fn on_prepared(&mut self, fingerprint: u64, error: Option<String>, now: Instant) {
        let Some(Awaiting { reading, .. }) = self.awaiting.take() else { return };
        let another = "it has read another text than vrrp-core: is the file just being written?".to_owned();
        let differs = fingerprint != reading.fingerprint().as_u64();
        let objection = error.or(differs.then_some(another)).map(|error| format!("ipmgr: {error}"));
        self.conclude(reading, objection, now);
    }

    /// ipmgr has gone away, or takes too long.
    pub(super) fn give_up_waiting(&mut self, now: Instant) {
        let gone = !self.manager.is_greeted();
        if let Some(Awaiting { reading, .. }) = self.awaiting.take_if(|it| gone || it.until <= now) {
            let why = if gone { "ipmgr has gone away" } else { "ipmgr doesn't answer" };
            self.conclude(reading, Some(format!("{why}: nothing has changed")), now);
        }
    }

    fn conclude(&mut self, reading: Reading<ClientId, Made>, objection: Option<String>, now: Instant) {
        let resolution = self.reload.resolve(&self.reactor, reading, objection);
        self.resolve(Some(resolution), now);
        let running = self.reload.running().to_string();
        // What we run is as good as the file can make it.
        if self.checker.config().is_some_and(|its| its != running && !self.reload.has_prepared(its)) {
            self.checker.call(running);
        }
    }

    /// checkerd may run another configuration, and nobody is about to tell us to run it, too.
    pub(super) fn of_one_mind(&mut self, now: Instant) {
        let Some(its) = self.checker.config() else { return };
        if its != self.reload.running().to_string() && !self.reload.has_prepared(its) {
            self.follow("checkerd", now);
        }
    }

    /// A sibling runs another configuration: the file decides.
    pub(super) fn follow(&mut self, sibling: &'static str, now: Instant) {
        let resolution = self.reload.ask(&self.reactor, Ask::Follow { sibling });
        self.resolve(resolution, now);
    }

    fn resolve(&mut self, resolution: Option<Resolution<ClientId, Made>>, now: Instant) {
        let Some(Resolution { answers, adopt }) = resolution else { return };
        if let Some(candidate) = adopt {
            self.adopt(candidate, now);
        }
        for (client, answer) in answers {
            self.tell(client, &Message::Reload(answer));
        }
    }

    fn adopt(&mut self, candidate: Candidate<Made>, now: Instant) {
        // What waits is told with the numbers that it was told with.
        self.drain(now);
        while let Some(output) = self.backlog.pop() {
            self.act(output, now);
        }
        let Made { setup, core, pacing } = candidate.made;
        // `None`: it says goodbye already.
        let Some(switched) = self.core.reconfigure(now, core) else { return };
        let Switched { farewells, instances, links, groups, plan } = switched;
        farewells.into_iter().for_each(|output| self.act(output, now));
        let fingerprint = candidate.fingerprint.as_u64();
        self.manager.send(&Order::Adopt { fingerprint }, now);
        self.manager.reconfigure(fingerprint, setup.shortest_interval(), now);
        let old = std::mem::replace(&mut self.setup, setup);
        self.feed.reconfigure(&self.setup.core, &instances, &groups, &moment());
        self.checker.reconfigure(&self.setup.checks);
        let is = |id: InstanceId| instances.get(id.0).copied().flatten();
        self.held = self.held.iter().filter_map(|id| is(*id)).collect();
        self.move_announcements(&old, pacing, is);
        self.move_sockets(&old, |id| links.get(id.0).copied().flatten());
        self.move_memories(&old, &plan, now);
        self.publish_anew();
        self.drain(now);
    }

    fn move_announcements(
        &mut self,
        old: &Setup,
        pacing: Pacing,
        is: impl Fn(InstanceId) -> Option<InstanceId>,
    ) {
        let new = &self.setup;
        let places = new.places();
        let place = |instance: InstanceId, place: usize| {
            let placed = old.addresses(instance).get(place)?;
            places.get(&(is(instance)?, placed)).copied()
        };
        let announcement = |Announcement { instance, place: old }| {
            Some(Announcement { instance: is(instance)?, place: place(instance, old)? })
        };
        self.in_place.renumber(&is, place);
        self.pacer.renumber(pacing, |id| new.carrier_since(old, id), announcement);
    }

    /// A socket that stays is watched under its new number.
    fn move_sockets(&mut self, old: &Setup, link: impl Fn(LinkId) -> Option<LinkId>) {
        let new = &self.setup;
        let carrier = |id: CarrierId| new.carrier_since(old, id);
        self.wire.renumber(
            |id, transport| link(id).filter(|id| new.speaks(*id, family_of(transport))),
            |id, family| carrier(id).filter(|id| new.carries(*id, family)),
            |name| new.frames_on(name) || new.link(name).is_some(),
        );
        let adverts = self.wire.all_adverts().map(|(link, transport, socket)| {
            self.reactor.reregister(token_of(link, transport), socket, Interest::READABLE)
        });
        let watches = self.wire.all_watches().map(|(carrier, family, socket)| {
            self.reactor.reregister(token_of_carrier(carrier, family), socket, Interest::READABLE)
        });
        for error in adverts.chain(watches).filter_map(Result::err) {
            log::error!("watch a socket under its new number: {error}");
        }
    }

    /// Who is drained stays so under another name, and whoever comes back is still drained. What somebody of that name has failed as
    /// master counts for its successor, too: it may have another VRID, but the service is the same.
    fn move_memories(&mut self, old: &Setup, plan: &vrrp::Plan, now: Instant) {
        let name = |setup: &Setup, id: InstanceId| setup.instance_config(id).map(|it| it.name.clone());
        let (mut renames, mut added) = (HashMap::<InstanceName, InstanceName>::new(), Vec::new());
        for step in &plan.instances {
            match step {
                vrrp::Step::Keep { was, is }
                | vrrp::Step::Retune { was, is, .. }
                | vrrp::Step::Restart { was, is, .. } => {
                    let names = name(old, *was).zip(name(&self.setup, *is));
                    renames.extend(names.filter(|(was, is)| was != is));
                }
                vrrp::Step::Add { is } => added.push(*is),
                vrrp::Step::Remove { .. } => {}
            }
        }
        if let Err(error) = self.drains.rename(&renames) {
            log::error!("remember who is drained in {}: {error}", self.drains.path().display());
        }
        for (drained, text) in self.drains.iter() {
            if let Some(instance) = self.setup.instance(drained).filter(|id| added.contains(id)) {
                self.core.handle(now, Input::Drain { instance: Some(instance), text });
            }
        }
        for (name, penalty) in self.penalties.iter() {
            if let Some(instance) = self.setup.instance(name).filter(|id| added.contains(id)) {
                self.core.handle(now, Input::Penalty { instance, penalty: &penalty });
            }
        }
        self.penalties_due = true;
    }
}

const fn family_of(transport: Transport) -> Family {
    match transport {
        Transport::V4 | Transport::Ah => Family::V4,
        Transport::V6 => Family::V6,
    }
}
