//! Two or three hosts on a bridge with an observer, and what a story does with them and expects of them.
//!
//! An expectation that fails ends the test with everything that is known: all configurations, all logs, all adverts
//! with their times, and who held which addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use handover_tests::keepalived;
use handover_tests::node::{RUNTIME_DIR, start_lab};
use handover_tests::observer::{Observer, VirtualRouter};
use lab::Lab;
use model::Instant;

use crate::routers::{self, Addresses, FITNESS, Kind, Own, Router, Tracking, Why};

/// The first host: of the highest priority, where they differ.
pub const PREFERRED: &str = "preferred";
/// The second host: of the greater addresses, those aside that the kernel made up.
pub const SECOND: &str = "second";
/// The third host, in stories that have one: of the lowest priority.
pub const THIRD: &str = "third";
const NAMES: [&str; 3] = [PREFERRED, SECOND, THIRD];
const ADDRESSES: [Addresses<'static>; 3] = [
    Addresses { ipv4: "192.0.2.11", ipv6: "2001:db8::11" },
    Addresses { ipv4: "192.0.2.12", ipv6: "2001:db8::12" },
    Addresses { ipv4: "192.0.2.13", ipv6: "2001:db8::13" },
];
/// As an administrator does who sends adverts from a global IPv6 address: taking an interface down would remove it.
const KEEP_ADDRESSES: &str = "echo 1 > /proc/sys/net/ipv6/conf/eth0/keep_addr_on_down";
/// In the row of a story where the greater source address decides: whose that is may be chance.
const GREATER: &str = "the greater";

/// What a story asks of the configurations, in the order of the hosts.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    pub priorities: [u8; 3],
    pub passwords: [&'static str; 3],
    /// Of the preferred host.
    pub nopreempt: bool,
    /// Every host is fit at first.
    pub tracking: Tracking,
}

impl Default for Terms {
    fn default() -> Self {
        // Far apart, so that the skews of the second and the third are, too.
        let priorities = [200, 150, 50];
        Self { priorities, passwords: ["s3cret"; 3], nopreempt: false, tracking: Tracking::default() }
    }
}

#[derive(Debug)]
pub struct Scene {
    lab: Lab,
    observer: Observer,
    cast: Vec<Kind>,
    routers: Vec<Box<dyn Router>>,
    configs: Vec<String>,
    /// By the name of the virtual router: what [`Scene::row`] tells.
    settled: BTreeMap<&'static str, Vec<String>>,
}

fn position(name: &str) -> usize {
    NAMES.iter().position(|it| *it == name).expect("one of the hosts")
}

impl Scene {
    /// The hosts of this cast, nothing started yet; `None` where there is no keepalived.
    pub fn new(cast: &[Kind], terms: &Terms) -> Option<Self> {
        if !keepalived::is_installed() {
            return None;
        }
        let lab = start_lab();
        let addresses = &ADDRESSES[..cast.len()];
        let config = |index: usize| {
            let peers = addresses.iter().zip(0..).filter(|(_, its)| *its != index);
            routers::config(&Own {
                addresses: addresses[index],
                peers: peers.map(|(peer, _)| *peer).collect(),
                priority: terms.priorities[index],
                password: terms.passwords[index],
                nopreempt: terms.nopreempt && index == 0,
                tracking: terms.tracking,
            })
        };
        let configs: Vec<String> = (0..cast.len()).map(config).collect();
        let make = |(index, kind): (usize, &Kind)| {
            let Addresses { ipv4, ipv6 } = addresses[index];
            let own = [format!("{ipv4}/24"), format!("{ipv6}/64")];
            let router = kind.make(&lab, NAMES[index], &own.each_ref().map(String::as_str), &configs[index]);
            let kept = router.host().run(["sh", "-c", KEEP_ADDRESSES]);
            assert!(kept.as_ref().is_ok_and(lab::Output::success), "{kept:?}");
            router.host().write_file(FITNESS, "", 0o644).expect("make the host fit");
            router
        };
        let routers: Vec<Box<dyn Router>> = cast.iter().enumerate().map(make).collect();
        let hosts = routers.iter().map(|router| router.host().clone()).collect();
        let observer = Observer::new(&lab, hosts, routers::observed());
        Some(Self { lab, observer, cast: cast.to_vec(), routers, configs, settled: BTreeMap::new() })
    }

    /// For each virtual router, the masters that it settled on, in turn; a host that remained is told once.
    pub fn row(&self) -> Vec<String> {
        let masters = |router: &VirtualRouter| {
            let mut masters = self.settled.get(router.name).cloned().unwrap_or_default();
            masters.dedup();
            masters.join(" ")
        };
        self.observer.routers().iter().map(masters).collect()
    }

    /// Notes on whom every virtual router has settled.
    fn note(&mut self, master: impl Fn(&VirtualRouter) -> String) {
        for router in self.observer.routers() {
            self.settled.entry(router.name).or_default().push(master(router));
        }
    }

    fn router(&self, name: &str) -> &dyn Router {
        self.routers[position(name)].as_ref()
    }

    /// Starts what the host runs.
    pub fn start(&mut self, name: &str) {
        self.router(name).start();
    }

    /// Stops it as an administrator does, and expects that it said so on the wire and left no address.
    pub fn stop(&mut self, name: &str) {
        let since = sys::clock::now();
        let was_master = self.mastered_by(name);
        self.router(name).stop();
        let done = self.observer.wait_for(&self.lab, &format!("{name} said goodbye"), |observer| {
            was_master.iter().all(|router| observer.has_resigned(router, name, since))
        });
        self.expect(done);
        let left = self.virtual_addresses(name);
        self.expect(if left.is_empty() { Ok(()) } else { Err(format!("{name} left {left:?} behind")) });
    }

    /// The virtual routers whose addresses the host holds.
    fn mastered_by(&self, name: &str) -> Vec<VirtualRouter> {
        let held = self.virtual_addresses(name);
        let is_held = |router: &&VirtualRouter| router.addresses.iter().all(|it| held.contains(it));
        self.observer.routers().iter().filter(is_held).cloned().collect()
    }

    fn virtual_addresses(&self, name: &str) -> BTreeSet<IpAddr> {
        let all: BTreeSet<IpAddr> =
            self.observer.routers().iter().flat_map(|router| router.addresses.clone()).collect();
        let held = self.router(name).host().addresses().expect("addresses");
        held.into_iter().map(|it| it.address).filter(|it| all.contains(it)).collect()
    }

    /// The host dies: all its processes at once, and nothing reaches it any more.
    pub fn kill(&mut self, name: &str) {
        let since = sys::clock::now();
        let host = self.router(name).host().clone();
        host.kill_all().expect("kill everything");
        self.observer.unplug(&host);
        self.observer.look();
        let last_words =
            self.observer.routers().iter().find(|it| self.observer.has_resigned(it, name, since));
        let quiet = last_words.map_or(Ok(()), |router| Err(format!("{name} resigned from {}", router.name)));
        self.expect(quiet);
    }

    /// The dead host boots: what the kernel and `/run` remembered is gone, then it is on the bridge again, then what it
    /// runs is started.
    pub fn boot(&mut self, name: &str) {
        let host = self.router(name).host().clone();
        for address in self.virtual_addresses(name) {
            let width = if address.is_ipv4() { 32 } else { 128 };
            let output = host.run(["ip", "address", "del", &format!("{address}/{width}"), "dev", "eth0"]);
            assert!(output.as_ref().is_ok_and(lab::Output::success), "{output:?}");
        }
        let cleared = host.run(["sh", "-c", &format!("rm -rf {RUNTIME_DIR} /run/keepalived*.pid")]);
        assert!(cleared.as_ref().is_ok_and(lab::Output::success), "{cleared:?}");
        self.observer.plug_in(&host);
        self.start(name);
    }

    /// Takes the host's interface down, or up again.
    pub fn set_link(&mut self, name: &str, is_up: bool) {
        let host = self.router(name).host();
        let done = if is_up { host.link_up("eth0") } else { host.link_down("eth0") };
        done.expect("set the link");
    }

    /// What the host's check looks for is gone, or there again.
    pub fn set_fitness(&mut self, name: &str, is_fit: bool) {
        let host = self.router(name).host();
        let output = host.run([if is_fit { "touch" } else { "rm" }, FITNESS]);
        assert!(output.as_ref().is_ok_and(lab::Output::success), "{output:?}");
    }

    /// Takes the host off the bridge; its interface stays up.
    pub fn unplug(&mut self, name: &str) {
        let host = self.router(name).host().clone();
        self.observer.unplug(&host);
    }

    /// Puts it back.
    pub fn plug_in(&mut self, name: &str) {
        let host = self.router(name).host().clone();
        self.observer.plug_in(&host);
    }

    /// The host becomes, or stays, the one master of everything, by the adverts and by the addresses.
    pub fn settles_on(&mut self, name: &str) {
        self.settles(|_| name);
    }

    /// Each virtual router settles on the host that `master` says, by the adverts and by the addresses.
    pub fn settles<'a>(&mut self, master: impl Fn(&VirtualRouter) -> &'a str) {
        let done = self.observer.settle(&self.lab, |router| master(router).to_owned());
        self.expect(done);
        let signs: Vec<String> =
            self.cast.iter().zip(1..).map(|(kind, number)| format!("{}{number}", kind.sign())).collect();
        self.note(|router| signs[position(master(router))].clone());
    }

    /// For each virtual router, the host whose adverts come from the greater address becomes, or stays, master.
    pub fn settles_on_the_greater_address(&mut self) {
        let both_spoke = self.observer.wait_for(&self.lab, "adverts of both", |observer| {
            let spoke = |router: &VirtualRouter| {
                // To a peer that was off the bridge, the first may have yielded before it could say a word.
                let heard = if router.is_unicast { &NAMES[1..2] } else { &NAMES[..2] };
                heard.iter().all(|it| observer.source(router, it).is_some())
            };
            observer.routers().iter().all(spoke)
        });
        self.expect(both_spoke);
        let winners: Vec<(&'static str, &'static str)> = self
            .observer
            .routers()
            .iter()
            .map(|router| {
                let greatest = NAMES[..2].iter().copied().max_by_key(|it| self.observer.source(router, it));
                (router.name, greatest.expect("two hosts"))
            })
            .collect();
        assert!(
            winners.contains(&("v2", SECOND)),
            "the second host has the greater IPv4 address: {winners:?}"
        );
        let winner = |router: &VirtualRouter| {
            winners
                .iter()
                .find(|(name, _)| *name == router.name)
                .map(|(_, host)| (*host).to_owned())
                .unwrap_or_default()
        };
        let done = self.observer.settle(&self.lab, winner);
        self.expect(done);
        self.note(|_| GREATER.to_owned());
    }

    /// The host says of every instance that it is in this state.
    pub fn is_everywhere(&mut self, name: &str, state: &str) {
        self.is_in(name, state, |_| true);
    }

    /// The host says of these instances that they are in this state.
    pub fn is_in(&mut self, name: &str, state: &str, instances: impl Fn(&str) -> bool) {
        let router = &self.routers[position(name)];
        let done = self.observer.wait_for(&self.lab, &format!("{name} is {state}"), |observer| {
            let mut asked = observer.routers().iter().filter(|it| instances(it.name));
            asked.all(|it| router.state(it.name) == state)
        });
        self.expect(done);
    }

    /// The host tells this cause for the state of every instance.
    pub fn knows_why(&mut self, name: &str, why: Why) {
        let index = position(name);
        let router = &self.routers[index];
        let done =
            self.observer.wait_for(&self.lab, &format!("{name} tells {why:?} everywhere"), |observer| {
                observer.routers().iter().all(|it| router.knows(it.name, why))
            });
        self.expect(done);
    }

    /// Waits until the observer complains of two masters, and gives its words.
    pub fn has_two_masters(&mut self) -> String {
        match self.observer.wait_for(&self.lab, "the observer complains", |_| false) {
            Err(why) => why,
            Ok(()) => String::new(),
        }
    }

    /// The host has said goodbye on the wire (priority 0) for these instances since then.
    pub fn has_resigned(&mut self, name: &str, since: Instant, instances: impl Fn(&str) -> bool) {
        let done = self.observer.wait_for(&self.lab, &format!("{name} resigned"), |observer| {
            let mut asked = observer.routers().iter().filter(|it| instances(it.name));
            asked.all(|it| observer.has_resigned(it, name, since))
        });
        self.expect(done);
    }

    /// Ends the test with all that is known unless `result` is good.
    fn expect(&self, result: Result<(), String>) {
        let Err(why) = result else { return };
        let mut story = String::new();
        for (index, router) in self.routers.iter().enumerate() {
            story += &format!("== configuration of {}\n{}", NAMES[index], self.configs[index]);
            story += &router.story();
            let addresses = router.host().addresses();
            story += &format!("addresses: {addresses:?}\n");
        }
        panic!("{why}\n{story}{}", self.observer.story());
    }
}
