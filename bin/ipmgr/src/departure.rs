//! An ipmgr that can't start and won't be started again: what it or a predecessor has put into the kernel goes.
//!
//! Left to their lifetime the addresses would stay for up to a minute, while the vrrp-core that misses us says goodbye within half a
//! second and another node takes over: they would be on both. It must never take anything from an ipmgr that works, so it acts only
//! as the one that holds the name of the network namespace, and on nothing but what carries our mark.

use std::collections::HashSet;
use std::time::Duration;

use config::Config;
use service::Failure;
use sys::netlink::{Change, Route};

use crate::claims::Claims;
use crate::paths::{self, ORIGIN};
use crate::plan;
use crate::world::World;

/// How long vrrp-core waits for us before it says goodbye, and a little for the word to be heard.
const GOODBYE: Duration = Duration::from_millis(600);

/// Removes everything of ours, once vrrp-core has had the time to say goodbye. What can't be removed is told.
pub(crate) fn leave_nothing() {
    let Ok((mut route, world)) = look() else { return };
    if !has_anything(&world) {
        return;
    }
    log::warn!("nobody is going to keep the addresses that are still here: they are removed");
    sys::clock::sleep_until(sys::clock::now() + GOODBYE);
    // Where another one has begun to work meanwhile, what there is, is its own.
    if let Ok(Some(_sole)) = service::sole::become_ipmgr() {
        remove_all(&mut route).unwrap_or_else(|failure| log::error!("{failure}"));
    }
}

fn look() -> Result<(Route, World), Failure> {
    let mut route = Route::open().map_err(|error| Failure::io("open a netlink socket", &error))?;
    let world = World::look(&mut route, true)
        .map_err(|error| Failure::new(service::Exit::Failed, error.to_string()))?;
    Ok((route, world))
}

/// A configuration that wants nothing.
fn nothing() -> Option<Config> {
    config::parse("nothing", "global_defs {\n}\n").config
}

fn removals(world: &World) -> Vec<Change> {
    let nobody = Claims::new(std::iter::empty(), sys::clock::now());
    let Some(config) = nothing() else { return Vec::new() };
    let plan = plan::plan(&config, &HashSet::new(), &nobody, world);
    plan.changes.into_iter().map(|(change, _)| change).collect()
}

fn has_anything(world: &World) -> bool {
    !removals(world).is_empty() || world.has_paths() || world.links().any(|link| link.virtual_link.is_some())
}

fn remove_all(route: &mut Route) -> Result<(), Failure> {
    let world =
        World::look(route, true).map_err(|error| Failure::new(service::Exit::Failed, error.to_string()))?;
    let nobody = Claims::new(std::iter::empty(), sys::clock::now());
    let mut failed = Vec::new();
    if let Some(config) = nothing() {
        let paths = paths::paths(&config, &nobody, &world);
        failed.extend(route.apply_rules(&paths.rules_out, ORIGIN).into_iter().filter_map(Result::err));
        failed.extend(route.apply_paths(&paths.routes_out, ORIGIN).into_iter().filter_map(Result::err));
    }
    failed.extend(route.apply(&removals(&world)).into_iter().filter_map(Result::err));
    for link in world.links().filter(|link| link.virtual_link.is_some()) {
        failed.extend(route.delete_virtual(link.index, &link.name).err());
    }
    failed.iter().filter(|error| !error.is_absent()).for_each(|error| log::error!("{error}"));
    Ok(())
}
