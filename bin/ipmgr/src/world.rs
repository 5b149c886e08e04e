//! What the kernel said last about links, addresses, and our routes and rules, ready to be searched.
//!
//! A picture, never the truth: it is replaced as a whole whenever something changed, and every so often even if nothing
//! seems to have.

use std::collections::HashMap;
use std::net::IpAddr;

use model::LinkName;
use sys::netlink::{HostAddress, HostLink, KernelError, Path, Route, Rule};

use crate::paths::ORIGIN;

/// All links and addresses of the namespace at one moment.
#[derive(Debug, Default)]
pub(crate) struct World {
    links: HashMap<LinkName, HostLink>,
    names: HashMap<u32, LinkName>,
    addresses: Vec<HostAddress>,
    by_place: HashMap<(u32, IpAddr), Vec<usize>>,
    by_link: HashMap<u32, Vec<usize>>,
    paths: Vec<Path>,
    rules: Vec<Rule>,
}

impl World {
    /// Asks the kernel; for our routes and rules only if there may be any, since it looks through all that it has.
    pub(crate) fn look(route: &mut Route, has_paths: bool) -> Result<Self, KernelError> {
        // Links last: one that is switched off takes addresses along, and what is missing on it then is nobody's doing.
        let addresses = route.addresses()?;
        let mut world = Self::new(route.links()?, addresses);
        if has_paths {
            world.paths = route.paths(ORIGIN)?;
            world.rules = route.rules(ORIGIN)?;
        }
        Ok(world)
    }

    /// The same with these routes and rules of ours.
    #[cfg(test)]
    pub(crate) fn with_paths(self, paths: Vec<Path>, rules: Vec<Rule>) -> Self {
        Self { paths, rules, ..self }
    }

    /// Our routes.
    pub(crate) fn paths(&self) -> &[Path] {
        &self.paths
    }

    /// Our rules.
    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether there is any route or rule of ours.
    pub(crate) fn has_paths(&self) -> bool {
        !self.paths.is_empty() || !self.rules.is_empty()
    }

    pub(crate) fn new(links: Vec<HostLink>, addresses: Vec<HostAddress>) -> Self {
        let mut world = Self {
            names: links.iter().map(|link| (link.index, link.name.clone())).collect(),
            links: links.into_iter().map(|link| (link.name.clone(), link)).collect(),
            ..Self::default()
        };
        for (number, address) in addresses.iter().enumerate() {
            world.by_place.entry((address.link, address.address)).or_default().push(number);
            world.by_link.entry(address.link).or_default().push(number);
        }
        world.addresses = addresses;
        world
    }

    /// The link of that name, if there is one.
    pub(crate) fn link(&self, name: &LinkName) -> Option<&HostLink> {
        self.links.get(name)
    }

    /// Every link.
    pub(crate) fn links(&self) -> impl Iterator<Item = &HostLink> {
        self.links.values()
    }

    /// The name of the link with that index.
    pub(crate) fn name(&self, index: u32) -> Option<&LinkName> {
        self.names.get(&index)
    }

    /// Every address.
    pub(crate) fn addresses(&self) -> &[HostAddress] {
        &self.addresses
    }

    /// The addresses of one link, primary ones first.
    pub(crate) fn on_link(&self, index: u32) -> impl Iterator<Item = &HostAddress> {
        self.by_link.get(&index).into_iter().flatten().filter_map(|number| self.addresses.get(*number))
    }

    /// That address on that link. The kernel tells IPv4 addresses with different prefixes apart (`find_matching_ifa`,
    /// net/ipv4/devinet.c), and IPv6 ones not (`ipv6_get_ifaddr`, net/ipv6/addrconf.c).
    pub(crate) fn find(&self, link: u32, address: IpAddr, prefix: u8) -> Option<&HostAddress> {
        let numbers = self.by_place.get(&(link, address)).into_iter().flatten();
        numbers
            .filter_map(|number| self.addresses.get(*number))
            .find(|found| address.is_ipv6() || found.prefix == prefix)
    }
}
