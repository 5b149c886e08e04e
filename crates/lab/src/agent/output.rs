//! Standard output, shared by the threads of an agent or init: one message at a time.

use std::io;
use std::sync::Arc;

use crate::protocol::{self, Message};

/// The one way out. Each message is written whole.
#[derive(Clone, Debug)]
pub(super) struct Output(Arc<io::Stdout>);

impl Output {
    pub(super) fn new() -> Self {
        Self(Arc::new(io::stdout()))
    }

    /// Waits while the reader is behind.
    ///
    /// # Errors
    /// `EPIPE` when the reader is gone.
    pub(super) fn say(&self, message: &Message) -> io::Result<()> {
        protocol::write(&mut self.0.lock(), message)
    }
}
