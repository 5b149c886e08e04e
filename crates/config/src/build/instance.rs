//! `vrrp_instance`.

use std::net::IpAddr;
use std::time::Duration;

use model::{Family, InstanceName, LinkName, Priority, ProtocolVersion, Vrid};

use super::tracking::{self, Known};
use super::{Defaults, Named, addresses, bad_name, version};
use crate::directives::Place;
use crate::model::{Address, Hooks, Instance, TrackedCheck};
use crate::report::{Complaints, Diagnostic, quote};
use crate::section::Section;
use crate::source::Span;

/// How much of a password is sent (RFC 2338 5.3.10).
const PASSWORD_LENGTH: usize = 8;
/// What twelve bits of hundredths of a second can tell (RFC 9568 5.2.7).
const MAX_INTERVAL_V3: Duration = Duration::from_micros(40_950_000);
const STEP_V2: Duration = Duration::from_secs(1);
const STEP_V3: Duration = Duration::from_millis(10);
/// The loopback interface's name everywhere.
const LOOPBACK: &str = "lo";

/// An instance and where it says what only [`super::rules`] can judge.
pub(super) struct Draft {
    pub(super) instance: Instance,
    pub(super) vrid: Span,
}

/// `None` after a complaint about something that nothing can stand in for.
pub(super) fn instance(
    block: &Named<'_>,
    defaults: &Defaults,
    known: &Known<'_>,
    complaints: &mut Complaints,
) -> Option<Draft> {
    let mut section = Section::new(Place::Instance);
    section.read(block.block, complaints);
    require(block, &section, complaints);
    let link = link(&section, complaints);
    let addresses = addresses::virtual_addresses(&section, link.as_ref(), complaints);
    let family = family(&section, &addresses, complaints);
    let version = protocol(&section, family, defaults, complaints);
    let (wants_master, priority) = priority(&section, complaints);
    let (preempt, preempt_delay) = preemption(&section, wants_master, priority, complaints);
    let advert_interval = advert_interval(&section, version, complaints);
    let password = password(&section, version, complaints);
    let (source, peers) = unicast(&section, family, complaints);
    let checks = tracking::tracked(block, &section, known, complaints);
    warn_of_owner(priority, &checks, complaints);
    let span = block.name.span;
    let name = InstanceName::new(block.name.text);
    let name = name.map_err(|error| complaints.push(bad_name(span, &error))).ok();
    let vrid = section.number("virtual_router_id").and_then(|id| u8::try_from(id).ok()).and_then(Vrid::new);
    let instance = Instance {
        name: name?,
        wants_master,
        link: link?,
        vrid: vrid?,
        priority,
        version,
        family,
        advert_interval,
        password,
        addresses,
        checks,
        preempt,
        preempt_delay,
        source,
        peers,
        hooks: hooks(&section),
        span,
    };
    Some(Draft { instance, vrid: section.given("virtual_router_id")? })
}

fn require(block: &Named<'_>, section: &Section<'_>, complaints: &mut Complaints) {
    let name = block.name.text;
    for (word, help) in [
        ("interface", "add, for example: interface eth0"),
        ("virtual_router_id", "add a number from 1 to 255, the same on all routers of the group"),
        ("virtual_ipaddress", "add, for example: virtual_ipaddress { 192.0.2.1/24 }"),
    ] {
        if section.given(word).is_none() {
            let message = format!("`vrrp_instance {name}` has no `{word}`");
            complaints.push(Diagnostic::error("missing-word", block.name.span, message).help(help));
        }
    }
    if let Some(span) = section.given("virtual_ipaddress")
        && section.blocks("virtual_ipaddress").iter().all(|block| block.statements.is_empty())
    {
        let message = format!("`vrrp_instance {name}` has no address that could move");
        let help = "write at least one address into the block";
        complaints.push(Diagnostic::error("empty-list", span, message).help(help));
    }
}

fn link(section: &Section<'_>, complaints: &mut Complaints) -> Option<LinkName> {
    let link = section.link("interface")?;
    if let (LOOPBACK, Some(span)) = (link.as_str(), section.given("interface")) {
        let message = "VRRP can't run on the loopback interface: nobody else is there";
        let help =
            "name the interface that the other routers are reached by; an address may still have `dev lo`";
        complaints.push(Diagnostic::error("loopback", span, message).help(help));
    }
    Some(link)
}

/// One family for an instance: the same VRID on IPv6 is another virtual router (V3-FSM-17).
fn family(section: &Section<'_>, addresses: &[Address], complaints: &mut Complaints) -> Family {
    let native = section.given("native_ipv6");
    let first = addresses.first();
    let (family, because, label) = match (native, first) {
        (Some(span), _) => (Family::V6, Some(span), "makes it an IPv6 instance"),
        (None, Some(first)) => (Family::of(first.address), Some(first.span), "decides the family"),
        (None, None) => (Family::V4, None, ""),
    };
    let other = addresses.iter().find(|address| Family::of(address.address) != family);
    if let (Some(other), Some(because)) = (other, because) {
        let message = format!("{} can't be in an {family} instance", other.address);
        complaints.push(
            Diagnostic::error("mixed-families", other.span, message)
                .related(because, label)
                .help("split it into two instances, one for IPv4 and one for IPv6; they may share the virtual_router_id"),
        );
    }
    family
}

fn protocol(
    section: &Section<'_>,
    family: Family,
    defaults: &Defaults,
    complaints: &mut Complaints,
) -> ProtocolVersion {
    match (section.choice("version"), family) {
        ("", Family::V4) => defaults.version,
        ("", Family::V6) => ProtocolVersion::V3,
        (choice, Family::V4) => version(choice),
        (choice, Family::V6) => {
            if let (ProtocolVersion::V2, Some(span)) = (version(choice), section.given("version")) {
                let message = "VRRPv2 knows no IPv6 (RFC 3768)";
                let help = "write `version 3`, or remove the line";
                complaints.push(Diagnostic::error("version-family", span, message).help(help));
            }
            ProtocolVersion::V3
        }
    }
}

/// Whether MASTER is wished for, and the base priority.
fn priority(section: &Section<'_>, complaints: &mut Complaints) -> (bool, Priority) {
    let wants_master = section.choice("state") == "MASTER";
    if let (true, None, Some(state)) = (wants_master, section.given("priority"), section.given("state")) {
        let message = "`state MASTER` without `priority` means priority 255, the owner of the addresses";
        let help = "add `priority 100` (or whatever is meant): it is the priority that decides who is MASTER";
        complaints.push(Diagnostic::warning("implied-owner", state, message).help(help));
        return (true, Priority::OWNER);
    }
    let number = section.number("priority").and_then(|number| u8::try_from(number).ok());
    let priority = number.map_or(Priority::DEFAULT, Priority);
    if let (Priority::OWNER, Some(span)) = (priority, section.given("priority")) {
        let message =
            "priority 255 makes this router the owner: it takes over at once, and no check changes that";
        let help = "254 is the highest priority of a router that can be outvoted";
        complaints.push(Diagnostic::note("owner", span, message).help(help));
    }
    // keepalived: an owner that doesn't say BACKUP starts as MASTER.
    let owner = priority == Priority::OWNER && section.given("state").is_none();
    (wants_master || owner, priority)
}

fn warn_of_owner(priority: Priority, checks: &[TrackedCheck], complaints: &mut Complaints) {
    let weighted = checks.iter().find(|check| check.weight.value != 0);
    if let (Priority::OWNER, Some(check)) = (priority, weighted) {
        let message = "the weight of this check has no effect: the priority of an owner never changes";
        let help = "lower the priority below 255, or give the check no weight: then its failure means FAULT";
        complaints.push(Diagnostic::warning("owner-weight", check.span, message).help(help));
    }
}

/// Whether a lower master is taken over from, and after how long.
fn preemption(
    section: &Section<'_>,
    wants_master: bool,
    priority: Priority,
    complaints: &mut Complaints,
) -> (bool, Duration) {
    let (no, yes) = (section.given("nopreempt"), section.given("preempt"));
    let asked = match (no, yes) {
        (Some(no), Some(yes)) => {
            let (first, last) = if no.range().start < yes.range().start { (no, yes) } else { (yes, no) };
            complaints.push(
                Diagnostic::warning(
                    "given-twice",
                    last,
                    "`preempt` and `nopreempt` are both given; the last one counts",
                )
                .related(first, "given here first")
                .help("remove one of them"),
            );
            last == yes
        }
        (no, _) => no.is_none(),
    };
    let never_waits = wants_master || priority == Priority::OWNER;
    if let (false, true, Some(span)) = (asked, never_waits, no) {
        let message = "`nopreempt` has no effect with `state MASTER` or priority 255: the router preempts";
        let help = "write `state BACKUP` on all routers of the group";
        complaints.push(Diagnostic::warning("nopreempt-ignored", span, message).help(help));
    }
    let preempt = asked || never_waits;
    let delay = section.seconds("preempt_delay").unwrap_or_default();
    let Some(span) = section.given("preempt_delay").filter(|_| !delay.is_zero() && (never_waits || !preempt))
    else {
        return (preempt, delay);
    };
    let message = "`preempt_delay` has no effect with `state MASTER`, priority 255 or `nopreempt`";
    let help = "write `state BACKUP`, and `preempt_delay` without `nopreempt`";
    complaints.push(Diagnostic::warning("delay-ignored", span, message).help(help));
    (preempt, Duration::ZERO)
}

fn advert_interval(section: &Section<'_>, version: ProtocolVersion, complaints: &mut Complaints) -> Duration {
    let asked = section.seconds("advert_int").unwrap_or(STEP_V2);
    let Some(span) = section.given("advert_int") else { return asked };
    let (step, what, help) = match version {
        ProtocolVersion::V2 => {
            (STEP_V2, "VRRPv2 counts whole seconds", "write it so, or use `version 3` on all routers")
        }
        ProtocolVersion::V3 => (STEP_V3, "VRRPv3 counts hundredths of a second", "write it so"),
    };
    if version == ProtocolVersion::V3 && asked > MAX_INTERVAL_V3 {
        let message = "VRRPv3 can't tell an interval of more than 40.95 seconds";
        complaints.push(Diagnostic::error("out-of-range", span, message).help("choose a shorter one"));
        return MAX_INTERVAL_V3;
    }
    let steps = (asked.as_micros() + step.as_micros() / 2) / step.as_micros();
    let rounded = u32::try_from(steps).map_or(MAX_INTERVAL_V3, |steps| step * steps.max(1));
    if rounded != asked {
        let message = format!("{what}: {} becomes {} seconds", asked.as_secs_f64(), rounded.as_secs_f64());
        complaints.push(Diagnostic::warning("rounded", span, message).help(help));
    }
    rounded
}

/// `authentication`: the eight bytes that VRRPv2 sends.
fn password(
    section: &Section<'_>,
    version: ProtocolVersion,
    complaints: &mut Complaints,
) -> Option<[u8; PASSWORD_LENGTH]> {
    let given = section.given("authentication")?;
    let mut authentication = Section::new(Place::Authentication);
    for block in section.blocks("authentication") {
        authentication.read(block, complaints);
    }
    if version == ProtocolVersion::V3 {
        let message = "VRRPv3 has no authentication: the block is ignored";
        let help = "remove it; it never kept anybody out, since the password is sent in clear text";
        complaints.push(Diagnostic::warning("auth-ignored", given, message).help(help));
        return None;
    }
    if authentication.choice("auth_type") == "AH" {
        let message = "`auth_type AH` is not supported yet, and without it no peer would listen";
        let span = authentication.given("auth_type").unwrap_or(given);
        complaints.push(Diagnostic::error("not-supported", span, message).help("use PASS on all routers"));
        return None;
    }
    let (kind, word) = (authentication.given("auth_type"), authentication.given("auth_pass"));
    if let (Some(span), None) = (kind, word) {
        let message = "`auth_type PASS` needs an `auth_pass`";
        complaints.push(Diagnostic::error("missing-word", span, message).help("add it, or remove the block"));
    }
    if let (None, Some(span)) = (kind, word) {
        let message = "`auth_pass` is not used without an `auth_type`";
        complaints.push(Diagnostic::warning("auth-ignored", span, message).help("add `auth_type PASS`"));
        return None;
    }
    let word = authentication.text("auth_pass")?;
    let bytes = word.text.as_bytes();
    if bytes.len() > PASSWORD_LENGTH {
        let counts = String::from_utf8_lossy(bytes.get(..PASSWORD_LENGTH).unwrap_or_default());
        let message =
            format!("only the first {PASSWORD_LENGTH} bytes of a password count: {}", quote(&counts));
        let help = "shorten it on all routers; it is sent in clear text anyway";
        complaints.push(Diagnostic::warning("long-password", word.span, message).help(help));
    }
    let mut password = [0; PASSWORD_LENGTH];
    password.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    Some(password)
}

/// `unicast_src_ip` and `unicast_peer`.
fn unicast(
    section: &Section<'_>,
    family: Family,
    complaints: &mut Complaints,
) -> (Option<IpAddr>, Vec<IpAddr>) {
    let source = section.address("unicast_src_ip");
    let source_span = section.given("unicast_src_ip");
    let peers = addresses::peers(section, source, complaints);
    if let (Some(source), Some(span)) = (source, source_span) {
        complaints.extend(addresses::not_a_host(source, span));
    }
    let with_span = source.zip(source_span);
    for (address, span) in with_span.iter().chain(&peers) {
        if Family::of(*address) != family {
            let message = format!("{address} can't be used by an {family} instance");
            let help = "adverts are of the family of the virtual addresses";
            complaints.push(Diagnostic::error("mixed-families", *span, message).help(help));
        }
    }
    match (section.given("unicast_peer"), source_span, peers.is_empty()) {
        (Some(span), _, true) => {
            let message = "there is no peer in this list, so adverts go out by multicast";
            let help = "list the other routers, or remove the block";
            complaints.push(Diagnostic::warning("no-peers", span, message).help(help));
        }
        (Some(span), None, false) => {
            let message = "there is no `unicast_src_ip`: adverts come from the interface's first address";
            let help = "the other routers have to list exactly that address; `unicast_src_ip` makes it sure";
            complaints.push(Diagnostic::note("no-source", span, message).help(help));
        }
        (None, Some(span), _) => {
            let message = "there is no `unicast_peer`, so adverts go out by multicast from this address";
            let help = "list the other routers in `unicast_peer { ... }`, or remove the line";
            complaints.push(Diagnostic::warning("no-peers", span, message).help(help));
        }
        (Some(_), Some(_), false) | (None, None, _) => {}
    }
    (source, peers.into_iter().map(|(address, _)| address).collect())
}

fn hooks(section: &Section<'_>) -> Hooks {
    Hooks {
        any: section.hook("notify"),
        master: section.hook("notify_master"),
        backup: section.hook("notify_backup"),
        fault: section.hook("notify_fault"),
        stop: section.hook("notify_stop"),
    }
}
