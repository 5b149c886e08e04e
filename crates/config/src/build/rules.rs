//! What only shows when instances are compared with each other.

use std::collections::HashMap;

use super::Named;
use super::instance::Draft;
use crate::diagnostic::{Complaints, Diagnostic, quote};

/// No two of these blocks, `what` they are, have the same name.
pub(super) fn names(blocks: &[Named<'_>], what: &str, complaints: &mut Complaints) {
    let mut seen = HashMap::with_capacity(blocks.len());
    for Named { name, .. } in blocks {
        let Some(first) = seen.get(name.text) else {
            seen.insert(name.text, name.span);
            continue;
        };
        let message = format!("there are two {what} of the name {}", quote(name.text));
        complaints.push(
            Diagnostic::error("duplicate-name", name.span, message)
                .related(*first, "the first one")
                .keepalived("skips the second one")
                .help("give them different names"),
        );
    }
}

/// A VRID, an interface and a family make one virtual router (V3-FSM-17).
pub(super) fn virtual_routers(drafts: &[Draft], complaints: &mut Complaints) {
    let mut seen = HashMap::with_capacity(drafts.len());
    for Draft { instance, vrid } in drafts {
        let key = (&instance.link, instance.family, instance.vrid);
        let Some((first, name)) = seen.get(&key) else {
            seen.insert(key, (*vrid, &instance.name));
            continue;
        };
        let message = format!(
            "virtual_router_id {} is used twice for {} on {}: by {name} and by {}",
            instance.vrid, instance.family, instance.link, instance.name
        );
        complaints.push(
            Diagnostic::error("duplicate-vrid", *vrid, message)
                .related(*first, format!("used by {name}"))
                .help("each virtual router on a network needs a number of its own"),
        );
    }
}

/// Two instances that hold one address take it from each other.
pub(super) fn shared_addresses(drafts: &[Draft], complaints: &mut Complaints) {
    let mut seen = HashMap::new();
    for Draft { instance, .. } in drafts {
        for address in instance.held() {
            let key = (address.address, &address.link);
            let Some((first, name)) = seen.get(&key) else {
                seen.insert(key, (address.span, &instance.name));
                continue;
            };
            let message = format!("{} on {} belongs to {name} already", address.address, address.link);
            complaints.push(
                Diagnostic::warning("shared-address", address.span, message)
                    .related(*first, format!("belongs to {name}"))
                    .help("the address stays while either is MASTER here; if they are MASTER on different nodes, both nodes hold it"),
            );
        }
    }
}
