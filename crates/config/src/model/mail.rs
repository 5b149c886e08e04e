//! Whom to tell of states by mail, and by which server: `notification_email` and its siblings in keepalived.conf(5).
//!
//! What it must never do: resolve a name. Whether there is such a server is found out by who sends.

use std::time::Duration;

use crate::Span;

/// The most addresses that mail goes to.
pub const MAX_RECIPIENTS: usize = 64;

/// How states are mailed. There is none unless both a server and recipients are given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// `notification_email`: 1 to [`MAX_RECIPIENTS`] addresses, each `LOCAL@DOMAIN` in ASCII.
    pub recipients: Vec<String>,
    /// `notification_email_from`, likewise; where it isn't given the host's name makes one.
    pub sender: Option<String>,
    /// `smtp_server`.
    pub server: MailServer,
    /// `smtp_helo_name`; the host's name where it isn't given.
    pub hello: Option<String>,
    /// `smtp_connect_timeout`, at least 1 s: how long the server may take to be reached, and for each of its answers.
    pub timeout: Duration,
    /// False with `no_email_faults`: FAULT is not mailed.
    pub faults: bool,
}

/// `smtp_server`: where mail is handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailServer {
    /// A name or an address, as it is written.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// Where it stands.
    pub span: Span,
}
