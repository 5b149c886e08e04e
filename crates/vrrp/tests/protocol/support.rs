//! A host with a core on it and a hand on the clock: what the tests of the protocol share.
//!
//! Only what the one door offers is used here; nothing looks inside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use handover_vrrp::ah::{self, IpHeader};
use handover_vrrp::packet::{self, AddressList, Advert, Authentication, Dialect};
use handover_vrrp::{
    Announcements, Core, CoreConfig, Input, InstanceConfig, InstanceId, InstanceView, LinkId, Manners,
    OrderNumber, Output, Packet, Role, Switched, TrackedCheck, Transition, Transmit,
};
use model::{
    CheckName, Credential, Family, InstanceName, Instant, LinkFact, LinkName, Priority, ProtocolVersion,
    State, Verdict, Vrid,
};

/// The only instance of most tests.
pub(crate) const ONE: InstanceId = InstanceId(0);
/// The only link.
pub(crate) const ETH0: LinkId = LinkId(0);
/// Our own address, between that of a lower and that of a greater peer.
pub(crate) const OWN: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
pub(crate) const LOWER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
pub(crate) const GREATER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 3));
pub(crate) const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));
pub(crate) const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100));
pub(crate) const OWN6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2));
pub(crate) const PEER6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 3));
pub(crate) const GROUP6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12));
pub(crate) const VIP6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x100));

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const ANNOUNCEMENTS: usize = 5;

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// VRRPv3 over IPv4, VRID 5, one second, preempting; it gives way as the RFC says, not as `handover.rs` wants it.
pub(crate) fn v3(priority: u8) -> InstanceConfig {
    InstanceConfig {
        name: InstanceName::new("one").unwrap(),
        link: ETH0,
        vrid: Vrid::new(5).unwrap(),
        version: ProtocolVersion::V3,
        family: Family::V4,
        priority: Priority(priority),
        wants_master: false,
        advert_interval: SECOND,
        preempt: true,
        preempt_delay: Duration::ZERO,
        credential: None,
        addresses: vec![VIP],
        placement: 0,
        source: None,
        peers: Vec::new(),
        unicast_ttl: 255,
        group: GROUP,
        checks: Vec::new(),
        tracked_links: Vec::new(),
        follows_source: false,
        follows_link: true,
        announcements: Announcements::default(),
        manners: Manners { hand_over: false, ..Manners::default() },
    }
}

/// The same in VRRPv2.
pub(crate) fn v2(priority: u8) -> InstanceConfig {
    InstanceConfig { version: ProtocolVersion::V2, ..v3(priority) }
}

/// The same over IPv6.
pub(crate) fn v6(priority: u8) -> InstanceConfig {
    InstanceConfig { family: Family::V6, group: GROUP6, addresses: vec![VIP6], ..v3(priority) }
}

pub(crate) fn check_name(name: &str) -> CheckName {
    CheckName::new(name).unwrap()
}

pub(crate) fn tracked(name: &str, weight: i16) -> TrackedCheck {
    TrackedCheck {
        check: check_name(name),
        weight,
        reverse: false,
        init_fail: false,
        role: Role::Any,
        number: false,
    }
}

/// eth0 as it should be.
pub(crate) fn eth0() -> LinkFact {
    LinkFact {
        name: LinkName::new("eth0").unwrap(),
        index: Some(2),
        up: true,
        carries: true,
        mac: None,
        ipv4: Some(Ipv4Addr::new(192, 0, 2, 2)),
        ipv6: Some(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2)),
        sources: Vec::new(),
        hosted: Vec::new(),
    }
}

/// A message from a peer, ready to be spoilt.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) ttl: u8,
    pub(crate) sealed: Option<u16>,
    pub(crate) bytes: Vec<u8>,
}

/// What a peer with the configuration `of` would send from `source` with `priority`.
pub(crate) fn message(of: &InstanceConfig, source: IpAddr, priority: u8) -> Message {
    message_to(of, source, of.group, priority)
}

pub(crate) fn message_to(of: &InstanceConfig, source: IpAddr, destination: IpAddr, priority: u8) -> Message {
    let addresses = packet::encode_addresses(of.family, &of.addresses).unwrap();
    let advert = Advert {
        vrid: of.vrid,
        priority: Priority(priority),
        interval: of.advert_interval,
        addresses: AddressList::new(of.family, &addresses),
        dialect: match (of.version, of.credential) {
            (ProtocolVersion::V3, _) => Dialect::V3,
            (ProtocolVersion::V2, None) => Dialect::V2(Authentication::None),
            (ProtocolVersion::V2, Some(Credential::Password(text))) => {
                Dialect::V2(Authentication::Text(text))
            }
            (ProtocolVersion::V2, Some(Credential::AhKey(_))) => Dialect::V2(Authentication::Ah),
        },
    };
    let bytes = packet::emit(&advert, of.manners.checksum, source, destination).unwrap();
    Message { source, destination, ttl: 255, sealed: None, bytes }
}

/// The same behind an authentication header, if `of` has a key.
pub(crate) fn sealed(of: &InstanceConfig, source: IpAddr, priority: u8, sequence: u32) -> Message {
    seal_with(message(of, source, priority), of, sequence)
}

/// A message behind the authentication header that `of` would put in front.
pub(crate) fn seal_with(plain: Message, of: &InstanceConfig, sequence: u32) -> Message {
    let (Some(Credential::AhKey(key)), IpAddr::V4(source), IpAddr::V4(destination)) =
        (of.credential, plain.source, plain.destination)
    else {
        panic!("no key, or not IPv4")
    };
    let ip = IpHeader { source, destination, ttl: plain.ttl, identification: IDENTIFICATION };
    let bytes = ah::seal(&plain.bytes, &ip, sequence, key);
    Message { sealed: Some(IDENTIFICATION), bytes, ..plain }
}

/// In the IP header of what [`seal_with`] makes.
pub(crate) const IDENTIFICATION: u16 = 0x1234;

/// Writes a message-only checksum, valid for VRRPv2 and for VRRPv3 over IPv4.
pub(crate) fn seal(bytes: &mut [u8]) {
    bytes[6..8].fill(0);
    let sum = pnet_packet::util::checksum(bytes, usize::MAX);
    bytes[6..8].copy_from_slice(&sum.to_be_bytes());
}

/// One host.
pub(crate) struct Host {
    pub(crate) core: Core,
    pub(crate) now: Instant,
}

impl Host {
    /// Nothing is known yet.
    pub(crate) fn cold(instances: Vec<InstanceConfig>) -> Self {
        let links = vec![LinkName::new("eth0").unwrap()];
        Self::configured(CoreConfig { links, instances, ..CoreConfig::default() })
    }

    /// Nothing is known yet of anything in this configuration.
    pub(crate) fn configured(config: CoreConfig) -> Self {
        let now = Instant::ZERO + Duration::from_secs(1000);
        Self { core: Core::new(config, now), now }
    }

    /// The link is up and the manager is there.
    pub(crate) fn new(instance: InstanceConfig) -> Self {
        Self::with(vec![instance])
    }

    pub(crate) fn with(instances: Vec<InstanceConfig>) -> Self {
        let mut host = Self::cold(instances);
        host.give(Input::Link(&eth0()));
        host.give(Input::ManagerPresent { held: &[] });
        host
    }

    /// Master already, its first announcements and their repetition behind it.
    pub(crate) fn master(instance: InstanceConfig) -> Self {
        let mut host = Self::new(instance);
        host.pass(Duration::from_secs(30));
        assert_eq!(host.state(), Some(State::Master));
        host
    }

    pub(crate) fn give(&mut self, input: Input<'_>) -> Vec<Output> {
        self.core.handle(self.now, input);
        self.drain()
    }

    pub(crate) fn drain(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.core.poll_output()).collect()
    }

    /// The outputs that follow are left for [`Self::drain`].
    pub(crate) fn reconfigure(&mut self, config: CoreConfig) -> Switched {
        self.core.reconfigure(self.now, config).expect("it hasn't been told to stop")
    }

    pub(crate) fn hear(&mut self, message: &Message) -> Vec<Output> {
        self.hear_on(ETH0, message)
    }

    pub(crate) fn hear_on(&mut self, link: LinkId, message: &Message) -> Vec<Output> {
        self.give(Input::Packet(Packet {
            link,
            source: message.source,
            destination: message.destination,
            ttl: message.ttl,
            sealed: message.sealed,
            message: &message.bytes,
        }))
    }

    /// Lets time go by, waking when the core wants it, and answers its orders about addresses at once.
    pub(crate) fn pass(&mut self, time: Duration) -> Vec<Output> {
        self.pass_with(time, true)
    }

    /// Lets time go by without a manager's answers.
    pub(crate) fn pass_unanswered(&mut self, time: Duration) -> Vec<Output> {
        self.pass_with(time, false)
    }

    fn pass_with(&mut self, time: Duration, answer: bool) -> Vec<Output> {
        let end = self.now + time;
        let mut all = Vec::new();
        while let Some(next) = self.core.next_deadline().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            let outputs = self.give(Input::Wake);
            all.extend(if answer { self.answer(outputs) } else { outputs });
        }
        self.now = end;
        all
    }

    /// Sleeps through everything and wakes late.
    pub(crate) fn freeze(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// Gives the answers that a manager would give to `outputs`; returns those outputs and what follows.
    pub(crate) fn answer(&mut self, outputs: Vec<Output>) -> Vec<Output> {
        let mut all = outputs.clone();
        for output in outputs {
            match output {
                Output::Install { instance, order } => {
                    all.extend(self.give(Input::Installed {
                        instance,
                        order,
                        failures: &[],
                        nothing: false,
                    }));
                }
                Output::Withdraw { instance, order } => {
                    all.extend(self.give(Input::Withdrawn { instance, order: Some(order) }));
                }
                Output::Transmit(_)
                | Output::Prelude { .. }
                | Output::Announce(_)
                | Output::AnnouncePlaced { .. }
                | Output::Transition(_)
                | Output::GroupTransition(_)
                | Output::LowerMaster(_)
                | Output::Priority { .. }
                | Output::Penalties(_)
                | Output::Notice(_)
                | Output::Finished => {}
            }
        }
        all
    }

    pub(crate) fn verdict(&mut self, check: &str, verdict: Verdict) -> Vec<Output> {
        self.give(Input::Verdict { check: &check_name(check), verdict })
    }

    pub(crate) fn view(&self) -> InstanceView {
        self.core.instance(ONE).unwrap()
    }

    pub(crate) fn state(&self) -> Option<State> {
        self.view().state
    }

    /// How often a reason was counted.
    pub(crate) fn count(&self, reason: &str) -> u64 {
        self.view().remarks.iter().find(|remark| remark.reason == reason).map_or(0, |remark| remark.count)
    }
}

pub(crate) fn transmits(outputs: &[Output]) -> Vec<&Transmit> {
    outputs
        .iter()
        .filter_map(|output| if let Output::Transmit(transmit) = output { Some(transmit) } else { None })
        .collect()
}

/// The priorities of what was sent.
pub(crate) fn sent(outputs: &[Output]) -> Vec<u8> {
    transmits(outputs).iter().map(|transmit| transmit.message[2]).collect()
}

pub(crate) fn transitions(outputs: &[Output]) -> Vec<&Transition> {
    outputs
        .iter()
        .filter_map(
            |output| if let Output::Transition(transition) = output { Some(transition) } else { None },
        )
        .collect()
}

/// The states told.
pub(crate) fn told(outputs: &[Output]) -> Vec<Option<State>> {
    transitions(outputs).iter().map(|transition| transition.to).collect()
}

pub(crate) fn installs(outputs: &[Output]) -> Vec<OrderNumber> {
    outputs
        .iter()
        .filter_map(|output| if let Output::Install { order, .. } = output { Some(*order) } else { None })
        .collect()
}

pub(crate) fn withdraws(outputs: &[Output]) -> Vec<OrderNumber> {
    outputs
        .iter()
        .filter_map(|output| if let Output::Withdraw { order, .. } = output { Some(*order) } else { None })
        .collect()
}

pub(crate) fn announcements(outputs: &[Output]) -> usize {
    outputs.iter().filter(|output| matches!(output, Output::Announce(_))).count()
}

pub(crate) fn notices(outputs: &[Output]) -> Vec<(&str, u64)> {
    outputs
        .iter()
        .filter_map(|output| {
            if let Output::Notice(notice) = output {
                Some((notice.text.as_str(), notice.suppressed))
            } else {
                None
            }
        })
        .collect()
}
