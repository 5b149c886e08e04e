//! Whom an input concerns: a few tables, made from the configuration and only from it.
//!
//! It must never decide anything; [`crate::Core`] looks here for whoever has to be told. RFC 9568 section 5.2.3: a
//! virtual router is its identifier on a link, and the two families count apart (V3-FSM-17).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use model::{CheckName, Family, LinkName, Vrid};

use crate::door::{CoreConfig, InstanceId, LinkId, Packet};
use crate::packet;
use crate::receive;

/// The tables.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    by_wire: HashMap<(LinkId, Family, Vrid), InstanceId>,
    by_name: HashMap<LinkName, LinkId>,
    by_check: HashMap<CheckName, Arc<[InstanceId]>>,
    by_link: Vec<Arc<[InstanceId]>>,
}

impl Routes {
    /// Those of a configuration whose groups have given their trackers to their members.
    pub(crate) fn of(config: &CoreConfig) -> Self {
        let mut by_wire = HashMap::new();
        let mut by_link: Vec<Vec<InstanceId>> = vec![Vec::new(); config.links.len()];
        let mut by_check: HashMap<CheckName, Vec<InstanceId>> = HashMap::new();
        for (place, instance) in config.instances.iter().enumerate() {
            let id = InstanceId(place);
            by_wire.entry((instance.link, instance.family, instance.vrid)).or_insert(id);
            let tracked = instance.tracked_links.iter().map(|tracked| tracked.link);
            for link in BTreeSet::from_iter(tracked.chain([instance.link])) {
                if let Some(concerned) = by_link.get_mut(link.0) {
                    concerned.push(id);
                }
            }
            for tracked in &instance.checks {
                by_check.entry(tracked.check.clone()).or_default().push(id);
            }
        }
        let links = config.links.iter().enumerate();
        Self {
            by_wire,
            by_name: links.map(|(place, name)| (name.clone(), LinkId(place))).collect(),
            by_check: by_check.into_iter().map(|(check, ids)| (check, ids.into())).collect(),
            by_link: by_link.into_iter().map(Arc::from).collect(),
        }
    }

    /// Whose advert this may be.
    pub(crate) fn of_packet(&self, packet: &Packet<'_>) -> Option<InstanceId> {
        let vrid = packet::peek_vrid(receive::message(packet))?;
        self.by_wire.get(&(packet.link, Family::of(packet.source), vrid)).copied()
    }

    /// A link's place.
    pub(crate) fn link(&self, name: &LinkName) -> Option<LinkId> {
        self.by_name.get(name).copied()
    }

    /// Who uses or tracks a link.
    pub(crate) fn on_link(&self, link: LinkId) -> Option<Arc<[InstanceId]>> {
        self.by_link.get(link.0).map(Arc::clone)
    }

    /// Who tracks a check; `None` if nobody does.
    pub(crate) fn tracking(&self, check: &CheckName) -> Option<Arc<[InstanceId]>> {
        self.by_check.get(check).map(Arc::clone)
    }
}
