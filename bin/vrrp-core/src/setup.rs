//! The core's configuration (crate `setup`) and the way back from names to numbers, for what the siblings say.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use config::{Address, Config};
use model::{CheckName, Family, InstanceName, LinkName, MacAddress};
use vrrp::{CoreConfig, InstanceConfig, InstanceId, LinkId};

/// The core's configuration and the way back from names to numbers.
#[derive(Debug)]
pub(crate) struct Setup {
    /// What the core is made from.
    pub(crate) core: CoreConfig,
    /// The checks that instances and groups track, each once.
    pub(crate) checks: Vec<CheckName>,
    addresses: Vec<Vec<Placed>>,
    /// The links that carry addresses, and whose each of them is.
    carriers: Vec<HashMap<IpAddr, Vec<InstanceId>>>,
    carrier_names: HashMap<LinkName, CarrierId>,
    virtual_macs: HashMap<InstanceId, (LinkName, MacAddress)>,
    instances: HashMap<InstanceName, InstanceId>,
    links: HashMap<LinkName, LinkId>,
}

impl Setup {
    /// Nothing can fail here: what a valid configuration names is there.
    pub(crate) fn new(config: &Config) -> Self {
        let core = setup::core_config(config);
        let names = core.instances.iter().enumerate().map(|(i, it)| (it.name.clone(), InstanceId(i)));
        let links = core.links.iter().enumerate().map(|(i, name)| (name.clone(), LinkId(i)));
        let mut seen = HashSet::new();
        let of_groups = core.groups.iter().flat_map(|group| &group.checks);
        let tracked = core.instances.iter().flat_map(|it| &it.checks).chain(of_groups);
        let tracked = tracked.map(|tracked| &tracked.check);
        let placed = |address: &Address| Placed {
            address: address.address,
            prefix: address.prefix,
            link: address.link.clone(),
        };
        let mut carriers: Vec<HashMap<IpAddr, Vec<InstanceId>>> = Vec::new();
        let mut carrier_names = HashMap::new();
        for (number, instance) in config.instances.iter().enumerate() {
            for Address { address, link, .. } in instance.held() {
                let id = *carrier_names.entry(link.clone()).or_insert(CarrierId(carriers.len()));
                carriers.resize_with(carriers.len().max(id.0 + 1), HashMap::new);
                if let Some(carrier) = carriers.get_mut(id.0) {
                    carrier.entry(*address).or_default().push(InstanceId(number));
                }
            }
        }
        Self {
            carriers,
            carrier_names,
            virtual_macs: virtual_macs(config),
            addresses: config.instances.iter().map(|it| it.held().map(placed).collect()).collect(),
            checks: tracked.filter(|check| seen.insert(*check)).cloned().collect(),
            instances: names.collect(),
            links: links.collect(),
            core,
        }
    }

    /// The shortest advertisement interval.
    pub(crate) fn shortest_interval(&self) -> Duration {
        let intervals = self.core.instances.iter().map(|it| it.advert_interval);
        intervals.min().unwrap_or(Duration::from_secs(1))
    }

    /// Where what is placed somewhere in `old` is placed here.
    pub(crate) fn carrier_since(&self, old: &Self, id: CarrierId) -> Option<CarrierId> {
        let name = old.carrier_names.iter().find(|(_, other)| **other == id)?.0;
        self.carrier(name)
    }

    /// Whether that link carries an address of that family.
    pub(crate) fn carries(&self, carrier: CarrierId, family: Family) -> bool {
        let addresses = self.carriers.get(carrier.0);
        addresses.is_some_and(|it| it.keys().any(|address| Family::of(*address) == family))
    }

    /// Whether an instance speaks there in that family.
    pub(crate) fn speaks(&self, link: LinkId, family: Family) -> bool {
        self.core.instances.iter().any(|it| it.link == link && it.family == family)
    }

    /// The instance of that name.
    pub(crate) fn instance(&self, name: &InstanceName) -> Option<InstanceId> {
        self.instances.get(name).copied()
    }

    /// The link of that name.
    pub(crate) fn link(&self, name: &LinkName) -> Option<LinkId> {
        self.links.get(name).copied()
    }

    /// The link of that name, if it carries addresses.
    pub(crate) fn carrier(&self, name: &LinkName) -> Option<CarrierId> {
        self.carrier_names.get(name).copied()
    }

    /// The instances that have this address on that link.
    pub(crate) fn holders(&self, carrier: CarrierId, address: IpAddr) -> &[InstanceId] {
        self.carriers.get(carrier.0).and_then(|it| it.get(&address)).map_or(&[], Vec::as_slice)
    }

    /// Whoever has addresses on that link.
    pub(crate) fn instances_on(&self, link: &LinkName) -> BTreeSet<InstanceId> {
        let carrier = self.carrier(link).and_then(|id| self.carriers.get(id.0));
        carrier.into_iter().flat_map(HashMap::values).flatten().copied().collect()
    }

    /// The addresses of an instance, in the order of the configuration.
    pub(crate) fn addresses(&self, id: InstanceId) -> &[Placed] {
        self.addresses.get(id.0).map_or(&[], Vec::as_slice)
    }

    /// The place of every address among its instance's.
    pub(crate) fn places(&self) -> HashMap<(InstanceId, &Placed), usize> {
        let instances = self.addresses.iter().enumerate();
        let all = instances.flat_map(|(number, addresses)| {
            addresses.iter().enumerate().map(move |(place, placed)| ((InstanceId(number), placed), place))
        });
        all.collect()
    }

    /// From which hardware address the adverts of an instance come, and on which interface, if not from that one's own.
    pub(crate) fn virtual_mac(&self, id: InstanceId) -> Option<&(LinkName, MacAddress)> {
        self.virtual_macs.get(&id)
    }

    /// Whether anything is sent there in frames of our own making.
    pub(crate) fn frames_on(&self, name: &LinkName) -> bool {
        self.carrier(name).is_some() || self.virtual_macs.values().any(|(link, _)| link == name)
    }

    /// What the core knows of an instance; `None` for a number that no instance has.
    pub(crate) fn instance_config(&self, id: InstanceId) -> Option<&InstanceConfig> {
        self.core.instances.get(id.0)
    }
}

/// Adverts to peers leave as the kernel routes them.
fn virtual_macs(config: &Config) -> HashMap<InstanceId, (LinkName, MacAddress)> {
    let instances = config.instances.iter().enumerate().filter(|(_, it)| it.peers.is_empty());
    let macs = instances.filter_map(|(number, it)| {
        let own = it.virtual_mac.as_ref().filter(|own| !own.adverts_from_base)?;
        Some((InstanceId(number), (it.link.clone(), own.mac)))
    });
    macs.collect()
}

/// A link that carries addresses. It may be one on which no instance speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CarrierId(pub(crate) usize);

/// An address and where it lives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Placed {
    /// The address.
    pub(crate) address: IpAddr,
    /// The length of its prefix.
    prefix: u8,
    /// The interface that carries it: where its announcements go.
    pub(crate) link: LinkName,
}

impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "
vrrp_script chk { script \"/bin/true\" \n weight 20 }
vrrp_instance one { interface eth0 \n virtual_router_id 5 \n virtual_ipaddress { 10.0.0.1/32 } \n track_script { chk } }
vrrp_instance two { interface eth1 \n virtual_router_id 5 \n virtual_ipaddress { 10.1.0.1/32 } }
vrrp_instance three { interface eth0 \n virtual_router_id 6 \n virtual_ipaddress { 10.0.0.2/32 } \n track_script { chk weight -5 reverse } }
";

    #[test]
    fn names_lead_to_their_numbers() {
        let config = config::parse("test.conf", TEXT).config.expect("valid");
        let setup = Setup::new(&config);
        assert_eq!(setup.link(&LinkName::new("eth1").unwrap()), Some(LinkId(1)));
        assert_eq!(setup.instance(&InstanceName::new("three").unwrap()), Some(InstanceId(2)));
        assert_eq!(setup.instance(&InstanceName::new("four").unwrap()), None);
    }

    #[test]
    fn an_address_belongs_to_who_has_it_on_that_link() {
        let text = "
vrrp_instance one { interface eth0 \n virtual_router_id 5 \n virtual_ipaddress { 10.0.0.1/32 } }
vrrp_instance two { interface eth0 \n virtual_router_id 6 \n virtual_ipaddress { 10.0.0.1/32 dev eth1 \n 10.0.0.2/32 } }
vrrp_instance three { interface eth0 \n virtual_router_id 7 \n virtual_ipaddress { 10.0.0.1/32 dev eth1 } }
";
        let setup = Setup::new(&config::parse("test.conf", text).config.expect("valid"));
        let holders = |link: &str, address: &str| {
            let carrier = setup.carrier(&LinkName::new(link).unwrap()).unwrap();
            setup.holders(carrier, address.parse().unwrap()).to_vec()
        };
        assert_eq!(holders("eth0", "10.0.0.1"), [InstanceId(0)]);
        assert_eq!(holders("eth0", "10.0.0.2"), [InstanceId(1)]);
        assert_eq!(holders("eth1", "10.0.0.1"), [InstanceId(1), InstanceId(2)]);
        assert_eq!(holders("eth1", "10.0.0.2"), []);
        assert_eq!(setup.carrier(&LinkName::new("eth2").unwrap()), None);
    }

    #[test]
    fn a_check_that_two_track_is_asked_for_once() {
        let config = config::parse("test.conf", TEXT).config.expect("valid");
        assert_eq!(Setup::new(&config).checks.len(), 1);
    }
}
