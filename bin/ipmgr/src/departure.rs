//! An ipmgr that can't start and won't be started again: what it or a predecessor has put into the kernel goes.
//!
//! Left to their lifetime the addresses would stay for up to a minute, while the vrrp-core that misses us says goodbye within half a
//! second and another node takes over: they would be on both. It must never take anything from an ipmgr that works, so it acts only
//! as the one that holds the name of the network namespace, and on nothing but what carries our mark.

use std::collections::HashSet;
use std::time::Duration;

use model::LinkName;
use sys::netlink::{Change, KernelError, PathChange, Route, RuleChange, promotes_secondaries};

use crate::bystanders;
use crate::claims::Claims;
use crate::paths::{self, ORIGIN};
use crate::plan;
use crate::world::World;

/// How long vrrp-core waits for us before it says goodbye, and a little for the word to be heard.
const GOODBYE: Duration = Duration::from_millis(600);
/// A configuration that wants nothing.
const NOTHING: &str = "global_defs {\n}\n";

/// Removes everything of ours, once vrrp-core has had the time to say goodbye. What can't be removed is told.
pub(crate) fn leave_nothing() {
    let Ok(mut route) = Route::open() else { return };
    if !Ours::look(&mut route).is_ok_and(|ours| ours.is_there()) {
        return;
    }
    log::warn!("nobody is going to keep the addresses that are still here: they are removed");
    sys::clock::sleep_until(sys::clock::now() + GOODBYE);
    // Where another one has begun to work meanwhile, what there is, is its own.
    if let Ok(Some(_sole)) = service::sole::become_ipmgr() {
        match Ours::look(&mut route) {
            Ok(ours) => ours.remove(&mut route),
            Err(error) => log::error!("{error}"),
        }
    }
}

/// What carries our mark, as changes that remove it.
#[derive(Default)]
struct Ours {
    rules: Vec<RuleChange>,
    routes: Vec<PathChange>,
    addresses: Vec<Change>,
    links: Vec<(u32, LinkName)>,
    /// Where something that isn't ours would go along.
    endangered: Vec<(u32, LinkName)>,
}

impl Ours {
    fn look(route: &mut Route) -> Result<Self, KernelError> {
        let world = World::look(route, true)?;
        let Some(nothing) = config::parse("nothing", NOTHING).config else { return Ok(Self::default()) };
        let nobody = Claims::new(std::iter::empty(), sys::clock::now());
        let paths = paths::paths(&nothing, &nobody, &world);
        let plan = plan::plan(&nothing, (&HashSet::new(), &HashSet::new()), &nobody, &world);
        let links = world.links().filter(|link| link.virtual_link.is_some());
        let endangered = bystanders::endangered(&nothing, &world).into_keys();
        Ok(Self {
            rules: paths.rules_out,
            routes: paths.routes_out,
            addresses: plan.changes.into_iter().map(|(change, _)| change).collect(),
            links: links.map(|link| (link.index, link.name.clone())).collect(),
            endangered: endangered.filter_map(|index| Some((index, world.name(index)?.clone()))).collect(),
        })
    }

    fn is_there(&self) -> bool {
        let Self { rules, routes, addresses, links, endangered: _ } = self;
        !(rules.is_empty() && routes.is_empty() && addresses.is_empty() && links.is_empty())
    }

    fn remove(self, route: &mut Route) {
        let switched =
            self.endangered.iter().filter(|(_, name)| promotes_secondaries(name).is_ok_and(|on| !on));
        let switched: Vec<u32> = switched.map(|(index, _)| *index).collect();
        for index in &switched {
            if let Err(error) = route.set_promote_secondaries(*index, true) {
                log::error!("{error}");
            }
        }
        let mut results = route.apply_rules(&self.rules, ORIGIN);
        results.extend(route.apply_paths(&self.routes, ORIGIN));
        results.extend(route.apply(&self.addresses));
        results.extend(self.links.iter().map(|(index, name)| route.delete_virtual(*index, name)));
        results.extend(switched.iter().map(|index| route.set_promote_secondaries(*index, false)));
        let failed = results.into_iter().filter_map(Result::err).filter(|error| !error.is_absent());
        failed.for_each(|error| log::error!("{error}"));
    }
}
