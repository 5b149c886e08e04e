//! Which sockets vrrp-core needs on which link, and their opening.
//!
//! They are opened for one vrrp-core and belong to it alone: what is kept here would fill with packets that nobody reads.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use config::Config;
use ipc::core_ipmgr::Report;
use model::{Credential, Family, LinkName, Transport, Vrid};

/// What a link is used for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Use {
    /// The virtual routers whose adverts are heard there.
    routers: BTreeMap<Transport, Routers>,
    /// The addresses that live there: they have to be announced, and nobody else may claim them.
    addresses: BTreeMap<Family, BTreeSet<IpAddr>>,
    /// Adverts leave there from a virtual MAC.
    frames: bool,
}

/// What tells adverts that are for us from others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Routers {
    vrids: BTreeSet<Vrid>,
    /// Also those of instances with peers: somebody who sends there what belongs to a peer is worth a remark.
    groups: BTreeSet<IpAddr>,
}

/// Every link of the configuration and its use.
pub(crate) fn uses(config: &Config) -> BTreeMap<LinkName, Use> {
    // Those that are only tracked need no socket; vrrp-core has to hear of them all the same.
    let mut uses: BTreeMap<LinkName, Use> =
        config.links().into_iter().map(|link| (link.clone(), Use::default())).collect();
    for instance in &config.instances {
        let link = uses.entry(instance.link.clone()).or_default();
        // Adverts without the authentication header are worth a remark, too: their sender is a second master.
        let sealed = matches!(instance.credential, Some(Credential::AhKey(_))).then_some(Transport::Ah);
        for transport in sealed.into_iter().chain([instance.family.into()]) {
            let routers = link.routers.entry(transport).or_default();
            routers.vrids.insert(instance.vrid);
            routers.groups.insert(instance.multicast_group);
        }
        link.frames |= instance.virtual_mac.is_some();
        for address in instance.held() {
            let link = uses.entry(address.link.clone()).or_default();
            link.addresses.entry(Family::of(address.address)).or_default().insert(address.address);
        }
    }
    uses
}

impl Use {
    /// Opens all sockets of the link with that name and index, each with the report that goes with it.
    ///
    /// # Errors
    /// The first that can't be opened; then none is.
    pub(crate) fn open(&self, name: &LinkName, index: u32) -> io::Result<Vec<(Report, OwnedFd)>> {
        let mut sockets = Vec::new();
        for (transport, Routers { vrids, groups }) in &self.routers {
            let vrids: Vec<Vrid> = vrids.iter().copied().collect();
            let groups: Vec<IpAddr> = groups.iter().copied().collect();
            let socket = sys::advert::open(name, index, *transport, &vrids, &groups)?;
            sockets.push((Report::AdvertSocket { link: name.clone(), transport: *transport }, socket));
        }
        for (family, addresses) in &self.addresses {
            let addresses: Vec<IpAddr> = addresses.iter().copied().collect();
            let socket = sys::watch::open(name, index, *family, &addresses)?;
            sockets.push((Report::WatchSocket { link: name.clone(), family: *family }, socket));
        }
        if !self.addresses.is_empty() || self.frames {
            sockets.push((Report::AnnounceSocket { link: name.clone() }, sys::announce::open(index)?));
        }
        Ok(sockets)
    }
}
