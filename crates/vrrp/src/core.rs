//! The core: routes every input to the instances it concerns and keeps the one queue of deadlines.
//!
//! It must never read a clock, touch a socket or wait. Read RFC 9568 section 6 first.

use std::collections::VecDeque;

use model::Instant;

use crate::door::{CoreConfig, Input, InstanceId, LinkId, Output};
use crate::status::{InstanceView, LinkView, Status};

/// All virtual routers of one host.
#[derive(Debug)]
pub struct Core {
    config: CoreConfig,
    outputs: VecDeque<Output>,
}

impl Core {
    /// Every instance starts undecided and waits for its link's fact and for the address manager.
    #[must_use]
    pub fn new(config: CoreConfig, _now: Instant) -> Self {
        Self { config, outputs: VecDeque::new() }
    }

    /// Takes one input. Timers fire on [`Input::Wake`] alone, so that packets already received are heard first.
    pub fn handle(&mut self, _now: Instant, _input: Input<'_>) {}

    /// The next thing to do, until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to send [`Input::Wake`]; may be earlier than anything is due, never later.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        None
    }

    /// What it was configured with.
    #[must_use]
    pub fn config(&self) -> &CoreConfig {
        &self.config
    }

    /// Everything at once.
    #[must_use]
    pub fn status(&self) -> Status {
        Status { instances: Vec::new(), links: Vec::new() }
    }

    /// One instance; `None` if there is no such place in the configuration.
    #[must_use]
    pub fn instance(&self, _id: InstanceId) -> Option<InstanceView> {
        None
    }

    /// One link; `None` if there is no such place in the configuration.
    #[must_use]
    pub fn link(&self, _id: LinkId) -> Option<LinkView> {
        None
    }
}
