//! What vrrp-core is told of its orders, and told again when it isn't so any more.

use std::collections::{BTreeMap, HashMap, HashSet};

use config::{Address, Instance};
use ipc::core_ipmgr::{self, Report};
use model::{InstanceName, Instant};

use super::Daemon;
use crate::claims::{Claim, InstanceId};
use crate::core_link::{CoreLink, Stage};
use crate::plan::{Spot, Thing};

/// How many lines about each instance's orders are logged in ten seconds, and how many beside.
const LINES_PER_INSTANCE: u32 = 4;
const MORE_LINES: u32 = 20;

/// Something that vrrp-core is told once the next comparison is done.
#[derive(Debug)]
pub(super) enum Answer {
    Installed { instance: InstanceId, order: u64 },
    Withdrawn { instance: InstanceId, order: Option<u64>, why: String, held: bool },
}

impl Answer {
    pub(super) const fn instance(&self) -> InstanceId {
        match self {
            Self::Installed { instance, .. } | Self::Withdrawn { instance, .. } => *instance,
        }
    }
}

/// The answer to an order to install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) order: u64,
    pub(super) failures: Vec<String>,
}

impl Daemon {
    /// The instances that get an answer in any case.
    pub(super) fn asked(&self) -> HashSet<InstanceId> {
        self.answers.iter().map(Answer::instance).collect()
    }

    /// Answers once more whom an answer was given that isn't so any more: something failed since, or came to its place.
    pub(super) fn answer_again(&mut self, asked: &HashSet<InstanceId>) {
        for (id, before) in &self.answered {
            let instance = self.config.instances.get(id.0).filter(|_| !asked.contains(id));
            if instance.is_some_and(|it| self.told_of(it) != before.failures) {
                self.answers.push(Answer::Installed { instance: *id, order: before.order });
            }
        }
    }

    /// What an answer about that instance says now.
    pub(super) fn told_of(&self, instance: &Instance) -> Vec<String> {
        let mut failures = failures_of(instance, &self.failures);
        failures.extend(self.shutter.failure_of(instance));
        failures.extend(self.doubles.beside(instance));
        failures
    }

    /// Answers the orders that the comparison was for.
    pub(super) fn answer(&mut self, now: Instant) {
        let mut lines = Vec::with_capacity(self.answers.len());
        for answer in std::mem::take(&mut self.answers) {
            let id = answer.instance();
            let Some(instance) = self.config.instances.get(id.0) else { continue };
            let name = instance.name.clone();
            let mut failures = self.told_of(instance);
            let mut nothing = instance.held().all(|it| self.is_refused(it));
            let (report, line) = match answer {
                Answer::Installed { order, .. } => {
                    let mut places = self.places(id, instance);
                    let given_up = self.meanwhile.has_given_up(Some(id));
                    if given_up || self.claims.of(id) != Claim::Ordered {
                        failures = vec!["a later order withdrew the addresses".to_owned()];
                        nothing = true;
                        places.clear();
                    }
                    let last = places.split_off(places.len().saturating_sub(core_ipmgr::MAX_PLACES));
                    self.tell_placed(&name, order, &places);
                    let answered = Answered { order, failures: failures.clone() };
                    let line = match self.answered.insert(id, answered) {
                        Some(before) if before.order == order => format!("({name}) VIPs have changed."),
                        Some(_) | None => format!("({name}) setting VIPs."),
                    };
                    let failures = core_ipmgr::bounded(failures);
                    (Report::Installed { instance: name, order, failures, nothing, places: last }, Some(line))
                }
                Answer::Withdrawn { order, why, held, .. } => {
                    self.answered.remove(&id);
                    let line = held.then(|| format!("({name}) removing VIPs."));
                    (Report::Withdrawn { instance: name, order, why }, line)
                }
            };
            self.with_core(|core| core.queue(&report));
            lines.extend(line);
        }
        self.with_core(CoreLink::flush);
        // The announcements wait for the answers, and nobody for the log. A few lines for each instance are more than a vrrp-core in
        // its right mind gives cause for.
        let instances = u32::try_from(self.config.instances.len()).unwrap_or(u32::MAX);
        self.orders.allow(instances.saturating_mul(LINES_PER_INSTANCE).saturating_add(MORE_LINES));
        for line in lines {
            self.orders.mention(now, || log::info!("{line}"));
        }
    }

    /// Tells whose virtual MAC can't be there, and whose can be after all: else they would take addresses from a healthy master to
    /// find out.
    pub(super) fn tell_barred(&mut self) {
        if self.barred.is_empty() && self.no_virtual_link.is_empty() {
            return;
        }
        if self.core.as_ref().is_none_or(|core| core.stage != Stage::Ready) {
            return;
        }
        let barred = self.config.instances.iter().filter_map(|instance| {
            let own = Thing::Link(instance.virtual_mac.as_ref()?.link.clone());
            Some((instance.name.clone(), self.no_virtual_link.get(&own)?.clone()))
        });
        let barred: BTreeMap<InstanceName, String> = barred.collect();
        let former = std::mem::take(&mut self.barred);
        let mended = former.iter().filter(|name| !barred.contains_key(*name));
        let mended = mended.filter(|name| self.instances.contains_key(*name));
        let mended = mended.map(|name| Report::Mended { instance: name.clone() });
        let news = barred.iter().filter(|(name, _)| !former.contains(*name));
        let news = news
            .map(|(name, why)| Report::Barred { instance: name.clone(), why: core_ipmgr::cut(why.clone()) });
        let reports: Vec<Report> = mended.chain(news).collect();
        self.barred = barred.into_keys().collect();
        self.with_core(|core| reports.iter().try_for_each(|report| core.send(report, None)));
    }

    /// Whether the kernel, or we, couldn't do what that address needs.
    pub(super) fn is_refused(&self, address: &Address) -> bool {
        // Asking about every address is not worth it while all is well.
        !self.failures.is_empty() && self.failures.contains_key(&Thing::Address(Spot::of(address)))
    }

    /// The numbers of the addresses of an instance that are in place and were not told in advance.
    pub(super) fn places(&self, id: InstanceId, instance: &Instance) -> Vec<u32> {
        let held = instance.held().zip(0..);
        let fresh = held.filter(|(it, number)| !self.progress.has_told(id, *number) && !self.is_refused(it));
        fresh.map(|(_, number)| number).collect()
    }

    /// Has vrrp-core told about addresses that are in place, with what is sent next.
    pub(super) fn tell_placed(&mut self, name: &InstanceName, order: u64, places: &[u32]) {
        self.with_core(|core| {
            core_ipmgr::placed(name, order, places).try_for_each(|report| core.queue(&report))
        });
    }
}

/// What failed of all that an instance holds.
fn failures_of(instance: &Instance, failures: &HashMap<Thing, String>) -> Vec<String> {
    // Printing every route is not worth it while all is well.
    if failures.is_empty() {
        return Vec::new();
    }
    let addresses = instance.held().map(|it| Thing::Address(Spot::of(it)));
    let own = instance.virtual_mac.iter().map(|it| Thing::Link(it.link.clone()));
    let things = own
        .chain(addresses)
        .chain(instance.routes.iter().map(Thing::of))
        .chain(instance.rules.iter().map(Thing::of));
    things.filter_map(|thing| failures.get(&thing).cloned()).collect()
}
