//! One simulated host: its power, its links, the truth about its checks, its ipmgr and, while it runs, its vrrp-core.
//!
//! Facts only; what happens to them is in [`crate::world`]. What an oracle reads of a host ([`Host::standing`]) must come
//! from here, never from the core's own view of itself.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use model::{CheckName, Family, Instant, LinkFact, LinkName, Priority, State, Verdict};
use vrrp::{Core, CoreConfig, Input, InstanceConfig, InstanceId, LinkId, PenaltyView, Role, TrackedCheck};

use crate::checker::Checker;
use crate::manager::{GRACE_INTERVALS, Manager};
use crate::neighbours::mac;
use crate::oracle::Standing;
use crate::queue::Ticket;
use crate::report::{Arithmetic, Ending};
use crate::scenario::NodeId;
use crate::service::Service;
use crate::world::Event;

/// What the wall clocks of all hosts show at [`Instant::ZERO`]: some time in 2026.
const WALL_AT_ZERO: Duration = Duration::from_secs(1_790_000_000);
/// How much later each host was started than the one before it.
const BOOTED_APART: Duration = Duration::from_secs(3600);

/// Whether a host runs at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Power {
    Off,
    On,
    /// Paused from outside: it keeps everything and does nothing.
    Frozen,
}

/// A running vrrp-core and what is known about it from outside.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) core: Core,
    /// Which of this host's cores it is: what was meant for an earlier one never reaches it.
    pub(crate) incarnation: u32,
    pub(crate) frozen: bool,
    pub(crate) stopping: bool,
    /// The deadline it named last, and the event that will wake it.
    pub(crate) alarm: Option<(Instant, Ticket)>,
    /// When it was woken last, and how often in that moment.
    pub(crate) wakes: (Instant, u32),
    pub(crate) told: Vec<Option<State>>,
    /// Of sync groups.
    pub(crate) groups_told: Vec<Option<State>>,
    /// Per instance, when it transmitted last since it tells what it tells.
    pub(crate) spoke: Vec<Option<Instant>>,
    pub(crate) under_way: Vec<u32>,
    pub(crate) revocations: Vec<u32>,
}

impl Running {
    pub(crate) fn new(config: &CoreConfig, incarnation: u32, now: Instant) -> Self {
        let count = config.instances.len();
        let mut core = Core::new(config.clone(), now);
        core.handle(now, Input::WallClock(WALL_AT_ZERO + Duration::from_nanos(now.as_nanos())));
        Self {
            core,
            incarnation,
            frozen: false,
            stopping: false,
            alarm: None,
            wakes: (now, 0),
            told: vec![Some(State::Init); count],
            groups_told: vec![Some(State::Init); config.groups.len()],
            spoke: vec![None; count],
            under_way: vec![0; count],
            revocations: vec![0; count],
        }
    }

    /// An order or answer about an instance set out, or arrived.
    pub(crate) fn count_under_way(&mut self, instance: InstanceId, more: bool) {
        count(&mut self.under_way, instance, more);
    }

    /// The manager took addresses away by itself and says so; or that arrived.
    pub(crate) fn count_revocation(&mut self, instance: InstanceId, more: bool) {
        count(&mut self.under_way, instance, more);
        count(&mut self.revocations, instance, more);
    }

    /// The manager is known to be gone: nothing that was asked of it will be answered.
    pub(crate) fn forget_under_way(&mut self) {
        self.under_way.fill(0);
        self.revocations.fill(0);
    }
}

fn count(counters: &mut [u32], instance: InstanceId, more: bool) {
    if let Some(counter) = counters.get_mut(instance.0) {
        *counter = if more { *counter + 1 } else { counter.saturating_sub(1) };
    }
}

/// Something that an instance tracks: a check, or a link.
struct Tracked<'a> {
    name: &'a str,
    weight: i16,
    reverse: bool,
    succeeds: bool,
}

impl Tracked<'_> {
    /// A positive weight counts while it succeeds, a negative one while it fails (keepalived-compatible); `reverse`
    /// turns the sign.
    fn contribution(&self) -> i32 {
        let counts = (self.weight > 0) == self.succeeds;
        let sign = if self.reverse { -1 } else { 1 };
        if counts { sign * i32::from(self.weight) } else { 0 }
    }
}

/// A host.
#[derive(Debug)]
pub(crate) struct Host {
    place: usize,
    pub(crate) config: CoreConfig,
    /// Per link of the configuration, which LAN it is on.
    pub(crate) lans: Vec<usize>,
    /// Per instance of the configuration, which virtual router it belongs to.
    pub(crate) routers: Vec<usize>,
    pub(crate) power: Power,
    pub(crate) running: Option<Running>,
    pub(crate) incarnations: u32,
    /// The first incarnation since power came on: ipmgr knows nothing of earlier ones.
    pub(crate) booted: u32,
    pub(crate) manager: Manager,
    /// Without its manager a host's addresses stay as they are: the kernel has them.
    pub(crate) manager_runs: bool,
    /// The manager's next release, arranged.
    pub(crate) release: Option<Ticket>,
    pub(crate) carrier: Vec<bool>,
    pub(crate) verdicts: BTreeMap<CheckName, Verdict>,
    /// What hooks start and stop, and the check that looks for it.
    pub(crate) services: Vec<Service>,
    /// Its checkerd, if the scenario has checks that are really made.
    pub(crate) checker: Option<Checker>,
    pub(crate) deaf: bool,
    /// Since when the kernel refuses all new addresses.
    pub(crate) refuses_since: Option<Instant>,
    /// By how much its ipmgr's answers are late, and since when.
    pub(crate) dawdles: Option<(Instant, Duration)>,
    /// Until then its core may leave alone what was refused before.
    pub(crate) forgives_at: Instant,
    /// How far the host's clock is ahead of the world's: no two hosts have booted together.
    pub(crate) clock: Duration,
    /// An operator's order, kept outside of the core.
    pub(crate) drained: bool,
    /// What its core wants remembered, kept outside of the core.
    pub(crate) penalties: Vec<(InstanceId, PenaltyView)>,
    /// What came in while the host or its core stood still.
    pub(crate) deferred: Vec<Event>,
    /// When the last message on each stream arrives: streams keep their order.
    pub(crate) to_core: Instant,
    pub(crate) to_manager: Instant,
    pub(crate) excused_until: Vec<Instant>,
}

impl Host {
    pub(crate) fn new(place: usize, config: &CoreConfig, lans: Vec<usize>, routers: Vec<usize>) -> Self {
        let checks = config.instances.iter().flat_map(|instance| &instance.checks);
        let shared = config.groups.iter().flat_map(|group| &group.checks);
        Self {
            place,
            config: config.clone(),
            lans,
            routers,
            power: Power::Off,
            running: None,
            incarnations: 0,
            booted: 0,
            manager: new_manager(config),
            manager_runs: true,
            release: None,
            carrier: vec![true; config.links.len()],
            verdicts: checks.chain(shared).map(|tracked| (tracked.check.clone(), Verdict::Up)).collect(),
            services: Vec::new(),
            checker: None,
            deaf: false,
            refuses_since: None,
            dawdles: None,
            forgives_at: Instant::ZERO,
            clock: BOOTED_APART.saturating_mul(u32::try_from(place).unwrap_or(u32::MAX)),
            drained: false,
            penalties: Vec::new(),
            deferred: Vec::new(),
            to_core: Instant::ZERO,
            to_manager: Instant::ZERO,
            excused_until: vec![Instant::ZERO; config.instances.len()],
        }
    }

    /// Power comes on: nothing is left of before.
    pub(crate) fn boot(&mut self) {
        self.power = Power::On;
        self.booted = self.incarnations + 1;
        self.penalties.clear();
        self.manager_runs = true;
        self.manager = new_manager(&self.config);
    }

    /// Power goes: processes, addresses and everything that waited are gone.
    pub(crate) fn lose_power(&mut self) {
        self.power = Power::Off;
        self.running = None;
        self.deferred.clear();
        self.manager = new_manager(&self.config);
    }

    /// What its core has said that it failed as master, by the places of the configuration that it has now.
    pub(crate) fn remember_penalties(&mut self) {
        let Some(running) = &self.running else { return };
        let all = (0..running.core.config().instances.len()).map(InstanceId);
        let of = |id| running.core.penalties(id).map(move |penalty| (id, penalty));
        self.penalties = all.flat_map(of).collect();
    }

    /// From now on no core stands behind the addresses: they may be held for the grace, and as long as it takes the
    /// manager to see that the core is gone (`delay`, for an order that was under way and for the end of the stream).
    pub(crate) fn excuse_addresses(&mut self, now: Instant, delay: Duration) {
        for (excuse, instance) in self.excused_until.iter_mut().zip(&self.config.instances) {
            *excuse =
                now + instance.advert_interval.saturating_mul(GRACE_INTERVALS) + delay.saturating_mul(2);
        }
    }

    /// What the host's own clock says.
    pub(crate) fn local(&self, now: Instant) -> Instant {
        now + self.clock
    }

    /// The core runs and nothing stands still.
    pub(crate) fn awake(&self) -> bool {
        self.power == Power::On && self.running.as_ref().is_some_and(|running| !running.frozen)
    }

    pub(crate) fn has_carrier(&self, link: LinkId) -> bool {
        self.power != Power::Off && self.carrier.get(link.0).copied().unwrap_or(false)
    }

    /// The link on a LAN, if this host has one there.
    pub(crate) fn link_on(&self, lan: usize) -> Option<LinkId> {
        self.lans.iter().position(|own| *own == lan).map(LinkId)
    }

    /// Whether a unicast destination is this host: an address that an instance speaks from, or the link's own.
    pub(crate) fn answers_to(&self, link: LinkId, address: IpAddr) -> bool {
        self.own_address(link, Family::of(address)) == address
            || self.config.instances.iter().any(|one| one.link == link && one.source == Some(address))
    }

    /// The address of a link that isn't virtual: 10.LAN.0.NODE (10.LAN.1.0 after 255 of them) or fe80::LAN:NODE, counted from 1.
    pub(crate) fn own_address(&self, link: LinkId, family: Family) -> IpAddr {
        let lan = self.lans.get(link.0).copied().unwrap_or_default();
        let (lan, node) = (u8::try_from(lan), u16::try_from(self.place));
        address(lan.unwrap_or(u8::MAX), node.unwrap_or(u16::MAX), family)
    }

    /// What the manager says about a link.
    pub(crate) fn link_fact(&self, link: LinkId) -> Option<LinkFact> {
        let name: &LinkName = self.config.links.get(link.0)?;
        let (IpAddr::V4(ipv4), IpAddr::V6(ipv6)) =
            (self.own_address(link, Family::V4), self.own_address(link, Family::V6))
        else {
            return None;
        };
        Some(LinkFact {
            name: name.clone(),
            index: u32::try_from(link.0 + 1).ok(),
            up: self.has_carrier(link),
            carries: true,
            mac: Some(mac(NodeId(self.place))),
            ipv4: Some(ipv4),
            ipv6: Some(ipv6),
            sources: self.config.instances.iter().filter_map(|one| one.source).collect(),
            hosted: self.config.instances.iter().filter_map(|one| one.source).collect(),
        })
    }

    /// One instance as the oracles see it now. `side` is the part of the network that the host is in.
    pub(crate) fn standing(&self, now: Instant, instance: InstanceId, side: usize) -> Option<Standing> {
        let config = self.config.instances.get(instance.0)?;
        let connected = self.power == Power::On && self.has_carrier(config.link);
        let running = self.running.as_ref();
        let stopping = running.is_some_and(|running| running.stopping);
        let counter = |counters: &Vec<u32>| counters.get(instance.0).copied().unwrap_or_default();
        Some(Standing {
            node: self.place,
            router: self.routers.get(instance.0).copied()?,
            part: connected.then_some(side),
            side,
            eligible: self.awake()
                && self.manager_runs
                && !self.drained
                && !stopping
                && self.companions(instance).all(|one| self.is_fit(one)),
            priority: self.effective_priority(config),
            address: config.source.unwrap_or_else(|| self.own_address(config.link, config.family)),
            preempts: config.preempt,
            running: self.awake(),
            stopping,
            held: self.manager.holds(instance) && self.power == Power::On,
            told: running.and_then(|running| running.told.get(instance.0).copied().flatten()),
            under_way: running.map_or(0, |running| counter(&running.under_way)),
            revocations: running.map_or(0, |running| counter(&running.revocations)),
            excused: !self.manager_runs
                || self.excused_until.get(instance.0).is_some_and(|until| now <= *until),
        })
    }

    /// An instance and the other members of its sync group: only together they may be master.
    fn companions(&self, instance: InstanceId) -> impl Iterator<Item = &InstanceConfig> {
        let group = self.config.groups.iter().find(|group| group.members.contains(&instance));
        let alone = group.is_none().then_some(instance);
        let members = group.into_iter().flat_map(|group| &group.members).copied().chain(alone);
        members.filter_map(|member| self.config.instances.get(member.0))
    }

    /// No link, and no check without a weight, keeps it out (keepalived-compatible: weight 0 decides on fitness).
    fn is_fit(&self, config: &InstanceConfig) -> bool {
        (self.has_carrier(config.link) || !config.follows_link)
            && self.tracked(config).all(|it| it.weight != 0 || it.succeeds != it.reverse)
    }

    /// The checks and links that an instance tracks, and how each is now.
    fn tracked<'a>(&'a self, config: &'a InstanceConfig) -> impl Iterator<Item = Tracked<'a>> {
        let checks = config.checks.iter().map(|tracked| Tracked {
            name: tracked.check.as_str(),
            weight: tracked.weight,
            reverse: tracked.reverse,
            succeeds: self.succeeds(config, tracked),
        });
        let links = config.tracked_links.iter().map(|tracked| Tracked {
            name: self.config.links.get(tracked.link.0).map_or("?", LinkName::as_str),
            weight: tracked.weight,
            reverse: tracked.reverse,
            succeeds: self.has_carrier(tracked.link),
        });
        checks.chain(links)
    }

    /// The base with what the checks weigh, 1 to 254; an owner stays an owner.
    fn effective_priority(&self, config: &InstanceConfig) -> Priority {
        if config.priority == Priority::OWNER {
            return config.priority;
        }
        let weights = self.tracked(config).map(|tracked| tracked.contribution());
        let total = i32::from(config.priority.0) + weights.sum::<i32>();
        u8::try_from(total.clamp(1, i32::from(Priority::MAX_BACKUP.0))).map_or(Priority::MAX_BACKUP, Priority)
    }

    /// One instance as it stands now, for people. `side` is the part of the network that the host is in.
    pub(crate) fn ending(&self, now: Instant, instance: InstanceId, side: usize) -> Option<Ending> {
        let config = self.config.instances.get(instance.0)?;
        let standing = self.standing(now, instance, side)?;
        let contributions = self.tracked(config).map(|it| (it.name.to_owned(), it.contribution()));
        let running = self.running.as_ref();
        let view = running.and_then(|running| running.core.instance(instance));
        Some(Ending {
            node: NodeId(self.place),
            instance,
            told: standing.told,
            holds: standing.held,
            eligible: standing.eligible,
            reasons: view
                .map(|view| view.reasons.into_iter().map(|it| it.text).collect())
                .unwrap_or_default(),
            address: standing.address,
            priority: Arithmetic {
                base: config.priority,
                contributions: contributions.filter(|(_, weight)| *weight != 0).collect(),
                effective: standing.priority,
            },
            spoke: running.and_then(|running| running.spoke.get(instance.0).copied().flatten()),
        })
    }

    /// What a check counts for that is bound to a role depends on a history that only the core keeps (its own tests hold
    /// that): here alone the core is asked.
    fn succeeds(&self, config: &InstanceConfig, tracked: &TrackedCheck) -> bool {
        let is_up = self.verdicts.get(&tracked.check) == Some(&Verdict::Up);
        let view = || {
            let place = self.config.instances.iter().position(|one| one.name == config.name)?;
            self.running.as_ref()?.core.instance(InstanceId(place))
        };
        match tracked.role {
            Role::Any => is_up,
            Role::Master { .. } => {
                let failed = view().is_some_and(|it| it.penalties.iter().any(|it| it.check == tracked.check));
                failed == tracked.reverse
            }
            Role::Backup if view().is_some_and(|it| it.state == Some(State::Master)) => !tracked.reverse,
            Role::Backup => is_up,
        }
    }
}

/// The address of a node's link that isn't virtual; both places counted from 0, as [`crate::Scenario::node`] gives them out.
pub(crate) fn address(lan: u8, node: u16, family: Family) -> IpAddr {
    let node = node.saturating_add(1);
    match family {
        Family::V4 => {
            let [high, low] = node.to_be_bytes();
            IpAddr::V4(Ipv4Addr::new(10, lan.saturating_add(1), high, low))
        }
        Family::V6 => IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, u16::from(lan) + 1, node)),
    }
}

fn new_manager(config: &CoreConfig) -> Manager {
    Manager::new(config.instances.iter().map(|instance| instance.advert_interval))
}
