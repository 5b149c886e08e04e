//! Whether all nodes move the same addresses, and whether anybody takes over at all.

use std::collections::BTreeMap;
use std::net::IpAddr;

use config::{Instance, Severity};

use crate::cluster::{Cluster, Member};
use crate::finding::{At, Finding};
use crate::page::{Page, When};

/// How many addresses a message names.
const MAX_NAMED: usize = 4;

pub(crate) const ADDRESSES: Page = Page {
    id: "addresses-differ",
    severity: Severity::Warning,
    when: When::Compared,
    summary: "Nodes list different addresses for one virtual router",
    why: "An address that only one node lists is gone when the other one is master. Worse, keepalived up to 2.3.2 drops an \
          advert whose addresses are not its own: both nodes become MASTER when only one file was changed. (Handover \
          counts and tells the difference, and heeds the advert.)",
    example: &[
        (
            "a.conf",
            "vrrp_instance web {\n  virtual_ipaddress {\n    192.0.2.10/24\n    192.0.2.11/24\n  }\n  ...\n}",
        ),
        (
            "b.conf",
            "vrrp_instance web {\n  priority 90\n  virtual_ipaddress {\n    192.0.2.10/24\n  }\n  ...\n}",
        ),
    ],
    cure: "List the same addresses with the same prefix lengths on all nodes. To add one to a running cluster of keepalived, \
           change the backup first.",
};

pub(crate) const NOBODY_ELSE: Page = Page {
    id: "nobody-else",
    severity: Severity::Warning,
    when: When::Compared,
    summary: "An instance is on one node alone",
    why: "When that node dies, nobody takes its addresses over. Either the instance is missing on the others, or it has \
          neither an address nor both name and `virtual_router_id` in common with theirs.",
    example: &[
        (
            "a.conf",
            "vrrp_instance web {\n  ...\n}\nvrrp_instance mail {\n  interface eth0\n  virtual_router_id 61\n  virtual_ipaddress {\n    192.0.2.20/24\n  }\n}",
        ),
        ("b.conf", "vrrp_instance web {\n  priority 90\n  ...\n}"),
    ],
    cure: "Write the instance on the other nodes, too.",
};

pub(crate) fn judge(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    for router in cluster.shared() {
        findings.extend(router.against_first().filter_map(|(one, other)| addresses(one, other)));
    }
    for router in &cluster.routers {
        if let [only] = router.members.as_slice() {
            let instance = only.instance;
            let message = format!("{} is on {} alone: nobody takes over from it", instance.name, only.name);
            let at = At::within(only.node, instance, instance.span);
            findings.push(Finding::new(&NOBODY_ELSE, at, message));
        }
    }
}

fn addresses(one: &Member<'_>, other: &Member<'_>) -> Option<Finding> {
    let (mine, theirs) = (listed(one.instance), listed(other.instance));
    let only = |these: &BTreeMap<IpAddr, u8>, those: &BTreeMap<IpAddr, u8>| -> Vec<String> {
        these.keys().filter(|address| !those.contains_key(address)).map(ToString::to_string).collect()
    };
    let lengths = mine.iter().filter_map(|(address, prefix)| {
        let other_prefix = theirs.get(address).filter(|it| *it != prefix)?;
        Some(format!("{address} is /{prefix} on {} and /{other_prefix} on {}", one.name, other.name))
    });
    let mut differences: Vec<String> = lengths.take(MAX_NAMED).collect();
    for (name, missing) in [(one.name, only(&theirs, &mine)), (other.name, only(&mine, &theirs))] {
        if !missing.is_empty() {
            differences.push(format!("{name} lacks {}", named(&missing)));
        }
    }
    if differences.is_empty() {
        return None;
    }
    let message = format!("the addresses of {} differ: {}", other.instance.name, differences.join("; "));
    let word = "virtual_ipaddress";
    let finding = Finding::new(&ADDRESSES, At::word(other.node, other.instance, word), message);
    Some(finding.related(At::word(one.node, one.instance, word), format!("the list of {}", one.name)))
}

fn listed(instance: &Instance) -> BTreeMap<IpAddr, u8> {
    instance.held().map(|it| (it.address, it.prefix)).collect()
}

fn named(addresses: &[String]) -> String {
    let first = addresses.iter().take(MAX_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match addresses.len().saturating_sub(MAX_NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}
