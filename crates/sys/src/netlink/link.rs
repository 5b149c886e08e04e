//! Network interfaces: listed, made, moved, switched on and off (rtnetlink(7), `RTM_NEWLINK`; linux/if_link.h).

use std::net::IpAddr;

use model::{LinkName, MacAddress};
use netlink_packet_core::{
    DecodeError, DefaultNla, NLM_F_CREATE, NLM_F_EXCL, NlasIterator, parse_string, parse_u32,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoBridge, InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkHeader, LinkInfo, LinkLayerType,
    LinkMessage,
};

use super::Route;
use super::address::{Change, FOREVER, Place, Shape};
use super::error::{KernelError, Refusal};
use super::exchange::Request;
use super::virtual_link::VirtualLink;

/// The size of `struct ifinfomsg`, after which the attributes begin.
const HEADER: usize = 16;

/// A family (address_families(7)), the attribute with its settings (linux/if_link.h), and one of them (linux/ip.h).
const AF_INET: u16 = 2;
const IFLA_INET_CONF: u16 = 1;
const IPV4_DEVCONF_PROMOTE_SECONDARIES: u16 = 20;

/// An attribute by hand (`struct nlattr`), padded to four bytes.
pub(super) fn nested(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// IPv4 settings of an interface (linux/ip.h), to be set.
pub(super) fn inet_settings(settings: &[(u16, u32)]) -> LinkAttribute {
    let each = settings.iter().flat_map(|(setting, value)| nested(*setting, &value.to_ne_bytes()));
    let settings = nested(AF_INET, &nested(IFLA_INET_CONF, &each.collect::<Vec<_>>()));
    LinkAttribute::Other(DefaultNla::new(libc::IFLA_AF_SPEC, settings))
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostLink {
    /// Its index: another interface that takes its name has another one.
    pub index: u32,
    /// Its name.
    pub name: LinkName,
    /// `IFF_UP` and `IFF_RUNNING`: switched on, with carrier.
    pub up: bool,
    /// `IFF_MULTICAST`: it can send to groups.
    pub multicast: bool,
    /// The hardware address, of an Ethernet-like interface.
    pub mac: Option<MacAddress>,
    /// How often its carrier has come up; always 0 before Linux 4.16.
    pub carrier_ups: u32,
    /// What it is made on, if it is one of ours.
    pub virtual_link: Option<VirtualLink>,
}

impl HostLink {
    /// `None` for one with a name that no configuration can hold (a control character), so nobody can mean it.
    fn decode(payload: &[u8]) -> Result<Option<Self>, DecodeError> {
        let header = LinkHeader::parse(payload)?;
        let (mut name, mut mac, mut carrier_ups) = (None, None, 0);
        let (mut base, mut alias) = (None, None);
        for attribute in NlasIterator::new(payload.get(HEADER..).unwrap_or_default()) {
            let attribute = attribute?;
            match attribute.kind() {
                libc::IFLA_IFNAME => name = Some(parse_string(attribute.value())?),
                libc::IFLA_ADDRESS if header.link_layer_type == LinkLayerType::Ether => {
                    mac = attribute.value().try_into().ok().map(MacAddress);
                }
                libc::IFLA_LINK => base = parse_u32(attribute.value()).ok(),
                libc::IFLA_IFALIAS => alias = parse_string(attribute.value()).ok(),
                libc::IFLA_CARRIER_UP_COUNT => carrier_ups = parse_u32(attribute.value())?,
                _ => {}
            }
        }
        let name = name.ok_or_else(|| DecodeError::from("an interface without a name"))?;
        let up = header.flags.contains(LinkFlags::Up | LinkFlags::Running);
        let on = header.flags.contains(LinkFlags::Up);
        let virtual_link = alias.zip(base).and_then(|(alias, base)| VirtualLink::of(&alias, base, on));
        let multicast = header.flags.contains(LinkFlags::Multicast);
        Ok(LinkName::new(name).ok().map(|name| Self {
            index: header.index,
            name,
            up,
            multicast,
            mac,
            carrier_ups,
            virtual_link,
        }))
    }
}

impl Route {
    /// All interfaces, in the order of their indices.
    ///
    /// # Errors
    /// When a whole and untorn list can't be had after several attempts.
    pub fn links(&mut self) -> Result<Vec<HostLink>, KernelError> {
        let all = RouteNetlinkMessage::GetLink(LinkMessage::default());
        self.exchange
            .list(&all, HostLink::decode)
            .map_err(|refusal| KernelError::new("list", "interfaces".into(), refusal))
    }

    /// The index of the interface of that name.
    ///
    /// # Errors
    /// `ENODEV` if there is none.
    pub fn link_index(&mut self, name: &str) -> Result<u32, KernelError> {
        self.links()?.iter().find(|link| link.name.as_str() == name).map(|link| link.index).ok_or_else(|| {
            KernelError::new("find", name.to_owned(), Refusal { errno: libc::ENODEV, words: None })
        })
    }

    /// Makes a bridge that floods all multicast, as a plain switch does; down.
    ///
    /// # Errors
    /// `EEXIST` if the name is taken.
    pub fn create_bridge(&mut self, name: &str) -> Result<(), KernelError> {
        let flood = InfoData::Bridge(vec![InfoBridge::MulticastSnooping(false)]);
        let info = vec![LinkInfo::Kind(InfoKind::Bridge), LinkInfo::Data(flood)];
        self.create("create bridge", name, info)
    }

    /// Makes a pair of interfaces: what one sends the other receives; both down.
    ///
    /// # Errors
    /// `EEXIST` if a name is taken.
    pub fn create_veth(&mut self, name: &str, peer_name: &str) -> Result<(), KernelError> {
        let mut peer = LinkMessage::default();
        peer.attributes.push(LinkAttribute::IfName(peer_name.to_owned()));
        let data = LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer)));
        self.create("create veth pair", name, vec![LinkInfo::Kind(InfoKind::Veth), data])
    }

    /// Makes the interface a port of the bridge.
    ///
    /// # Errors
    /// `ENODEV` if one of them doesn't exist.
    pub fn set_master(&mut self, name: &str, bridge: &str) -> Result<(), KernelError> {
        let bridge = self.link_index(bridge)?;
        self.set("join to a bridge", name, |link| {
            link.attributes.push(LinkAttribute::Controller(bridge));
        })
    }

    /// Moves the interface into the network namespace of a process. It loses its addresses and is down there.
    ///
    /// # Errors
    /// `ESRCH` without such a process, `EEXIST` if the name is taken there.
    pub fn move_to_namespace(&mut self, name: &str, pid: u32) -> Result<(), KernelError> {
        self.set("move to another namespace", name, |link| {
            link.attributes.push(LinkAttribute::NetNsPid(pid));
        })
    }

    /// Gives the interface another name. Before Linux 6.2 it has to be down.
    ///
    /// # Errors
    /// `EEXIST` if the new name is taken, `EBUSY` while it is up.
    pub fn rename(&mut self, name: &str, new: &str) -> Result<(), KernelError> {
        self.set("rename", name, |link| link.attributes.push(LinkAttribute::IfName(new.to_owned())))
    }

    /// Switches the interface on.
    ///
    /// # Errors
    /// `ENODEV` if there is none.
    pub fn set_up(&mut self, name: &str) -> Result<(), KernelError> {
        self.set("set up", name, |link| {
            link.header.flags = LinkFlags::Up;
            link.header.change_mask = LinkFlags::Up;
        })
    }

    /// Switches the interface off. It loses its IPv6 addresses (unless `keep_addr_on_down` is set).
    ///
    /// # Errors
    /// `ENODEV` if there is none.
    pub fn set_down(&mut self, name: &str) -> Result<(), KernelError> {
        self.set("set down", name, |link| link.header.change_mask = LinkFlags::Up)
    }

    /// Adds an address as an administrator does: for ever, with nobody's mark.
    ///
    /// # Errors
    /// `ENODEV` if there is no such interface; otherwise as [`Route::apply`].
    pub fn add_address(&mut self, name: &str, address: IpAddr, prefix: u8) -> Result<(), KernelError> {
        let link = self.links()?.into_iter().find(|link| link.name.as_str() == name).ok_or_else(|| {
            let refusal = Refusal { errno: libc::ENODEV, words: None };
            KernelError::new("add", format!("{address}/{prefix} on {name}"), refusal)
        })?;
        let place = Place { link: link.index, name: link.name, address, prefix };
        let change = Change::Add { place, shape: Shape::default(), lifetime: FOREVER, origin: None };
        self.apply(&[change]).into_iter().collect()
    }

    /// Whether an IPv4 address that goes leaves the others of its network there (`promote_secondaries`, ip-sysctl.rst); through
    /// netlink, since a hardened service can't write to /proc/sys.
    ///
    /// # Errors
    /// `ENODEV` if there is no such interface.
    pub fn set_promote_secondaries(&mut self, index: u32, promotes: bool) -> Result<(), KernelError> {
        self.set_index("set promote_secondaries on interface", index, &index.to_string(), |link| {
            link.attributes.push(inet_settings(&[(IPV4_DEVCONF_PROMOTE_SECONDARIES, u32::from(promotes))]));
        })
    }

    /// Deletes the interface, and a veth's other end with it.
    ///
    /// # Errors
    /// `ENODEV` if there is none.
    pub fn delete_link(&mut self, name: &str) -> Result<(), KernelError> {
        let index = self.link_index(name)?;
        self.delete_index("delete", index, name)
    }

    pub(super) fn delete_index(
        &mut self,
        op: &'static str,
        index: u32,
        name: &str,
    ) -> Result<(), KernelError> {
        let mut link = LinkMessage::default();
        link.header.index = index;
        self.one(op, name, Request { message: RouteNetlinkMessage::DelLink(link), flags: 0 })
    }

    pub(super) fn create(
        &mut self,
        op: &'static str,
        name: &str,
        info: Vec<LinkInfo>,
    ) -> Result<(), KernelError> {
        let mut link = LinkMessage::default();
        link.attributes = vec![LinkAttribute::IfName(name.to_owned()), LinkAttribute::LinkInfo(info)];
        let request =
            Request { message: RouteNetlinkMessage::NewLink(link), flags: NLM_F_CREATE | NLM_F_EXCL };
        self.one(op, name, request)
    }

    fn set(
        &mut self,
        op: &'static str,
        name: &str,
        change: impl FnOnce(&mut LinkMessage),
    ) -> Result<(), KernelError> {
        let index = self.link_index(name)?;
        self.set_index(op, index, name, change)
    }

    pub(super) fn set_index(
        &mut self,
        op: &'static str,
        index: u32,
        name: &str,
        change: impl FnOnce(&mut LinkMessage),
    ) -> Result<(), KernelError> {
        let mut link = LinkMessage::default();
        link.header.index = index;
        change(&mut link);
        self.one(op, name, Request { message: RouteNetlinkMessage::SetLink(link), flags: 0 })
    }

    pub(super) fn one(
        &mut self,
        op: &'static str,
        target: &str,
        request: Request,
    ) -> Result<(), KernelError> {
        let answers = self.exchange.acknowledged(vec![request]);
        let answer: Result<(), Refusal> = answers.into_iter().collect();
        answer.map_err(|refusal| KernelError::new(op, target.to_owned(), refusal))
    }
}
