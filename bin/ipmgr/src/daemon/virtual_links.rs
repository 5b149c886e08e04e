//! Making, switching and deleting the interfaces of virtual MACs; what is to be done is `crate::virtual_links`'s.
//!
//! What they are made on hears the same ARP requests, and must leave the answers to who has the addresses (`arp_ignore`,
//! ip-sysctl.rst). How it was before is remembered by the interface itself, for whoever deletes the last one.

use std::collections::{HashMap, HashSet};

use config::Instance;
use model::{Instant, LinkName, MacAddress};
use sys::netlink::{self, KernelError};

use super::apply::GONE;
use super::{Daemon, LOOK_EVERY};
use crate::claims::InstanceId;
use crate::plan::Thing;
use crate::virtual_links::{self, Step};

impl Daemon {
    /// Sees to it that there are those that the configuration names, and no others of ours.
    pub(super) fn keep_virtual_links(&mut self, now: Instant) {
        self.keep_bases_quiet(now);
        let (steps, impossible) = virtual_links::steps(&self.config, &self.world);
        self.no_virtual_link = impossible.into_iter().map(|(link, text)| (Thing::Link(link), text)).collect();
        self.held_back.clear();
        if steps.is_empty() {
            return;
        }
        let before = virtual_links::quietened(&self.world);
        let mut quietened = before.clone();
        for step in steps {
            match step {
                Step::Make { base, link, mac } => {
                    let thing = Thing::Link(link.clone());
                    let is_repair = self.made.contains(&link);
                    if is_repair && !self.is_asked_for(&link) && self.contest.holds_back(&thing, now) {
                        self.held_back.insert(link);
                        continue;
                    }
                    match self.make_virtual_link(base, &link, mac, &mut quietened) {
                        Ok(()) if is_repair => self.remark_on_remade(&link, now),
                        Ok(()) => {
                            log::info!("{link} is made, with the hardware address {mac}");
                            self.made.insert(link);
                        }
                        Err(error) => {
                            self.no_virtual_link.insert(thing, error.to_string());
                        }
                    }
                }
                Step::Delete { index, link } => {
                    self.made.remove(&link);
                    match self.route.delete_virtual(index, &link) {
                        Ok(()) => log::info!("{link} is deleted"),
                        Err(error) if error.is_absent() => {}
                        Err(error) => self.complaints.mention(now, || log::error!("{error}")),
                    }
                }
            }
        }
        self.look(now);
        self.give_back(&before, now);
    }

    /// Nobody tells us of a sysctl, so it is looked at as often as all else.
    fn keep_bases_quiet(&mut self, now: Instant) {
        if now < self.quieten_at {
            return;
        }
        self.quieten_at = now + LOOK_EVERY;
        for base in virtual_links::quietened(&self.world) {
            let Some(name) = self.world.name(base).cloned() else { continue };
            if netlink::arp_ignore(&name).is_ok_and(|is| is == 0) {
                let made = self.route.set_arp_ignore(base, &name, 1);
                self.complaints.mention(now, || match made {
                    Ok(()) => log::warn!(
                        "{name} answered ARP requests for the virtual MACs' addresses: somebody had set its arp_ignore to 0; it is 1 again"
                    ),
                    Err(error) => log::error!("{error}"),
                });
            }
        }
    }

    fn remark_on_remade(&mut self, link: &LinkName, now: Instant) {
        if let Some(owner) = self.owner(link) {
            self.remark_on_repair(owner, Thing::Link(link.clone()), (link, GONE), now);
        }
    }

    /// What is ordered just now doesn't wait.
    fn is_asked_for(&self, link: &LinkName) -> bool {
        self.owner(link).is_some_and(|owner| self.asked().contains(&owner))
    }

    fn owner(&self, link: &LinkName) -> Option<InstanceId> {
        let owns = |it: &Instance| it.virtual_mac.as_ref().is_some_and(|own| own.link == *link);
        self.config.instances.iter().position(owns).map(InstanceId)
    }

    fn make_virtual_link(
        &mut self,
        base: u32,
        link: &LinkName,
        mac: MacAddress,
        quietened: &mut HashSet<u32>,
    ) -> Result<(), KernelError> {
        let Some(base_name) = self.world.name(base).cloned() else { return Ok(()) };
        let answers_for_all = netlink::arp_ignore(&base_name).is_ok_and(|was| was == 0);
        if answers_for_all {
            quietened.insert(base);
        }
        self.route.create_virtual(base, link, mac, quietened.contains(&base))?;
        if let Err(error) = netlink::refuse_router_advertisements(link) {
            log::warn!("{link} may learn routes from routers: its accept_ra can't be set: {error}");
        }
        if answers_for_all { self.route.set_arp_ignore(base, &base_name, 1) } else { Ok(()) }
    }

    /// What answered for everybody does so again once nothing of ours is left on it.
    fn give_back(&mut self, before: &HashSet<u32>, now: Instant) {
        let still = virtual_links::quietened(&self.world);
        for base in before.difference(&still) {
            let Some(name) = self.world.name(*base) else { continue };
            match self.route.set_arp_ignore(*base, name, 0) {
                Err(error) if !error.is_absent() => self.complaints.mention(now, || log::error!("{error}")),
                Ok(()) | Err(_) => {}
            }
        }
    }

    /// Switches on those that were filled, or off those that are about to be emptied.
    pub(super) fn switch_virtual_links(&mut self, on: bool, failures: &mut HashMap<Thing, String>) {
        for (index, link) in virtual_links::to_switch(&self.config, &self.claims, &self.world, on) {
            match self.route.switch(index, &link, on) {
                Err(error) if error.is_absent() => {}
                Err(error) => {
                    failures.insert(Thing::Link(link), error.to_string());
                }
                Ok(()) => {}
            }
        }
    }

    /// Deletes all of ours.
    pub(super) fn delete_virtual_links(&mut self, now: Instant) {
        let before = virtual_links::quietened(&self.world);
        let ours = self.world.links().filter(|link| link.virtual_link.is_some());
        let ours: Vec<_> = ours.map(|link| (link.index, link.name.clone())).collect();
        if ours.is_empty() {
            return;
        }
        for (index, link) in ours {
            match self.route.delete_virtual(index, &link) {
                Err(error) if !error.is_absent() => log::error!("{error}"),
                Ok(()) | Err(_) => {}
            }
        }
        self.look(now);
        self.give_back(&before, now);
    }
}
