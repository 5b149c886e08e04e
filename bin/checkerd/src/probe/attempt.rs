//! A question that is under way, of whichever kind: a descriptor that tells, and how to go on when it does.

use std::os::fd::{AsFd, BorrowedFd};

use checks::Outcome;

use super::net::{self, Progress};
use super::{name_server, unit};

#[derive(Debug)]
pub(super) enum Attempt {
    Stream(net::Attempt),
    Name(name_server::Attempt),
    Unit(unit::Attempt),
}

impl AsFd for Attempt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Stream(attempt) => attempt.as_fd(),
            Self::Name(attempt) => attempt.as_fd(),
            Self::Unit(attempt) => attempt.as_fd(),
        }
    }
}

impl Attempt {
    /// Goes as far as it gets without waiting.
    pub(super) fn proceed(&mut self) -> Progress {
        match self {
            Self::Stream(attempt) => attempt.proceed(),
            Self::Name(attempt) => attempt.proceed(),
            Self::Unit(attempt) => attempt.proceed(),
        }
    }

    /// What it comes to when its time is over.
    pub(super) fn on_late(&self) -> Outcome {
        match self {
            Self::Stream(_) | Self::Unit(_) => Outcome::TimedOut,
            Self::Name(attempt) => attempt.on_late(),
        }
    }
}
