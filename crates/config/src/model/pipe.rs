//! Named pipes into which transitions are written as lines: `notify_fifo` and its siblings in keepalived.conf(5).
//!
//! What it must never do: look at the file system. Whether there is such a pipe is found out by who opens it.

use std::path::PathBuf;

use super::{Hook, UserSpec};
use crate::Span;

/// `notify_fifo` or `vrrp_notify_fifo`, with the script that reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct NotifyPipe {
    /// The word that asks for it.
    pub word: &'static str,
    /// Where it is; an absolute path.
    pub path: PathBuf,
    /// Whom it is made for; the daemon's own user where it isn't given.
    pub owner: Option<UserSpec>,
    /// `notify_fifo_script` or `vrrp_notify_fifo_script`: runs as long as the daemon does, with the path after its own
    /// arguments.
    pub reader: Option<Hook>,
    /// Where the path stands.
    pub span: Span,
}
