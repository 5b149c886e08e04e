//! What all routers of one virtual router have to say alike, or they don't understand each other.

use std::time::Duration;

use config::{Instance, Severity};
use model::{Credential, ProtocolVersion};

use crate::cluster::{Cluster, Member};
use crate::finding::{At, Finding};
use crate::page::{Page, When};

pub(crate) const VRID: Page = Page {
    id: "vrid-differs",
    severity: Severity::Error,
    when: When::Compared,
    summary: "Nodes that share an address give it different numbers",
    why: "An advert counts only for the virtual router whose `virtual_router_id` it carries. With different numbers each \
          node hears nobody, takes itself for the last one alive and becomes MASTER: both hold the address.",
    example: &[
        ("a.conf", "vrrp_instance web {\n  virtual_router_id 51\n  ...\n}"),
        ("b.conf", "vrrp_instance web {\n  virtual_router_id 15\n  priority 90\n  ...\n}"),
    ],
    cure: "Give the instance the same `virtual_router_id` on all nodes.",
};

pub(crate) const VERSION: Page = Page {
    id: "version-differs",
    severity: Severity::Error,
    when: When::Compared,
    summary: "One node speaks VRRPv2, another VRRPv3",
    why: "Adverts of the other version are dropped, so each node hears nobody and becomes MASTER: both hold the address.",
    example: &[
        ("a.conf", "vrrp_instance web {\n  version 3\n  ...\n}"),
        ("b.conf", "vrrp_instance web {\n  version 2\n  priority 90\n  ...\n}"),
    ],
    cure: "Write the same `version` (or `vrrp_version` in `global_defs`) on all nodes.",
};

pub(crate) const INTERVAL: Page = Page {
    id: "interval-differs",
    severity: Severity::Error,
    when: When::Compared,
    summary: "Nodes advertise at different intervals",
    why: "VRRPv2 drops adverts of another interval than its own (RFC 3768 7.1), so each node hears nobody and becomes MASTER. \
          In VRRPv3 a backup takes over its master's interval: the cluster works, and how quickly it fails over depends on \
          who was master before.",
    example: &[
        ("a.conf", "vrrp_instance web {\n  advert_int 1\n  ...\n}"),
        ("b.conf", "vrrp_instance web {\n  advert_int 2\n  priority 90\n  ...\n}"),
    ],
    cure: "Write the same `advert_int` on all nodes.",
};

pub(crate) const AUTHENTICATION: Page = Page {
    id: "authentication-differs",
    severity: Severity::Error,
    when: When::Compared,
    summary: "Nodes authenticate differently",
    why: "An advert with another kind of authentication or another password is dropped, so each node hears nobody and becomes \
          MASTER. Only the first eight bytes of a password count.",
    example: &[
        (
            "a.conf",
            "vrrp_instance web {\n  authentication {\n    auth_type PASS\n    auth_pass sesame\n  }\n  ...\n}",
        ),
        ("b.conf", "vrrp_instance web {\n  priority 90\n  ...\n}"),
    ],
    cure: "Give all nodes the same `authentication` block, or none.",
};

pub(crate) fn judge(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    for router in cluster.shared() {
        for (one, other) in router.against_first() {
            findings.extend(
                [vrid, version, interval, authentication].into_iter().filter_map(|look| look(one, other)),
            );
        }
    }
}

/// Told at `other`, with `one` beside it.
fn differs(
    page: &'static Page,
    word: &str,
    pair: (&Member<'_>, &Member<'_>),
    values: (&str, &str),
    so: &str,
) -> Finding {
    let (one, other) = pair;
    let message = format!(
        "{} has {} on {} and {} on {}: {so}",
        other.instance.name, values.1, other.name, values.0, one.name
    );
    Finding::new(page, At::word(other.node, other.instance, word), message)
        .label(values.1)
        .related(At::word(one.node, one.instance, word), format!("{} on {}", values.0, one.name))
}

const BOTH_MASTER: &str = "neither hears the other, and both become MASTER";

fn vrid(one: &Member<'_>, other: &Member<'_>) -> Option<Finding> {
    let vrid = |it: &Instance| format!("virtual_router_id {}", it.vrid);
    let differs = || {
        let values = (vrid(one.instance), vrid(other.instance));
        differs(&VRID, "virtual_router_id", (one, other), (&values.0, &values.1), BOTH_MASTER)
    };
    (one.instance.vrid != other.instance.vrid).then(differs)
}

fn version(one: &Member<'_>, other: &Member<'_>) -> Option<Finding> {
    let version = |it: &Instance| format!("VRRPv{}", it.version);
    let differs = || {
        let values = (version(one.instance), version(other.instance));
        differs(&VERSION, "version", (one, other), (&values.0, &values.1), BOTH_MASTER)
    };
    (one.instance.version != other.instance.version).then(differs)
}

fn interval(one: &Member<'_>, other: &Member<'_>) -> Option<Finding> {
    if one.instance.advert_interval == other.instance.advert_interval
        || one.instance.version != other.instance.version
    {
        return None;
    }
    let interval = |time: Duration| format!("advert_int {}", time.as_secs_f64());
    let values = (interval(one.instance.advert_interval), interval(other.instance.advert_interval));
    let finding = |so| differs(&INTERVAL, "advert_int", (one, other), (&values.0, &values.1), so);
    Some(match one.instance.version {
        ProtocolVersion::V2 => finding(BOTH_MASTER),
        ProtocolVersion::V3 => {
            finding("a backup goes by its master's, so the time of a failover depends on who was master")
                .mere_warning()
        }
    })
}

fn authentication(one: &Member<'_>, other: &Member<'_>) -> Option<Finding> {
    use Credential::{AhKey, Password};
    let values = match (one.instance.credential, other.instance.credential) {
        (Some(Password(_)), Some(Password(_))) => ("a password", "another password"),
        (Some(AhKey(_)), Some(AhKey(_))) => ("a key (AH)", "another key (AH)"),
        (one, other) => (kind(one), kind(other)),
    };
    let differs = || differs(&AUTHENTICATION, "authentication", (one, other), values, BOTH_MASTER);
    (one.instance.credential != other.instance.credential).then(differs)
}

const fn kind(credential: Option<Credential>) -> &'static str {
    match credential {
        None => "no authentication",
        Some(Credential::Password(_)) => "a password",
        Some(Credential::AhKey(_)) => "a key (AH)",
    }
}
