//! What only the machine knows, beside what the configuration wants of it.
//!
//! The facts come in; whoever gathers them has looked and changed nothing. What couldn't be looked at is told, and not
//! taken for good.

use std::net::IpAddr;
use std::path::PathBuf;

use config::{Address, Instance, Severity, Span};
use model::{Family, LinkName};

use crate::finding::{At, Finding};
use crate::page::{Page, When};
use crate::{Node, signal};

/// What a machine has.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// Its interfaces.
    pub links: Vec<HostLink>,
    /// Their addresses.
    pub addresses: Vec<HostAddress>,
    /// The programs that the configuration names.
    pub programs: Vec<Program>,
    /// Named pipes that can't be had as they are, by where they are named, and why.
    pub pipes: Vec<(Span, String)>,
    /// As whom the services run a check that names no user; `None` if that is root, or whoever runs them.
    pub fallback_user: Option<String>,
    /// What keeps adverts out, as far as it could be seen.
    pub barriers: Vec<Barrier>,
    /// The table of nftables that is to shut addresses, if somebody else has one of that name.
    pub taken_table: Option<String>,
    /// What its kernel can't do, of what is wanted.
    pub lacks: Vec<Lack>,
    /// A keepalived that runs here, by its process number.
    pub keepalived: Option<u32>,
    /// What couldn't be looked at, and why.
    pub unseen: Vec<String>,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostLink {
    /// Its name.
    pub name: LinkName,
    /// Switched on, with carrier.
    pub up: bool,
    /// Whether it can do multicast (`IFF_MULTICAST`).
    pub multicast: bool,
}

/// An address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAddress {
    /// Whose it is.
    pub link: LinkName,
    /// The address.
    pub address: IpAddr,
    /// Not tentative.
    pub usable: bool,
    /// Without an end; what Handover adds has one.
    pub permanent: bool,
}

/// A script or a hook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// As the configuration names it.
    pub program: PathBuf,
    /// Where; `None` for all places that name it.
    pub span: Option<Span>,
    /// What is in it, if it could be read.
    pub text: Option<String>,
    /// Why it can't be run.
    pub refusal: Option<String>,
}

/// A firewall rule or policy that drops adverts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Barrier {
    /// On which interface.
    pub link: LinkName,
    /// Of which family.
    pub family: Family,
    /// Which rule it is, for people.
    pub text: String,
}

/// Something that a kernel can't do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// What.
    pub feature: Feature,
    /// How that shows, for people.
    pub text: String,
}

/// What a kernel may lack, or have switched off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Feature {
    /// The interface of a virtual MAC (`use_vmac`).
    VirtualMac,
    /// A filter that shuts addresses (`no_accept`, strict mode).
    Filter,
    /// IPv6 on this interface.
    Ipv6(LinkName),
}

const fn page(
    (id, severity): (&'static str, Severity),
    summary: &'static str,
    why: &'static str,
    cure: &'static str,
) -> Page {
    Page { id, severity, when: When::OnHost, summary, why, example: &[], cure }
}

pub(crate) const MISSING: Page = page(
    ("interface-missing", Severity::Warning),
    "An interface that the configuration names isn't there",
    "The instance waits in FAULT until it appears (keepalived doesn't start at all, unless `dynamic_interfaces` is set). That is right \
     for one that comes and goes, and wrong for a misspelt or renamed one.",
    "Correct the name; `ip -br link` lists those that are there.",
);
pub(crate) const DOWN: Page = page(
    ("interface-down", Severity::Warning),
    "An instance's interface is down or has no carrier",
    "The instance stays in FAULT until it is up.",
    "Switch it on (`ip link set NAME up`), or look at the cable.",
);
pub(crate) const NO_SOURCE: Page = page(
    ("no-source-address", Severity::Warning),
    "There is no address to send adverts from",
    "Adverts are sent from the interface's own address (for IPv6, its link-local one), or from `unicast_src_ip`. Without it the instance \
     stays in FAULT, or its adverts can't be sent.",
    "Give the interface an address besides the virtual ones, or correct `unicast_src_ip`.",
);
pub(crate) const NO_MULTICAST: Page = page(
    ("no-multicast", Severity::Warning),
    "The interface can't do multicast",
    "Adverts go out by multicast where no peers are listed, and on this interface nobody hears them.",
    "List the other routers in `unicast_peer`, and this one in theirs.",
);
pub(crate) const CANNOT_RUN: Page = page(
    ("cannot-run", Severity::Error),
    "A script or a hook can't be run",
    "A check that can't be run is `unrunnable` and counts as failed (keepalived drops it and goes on as if there were none); a hook is not \
     run. Root runs only what nobody else can change.",
    "Do what the message says: install it, make it executable, correct its user, or take the right to change it from others.",
);
pub(crate) const NO_PIPE: Page = page(
    ("pipe-missing", Severity::Warning),
    "A named pipe can't be made, or something else is in its place",
    "notifierd makes the pipe if it isn't there, but not the directory, and it neither follows a link nor writes into a file: whoever is to \
     read of the transitions hears nothing.",
    "Make the directory, or remove what is in the place of the pipe.",
);
pub(crate) const ADDRESS_TAKEN: Page = page(
    ("address-taken", Severity::Warning),
    "A virtual address is on this host already, and not as Handover would add it",
    "What the system's own configuration adds stays when the node is no longer master: two hosts answer for one address. Handover never \
     removes an address that it didn't add. (keepalived, if it runs here, adds them like that, too.)",
    "Remove it from the network configuration of the host; stop keepalived before Handover starts.",
);
pub(crate) const FIREWALL: Page = page(
    ("firewall-drops", Severity::Warning),
    "The firewall drops adverts",
    "A node that hears nobody takes itself for the last one alive and becomes MASTER: both hold the address. This is the most frequent cause of \
     two masters.",
    "Let IP protocol 112 in: `nft add rule inet filter input ip protocol vrrp accept`, for IPv6 `meta l4proto vrrp`.",
);
pub(crate) const LACKS: Page = page(
    ("kernel-lacks", Severity::Warning),
    "The kernel can't do what the configuration asks for",
    "Without macvlan an instance with `use_vmac` stays in FAULT; without nf_tables (Linux 5.12) addresses without accept mode answer; and where \
     IPv6 is switched off, no IPv6 address can be added. It was tried in a network namespace of its own.",
    "Install or load the kernel's module (`modprobe macvlan`, `modprobe nf_tables`), switch IPv6 on (`sysctl net.ipv6.conf.NAME.disable_ipv6=0`), \
     or remove what needs it.",
);
pub(crate) const TABLE_TAKEN: Page = page(
    ("table-taken", Severity::Warning),
    "Somebody else has the table of nftables that is to shut addresses",
    "Handover never touches a table that isn't its own. While there is another of that name, addresses without accept mode answer.",
    "Name Handover's otherwise (`nftables NAME` in `global_defs`), or remove the other: `nft delete table inet NAME`.",
);
pub(crate) const KEEPALIVED: Page = page(
    ("keepalived-runs", Severity::Note),
    "keepalived runs on this host",
    "Two programs with the same virtual router on one host don't hear each other: both become master, and each takes the other's addresses for somebody else's.",
    "Stop it before Handover starts, and for good: `systemctl disable --now keepalived`.",
);
pub(crate) const UNSEEN: Page = page(
    ("could-not-look", Severity::Note),
    "Something about this host couldn't be looked at",
    "No finding about it doesn't mean that it is well.",
    "Run `handover check --host` as root, or look yourself.",
);

pub(crate) fn judge(nodes: &[Node<'_>], findings: &mut Vec<Finding>) {
    for (number, node) in nodes.iter().enumerate() {
        let Some(host) = node.host else { continue };
        for instance in &node.config.instances {
            findings.extend(link(number, instance, host));
            findings.extend(elsewhere(number, instance, host));
            findings.extend(source(number, instance, host));
            findings.extend(instance.held().filter_map(|it| taken(number, instance, it, host)));
            findings.extend(barrier(number, instance, host));
            findings.extend(table(number, instance, host));
            findings.extend(lacks(number, instance, host));
        }
        for program in &host.programs {
            let (Some(refusal), Some(span)) = (&program.refusal, program.span) else { continue };
            findings.push(Finding::new(&CANNOT_RUN, At { node: number, span, block: span }, refusal.clone()));
        }
        for (span, why) in &host.pipes {
            findings.push(Finding::new(
                &NO_PIPE,
                At { node: number, span: *span, block: *span },
                why.clone(),
            ));
        }
        signal::judge(number, node.config, host, findings);
        if let (Some(process), false) = (host.keepalived, node.config.instances.is_empty()) {
            let message = format!("keepalived runs here (process {process}); stop it before Handover starts");
            findings.push(Finding::of_file(&KEEPALIVED, number, message));
        }
        for unseen in &host.unseen {
            findings.push(Finding::of_file(&UNSEEN, number, unseen.clone()));
        }
    }
}

fn find<'h>(host: &'h Host, name: &LinkName) -> Option<&'h HostLink> {
    host.links.iter().find(|link| link.name == *name)
}

/// The interface that adverts go through.
fn link(node: usize, instance: &Instance, host: &Host) -> Option<Finding> {
    let (name, at) = (&instance.link, At::word(node, instance, "interface"));
    match find(host, name) {
        None => Some(Finding::new(
            &MISSING,
            at,
            format!("there is no interface {name}; this host has {}", known(host)),
        )),
        Some(link) if !link.up && instance.follows_link => {
            Some(Finding::new(&DOWN, at, format!("{name} is down or has no carrier")))
        }
        Some(link) if !link.multicast && instance.peers.is_empty() => Some(Finding::new(
            &NO_MULTICAST,
            at,
            format!("{name} can't do multicast, and there is no `unicast_peer`"),
        )),
        Some(_) => None,
    }
}

/// How many interfaces a message lists.
const MAX_KNOWN: usize = 12;

fn known(host: &Host) -> String {
    host.links.iter().take(MAX_KNOWN).map(|link| link.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Other interfaces that it names.
fn elsewhere(node: usize, instance: &Instance, host: &Host) -> Vec<Finding> {
    let tracked = instance.links.iter().map(|it| (&it.link, it.span));
    let added = instance.held().map(|it| (&it.link, it.span));
    // What is made when it is needed needn't be there.
    let own = |name: &LinkName| instance.virtual_mac.as_ref().is_some_and(|own| own.link == *name);
    let named = tracked.chain(added).filter(|(name, _)| **name != instance.link && !own(name));
    named
        .filter(|(name, _)| find(host, name).is_none())
        .map(|(name, span)| {
            let message = format!("there is no interface {name}; this host has {}", known(host));
            Finding::new(&MISSING, At::within(node, instance, span), message)
        })
        .collect()
}

fn source(node: usize, instance: &Instance, host: &Host) -> Option<Finding> {
    find(host, &instance.link)?;
    let on_link = host.addresses.iter().filter(|it| it.link == instance.link && it.usable);
    let mut on_link = on_link.filter(|it| !instance.held().any(|own| own.address == it.address));
    let at = |word| At::word(node, instance, word);
    if let Some(source) = instance.source {
        let word =
            ["unicast_src_ip", "mcast_src_ip"].into_iter().find(|word| instance.given.at(word).is_some());
        let message = format!("{source}, which adverts are to be sent from, is not on {}", instance.link);
        let is_there = on_link.any(|it| it.address == source);
        return (!is_there).then(|| Finding::new(&NO_SOURCE, at(word.unwrap_or("interface")), message));
    }
    let fits = |address: IpAddr| match (address, instance.family) {
        (IpAddr::V4(_), Family::V4) => true,
        (IpAddr::V6(address), Family::V6) => address.is_unicast_link_local(),
        (IpAddr::V4(_), Family::V6) | (IpAddr::V6(_), Family::V4) => false,
    };
    let kind = match instance.family {
        Family::V4 => "IPv4 address",
        Family::V6 => "link-local IPv6 address",
    };
    let message = format!("{} has no {kind} of its own to send adverts from", instance.link);
    (!on_link.any(|it| fits(it.address))).then(|| Finding::new(&NO_SOURCE, at("interface"), message))
}

fn taken(node: usize, instance: &Instance, wanted: &Address, host: &Host) -> Option<Finding> {
    let there = host.addresses.iter().filter(|it| it.address == wanted.address);
    let there = there.into_iter().find(|it| it.link != wanted.link || it.permanent)?;
    let message = if there.link == wanted.link {
        format!(
            "{} is on {} for ever, so something else than Handover put it there",
            wanted.address, there.link
        )
    } else {
        format!("{} is on {} already, and belongs on {}", wanted.address, there.link, wanted.link)
    };
    Some(Finding::new(&ADDRESS_TAKEN, At::within(node, instance, wanted.span), message))
}

fn barrier(node: usize, instance: &Instance, host: &Host) -> Option<Finding> {
    let mut barriers = host.barriers.iter();
    let barrier = barriers.find(|it| it.link == instance.link && it.family == instance.family)?;
    let message = format!("adverts that come in through {} are dropped: {}", instance.link, barrier.text);
    Some(Finding::new(&FIREWALL, At::word(node, instance, "interface"), message))
}

/// Where an instance asks for addresses that don't answer, if it does.
fn shut_by(node: usize, instance: &Instance) -> Option<At> {
    let mut words = ["no_accept", "strict_mode"].into_iter();
    let word = words.find(|word| instance.given.at(word).is_some()).unwrap_or_default();
    (!instance.accepts).then(|| At::word(node, instance, word))
}

fn table(node: usize, instance: &Instance, host: &Host) -> Option<Finding> {
    let (name, at) = (host.taken_table.as_ref()?, shut_by(node, instance)?);
    let message = format!("somebody else has a table `inet {name}` of nftables: the addresses would answer");
    Some(Finding::new(&TABLE_TAKEN, at, message))
}

/// What the instance needs of the kernel that it hasn't.
fn lacks(node: usize, instance: &Instance, host: &Host) -> Vec<Finding> {
    let at = |lack: &Lack| match &lack.feature {
        Feature::VirtualMac => Some(At::within(node, instance, instance.virtual_mac.as_ref()?.span)),
        Feature::Filter => shut_by(node, instance),
        Feature::Ipv6(link) => {
            // An interface of our own is made with its base's settings.
            let base = |name: &LinkName| match &instance.virtual_mac {
                Some(own) if own.link == *name => *link == instance.link,
                Some(_) | None => name == link,
            };
            let six = instance.held().find(|it| it.address.is_ipv6() && base(&it.link))?;
            Some(At::within(node, instance, six.span))
        }
    };
    let found = host.lacks.iter().filter_map(|lack| Some(Finding::new(&LACKS, at(lack)?, lack.text.clone())));
    found.collect()
}
