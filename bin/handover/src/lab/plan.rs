//! From a directory of configurations to hosts: names, interfaces, addresses, files, and what to ask for.
//!
//! Reads files and decides; makes nothing. A rehearsal must run none of the machine's own hooks (they may do things
//! that can't be undone), so each hook is the directory's or one that only prints.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use ::lab::{File, Link};
use config::{Address, Command, Config, ConfigId, Instance};

use super::rules;

/// Where a node finds the files of the directory.
pub(super) const FILES: &str = "/run/lab/files";
/// The host that asks.
pub(super) const CLIENT: &str = "client";
/// How many nodes there may be.
const MAX_NODES: usize = 16;
/// How many files of the directory are shown to the nodes, and how long one may be, in bytes.
const MAX_FILES: usize = 64;
const MAX_FILE: u64 = 64 << 10;
/// The prefix of a subnet whose virtual addresses have none of their own (/32 or /128 means only "this address").
const DEFAULT_V4_PREFIX: u8 = 24;
const DEFAULT_V6_PREFIX: u8 = 64;
/// The host numbers that are tried first: nodes count from 11, the client from 250.
const FIRST_NODE: u32 = 11;
const FIRST_CLIENT: u32 = 250;
/// Where requests go unless haproxy.cfg binds another.
const DEFAULT_PORT: u16 = 80;
/// The process that answers them unless a check asks for one by name.
const DEFAULT_SERVICE: &str = "lab-service";
/// HAProxy is run for real where there is one.
pub(super) const HAPROXY: &str = "haproxy";
/// A hook that isn't in the directory.
const PRINTING_HOOK: &str = "#!/bin/sh\necho \"$0 $*\"\n";

/// All that is to be set up.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) nodes: Vec<Node>,
    pub(super) client: Vec<Link>,
    /// What every node gets.
    pub(super) files: Vec<File>,
    /// The name of the process whose death the checks notice, and which answers the client.
    pub(super) service: String,
    /// A check asks for it, so that killing it is an act.
    pub(super) service_is_checked: bool,
    pub(super) port: u16,
    pub(super) haproxy_cfg: bool,
    /// The address that the client asks.
    pub(super) target: Address,
    /// The instance that has it.
    pub(super) instance: String,
}

/// One host with a configuration.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) config: Config,
    pub(super) links: Vec<Link>,
}

impl Node {
    /// The instance that the story is about.
    pub(super) fn instance(&self, name: &str) -> Option<&Instance> {
        self.config.instances.iter().find(|instance| instance.name.as_str() == name)
    }
}

impl Plan {
    /// Reads a directory.
    ///
    /// # Errors
    /// What to change in it: no configuration, an invalid one (with its report), names that can't be hosts.
    pub(super) fn read(directory: &Path) -> Result<Self, String> {
        let files = text_files(directory)?;
        let mut configs = BTreeMap::new();
        for file in files.iter().filter_map(|file| file.path.rsplit('/').next()) {
            if let Some(name) = file.strip_suffix(".conf") {
                configs.insert(host_name(name)?, load(&directory.join(file), name)?);
            }
        }
        if configs.is_empty() {
            return Err(format!(
                "{}: no NODE.conf file in it, so there is nothing to rehearse",
                directory.display()
            ));
        }
        if configs.len() > MAX_NODES {
            return Err(format!("{}: more than {MAX_NODES} NODE.conf files", directory.display()));
        }
        let (instance, target) = configs
            .values()
            .find_map(|config: &Config| {
                let instance = config.instances.first()?;
                Some((instance.name.as_str().to_owned(), instance.addresses.first()?.clone()))
            })
            .ok_or_else(|| format!("{}: no configuration has a vrrp_instance", directory.display()))?;

        let probes = configs.values().flat_map(|config| &config.checks).map(|check| &check.probe);
        let checked = probes.filter_map(rules::process_asked_for).next().map(str::to_owned);
        let mut subnets = Subnets::of(&configs);
        let links =
            configs.keys().map(|name| (name.clone(), subnets.links_of(name, &configs))).collect::<Vec<_>>();
        let client = subnets.client();
        let haproxy_cfg = files.iter().find(|file| file.path.ends_with("/haproxy.cfg"));
        let port = haproxy_cfg.and_then(|file| port_in(&file.contents)).unwrap_or(DEFAULT_PORT);
        let haproxy_cfg = haproxy_cfg.is_some();
        let hooks = hooks(&configs, &files);
        let nodes = links
            .into_iter()
            .filter_map(|(name, links)| Some(Node { config: configs.remove(&name)?, name, links }));
        Ok(Self {
            nodes: nodes.collect(),
            client,
            files: files.into_iter().chain(hooks).collect(),
            service_is_checked: checked.is_some(),
            service: checked.unwrap_or_else(|| DEFAULT_SERVICE.to_owned()),
            port,
            haproxy_cfg,
            target,
            instance,
        })
    }
}

/// The plain files of the directory, as the nodes will see them.
fn text_files(directory: &Path) -> Result<Vec<File>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", directory.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let facts = fs::metadata(entry.path()).map_err(failed)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !facts.is_file() || facts.len() > MAX_FILE {
            continue;
        }
        // What isn't text is no configuration, and no script either.
        let Ok(contents) = fs::read_to_string(entry.path()) else { continue };
        files.push(File {
            path: format!("{FILES}/{name}"),
            contents,
            mode: facts.permissions().mode() & 0o755,
        });
        if files.len() > MAX_FILES {
            return Err(format!(
                "{}: more than {MAX_FILES} files; is it the right directory?",
                directory.display()
            ));
        }
    }
    Ok(files)
}

/// As the node's own daemons will read it: on a host of that name.
fn load(path: &Path, node: &str) -> Result<Config, String> {
    let loaded = config::load_as(path, &ConfigId::new(node));
    loaded.config.ok_or_else(|| format!("{} is not valid:\n{}", path.display(), loaded.report.render(false)))
}

/// A file's name as a host's name (RFC 1123 2.1), which also sets it apart from the client.
fn host_name(name: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if name.is_empty() || name.len() > 63 || !name.chars().all(fits) || name == CLIENT {
        return Err(format!(
            "{name}.conf: the name becomes a host's, so it may have letters, digits and '-', and can't be '{CLIENT}'"
        ));
    }
    Ok(name.to_owned())
}

/// The port of the first `bind` line.
fn port_in(haproxy_cfg: &str) -> Option<u16> {
    let bind = haproxy_cfg.lines().find_map(|line| line.trim().strip_prefix("bind "))?;
    bind.split_whitespace().next()?.rsplit_once(':')?.1.parse().ok()
}

/// Every hook, and every check's script that the directory has, at the path where the configurations look for it.
fn hooks(configs: &BTreeMap<String, Config>, files: &[File]) -> Vec<File> {
    let own = |command: &Command| -> Option<String> {
        let name = command.program.file_name()?.to_str()?;
        files.iter().find(|file| file.path == format!("{FILES}/{name}")).map(|file| file.contents.clone())
    };
    let mut found = BTreeMap::new();
    let mut add = |command: &Command, otherwise: Option<&str>| {
        let contents = own(command).or(otherwise.map(str::to_owned));
        if let (true, Some(path), Some(contents)) =
            (command.program.is_absolute(), command.program.to_str(), contents)
        {
            found.insert(path.to_owned(), contents);
        }
    };
    for config in configs.values() {
        for outer in [&config.global.startup_script, &config.global.shutdown_script].into_iter().flatten() {
            add(&outer.hook.command, Some(PRINTING_HOOK));
        }
        for instance in &config.instances {
            let hooks = &instance.hooks;
            for hook in [&instance.preludes.master, &instance.preludes.backup].into_iter().flatten() {
                add(&hook.command, Some(PRINTING_HOOK));
            }
            for hook in hooks.all() {
                add(&hook.command, Some(PRINTING_HOOK));
            }
        }
        for check in &config.checks {
            if let Some(command) = check.probe.command() {
                add(command, None);
            }
        }
    }
    found.into_iter().map(|(path, contents)| File { path, contents, mode: 0o755 }).collect()
}

/// The subnets of each interface, and which of their addresses are taken.
#[derive(Debug, Default)]
struct Subnets {
    /// Interface to networks; hosts with an interface of the same name are on the same bridge.
    of_link: BTreeMap<String, BTreeSet<(IpAddr, u8)>>,
    taken: BTreeSet<IpAddr>,
}

impl Subnets {
    fn of(configs: &BTreeMap<String, Config>) -> Self {
        let mut all = Self::default();
        for instance in configs.values().flat_map(|config| &config.instances) {
            all.of_link.entry(instance.link.as_str().to_owned()).or_default();
            for address in &instance.addresses {
                let subnet = (network(address.address, prefix_of(address)), prefix_of(address));
                all.of_link.entry(address.link.as_str().to_owned()).or_default().insert(subnet);
                all.taken.insert(address.address);
            }
            all.taken
                .extend(instance.source.into_iter().chain(instance.peers.iter().map(|peer| peer.address)));
        }
        // An interface that only carries adverts needs addresses all the same.
        for (number, subnets) in (0_u8..).zip(all.of_link.values_mut()) {
            if subnets.is_empty() {
                subnets.insert((Ipv4Addr::new(10, 77, number, 0).into(), DEFAULT_V4_PREFIX));
            }
        }
        all
    }

    /// A node's interfaces: the addresses that the configurations give it for unicast, and one in each subnet.
    fn links_of(&mut self, name: &str, configs: &BTreeMap<String, Config>) -> Vec<Link> {
        let Some(config) = configs.get(name) else { return Vec::new() };
        let mut links = BTreeMap::new();
        for instance in &config.instances {
            let addresses: &mut Vec<(IpAddr, u8)> =
                links.entry(instance.link.as_str().to_owned()).or_default();
            for address in own_unicast(instance, name, configs) {
                let prefix = if address.is_ipv4() { DEFAULT_V4_PREFIX } else { DEFAULT_V6_PREFIX };
                if !addresses.contains(&(address, prefix)) {
                    addresses.push((address, prefix));
                }
            }
            for address in &instance.addresses {
                links.entry(address.link.as_str().to_owned()).or_default();
            }
        }
        let links = links.into_iter();
        links.map(|(link, addresses)| self.link(link, addresses, FIRST_NODE)).collect()
    }

    /// The client is on every bridge.
    fn client(&mut self) -> Vec<Link> {
        let names: Vec<String> = self.of_link.keys().cloned().collect();
        names.into_iter().map(|name| self.link(name, Vec::new(), FIRST_CLIENT)).collect()
    }

    /// Completes an interface with an address in each of its subnets where it has none.
    fn link(&mut self, name: String, mut addresses: Vec<(IpAddr, u8)>, first: u32) -> Link {
        for (subnet, prefix) in self.of_link.get(&name).cloned().unwrap_or_default() {
            if addresses.iter().any(|(address, _)| network(*address, prefix) == subnet) {
                continue;
            }
            let last = 1_u32
                .checked_shl(u32::from(host_bits(subnet, prefix)))
                .map_or(u32::from(u16::MAX), |n| n - 2);
            let candidates = (first..=last).chain(1..first.min(last + 1)).map(|number| nth(subnet, number));
            if let Some(free) = candidates.into_iter().find(|address| !self.taken.contains(address)) {
                self.taken.insert(free);
                addresses.push((free, prefix));
            }
        }
        Link { bridge: name.clone(), name, addresses }
    }
}

/// The address that a node speaks from by unicast: what it says itself, else the one that all others call their peer
/// and it doesn't.
fn own_unicast(instance: &Instance, name: &str, configs: &BTreeMap<String, Config>) -> Vec<IpAddr> {
    if let Some(source) = instance.source {
        return vec![source];
    }
    let others = configs.iter().filter(|(other, _)| *other != name).flat_map(|(_, config)| &config.instances);
    let theirs = others.filter(|other| other.name == instance.name).flat_map(|other| &other.peers);
    let known: BTreeSet<IpAddr> = instance.peers.iter().map(|peer| peer.address).collect();
    let ours: BTreeSet<IpAddr> =
        theirs.map(|peer| peer.address).filter(|peer| !known.contains(peer)).collect();
    ours.into_iter().collect()
}

/// The prefix length of the subnet that a virtual address is in.
fn prefix_of(address: &Address) -> u8 {
    match address.address {
        IpAddr::V4(_) if address.prefix > 30 => DEFAULT_V4_PREFIX,
        IpAddr::V6(_) if address.prefix > 126 => DEFAULT_V6_PREFIX,
        IpAddr::V4(_) | IpAddr::V6(_) => address.prefix,
    }
}

/// The bits of a subnet's addresses that tell hosts apart; no more than count, since addresses are tried in order.
fn host_bits(subnet: IpAddr, prefix: u8) -> u8 {
    let bits = if subnet.is_ipv4() { 32 } else { 128 };
    u8::saturating_sub(bits, prefix).min(16)
}

fn network(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(it) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(prefix.into())).unwrap_or(0);
            Ipv4Addr::from(u32::from(it) & mask).into()
        }
        IpAddr::V6(it) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(prefix.into())).unwrap_or(0);
            Ipv6Addr::from(u128::from(it) & mask).into()
        }
    }
}

fn nth(subnet: IpAddr, number: u32) -> IpAddr {
    match subnet {
        IpAddr::V4(it) => Ipv4Addr::from(u32::from(it).saturating_add(number)).into(),
        IpAddr::V6(it) => Ipv6Addr::from(u128::from(it).saturating_add(number.into())).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configs(texts: &[(&str, &str)]) -> BTreeMap<String, Config> {
        let parse = |text: &str| config::parse("test.conf", text.as_bytes()).config.unwrap();
        texts.iter().map(|(name, text)| ((*name).to_owned(), parse(text))).collect()
    }

    fn addresses(link: &Link) -> Vec<String> {
        link.addresses.iter().map(|(address, prefix)| format!("{address}/{prefix}")).collect()
    }

    const PAIR: &str = "vrrp_instance a {\n interface eth0\n virtual_router_id 5\n priority 100\n \
                        virtual_ipaddress {\n 192.168.1.11/32\n 10.0.0.9/29 dev eth1\n }\n}\n";

    #[test]
    fn a_file_is_read_as_its_own_host_reads_it() {
        let path = std::env::temp_dir().join(format!("handover-lab-plan-{}.conf", std::process::id()));
        fs::write(&path, PAIR.replace(" priority 100", " @a priority 120\n @^a priority 90")).unwrap();
        let priority = |node: &str| load(&path, node).unwrap().instances[0].priority.to_string();
        assert_eq!([priority("a"), priority("b")], ["120", "90"]);
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn addresses_are_in_the_virtual_addresses_subnets_and_free() {
        let configs = configs(&[("a", PAIR), ("b", PAIR)]);
        let mut subnets = Subnets::of(&configs);
        let a = subnets.links_of("a", &configs);
        // .11 is virtual, and a /29 has no host 11.
        assert_eq!(
            (addresses(&a[0]), addresses(&a[1])),
            (vec!["192.168.1.12/24".into()], vec!["10.0.0.10/29".into()])
        );
        let b = subnets.links_of("b", &configs);
        assert_eq!(
            (addresses(&b[0]), addresses(&b[1])),
            (vec!["192.168.1.13/24".into()], vec!["10.0.0.11/29".into()])
        );
        let client = subnets.client();
        assert_eq!(addresses(&client[0]), ["192.168.1.250/24"]);
        assert_eq!((client[1].name.as_str(), client[1].bridge.as_str()), ("eth1", "eth1"));
    }

    #[test]
    fn unicast_peers_get_the_addresses_that_are_configured() {
        let with_peer =
            |peer: &str| PAIR.replace("priority", &format!("unicast_peer {{\n {peer}\n }}\n priority"));
        let (a, b) = (with_peer("192.168.1.52"), with_peer("192.168.1.51"));
        let configs = configs(&[("a", &a), ("b", &b)]);
        let mut subnets = Subnets::of(&configs);
        assert_eq!(addresses(&subnets.links_of("a", &configs)[0]), ["192.168.1.51/24"]);
        assert_eq!(addresses(&subnets.links_of("b", &configs)[0]), ["192.168.1.52/24"]);
    }

    #[test]
    fn the_port_is_what_haproxy_binds() {
        assert_eq!(port_in("frontend x\n    bind *:8080 ssl\n"), Some(8080));
        assert_eq!(port_in("frontend x\n"), None);
    }

    #[test]
    fn names_of_files_become_names_of_hosts() {
        assert!(host_name("node-a").is_ok());
        for bad in ["", "client", "a b", "a.b", "../x"] {
            assert!(host_name(bad).is_err(), "{bad}");
        }
    }
}
