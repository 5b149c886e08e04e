//! VRRPv2 (RFC 3768) and VRRPv3 (RFC 9568), sans I/O: packets, elections, timers.
//!
//! Nothing here touches a socket, a clock, a file or a random number. Start reading at [`door`].

mod core;
mod door;
mod status;

pub use crate::core::Core;
pub use door::*;
pub use status::{InstanceView, LinkView, MasterView, RemarkView, Status};
