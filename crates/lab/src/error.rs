//! What can go wrong with a lab.

use std::fmt;

/// What was being done, and why it couldn't be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    doing: String,
    why: String,
}

impl Error {
    pub(crate) fn new(doing: impl Into<String>, why: impl fmt::Display) -> Self {
        Self { doing: doing.into(), why: why.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.why)
    }
}

impl std::error::Error for Error {}
