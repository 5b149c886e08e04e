//! What a run is made of: nodes with a configuration each, the weather on the LAN, and a script of faults.
//!
//! Built by hand (a rehearsal, a golden transcript) or by [`crate::random`]. Nothing here runs anything, and nothing
//! here may depend on chance: [`Scenario::run`] hands everything to the world.

use std::fmt;
use std::time::Duration;

use checks::{CheckConfig, Outcome};
use model::{CheckName, LinkName, Verdict};
use vrrp::{CoreConfig, InstanceConfig};

use crate::checker::Probe;
use crate::report::{Failure, Report};
use crate::service::Service;
use crate::world::World;

/// A node by its place in the scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) usize);

/// What the network does to packets. Nothing is certain about an order: two packets with different delays overtake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// How many of a thousand deliveries don't happen. While above 0 nothing is demanded of elections: any number of
    /// adverts in a row may be lost.
    pub loss: u16,
    /// How many of a thousand deliveries happen twice.
    pub duplicates: u16,
    /// How many of a thousand packets come back to their sender (a bridge loop), as V3-RX-11 must bear.
    pub echoes: u16,
    /// The longest a packet takes; each takes any time up to it.
    pub delay: Duration,
}

impl Weather {
    /// Every packet arrives at once, once.
    pub const CALM: Self = Self { loss: 0, duplicates: 0, echoes: 0, delay: Duration::ZERO };
}

/// How slow the hosts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostDelays {
    /// The longest that a message between two processes of a host takes; they stay in order.
    pub message: Duration,
    /// By how much more ipmgr's answers to orders are late at most; what it says after them waits for them.
    pub answer: Duration,
    /// The longest that a due timer is late.
    pub wake: Duration,
}

impl HostDelays {
    /// Everything happens at once.
    pub const NONE: Self = Self { message: Duration::ZERO, answer: Duration::ZERO, wake: Duration::ZERO };
}

/// Something that happens to the nodes or to the network. A fault that can't happen (a crash of what isn't running)
/// does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The host starts, with all its processes.
    StartHost(NodeId),
    /// The host loses power: processes and addresses are gone.
    CrashHost(NodeId),
    /// A virtual machine is stopped: nothing in it runs or answers, what arrives waits, boot time goes on.
    PauseHost(NodeId),
    /// It goes on, and everything that waited happens at once.
    ResumeHost(NodeId),
    /// vrrp-core starts (again).
    StartCore(NodeId),
    /// vrrp-core is killed (SIGKILL); ipmgr holds the addresses for the grace.
    CrashCore(NodeId),
    /// vrrp-core is told to stop for good (SIGTERM).
    StopCore(NodeId),
    /// vrrp-core alone stands still (SIGSTOP); ipmgr gives it up after the grace.
    PauseCore(NodeId),
    /// It goes on (SIGCONT), and everything that waited happens at once.
    ResumeCore(NodeId),
    /// ipmgr is killed: the addresses stay on the host, and nobody can change them. (That the kernel drops them after
    /// their lifetime is not simulated: a manager that stays away makes two masters.)
    CrashManager(NodeId),
    /// ipmgr starts again and finds what is left.
    StartManager(NodeId),
    /// The link loses its carrier.
    LinkDown(NodeId, LinkName),
    /// The carrier is back.
    LinkUp(NodeId, LinkName),
    /// A check's verdict changes. `Unknown` is checkerd falling silent: what was known holds.
    Verdict(NodeId, CheckName, Verdict),
    /// Runs of a check that start from now on end like this ([`Scenario::probe`]).
    Result(NodeId, CheckName, Outcome),
    /// An operator takes the node out of all elections; whoever keeps the order gives it again to a new core.
    Drain(NodeId),
    /// It may take part again.
    Undrain(NodeId),
    /// The host's processes take another configuration ([`Scenario::reload`]), the one at this place.
    Reload(NodeId, usize),
    /// The kernel refuses every address that isn't there yet.
    Refuse(NodeId),
    /// It refuses no more; what was refused is tried again some time later.
    Relent(NodeId),
    /// Its ipmgr carries out orders at once and answers them so much later, until it is told zero. As with a kernel that
    /// refuses, no elections are judged until its core has tried again.
    Dawdle(NodeId, Duration),
    /// The host's clock jumps ahead, as those of virtual machines do when they move.
    Jump(NodeId, Duration),
    /// What the first sends doesn't reach the second, whatever the weather. Nothing is demanded of elections meanwhile.
    Block(NodeId, NodeId),
    /// The network falls into parts. Who is in none of them is in one more, together.
    Partition(Vec<Vec<NodeId>>),
    /// One network again, in all directions.
    Heal,
    /// The weather changes.
    Weather(Weather),
    /// A firewall on the node drops what comes in for protocol 112, although everything is connected: the first
    /// cause of two masters in the field (pain A1). The oracles count the node as connected, so they complain.
    Deafen(NodeId),
}

/// One node before it runs.
#[derive(Clone, Debug)]
pub(crate) struct NodeSpec {
    pub(crate) name: String,
    pub(crate) config: CoreConfig,
}

/// A run before it runs.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub(crate) seed: u64,
    pub(crate) nodes: Vec<NodeSpec>,
    pub(crate) weather: Weather,
    pub(crate) delays: HostDelays,
    pub(crate) script: Vec<(Duration, Fault)>,
    pub(crate) services: Vec<(NodeId, Service)>,
    pub(crate) probes: Vec<(NodeId, Probe)>,
    /// What [`Fault::Reload`] counts.
    pub(crate) reloads: Vec<CoreConfig>,
    pub(crate) length: Duration,
    /// Preludes are late, or hang; else they are done at once.
    pub(crate) fickle_preludes: bool,
}

impl Scenario {
    /// Nothing on a calm network. The seed decides about all chance within the run: delays, losses, who is first.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            nodes: Vec::new(),
            weather: Weather::CALM,
            delays: HostDelays::NONE,
            script: Vec::new(),
            services: Vec::new(),
            probes: Vec::new(),
            reloads: Vec::new(),
            length: Duration::ZERO,
            fickle_preludes: false,
        }
    }

    /// Adds a node that starts at `start`. Links of the same name are one LAN.
    pub fn node(&mut self, name: impl Into<String>, config: CoreConfig, start: Duration) -> NodeId {
        let id = NodeId(self.nodes.len());
        self.nodes.push(NodeSpec { name: name.into(), config: with_trackers_of_groups(config) });
        self.at(start, Fault::StartHost(id));
        id
    }

    /// The weather from the beginning.
    pub const fn weather(&mut self, weather: Weather) {
        self.weather = weather;
    }

    /// How slow all hosts are.
    pub const fn delays(&mut self, delays: HostDelays) {
        self.delays = delays;
    }

    /// Lets a fault happen at a time from the beginning; two of the same time happen in the order of the calls.
    pub fn at(&mut self, time: Duration, fault: Fault) {
        self.script.push((time, fault));
        self.length = self.length.max(time);
    }

    /// Lets a node take another configuration, as valid as its first one.
    pub fn reload(&mut self, time: Duration, node: NodeId, config: CoreConfig) {
        self.at(time, Fault::Reload(node, self.reloads.len()));
        self.reloads.push(config);
    }

    /// Says that what `check` looks for runs only while the node is master of an instance that tracks it, since hooks
    /// start and stop it. The verdict follows: up `starting` after MASTER, down `stopping` after it. A scripted
    /// [`Fault::Verdict`] on this check is final: from then on hooks can't help.
    pub fn only_on_master(&mut self, node: NodeId, check: CheckName, starting: Duration, stopping: Duration) {
        self.services.push((node, Service::new(check, starting, stopping)));
    }

    /// Lets a node make a check as checkerd does: on schedule, with rise, fall and a timeout. Its runs pass until
    /// [`Fault::Result`] says otherwise; the verdict is checkerd's own, so no [`Fault::Verdict`] may speak of it.
    pub fn probe(&mut self, node: NodeId, check: CheckName, config: CheckConfig, timeout: Duration) {
        self.probes.push((node, Probe { check, config, timeout, outcome: Outcome::Passed }));
    }

    /// By when every virtual router has the master that it will have, after the last disturbance ([`crate::settling_time`]).
    #[must_use]
    pub fn settling(&self) -> Duration {
        World::new(self).settling()
    }

    /// Ends the run at this time from the beginning (at the last fault otherwise).
    pub fn until(&mut self, time: Duration) {
        self.length = self.length.max(time);
    }

    /// Runs it.
    ///
    /// # Errors
    /// The first oracle that was violated, with the last lines of the trace.
    pub fn run(&self) -> Result<Report, Box<Failure>> {
        World::new(self).run(self.length)
    }

    /// Runs it to its end, whatever the oracles say: for configurations that may be wrong, where two masters are a
    /// result and not a mistake of the core's.
    #[must_use]
    pub fn watch(&self) -> Watched {
        World::new(self).watch(self.length)
    }

    pub(crate) fn name(&self, node: NodeId) -> &str {
        self.nodes.get(node.0).map_or("?", |spec| spec.name.as_str())
    }
}

/// What was seen of a run that no oracle could end.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Everything that happened.
    pub report: Report,
    /// The first oracle that was violated, if any.
    pub failure: Option<Box<Failure>>,
}

/// A fault as a person reads it, with the names of the scenario's nodes.
pub(crate) struct Described<'a>(pub(crate) &'a Scenario, pub(crate) &'a Fault);

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(scenario, fault) = self;
        let name = |node: &NodeId| scenario.name(*node);
        match fault {
            Fault::StartHost(node) => write!(f, "{} starts", name(node)),
            Fault::CrashHost(node) => write!(f, "{} loses power", name(node)),
            Fault::PauseHost(node) => write!(f, "{} is paused", name(node)),
            Fault::ResumeHost(node) => write!(f, "{} is resumed", name(node)),
            Fault::StartCore(node) => write!(f, "{}'s vrrp-core starts", name(node)),
            Fault::CrashCore(node) => write!(f, "{}'s vrrp-core is killed", name(node)),
            Fault::StopCore(node) => write!(f, "{}'s vrrp-core is told to stop", name(node)),
            Fault::PauseCore(node) => write!(f, "{}'s vrrp-core is paused", name(node)),
            Fault::ResumeCore(node) => write!(f, "{}'s vrrp-core is resumed", name(node)),
            Fault::CrashManager(node) => write!(f, "{}'s ipmgr is killed", name(node)),
            Fault::StartManager(node) => write!(f, "{}'s ipmgr starts", name(node)),
            Fault::LinkDown(node, link) => write!(f, "{}'s {link} goes down", name(node)),
            Fault::LinkUp(node, link) => write!(f, "{}'s {link} comes up", name(node)),
            Fault::Verdict(node, check, verdict) => write!(f, "{}'s check {check} is {verdict}", name(node)),
            Fault::Result(node, check, outcome) => {
                write!(f, "runs of {}'s check {check} from now on: {outcome}", name(node))
            }
            Fault::Drain(node) => write!(f, "{} is drained", name(node)),
            Fault::Undrain(node) => write!(f, "{} is drained no more", name(node)),
            Fault::Reload(node, place) => write!(f, "{} reloads: configuration {place}", name(node)),
            Fault::Refuse(node) => write!(f, "{}'s kernel refuses addresses", name(node)),
            Fault::Relent(node) => write!(f, "{}'s kernel takes addresses again", name(node)),
            Fault::Dawdle(node, Duration::ZERO) => write!(f, "{}'s ipmgr answers in time again", name(node)),
            Fault::Dawdle(node, by) => write!(f, "{}'s ipmgr answers {by:?} late", name(node)),
            Fault::Jump(node, by) => write!(f, "{}'s clock jumps ahead by {by:?}", name(node)),
            Fault::Block(from, to) => write!(f, "{} isn't heard by {} any more", name(from), name(to)),
            Fault::Partition(parts) => {
                write!(f, "the network falls apart:")?;
                for part in parts {
                    write!(f, " [{}]", part.iter().map(name).collect::<Vec<_>>().join(" "))?;
                }
                Ok(())
            }
            Fault::Heal => write!(f, "the network is one again"),
            Fault::Weather(Weather { loss, duplicates, echoes, delay }) => write!(
                f,
                "the weather is: lost {loss}, doubled {duplicates}, echoed {echoes} of 1000, late up to {delay:?}"
            ),
            Fault::Deafen(node) => write!(f, "{}'s firewall drops protocol 112 on its way in", name(node)),
        }
    }
}

/// What a sync group tracks each of its members does, without a weight if either says so. For the judges, who look at
/// instances; the core finds that its members track it already.
fn with_trackers_of_groups(mut config: CoreConfig) -> CoreConfig {
    for group in &config.groups {
        for member in &group.members {
            let Some(instance) = config.instances.get_mut(member.0) else { continue };
            let InstanceConfig { checks, tracked_links: links, .. } = instance;
            for tracked in &group.checks {
                if !checks.iter().any(|own| own.check == tracked.check && own.weight == 0) {
                    checks.retain(|own| own.check != tracked.check);
                    checks.push(tracked.clone());
                }
            }
            for tracked in &group.tracked_links {
                if !links.iter().any(|own| own.link == tracked.link && own.weight == 0) {
                    links.retain(|own| own.link != tracked.link);
                    links.push(*tracked);
                }
            }
        }
    }
    config
}
