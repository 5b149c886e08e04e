//! checkerd's socket: verdicts and status, as JSON Lines. The prose is docs/events.md.
//!
//! The server speaks first: `hello`, then one `verdict` per check, then every change as another `verdict`. That is
//! all that most clients need. A client may send `{"request":"status"}` and gets one `status`. A verdict is a level:
//! the last line about a check is what is so.

use model::{Cause, CheckName, Verdict};
use serde::{Deserialize, Serialize};

use crate::events::Hello;
use crate::reload;

/// What checkerd says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Message {
    /// Always the first line.
    Hello(Hello),
    /// How one check is.
    Verdict(CheckVerdict),
    /// The answer to [`reload::Request::Status`].
    Status(Status),
    /// The answer to [`reload::Request::Reload`].
    Reload(reload::Answer),
    /// A request that was not understood, and why. The connection stays.
    Error {
        /// What to do about it, for a person.
        error: String,
    },
}

/// How one check is, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckVerdict {
    /// Which check.
    pub check: CheckName,
    /// After rise and fall.
    pub verdict: Verdict,
    /// What the file of a `track_file` says; absent for any other check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<i32>,
    /// What it rests on.
    pub cause: Cause,
    /// Since when, RFC 3339 in UTC.
    pub since: String,
}

/// Everything checkerd knows.
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
    /// Every check, in the order of the configuration.
    pub checks: Vec<CheckStatus>,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckStatus {
    /// Its name.
    pub name: CheckName,
    /// After rise and fall.
    pub verdict: Verdict,
    /// What the file of a `track_file` says; absent for any other check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<i32>,
    /// What the verdict rests on.
    pub cause: Cause,
    /// Since when the verdict is so, RFC 3339 in UTC.
    pub since: String,
    /// The program and its arguments, as they are run; of a probe its word, and what it asks.
    pub command: Vec<String>,
    /// Milliseconds from start to start.
    pub interval_ms: u64,
    /// Milliseconds that a run may take.
    pub timeout_ms: u64,
    /// Successes in a row that make it up.
    pub rise: u32,
    /// Failures in a row that make it down.
    pub fall: u32,
    /// Whether a run is active now.
    pub running: bool,
    /// How the last run ended, in words; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_outcome: Option<String>,
    /// The end of what the last run wrote to standard output and standard error.
    pub last_output: String,
    /// Milliseconds that the last run took; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_duration_ms: Option<u64>,
    /// Results since start.
    pub runs: u64,
    /// Those of them that count as failed, timeouts included.
    pub failures: u64,
    /// Those of them that took too long.
    pub timeouts: u64,
    /// How many results in a row went the same way, the last one included.
    pub consecutive: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn a_verdict_reads_as_documented() {
        let verdict = Message::Verdict(CheckVerdict {
            check: CheckName::new("chk_haproxy").unwrap(),
            verdict: Verdict::Down,
            number: None,
            cause: Cause {
                code: "check-failed".into(),
                text: "exited with status 1, 2 times in a row".into(),
            },
            since: "2026-01-01T00:00:00.000Z".into(),
        });
        let line = json::line(&verdict).unwrap();
        assert_eq!(
            String::from_utf8(line.clone()).unwrap(),
            concat!(
                r#"{"type":"verdict","check":"chk_haproxy","verdict":"down","cause":{"code":"check-failed","#,
                r#""text":"exited with status 1, 2 times in a row"},"since":"2026-01-01T00:00:00.000Z"}"#,
                "\n"
            )
        );
        assert_eq!(json::parse::<Message>(&line).unwrap(), verdict);
    }
}
