//! A reload, on the sockets of vrrp-core, checkerd and notifierd alike. The prose is docs/reload.md.
//!
//! Whoever coordinates asks each to prepare; each reads the file itself and answers with the fingerprint of what it read.
//! Only if all are ready with the same one are they told to commit to it. A commit means "be at this configuration": it may be
//! repeated, and who has prepared nothing (or something else) reads the file once more. A coordinator that goes away has
//! prepared for nothing. No text of a configuration ever crosses a socket.

use serde::{Deserialize, Serialize};

/// What a coordinator may say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Step {
    /// Read the file and keep what it says; answered by [`Answer::Ready`] or [`Answer::Refused`].
    Prepare {
        /// What made the coordinator ask.
        trigger: Trigger,
    },
    /// Run the configuration with this fingerprint; answered by [`Answer::Done`] or [`Answer::Refused`].
    Commit {
        /// As [`Answer::Ready`] gave it.
        config: String,
        /// What made the coordinator ask.
        trigger: Trigger,
    },
    /// Nothing comes of what was prepared, since somebody else objects: for status. Answered by [`Answer::Done`].
    Abandon {
        /// Why, for a person, at most [`MAX_OBJECTION`] characters.
        error: String,
        /// What made the coordinator ask.
        trigger: Trigger,
    },
}

/// How long the reason of an [`Step::Abandon`] may be.
pub const MAX_OBJECTION: usize = 1024;

/// What made somebody coordinate a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// `handover reload`.
    Command,
    /// `handover reload --plan`: nothing is remembered of it.
    Plan,
    /// SIGHUP to a daemon or to `handover run`.
    Signal,
    /// A sibling that found out that not everybody runs the same configuration.
    Sibling,
}

/// What a daemon answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// It has read the file, which is valid.
    Ready {
        /// The fingerprint of what it read.
        config: String,
        /// The fingerprint of what it runs.
        running: String,
        /// What a commit would do to what is this daemon's: nothing, if the two are the same.
        plan: Vec<Planned>,
    },
    /// It runs what it was told to run.
    Done {
        /// The fingerprint of what it runs.
        running: String,
    },
    /// Nothing has changed.
    Refused {
        /// Why, for a person; the diagnostics of an invalid file, a line each.
        error: String,
    },
}

/// What becomes of one thing of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// What it is.
    pub kind: Kind,
    /// Its name: the new one, or the last one of what is removed.
    pub name: String,
    /// The name that it had, if that was another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// What becomes of it.
    pub fate: Fate,
    /// What is different about it, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
}

/// What a configuration consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `vrrp_instance`
    Instance,
    /// `vrrp_sync_group`
    Group,
    /// `vrrp_script`
    Check,
    /// The hooks of an instance.
    InstanceHooks,
    /// The hooks of a sync group.
    GroupHooks,
    /// Mail about states.
    Mail,
    /// What runs before or after everything: `startup_script`, `shutdown_script`.
    OuterScript,
    /// An address, a route or a rule that stands still: `static_ipaddress`, `static_routes`, `static_rules`.
    Static,
    /// `global_defs`
    Global,
}

/// What becomes of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Nothing is different.
    Keep,
    /// It goes on with other settings.
    Retune,
    /// It ends and begins anew.
    Restart,
    /// It begins.
    Add,
    /// It ends.
    Remove,
}

/// The last reload that this daemon took part in, for status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastReload {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// Whose doing it was, in words.
    pub by: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The fingerprint of the file as it was read then.
    pub config: String,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What became of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Another configuration runs.
    Adopted,
    /// The file says what ran already.
    Unchanged,
    /// Nothing has changed, and [`LastReload::error`] says why.
    Refused,
}

/// What a client of checkerd or notifierd may ask. vrrp-core knows these and more ([`crate::events::Request`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// One status.
    Status,
    /// A step of a reload; answered by one [`Answer`].
    Reload(Step),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn requests_are_short_and_strict() {
        let parse = |text: &str| json::parse::<Request>(text.as_bytes());
        assert_eq!(parse(r#"{"request":"status"}"#).unwrap(), Request::Status);
        let prepare = Request::Reload(Step::Prepare { trigger: Trigger::Command });
        assert_eq!(parse(r#"{"request":"reload","step":"prepare","trigger":"command"}"#).unwrap(), prepare);
        let line = json::line(&prepare).unwrap();
        assert_eq!(json::parse::<Request>(&line).unwrap(), prepare);
        for bad in [
            r#"{"request":"run"}"#,
            r#"{"request":"reload"}"#,
            r#"{"request":"reload","step":"commit"}"#,
            r#"{"request":"reload","step":"prepare","trigger":"command","path":"/etc/shadow"}"#,
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_answer_reads_as_documented() {
        let ready = Answer::Ready {
            config: "02".into(),
            running: "01".into(),
            plan: vec![Planned {
                kind: Kind::Instance,
                name: "api".into(),
                was: None,
                fate: Fate::Retune,
                changed: vec!["priority".into()],
            }],
        };
        let line = json::line(&ready).unwrap();
        assert_eq!(
            String::from_utf8(line.clone()).unwrap(),
            concat!(
                r#"{"answer":"ready","config":"02","running":"01","plan":[{"kind":"instance","name":"api","#,
                r#""fate":"retune","changed":["priority"]}]}"#,
                "\n"
            )
        );
        assert_eq!(json::parse::<Answer>(&line).unwrap(), ready);
    }
}
