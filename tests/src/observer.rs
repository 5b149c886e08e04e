//! An observer of elections from outside: who advertises, who holds the addresses, and whether that is ever two for
//! longer than an election may take.
//!
//! **Settling** is one master-down interval, `3 * advert interval + skew` (RFC 9568 6.1), with the skew at its upper
//! limit: 1 s in VRRPv2, one interval in VRRPv3. Two routers may both act as master only while they don't know of each
//! other yet; the first advert that arrives ends that, so by then it must long be over. It is judged twice:
//!
//! - *On the wire*: adverts of different hosts that alternate, each within the settling time of the one before, are a
//!   dispute. It ends when one of them says goodbye (priority 0) or is heard no more. One change of the speaker is a
//!   takeover; a dispute that lasts longer than settling is two masters.
//! - *By addresses*: two hosts that hold addresses of the same virtual router, look after look, for longer than
//!   settling.
//!
//! It must never ask the routers themselves: what they believe is not what is so. A host that is off the bridge
//! ([`Observer::unplug`]) doesn't count until it is back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use lab::{Capture, Frame, Host, Lab, Packet};
use model::{Instant, ProtocolVersion, Vrid};

use crate::node::LIMIT;

/// The adverts that may be missed before a master counts as gone (RFC 9568 6.1).
const MISSED: u32 = 3;

/// What is observed: a virtual router that some hosts share.
#[derive(Clone, Debug)]
pub struct VirtualRouter {
    /// The name of the instance on every host.
    pub name: &'static str,
    /// Its VRID; here, different for every virtual router whatever the family.
    pub vrid: Vrid,
    /// Its version.
    pub version: ProtocolVersion,
    /// Its advertisement interval.
    pub interval: Duration,
    /// Its adverts go to peers: none is on the wire until the peer has said where it lives.
    pub is_unicast: bool,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

impl VirtualRouter {
    /// How long an election may take once the routers can hear each other: see the top of this file.
    #[must_use]
    pub fn settling(&self) -> Duration {
        let skew = match self.version {
            ProtocolVersion::V2 => Duration::from_secs(1),
            ProtocolVersion::V3 => self.interval,
        };
        self.interval * MISSED + skew
    }
}

/// An advert that was on the bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Advert {
    at: Instant,
    host: String,
    source: IpAddr,
    priority: u8,
}

/// Who held addresses of a virtual router, look after look, as long as nothing changed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Holding {
    from: Instant,
    until: Instant,
    /// The hosts that held at least one.
    some: BTreeSet<String>,
    /// The hosts that held every one.
    all: BTreeSet<String>,
}

/// The record of one virtual router.
#[derive(Debug, Default)]
struct Record {
    adverts: Vec<Advert>,
    holdings: Vec<Holding>,
}

impl Record {
    /// Adverts of different hosts in turn for longer than `settling`.
    fn dispute(&self, settling: Duration) -> Option<String> {
        let mut speaker: Option<&Advert> = None;
        let mut dispute: Option<(Instant, Instant)> = None;
        for advert in &self.adverts {
            if advert.priority == 0 {
                // Whoever says goodbye leaves the field to the other.
                dispute = None;
                speaker = speaker.filter(|last| last.host != advert.host);
                continue;
            }
            if let Some(last) = speaker
                && last.host != advert.host
            {
                let since = match dispute {
                    Some((since, latest)) if advert.at.since(latest) <= settling => since,
                    Some(_) | None => advert.at,
                };
                dispute = Some((since, advert.at));
                if advert.at.since(since) > settling {
                    let (one, other) = (&last.host, &advert.host);
                    return Some(format!("{one} and {other} both advertised from {since} to {}", advert.at));
                }
            }
            speaker = Some(advert);
        }
        None
    }

    /// Addresses on two hosts for longer than `settling`.
    fn double(&self, settling: Duration) -> Option<String> {
        let mut since: Option<Instant> = None;
        for holding in &self.holdings {
            if holding.some.len() < 2 {
                since = None;
                continue;
            }
            let from = *since.get_or_insert(holding.from);
            if holding.until.since(from) > settling {
                return Some(format!(
                    "{:?} held its addresses from {from} to {}",
                    holding.some, holding.until
                ));
            }
        }
        None
    }

    /// Since when `host` alone has advertised, and has held all addresses, alone; `None` if that isn't so.
    fn sole_master_since(&self, host: &str) -> Option<Instant> {
        let holding = self.holdings.last()?;
        let alone = |set: &BTreeSet<String>| set.len() == 1 && set.contains(host);
        if !alone(&holding.some) || !alone(&holding.all) {
            return None;
        }
        let before = self.adverts.iter().rposition(|advert| advert.host != host && advert.priority != 0);
        let own = self.adverts.get(before.map_or(0, |it| it + 1)..)?;
        let first = own.iter().find(|advert| advert.host == host && advert.priority != 0)?;
        Some(first.at.max(holding.from))
    }

    /// When `host` last advertised that it is master.
    fn last_advert_of(&self, host: &str) -> Option<Instant> {
        let of_host = |advert: &&Advert| advert.host == host && advert.priority != 0;
        self.adverts.iter().rev().find(of_host).map(|advert| advert.at)
    }

    /// Notes who holds what at `at`.
    fn hold(&mut self, at: Instant, some: BTreeSet<String>, all: BTreeSet<String>) {
        match self.holdings.last_mut() {
            Some(last) if last.some == some && last.all == all => last.until = at,
            Some(_) | None => self.holdings.push(Holding { from: at, until: at, some, all }),
        }
    }
}

/// Sees every frame on the bridge, and looks at the hosts' addresses as often as it is asked.
#[derive(Debug)]
pub struct Observer {
    capture: Capture,
    hosts: Vec<Host>,
    routers: Vec<VirtualRouter>,
    records: BTreeMap<Vrid, Record>,
    sources: BTreeMap<(Vrid, String), IpAddr>,
    /// When each host was off the bridge; until now where there is no end.
    unplugged: Vec<(String, Instant, Option<Instant>)>,
}

impl Observer {
    /// Observes these virtual routers from now on.
    ///
    /// # Panics
    /// The lab can't capture.
    #[must_use]
    pub fn new(lab: &Lab, hosts: Vec<Host>, routers: Vec<VirtualRouter>) -> Self {
        let records = routers.iter().map(|router| (router.vrid, Record::default())).collect();
        let capture = lab.capture().expect("capture");
        Self { capture, hosts, routers, records, sources: BTreeMap::new(), unplugged: Vec::new() }
    }

    /// What it observes.
    #[must_use]
    pub fn routers(&self) -> &[VirtualRouter] {
        &self.routers
    }

    /// Takes a host off the bridge; what it does there, alone, doesn't count.
    ///
    /// # Panics
    /// The lab can't do it.
    pub fn unplug(&mut self, host: &Host) {
        self.unplugged.push((host.name().to_owned(), sys::clock::now(), None));
        host.disconnect("eth0").expect("disconnect");
    }

    /// Puts it back.
    ///
    /// # Panics
    /// The lab can't do it.
    pub fn plug_in(&mut self, host: &Host) {
        host.connect("eth0").expect("connect");
        let now = sys::clock::now();
        for (_, _, back) in self.unplugged.iter_mut().filter(|(name, ..)| name == host.name()) {
            back.get_or_insert(now);
        }
    }

    fn is_unplugged(&self, host: &str, at: Instant) -> bool {
        let within = |from: Instant, to: Option<Instant>| from <= at && to.is_none_or(|to| at < to);
        self.unplugged.iter().any(|(name, from, to)| name == host && within(*from, *to))
    }

    /// Takes in what was on the wire meanwhile, and looks at all addresses.
    ///
    /// # Panics
    /// The lab has ended.
    pub fn look(&mut self) {
        for frame in self.capture.take() {
            self.note(frame);
        }
        let at = sys::clock::now();
        let mut held: BTreeMap<String, BTreeSet<IpAddr>> = BTreeMap::new();
        for host in self.hosts.iter().filter(|host| !self.is_unplugged(host.name(), at)) {
            let addresses = host.addresses().expect("addresses");
            held.insert(host.name().to_owned(), addresses.into_iter().map(|it| it.address).collect());
        }
        for router in &self.routers {
            let holders = |enough: &dyn Fn(&BTreeSet<IpAddr>) -> bool| {
                held.iter().filter(|(_, its)| enough(its)).map(|(name, _)| name.clone()).collect()
            };
            let some = holders(&|its| router.addresses.iter().any(|address| its.contains(address)));
            let all = holders(&|its| router.addresses.iter().all(|address| its.contains(address)));
            self.records.entry(router.vrid).or_default().hold(at, some, all);
        }
    }

    fn note(&mut self, frame: Frame) {
        let Packet::Vrrp { source, message, .. } = frame.packet else { return };
        let [_, vrid, priority, ..] = *message else { return };
        let Some(vrid) = Vrid::new(vrid) else { return };
        self.sources.insert((vrid, frame.host.clone()), source);
        if !self.is_unplugged(&frame.host, frame.at)
            && let Some(record) = self.records.get_mut(&vrid)
        {
            record.adverts.push(Advert { at: frame.at, host: frame.host, source, priority });
        }
    }

    /// Two masters for longer than settling, if there have ever been.
    #[must_use]
    pub fn two_masters(&self) -> Option<String> {
        self.routers.iter().find_map(|router| {
            let (record, settling) = (self.records.get(&router.vrid)?, router.settling());
            let what = record.dispute(settling).or_else(|| record.double(settling))?;
            Some(format!("{}: two masters for longer than {settling:?}: {what}", router.name))
        })
    }

    /// Waits until `condition` holds, looking all the while.
    ///
    /// # Errors
    /// It doesn't within [`LIMIT`], or there are two masters.
    pub fn wait_for(
        &mut self,
        lab: &Lab,
        what: &str,
        mut condition: impl FnMut(&Self) -> bool,
    ) -> Result<(), String> {
        let found = lab.find(LIMIT, || {
            self.look();
            let trouble = self.two_masters().map(Err);
            trouble.or_else(|| condition(self).then_some(Ok(())))
        });
        found.unwrap_or_else(|| Err(format!("never came true: {what}")))
    }

    /// Waits until every virtual router has settled on the host that is `expected` for it: from now on, and for a
    /// whole settling time, that host alone has advertised and has held all addresses, alone.
    ///
    /// # Errors
    /// It doesn't, and for which virtual routers; or there are two masters.
    pub fn settle(&mut self, lab: &Lab, expected: impl Fn(&VirtualRouter) -> String) -> Result<(), String> {
        let called = sys::clock::now();
        let settled = |observer: &Self, router: &VirtualRouter| {
            let host = expected(router);
            let record = observer.records.get(&router.vrid)?;
            let since = record.sole_master_since(&host)?.max(called);
            (record.last_advert_of(&host)? >= since + router.settling()).then_some(())
        };
        let done = self.wait_for(lab, "every virtual router has settled", |observer| {
            observer.routers.iter().all(|router| settled(observer, router).is_some())
        });
        done.map_err(|why| {
            let late = self.routers.iter().filter(|router| settled(self, router).is_none());
            let late: Vec<String> =
                late.map(|router| format!("{} on {}", router.name, expected(router))).collect();
            format!("{why}; not settled: {}", late.join(", "))
        })
    }

    /// Whether `host` has said, since `since`, that it stops being master of that virtual router (priority 0).
    #[must_use]
    pub fn has_resigned(&self, router: &VirtualRouter, host: &str, since: Instant) -> bool {
        let said = |advert: &Advert| advert.host == host && advert.priority == 0 && advert.at >= since;
        self.records.get(&router.vrid).is_some_and(|record| record.adverts.iter().any(said))
    }

    /// Where the adverts of `host` come from, also of one that is off the bridge.
    #[must_use]
    pub fn source(&self, router: &VirtualRouter, host: &str) -> Option<IpAddr> {
        self.sources.get(&(router.vrid, host.to_owned())).copied()
    }

    /// All that was seen, in order, for a person who has to find out what happened.
    #[must_use]
    pub fn story(&self) -> String {
        let mut lines: Vec<(Instant, String)> = Vec::new();
        for router in &self.routers {
            let Some(record) = self.records.get(&router.vrid) else { continue };
            lines.extend(record.adverts.iter().map(|it| {
                let text = format!("{} advertises priority {} from {}", it.host, it.priority, it.source);
                (it.at, format!("{}: {text}", router.name))
            }));
            lines.extend(record.holdings.iter().map(|it| {
                let text = format!("some addresses are on {:?}, all are on {:?}", it.some, it.all);
                (it.from, format!("{}: {text}, until {}", router.name, it.until))
            }));
        }
        for (host, from, to) in &self.unplugged {
            lines.push((*from, format!("{host} is off the bridge")));
            lines.extend(to.map(|to| (to, format!("{host} is back on the bridge"))));
        }
        lines.sort();
        let lines: Vec<String> = lines.into_iter().map(|(at, text)| format!("{at} {text}")).collect();
        format!("== what was seen\n{}\n", lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLING: Duration = Duration::from_secs(4);

    fn at(tenths: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(tenths * 100)
    }

    /// From words such as `a`, `b` and `a0`: adverts one after the other, each with its time in tenths of a second.
    fn record(adverts: &[(u64, &str)]) -> Record {
        let adverts = adverts.iter().map(|(tenths, word)| Advert {
            at: at(*tenths),
            host: word[..1].to_owned(),
            source: IpAddr::from([192, 0, 2, 1]),
            priority: if word.ends_with('0') { 0 } else { 100 },
        });
        Record { adverts: adverts.collect(), holdings: Vec::new() }
    }

    fn hosts(names: &str) -> BTreeSet<String> {
        names.chars().map(String::from).collect()
    }

    #[test]
    fn takeovers_are_no_dispute() {
        let goodbye = [(0, "a"), (10, "a"), (12, "a0"), (18, "b"), (20, "b0"), (25, "a"), (35, "a")];
        let silence = [(0, "a"), (36, "b"), (46, "b"), (56, "b")];
        let preemption = [(0, "a"), (10, "a"), (15, "b"), (20, "a"), (21, "b"), (31, "b"), (61, "b")];
        for adverts in [goodbye.as_slice(), &silence, &preemption] {
            assert_eq!(record(adverts).dispute(SETTLING), None, "{adverts:?}");
        }
    }

    #[test]
    fn two_who_advertise_on_and_on_are_a_dispute() {
        let both: Vec<(u64, &str)> = (0..12).map(|n| (n * 5, if n % 2 == 0 { "a" } else { "b" })).collect();
        assert_eq!(record(&both[..9]).dispute(SETTLING), None, "still within settling");
        let told = record(&both).dispute(SETTLING).expect("two masters");
        assert!(told.contains("from 0.500000 to 5.000000"), "{told}");
        // Also when one advertises much more often than the other.
        let uneven: Vec<(u64, &str)> = (0..80).map(|n| (n, if n % 30 == 0 { "a" } else { "b" })).collect();
        assert!(record(&uneven).dispute(SETTLING).is_some());
    }

    #[test]
    fn addresses_on_two_hosts_are_two_masters_once_it_lasts() {
        let mut record = Record::default();
        for (tenths, some) in [(0, "a"), (10, "ab"), (30, "ab"), (50, "ab")] {
            record.hold(at(tenths), hosts(some), hosts("a"));
        }
        assert_eq!(record.double(SETTLING), None);
        // Who has all of them may change meanwhile; it is still two who have some.
        record.hold(at(51), hosts("ab"), hosts("b"));
        assert!(record.double(SETTLING).is_some());
        let mut brief = Record::default();
        for (tenths, some) in [(0, "ab"), (30, "ab"), (35, "b"), (40, "ab"), (60, "ab")] {
            brief.hold(at(tenths), hosts(some), hosts("b"));
        }
        assert_eq!(brief.double(SETTLING), None);
    }

    #[test]
    fn a_sole_master_is_alone_on_the_wire_and_with_the_addresses() {
        let mut record = record(&[(0, "a"), (10, "a"), (12, "b"), (22, "b")]);
        assert_eq!(record.sole_master_since("b"), None, "nobody was seen to hold anything");
        record.hold(at(11), hosts("a"), hosts("a"));
        record.hold(at(13), hosts("ab"), hosts("b"));
        assert_eq!(record.sole_master_since("b"), None, "a still has one");
        record.hold(at(14), hosts("b"), hosts("b"));
        assert_eq!(record.sole_master_since("b"), Some(at(14)));
        assert_eq!(record.sole_master_since("a"), None);
    }
}
