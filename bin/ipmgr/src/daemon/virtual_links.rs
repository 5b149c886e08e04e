//! Making, switching and deleting the interfaces of virtual MACs; what is to be done is `crate::virtual_links`'s.
//!
//! What they are made on hears the same ARP requests, and must leave the answers to who has the addresses (`arp_ignore`,
//! ip-sysctl.rst). How it was before is remembered by the interface itself, for whoever deletes the last one.

use std::collections::HashMap;

use model::{Instant, LinkName, MacAddress};
use sys::netlink::{self, KernelError};

use super::Daemon;
use crate::plan::Thing;
use crate::virtual_links::{self, Step};

impl Daemon {
    /// Sees to it that there are those that the configuration names, and no others of ours.
    pub(super) fn keep_virtual_links(&mut self, now: Instant) {
        let (steps, impossible) = virtual_links::steps(&self.config, &self.world);
        self.no_virtual_link = impossible.into_iter().map(|(link, text)| (Thing::Link(link), text)).collect();
        for step in steps {
            match step {
                Step::Make { base, link, mac } => {
                    if let Err(error) = self.make_virtual_link(base, &link, mac) {
                        self.no_virtual_link.insert(Thing::Link(link), error.to_string());
                        continue;
                    }
                    log::info!("{link} is made, with the hardware address {mac}");
                }
                Step::Delete { index, link } => match self.delete_virtual_link(index, &link) {
                    Ok(()) => log::info!("{link} is deleted"),
                    Err(error) => self.complaints.mention(now, || log::error!("{error}")),
                },
            }
            self.look(now);
        }
    }

    fn make_virtual_link(&mut self, base: u32, link: &LinkName, mac: MacAddress) -> Result<(), KernelError> {
        let Some(base_name) = self.world.name(base).cloned() else { return Ok(()) };
        let answers_for_all = netlink::arp_ignore(&base_name).is_ok_and(|was| was == 0);
        let quietened = answers_for_all || virtual_links::is_quietened(&self.world, base, None);
        self.route.create_virtual(base, link, mac, quietened)?;
        if let Err(error) = netlink::refuse_router_advertisements(link) {
            log::warn!("{link} may learn routes from routers: its accept_ra can't be set: {error}");
        }
        if answers_for_all { self.route.set_arp_ignore(base, &base_name, 1) } else { Ok(()) }
    }

    fn delete_virtual_link(&mut self, index: u32, link: &LinkName) -> Result<(), KernelError> {
        let own = self.world.link(link).and_then(|found| found.virtual_link);
        let gone = |result: Result<(), KernelError>| match result {
            Err(error) if error.is_absent() => Ok(()),
            other => other,
        };
        gone(self.route.delete_virtual(index, link))?;
        let Some(own) = own.filter(|own| own.quietened) else { return Ok(()) };
        match self.world.name(own.base) {
            Some(base) if !virtual_links::is_quietened(&self.world, own.base, Some(index)) => {
                gone(self.route.set_arp_ignore(own.base, base, 0))
            }
            Some(_) | None => Ok(()),
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
        let ours = self.world.links().filter(|link| link.virtual_link.is_some());
        for (index, link) in ours.map(|link| (link.index, link.name.clone())).collect::<Vec<_>>() {
            if let Err(error) = self.delete_virtual_link(index, &link) {
                log::error!("{error}");
            }
            self.look(now);
        }
    }
}
