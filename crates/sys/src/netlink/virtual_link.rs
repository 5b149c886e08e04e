//! Interfaces of our own with the hardware address of a virtual router: macvlans (`use_vmac`; RFC 9568 7.3, 8.1.2).
//!
//! Ours is what carries our alias; what an administrator or another program made must never be changed. A macvlan is made down
//! and silent: it has no link-local address, and switched off it takes nothing from its base. In bridge mode (linux/if_link.h,
//! `MACVLAN_MODE_BRIDGE`), since a private one swallows what another host sends from the same hardware address, and the adverts
//! of a second master with it (`macvlan_handle_frame`, drivers/net/macvlan.c). Read ip-sysctl.rst on `arp_ignore` first.

use std::io;

use model::{LinkName, MacAddress};
use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoMacVlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, MacVlanMode,
};

use super::Route;
use super::error::KernelError;
use super::exchange::Request;
use super::link::{inet_settings, nested};

/// What tells our interfaces from others' (`IFLA_IFALIAS`, as `ip link show` prints it).
const ALIAS: &str = "made by handover";
/// The same, for whoever has to leave the base as it was, in this life or the next.
const ALIAS_QUIETENED: &str = "made by handover; arp_ignore of its base was 0";

/// linux/ip.h: a reverse path by any interface will do (RFC 3704 2.4), since answers leave by the base.
const IPV4_DEVCONF_RP_FILTER: u16 = 8;
const LOOSE: u32 = 2;
/// linux/ip.h: answers for its own addresses only.
const IPV4_DEVCONF_ARP_IGNORE: u16 = 19;
/// linux/if_link.h and linux/ipv6.h: no address is made of the hardware address.
const AF_INET6: u16 = 10;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const IN6_ADDR_GEN_MODE_NONE: u8 = 1;

/// What is known of an interface of our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VirtualLink {
    /// The index of the interface that it is made on.
    pub base: u32,
    /// `IFF_UP`: switched on, with carrier or not.
    pub on: bool,
    /// Its base answered ARP requests for all of the host's addresses before it was made.
    pub quietened: bool,
}

impl VirtualLink {
    /// From what the kernel says; `None` for an alias that isn't ours.
    pub(super) fn of(alias: &str, base: u32, on: bool) -> Option<Self> {
        let quietened = alias == ALIAS_QUIETENED;
        (quietened || alias == ALIAS).then_some(Self { base, on, quietened })
    }
}

impl Route {
    /// Makes one, down. `quietened`: [`VirtualLink::quietened`], to be remembered.
    ///
    /// # Errors
    /// `EEXIST` if the name is taken, `ENODEV` without the base, `EOPNOTSUPP` on a kernel without macvlan, `EINVAL` on a base
    /// that can't carry one. Nothing is left then.
    pub fn create_virtual(
        &mut self,
        base: u32,
        name: &LinkName,
        mac: MacAddress,
        quietened: bool,
    ) -> Result<(), KernelError> {
        let mut link = LinkMessage::default();
        let mode = InfoData::MacVlan(vec![InfoMacVlan::Mode(MacVlanMode::Bridge)]);
        link.attributes = vec![
            LinkAttribute::IfName(name.to_string()),
            LinkAttribute::Link(base),
            LinkAttribute::Address(mac.0.to_vec()),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::MacVlan), LinkInfo::Data(mode)]),
        ];
        let flags = NLM_F_CREATE | NLM_F_EXCL;
        self.one(
            "make virtual MAC",
            name.as_str(),
            Request { message: RouteNetlinkMessage::NewLink(link), flags },
        )?;
        let alias = if quietened { ALIAS_QUIETENED } else { ALIAS };
        // The kernel takes neither with the other.
        let settings = [(IPV4_DEVCONF_ARP_IGNORE, 1), (IPV4_DEVCONF_RP_FILTER, LOOSE)];
        let made = self.link_index(name.as_str()).and_then(|index| {
            self.set_index("name the maker of", index, name.as_str(), |link| {
                link.attributes.push(LinkAttribute::IfAlias(alias.to_owned()));
                link.attributes.push(inet_settings(&settings));
            })?;
            Ok(index)
        });
        let index = made.inspect_err(|_| {
            // It would be somebody else's for ever.
            let _ = self.delete_link(name.as_str());
        })?;
        // No IPv6, no addresses of it.
        let silent = nested(IFLA_INET6_ADDR_GEN_MODE, &[IN6_ADDR_GEN_MODE_NONE]);
        let silent = DefaultNla::new(libc::IFLA_AF_SPEC, nested(AF_INET6, &silent));
        let _ = self.set_index("keep addresses from", index, name.as_str(), |link| {
            link.attributes.push(LinkAttribute::Other(silent));
        });
        Ok(())
    }

    /// Switches an interface on or off. Switched off it loses its IPv6 addresses.
    ///
    /// # Errors
    /// `ENODEV` if it is gone.
    pub fn switch(&mut self, index: u32, name: &LinkName, on: bool) -> Result<(), KernelError> {
        let op = if on { "set up" } else { "set down" };
        self.set_index(op, index, name.as_str(), |link| {
            link.header.change_mask = LinkFlags::Up;
            if on {
                link.header.flags = LinkFlags::Up;
            }
        })
    }

    /// Deletes the interface with that index.
    ///
    /// # Errors
    /// `ENODEV` if it is gone.
    pub fn delete_virtual(&mut self, index: u32, name: &LinkName) -> Result<(), KernelError> {
        self.delete_index("delete virtual MAC", index, name.as_str())
    }

    /// Whether the interface answers ARP requests for its own addresses only (`arp_ignore` 1), or for all of this host's (0).
    ///
    /// # Errors
    /// `ENODEV` if it is gone.
    pub fn set_arp_ignore(&mut self, index: u32, name: &LinkName, value: u32) -> Result<(), KernelError> {
        self.set_index("set arp_ignore of", index, name.as_str(), |link| {
            link.attributes.push(inet_settings(&[(IPV4_DEVCONF_ARP_IGNORE, value)]));
        })
    }
}

/// `arp_ignore` of an interface.
///
/// # Errors
/// There is no such interface, or /proc isn't there.
pub fn arp_ignore(name: &LinkName) -> io::Result<u32> {
    ipv4_setting(name, "arp_ignore")
}

/// Whether an interface has `promote_secondaries`.
///
/// # Errors
/// As [`arp_ignore`].
pub fn promotes_secondaries(name: &LinkName) -> io::Result<bool> {
    ipv4_setting(name, "promote_secondaries").map(|value| value != 0)
}

fn ipv4_setting(name: &LinkName, setting: &str) -> io::Result<u32> {
    let text = std::fs::read_to_string(format!("/proc/sys/net/ipv4/conf/{name}/{setting}"))?;
    text.trim().parse().map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Keeps an interface from believing routers (`accept_ra`, ip-sysctl.rst): they talk to its base. There is no message of
/// netlink for that.
///
/// # Errors
/// `EACCES`, `EROFS`: /proc/sys can't be written. None on a kernel without IPv6.
pub fn refuse_router_advertisements(name: &LinkName) -> io::Result<()> {
    let written = std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/accept_ra"), "0");
    match written {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::tests::pair;
    use crate::testing::ip;

    const MAC: MacAddress = MacAddress([0, 0, 0x5e, 0, 1, 51]);

    fn name() -> LinkName {
        LinkName::new("vrrp.51").unwrap()
    }

    #[test]
    fn a_virtual_mac_is_made_silent_and_is_known_as_ours() {
        let Some(mut route) = pair() else { return };
        let base = route.link_index("v0").unwrap();
        route.create_virtual(base, &name(), MAC, true).unwrap();
        refuse_router_advertisements(&name()).unwrap();
        let found = route.links().unwrap().into_iter().find(|it| it.name == name()).unwrap();
        assert_eq!(
            (found.virtual_link, found.mac),
            (Some(VirtualLink { base, on: false, quietened: true }), Some(MAC))
        );
        let shown = ip(&["-d", "link", "show", "vrrp.51"]);
        for word in ["macvlan mode bridge", "addrgenmode none", "alias made by handover", "00:00:5e:00:01:33"]
        {
            assert!(shown.contains(word), "{word}: {shown}");
        }
        let setting = |path: &str| std::fs::read_to_string(format!("/proc/sys/net/{path}")).unwrap();
        assert_eq!(setting("ipv4/conf/vrrp.51/rp_filter"), "2\n");
        assert_eq!(setting("ipv6/conf/vrrp.51/accept_ra"), "0\n");
        assert_eq!(arp_ignore(&name()).unwrap(), 1);
        assert_eq!(arp_ignore(&LinkName::new("v0").unwrap()).unwrap(), 0);
        route.set_arp_ignore(base, &LinkName::new("v0").unwrap(), 1).unwrap();
        assert_eq!(arp_ignore(&LinkName::new("v0").unwrap()).unwrap(), 1);

        route.switch(found.index, &name(), true).unwrap();
        let links = route.links().unwrap();
        let on = links.iter().find(|it| it.name == name()).and_then(|it| it.virtual_link).unwrap().on;
        assert!(on);
        assert!(!ip(&["-6", "address", "show", "dev", "vrrp.51"]).contains("inet6"), "it speaks");
        route.delete_virtual(found.index, &name()).unwrap();
        assert!(route.links().unwrap().iter().all(|it| it.name != name()));
    }

    #[test]
    fn what_somebody_else_made_is_not_ours() {
        let Some(mut route) = pair() else { return };
        let _ = ip(&["link", "add", "vrrp.51", "link", "v0", "type", "macvlan", "mode", "private"]);
        let found = route.links().unwrap().into_iter().find(|it| it.name == name()).unwrap();
        assert_eq!(found.virtual_link, None);
        let base = route.link_index("v0").unwrap();
        let error = route.create_virtual(base, &name(), MAC, true).unwrap_err();
        assert!(error.to_string().contains("vrrp.51") && error.to_string().contains("exists"), "{error}");
    }
}
