//! Addresses of ours that are on another interface as well, by somebody else's hand. The kernel lets both be: this host then
//! answers for the address also while another router is its master, and nobody would look for the reason here.
//!
//! It must never lead to a change: what the administrator added is the administrator's. An address on the same interface is
//! the plan's to judge, and a link-local one of IPv6 is another one on each link.

use std::collections::HashMap;
use std::net::IpAddr;

use config::{Address, Instance};
use model::LinkName;

use crate::plan;
use crate::world::World;

/// What others have put on this host, as it was last seen.
#[derive(Debug, Default)]
pub(crate) struct Doubles {
    found: HashMap<IpAddr, Vec<LinkName>>,
    is_news: bool,
}

impl Doubles {
    /// Looks through a new picture.
    pub(crate) fn look(&mut self, world: &World) {
        let mut found: HashMap<IpAddr, Vec<LinkName>> = HashMap::new();
        let others = world.addresses().iter().filter(|it| !is_local(it.address) && !plan::is_ours(it, true));
        for other in others {
            let links = found.entry(other.address).or_default();
            links.extend(world.name(other.link).cloned());
        }
        self.is_news |= found != self.found;
        self.found = found;
    }

    /// Whether [`Self::beside`] may answer otherwise than before it was last asked this.
    pub(crate) const fn is_news(&mut self) -> bool {
        std::mem::replace(&mut self.is_news, false)
    }

    /// A sentence for each address of that instance that is somewhere else, too.
    pub(crate) fn beside(&self, instance: &Instance) -> impl Iterator<Item = String> {
        instance.held().filter_map(|it| self.sentence(it))
    }

    fn sentence(&self, Address { address, link, .. }: &Address) -> Option<String> {
        let other = self.found.get(address)?.iter().find(|it| *it != link)?;
        Some(format!(
            "{address} is on {other} as well, where something else put it: this host answers for it there, master or not"
        ))
    }
}

/// Addresses that mean something else on each host or link.
const fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unicast_link_local(),
    }
}
