//! The typed meaning of a configuration: what every daemon looks names up in.
//!
//! Everything here is already checked: ranges hold, references resolve, defaults are filled in. Each item
//! keeps the place it came from, so that a later complaint can point at it.

mod address;
mod delivery;
mod dns;
mod firewall;
mod mail;
mod outer;
mod path;
mod pipe;
mod probe;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use model::{
    CheckName, Credential, Family, GroupName, InstanceName, LinkName, MacAddress, Priority, ProtocolVersion,
    Vrid,
};

use crate::Span;

pub use self::address::{Address, AddressOptions};
pub use self::delivery::{Delivery, Queue};
pub use self::dns::{DnsQuery, Rcode, RecordKind};
pub use self::firewall::Firewall;
pub use self::mail::{MAX_RECIPIENTS, Mail, MailServer};
pub use self::outer::OuterScript;
pub use self::path::{RouteHop, RouteKind, RuleAction, Statics, VirtualRoute, VirtualRule};
pub use self::pipe::NotifyPipe;
pub use self::probe::{CommandLine, Fit, HttpGet, Initial, NumberFile, Probe, Processes, Target, Tls};

/// Which words a block gives, and where. What isn't here is inherited, or the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given(Box<[(&'static str, Span)]>);

impl Given {
    pub(crate) fn new(words: impl Iterator<Item = (&'static str, Span)>) -> Self {
        let mut words: Box<[_]> = words.collect();
        words.sort_unstable_by_key(|(word, _)| *word);
        Self(words)
    }

    /// Where the block gives this word; the one that counts, if it is given several times.
    #[must_use]
    pub fn at(&self, word: &str) -> Option<Span> {
        let found = self.0.binary_search_by_key(&word, |(word, _)| word).ok()?;
        self.0.get(found).map(|(_, span)| *span)
    }

    /// Every word that is given, in alphabetical order.
    pub fn words(&self) -> impl Iterator<Item = (&'static str, Span)> {
        self.0.iter().copied()
    }
}

/// One whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `global_defs`.
    pub global: Global,
    /// Every `vrrp_script` and `vrrp_track_process`, in the order of the file.
    pub checks: Vec<Check>,
    /// Every `vrrp_instance`, in the order of the file.
    pub instances: Vec<Instance>,
    /// Every `vrrp_sync_group`, in the order of the file.
    pub groups: Vec<SyncGroup>,
    /// What stands still.
    pub statics: Statics,
}

/// What `global_defs` sets.
#[derive(Clone, Debug, PartialEq)]
pub struct Global {
    /// `router_id`: a label for people; the host's name where it isn't set (then `None`).
    pub router_id: Option<String>,
    /// `script_user`: whom scripts and hooks run as unless they say otherwise.
    pub script_user: Option<UserSpec>,
    /// `enable_script_security` was given. Handover refuses root scripts on a writable path either way.
    pub script_security: bool,
    /// `vrrp_startup_delay`: for so long after the start nothing takes part; zero for not at all.
    pub startup_delay: Duration,
    /// `vrrp_garp_interval` and `vrrp_gna_interval`.
    pub pacing: Pacing,
    /// Where addresses are shut, and how.
    pub firewall: Firewall,
    /// `vrrp_rt_priority`: the priority among real-time processes that vrrp-core asks for; `None` for none.
    pub real_time: Option<u8>,
    /// `notify_fifo` and `vrrp_notify_fifo`.
    pub pipes: Vec<NotifyPipe>,
    /// `fifo_write_vrrp_states_on_reload`: after a reload these are told all states once more.
    pub pipes_repeat: bool,
    /// `startup_script`: runs once before any instance takes part.
    pub startup_script: Option<OuterScript>,
    /// `shutdown_script`: runs once all instances have given up.
    pub shutdown_script: Option<OuterScript>,
    /// How states are mailed, if they can be.
    pub mail: Option<Mail>,
    /// Its words.
    pub given: Given,
}

/// The least time between two announcements on one interface; zero for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pacing {
    /// Between two gratuitous ARPs.
    pub arp: Duration,
    /// Between two unsolicited neighbour advertisements.
    pub neighbour: Duration,
}

/// A user and, where given, a group, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSpec {
    /// The user's name.
    pub user: String,
    /// The group's name; the user's own group where it isn't given.
    pub group: Option<String>,
}

/// A command line, split into words as keepalived splits it. Never empty; no shell takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program (a path, or a bare name to be found in PATH).
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Where it stands.
    pub span: Span,
}

/// `vrrp_script` or `vrrp_track_process`: a health check.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// Its name, unique among checks.
    pub name: CheckName,
    /// What it does each time.
    pub probe: Probe,
    /// From the start of one run to the start of the next.
    pub interval: Duration,
    /// How long a run may take; the interval unless given.
    pub timeout: Duration,
    /// Successes in a row that make it up; at least 1.
    pub rise: u32,
    /// Failures in a row that make it down; at least 1.
    pub fall: u32,
    /// What an instance that tracks it without a weight of its own uses.
    pub weight: Weight,
    /// `init_fail`: assumed down until the first result.
    pub init_fail: bool,
    /// `while`, `grace` and `penalty`: when it counts at all.
    pub role: Role,
    /// Whom it runs as; `script_user` and then the daemon's own user where it isn't given.
    pub user: Option<UserSpec>,
    /// Its words.
    pub given: Given,
    /// The block's name.
    pub span: Span,
}

/// In which role of an instance a check counts; elsewhere it counts as passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// In every one.
    #[default]
    Any,
    /// While it is MASTER.
    Master {
        /// So long after MASTER a failure doesn't count yet.
        grace: Duration,
        /// So long a failure counts after it has ended, or the role has.
        penalty: Duration,
    },
    /// While it isn't.
    Backup,
}

/// What a tracked check does to the priority: 0 means FAULT when it fails, positive adds while it is up,
/// negative subtracts while it is down (keepalived.conf(5), `weight`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// -253 to 253; one more each way for processes.
    pub value: i16,
    /// Success and failure change places.
    pub reverse: bool,
}

/// One line of a `track_script` or `track_process` block.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackedCheck {
    /// Which check; it exists in [`Config::checks`].
    pub check: CheckName,
    /// Its weight for this instance.
    pub weight: Weight,
    /// Where the weight stands: in this line, else in the script's block; `None` where neither gives one.
    pub weight_span: Option<Span>,
    /// The line.
    pub span: Span,
}

/// One line of a `track_interface` block. 0 means FAULT while it is down, as with [`TrackedCheck`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackedLink {
    /// Which interface.
    pub link: LinkName,
    /// What it does to the priority.
    pub weight: Weight,
    /// Where the weight stands, if it is given.
    pub weight_span: Option<Span>,
    /// The line.
    pub span: Span,
}

/// One line of a `unicast_peer` block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address, which adverts have to come from.
    pub address: IpAddr,
    /// `min_ttl`: the least TTL or hop limit that its adverts may arrive with.
    pub min_ttl: u8,
    /// `max_ttl`: the greatest, not less than the least.
    pub max_ttl: u8,
}

/// How often a master tells its neighbours where its addresses live, by gratuitous ARP or unsolicited neighbour
/// advertisement: `garp_*`, else `vrrp_garp_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcements {
    /// `garp_master_repeat`: how many in one go, at least 1.
    pub repeat: u8,
    /// `garp_master_delay`: when they are sent once more; `None` for never.
    pub delay: Option<Duration>,
    /// `garp_master_refresh`: how far apart they go on for ever; `None` for not at all.
    pub refresh: Option<Duration>,
    /// `garp_master_refresh_repeat`: how many each time, at least 1.
    pub refresh_repeat: u8,
    /// `garp_lower_prio_delay`: when they are sent once more after a lower master was heard; `None` for never.
    pub lower_priority_delay: Option<Duration>,
    /// `garp_lower_prio_repeat`: how many when a lower master is heard; 0 for none.
    pub lower_priority_repeat: u8,
}

/// How an instance treats other routers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manners {
    /// `down_timer_adverts`, 1 to 100: how many adverts a master may miss before it counts as gone.
    pub down_timer_adverts: u8,
    /// False with `lower_prio_no_advert`: a lower master is not answered.
    pub answer_lower: bool,
    /// `higher_prio_send_advert`: one more advert before giving way to a higher priority.
    pub advertise_before_yielding: bool,
    /// `v3_checksum_as_v2`: VRRPv3 over IPv4 sums no pseudo-header (RFC 9568 5.2.8).
    pub checksum_as_v2: bool,
    /// False with `skip_check_adv_addr`: that others list other addresses is not even remarked on.
    pub compare_addresses: bool,
    /// `keep_until_taken_over`: whoever yields in good health keeps the addresses until its successor has them.
    pub keep_until_taken_over: bool,
    /// `link_patience`: how long it listens on an interface that came up and has carried no frame since; zero for no longer
    /// than on any other.
    pub link_patience: Duration,
}

/// `vrrp_instance`: one virtual router.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// Its name, unique among instances.
    pub name: InstanceName,
    /// `state MASTER` was given: a wish that only the owner (priority 255) gets fulfilled at once.
    pub wants_master: bool,
    /// `interface`, else `default_interface`: where adverts are sent and heard.
    pub link: LinkName,
    /// `use_vmac`: what holds the addresses instead of [`Self::link`].
    pub virtual_mac: Option<VirtualMac>,
    /// `virtual_router_id`.
    pub vrid: Vrid,
    /// The base priority, 1 to 255.
    pub priority: Priority,
    /// Accept mode (RFC 9568 6.1), which an owner always has: false with `no_accept`, and in strict mode without `accept`;
    /// then nothing that is sent to the addresses is let in.
    pub accepts: bool,
    /// VRRPv2 or VRRPv3.
    pub version: ProtocolVersion,
    /// The family of the adverts and of the advertised addresses.
    pub family: Family,
    /// `advert_int`: whole seconds in v2, steps of 10 ms in v3.
    pub advert_interval: Duration,
    /// `authentication` (v2 only).
    pub credential: Option<Credential>,
    /// `virtual_ipaddress`: the advertised addresses, at least one.
    pub addresses: Vec<Address>,
    /// `virtual_ipaddress_excluded`, and what of `virtual_ipaddress` no advert has room for: held like the others, and not
    /// advertised. Of either family.
    pub excluded: Vec<Address>,
    /// `virtual_routes`.
    pub routes: Vec<VirtualRoute>,
    /// `virtual_rules`.
    pub rules: Vec<VirtualRule>,
    /// `promote_secondaries`: an IPv4 address that goes takes no others of its network with it.
    pub promotes_secondaries: bool,
    /// `track_script`, then `track_process`.
    pub checks: Vec<TrackedCheck>,
    /// `track_interface`, and those of its addresses, routes and rules without `no_track`: interfaces besides its own that count.
    pub links: Vec<TrackedLink>,
    /// False with `dont_track_primary`: it doesn't matter whether its own interface is up.
    pub follows_link: bool,
    /// `track_src_ip`: FAULT while [`Self::source`] is not on this host.
    pub follows_source: bool,
    /// False with `nopreempt`.
    pub preempt: bool,
    /// `preempt_delay`: how long a lower master is left alone.
    pub preempt_delay: Duration,
    /// `unicast_src_ip` or `mcast_src_ip`: what adverts are sent from; the interface's primary address where neither is
    /// given.
    pub source: Option<IpAddr>,
    /// `unicast_peer`; empty means multicast.
    pub peers: Vec<Peer>,
    /// `unicast_ttl`: the TTL or hop limit that adverts to peers are sent with.
    pub unicast_ttl: u8,
    /// `mcast_dst_ip`, else `vrrp_mcast_group4` or `vrrp_mcast_group6`: where adverts go if there are no peers.
    pub multicast_group: IpAddr,
    /// How often it announces its addresses.
    pub announcements: Announcements,
    /// How it treats other routers.
    pub manners: Manners,
    /// What runs when the state changes.
    pub hooks: Hooks,
    /// How that is run.
    pub delivery: Delivery,
    /// What runs before the addresses come or go.
    pub preludes: Preludes,
    /// `notify_priority_changes`, else that of its sync group, else `vrrp_notify_priority_changes`: named pipes are told.
    pub tells_priority: bool,
    /// `smtp_alert`, else `smtp_alert_vrrp`, else that of `global_defs`: its states are mailed.
    pub mails: bool,
    /// Its words, those aside that strict mode doesn't count.
    pub given: Given,
    /// The block's name.
    pub span: Span,
}

/// An interface of our own, made on the instance's, with the virtual router's hardware address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualMac {
    /// Its name: as given, else `vrrp.VRID`, for IPv6 `vrrp6.VRID`; with its base behind it, as `vrrp.5.eth1`, where an instance before
    /// it has that name.
    pub link: LinkName,
    /// As given, else 00-00-5E-00-01-VRID, for IPv6 00-00-5E-00-02-VRID (RFC 9568 7.3).
    pub mac: MacAddress,
    /// `vmac_xmit_base`: adverts come from the instance's interface and its own hardware address.
    pub adverts_from_base: bool,
    /// The word.
    pub span: Span,
}

impl Instance {
    /// Every address that it holds while it is master, advertised or not.
    pub fn held(&self) -> impl Iterator<Item = &Address> + Clone {
        self.addresses.iter().chain(&self.excluded)
    }
}

/// `vrrp_sync_group`: instances that move together.
#[derive(Clone, Debug, PartialEq)]
pub struct SyncGroup {
    /// Its name, unique among groups.
    pub name: GroupName,
    /// `group`: each exists in [`Config::instances`], and none is in two groups.
    pub members: Vec<InstanceName>,
    /// `track_script`, then `track_process`: for every member, besides its own.
    pub checks: Vec<TrackedCheck>,
    /// `track_interface`: for every member, besides its own.
    pub links: Vec<TrackedLink>,
    /// What runs when the state of the group changes.
    pub hooks: Hooks,
    /// How that is run.
    pub delivery: Delivery,
    /// As with [`Instance::mails`].
    pub mails: bool,
    /// Its words.
    pub given: Given,
    /// The block's name.
    pub span: Span,
}

/// `notify` and its siblings. Each is boxed, since most of thousands of instances have few of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hooks {
    /// `notify`: for every state, with `INSTANCE NAME STATE PRIORITY` or `GROUP NAME STATE 0` appended.
    pub any: Option<Box<Hook>>,
    /// `notify_master`.
    pub master: Option<Box<Hook>>,
    /// `notify_backup`.
    pub backup: Option<Box<Hook>>,
    /// `notify_fault`.
    pub fault: Option<Box<Hook>>,
    /// `notify_stop`.
    pub stop: Option<Box<Hook>>,
    /// `notify_deleted`, with a command or without one: an instance that a reload removes is told as DELETED, not STOP.
    pub says_deleted: bool,
    /// The command of `notify_deleted`: in place of [`Self::stop`] then.
    pub deleted: Option<Box<Hook>>,
    /// `notify_master_rx_lower_pri`.
    pub lower: Option<Box<Hook>>,
}

impl Hooks {
    /// Every hook by its word, in the order in which they run where two run for one thing.
    #[must_use]
    pub fn by_word(&self) -> [(&'static str, Option<&Hook>); 7] {
        // A new hook has to be named here before anything compiles.
        let Self { any, master, backup, fault, stop, says_deleted: _, deleted, lower } = self;
        [
            ("notify_master", master.as_deref()),
            ("notify_backup", backup.as_deref()),
            ("notify_fault", fault.as_deref()),
            ("notify_stop", stop.as_deref()),
            ("notify_deleted", deleted.as_deref()),
            ("notify_master_rx_lower_pri", lower.as_deref()),
            ("notify", any.as_deref()),
        ]
    }

    /// Those that are configured.
    pub fn all(&self) -> impl Iterator<Item = &Hook> {
        self.by_word().into_iter().filter_map(|(_, hook)| hook)
    }
}

/// `pre_master` and `pre_backup`: what runs before the addresses of an instance come or go.
#[derive(Clone, Debug, PartialEq)]
pub struct Preludes {
    /// `pre_master`: the election is won, the addresses are not in place yet.
    pub master: Option<Box<Hook>>,
    /// `pre_backup`: before they go by an operator's choice (a drain, a stop).
    pub backup: Option<Box<Hook>>,
    /// `pre_timeout`: how long either may hold up the addresses, 10 ms to 10 s.
    pub limit: Duration,
}

/// A program that is run for an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Hook {
    /// What to run.
    pub command: Command,
    /// Whom it runs as; `script_user` and then the daemon's own user where it isn't given.
    pub user: Option<UserSpec>,
}
