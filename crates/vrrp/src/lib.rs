//! VRRPv2 (RFC 3768) and VRRPv3 (RFC 9568), sans I/O: packets, elections, timers.
//!
//! Nothing here touches a socket, a clock, a file or a random number. The way through the house:
//! `door` is what goes in and comes out, `settings` how an instance behaves; [`Core`] finds whom an input concerns; `receive`, [`packet`] and [`ah`] judge
//! what the network sent; `eligibility` weighs the facts, `roles` knows which checks count; `machine` decides; `refusal` waits for a kernel that says no; `withdrawal` for an ipmgr that says nothing; `prelude` waits for what comes before the addresses come or go; `handover` gives way without a hole; `instance` and `announcing` speak; `groups` sees to it that some move together; `cause` says why.
//! Another configuration is taken in place: `plan` says what becomes of whom, `retune` how a running instance bears it.
//! docs/conformance.md lists what of the RFCs is held, and by which test.

pub mod ah;
mod announcing;
mod cause;
mod core;
mod door;
mod eligibility;
mod groups;
mod handover;
mod instance;
mod link;
mod machine;
pub mod packet;
mod plan;
mod prelude;
mod queue;
mod receive;
mod refusal;
mod remarks;
mod retune;
mod roles;
mod routes;
mod settings;
mod startup;
mod state;
mod status;
mod timers;
mod withdrawal;

pub use crate::core::{Core, Switched};
pub use door::*;
pub use eligibility::{Of, Weight, weigh};
pub use link::SOURCE_PATIENCE;
pub use plan::{Aspect, Plan, Step, plan};
pub use prelude::{Prelude, Preludes};
pub use settings::{Announcements, Manners, Peer, Role, TrackedLink, default_group};
pub use status::{
    Awaited, AwaitedWhat, GroupView, InstanceView, LinkView, MasterView, PenaltyView, RemarkView, Status,
};
pub use timers::{down_interval, skew};
