//! The nouns that cross a process border: names, numbers with a meaning, states, facts about a link.
//!
//! Data only. Nothing here reads a clock, a file or a socket, and nothing decides anything. A type
//! belongs here if, and only if, two of the four daemons have to agree on it.

mod address;
mod name;
mod secret;
mod state;
mod time;

pub use address::{Family, LinkFact, MAX_SOURCES, MacAddress, Transport};
pub use name::{CheckName, GroupName, InstanceName, LinkName, MAX_LINK_NAME, MAX_NAME, NameError};
pub use secret::{Credential, Secret};
pub use state::{Cause, Evidence, Priority, ProtocolVersion, State, Verdict, Vrid};
pub use time::Instant;
