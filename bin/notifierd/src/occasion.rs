//! What hooks are run for: an instance or a sync group is in a state.
//!
//! What is told of it to hooks, by arguments, environment and standard input, is put together here; running them isn't.
//! Keepalived's arguments are in keepalived.conf(5), at `notify`.

use std::fmt;

use ipc::events::{Event, GroupEvent, GroupState, InstanceState, Snapshot, Told};
use ipc::json;
use model::{Cause, Evidence, GroupName, InstanceName, Instant, Priority};
use runner::MAX_INPUT;

/// A group has no priority; keepalived says 0.
const PRIORITY_OF_GROUPS: &str = "0";

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

/// Somebody is in a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// An instance is.
    Instance(Event),
    /// A sync group is.
    Group(GroupEvent),
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

    /// Who is in that state.
    pub(crate) fn subject(&self) -> Subject {
        match self {
            Self::Instance(event) => Subject::Instance(event.instance.clone()),
            Self::Group(event) => Subject::Group(event.group.clone()),
        }
    }

    /// The state before, as far as the feed knows it.
    pub(crate) const fn from(&self) -> Told {
        match self {
            Self::Instance(event) => event.from,
            Self::Group(event) => event.from,
        }
    }

    /// The state.
    pub(crate) const fn to(&self) -> Told {
        match self {
            Self::Instance(event) => event.to,
            Self::Group(event) => event.to,
        }
    }

    const fn sequence(&self) -> u64 {
        match self {
            Self::Instance(event) => event.sequence,
            Self::Group(event) => event.sequence,
        }
    }

    /// Why.
    pub(crate) const fn cause(&self) -> &Cause {
        match self {
            Self::Instance(event) => &event.cause,
            Self::Group(event) => &event.cause,
        }
    }

    /// When, RFC 3339 in UTC.
    pub(crate) fn at(&self) -> &str {
        match self {
            Self::Instance(event) => &event.at,
            Self::Group(event) => &event.at,
        }
    }

    /// The priority that it has then, which groups have not.
    pub(crate) const fn priority(&self) -> Option<Priority> {
        match self {
            Self::Instance(event) => Some(event.priority),
            Self::Group(_) => None,
        }
    }

    /// What `notify` gets after its own arguments: `INSTANCE NAME STATE PRIORITY` or `GROUP NAME STATE 0`.
    pub(crate) fn arguments(&self) -> [String; 4] {
        let state = self.to().to_string();
        match self {
            Self::Instance(event) => {
                ["INSTANCE".to_owned(), event.instance.to_string(), state, event.priority.to_string()]
            }
            Self::Group(event) => {
                ["GROUP".to_owned(), event.group.to_string(), state, PRIORITY_OF_GROUPS.to_owned()]
            }
        }
    }

    /// What every hook finds in its environment (docs/events.md).
    pub(crate) fn variables(&self, previous: Told) -> Vec<(&'static str, String)> {
        let mut variables = match self {
            Self::Instance(event) => vec![
                ("HANDOVER_INSTANCE", event.instance.to_string()),
                ("HANDOVER_PRIORITY", event.priority.to_string()),
            ],
            Self::Group(event) => vec![("HANDOVER_GROUP", event.group.to_string())],
        };
        variables.extend([
            ("HANDOVER_STATE", self.to().to_string()),
            ("HANDOVER_PREVIOUS", previous.to_string()),
            ("HANDOVER_CAUSE", self.cause().text.clone()),
            ("HANDOVER_SEQUENCE", self.sequence().to_string()),
        ]);
        variables
    }

    /// What every hook finds on its standard input: the event, as one line of JSON. `None` if it is too long.
    pub(crate) fn line(&self) -> Option<Vec<u8>> {
        let line = match self {
            Self::Instance(event) => json::line(event),
            Self::Group(event) => json::line(event),
        };
        line.ok().filter(|line| line.len() <= MAX_INPUT)
    }
}
