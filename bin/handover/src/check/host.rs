//! `handover check --host`: gathers what only this machine knows. It looks, and changes nothing; what a kernel
//! has as a module it may load when it is asked.

use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use config::{Command, Config, Instance, Probe, Span, UserSpec};
use lint::{Barrier, Feature, Host, HostAddress, HostLink, Lack, Program};
use model::{Credential, LinkName};
use runner::{Refusal, Runner};
use serde_json::Value;
use sys::ability::{self, Ability};
use sys::netlink::{Route, Table};

use super::firewall::{AH, Advert, VRRP, barrier, has_foreign};

/// The longest script that is read for what it starts, in bytes.
const MAX_SCRIPT: u64 = 64 * 1024;
/// What the old packet filter leaves when it is in use (iptables-legacy(8)).
const LEGACY: [&str; 2] = ["/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"];

/// What this machine has of what the configuration wants.
pub(crate) fn look(config: &Config) -> Host {
    let mut host = Host::default();
    if let Err(error) = network(&mut host) {
        host.unseen.push(format!("interfaces and addresses: {error}"));
    }
    programs(config, &mut host);
    pipes(config, &mut host);
    firewall(config, &mut host);
    abilities(config, &mut host);
    host.fallback_user = fallback_user();
    host.keepalived = keepalived();
    host
}

/// A keepalived in our network namespace; one in another, or that we may not look at, is no concern of this host's.
fn keepalived() -> Option<u32> {
    let own = std::fs::read_link("/proc/self/ns/net").ok()?;
    let is_it = |process: &Path| {
        let name = std::fs::read_to_string(process.join("comm")).unwrap_or_default();
        name.trim_end() == "keepalived"
            && std::fs::read_link(process.join("ns/net")).is_ok_and(|its| its == own)
    };
    let processes = std::fs::read_dir("/proc").ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let numbers =
        processes.filter(|path| is_it(path)).filter_map(|path| path.file_name()?.to_str()?.parse().ok());
    numbers.min()
}

/// As whom the services run a check that names no user, if that isn't whoever runs them.
fn fallback_user() -> Option<String> {
    let users = [runner::TRADITIONAL_USER, service::sole::CHECK_USER].into_iter();
    users.map(str::to_owned).find(|user| matches!(sys::user::lookup(user), Ok(Some(_))))
}

/// What the kernel has to be able to do; it is asked for no more than that.
fn abilities(config: &Config, host: &mut Host) {
    let mut note = |feature: Feature, what: &str, ability: Ability| match ability {
        Ability::Has => {}
        Ability::Lacks(words) => {
            host.lacks.push(Lack { feature, text: format!("this kernel has no {what}: {words}") })
        }
        Ability::Unknown(why) => host.unseen.push(format!("whether this kernel has {what}: {why}")),
    };
    if config.instances.iter().any(|it| it.virtual_mac.is_some()) {
        note(Feature::VirtualMac, "macvlan, which `use_vmac` needs", ability::virtual_mac());
    }
    if config.instances.iter().any(|it| !it.accepts) {
        let config::Firewall { table, priority, counters } = config.global.firewall.clone();
        let table = Table { name: table, priority, counters };
        note(Feature::Filter, "nf_tables as of Linux 5.12, which shuts addresses", ability::filter(&table));
    }
    for link in host.links.iter().map(|it| it.name.clone()) {
        let setting = std::fs::read_to_string(format!("/proc/sys/net/ipv6/conf/{link}/disable_ipv6"));
        if setting.is_ok_and(|it| it.trim() == "1") {
            let text = format!("IPv6 is switched off on {link} (net.ipv6.conf.{link}.disable_ipv6 = 1)");
            host.lacks.push(Lack { feature: Feature::Ipv6(link), text });
        }
    }
}

fn network(host: &mut Host) -> Result<(), String> {
    let mut route = Route::open().map_err(|error| error.to_string())?;
    let links = route.links().map_err(|error| error.to_string())?;
    let addresses = route.addresses().map_err(|error| error.to_string())?;
    let name = |index: u32| links.iter().find(|link| link.index == index).map(|link| link.name.clone());
    host.addresses = addresses
        .iter()
        .filter_map(|it| {
            Some(HostAddress {
                link: name(it.link)?,
                address: it.address,
                usable: !it.tentative,
                permanent: it.valid.is_none(),
            })
        })
        .collect();
    host.links = links
        .into_iter()
        .map(|link| HostLink { name: link.name, up: link.up, multicast: link.multicast })
        .collect();
    Ok(())
}

/// Every script and hook, each where it is named.
fn programs(config: &Config, host: &mut Host) {
    let mut runner = Runner::new(config.global.script_user.clone());
    for check in &config.checks {
        if let Probe::Script(command) = &check.probe {
            program(&mut runner, command, check.user.as_ref(), host);
        }
    }
    let outer = [&config.global.startup_script, &config.global.shutdown_script].into_iter().flatten();
    let preludes = config.instances.iter().flat_map(|it| [&it.preludes.master, &it.preludes.backup]);
    let readers = config.global.pipes.iter().filter_map(|pipe| pipe.reader.as_ref());
    let outer = outer.map(|it| &it.hook).chain(readers);
    for hook in outer.chain(preludes.filter_map(|hook| hook.as_deref())) {
        program(&mut runner, &hook.command, hook.user.as_ref(), host);
    }
    let hooks = config.instances.iter().map(|instance| &instance.hooks);
    for hooks in hooks.chain(config.groups.iter().map(|group| &group.hooks)) {
        for hook in hooks.all() {
            program(&mut runner, &hook.command, hook.user.as_ref(), host);
        }
    }
}

/// What notifierd would say of each pipe.
fn pipes(config: &Config, host: &mut Host) {
    for pipe in &config.global.pipes {
        let path = &pipe.path;
        let parent = path.parent().filter(|parent| !parent.is_dir());
        let why = match (std::fs::symlink_metadata(path), parent) {
            (Ok(about), _) if about.file_type().is_fifo() => continue,
            (Ok(about), _) if about.is_symlink() => format!("{} is a symbolic link", path.display()),
            (Ok(_), _) => format!("there is something else than a named pipe at {}", path.display()),
            (Err(_), Some(parent)) => format!("there is no directory {}", parent.display()),
            (Err(_), None) => continue,
        };
        host.pipes.push((pipe.span, why));
    }
}

fn program(runner: &mut Runner, command: &Command, user: Option<&UserSpec>, host: &mut Host) {
    let name = &command.program;
    let mut refusal = None;
    match runner.inspect(name, user) {
        Ok(()) => {}
        Err(error @ Refusal::CannotBecome(_)) => {
            // The daemon may, if this process may not; what it would find there nobody knows.
            let unseen = format!("whether {} can be run: {error}", name.display());
            if !host.unseen.contains(&unseen) {
                host.unseen.push(unseen);
            }
        }
        Err(error) => refusal = Some(error.to_string()),
    }
    let span: Option<Span> = Some(command.span);
    host.programs.push(Program { program: name.clone(), span, text: script(name), refusal });
}

/// The text of a script; `None` for anything else.
fn script(path: &Path) -> Option<String> {
    let metadata = std::fs::metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > MAX_SCRIPT {
        return None;
    }
    std::fs::read_to_string(path).ok().filter(|text| text.starts_with("#!"))
}

fn firewall(config: &Config, host: &mut Host) {
    match ruleset() {
        Ok(ruleset) => {
            for Instance { link, family, credential, .. } in &config.instances {
                let protocol = if matches!(credential, Some(Credential::AhKey(_))) { AH } else { VRRP };
                let found = barrier(&ruleset, Advert { link, family: *family, protocol });
                let barrier = |text| Barrier { link: LinkName::clone(link), family: *family, text };
                host.barriers.extend(found.map(barrier));
            }
            let name = &config.global.firewall.table;
            host.taken_table = has_foreign(&ruleset, name).then(|| name.clone());
        }
        Err(why) => host.unseen.push(format!("the firewall: {why}")),
    }
    let legacy = |path: &&str| std::fs::read_to_string(path).is_ok_and(|tables| !tables.trim().is_empty());
    if LEGACY.iter().any(legacy) {
        host.unseen.push("the rules of iptables-legacy: iptables-legacy-save lists them".to_owned());
    }
}

/// nftables' rules, which iptables' are, too, on today's systems.
#[allow(
    clippy::disallowed_methods,
    reason = "it only reads, and ends; nothing of ours is running that it could disturb"
)]
fn ruleset() -> Result<Value, String> {
    let output = std::process::Command::new("nft").args(["--json", "list", "ruleset"]).output();
    let output = output.map_err(|error| format!("nft: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("nft: {}", said.lines().next().unwrap_or("it failed")));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("nft: {error}"))
}
