//! The core takes another configuration in place, between two inputs.
//!
//! It must never let anything be seen of whom the change doesn't concern: no output, no timer moved. What becomes of whom
//! is `plan.rs`; what an instance makes of it is `retune.rs`. No RFC knows of it; RFC 9568 6.4 is what it must not disturb.

use model::Instant;

use super::{Core, Life};
use crate::cause::Cause;
use crate::door::{CoreConfig, GroupId, InstanceId, LinkId, Output};
use crate::groups::{self, Group};
use crate::instance::Instance;
use crate::link::KnownLink;
use crate::machine::Event;
use crate::plan::{self, Plan, Step};
use crate::queue::Who;
use crate::remarks::Remarks;
use crate::routes::Routes;

/// What [`Core::reconfigure`] leaves to its caller.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Switched {
    /// To be carried out first: the last outputs in which places are those of the *old* configuration.
    pub farewells: Vec<Output>,
    /// Per place of the old configuration, where the instance is now; `None` for who has ended or begun anew.
    pub instances: Vec<Option<InstanceId>>,
    /// Per place of the old configuration, where the link is now.
    pub links: Vec<Option<LinkId>>,
    /// Per place of the old configuration, where the group is now.
    pub groups: Vec<Option<GroupId>>,
    /// What became of whom.
    pub plan: Plan,
}

impl Core {
    /// Takes another configuration, as valid as the first one; `None` changes nothing: it has been told to stop.
    ///
    /// From here on every place in an input or output is one of the new configuration, and what follows from the change
    /// waits in [`Self::poll_output`]. Instances are known by what they are on the wire, so that a name may change; links,
    /// checks and groups by their names. What was told of links, checks and drains stays known. Of new ones nothing
    /// is, so whoever knows has to say it: an input that says the same as before does no harm. `startup_delay` and
    /// `startup_script` are for starts only.
    pub fn reconfigure(&mut self, now: Instant, mut config: CoreConfig) -> Option<Switched> {
        if self.life != Life::Running {
            return None;
        }
        groups::share_trackers(&mut config);
        let plan = plan::compare(&self.config, &config);
        self.dismiss(now, &plan);
        let farewells = self.out.outputs.drain(..).collect();
        let links = self.move_links(&config);
        let instances = self.move_instances(now, &config, &plan);
        let groups = self.move_groups(now, &config, &plan);
        self.queue.rename(|who| match who {
            Who::Instance(InstanceId(was)) => instances.get(was).copied().flatten().map(Who::Instance),
            Who::Link(LinkId(was)) => links.get(was).copied().flatten().map(Who::Link),
        });
        self.routes = Routes::of(&config);
        let routes = &self.routes;
        self.verdicts.retain(|check, _| routes.tracking(check).is_some());
        self.numbers.retain(|check, _| routes.tracking(check).is_some());
        self.config = config;
        self.tell_of_changes(now, &plan);
        Some(Switched { farewells, instances, links, groups, plan })
    }

    /// The last words of who ends.
    fn dismiss(&mut self, now: Instant, plan: &Plan) {
        for step in &plan.instances {
            let (was, cause) = match step {
                Step::Remove { was } => (*was, Cause::Removed),
                Step::Restart { was, changed, .. } => (*was, Cause::Restarted(changed.clone())),
                Step::Keep { .. } | Step::Retune { .. } | Step::Add { .. } => continue,
            };
            self.deliver_to_one(now, was, Event::Dismiss(&cause));
        }
        for step in &plan.groups {
            if let Step::Remove { was } = step {
                let told = self.groups.get(was.0).and_then(Group::dissolve);
                self.out.outputs.extend(told.map(Output::GroupTransition));
            }
        }
    }

    /// Returns where each is now.
    fn move_links(&mut self, config: &CoreConfig) -> Vec<Option<LinkId>> {
        let mut moved = vec![None; self.config.links.len()];
        let mut known_links = Vec::with_capacity(config.links.len());
        let mut strays = Vec::with_capacity(config.links.len());
        for (place, name) in config.links.iter().enumerate() {
            let was = self.routes.link(name);
            if let Some(to) = was.and_then(|was| moved.get_mut(was.0)) {
                *to = Some(LinkId(place));
            }
            let known = was.and_then(|was| self.known_links.get_mut(was.0));
            known_links.push(known.map_or_else(|| KnownLink::new(name.clone()), KnownLink::take));
            let seen = was.and_then(|was| self.strays.get_mut(was.0));
            strays.push(seen.map_or_else(Remarks::default, std::mem::take));
        }
        (self.known_links, self.strays) = (known_links, strays);
        moved
    }

    /// Returns where each is now that goes on. Who is drained stays so, even if it begins anew, and its failures as master are its
    /// own.
    fn move_instances(&mut self, now: Instant, config: &CoreConfig, plan: &Plan) -> Vec<Option<InstanceId>> {
        let mut moved = vec![None; self.instances.len()];
        let mut before: Vec<_> = std::mem::take(&mut self.instances).into_iter().map(Some).collect();
        let mut drains = std::mem::take(&mut self.drains);
        for (place, (settings, step)) in config.instances.iter().zip(&plan.instances).enumerate() {
            let is = InstanceId(place);
            self.drains.push(step.carried().and_then(|(was, _)| drains.get_mut(was.0)?.take()));
            let goes_on = match step {
                Step::Keep { was, .. } | Step::Retune { was, .. } => {
                    before.get_mut(was.0).and_then(Option::take)
                }
                Step::Restart { .. } | Step::Add { .. } | Step::Remove { .. } => None,
            };
            let Some(mut instance) = goes_on else {
                let mut instance = Instance::new(is, settings.clone(), now);
                let was = step.carried().and_then(|(was, _)| before.get(was.0)?.as_ref());
                for penalty in was.into_iter().flat_map(|was| was.roles.all()) {
                    instance.roles.recall(now, &penalty, &settings.checks);
                }
                self.instances.push(instance);
                continue;
            };
            if let Some(to) = moved.get_mut(instance.id.0) {
                *to = Some(is);
            }
            instance.renumber(is, settings.link);
            if matches!(step, Step::Keep { .. }) {
                // The same but for the places in it.
                instance.config = settings.clone();
            }
            self.instances.push(instance);
        }
        moved
    }

    /// Returns where each is now.
    fn move_groups(&mut self, now: Instant, config: &CoreConfig, plan: &Plan) -> Vec<Option<GroupId>> {
        let mut moved = vec![None; self.groups.len()];
        let mut before: Vec<_> = std::mem::take(&mut self.groups).into_iter().map(Some).collect();
        self.groups = groups::form(config, now);
        self.membership = groups::membership(config);
        for step in &plan.groups {
            let Some((was, is)) = step.carried() else { continue };
            let earlier = before.get_mut(was.0).and_then(Option::take);
            if let (Some(group), Some(earlier), Some(to)) =
                (self.groups.get_mut(is.0), earlier, moved.get_mut(was.0))
            {
                group.carry_on(earlier, step.same_members().is_some());
                *to = Some(is);
            }
        }
        moved
    }

    /// Whoever has other settings learns them, and whoever is new looks around.
    fn tell_of_changes(&mut self, now: Instant, plan: &Plan) {
        for step in &plan.instances {
            match step {
                Step::Retune { is, .. } => {
                    let Some(settings) = self.config.instances.get(is.0).cloned() else { continue };
                    self.deliver_to_one(now, *is, Event::Retune(&settings));
                }
                Step::Restart { is, .. } | Step::Add { is } => self.deliver_to_one(now, *is, Event::Facts),
                Step::Keep { .. } | Step::Remove { .. } => {}
            }
        }
        for place in 0..self.groups.len() {
            self.align(now, GroupId(place));
        }
    }
}
