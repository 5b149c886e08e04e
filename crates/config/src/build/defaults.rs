//! `global_defs`, and what instances inherit from it.
//!
//! It is read to its end before any instance is: where it stands in the file changes nothing (keepalived copies the
//! values when it meets an instance, so that there a reload can mean something else than the start).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use model::{Family, LinkName, ProtocolVersion};

use super::delivery::Usual;
use super::{firewall, mail, manners, outer, strict, version};
use crate::diagnostic::{Complaints, Diagnostic};
use crate::model::{Announcements, Global, Manners, Pacing};
use crate::section::Section;
use crate::source::Span;

/// Where VRRP lives over IPv4 (RFC 9568 5.1.1.2).
const GROUP_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));
/// Where VRRP lives over IPv6 (RFC 9568 5.1.2.2).
const GROUP_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12));
/// The first 16 bits of a multicast address of the link itself (RFC 4291 2.7).
const LINK_LOCAL_GROUPS: u16 = 0xff02;

/// What an instance has that doesn't say otherwise.
pub(super) struct Defaults {
    /// Of IPv4 instances.
    pub(super) version: ProtocolVersion,
    /// `default_interface`, and where it is given.
    pub(super) link: Option<(LinkName, Span)>,
    /// `vrrp_strict`.
    pub(super) strict: bool,
    pub(super) announcements: Announcements,
    pub(super) manners: Manners,
    /// How hooks are run.
    pub(super) delivery: Usual,
    /// Whether named pipes are told of changes of priorities.
    pub(super) tells_priority: bool,
    /// Whether states are mailed.
    pub(super) mails: bool,
    group_v4: IpAddr,
    group_v6: IpAddr,
}

impl Defaults {
    pub(super) fn new(global: &Section<'_>, complaints: &mut Complaints) -> Self {
        tell_what_is_always_so(global, complaints);
        let strict = global.flag("vrrp_strict").unwrap_or(false);
        if strict {
            strict::tell_global(global, complaints);
        }
        Self {
            version: version(global.choice("vrrp_version")),
            link: global.link("default_interface").zip(global.given("default_interface")),
            strict,
            announcements: manners::global_announcements(global, complaints),
            manners: manners::global(global, complaints),
            delivery: Usual::new(global),
            tells_priority: global.flag("vrrp_notify_priority_changes").unwrap_or(false),
            mails: mail::default_alert(global),
            group_v4: group(global, "vrrp_mcast_group4", Family::V4, complaints).unwrap_or(GROUP_V4),
            group_v6: group(global, "vrrp_mcast_group6", Family::V6, complaints).unwrap_or(GROUP_V6),
        }
    }

    /// The multicast group of that family.
    pub(super) const fn group(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => self.group_v4,
            Family::V6 => self.group_v6,
        }
    }
}

/// A multicast group of that family, if it was given or the table knows one.
pub(super) fn group(
    section: &Section<'_>,
    word: &'static str,
    family: Family,
    complaints: &mut Complaints,
) -> Option<IpAddr> {
    let group = section.address(word)?;
    let Some(span) = section.given(word) else { return Some(group) };
    let fits = match (group, family) {
        (IpAddr::V4(group), Family::V4) => group.is_multicast(),
        (IpAddr::V6(group), Family::V6) => {
            let [first, ..] = group.segments();
            first == LINK_LOCAL_GROUPS
        }
        (IpAddr::V4(_), Family::V6) | (IpAddr::V6(_), Family::V4) => false,
    };
    if fits {
        return Some(group);
    }
    let (message, help) = match family {
        Family::V4 => (format!("{group} is no IPv4 multicast group"), "VRRP's own is 224.0.0.18"),
        Family::V6 => (format!("{group} is no IPv6 multicast group of the link"), "VRRP's own is ff02::12"),
    };
    complaints.push(Diagnostic::error("bad-address", span, message).help(help));
    None
}

pub(super) fn global_defs(section: &Section<'_>, complaints: &mut Complaints) -> Global {
    for word in ["vrrp_garp_interval", "vrrp_gna_interval"] {
        if let Some(span) =
            section.given(word).filter(|_| section.seconds(word).is_some_and(|it| it.is_zero()))
        {
            let message = format!("`{word} 0` asks for no pause, as is usual");
            complaints.push(
                Diagnostic::note("as-usual", span, message)
                    .keepalived("has it in its sample, and newer releases call the 0 out of range")
                    .help("the line may be removed"),
            );
        }
    }
    Global {
        router_id: section.text("router_id").map(|word| word.text.to_owned()),
        script_user: section.user("script_user"),
        script_security: section.given("enable_script_security").is_some(),
        startup_delay: section.seconds("vrrp_startup_delay").unwrap_or_default(),
        pacing: Pacing {
            arp: section.seconds("vrrp_garp_interval").unwrap_or_default(),
            neighbour: section.seconds("vrrp_gna_interval").unwrap_or_default(),
        },
        firewall: firewall::firewall(section, complaints),
        real_time: section
            .number("vrrp_rt_priority")
            .and_then(|number| u8::try_from(number).ok())
            .filter(|priority| *priority > 0),
        pipes: super::pipes::pipes(section, complaints),
        pipes_repeat: section.given("fifo_write_vrrp_states_on_reload").is_some(),
        startup_script: outer::script(section, ("startup_script", "startup_script_timeout"), complaints),
        shutdown_script: outer::script(section, ("shutdown_script", "shutdown_script_timeout"), complaints),
        mail: mail::mail(section, complaints),
        given: section.words(),
    }
}

/// What keepalived has to be asked for.
fn tell_what_is_always_so(global: &Section<'_>, complaints: &mut Complaints) {
    for (word, what) in [
        ("dynamic_interfaces", "interfaces may come and go at any time"),
        ("vrrp_no_swap", "vrrp-core locks its memory wherever it may"),
        ("vrrp_check_unicast_src", "unicast from others than the peers is always dropped"),
    ] {
        if let Some(span) = global.given(word) {
            let message = format!("`{word}` asks for what is always so: {what}");
            complaints.push(Diagnostic::note("as-usual", span, message).help("the line may be removed"));
        }
    }
}
