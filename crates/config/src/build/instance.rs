//! `vrrp_instance`.

use model::{Credential, InstanceName, LinkName, ProtocolVersion, Secret, Vrid};

use super::defaults::Defaults;
use super::tracking::{self, Known};
use super::{
    Named, addresses, bad_name, delivery, election, family, mail, manners, paths, policy, reach, strict,
    virtual_mac,
};
use crate::diagnostic::{Complaints, Diagnostic};
use crate::directives::Place;
use crate::model::{Address, Hooks, Instance, Preludes};
use crate::section::Section;
use crate::source::Span;

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
    names: &mut virtual_mac::Names,
    complaints: &mut Complaints,
) -> Option<Draft> {
    let mut section = Section::new(Place::Instance);
    section.read(block.block, complaints);
    require(block, &section, defaults, complaints);
    let strict = section.flag("strict_mode").unwrap_or(defaults.strict);
    if strict {
        strict::apply(&mut section, complaints);
    }
    let section = &section;
    let link = link(section, defaults, complaints);
    let virtual_mac =
        virtual_mac::virtual_mac(section, (vrid(section), link.as_ref()), (strict, names), complaints);
    let home = virtual_mac.as_ref().map(|it| &it.link).or(link.as_ref());
    let addresses::Lists { advertised: addresses, excluded } =
        addresses::virtual_addresses(section, home, complaints);
    let family = family::family(block, section, &addresses, complaints);
    let version = family::protocol(section, family, defaults, complaints);
    let may_accept = !strict || strict::may_accept(section, version, complaints);
    let (wants_master, priority) = election::priority(section, complaints);
    let (preempt, preempt_delay) = election::preemption(section, wants_master, priority, complaints);
    let reach = reach::reach(section, family, defaults, complaints);
    let checks = tracking::checks(block, section, known, complaints);
    let mut links = tracking::links(section, complaints);
    let routes = paths::routes(section.blocks("virtual_routes"), complaints);
    let rules = policy::rules(section.blocks("virtual_rules"), complaints);
    // An interface of our own is there when it is needed; what it is made on counts.
    let is_own = |it: &&Address| virtual_mac.as_ref().is_some_and(|own| own.link == it.link);
    let held = addresses.iter().chain(&excluded).filter(|it| !is_own(it));
    tracking::follow(&mut links, link.as_ref(), tracking::links_of(held, &routes, &rules));
    let instance = Instance {
        advert_interval: election::advert_interval(section, version, complaints),
        credential: credential(section, version, complaints),
        announcements: manners::announcements(section, defaults, strict, complaints),
        manners: manners::instance(section, defaults, strict, (version, family), complaints),
        name: name(block, complaints)?,
        wants_master,
        link: link?,
        virtual_mac,
        vrid: vrid(section)?,
        priority,
        accepts: election::accepts(section, priority, may_accept, complaints),
        version,
        family,
        addresses,
        excluded,
        routes,
        rules,
        promotes_secondaries: section.given("promote_secondaries").is_some(),
        checks,
        links,
        follows_link: section.given("dont_track_primary").is_none(),
        follows_source: reach.follows_source,
        preempt,
        preempt_delay,
        source: reach.source,
        peers: reach.peers,
        unicast_ttl: reach.unicast_ttl,
        multicast_group: reach.multicast_group,
        hooks: Hooks {
            says_deleted: section.given("notify_deleted").is_some(),
            deleted: section.hook("notify_deleted").map(Box::new),
            lower: section.hook("notify_master_rx_lower_pri").map(Box::new),
            ..hooks(section)
        },
        delivery: delivery::delivery(section, defaults.delivery, complaints),
        preludes: preludes(section),
        tells_priority: section.flag("notify_priority_changes").unwrap_or(defaults.tells_priority),
        mails: mail::alert(section, defaults.mails),
        given: section.words(),
        span: block.name.span,
    };
    election::judge_weights(&instance, complaints);
    tracking::judge_own_link(&instance, complaints);
    Some(Draft { instance, vrid: section.given("virtual_router_id")? })
}

fn name(block: &Named<'_>, complaints: &mut Complaints) -> Option<InstanceName> {
    let name = InstanceName::new(block.name.text);
    name.map_err(|error| complaints.push(bad_name(block.name.span, &error))).ok()
}

fn vrid(section: &Section<'_>) -> Option<Vrid> {
    section.number("virtual_router_id").and_then(|id| u8::try_from(id).ok()).and_then(Vrid::new)
}

fn require(block: &Named<'_>, section: &Section<'_>, defaults: &Defaults, complaints: &mut Complaints) {
    let name = block.name.text;
    for (word, given, help) in [
        ("interface", defaults.link.is_some(), "add, for example: interface eth0"),
        ("virtual_router_id", false, "add a number from 1 to 255, the same on all routers of the group"),
        ("virtual_ipaddress", false, "add, for example: virtual_ipaddress { 192.0.2.1/24 }"),
    ] {
        if !given && section.given(word).is_none() {
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

fn link(section: &Section<'_>, defaults: &Defaults, complaints: &mut Complaints) -> Option<LinkName> {
    let (link, span) = match section.given("interface") {
        Some(span) => (section.link("interface")?, span),
        None => defaults.link.clone()?,
    };
    if link.as_str() == LOOPBACK {
        let message = "VRRP can't run on the loopback interface: nobody else is there";
        let help =
            "name the interface that the other routers are reached by; an address may still have `dev lo`";
        complaints.push(Diagnostic::error("loopback", span, message).help(help));
    }
    Some(link)
}

/// `authentication`: how VRRPv2 authenticates. No diagnostic shows the secret.
fn credential(
    section: &Section<'_>,
    version: ProtocolVersion,
    complaints: &mut Complaints,
) -> Option<Credential> {
    let given = section.given("authentication")?;
    let mut authentication = Section::new(Place::Authentication);
    for block in section.blocks("authentication") {
        authentication.read(block, complaints);
    }
    let is_ah = authentication.choice("auth_type") == "AH";
    if version == ProtocolVersion::V3 {
        let message = "VRRPv3 has no authentication: the block is ignored";
        let help = if is_ah {
            "remove it, or write `version 2` on all routers: AH is for VRRPv2 over IPv4 alone"
        } else {
            "remove it; it never kept anybody out, since the password is sent in clear text"
        };
        complaints.push(Diagnostic::warning("auth-ignored", given, message).help(help));
        return None;
    }
    let (kind, word) = (authentication.given("auth_type"), authentication.given("auth_pass"));
    if let (Some(span), None) = (kind, word) {
        let message = format!("`auth_type {}` needs an `auth_pass`", if is_ah { "AH" } else { "PASS" });
        complaints.push(Diagnostic::error("missing-word", span, message).help("add it, or remove the block"));
    }
    if let (None, Some(span)) = (kind, word) {
        let message = "`auth_pass` is not used without an `auth_type`";
        complaints.push(Diagnostic::warning("auth-ignored", span, message).help("add `auth_type PASS`"));
        return None;
    }
    let bytes = authentication.text("auth_pass")?.text.as_bytes();
    if bytes.len() > Secret::LENGTH {
        let message = format!("only the first {} bytes of `auth_pass` count", Secret::LENGTH);
        let help = if is_ah {
            "shorten it on all routers; the rest adds nothing to the key"
        } else {
            "shorten it on all routers; it is sent in clear text anyway"
        };
        complaints.push(Diagnostic::warning("long-password", word.unwrap_or(given), message).help(help));
    }
    let secret = Secret::of(bytes);
    Some(if is_ah { Credential::AhKey(secret) } else { Credential::Password(secret) })
}

/// What runs before the addresses come or go.
fn preludes(section: &Section<'_>) -> Preludes {
    Preludes {
        master: section.hook("pre_master").map(Box::new),
        backup: section.hook("pre_backup").map(Box::new),
        limit: section.seconds("pre_timeout").unwrap_or_default(),
    }
}

/// What runs when the state of an instance or a group changes.
pub(super) fn hooks(section: &Section<'_>) -> Hooks {
    Hooks {
        any: section.hook("notify").map(Box::new),
        master: section.hook("notify_master").map(Box::new),
        backup: section.hook("notify_backup").map(Box::new),
        fault: section.hook("notify_fault").map(Box::new),
        stop: section.hook("notify_stop").map(Box::new),
        says_deleted: false,
        deleted: None,
        lower: None,
    }
}
