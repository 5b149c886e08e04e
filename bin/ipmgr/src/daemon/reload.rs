//! Another configuration in place: vrrp-core asks for it, or says hello with one that the file has and we don't.
//!
//! It must never touch an address that both configurations have, nor a socket of a link whose use is the same.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ipc::core_ipmgr::{self, Report};
use ipc::reload::Answer;
use model::Instant;
use service::Failure;
use service::reload::{Ask, Candidate, Resolution};

use super::troubles::standing_things;
use super::{CORE, Daemon, NEWCOMER, by_name};
use crate::claims::InstanceId;
use crate::facts::Configured;
use crate::{plan, sockets};

impl Daemon {
    /// vrrp-core wants to know whether we could run what the file says.
    pub(super) fn on_prepare(&mut self, now: Instant) {
        let ask = Ask::Prepare { asker: (), by: Some("vrrp-core, for all daemons".to_owned()) };
        let resolution = self.reload.ask(&self.reactor, ask);
        self.resolve(resolution, self.reload.running().as_u64(), now);
    }

    /// vrrp-core runs it from now on, and so do we. Where that can't be, its next hello settles it.
    pub(super) fn on_adopt(&mut self, fingerprint: u64, now: Instant) {
        if fingerprint == self.reload.running().as_u64() {
            return;
        }
        if !self.reload.has_prepared(&config::Fingerprint::from_u64(fingerprint).to_string()) {
            return self.drop_core("it runs a configuration that we have not prepared");
        }
        let config = config::Fingerprint::from_u64(fingerprint).to_string();
        let by = "vrrp-core, for all daemons".to_owned();
        let resolution = self.reload.ask(&self.reactor, Ask::Commit { asker: (), by, config });
        if let Some(Resolution { adopt: Some(candidate), .. }) = resolution {
            self.adopt(candidate, now);
        }
    }

    /// Somebody says hello who runs another configuration: the file decides.
    pub(super) fn follow(&mut self, now: Instant) -> Result<(), Failure> {
        let resolution = self.reload.ask(&self.reactor, Ask::Follow { sibling: "vrrp-core" });
        let settled = resolution.is_some();
        self.resolve(resolution, self.reload.running().as_u64(), now);
        if settled { self.greet(now) } else { Ok(()) }
    }

    /// The file has been read.
    pub(super) fn on_read(&mut self, now: Instant) -> Result<(), Failure> {
        let Some(reading) = self.reload.on_ready(&self.reactor) else { return Ok(()) };
        let fingerprint = reading.fingerprint().as_u64();
        let resolution = self.reload.resolve(&self.reactor, reading, None);
        self.resolve(Some(resolution), fingerprint, now);
        self.greet(now)
    }

    /// Goes on with a hello that had to wait.
    fn greet(&mut self, now: Instant) -> Result<(), Failure> {
        let Some(greeting) = self.greeting.take() else { return Ok(()) };
        self.on_hello(greeting, now)?;
        // What it has said meanwhile makes no news any more.
        let token = if self.newcomer.is_some() { NEWCOMER } else { CORE };
        self.reactor.again(token);
        Ok(())
    }

    fn resolve(&mut self, resolution: Option<Resolution<(), ()>>, fingerprint: u64, now: Instant) {
        let Some(Resolution { answers, adopt }) = resolution else { return };
        if let Some(candidate) = adopt {
            self.adopt(candidate, now);
            // It may run what we ran: its next hello tells.
            self.drop_core("we have found another configuration in the file");
        }
        for ((), answer) in answers {
            let error = match answer {
                Answer::Ready { .. } => None,
                Answer::Refused { error } => Some(core_ipmgr::cut(error)),
                Answer::Done { .. } => continue,
            };
            self.with_core(|core| core.send(&Report::Prepared { fingerprint, error }, None));
        }
    }

    fn adopt(&mut self, candidate: Candidate<()>, now: Instant) {
        if !self.answers.is_empty() {
            // What was ordered by names of before is answered by them.
            self.settle(now);
        }
        let (old, new) = (Arc::clone(&self.config), candidate.config);
        let known: HashMap<_, InstanceId> = old
            .instances
            .iter()
            .enumerate()
            .map(|(number, it)| (it.identity(), InstanceId(number)))
            .collect();
        let carried = new.instances.iter().map(|it| (it.advert_interval, known.get(&it.identity()).copied()));
        self.claims = self.claims.carried_over(carried);
        let now_at = new.instances.iter().enumerate().filter_map(|(number, it)| {
            let was = known.get(&it.identity())?;
            Some((InstanceId(number), self.answered.get(was)?.clone()))
        });
        self.answered = now_at.collect();
        let uses = sockets::uses(&new);
        if let Some(core) = &mut self.core {
            core.given
                .retain(|link, _| uses.get(link).is_some_and(|usage| self.uses.get(link) == Some(usage)));
            core.told.retain(|link, _| uses.contains_key(link));
        }
        let gone = self.former.drain().chain(plan::spots(&old));
        self.former = gone.filter(|spot| spot.is_there(&self.world)).collect();
        self.instances = by_name(&new);
        let standing: HashSet<_> = standing_things(&new).collect();
        self.contest.forget_all_but(|name, thing| match name {
            Some(name) => self.instances.contains_key(name),
            None => standing.contains(thing),
        });
        self.configured = Configured::of(&new);
        self.uses = uses;
        self.evidence.reconfigure(self.uses.keys(), &self.reactor);
        self.config = new;
        self.failures.clear();
        self.adopted = true;
        self.dirty = true;
        self.rest_until = now;
    }
}
