//! What the core knows, for people and programs to read: plain copies that change nothing.
//!
//! The daemon turns these into its JSON status; the simulator's oracles read them. Nothing here decides.

use std::net::IpAddr;
use std::time::Duration;

use model::{Cause, CheckName, Instant, Priority, State};

use crate::remarks::Remarks;

/// Everything, in the order of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// One per [`crate::CoreConfig::instances`].
    pub instances: Vec<InstanceView>,
    /// One per [`crate::CoreConfig::groups`].
    pub groups: Vec<GroupView>,
    /// One per [`crate::CoreConfig::links`].
    pub links: Vec<LinkView>,
}

/// One virtual router.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceView {
    /// The state that was last told; `None` once it has stopped for good.
    pub state: Option<State>,
    /// Why it is in that state.
    pub cause: Cause,
    /// Since when.
    pub since: Instant,
    /// The configured priority.
    pub base: Priority,
    /// After the weights of all checks.
    pub effective: Priority,
    /// What keeps it from taking part, one entry each; empty when nothing does.
    pub reasons: Vec<Cause>,
    /// The last other router heard with a priority above 0.
    pub master: Option<MasterView>,
    /// Until when it listens at the latest, because its link came up and has carried no frame since; `None` otherwise.
    pub awaits_frames: Option<Instant>,
    /// What ipmgr, or a prelude, is waited for; `None` if nothing is.
    pub awaited: Option<Awaited>,
    /// Since when adverts are counted: the start, or the reload that has brought the instance.
    pub counted_since: Instant,
    /// Adverts sent since then, one per destination.
    pub adverts_sent: u64,
    /// Valid adverts heard since then.
    pub adverts_received: u64,
    /// Packets that were dropped or remarked on, by reason.
    pub remarks: Vec<RemarkView>,
    /// Addresses that the kernel refused, in its words.
    pub refused: Vec<String>,
    /// What it failed as master and still counts.
    pub penalties: Vec<PenaltyView>,
}

/// What was ordered and has not been answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// What.
    pub what: AwaitedWhat,
    /// Since when.
    pub since: Instant,
}

/// See [`Awaited`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AwaitedWhat {
    /// The prelude before the addresses come; the virtual router is ours already.
    Prelude,
    /// The addresses are to be put in place; the virtual router is ours already.
    Placing,
    /// The addresses are to go, and may still be here.
    Removing,
}

/// A check that failed while the instance was MASTER (`while master`), and counts as failed for a while after that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PenaltyView {
    /// Which.
    pub check: CheckName,
    /// How long it counts after the failure has ended.
    pub length: Duration,
    /// Until when; `None` while the failure lasts.
    pub until: Option<Instant>,
}

/// One sync group.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupView {
    /// The state that was last told; `None` once all members have stopped for good.
    pub state: Option<State>,
    /// Why it is in that state.
    pub cause: Cause,
    /// Since when.
    pub since: Instant,
}

/// Another router, as it was last heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MasterView {
    /// Where its advert came from.
    pub address: IpAddr,
    /// The priority in it.
    pub priority: Priority,
    /// When it came.
    pub heard: Instant,
    /// How far its adverts are apart, as it says.
    pub interval: Duration,
}

/// One link.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkView {
    /// Packets that belonged to no instance, by reason.
    pub strays: Vec<RemarkView>,
}

impl LinkView {
    pub(crate) fn of(strays: &Remarks) -> Self {
        Self { strays: strays.view() }
    }
}

/// A kind of packet that was dropped or remarked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemarkView {
    /// The reason as a stable word (docs/conformance.md).
    pub reason: &'static str,
    /// Whether such packets were dropped.
    pub dropped: bool,
    /// How many.
    pub count: u64,
    /// Who sent the last one.
    pub last_from: IpAddr,
}
