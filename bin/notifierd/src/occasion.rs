//! What hooks are run for: an instance or a sync group is in a state.
//!
//! What is told of it to hooks, by arguments, environment and standard input, is put together here; running them isn't.
//! Keepalived's arguments are in keepalived.conf(5), at `notify`.

use std::fmt;

use ipc::events::{Event, GroupEvent, GroupState, InstanceState, Notice, Snapshot, Told};
use ipc::json;
use model::{Cause, Evidence, GroupName, InstanceName, Instant, Priority};
use runner::MAX_INPUT;

/// A group has no priority; keepalived says 0.
const PRIORITY_OF_GROUPS: &str = "0";
/// The cause of an instance's STOP that a reload removed.
const REMOVED: &str = "removed";

/// Whose hooks. An instance and a group may have the same name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// A `vrrp_instance`.
    Instance(InstanceName),
    /// A `vrrp_sync_group`.
    Group(GroupName),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(name) => name.fmt(f),
            Self::Group(name) => write!(f, "group {name}"),
        }
    }
}

/// Somebody is in a state, or something has happened in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// An instance is in a state.
    Instance(Event),
    /// A sync group is.
    Group(GroupEvent),
    /// An instance that wants it so (`notify_deleted`) has stopped, since a reload removed it.
    Deleted(Event),
    /// A MASTER has heard a lower one. No change of the state.
    LowerMaster(Notice),
    /// The priority is another. No change of the state.
    Priority(Notice),
}

impl Occasion {
    /// All states of a snapshot, each told like the transition that led to it; what it came from isn't known any more.
    pub(crate) fn all_of(snapshot: Snapshot, now: Instant) -> Vec<Self> {
        let (sequence, monotonic) = (snapshot.sequence, now.as_nanos());
        let instance = |state: InstanceState| {
            Self::Instance(Event {
                sequence,
                instance: state.instance,
                from: Told::Init,
                to: state.state,
                priority: state.priority,
                cause: state.cause,
                evidence: Evidence::default(),
                at: state.since,
                monotonic,
            })
        };
        let group = |state: GroupState| {
            Self::Group(GroupEvent {
                sequence,
                group: state.group,
                from: Told::Init,
                to: state.state,
                cause: state.cause,
                at: state.since,
                monotonic,
            })
        };
        let groups = snapshot.groups.into_iter().map(group);
        snapshot.instances.into_iter().map(instance).chain(groups).collect()
    }

    /// The same, told as DELETED if it is about an instance that a reload removed.
    pub(crate) fn into_deleted(self) -> Self {
        match self {
            Self::Instance(event) if event.to == Told::Stop && event.cause.code == REMOVED => {
                Self::Deleted(event)
            }
            other => other,
        }
    }

    /// Whether it tells a state: whoever hears of it late or not at all then knows something that isn't so.
    pub(crate) const fn is_state(&self) -> bool {
        match self {
            Self::Instance(_) | Self::Group(_) | Self::Deleted(_) => true,
            Self::LowerMaster(_) | Self::Priority(_) => false,
        }
    }

    /// What it is called in arguments, lines and the environment: the state, or keepalived's word for what happened in it.
    fn word(&self) -> String {
        match self {
            Self::Instance(event) => event.to.to_string(),
            Self::Group(event) => event.to.to_string(),
            Self::Deleted(_) => "DELETED".to_owned(),
            Self::LowerMaster(_) => "MASTER_RX_LOWER_PRI".to_owned(),
            Self::Priority(notice) => format!("{}_PRIORITY", notice.state),
        }
    }

    /// Who is in that state.
    pub(crate) fn subject(&self) -> Subject {
        match self {
            Self::Instance(event) | Self::Deleted(event) => Subject::Instance(event.instance.clone()),
            Self::Group(event) => Subject::Group(event.group.clone()),
            Self::LowerMaster(notice) | Self::Priority(notice) => Subject::Instance(notice.instance.clone()),
        }
    }

    /// The state before, as far as the feed knows it.
    pub(crate) const fn from(&self) -> Told {
        match self {
            Self::Instance(event) | Self::Deleted(event) => event.from,
            Self::Group(event) => event.from,
            Self::LowerMaster(notice) | Self::Priority(notice) => notice.state,
        }
    }

    /// The state.
    pub(crate) const fn to(&self) -> Told {
        match self {
            Self::Instance(event) | Self::Deleted(event) => event.to,
            Self::Group(event) => event.to,
            Self::LowerMaster(notice) | Self::Priority(notice) => notice.state,
        }
    }

    /// Its number in the feed.
    pub(crate) const fn sequence(&self) -> u64 {
        match self {
            Self::Instance(event) | Self::Deleted(event) => event.sequence,
            Self::Group(event) => event.sequence,
            Self::LowerMaster(notice) | Self::Priority(notice) => notice.sequence,
        }
    }

    /// Why.
    pub(crate) const fn cause(&self) -> &Cause {
        match self {
            Self::Instance(event) | Self::Deleted(event) => &event.cause,
            Self::Group(event) => &event.cause,
            Self::LowerMaster(notice) | Self::Priority(notice) => &notice.cause,
        }
    }

    /// When, RFC 3339 in UTC.
    pub(crate) fn at(&self) -> &str {
        match self {
            Self::Instance(event) | Self::Deleted(event) => &event.at,
            Self::Group(event) => &event.at,
            Self::LowerMaster(notice) | Self::Priority(notice) => &notice.at,
        }
    }

    /// The priority that it has then, which groups have not.
    pub(crate) const fn priority(&self) -> Option<Priority> {
        match self {
            Self::Instance(event) | Self::Deleted(event) => Some(event.priority),
            Self::Group(_) => None,
            Self::LowerMaster(notice) | Self::Priority(notice) => Some(notice.priority),
        }
    }

    /// What `notify` gets after its own arguments: `INSTANCE NAME STATE PRIORITY` or `GROUP NAME STATE 0`.
    pub(crate) fn arguments(&self) -> [String; 4] {
        let (kind, name) = match self.subject() {
            Subject::Instance(name) => ("INSTANCE", name.to_string()),
            Subject::Group(name) => ("GROUP", name.to_string()),
        };
        let priority = self.priority().map_or(PRIORITY_OF_GROUPS.to_owned(), |priority| priority.to_string());
        [kind.to_owned(), name, self.word(), priority]
    }

    /// What every hook finds in its environment (docs/events.md).
    pub(crate) fn variables(&self, previous: Told) -> Vec<(&'static str, String)> {
        let mut variables = match self.subject() {
            Subject::Instance(name) => vec![("HANDOVER_INSTANCE", name.to_string())],
            Subject::Group(name) => vec![("HANDOVER_GROUP", name.to_string())],
        };
        variables.extend(self.priority().map(|priority| ("HANDOVER_PRIORITY", priority.to_string())));
        variables.extend([
            ("HANDOVER_STATE", self.word()),
            ("HANDOVER_PREVIOUS", previous.to_string()),
            ("HANDOVER_CAUSE", self.cause().text.clone()),
            ("HANDOVER_SEQUENCE", self.sequence().to_string()),
        ]);
        variables
    }

    /// What every hook finds on its standard input: the event, as one line of JSON. `None` if it is too long.
    pub(crate) fn line(&self) -> Option<Vec<u8>> {
        let line = match self {
            Self::Instance(event) | Self::Deleted(event) => json::line(event),
            Self::Group(event) => json::line(event),
            Self::LowerMaster(notice) | Self::Priority(notice) => json::line(notice),
        };
        line.ok().filter(|line| line.len() <= MAX_INPUT)
    }
}
