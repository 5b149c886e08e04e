//! The history that notifierd keeps on disk: what happened, why, and what hooks made of it, as JSON Lines. The prose is
//! docs/history.md.
//!
//! Written by notifierd alone, read by `handover history` and by whoever likes. A reader passes over lines that it doesn't
//! know, and over the end of a line that a kill or a full disk has torn.

use model::{GroupName, InstanceName};
use serde::{Deserialize, Serialize};

use crate::events::{Event, GroupEvent, GroupState, InstanceState, Told};

/// The file's name in the state directory.
pub const FILE: &str = "history.jsonl";
/// What it is called once it was full: the generation before.
pub const OLD_FILE: &str = "history.old.jsonl";
/// How large either may grow, in bytes.
pub const MAX_SIZE: u64 = 4 << 20;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Entry {
    /// A transition of an instance, just as vrrp-core told it.
    Event(Event),
    /// A transition of a sync group, likewise.
    GroupEvent(GroupEvent),
    /// An instance is in another state than notifierd knew, and how it came there wasn't told.
    State(Found<InstanceState>),
    /// A sync group, likewise.
    GroupState(Found<GroupState>),
    /// A hook or a prelude has ended, or couldn't be started.
    Hook(Ran),
    /// Hooks that weren't run, and why.
    Skipped(Skipped),
    /// vrrp-core was away: of what happened meanwhile only the end is known, which follows.
    Gap {
        /// When it was back, RFC 3339 in UTC.
        at: String,
        /// Milliseconds for which it wasn't heard.
        away_ms: u64,
    },
    /// Entries are missing here.
    Lost(Lost),
    /// notifierd has started.
    Started {
        /// When, RFC 3339 in UTC.
        at: String,
        /// Its version.
        version: String,
        /// Its process id.
        pid: u32,
    },
    /// notifierd has ended, in good order.
    Stopped {
        /// When, RFC 3339 in UTC.
        at: String,
    },
}

/// A state that was found, at a first look or after a gap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found<S> {
    /// When it was found, RFC 3339 in UTC; the state has a `since` of its own.
    pub at: String,
    /// The state.
    #[serde(flatten)]
    pub state: S,
}

/// A hook or a prelude that has ended, or couldn't be started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// When it ended, RFC 3339 in UTC.
    pub at: String,
    /// Whose it is, if an instance's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceName>,
    /// Whose it is, if a sync group's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupName>,
    /// Which one: `notify_master`, `notify`, `pre_master` and so on; `startup_script` and `shutdown_script` are nobody's.
    pub hook: String,
    /// The state for which it was run; of a prelude the state to come.
    pub state: Told,
    /// As whom it ran; absent if it never did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// How it ended, in words.
    pub outcome: String,
    /// Whether that is as it should be.
    pub succeeded: bool,
    /// Milliseconds that it took.
    pub duration_ms: u64,
    /// The end of what it wrote.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
}

/// Hooks that weren't run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// When that was decided, RFC 3339 in UTC.
    pub at: String,
    /// Whose they are, if an instance's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceName>,
    /// Whose they are, if a sync group's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupName>,
    /// The state for which they would have been run.
    pub state: Told,
    /// Why they weren't, in words.
    pub reason: String,
}

/// Entries that could not be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// When the next could, RFC 3339 in UTC.
    pub at: String,
    /// How many.
    pub entries: u64,
    /// Nothing was written since notifierd's start: what the one before it had yet to write is missing, too, and isn't counted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_least: bool,
    /// Why, in words.
    pub reason: String,
}

impl Entry {
    /// When, RFC 3339 in UTC.
    #[must_use]
    pub fn at(&self) -> &str {
        match self {
            Self::Event(event) => &event.at,
            Self::GroupEvent(event) => &event.at,
            Self::State(found) => &found.at,
            Self::GroupState(found) => &found.at,
            Self::Hook(ran) => &ran.at,
            Self::Skipped(skipped) => &skipped.at,
            Self::Lost(lost) => &lost.at,
            Self::Gap { at, .. } | Self::Started { at, .. } | Self::Stopped { at } => at,
        }
    }

    /// Whose it is, as names go; `None` for what concerns everybody. An instance and a sync group may share one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Event(event) => Some(event.instance.as_str()),
            Self::GroupEvent(event) => Some(event.group.as_str()),
            Self::State(found) => Some(found.state.instance.as_str()),
            Self::GroupState(found) => Some(found.state.group.as_str()),
            Self::Hook(Ran { instance, group, .. }) | Self::Skipped(Skipped { instance, group, .. }) => {
                let instance = instance.as_ref().map(InstanceName::as_str);
                instance.or(group.as_ref().map(GroupName::as_str))
            }
            Self::Gap { .. } | Self::Lost(_) | Self::Started { .. } | Self::Stopped { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{Cause, Priority};

    use super::*;
    use crate::json;

    #[test]
    fn an_entry_survives_its_line_and_says_when_and_whose() {
        let at = "2026-01-01T00:00:00.000Z".to_owned();
        let (instance, group) = (InstanceName::new("api_vip").unwrap(), GroupName::new("pair").unwrap());
        let state = InstanceState {
            instance: instance.clone(),
            state: Told::Master,
            priority: Priority(120),
            cause: Cause { code: "no-master".into(), text: "nobody was heard".into() },
            since: "2025-12-31T00:00:00.000Z".into(),
        };
        let ran = Ran {
            at: at.clone(),
            instance: None,
            group: Some(group),
            hook: "notify".into(),
            state: Told::Fault,
            user: Some("nobody".into()),
            outcome: "timed out".into(),
            succeeded: false,
            duration_ms: 60_000,
            output: "\u{1b}[2J\n".into(),
        };
        let lost = Lost { at: at.clone(), entries: 3, at_least: true, reason: "no space".into() };
        let entries = [
            (Entry::State(Found { at: at.clone(), state }), Some("api_vip")),
            (Entry::Hook(ran), Some("pair")),
            (Entry::Lost(lost), None),
        ];
        for (entry, name) in entries {
            let line = json::line(&entry).unwrap();
            assert_eq!(json::parse::<Entry>(&line).unwrap(), entry);
            assert_eq!((entry.at(), entry.name()), (at.as_str(), name));
        }
    }
}
