//! What is asked: the nodes and the virtual routers that they share, and the failures with every name found.
//!
//! Whatever is wrong with a command line is found here, before anything runs, in a sentence that lists what is known.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use config::{Check, Config, Instance, Role};
use model::{CheckName, Family, LinkName};
use sim::{NodeId, Scenario};

use super::mishap::{Kind, Mishap, Range, TIME_MARK, time};

/// More nodes than on any LAN with VRRP; the simulator's addresses end at 254.
const MAX_NODES: usize = 100;
/// Nothing in these runs is left to chance: the network is calm and every seed is as good.
const SEED: u64 = 1;

/// A configuration and its name.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) name: String,
    pub(crate) config: Config,
}

impl Node {
    /// Whether a check counts while this node waits: one that is `while master` doesn't.
    pub(crate) fn counts_in_waiting(&self, check: &CheckName) -> bool {
        let check = self.config.checks.iter().find(|it| it.name == *check);
        check.is_some_and(|check| !matches!(check.role, Role::Master { .. }))
    }
}

/// An instance that takes part in a virtual router.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) node: NodeId,
    /// The node's name.
    pub(crate) name: String,
    /// The instance's place in the node's configuration.
    pub(crate) place: usize,
    pub(crate) instance: Instance,
}

/// The instances with one link, VRID and family: the same addresses, of which one has them.
#[derive(Clone, Debug)]
pub(crate) struct Router {
    pub(crate) members: Vec<Member>,
}

impl Router {
    /// As the nodes call it: one name, or several that mean the same.
    pub(crate) fn name(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for member in &self.members {
            if !names.contains(&member.instance.name.as_str()) {
                names.push(member.instance.name.as_str());
            }
        }
        names.join("/")
    }

    pub(crate) fn member(&self, node: NodeId) -> Option<&Member> {
        self.members.iter().find(|member| member.node == node)
    }
}

/// Everything that a run is made of.
#[derive(Debug)]
pub(crate) struct Plan {
    /// In the order of the command line.
    pub(crate) nodes: Vec<Node>,
    pub(crate) routers: Vec<Router>,
    /// The checks that can only pass on the master.
    pub(crate) following: Vec<CheckName>,
    /// The longest that a hook's work takes to be noticed.
    pub(crate) slowest_service: Duration,
    /// All nodes, and nothing that goes wrong.
    pub(crate) scenario: Scenario,
}

impl Plan {
    /// Names the nodes and finds what they share.
    ///
    /// # Errors
    /// A sentence: too few or too many nodes, two of one name, an unknown check, or nothing in common.
    pub(crate) fn new(configs: Vec<(&Path, Config)>, only_on_master: &[String]) -> Result<Self, String> {
        if !(2..=MAX_NODES).contains(&configs.len()) {
            let count = configs.len();
            return Err(format!("{count} configurations: at least 2 and at most {MAX_NODES} make a network"));
        }
        let mut scenario = Scenario::new(SEED);
        let mut nodes: Vec<Node> = Vec::new();
        let names = node_names(configs.iter().map(|(path, _)| *path).collect());
        for ((path, config), name) in configs.into_iter().zip(names) {
            if nodes.iter().any(|node| node.name == name) {
                return Err(format!(
                    "{}: two nodes are called {name}: nodes are named as their files, or as their directories where \
                     files have one name",
                    path.display()
                ));
            }
            if let Some(instance) =
                config.instances.iter().find(|it| !it.peers.is_empty() && it.source.is_none())
            {
                return Err(format!(
                    "{name}: {} has unicast_peer and no unicast_src_ip: only the machine knows which address it \
                     speaks from; add unicast_src_ip",
                    instance.name
                ));
            }
            // Nothing is run in a rehearsal.
            let mut core = setup::core_config(&config);
            core.startup_script = Duration::ZERO;
            let id = scenario.node(&name, core, Duration::ZERO);
            nodes.push(Node { id, name, config: with_trackers_of_groups(config) });
        }
        let routers = routers(&nodes);
        if !routers.iter().any(|router| router.members.len() > 1) {
            return Err(nothing_in_common(&nodes));
        }
        let following = Vec::new();
        let mut plan = Self { nodes, routers, following, slowest_service: Duration::ZERO, scenario };
        for name in only_on_master {
            plan.follow(name)?;
        }
        for name in plan.bound_to_the_master() {
            if !plan.following.contains(&name) {
                plan.follow(name.as_str())?;
            }
        }
        Ok(plan)
    }

    /// Every check whose configuration says `while master` on some node: what it looks for runs there alone, as far as
    /// anybody can know.
    fn bound_to_the_master(&self) -> BTreeSet<CheckName> {
        let bound = |check: &&Check| matches!(check.role, Role::Master { .. });
        self.nodes
            .iter()
            .flat_map(|node| tracked(node).into_iter().filter(bound))
            .map(|it| it.name.clone())
            .collect()
    }

    /// Lets a check pass only on the master, wherever it is tracked.
    fn follow(&mut self, name: &str) -> Result<(), String> {
        let mut found = None;
        for node in &self.nodes {
            let Some(check) = tracked(node).into_iter().find(|check| check.name.as_str() == name) else {
                continue;
            };
            let (starting, stopping) = (check.interval * check.rise, noticed(check).most);
            self.slowest_service = self.slowest_service.max(starting).max(stopping);
            self.scenario.only_on_master(node.id, check.name.clone(), starting, stopping);
            found = Some(check.name.clone());
        }
        let found = found.ok_or_else(|| format!("--only-on-master {name}: {}", self.known_checks()))?;
        self.following.push(found);
        Ok(())
    }

    /// The failures that the command line names, with their times.
    ///
    /// # Errors
    /// A sentence with the names that are known.
    pub(crate) fn mishaps(&self, given: &[(&str, &[String])]) -> Result<Vec<(Duration, Mishap)>, String> {
        let mut mishaps = Vec::new();
        for (option, values) in given {
            for value in *values {
                let (value, at) = value.split_once(TIME_MARK).unwrap_or((value, "0s"));
                let at = time(at).map_err(|why| format!("--at {at}: {why}"))?;
                let mishap = self.mishap(option, value).map_err(|why| format!("{option} {value}: {why}"))?;
                mishaps.push((at, mishap));
            }
        }
        mishaps.sort_by_key(|(at, _)| *at);
        Ok(mishaps)
    }

    fn mishap(&self, option: &str, value: &str) -> Result<Mishap, String> {
        let (node, kind) = match option {
            "--fail" => {
                let (check, node) = value.rsplit_once('@').ok_or("write it as CHECK@NODE")?;
                let node = self.node(node)?;
                (node, self.failing(node, check)?)
            }
            "--pause" => {
                let (node, length) = value.rsplit_once(':').ok_or("write it as NODE:TIME, as in a:8s")?;
                (self.node(node)?, Kind::Pause(time(length)?))
            }
            "--partition" => (self.node(value)?, Kind::Partition),
            _ => (self.node(value)?, Kind::Crash),
        };
        Ok(Mishap { node: node.id, name: node.name.clone(), kind })
    }

    /// Whether a check that can only pass on the master holds this member back while it isn't.
    pub(crate) fn holds_back(&self, member: &Member, check: &CheckName) -> bool {
        member.instance.checks.iter().any(|tracked| tracked.check == *check)
            && self.nodes.iter().any(|node| node.id == member.node && node.counts_in_waiting(check))
    }

    fn node(&self, name: &str) -> Result<&Node, String> {
        let names = || self.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join(", ");
        self.nodes
            .iter()
            .find(|node| node.name == name)
            .ok_or_else(|| format!("no node is called {name:?}; the nodes are: {}", names()))
    }

    fn failing(&self, node: &Node, name: &str) -> Result<Kind, String> {
        let check = tracked(node).into_iter().find(|check| check.name.as_str() == name);
        let check = check.ok_or_else(|| self.known_checks())?;
        Ok(Kind::Check(check.name.clone(), noticed(check)))
    }

    /// What a person may have meant.
    fn known_checks(&self) -> String {
        let names = self.nodes.iter().flat_map(|node| {
            tracked(node).into_iter().map(move |check| format!("{}@{}", check.name, node.name))
        });
        let names: Vec<String> = names.collect();
        if names.is_empty() {
            return "no instance of these nodes tracks a check".to_owned();
        }
        format!("no such check is tracked there; the tracked checks are: {}", names.join(", "))
    }

    /// Everything that can go wrong by itself and for good, node by node.
    pub(crate) fn single_mishaps(&self) -> Vec<Mishap> {
        let mut mishaps = Vec::new();
        for node in &self.nodes {
            let checks =
                tracked(node).into_iter().map(|check| Kind::Check(check.name.clone(), noticed(check)));
            let instances = node.config.instances.iter();
            let mut links: Vec<&LinkName> = instances.flat_map(uses).collect();
            links.sort_unstable();
            links.dedup();
            let links = links.into_iter().cloned().map(Kind::Link);
            for kind in checks.chain(links).chain([Kind::Crash, Kind::Partition]) {
                mishaps.push(Mishap { node: node.id, name: node.name.clone(), kind });
            }
        }
        mishaps
    }
}

/// Each as its file; where several files have one name (node1/handover.conf, node2/handover.conf), these as their directories.
fn node_names(paths: Vec<&Path>) -> Vec<String> {
    let file = |path: &Path| path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let directory = |path: &Path| Some(path.parent()?.file_name()?.to_string_lossy().into_owned());
    let alone = |path: &Path| paths.iter().filter(|other| file(other) == file(path)).count() == 1;
    let name =
        |path: &&Path| if alone(path) { file(path) } else { directory(path).unwrap_or_else(|| file(path)) };
    paths.iter().map(name).collect()
}

/// What a sync group tracks every member does. The core has been told of the groups as they are.
fn with_trackers_of_groups(mut config: Config) -> Config {
    for group in &config.groups {
        for member in config.instances.iter_mut().filter(|it| group.members.contains(&it.name)) {
            let (checks, links) = (group.checks.iter(), group.links.iter());
            member.checks.extend(checks.cloned());
            member.links.extend(links.cloned());
        }
    }
    config
}

/// The links that matter to an instance.
pub(crate) fn uses(instance: &Instance) -> impl Iterator<Item = &LinkName> {
    std::iter::once(&instance.link).chain(instance.links.iter().map(|tracked| &tracked.link))
}

/// The checks of a node that some instance tracks.
fn tracked(node: &Node) -> Vec<&Check> {
    let is_tracked = |check: &&Check| {
        node.config.instances.iter().any(|it| it.checks.iter().any(|tracked| tracked.check == check.name))
    };
    node.config.checks.iter().filter(is_tracked).collect()
}

/// How long checkerd needs until it says that a check is down: the first failing run comes within an interval.
fn noticed(check: &Check) -> Range {
    Range { least: check.interval * check.fall.saturating_sub(1), most: check.interval * check.fall }
}

fn routers(nodes: &[Node]) -> Vec<Router> {
    let mut routers: Vec<Router> = Vec::new();
    for node in nodes {
        for (place, instance) in node.config.instances.iter().enumerate() {
            let member = Member { node: node.id, name: node.name.clone(), place, instance: instance.clone() };
            let same = |router: &&mut Router| {
                router.members.iter().any(|other| key(&other.instance) == key(instance))
            };
            match routers.iter_mut().find(same) {
                Some(router) => router.members.push(member),
                None => routers.push(Router { members: vec![member] }),
            }
        }
    }
    routers
}

fn key(instance: &Instance) -> (&LinkName, u8, Family) {
    (&instance.link, instance.vrid.get(), instance.family)
}

fn nothing_in_common(nodes: &[Node]) -> String {
    let list = |node: &Node| {
        let instances = node.config.instances.iter();
        let keys = instances.map(|it| format!("VRID {} on {} ({})", it.vrid, it.link, it.family));
        format!("{} has {}", node.name, keys.collect::<Vec<_>>().join(", "))
    };
    let lists: Vec<String> = nodes.iter().map(list).collect();
    format!(
        "these nodes share no virtual router: {}. Interfaces of the same name are one LAN here",
        lists.join("; ")
    )
}
