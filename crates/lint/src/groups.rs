//! Whether the same instances move together on all nodes.

use std::collections::{BTreeSet, HashMap};

use config::{Severity, SyncGroup};
use model::InstanceName;

use crate::cluster::Cluster;
use crate::finding::{At, Finding};
use crate::page::{Page, When};

pub(crate) const GROUPS_DIFFER: Page = Page {
    id: "groups-differ",
    severity: Severity::Warning,
    when: When::Compared,
    summary: "A sync group holds other instances on another node",
    why: "A sync group promises that its addresses are always on one node. If the other node doesn't tie the same instances together, \
          one of them may move alone, and the group with its member outvoted drags all others out of MASTER.",
    example: &[
        (
            "a.conf",
            "vrrp_sync_group all {\n  group {\n    web\n    mail\n  }\n}\nvrrp_instance web {\n  ...\n}\nvrrp_instance mail {\n  interface eth1\n  virtual_router_id 61\n  virtual_ipaddress {\n    192.0.2.20/24\n  }\n}",
        ),
        (
            "b.conf",
            "vrrp_instance web {\n  priority 90\n  ...\n}\nvrrp_instance mail {\n  interface eth1\n  virtual_router_id 61\n  priority 90\n  virtual_ipaddress {\n    192.0.2.20/24\n  }\n}",
        ),
    ],
    cure: "Write the same `vrrp_sync_group` on all nodes.",
};

pub(crate) fn judge(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    let mut routers: HashMap<(usize, &InstanceName), usize> = HashMap::new();
    for (place, router) in cluster.routers.iter().enumerate() {
        routers.extend(router.members.iter().map(|it| ((it.node, &it.instance.name), place)));
    }
    // What each group on each node ties together, as routers.
    let tied = |node: usize, group: &SyncGroup| -> BTreeSet<usize> {
        group.members.iter().filter_map(|name| routers.get(&(node, name)).copied()).collect()
    };
    for (number, node) in cluster.nodes.iter().enumerate() {
        for group in &node.config.groups {
            let together = tied(number, group);
            for (other_number, other) in cluster.nodes.iter().enumerate().filter(|(at, _)| *at != number) {
                let there = together.iter().filter(|place| has(cluster, **place, other_number)).count();
                let mut others = other.config.groups.iter();
                let same = others.find(|it| tied(other_number, it).intersection(&together).next().is_some());
                let agrees = same.is_some_and(|same| tied(other_number, same) == together);
                // Of two groups that differ, the later node's is told, beside the earlier one's.
                if agrees || there < 2 || (same.is_some() && other_number > number) {
                    continue;
                }
                findings.push(differs((number, group), node.name, (other_number, same), other.name));
            }
        }
    }
}

fn has(cluster: &Cluster<'_>, place: usize, node: usize) -> bool {
    cluster.routers.get(place).is_some_and(|router| router.members.iter().any(|it| it.node == node))
}

fn differs(
    own: (usize, &SyncGroup),
    name: &str,
    other: (usize, Option<&SyncGroup>),
    other_name: &str,
) -> Finding {
    let (node, group) = own;
    let at = |node: usize, group: &SyncGroup| At {
        node,
        span: group.given.at("group").unwrap_or(group.span),
        block: group.span,
    };
    match other {
        (other_node, Some(other)) => {
            let message = format!(
                "the group {} on {name} doesn't hold what {} holds on {other_name}",
                group.name, other.name
            );
            Finding::new(&GROUPS_DIFFER, at(node, group), message)
                .related(at(other_node, other), format!("the group on {other_name}"))
        }
        (_, None) => {
            let message = format!(
                "{} ties instances together on {name}, and no group does so on {other_name}",
                group.name
            );
            Finding::new(&GROUPS_DIFFER, at(node, group), message)
        }
    }
}
