//! What an instance or a check is, in the words that users read.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU8;

use serde::{Deserialize, Serialize};

use crate::InstanceName;

/// The state of an instance as users, hooks and status know it (keepalived's words).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// Not decided yet: waiting for the interface's facts or for first check results.
    Init,
    /// Eligible, and somebody else is master.
    Backup,
    /// Holds the addresses.
    Master,
    /// Not eligible; the cause says why.
    Fault,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "INIT",
            Self::Backup => "BACKUP",
            Self::Master => "MASTER",
            Self::Fault => "FAULT",
        })
    }
}

/// Why something is so: a word for programs, a sentence for the person who is woken by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// A stable, documented word such as `peer-silent` (docs/events.md lists them all).
    pub code: String,
    /// The evidence in a sentence, with names and numbers.
    pub text: String,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What a [`Cause`] rests on, for programs: what there is of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The router that was heard, or isn't any more: the source of its last advert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router: Option<IpAddr>,
    /// The priority in that advert; not told for a goodbye.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router_priority: Option<Priority>,
    /// Milliseconds: of silence, of listening, or that we woke too late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_ms: Option<u64>,
    /// The instance of the same sync group that moved first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<InstanceName>,
    /// Everything that keeps it from taking part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Cause>,
}

impl Evidence {
    /// Whether there is nothing but the cause itself.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What is known of a check after rise and fall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Enough successes.
    Up,
    /// Enough failures.
    Down,
    /// No result yet, or nobody to ask.
    Unknown,
    /// It can't run at all (no such file, not executable, no such user): counts as failed.
    Unrunnable,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Unknown => "unknown",
            Self::Unrunnable => "unrunnable",
        })
    }
}

/// The protocol on the wire: VRRPv2 (RFC 3768, IPv4 only) or VRRPv3 (RFC 9568).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProtocolVersion {
    /// RFC 3768.
    #[serde(rename = "2")]
    V2,
    /// RFC 9568.
    #[serde(rename = "3")]
    V3,
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V2 => "2",
            Self::V3 => "3",
        })
    }
}

/// A virtual router identifier, 1 to 255 (RFC 9568 5.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Vrid(NonZeroU8);

impl Vrid {
    /// `None` for 0.
    #[must_use]
    pub const fn new(id: u8) -> Option<Self> {
        match NonZeroU8::new(id) {
            Some(id) => Some(Self(id)),
            None => None,
        }
    }

    /// The number, 1 to 255.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A priority: 1 to 254, 255 for the owner of the addresses, 0 for "I stop" (RFC 9568 5.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Priority(pub u8);

impl Priority {
    /// The sender stops being master.
    pub const STOP: Self = Self(0);
    /// keepalived's and the RFC's default.
    pub const DEFAULT: Self = Self(100);
    /// The highest that a router which does not own the addresses may have.
    pub const MAX_BACKUP: Self = Self(254);
    /// The owner of the addresses.
    pub const OWNER: Self = Self(255);
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_read_keepalived_words() {
        assert_eq!(serde_json::to_string(&State::Master).unwrap(), "\"MASTER\"");
        assert_eq!(serde_json::to_string(&Verdict::Unrunnable).unwrap(), "\"unrunnable\"");
        assert_eq!(State::Fault.to_string(), "FAULT");
    }

    #[test]
    fn vrid_zero_is_none() {
        assert!(Vrid::new(0).is_none());
        assert_eq!(Vrid::new(255).unwrap().get(), 255);
        assert!(serde_json::from_str::<Vrid>("0").is_err());
    }
}
