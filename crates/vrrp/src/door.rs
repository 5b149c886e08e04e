//! The one door of the core: what goes in, what comes out, and what it was configured with.
//!
//! `Core::handle(now, Input)`, then `Core::poll_output()` until `None`, then sleep until
//! `Core::next_deadline()`. Time is an argument; nothing here reads a clock, a file, a socket or a random number.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use model::{
    Cause, CheckName, Credential, Evidence, Family, GroupName, InstanceName, LinkFact, LinkName, MacAddress,
    Priority, ProtocolVersion, State, Verdict, Vrid,
};

use crate::prelude::Prelude;
use crate::settings::{Announcements, Manners, Peer, Role, TrackedLink};
use crate::status::PenaltyView;

/// The longest text of an [`Input::Drain`], in bytes.
pub const MAX_DRAIN_TEXT: usize = 256;

/// A link by its place in [`CoreConfig::links`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub usize);

/// An instance by its place in [`CoreConfig::instances`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(pub usize);

/// A sync group by its place in [`CoreConfig::groups`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub usize);

/// Counts the orders that the core gives about addresses, so that a late answer isn't taken for a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderNumber(pub u64);

/// Everything the core has to know beforehand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CoreConfig {
    /// The interfaces that instances use or track, each once.
    pub links: Vec<LinkName>,
    /// The virtual routers.
    pub instances: Vec<InstanceConfig>,
    /// Instances that are master together or not at all.
    pub groups: Vec<GroupConfig>,
    /// `vrrp_startup_delay`: so long nothing takes part, except what is still held from a core that died a moment ago.
    pub startup_delay: Duration,
    /// How long [`Input::StartupDone`] is waited for before that, likewise; zero where there is no `startup_script`.
    pub startup_script: Duration,
}

/// One virtual router (`vrrp_instance`).
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceConfig {
    /// For events and status.
    pub name: InstanceName,
    /// Where it speaks.
    pub link: LinkId,
    /// Its identifier on the wire; unique per link and family.
    pub vrid: Vrid,
    /// VRRPv2 or v3.
    pub version: ProtocolVersion,
    /// The family of its adverts.
    pub family: Family,
    /// The base priority, 1 to 255.
    pub priority: Priority,
    /// `state MASTER` was given; only together with priority 255 it starts as master (V3-FSM-1).
    pub wants_master: bool,
    /// The advertisement interval.
    pub advert_interval: Duration,
    /// False with `nopreempt` (V3-FSM-6).
    pub preempt: bool,
    /// `preempt_delay`: how long a lower master is left alone.
    pub preempt_delay: Duration,
    /// How VRRPv2 authenticates; only over IPv4 (V2-PKT-2).
    pub credential: Option<Credential>,
    /// The advertised addresses, in the order of the configuration.
    pub addresses: Vec<IpAddr>,
    /// Stands for what ipmgr puts in place by the instance's name, prefixes and all: another number, another order.
    pub placement: u64,
    /// The configured source of adverts; the link's own address otherwise.
    pub source: Option<IpAddr>,
    /// `track_src_ip`: FAULT while the configured source is not on its link.
    pub follows_source: bool,
    /// Unicast peers; empty means multicast.
    pub peers: Vec<Peer>,
    /// TTL or hop limit of adverts to peers.
    pub unicast_ttl: u8,
    /// The multicast group where it speaks and hears without peers; [`crate::default_group`] unless configured.
    pub group: IpAddr,
    /// Checks that decide on its fitness and priority.
    pub checks: Vec<TrackedCheck>,
    /// Other interfaces that do.
    pub tracked_links: Vec<TrackedLink>,
    /// False with `dont_track_primary`: it doesn't matter whether its own interface is up.
    pub follows_link: bool,
    /// How often it announces.
    pub announcements: Announcements,
    /// How it treats other routers.
    pub manners: Manners,
}

/// Instances that are master together or not at all (`vrrp_sync_group`; the rule is at the head of `groups.rs`).
#[derive(Clone, Debug, PartialEq)]
pub struct GroupConfig {
    /// For events and status.
    pub name: GroupName,
    /// Its members; no instance is in two groups.
    pub members: Vec<InstanceId>,
    /// Checks that every member tracks.
    pub checks: Vec<TrackedCheck>,
    /// Other interfaces that every member tracks.
    pub tracked_links: Vec<TrackedLink>,
}

/// A check and what it weighs: 0 decides on fitness, otherwise it moves the priority.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackedCheck {
    /// Which check.
    pub check: CheckName,
    /// -253 to 253. Positive: added while up. Negative: added (so subtracted) while down. 0: FAULT while down.
    pub weight: i16,
    /// Up and down change places.
    pub reverse: bool,
    /// `init_fail`: counts as down until the first verdict.
    pub init_fail: bool,
    /// `while`: when it counts at all.
    pub role: Role,
    /// `track_file`: what is added is its number times the weight, whatever the verdict. Down with a weight of 0: FAULT as ever.
    pub number: bool,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// A datagram of protocol 112, or one of AH's, came in on a link.
    Packet(Packet<'a>),
    /// A link is so now; said again whenever anything about it changes.
    Link(&'a LinkFact),
    /// A check has this number now, which its verdict doesn't tell.
    Number {
        /// Which.
        check: &'a CheckName,
        /// What the file says.
        number: i32,
    },
    /// A check is so now.
    Verdict {
        /// Which check.
        check: &'a CheckName,
        /// What it says.
        verdict: Verdict,
    },
    /// The address manager (ipmgr) answers. `held` are the instances whose addresses it still holds from a core
    /// that died less than the grace ago: they resume as master.
    ManagerPresent {
        /// Instances to resume.
        held: &'a [InstanceId],
    },
    /// The address manager is gone: nobody here can honestly be master.
    ManagerGone,
    /// Some of the addresses that [`Output::Install`] asked for are in place, and the manager goes on with the rest.
    Placed {
        /// Whose addresses.
        instance: InstanceId,
        /// Which order it is about.
        order: OrderNumber,
        /// Which ones, by a numbering that the core doesn't know.
        places: &'a [u32],
    },
    /// The address manager did what `Output::Install` asked. `failures` has one sentence per address that the kernel refused.
    Installed {
        /// Whose addresses.
        instance: InstanceId,
        /// Which order it answers.
        order: OrderNumber,
        /// The kernel's words for what was refused; empty when all are in place.
        failures: &'a [String],
        /// Not one of the addresses is in place.
        nothing: bool,
    },
    /// The addresses are gone: by our order, or because the manager gave us up for dead (`order` is then `None`).
    Withdrawn {
        /// Whose addresses.
        instance: InstanceId,
        /// Which order it answers, if any.
        order: Option<OrderNumber>,
    },
    /// An interface with addresses of that instance has another hardware address than before.
    Moved {
        /// Whose addresses.
        instance: InstanceId,
    },
    /// The manager can't put this instance's addresses in place, so nobody has to try: until [`Self::Mended`], or another manager.
    Barred {
        /// Whose addresses.
        instance: InstanceId,
        /// Why, for a person.
        why: &'a str,
    },
    /// What kept the manager from putting this instance's addresses in place is gone.
    Mended {
        /// Whose addresses.
        instance: InstanceId,
    },
    /// What [`Output::Prelude`] asked for is done, or nobody is there to do it.
    PreludeDone {
        /// Whose prelude.
        instance: InstanceId,
        /// Which one it answers.
        order: OrderNumber,
    },
    /// `startup_script` has ended, well or not, or had ended long before this core's start.
    StartupDone,
    /// Another host says, by ARP or a neighbour advertisement, that one of the instance's addresses is its own.
    Claim {
        /// Whose address.
        instance: InstanceId,
        /// Which one.
        address: IpAddr,
        /// Where that host says it lives. None of this host's own interfaces has this hardware address.
        mac: MacAddress,
    },
    /// Out of the elections until [`Input::Undrain`]: a reason like a failed check, but a master hands over without a
    /// hole. The core forgets it with its life; who gives the order keeps it, and gives it again at start.
    Drain {
        /// Whom; `None` is everybody.
        instance: Option<InstanceId>,
        /// Who ordered it and when, for people; what is longer than [`MAX_DRAIN_TEXT`] is cut off.
        text: &'a str,
    },
    /// Back into the elections, and what it failed as master is forgotten.
    Undrain {
        /// Whom; `None` is everybody.
        instance: Option<InstanceId>,
    },
    /// A core before this one has said by [`Output::Penalties`] that the instance failed a check as master. To be told before anything
    /// else, by the same clock: else who died in its penalty would take over with a service that is known to be dead.
    Penalty {
        /// Whose.
        instance: InstanceId,
        /// As it was told then.
        penalty: &'a PenaltyView,
    },
    /// What the wall clock shows, since 1970. Sequence numbers of AH follow it, so that a successor's are greater, and nothing
    /// else does; to be told before the first packet.
    WallClock(Duration),
    /// Time went by: whatever is due by `now`.
    Wake,
    /// Stop for good: priority 0, addresses away, [`Output::Finished`] in the end.
    Shutdown,
}

/// A received datagram. Nothing in it has been believed yet.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The link it came in on.
    pub link: LinkId,
    /// Who sent it, from the IP header.
    pub source: IpAddr,
    /// Where it was sent: the group, or one of our addresses.
    pub destination: IpAddr,
    /// TTL or hop limit, from the IP header (V3-RX-1).
    pub ttl: u8,
    /// If it came as protocol 51, the identification from the IPv4 header, which AH covers (V2-PKT-2).
    pub sealed: Option<u16>,
    /// The VRRP message, if it is sealed behind its authentication header: what the IP header says is its payload, as far as it was there.
    pub message: &'a [u8],
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send this message.
    Transmit(Transmit),
    /// Order the instance's addresses to be added; answered by [`Input::Installed`].
    Install {
        /// Whose addresses.
        instance: InstanceId,
        /// To be given back in the answer.
        order: OrderNumber,
    },
    /// Order the instance's addresses to be removed; answered by [`Input::Withdrawn`].
    Withdraw {
        /// Whose addresses.
        instance: InstanceId,
        /// To be given back in the answer.
        order: OrderNumber,
    },
    /// Do what has to be done before the instance's addresses come or go; answered by [`Input::PreludeDone`]. It is waited for no
    /// longer than [`crate::Preludes::limit`], and the answer may come too late.
    Prelude {
        /// Whose.
        instance: InstanceId,
        /// To be given back in the answer.
        order: OrderNumber,
        /// Before what.
        prelude: Prelude,
    },
    /// Tell the neighbours where the instance's addresses live: one gratuitous ARP per IPv4 address, one
    /// unsolicited NA per IPv6 address (V3-FSM-4). The core repeats this output as often as it wants it sent.
    Announce(InstanceId),
    /// The same for some of its addresses, which have just come into place, before MASTER is told.
    AnnouncePlaced {
        /// Whose addresses.
        instance: InstanceId,
        /// As [`Input::Placed`] named them.
        places: Arc<[u32]>,
        /// How often each.
        times: u8,
    },
    /// The state that may now be told to everybody. MASTER comes only when the addresses are in place.
    Transition(Transition),
    /// The same of a sync group, after the transitions of its members.
    GroupTransition(GroupTransition),
    /// We are MASTER, and a lower one was heard beside us (V3-FSM-12); at most one in [`LOWER_MASTER_PAUSE`] for each instance.
    LowerMaster(LowerMaster),
    /// The effective priority is another, in the same state.
    Priority {
        /// Whose.
        instance: InstanceId,
        /// After all weights.
        priority: Priority,
    },
    /// What this instance failed as master is other than before ([`crate::Core::penalties`]): to be remembered for the next core.
    Penalties(InstanceId),
    /// Something a person may want to read; already limited in rate.
    Notice(Notice),
    /// After [`Input::Shutdown`]: everything is withdrawn, nothing more will come.
    Finished,
}

/// A message to send.
#[derive(Clone, Debug, PartialEq)]
pub struct Transmit {
    /// Whose message.
    pub instance: InstanceId,
    /// The link to send on.
    pub link: LinkId,
    /// The source address for the IP header.
    pub source: IpAddr,
    /// The group or one peer.
    pub destination: IpAddr,
    /// TTL or hop limit for the IP header: 255 by multicast (V3-PKT-6), to peers as configured.
    pub ttl: u8,
    /// `Some` for protocol 51: the identification for the IPv4 header, which AH covers. `None` for protocol 112.
    pub sealed: Option<u16>,
    /// The VRRP message with its checksum. Built once per change, shared by every send, if there is no authentication
    /// header in front: that one is different each time.
    pub message: Arc<[u8]>,
}

/// A change of the state that is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// Who.
    pub instance: InstanceId,
    /// The state told before.
    pub from: State,
    /// The state now; `None` when the instance has stopped for good (users' STOP).
    pub to: Option<State>,
    /// Why.
    pub cause: Cause,
    /// The effective priority at that moment.
    pub priority: Priority,
    /// What the cause's text says, for programs.
    pub evidence: Evidence,
}

/// A change of what is told of a sync group: FAULT or INIT if any member is, MASTER if all are, otherwise BACKUP.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupTransition {
    /// Who.
    pub group: GroupId,
    /// The state told before.
    pub from: State,
    /// The state now; `None` when all members have stopped for good.
    pub to: Option<State>,
    /// Why: that of the member that moved first.
    pub cause: Cause,
}

/// The least time between two [`Output::LowerMaster`] of one instance: anybody on the link can send such adverts.
pub const LOWER_MASTER_PAUSE: Duration = Duration::from_secs(1);

/// Another master, of lower rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LowerMaster {
    /// Who heard it.
    pub instance: InstanceId,
    /// Where its advert came from.
    pub source: IpAddr,
    /// The priority in that advert.
    pub priority: Priority,
    /// Our own.
    pub own: Priority,
}

/// A line for the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Whom it is about, if anybody.
    pub instance: Option<InstanceId>,
    /// The text, with the evidence.
    pub text: String,
    /// How many like it were held back since the last one.
    pub suppressed: u64,
}
