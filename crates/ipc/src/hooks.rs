//! notifierd's socket: what was run for which instance or sync group, as JSON Lines. The prose is docs/events.md.
//!
//! The server speaks first (`hello`). A client may send `{"request":"status"}` and gets one `status`.

use model::{GroupName, InstanceName};
use serde::{Deserialize, Serialize};

use crate::events::{Hello, Told};
use crate::reload;

/// The file beside notifierd's socket that says that instances may take part in this boot of the machine: `startup_script` has
/// been run, or wasn't configured. Only notifierd reads it; who starts everything anew removes it.
pub const STARTED_FILE: &str = "started.json";

/// What notifierd says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Message {
    /// Always the first line.
    Hello(Hello),
    /// The answer to [`reload::Request::Status`].
    Status(Box<Status>),
    /// The answer to [`reload::Request::Reload`].
    Reload(reload::Answer),
    /// A request that was not understood, and why. The connection stays.
    Error {
        /// What to do about it, for a person.
        error: String,
    },
}

/// Everything notifierd knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// [`crate::json::PROTOCOL`].
    pub protocol: u32,
    /// The program's version.
    pub version: String,
    /// Its process id: together with `at` it says how fresh this is.
    pub pid: u32,
    /// When this was said, RFC 3339 in UTC.
    pub at: String,
    /// The fingerprint of the configuration that it runs.
    pub config: String,
    /// The last reload; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_reload: Option<reload::LastReload>,
    /// Whether vrrp-core's feed is connected.
    pub connected: bool,
    /// What notifierd can't do beside its hooks, such as to remember on disk what was told, and hooks that left behind who still
    /// holds their output; in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<String>,
    /// The history on disk (docs/history.md).
    #[serde(default)]
    pub history: HistoryView,
    /// What runs before any instance takes part; absent where none is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup_script: Option<OuterView>,
    /// What runs once all have given up; absent where none is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shutdown_script: Option<OuterView>,
    /// Every instance, in the order of the configuration.
    pub instances: Vec<InstanceHooks>,
    /// Every sync group, in the order of the configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupHooks>,
    /// Every named pipe into which transitions are written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pipes: Vec<PipeView>,
    /// Mail about states; absent where none is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<MailView>,
}

/// Mail about states (`smtp_server`). The numbers count from notifierd's start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailView {
    /// Where it is handed in: `HOST port PORT`.
    pub server: String,
    /// Letters that wait, or are just being handed in.
    pub waiting: u64,
    /// Letters that the server took.
    pub sent: u64,
    /// Letters that it refused for good.
    pub refused: u64,
    /// Letters that were given up: too many waited, or for too long.
    pub lost: u64,
    /// Why the server didn't take the last one, in words; absent while all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// The last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<MailRun>,
}

/// An attempt to hand in a letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailRun {
    /// The letter's subject.
    pub subject: String,
    /// What came of it, in words.
    pub outcome: String,
    /// When, RFC 3339 in UTC.
    pub at: String,
}

/// How the history on disk fares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryView {
    /// Where it is.
    pub path: String,
    /// Entries that could not be written since the start.
    pub lost: u64,
    /// Why it can't be written, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// A named pipe into which transitions are written (`notify_fifo`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipeView {
    /// Where it is.
    pub path: String,
    /// How many instances and groups have a line that waits for room.
    pub waiting: u64,
    /// Lines that were overtaken by a newer one while they waited.
    pub overtaken: u64,
    /// What is wrong with it, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// How the script is that reads it, in words; absent if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader: Option<String>,
}

/// The hooks of one instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceHooks {
    /// Its name.
    pub instance: InstanceName,
    /// How they are, in the same object.
    #[serde(flatten)]
    pub hooks: HooksView,
}

/// The hooks of one sync group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupHooks {
    /// Its name.
    pub group: GroupName,
    /// How they are, in the same object.
    #[serde(flatten)]
    pub hooks: HooksView,
}

/// What was and is run for one of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HooksView {
    /// A reload has removed it, and its last hooks run or wait still.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
    /// The last state for which hooks were begun; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
    /// How many states are waiting.
    pub queued: u64,
    /// The hook that runs now, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<String>,
    /// The hook that ended last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<HookRun>,
    /// Those that failed when they ended last, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<HookRun>,
    /// Hooks that were run since start.
    pub runs: u64,
    /// Those of them that failed, timed out or couldn't be run.
    pub failures: u64,
    /// States that were overtaken by a newer one while they waited.
    pub superseded: u64,
    /// What runs before its addresses come or go; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prelude: Option<PreludeView>,
}

/// The preludes of an instance (`pre_master`, `pre_backup`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreludeView {
    /// The one that runs now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<String>,
    /// The one that ended last; its state is the one that was to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<HookRun>,
}

/// `startup_script` or `shutdown_script`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OuterView {
    /// Whether it runs now.
    pub running: bool,
    /// How it ended last, since notifierd's start: its state is INIT or STOP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<HookRun>,
}

/// A hook that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookRun {
    /// Which one: `notify_master`, `notify` and so on.
    pub hook: String,
    /// The state it was run for.
    pub state: Told,
    /// How it ended, in words.
    pub outcome: String,
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// As whom it ran; absent if it never did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Milliseconds that it took.
    pub duration_ms: u64,
    /// The end of what it wrote to standard output and standard error.
    pub output: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn a_status_survives_its_line() {
        let hooks = HooksView {
            removed: false,
            told: Some(Told::Master),
            queued: 0,
            running: None,
            last: None,
            failed: Vec::new(),
            runs: 1,
            failures: 0,
            superseded: 0,
            prelude: None,
        };
        let status = Message::Status(Box::new(Status {
            protocol: json::PROTOCOL,
            version: "0.1.0".into(),
            pid: 1,
            at: "2026-01-01T00:00:00.000Z".into(),
            config: "00".into(),
            last_reload: None,
            connected: true,
            troubles: Vec::new(),
            history: HistoryView::default(),
            startup_script: Some(OuterView { running: true, last: None }),
            shutdown_script: None,
            instances: vec![InstanceHooks {
                instance: InstanceName::new("api_vip").unwrap(),
                hooks: hooks.clone(),
            }],
            groups: vec![GroupHooks { group: GroupName::new("pair").unwrap(), hooks }],
            pipes: vec![PipeView {
                path: "/run/pipe".into(),
                waiting: 1,
                overtaken: 2,
                trouble: Some("full".into()),
                reader: None,
            }],
            mail: Some(MailView {
                server: "::1 port 25".into(),
                waiting: 1,
                sent: 2,
                refused: 3,
                lost: 4,
                trouble: None,
                last: Some(MailRun {
                    subject: "[fw1] VRRP Instance api_vip - Entering MASTER state".into(),
                    outcome: "sent".into(),
                    at: "2026-01-01T00:00:00.000Z".into(),
                }),
            }),
        }));
        let line = json::line(&status).unwrap();
        assert_eq!(json::parse::<Message>(&line).unwrap(), status);
        let whole: serde_json::Value = json::parse(&line).unwrap();
        assert_eq!(whole.pointer("/groups/0/told").and_then(|told| told.as_str()), Some("MASTER"), "{whole}");
    }
}
