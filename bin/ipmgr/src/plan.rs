//! What has to be changed so that the kernel's addresses are as they should be. Sans I/O.
//!
//! A pure function of the configuration, the claims and what the kernel says: it is asked again after every event and
//! every few seconds, so an address that somebody took away comes back, one that nobody wants goes, and none is ever
//! renewed by a count that could be wrong.
//!
//! It must never touch an address that isn't ours. Ours is one with a short lifetime and our mark (or, on a kernel that
//! keeps no marks, a configured one with a short lifetime); what an administrator or another program added lives longer. One
//! that was ours while it was held, and has not been gone since, is ours, whatever somebody has made of its lifetime.

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use config::{Address, Config, Instance};
use model::LinkName;
use sys::netlink::{Change, HostAddress, Lifetime, Place, Shape};

use crate::claims::{Claim, Claims, InstanceId};
use crate::world::World;

/// The mark of our addresses (`IFA_PROTO`): keepalived's number, so that whatever knows keepalived's addresses by it
/// knows ours.
pub(crate) const ORIGIN: u8 = 18;
/// How long the kernel keeps an address that we don't renew, in seconds: what limits the harm when both vrrp-core and we
/// are gone. Long enough for a host that swaps itself to death to come back.
const VALID_SECONDS: u32 = 60;
/// An address is renewed when no more than this is left of its time.
const RENEW_BELOW: Duration = Duration::from_secs(40);

/// What the kernel tells addresses apart by, but with the link's name. Of an IPv6 address the prefix is no part
/// ([`World::find`]).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Spot {
    link: LinkName,
    address: IpAddr,
    prefix: Option<u8>,
}

impl Spot {
    fn new(link: &LinkName, address: IpAddr, prefix: u8) -> Self {
        Self { link: link.clone(), address, prefix: address.is_ipv4().then_some(prefix) }
    }

    /// Where a configured address goes.
    pub(crate) fn of(address: &Address) -> Self {
        Self::new(&address.link, address.address, address.prefix)
    }

    /// Whether that address is there, whoever put it.
    pub(crate) fn is_there(&self, world: &World) -> bool {
        world.link(&self.link).is_some_and(|link| {
            world.find(link.index, self.address, self.prefix.unwrap_or_default()).is_some()
        })
    }

    /// Where a change is made.
    pub(crate) fn changed_by(change: &Change) -> Self {
        let place = change.place();
        Self::new(&place.name, place.address, place.prefix)
    }
}

/// What an instance holds, for what is said about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Thing {
    /// An address.
    Address(Spot),
    /// A route or a rule, as the configuration prints it.
    Path(String),
    /// The interface of a virtual MAC.
    Link(LinkName),
}

impl Thing {
    /// A route or a rule.
    pub(crate) fn of(path: &impl fmt::Display) -> Self {
        Self::Path(path.to_string())
    }
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(Spot { link, address, .. }) => write!(f, "{address} on {link}"),
            Self::Path(text) => f.write_str(text),
            Self::Link(link) => write!(f, "virtual MAC {link}"),
        }
    }
}

/// Why a change is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// This instance wants it, or it stands still, and it isn't there.
    Missing(Option<InstanceId>),
    /// Somebody has given an address of this instance's a lifetime that ends with nobody's death.
    Altered(InstanceId),
    /// Its time is running out.
    Renewal,
    /// The configuration wants it otherwise than it is: it goes and comes in one batch.
    Changed,
    /// Nobody wants it any more.
    Unwanted,
}

/// What to do, and what can't be done.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The changes, in the order in which they are to be made.
    pub(crate) changes: Vec<(Change, Reason)>,
    /// Addresses that have nowhere to go, with a sentence about it.
    pub(crate) impossible: Vec<(Option<InstanceId>, Spot, String)>,
}

/// Every place that a configuration may use.
pub(crate) fn spots(config: &Config) -> HashSet<Spot> {
    let moving = config.instances.iter().flat_map(Instance::held);
    moving.chain(&config.statics.addresses).map(Spot::of).collect()
}

/// What the kernel tells addresses apart by.
pub(crate) type Placed = (u32, IpAddr, u8);

/// The addresses that we have put in place for who holds them, and that have been there since.
pub(crate) fn remember(placed: &mut HashSet<Placed>, config: &Config, claims: &Claims, world: &World) {
    placed.retain(|(link, address, prefix)| world.find(*link, *address, *prefix).is_some());
    let instances = config.instances.iter().enumerate();
    let holders = instances.filter(|(number, _)| claims.of(InstanceId(*number)) == Claim::Ordered);
    for address in holders.flat_map(|(_, instance)| instance.held()) {
        let link = world.link(&address.link);
        let found = link.and_then(|link| world.find(link.index, address.address, address.prefix));
        placed.extend(found.filter(|found| is_ours(found, true)).map(place_of));
    }
}

fn place_of(found: &HostAddress) -> Placed {
    (found.link, found.address, found.prefix)
}

/// Compares what should be with what is. `former` are the places of configurations before: what is ours there has to go.
/// `placed`: as [`remember`] has it.
pub(crate) fn plan(
    config: &Config,
    (former, placed): (&HashSet<Spot>, &HashSet<Placed>),
    claims: &Claims,
    world: &World,
) -> Plan {
    let mut plan = Plan::default();
    let (mut wanted, mut spared) = (HashSet::new(), HashSet::new());
    for (number, instance) in config.instances.iter().enumerate() {
        let id = InstanceId(number);
        let claim = claims.of(id);
        if claim == Claim::Nobody {
            continue;
        }
        for address in instance.held() {
            // Two instances may want the same; once is enough.
            if claim == Claim::Ordered && !wanted.contains(&Spot::of(address)) {
                plan.want(Some(id), address, placed, world);
                wanted.insert(Spot::of(address));
            }
            spared.insert(Spot::of(address));
        }
    }
    for address in config.statics.addresses.iter().filter(|_| claims.keeps_statics()) {
        if wanted.insert(Spot::of(address)) {
            plan.want(None, address, placed, world);
        }
        spared.insert(Spot::of(address));
    }
    let configured = spots(config);
    for found in world.addresses() {
        let Some(name) = world.name(found.link) else { continue };
        let spot = Spot::new(name, found.address, found.prefix);
        let ours = is_ours(found, configured.contains(&spot) || former.contains(&spot))
            || placed.contains(&place_of(found));
        if ours && !spared.contains(&spot) {
            plan.changes.push((removal(found, name), Reason::Unwanted));
        }
    }
    // What only gets another prefix is there all the time.
    let added: HashSet<(u32, IpAddr)> = plan
        .changes
        .iter()
        .filter(|(change, _)| matches!(change, Change::Add { .. }))
        .map(|(change, _)| (change.place().link, change.place().address))
        .collect();
    // What goes makes room; then IPv4, since each IPv6 address costs the kernel twenty times as much.
    plan.changes.sort_by_key(|(change, reason)| match change {
        Change::Remove { .. } if *reason == Reason::Changed => 0,
        Change::Remove { place, .. }
            if place.address.is_ipv4() && added.contains(&(place.link, place.address)) =>
        {
            3
        }
        Change::Remove { .. } => 0,
        Change::Add { place, .. } if place.address.is_ipv4() => 1,
        Change::Add { .. } => 2,
    });
    plan
}

impl Plan {
    fn want(
        &mut self,
        instance: Option<InstanceId>,
        wanted: &Address,
        placed: &HashSet<Placed>,
        world: &World,
    ) {
        let Address { address, prefix, link: name, .. } = wanted;
        let shape = shape(wanted);
        let Some(link) = world.link(name) else {
            let sentence = format!("add {address}/{prefix} on {name}: there is no such interface");
            self.impossible.push((instance, Spot::of(wanted), sentence));
            return;
        };
        let reason = match world.find(link.index, *address, *prefix) {
            None => Reason::Missing(instance),
            Some(found) if is_ours(found, true) && !agrees(found, *prefix, &shape, name) => {
                // The kernel changes none of that in an address that is there.
                self.changes.push((removal(found, name), Reason::Changed));
                Reason::Changed
            }
            Some(found) if is_ours(found, true) && found.valid.is_some_and(|left| left <= RENEW_BELOW) => {
                Reason::Renewal
            }
            Some(found) => {
                match instance.filter(|_| !is_ours(found, true) && placed.contains(&place_of(found))) {
                    Some(instance) => Reason::Altered(instance),
                    None => return,
                }
            }
        };
        let place = Place { link: link.index, name: name.clone(), address: *address, prefix: *prefix };
        let change = Change::Add { place, shape, lifetime: lifetime(wanted), origin: Some(ORIGIN) };
        self.changes.push((change, reason));
    }
}

/// The instances of which some address was put there by an earlier life of ours.
pub(crate) fn left_over(config: &Config, world: &World) -> Vec<InstanceId> {
    let ours = |address: &Address| {
        world
            .link(&address.link)
            .and_then(|link| world.find(link.index, address.address, address.prefix))
            .is_some_and(|found| is_ours(found, true))
    };
    let instances = config.instances.iter().enumerate();
    instances
        .filter(|(_, instance)| instance.held().any(ours))
        .map(|(number, _)| InstanceId(number))
        .collect()
}

/// Whether we put it there, in this life or an earlier one.
pub(crate) fn is_ours(found: &HostAddress, configured: bool) -> bool {
    let short = found.valid.is_some_and(|left| left <= Duration::from_secs(VALID_SECONDS.into()));
    short && found.origin.map_or(configured, |origin| origin == ORIGIN)
}

/// What is not preferred is never chosen as the source of a connection.
fn lifetime(address: &Address) -> Lifetime {
    let preferred = if address.options.preferred { VALID_SECONDS } else { 0 };
    Lifetime { valid: Some(VALID_SECONDS), preferred: Some(preferred) }
}

/// What the kernel is to keep of it.
fn shape(address: &Address) -> Shape {
    let options = &address.options;
    Shape {
        peer: options.peer,
        scope: options.scope,
        broadcast: options.broadcast,
        label: options.label.clone(),
        no_prefix_route: options.no_prefix_route,
        makes_temporary: options.makes_temporary,
        home: options.home,
    }
}

/// Whether an address is as it should be, its time aside.
fn agrees(found: &HostAddress, prefix: u8, wanted: &Shape, link: &LinkName) -> bool {
    let (label, scope) = match found.address {
        IpAddr::V4(_) => (wanted.label.clone().or_else(|| Some(link.to_string())), wanted.scope),
        // It has none, and the kernel computes the other.
        IpAddr::V6(_) => (None, found.shape.scope),
    };
    found.prefix == prefix && found.shape == Shape { label, scope, ..wanted.clone() }
}

fn removal(found: &HostAddress, name: &LinkName) -> Change {
    let (address, prefix) = (found.address, found.prefix);
    let place = Place { link: found.link, name: name.clone(), address, prefix };
    Change::Remove { place, peer: found.shape.peer }
}

#[cfg(test)]
mod tests {
    use model::Instant;
    use sys::netlink::HostLink;

    use super::*;

    const FIRST: InstanceId = InstanceId(0);
    const SECOND: InstanceId = InstanceId(1);
    const NOW: Instant = Instant::from_nanos(1);

    fn link(name: &str) -> LinkName {
        LinkName::new(name).unwrap()
    }

    fn parts(text: &str) -> (IpAddr, u8) {
        let (address, prefix) = text.split_once('/').unwrap();
        (address.parse().unwrap(), prefix.parse().unwrap())
    }

    const TWO: &str = "
vrrp_instance first {
  interface eth0
  virtual_router_id 1
  virtual_ipaddress {
    192.0.2.5/24
  }
}
vrrp_instance second {
  interface eth0
  virtual_router_id 2
  virtual_ipaddress {
    192.0.2.5/24
    192.0.2.6
  }
}
vrrp_instance third {
  interface eth0
  virtual_router_id 3
  virtual_ipaddress {
    2001:db8::5
  }
}
";

    fn two() -> Config {
        let loaded = config::parse("two.conf", TWO);
        let mut config = loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.report));
        // No configuration has both families in one instance; nothing here relies on that.
        let third = config.instances.pop().unwrap();
        config.instances[0].addresses.extend(third.addresses);
        config
    }

    fn claims(ordered: &[InstanceId]) -> Claims {
        let mut claims = Claims::new([Duration::from_secs(1); 2], NOW);
        ordered.iter().for_each(|id| claims.order(*id));
        claims
    }

    fn world(addresses: Vec<HostAddress>) -> World {
        World::new(
            vec![HostLink {
                index: 2,
                name: link("eth0"),
                up: true,
                multicast: true,
                mac: None,
                carrier_ups: 1,
                virtual_link: None,
            }],
            addresses,
        )
    }

    fn there(text: &str, left: Option<u64>, origin: Option<u8>) -> HostAddress {
        let (address, prefix) = parts(text);
        let valid = left.map(Duration::from_secs);
        let label = address.is_ipv4().then(|| "eth0".to_owned());
        let shape = Shape { label, ..Shape::default() };
        HostAddress { link: 2, address, prefix, tentative: false, secondary: false, valid, origin, shape }
    }

    fn ours(text: &str) -> HostAddress {
        there(text, Some(60), Some(ORIGIN))
    }

    /// One word per change: `+` missing, `!` altered, `r` renewal, `-` unwanted, `<` and `>` out and in again.
    fn words(config: &Config, claims: &Claims, addresses: Vec<HostAddress>) -> Vec<String> {
        words_beside(&HashSet::new(), config, claims, addresses)
    }

    fn words_beside(
        placed: &HashSet<Placed>,
        config: &Config,
        claims: &Claims,
        addresses: Vec<HostAddress>,
    ) -> Vec<String> {
        let plan = plan(config, (&HashSet::new(), placed), claims, &world(addresses));
        let word = |(change, reason): &(Change, Reason)| {
            let sign = match reason {
                Reason::Missing(_) => '+',
                Reason::Altered(_) => '!',
                Reason::Renewal => 'r',
                Reason::Unwanted => '-',
                Reason::Changed if matches!(change, Change::Remove { .. }) => '<',
                Reason::Changed => '>',
            };
            assert_eq!(matches!(change, Change::Remove { .. }), "-<".contains(sign));
            format!("{sign}{}", change.place())
        };
        plan.changes.iter().map(word).collect()
    }

    #[test]
    fn what_was_ours_and_has_not_been_gone_is_ours() {
        let altered = || vec![there("192.0.2.5/24", None, None)];
        let mut placed = HashSet::new();
        remember(&mut placed, &two(), &claims(&[FIRST]), &world(altered()));
        assert_eq!(placed.len(), 0, "it was there before us");
        remember(&mut placed, &two(), &claims(&[]), &world(vec![ours("192.0.2.5/24")]));
        assert_eq!(placed.len(), 0, "nobody holds it");
        remember(&mut placed, &two(), &claims(&[FIRST]), &world(vec![ours("192.0.2.5/24")]));
        let words = |ordered: &[InstanceId]| words_beside(&placed, &two(), &claims(ordered), altered());
        assert_eq!(words(&[FIRST])[0], "!192.0.2.5/24 on eth0");
        assert_eq!(words(&[]), ["-192.0.2.5/24 on eth0"]);
        remember(&mut placed, &two(), &claims(&[FIRST]), &world(vec![]));
        assert_eq!(placed.len(), 0, "what comes after it is somebody else's");
    }

    #[test]
    fn what_is_ordered_and_missing_is_added_once_and_ipv4_first() {
        let none: [&str; 0] = [];
        assert_eq!(words(&two(), &claims(&[]), vec![]), none);
        let one = ["+192.0.2.5/24 on eth0", "+2001:db8::5/128 on eth0"];
        assert_eq!(words(&two(), &claims(&[FIRST]), vec![]), one);
        let both = ["+192.0.2.5/24 on eth0", "+192.0.2.6/32 on eth0", "+2001:db8::5/128 on eth0"];
        assert_eq!(words(&two(), &claims(&[FIRST, SECOND]), vec![]), both);
    }

    #[test]
    fn what_is_as_it_should_be_is_left_alone() {
        let all = vec![ours("192.0.2.5/24"), ours("2001:db8::5/128")];
        assert_eq!(words(&two(), &claims(&[FIRST]), all), [""; 0]);
    }

    /// D1: another program took one of them away.
    #[test]
    fn what_somebody_removed_is_put_back() {
        let rest = vec![ours("2001:db8::5/128")];
        assert_eq!(words(&two(), &claims(&[FIRST]), rest), ["+192.0.2.5/24 on eth0"]);
    }

    #[test]
    fn what_runs_out_is_renewed_and_keeps_its_kind_of_lifetime() {
        let all = vec![
            there("192.0.2.5/24", Some(40), Some(ORIGIN)),
            there("2001:db8::5/128", Some(39), Some(ORIGIN)),
        ];
        let plan = plan(&two(), (&HashSet::new(), &HashSet::new()), &claims(&[FIRST]), &world(all));
        let lifetimes: Vec<Lifetime> = plan
            .changes
            .iter()
            .map(|(change, reason)| match (change, reason) {
                (Change::Add { lifetime, origin: Some(ORIGIN), .. }, Reason::Renewal) => *lifetime,
                other => panic!("{other:?}"),
            })
            .collect();
        let usual = Lifetime { valid: Some(60), preferred: Some(60) };
        assert_eq!(lifetimes, [usual, Lifetime { preferred: Some(0), ..usual }]);
    }

    /// D3: after a crash of both vrrp-core and ipmgr.
    #[test]
    fn what_is_ours_and_unwanted_goes_even_if_it_is_configured_no_more() {
        let all = vec![ours("192.0.2.5/24"), ours("198.51.100.1/32"), ours("2001:db8::5/128")];
        let gone = ["-192.0.2.5/24 on eth0", "-198.51.100.1/32 on eth0", "-2001:db8::5/128 on eth0"];
        assert_eq!(words(&two(), &claims(&[]), all), gone);
    }

    #[test]
    fn what_another_instance_still_wants_stays() {
        let all = vec![ours("192.0.2.5/24"), ours("192.0.2.6/32"), ours("2001:db8::5/128")];
        assert_eq!(words(&two(), &claims(&[FIRST]), all), ["-192.0.2.6/32 on eth0"]);
    }

    #[test]
    fn what_is_not_ours_is_never_touched() {
        for stance in [&[][..], &[FIRST, SECOND]] {
            let all = vec![
                there("192.0.2.5/24", None, None),
                there("192.0.2.6/32", Some(3600), None),
                // keepalived's have the same mark, and live for ever.
                there("2001:db8::5/128", None, Some(ORIGIN)),
                // Somebody else's lease, on an address that we know nothing of.
                there("203.0.113.1/24", Some(30), None),
                there("203.0.113.2/24", Some(30), Some(3)),
            ];
            assert_eq!(words(&two(), &claims(stance), all), [""; 0]);
        }
    }

    #[test]
    fn a_kernel_that_keeps_no_marks_is_served_as_well() {
        let all = vec![there("192.0.2.5/24", Some(60), None), there("2001:db8::5/128", Some(20), None)];
        assert_eq!(words(&two(), &claims(&[FIRST]), all.clone()), ["r2001:db8::5/128 on eth0"]);
        assert_eq!(words(&two(), &claims(&[]), all).len(), 2);
    }

    #[test]
    fn the_same_address_with_another_prefix_is_another_one_in_ipv4_only() {
        let all = vec![there("192.0.2.5/32", None, None), there("2001:db8::5/64", None, None)];
        assert_eq!(words(&two(), &claims(&[FIRST]), all), ["+192.0.2.5/24 on eth0"]);
    }

    /// An IPv6 address with another prefix is the same address to the kernel, and keeps the old one if it is only added.
    #[test]
    fn what_is_ours_and_otherwise_than_configured_goes_and_comes() {
        let six = vec![ours("192.0.2.5/24"), ours("2001:db8::5/64")];
        let expected = ["<2001:db8::5/64 on eth0", ">2001:db8::5/128 on eth0"];
        assert_eq!(words(&two(), &claims(&[FIRST]), six), expected);
        let mut config = two();
        config.instances[0].addresses[0].options.label = Some("eth0:vip".into());
        let all = vec![ours("192.0.2.5/24"), ours("2001:db8::5/128")];
        let expected = ["<192.0.2.5/24 on eth0", ">192.0.2.5/24 on eth0"];
        assert_eq!(words(&config, &claims(&[FIRST]), all), expected);
        let theirs = vec![there("192.0.2.5/24", None, None), ours("2001:db8::5/128")];
        assert_eq!(words(&config, &claims(&[FIRST]), theirs), [""; 0], "the administrator's label is theirs");
    }

    #[test]
    fn excluded_addresses_are_held_like_the_others() {
        let mut config = two();
        let second = config.instances.remove(1);
        config.instances[0].excluded = second.addresses.into_iter().skip(1).collect();
        let all = vec![ours("192.0.2.5/24"), ours("2001:db8::5/128")];
        assert_eq!(words(&config, &claims(&[FIRST]), all), ["+192.0.2.6/32 on eth0"]);
    }

    #[test]
    fn left_overs_stay_as_they_are_until_their_time_is_over() {
        let config = two();
        let all = vec![there("192.0.2.6/32", Some(20), Some(ORIGIN))];
        assert_eq!(left_over(&config, &world(all.clone())), [SECOND]);
        let mut claims = claims(&[]);
        claims.leave_over(SECOND, NOW);
        assert_eq!(
            words(&config, &claims, all.clone()),
            [""; 0],
            "neither renewed nor completed nor removed"
        );
        claims.run_out(NOW + Duration::from_secs(2));
        assert_eq!(words(&config, &claims, all), ["-192.0.2.6/32 on eth0"]);
        assert_eq!(left_over(&config, &world(vec![there("192.0.2.6/32", None, None)])), []);
    }

    #[test]
    fn a_link_that_is_not_there_is_a_sentence() {
        let plan = plan(&two(), (&HashSet::new(), &HashSet::new()), &claims(&[FIRST]), &World::default());
        assert!(plan.changes.is_empty());
        let (_, spot, sentence) = &plan.impossible[0];
        assert_eq!(sentence, "add 192.0.2.5/24 on eth0: there is no such interface");
        assert_eq!(*spot, Spot::of(&two().instances[0].addresses[0]));
        assert_eq!(plan.impossible.len(), 2);
    }
}
