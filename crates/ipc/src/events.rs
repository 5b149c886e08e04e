//! vrrp-core's socket: the event feed and the status, as JSON Lines. The prose is docs/events.md.
//!
//! The server speaks first (`hello`). A client then sends requests, one a line: `status` gets one answer;
//! `subscribe` gets a snapshot of all states and from then on every event, numbered without a gap; `resume` gets only what
//! it missed, where that is remembered. A client that reads too slowly gets a fresh snapshot in place of what it missed;
//! nobody is ever waited for.

use std::fmt;
use std::net::IpAddr;

use model::{
    Cause, CheckName, Evidence, Family, GroupName, InstanceName, LinkName, Priority, ProtocolVersion, State,
    Verdict, Vrid,
};
use serde::{Deserialize, Serialize};

use crate::reload;

/// What a client may ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// One [`Message::Status`].
    Status,
    /// A [`Message::Snapshot`], then every [`Message::Event`] and [`Message::GroupEvent`].
    Subscribe,
    /// As [`Self::Subscribe`] for somebody who has followed this feed before: a [`Message::Resumed`] and the events after
    /// that one, if they are all remembered; otherwise a [`Message::Snapshot`].
    Resume {
        /// Whose numbers: [`Snapshot::boot`].
        boot: String,
        /// The last number that was seen, in a snapshot or an event.
        after: u64,
    },
    /// Take an instance out of the elections until it is undrained; answered by [`Message::Done`].
    Drain {
        /// Whom; everybody where it isn't said.
        #[serde(default)]
        instance: Option<InstanceName>,
        /// Also if no other router has been heard that could take over.
        #[serde(default)]
        force: bool,
    },
    /// Bring an instance back; answered by [`Message::Done`].
    Undrain {
        /// Whom; everybody where it isn't said.
        #[serde(default)]
        instance: Option<InstanceName>,
    },
    /// From now on this client is asked to do what comes before addresses come or go ([`Message::Prelude`]); nobody else
    /// is. For root and for the users of vrrp-core and notifierd; answered by [`Message::Done`].
    Preludes,
    /// What [`Message::Prelude`] asked for is done, well or not.
    PreludeDone {
        /// As it was asked.
        instance: InstanceName,
        /// Likewise.
        order: u64,
    },
    /// `startup_script` has ended, well or not, or there was nothing to run; from whoever sent [`Self::Preludes`].
    StartupDone,
    /// A step of a reload; answered by one [`Message::Reload`].
    Reload(reload::Step),
}

/// What vrrp-core says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Message {
    /// Always the first line, and once more when another configuration runs: a [`Message::Snapshot`] follows then.
    Hello(Hello),
    /// How all instances and sync groups are at `sequence`: numbered events follow from `sequence + 1`.
    Snapshot(Snapshot),
    /// The answer to [`Request::Resume`] where nothing is lost: numbered events follow from `after + 1`.
    Resumed {
        /// As in the request.
        after: u64,
        /// The number of the last event so far: when that one has come, what was missed has been told.
        sequence: u64,
    },
    /// One transition of an instance.
    Event(Event),
    /// One transition of a sync group.
    GroupEvent(GroupEvent),
    /// A MASTER has heard a lower one; while that goes on, at most once a second.
    LowerMaster(Notice),
    /// The effective priority of a BACKUP or MASTER is another.
    Priority(Notice),
    /// Something is to be done before addresses come or go.
    Prelude(Prelude),
    /// Nothing takes part before `startup_script` has ended; for whoever sent [`Request::Preludes`], who answers by
    /// [`Request::StartupDone`].
    Startup {
        /// Milliseconds for which the answer is waited for.
        limit_ms: u64,
    },
    /// vrrp-core was told to stop: its last events follow, and then it goes. A subscriber that comes later hears it, too.
    Stopping,
    /// The answer to [`Request::Status`].
    Status(Box<Status>),
    /// The answer to [`Request::Reload`].
    Reload(reload::Answer),
    /// A request was carried out.
    Done {
        /// What was done, for a person.
        done: String,
    },
    /// A request that was not understood or not carried out, and why. The connection stays.
    Error {
        /// What to do about it, for a person.
        error: String,
    },
}

/// Who is speaking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`crate::json::PROTOCOL`].
    pub protocol: u32,
    /// `vrrp-core`.
    pub program: String,
    /// The program's version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// The fingerprint of the configuration that it runs, as 16 hexadecimal digits.
    pub config: String,
    /// Another one in each life of a vrrp-core: numbers of events mean nothing without it. Only vrrp-core has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
}

/// A state as it is told: the four of an instance that runs, and STOP for one that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Told {
    /// Not decided yet.
    Init,
    /// Eligible, somebody else is master.
    Backup,
    /// Holds the addresses, and they are in place.
    Master,
    /// Not eligible.
    Fault,
    /// vrrp-core was stopped: priority 0 was sent, the addresses are gone.
    Stop,
}

impl From<State> for Told {
    fn from(state: State) -> Self {
        match state {
            State::Init => Self::Init,
            State::Backup => Self::Backup,
            State::Master => Self::Master,
            State::Fault => Self::Fault,
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "INIT",
            Self::Backup => "BACKUP",
            Self::Master => "MASTER",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
        })
    }
}

/// All states at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The vrrp-core that counts ([`Hello::boot`]).
    #[serde(default)]
    pub boot: String,
    /// The number of the last event that is already in here.
    pub sequence: u64,
    /// One entry per instance, in the order of the configuration.
    pub instances: Vec<InstanceState>,
    /// One entry per sync group, in the order of the configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupState>,
}

/// One instance in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceState {
    /// Its name.
    pub instance: InstanceName,
    /// Its state.
    pub state: Told,
    /// The effective priority.
    pub priority: Priority,
    /// Why it is in this state.
    pub cause: Cause,
    /// Since when, RFC 3339 in UTC.
    pub since: String,
}

/// One sync group in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupState {
    /// Its name.
    pub group: GroupName,
    /// What its members tell together: FAULT or INIT if any does, MASTER if all do, otherwise BACKUP.
    pub state: Told,
    /// Why it is in this state: the cause of the member that moved first.
    pub cause: Cause,
    /// Since when, RFC 3339 in UTC.
    pub since: String,
}

/// One transition of an instance, numbered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Counts from 1 in the life of this vrrp-core, without a gap, [`GroupEvent`]s included.
    pub sequence: u64,
    /// Who.
    pub instance: InstanceName,
    /// The state before.
    pub from: Told,
    /// The state now.
    pub to: Told,
    /// The effective priority at that moment.
    pub priority: Priority,
    /// Why.
    pub cause: Cause,
    /// What the cause rests on, for programs; absent where there is nothing but the cause itself.
    #[serde(default, skip_serializing_if = "Evidence::is_empty")]
    pub evidence: Evidence,
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// When, in nanoseconds of `CLOCK_BOOTTIME`: comparable with other readings on this host.
    pub monotonic: u64,
}

/// One transition of a sync group, numbered like those of instances and after those of its members that made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupEvent {
    /// One after that of the event before, whichever of the two kinds that was.
    pub sequence: u64,
    /// Who.
    pub group: GroupName,
    /// The state before.
    pub from: Told,
    /// The state now.
    pub to: Told,
    /// Why: the cause of the member that moved first.
    pub cause: Cause,
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// When, in nanoseconds of `CLOCK_BOOTTIME`.
    pub monotonic: u64,
}

/// Something that happened to an instance within a state, numbered like the transitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// One after that of the event before, of whichever kind that was.
    pub sequence: u64,
    /// Who.
    pub instance: InstanceName,
    /// Its state, before and after.
    pub state: Told,
    /// The effective priority now.
    pub priority: Priority,
    /// What happened.
    pub cause: Cause,
    /// What the cause rests on, for programs.
    #[serde(default, skip_serializing_if = "Evidence::is_empty")]
    pub evidence: Evidence,
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// When, in nanoseconds of `CLOCK_BOOTTIME`.
    pub monotonic: u64,
}

/// What comes before a change of the addresses; by name only, what is to be done stands in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prelude {
    /// Whose addresses.
    pub instance: InstanceName,
    /// Before what.
    pub before: Before,
    /// To be given back in [`Request::PreludeDone`].
    pub order: u64,
    /// Milliseconds for which the answer is waited for.
    pub limit_ms: u64,
}

/// What a prelude comes before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Before {
    /// The addresses are put in place.
    Master,
    /// They go.
    Backup,
}

/// Everything vrrp-core knows about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// [`crate::json::PROTOCOL`].
    pub protocol: u32,
    /// The program's version.
    pub version: String,
    /// Its process id: together with `at` it says how fresh this is.
    pub pid: u32,
    /// When this was said, RFC 3339 in UTC.
    pub at: String,
    /// Milliseconds since it started: since then it counts.
    pub running_ms: u64,
    /// The configuration file that it runs.
    pub config_path: String,
    /// That file's fingerprint.
    pub config: String,
    /// The last reload; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_reload: Option<reload::LastReload>,
    /// Whether ipmgr answers.
    pub ipmgr: Peer,
    /// Whether checkerd answers.
    pub checkerd: Peer,
    /// The virtual routers.
    pub instances: Vec<InstanceStatus>,
    /// The sync groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupStatus>,
    /// What is known of each tracked check, as vrrp-core weighs it.
    pub checks: Vec<CheckView>,
    /// Packets that were dropped and belonged to no instance, by interface; none where there were none.
    pub dropped: Vec<Dropped>,
    /// What somebody on this host takes away again and again, and ipmgr puts back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contested: Vec<Contested>,
    /// What the kernel refused of `static_ipaddress`, `static_routes` and `static_rules`, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub static_refused: Vec<String>,
    /// Clients that don't read the feed, or send what isn't a request, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<String>,
}

/// An address, route or rule that two programs fight over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contested {
    /// Whose it is; absent for what is static.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceName>,
    /// The address and its interface, or the route or rule.
    pub thing: String,
    /// How often ipmgr has put it back since it was last left alone for a minute.
    pub count: u32,
    /// When that was the last time (RFC 3339, UTC).
    pub last: String,
}

/// A sibling as seen from vrrp-core.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// It is connected and speaks our protocol with the same configuration.
    pub connected: bool,
    /// What is wrong, when it isn't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// One virtual router.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// Its name.
    pub name: InstanceName,
    /// The state as told.
    pub state: State,
    /// Why it is in this state.
    pub cause: Cause,
    /// Since when, RFC 3339 in UTC.
    pub since: String,
    /// What keeps it from being master; empty when nothing does.
    pub reasons: Vec<Cause>,
    /// Configured and present priority.
    pub priority: PriorityStatus,
    /// Where it speaks.
    pub interface: LinkName,
    /// Its identifier.
    pub vrid: Vrid,
    /// VRRPv2 or v3.
    pub version: ProtocolVersion,
    /// IPv4 or IPv6.
    pub family: Family,
    /// The addresses that move with it, with their prefix length.
    pub addresses: Vec<String>,
    /// The master as last heard, when it isn't us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<MasterStatus>,
    /// Milliseconds until it becomes master at the latest, while it waits for the first frame on a link that came up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaits_frames_ms: Option<u64>,
    /// What ipmgr, or a hook before the addresses come, is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaited: Option<Awaited>,
    /// Milliseconds for which adverts are counted: since the start, or the reload that has brought the instance.
    #[serde(default)]
    pub counted_ms: u64,
    /// Adverts sent since then.
    pub adverts_sent: u64,
    /// Valid adverts heard since then.
    pub adverts_received: u64,
    /// Packets that were dropped, or remarked on, by reason.
    pub remarks: Vec<Remark>,
    /// Addresses that the kernel refused, in its words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
    /// What it failed as master and still counts (`while master`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub penalties: Vec<Penalty>,
}

/// What was ordered and has not been answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaited {
    /// What.
    pub what: AwaitedWhat,
    /// Milliseconds since it was ordered.
    pub ms: u64,
}

/// See [`Awaited`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AwaitedWhat {
    /// The virtual router is ours, and `pre_master` runs.
    Prelude,
    /// The virtual router is ours, and ipmgr puts the addresses in place.
    Placing,
    /// ipmgr removes the addresses, which may still be here.
    Removing,
}

/// A check that failed while the instance was MASTER, and counts as failed for a while after that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Penalty {
    /// Which.
    pub check: CheckName,
    /// Milliseconds that it counts after the failure has ended.
    pub length_ms: u64,
    /// Milliseconds that are left of them; absent while the failure lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_ms: Option<u64>,
}

/// One sync group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupStatus {
    /// Its name.
    pub name: GroupName,
    /// The state as told.
    pub state: State,
    /// Why it is in this state: the cause of the member that moved first.
    pub cause: Cause,
    /// Since when, RFC 3339 in UTC.
    pub since: String,
    /// The instances that move with it, in the order of the configuration.
    pub members: Vec<InstanceName>,
}

/// Configured and present priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriorityStatus {
    /// As configured.
    pub base: Priority,
    /// After the weights of all checks.
    pub effective: Priority,
}

/// Another router that is master.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasterStatus {
    /// Where its adverts come from.
    pub address: IpAddr,
    /// Its priority.
    pub priority: Priority,
    /// Milliseconds since its last advert.
    pub silent_ms: u64,
    /// Milliseconds from one of its adverts to the next, as it says.
    #[serde(default)]
    pub interval_ms: u64,
}

/// A kind of packet that was dropped or remarked on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// The reason, such as `checksum` (docs/conformance.md).
    pub reason: String,
    /// Whether such packets were dropped.
    pub dropped: bool,
    /// How many.
    pub count: u64,
    /// Who sent the last one that tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_from: Option<IpAddr>,
}

/// Packets on a link that were dropped before any instance saw them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// The link.
    pub interface: LinkName,
    /// Why they were dropped, how many and from whom.
    pub remarks: Vec<Remark>,
}

/// A check as vrrp-core weighs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckView {
    /// Its name.
    pub name: CheckName,
    /// The verdict it last heard.
    pub verdict: Verdict,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn requests_are_short_and_strict() {
        assert_eq!(json::parse::<Request>(br#"{"request":"status"}"#).unwrap(), Request::Status);
        assert_eq!(json::parse::<Request>(br#"{"request":"subscribe"}"#).unwrap(), Request::Subscribe);
        let resume = json::parse::<Request>(br#"{"request":"resume","boot":"b0","after":41}"#).unwrap();
        assert_eq!(resume, Request::Resume { boot: "b0".into(), after: 41 });
        assert!(json::parse::<Request>(br#"{"request":"resume","after":-1,"boot":"b0"}"#).is_err());
        let done = json::parse::<Request>(br#"{"request":"prelude-done","instance":"api_vip","order":7}"#);
        let instance = InstanceName::new("api_vip").unwrap();
        assert_eq!(done.unwrap(), Request::PreludeDone { instance, order: 7 });
        let drain = json::parse::<Request>(br#"{"request":"drain","instance":"api_vip"}"#).unwrap();
        assert_eq!(drain, Request::Drain { instance: InstanceName::new("api_vip").ok(), force: false });
        assert!(json::parse::<Request>(br#"{"request":"undrain","force":true}"#).is_err());
        assert!(json::parse::<Request>(br#"{"request":"reboot"}"#).is_err());
        assert!(json::parse::<Request>(b"hello?").is_err());
    }

    #[test]
    fn an_event_reads_as_documented() {
        let event = Message::Event(Event {
            sequence: 3,
            instance: InstanceName::new("api_vip").unwrap(),
            from: Told::Backup,
            to: Told::Master,
            priority: Priority(120),
            cause: Cause { code: "peer-silent".into(), text: "no advert".into() },
            evidence: Evidence { waited_ms: Some(3571), ..Evidence::default() },
            at: "2026-01-01T00:00:00.000Z".into(),
            monotonic: 42,
        });
        let line = json::line(&event).unwrap();
        assert_eq!(
            String::from_utf8(line.clone()).unwrap(),
            concat!(
                r#"{"type":"event","sequence":3,"instance":"api_vip","from":"BACKUP","to":"MASTER","priority":120,"#,
                r#""cause":{"code":"peer-silent","text":"no advert"},"evidence":{"waited_ms":3571},"#,
                r#""at":"2026-01-01T00:00:00.000Z","monotonic":42}"#,
                "\n"
            )
        );
        assert_eq!(json::parse::<Message>(&line).unwrap(), event);
    }

    fn cause() -> Cause {
        Cause { code: "peer-silent".into(), text: "no advert".into() }
    }

    #[test]
    fn a_transition_of_a_group_reads_as_documented() {
        let event = Message::GroupEvent(GroupEvent {
            sequence: 4,
            group: GroupName::new("pair").unwrap(),
            from: Told::Backup,
            to: Told::Master,
            cause: cause(),
            at: "2026-01-01T00:00:00.000Z".into(),
            monotonic: 42,
        });
        let line = json::line(&event).unwrap();
        assert_eq!(
            String::from_utf8(line.clone()).unwrap(),
            concat!(
                r#"{"type":"group-event","sequence":4,"group":"pair","from":"BACKUP","to":"MASTER","#,
                r#""cause":{"code":"peer-silent","text":"no advert"},"at":"2026-01-01T00:00:00.000Z","monotonic":42}"#,
                "\n"
            )
        );
        assert_eq!(json::parse::<Message>(&line).unwrap(), event);
    }

    /// What was said before there were groups is still said where there are none, and understood.
    #[test]
    fn a_snapshot_names_groups_where_there_are_any() {
        let mut snapshot =
            Snapshot { boot: "b0".into(), sequence: 2, instances: Vec::new(), groups: Vec::new() };
        let without = r#"{"type":"snapshot","boot":"b0","sequence":2,"instances":[]}"#;
        let line = json::line(&Message::Snapshot(snapshot.clone())).unwrap();
        assert_eq!(String::from_utf8(line).unwrap().trim_end(), without);
        let parsed = json::parse::<Message>(without.as_bytes()).unwrap();
        assert_eq!(parsed, Message::Snapshot(snapshot.clone()));
        snapshot.groups.push(GroupState {
            group: GroupName::new("pair").unwrap(),
            state: Told::Master,
            cause: cause(),
            since: "2026-01-01T00:00:00.000Z".into(),
        });
        let line = json::line(&Message::Snapshot(snapshot.clone())).unwrap();
        assert_eq!(json::parse::<Message>(&line).unwrap(), Message::Snapshot(snapshot));
    }
}
