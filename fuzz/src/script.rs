//! A byte string as a script of everything that can happen to a core: packets, time, verdicts, links, ipmgr, drains,
//! claims, the end.
//!
//! One byte says what happens, a fixed number of bytes after it says how; when they run out, the script is over. So a
//! seed can be written by hand, and half a seed is a seed. Read `crates/vrrp/src/door.rs` first: only what the one door
//! offers is used. The names of instances and links are those of [`CONFIGURATION`].

use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::Duration;

use model::{
    CheckName, Credential, Family, Instant, LinkFact, MacAddress, Priority, ProtocolVersion, State, Verdict,
};
use vrrp::packet::{self, AddressList, Advert, Authentication, Dialect};
use vrrp::{
    Core, CoreConfig, Input, InstanceConfig, InstanceId, LinkId, OrderNumber, Output, Packet, PenaltyView,
    Prelude,
};

/// One instance of every kind: with checks, with a password and patience, over IPv6, unicast, the owner, and two that
/// move together.
const CONFIGURATION: &str = "
vrrp_script fatal { script /bin/true }
vrrp_script weighty { script /bin/true
  weight 50 }
vrrp_script serving { script /bin/true
  while master
  grace 1
  penalty 2 }
vrrp_instance checked { interface eth0
  version 3
  virtual_router_id 5
  advert_int 0.1
  virtual_ipaddress { 192.0.2.100/32 }
  pre_master /bin/true
  pre_backup /bin/true
  pre_timeout 0.3
  track_script { fatal
    weighty } }
vrrp_instance patient { interface eth0
  version 2
  virtual_router_id 6
  priority 150
  nopreempt
  preempt_delay 2
  authentication { auth_type PASS
    auth_pass secret }
  track_script { serving }
  virtual_ipaddress { 192.0.2.101/32
    192.0.2.102/32 } }
vrrp_instance six { interface eth1
  version 3
  virtual_router_id 5
  virtual_ipaddress { fe80::100/64 } }
vrrp_instance unicast { interface eth0
  version 3
  virtual_router_id 7
  unicast_src_ip 192.0.2.2
  unicast_peer { 192.0.2.1
    192.0.2.3 }
  virtual_ipaddress { 192.0.2.103/32 } }
vrrp_instance owner { interface eth1
  version 3
  state MASTER
  virtual_router_id 8
  priority 255
  virtual_ipaddress { 192.0.2.104/32 } }
vrrp_instance outside { interface eth0
  version 3
  virtual_router_id 9
  virtual_ipaddress { 192.0.2.105/32 } }
vrrp_instance inside { interface eth1
  version 3
  virtual_router_id 10
  virtual_ipaddress { 192.0.2.106/32 } }
vrrp_sync_group both { group { outside
    inside }
  track_script { weighty }
  track_interface { eth2 weight -10 } }
";
static CONFIG: LazyLock<CoreConfig> = LazyLock::new(|| {
    let loaded = config::parse("script.conf", CONFIGURATION);
    let config = loaded.config.unwrap_or_else(|| panic!("{}", loaded.report.render(false)));
    setup::core_config(&config)
});

/// What one input may make one instance say: an advert to each peer, announcements, an order, a transition, notices.
const MAX_OUTPUTS_PER_INSTANCE: usize = 16;
/// How many wakes at one moment may leave something due.
const MAX_WAKES: usize = 3;
/// When a script begins.
const START: Instant = Instant::from_nanos(1_000_000_000_000);

/// Plays a script; panics when the core breaks one of its promises.
pub fn play(script: &[u8]) {
    let mut stage = Stage::new();
    let mut script = Script(script);
    while stage.step(&mut script).is_some() {}
    let _ = stage.core.status();
}

/// What has not been read yet.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn flag(&mut self) -> Option<bool> {
        Some(self.byte()? & 1 != 0)
    }

    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    /// As many as the next byte says, or as are left.
    fn some(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.byte()?).min(self.0.len());
        let (first, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(first)
    }

    /// An instance, sometimes one that isn't there.
    fn instance(&mut self) -> Option<InstanceId> {
        Some(InstanceId(usize::from(self.byte()?) % (CONFIG.instances.len() + 1)))
    }
}

/// A core, and what has been seen of it from outside.
struct Stage {
    core: Core,
    now: Instant,
    told: Vec<Option<State>>,
    group_told: Option<State>,
    /// Per instance, whether the last order was to have the addresses.
    ordered: Vec<bool>,
    /// Orders that wait for their answer.
    open: Vec<(InstanceId, OrderNumber, bool)>,
    stopping: bool,
    finished: bool,
}

impl Stage {
    fn new() -> Self {
        let count = CONFIG.instances.len();
        Self {
            core: Core::new(CONFIG.clone(), START),
            now: START,
            told: vec![Some(State::Init); count],
            group_told: Some(State::Init),
            ordered: vec![false; count],
            open: Vec::new(),
            stopping: false,
            finished: false,
        }
    }

    /// The next thing that happens; `None` at the end of the script.
    fn step(&mut self, script: &mut Script<'_>) -> Option<()> {
        match script.byte()? % 16 {
            0 => self.pass(Duration::from_millis(u16::from_be_bytes(script.bytes()?).into())),
            1 => self.sleep_until_due(),
            2 => {
                self.now = Instant::from_nanos(u64::from_be_bytes(script.bytes()?));
                self.wake();
            }
            3 => self.hear(script)?,
            4 => self.hear_bytes(script)?,
            5 => {
                let fact = link_fact(script)?;
                self.give(Input::Link(&fact));
            }
            6 => {
                let [check, verdict] = script.bytes()?;
                let name = ["fatal", "weighty", "serving", "of-nobody"][usize::from(check % 4)];
                let check = CheckName::new(name).unwrap_or_else(|why| panic!("{name}: {why}"));
                let verdicts = [Verdict::Up, Verdict::Down, Verdict::Unknown, Verdict::Unrunnable];
                self.give(Input::Verdict { check: &check, verdict: verdicts[usize::from(verdict % 4)] });
            }
            7 => {
                let mask = script.byte()?;
                self.meet_manager((0..8).filter(|bit| mask & (1 << bit) != 0).map(InstanceId).collect());
            }
            8 => self.give(Input::ManagerGone),
            9 => self.answer(script.flag()?),
            10 => self.lie(script)?,
            11 => {
                self.stopping = true;
                self.give(Input::Shutdown);
            }
            12 => self.drain(script)?,
            13 => self.finish_prelude(script)?,
            14 => self.hear_of_obstacles(script)?,
            _ => self.overhear(script)?,
        }
        Some(())
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.wake();
    }

    fn sleep_until_due(&mut self) {
        if let Some(next) = self.core.next_deadline() {
            self.now = self.now.max(next);
        }
        self.wake();
    }

    /// The core may ask to be woken early, but not for ever: that would be a loop without a rest.
    fn wake(&mut self) {
        for _ in 0..MAX_WAKES {
            self.give(Input::Wake);
            let at_the_end_of_time = self.now == Instant::from_nanos(u64::MAX);
            if at_the_end_of_time || self.core.next_deadline().is_none_or(|next| next > self.now) {
                return;
            }
        }
        panic!("{MAX_WAKES} wakes at {} leave {:?} due", self.now, self.core.next_deadline());
    }

    /// An advert of a router that is configured as we are, with one byte spoilt if that is so wanted.
    fn hear(&mut self, script: &mut Script<'_>) -> Option<()> {
        let [instance, priority, from, ttl, at, value] = script.bytes()?;
        let of = &CONFIG.instances[usize::from(instance) % CONFIG.instances.len()];
        let (source, group): (IpAddr, IpAddr) = match of.family {
            Family::V4 => ([192, 0, 2, from].into(), sys::advert::GROUP_V4.into()),
            Family::V6 => ([0xfe80, 0, 0, 0, 0, 0, 0, from.into()].into(), sys::advert::GROUP_V6.into()),
        };
        let destination = of.source.filter(|_| !of.peers.is_empty()).unwrap_or(group);
        let mut message = advert(of, Priority(priority), source, destination);
        if let Some(byte) = message.get_mut(usize::from(at)) {
            *byte = value;
        }
        let ttl = if ttl == 0 { u8::MAX } else { ttl };
        let link = of.link;
        self.give(Input::Packet(Packet { link, source, destination, ttl, sealed: None, message: &message }));
        Some(())
    }

    /// Anything at all, on any link.
    fn hear_bytes(&mut self, script: &mut Script<'_>) -> Option<()> {
        let [link, from, to] = script.bytes()?;
        let packet = Packet {
            link: LinkId(usize::from(link % 4)),
            source: [192, 0, 2, from].into(),
            destination: if to == 0 { sys::advert::GROUP_V4.into() } else { [192, 0, 2, to].into() },
            ttl: script.byte()?,
            sealed: (link & 0x80 != 0).then_some(u16::from(from)),
            message: script.some()?,
        };
        self.give(Input::Packet(packet));
        Some(())
    }

    /// An ipmgr that knows of no order, and holds nothing but what it says.
    fn meet_manager(&mut self, held: Vec<InstanceId>) {
        self.open.clear();
        for (place, ordered) in self.ordered.iter_mut().enumerate() {
            *ordered &= held.contains(&InstanceId(place));
        }
        self.give(Input::ManagerPresent { held: &held });
    }

    /// ipmgr does what it was last asked to do, or is refused by the kernel.
    fn answer(&mut self, well: bool) {
        let Some((instance, order, install)) = self.open.pop() else { return };
        if install {
            let failures = if well { Vec::new() } else { vec!["add 192.0.2.100/32: EPERM".to_owned()] };
            if well {
                self.give(Input::Placed { instance, order, places: &[0] });
            }
            self.give(Input::Installed { instance, order, failures: &failures, nothing: !well });
        } else {
            self.give(Input::Withdrawn { instance, order: Some(order) });
        }
    }

    /// ipmgr answers what it was not asked, or takes addresses away by itself (no order).
    fn lie(&mut self, script: &mut Script<'_>) -> Option<()> {
        let (instance, installed) = (script.instance()?, script.flag()?);
        let order = OrderNumber(script.byte()?.into());
        if installed {
            self.give(Input::Placed { instance, order, places: &[1, u32::MAX] });
            self.give(Input::Installed { instance, order, failures: &[], nothing: false });
            return Some(());
        }
        let order = (order.0 != 0).then_some(order);
        if let (None, Some(ordered)) = (order, self.ordered.get_mut(instance.0)) {
            *ordered = false;
        }
        self.give(Input::Withdrawn { instance, order });
        Some(())
    }

    /// A prelude is done, or one that nobody has asked for.
    fn finish_prelude(&mut self, script: &mut Script<'_>) -> Option<()> {
        let (instance, order) = (script.instance()?, OrderNumber(script.byte()?.into()));
        self.give(Input::PreludeDone { instance, order });
        Some(())
    }

    /// ipmgr knows that an order would fail, or no longer; or a hardware address is another one; or there was a core before this one.
    fn hear_of_obstacles(&mut self, script: &mut Script<'_>) -> Option<()> {
        let (instance, which) = (script.instance()?, script.byte()?);
        match which % 4 {
            0 => self.give(Input::Barred { instance, why: "by the fuzzer" }),
            1 => self.give(Input::Mended { instance }),
            2 => self.give(Input::Moved { instance }),
            _ => self.recall(script, instance)?,
        }
        Some(())
    }

    /// A penalty of any length and end.
    fn recall(&mut self, script: &mut Script<'_>, instance: InstanceId) -> Option<()> {
        let length = Duration::from_nanos(u64::from_be_bytes(script.bytes()?));
        let until = Instant::from_nanos(u64::from_be_bytes(script.bytes()?));
        let check = CheckName::new("serving").unwrap_or_else(|why| panic!("serving: {why}"));
        let penalty = PenaltyView { check, length, until: script.flag()?.then_some(until) };
        self.give(Input::Penalty { instance, penalty: &penalty });
        Some(())
    }

    /// One instance or all of them, out of the elections or back in.
    fn drain(&mut self, script: &mut Script<'_>) -> Option<()> {
        let (all, out, one) = (script.flag()?, script.flag()?, script.instance()?);
        let instance = (!all).then_some(one);
        if out {
            self.give(Input::Drain { instance, text: "by the fuzzer" });
        } else {
            self.give(Input::Undrain { instance });
        }
        Some(())
    }

    /// Somebody says that one of our addresses is theirs, or one that is nobody's.
    fn overhear(&mut self, script: &mut Script<'_>) -> Option<()> {
        let (instance, [address, mac]) = (script.instance()?, script.bytes()?);
        let of = CONFIG.instances.get(instance.0);
        let own = of.and_then(|of| of.addresses.get(usize::from(address)).copied());
        let address = own.unwrap_or_else(|| [192, 0, 2, address].into());
        self.give(Input::Claim { instance, address, mac: MacAddress([2, 0, 0, 0, 0, mac]) });
        Some(())
    }

    /// Hands an input over, takes every output, and holds them against the promises.
    fn give(&mut self, input: Input<'_>) {
        self.core.handle(self.now, input);
        let limit = MAX_OUTPUTS_PER_INSTANCE * CONFIG.instances.len();
        for said in 1.. {
            let Some(output) = self.core.poll_output() else { break };
            assert!(said <= limit, "more than {limit} outputs for one input");
            assert!(!self.finished, "after the end: {output:?}");
            self.check(output);
        }
        for (told, ordered) in self.told.iter().zip(&self.ordered) {
            // V3-FSM-3, V3-FSM-14: who is told to be master has ordered the addresses, who has stopped has not. Who is
            // stopping says so when the addresses are gone.
            assert!(*told != Some(State::Master) || *ordered || self.stopping, "MASTER without addresses");
            assert!(told.is_some() || !*ordered, "stopped with addresses");
        }
    }

    fn check(&mut self, output: Output) {
        match output {
            Output::Install { instance, order } => self.note_order(instance, order, true),
            Output::Withdraw { instance, order } => self.note_order(instance, order, false),
            Output::Prelude { instance, prelude, .. } => {
                assert_eq!(self.ordered[instance.0], prelude == Prelude::Backup, "before what has been");
            }
            Output::Transition(it) => {
                let told = &mut self.told[it.instance.0];
                assert_eq!(Some(it.from), *told, "a transition from elsewhere");
                assert_ne!(it.to, *told, "a transition to nowhere");
                assert!(!it.cause.code.is_empty() && !it.cause.text.is_empty(), "without a cause");
                *told = it.to;
            }
            Output::GroupTransition(it) => {
                assert_eq!(Some(it.from), self.group_told, "a group's transition from elsewhere");
                assert_ne!(it.to, self.group_told, "a group's transition to nowhere");
                self.group_told = it.to;
            }
            // V3-FSM-15
            Output::Announce(instance) | Output::AnnouncePlaced { instance, .. } => {
                assert!(self.ordered[instance.0], "announced and not there");
            }
            Output::Transmit(it) => {
                let parsed = packet::parse(&it.message, it.source, it.destination);
                assert!(parsed.is_ok(), "{parsed:?}: {it:?}");
            }
            Output::Penalties(instance) => {
                assert!(self.core.penalties(instance).count() <= 1, "a check has one penalty at most");
            }
            Output::LowerMaster(lower) => {
                assert!(self.ordered[lower.instance.0], "no master hears a lower one");
            }
            Output::Priority { instance, .. } => {
                let takes_part = matches!(self.told[instance.0], Some(State::Backup | State::Master));
                assert!(takes_part, "the priority of who takes no part");
            }
            Output::Notice(notice) => assert!(!notice.text.is_empty(), "a notice of nothing"),
            Output::Finished => self.finished = true,
        }
    }

    fn note_order(&mut self, instance: InstanceId, order: OrderNumber, install: bool) {
        self.ordered[instance.0] = install;
        self.open.push((instance, order, install));
    }
}

/// What a router with the configuration `of` says.
fn advert(of: &InstanceConfig, priority: Priority, source: IpAddr, destination: IpAddr) -> Vec<u8> {
    let addresses = packet::encode_addresses(of.family, &of.addresses).unwrap_or_default();
    let dialect = match (of.version, of.credential) {
        (ProtocolVersion::V3, _) => Dialect::V3,
        (ProtocolVersion::V2, None) => Dialect::V2(Authentication::None),
        (ProtocolVersion::V2, Some(Credential::Password(text))) => Dialect::V2(Authentication::Text(text)),
        (ProtocolVersion::V2, Some(Credential::AhKey(_))) => Dialect::V2(Authentication::Ah),
    };
    let addresses = AddressList::new(of.family, &addresses);
    let advert = Advert { vrid: of.vrid, priority, interval: of.advert_interval, addresses, dialect };
    packet::emit(&advert, of.manners.checksum, source, destination)
        .unwrap_or_else(|why| panic!("{why}: {advert:?}"))
}

/// A link with any of its facts missing.
fn link_fact(script: &mut Script<'_>) -> Option<LinkFact> {
    let [link, facts, last] = script.bytes()?;
    let has = |bit: u8| facts & bit != 0;
    let name = CONFIG.links[usize::from(link) % CONFIG.links.len()].clone();
    Some(LinkFact {
        index: has(1).then_some(2),
        up: has(2),
        carries: !has(16),
        ipv4: has(4).then(|| [192, 0, 2, last].into()),
        ipv6: has(8).then(|| [0xfe80, 0, 0, 0, 0, 0, 0, last.into()].into()),
        ..LinkFact::absent(name)
    })
}
