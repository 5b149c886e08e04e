//! Whether the nodes' adverts reach each other: multicast, unicast, and strangers on the same LAN.

use std::collections::HashMap;

use config::{Instance, Severity};

use crate::cluster::{Cluster, Member, Router};
use crate::finding::{At, Finding};
use crate::page::{Page, When};

pub(crate) const VRID_SHARED: Page = Page {
    id: "vrid-shared",
    severity: Severity::Error,
    when: When::Compared,
    summary: "Different virtual routers use one number on one network",
    why: "Adverts say nothing but the `virtual_router_id`. Two clusters with the same one on the same network take each other's \
          adverts for their own: the one with the lower priorities never gets its address. (Interfaces of the same name are \
          taken for one network.)",
    example: &[
        (
            "a.conf",
            "vrrp_instance web {\n  virtual_router_id 51\n  virtual_ipaddress {\n    192.0.2.10/24\n  }\n  ...\n}",
        ),
        (
            "b.conf",
            "vrrp_instance mail {\n  virtual_router_id 51\n  priority 90\n  virtual_ipaddress {\n    192.0.2.20/24\n  }\n  ...\n}",
        ),
    ],
    cure: "Give each virtual router on a network a `virtual_router_id` of its own.",
};

pub(crate) const MIXED_REACH: Page = Page {
    id: "adverts-cross",
    severity: Severity::Error,
    when: When::Compared,
    summary: "Nodes send where the others don't listen",
    why: "A node with a `unicast_peer` list sends to its peers alone and hears nobody else; one without sends to the multicast \
          group and hears that. If they differ, each takes itself for the last one alive and becomes MASTER.",
    example: &[
        (
            "a.conf",
            "vrrp_instance web {\n  unicast_src_ip 192.0.2.1\n  unicast_peer {\n    192.0.2.2\n  }\n  ...\n}",
        ),
        ("b.conf", "vrrp_instance web {\n  priority 90\n  ...\n}"),
    ],
    cure: "Give all nodes a `unicast_peer` list, or none, and the same multicast group.",
};

pub(crate) const PEER_MISSING: Page = Page {
    id: "peer-missing",
    severity: Severity::Error,
    when: When::Compared,
    summary: "A node's `unicast_peer` doesn't list where another one sends from",
    why: "Adverts from addresses that are not listed are dropped (keepalived heeds them, unless `vrrp_check_unicast_src` is on), \
          and none are sent there. Who isn't heard is taken for dead: both become MASTER.",
    example: &[
        (
            "a.conf",
            "vrrp_instance web {\n  unicast_src_ip 192.0.2.1\n  unicast_peer {\n    192.0.2.3\n  }\n  ...\n}",
        ),
        (
            "b.conf",
            "vrrp_instance web {\n  priority 90\n  unicast_src_ip 192.0.2.2\n  unicast_peer {\n    192.0.2.1\n  }\n  ...\n}",
        ),
    ],
    cure: "List in each node's `unicast_peer` the `unicast_src_ip` of all others.",
};

pub(crate) fn judge(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    for router in cluster.shared() {
        findings.extend(router.against_first().filter_map(|(one, other)| crossing(one, other)));
        findings.extend(peers(router));
    }
    strangers(cluster, findings);
}

fn crossing(one: &Member<'_>, other: &Member<'_>) -> Option<Finding> {
    let way = |it: &Instance| match it.peers.is_empty() {
        true => format!("by multicast to {}", it.multicast_group),
        false => "by unicast".to_owned(),
    };
    let (mine, theirs) = (way(one.instance), way(other.instance));
    if mine == theirs {
        return None;
    }
    let message = format!(
        "{} sends its adverts for {} {theirs}, {} {mine}: neither hears the other, and both become MASTER",
        other.name, other.instance.name, one.name
    );
    let finding = Finding::new(&MIXED_REACH, reach(other), message).label(theirs);
    Some(finding.related(reach(one), format!("{mine} on {}", one.name)))
}

/// What decides on how a member sends.
fn reach(member: &Member<'_>) -> At {
    let words = ["unicast_peer", "mcast_dst_ip"];
    let word = words.into_iter().find(|word| member.instance.given.at(word).is_some());
    At::word(member.node, member.instance, word.unwrap_or_default())
}

/// Each pair in both directions. Where a node doesn't say what it sends from, only its machine knows.
fn peers(router: &Router<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for hearer in router.members.iter().filter(|it| !it.instance.peers.is_empty()) {
        for sender in
            router.members.iter().filter(|it| it.node != hearer.node && !it.instance.peers.is_empty())
        {
            let Some(source) = sender.instance.source else { continue };
            if hearer.instance.peers.iter().any(|peer| peer.address == source) {
                continue;
            }
            let message = format!(
                "{} doesn't list {source}, which {} sends from, as a peer of {}: it never hears it",
                hearer.name, sender.name, hearer.instance.name
            );
            let source = ["unicast_src_ip", "mcast_src_ip"];
            let word = source.into_iter().find(|word| sender.instance.given.at(word).is_some());
            let source = At::word(sender.node, sender.instance, word.unwrap_or_default());
            let finding =
                Finding::new(&PEER_MISSING, At::word(hearer.node, hearer.instance, "unicast_peer"), message);
            found.push(finding.related(source, format!("what {} sends from", sender.name)));
        }
    }
    found
}

/// Multicast reaches everybody on the network. Unicast doesn't, so there a number may be used again.
fn strangers(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    let mut seen: HashMap<_, (usize, &Member<'_>)> = HashMap::new();
    for (place, router) in cluster.routers.iter().enumerate() {
        for member in router.members.iter().filter(|it| it.instance.peers.is_empty()) {
            let it = member.instance;
            let key = (&it.link, it.vrid, it.family, it.multicast_group);
            let Some((other_place, other)) = seen.get(&key) else {
                seen.insert(key, (place, member));
                continue;
            };
            if *other_place == place || other.node == member.node {
                continue;
            }
            let word = "virtual_router_id";
            let message = format!(
                "{} on {} and {} on {} are different virtual routers, and both use VRID {} on {}",
                it.name, member.name, other.instance.name, other.name, it.vrid, it.link
            );
            let other_at = At::word(other.node, other.instance, word);
            findings.push(
                Finding::new(&VRID_SHARED, At::word(member.node, it, word), message)
                    .related(other_at, format!("used by {} on {}", other.instance.name, other.name)),
            );
        }
    }
}
