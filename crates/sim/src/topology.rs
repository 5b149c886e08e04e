//! Which LANs and virtual routers there are, over all configurations that a run will see.
//!
//! It must know of a virtual router from the beginning, whichever reload brings it: the oracles count by place. A virtual
//! router is a VRID and a family on a LAN (V3-FSM-17).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{LinkName, ProtocolVersion, Vrid};
use vrrp::{CoreConfig, InstanceConfig};

use crate::host::Host;
use crate::oracle::{Router, Skews};
use crate::scenario::{Fault, HostDelays, Scenario, Weather};
use crate::settle::settling_time;

/// What is due within this time of something else may come with it.
const TOGETHER: Duration = Duration::from_millis(1);

/// Places of LANs and virtual routers.
#[derive(Debug, Default)]
pub(crate) struct Topology {
    lans: BTreeMap<LinkName, usize>,
    routers: BTreeMap<(usize, Vrid, String), usize>,
}

/// A virtual router while it is put together.
#[derive(Debug, Default)]
struct Members<'a> {
    configs: Vec<&'a InstanceConfig>,
    grouped: bool,
}

impl Topology {
    /// Per link of a configuration, which LAN it is on.
    pub(crate) fn lans(&self, config: &CoreConfig) -> Vec<usize> {
        config.links.iter().map(|name| self.lans.get(name).copied().unwrap_or_default()).collect()
    }

    /// Per instance of a configuration, which virtual router it belongs to.
    pub(crate) fn routers(&self, config: &CoreConfig) -> Vec<usize> {
        let lans = self.lans(config);
        config.instances.iter().filter_map(|one| self.routers.get(&key(&lans, one)).copied()).collect()
    }

    /// Everything of a scenario.
    pub(crate) fn of(scenario: &Scenario) -> (Self, Vec<Host>, Vec<Router>) {
        let mut topology = Self::default();
        let mut members: Vec<Members<'_>> = Vec::new();
        let first = scenario.nodes.iter().map(|spec| &spec.config);
        for config in first.chain(&scenario.reloads) {
            topology.add(config, &mut members);
        }
        let hosts = scenario.nodes.iter().enumerate().map(|(place, spec)| {
            Host::new(place, &spec.config, topology.lans(&spec.config), topology.routers(&spec.config))
        });
        let hosts = hosts.collect();
        let worst = worst_weather(scenario);
        let mut routers: Vec<_> = topology
            .routers
            .iter()
            .filter_map(|((lan, vrid, family), place)| {
                let name = format!("LAN {lan} vrid {vrid} {family}");
                Some((*place, router(name, members.get(*place)?, worst, scenario.delays)))
            })
            .collect();
        routers.sort_by_key(|(place, _)| *place);
        // Members of sync groups wait for each other: all of them take as long as the slowest.
        let is_grouped = |place: &usize| members.get(*place).is_some_and(|members| members.grouped);
        let grouped =
            routers.iter().filter(|(place, _)| is_grouped(place)).map(|(_, router)| router.settling);
        let slowest = grouped.max().unwrap_or_default();
        for (_, router) in routers.iter_mut().filter(|(place, _)| is_grouped(place)) {
            router.settling = slowest;
        }
        (topology, hosts, routers.into_iter().map(|(_, router)| router).collect())
    }

    fn add<'a>(&mut self, config: &'a CoreConfig, members: &mut Vec<Members<'a>>) {
        for name in &config.links {
            let next = self.lans.len();
            self.lans.entry(name.clone()).or_insert(next);
        }
        let lans = self.lans(config);
        let grouped: BTreeSet<_> =
            config.groups.iter().flat_map(|group| &group.members).map(|member| member.0).collect();
        for (place, instance) in config.instances.iter().enumerate() {
            let next = self.routers.len();
            let router = *self.routers.entry(key(&lans, instance)).or_insert(next);
            if router == members.len() {
                members.push(Members::default());
            }
            if let Some(members) = members.get_mut(router) {
                members.configs.push(instance);
                members.grouped |= grouped.contains(&place);
            }
        }
    }
}

fn key(lans: &[usize], instance: &InstanceConfig) -> (usize, Vrid, String) {
    let lan = lans.get(instance.link.0).copied().unwrap_or_default();
    (lan, instance.vrid, instance.family.to_string())
}

fn router(name: String, members: &Members<'_>, worst: Weather, delays: HostDelays) -> Router {
    let configs = &members.configs;
    let settling = settling_time(configs.iter().copied(), worst, delays);
    let first = configs.first().map(|config| config.advert_interval);
    let uniform = configs.iter().all(|config| Some(config.advert_interval) == first);
    let turns = skews(members, worst, delays).filter(|_| uniform);
    Router { name, settling, uniform, turns }
}

/// What orders the backups of a virtual router, if nothing but their priorities does: a sync group follows whichever of its
/// members is first.
fn skews(members: &Members<'_>, worst: Weather, delays: HostDelays) -> Option<Skews> {
    let measure = |config: &InstanceConfig| (config.version, config.manners.down_timer_adverts);
    let first = members.configs.first()?;
    let alike = members.configs.iter().all(|config| measure(config) == measure(first));
    let unit = match first.version {
        ProtocolVersion::V2 => Duration::from_secs(1),
        ProtocolVersion::V3 => first.advert_interval,
    };
    (alike && !members.grouped).then_some(Skews { unit, slack: worst.delay + delays.wake + TOGETHER })
}

/// The weather and delays that the settling time has to reckon with: the longest delay of the whole script.
fn worst_weather(scenario: &Scenario) -> Weather {
    let mut worst = scenario.weather;
    for (_, fault) in &scenario.script {
        if let Fault::Weather(weather) = fault {
            worst.delay = worst.delay.max(weather.delay);
        }
    }
    worst
}
