//! Making the difference: the changes of a plan, in their order, and what is said about those that failed.

use std::collections::{HashMap, HashSet};
use std::fmt;

use model::{InstanceName, Instant};
use sys::netlink::{Change, KernelError, MAX_BATCH, Place};

use super::answers::Answer;
use super::{AFTER_REPAIR, Daemon, LOOK_AGAIN};
use crate::claims::InstanceId;
use crate::core_link::CoreLink;
use crate::paths::{Cause, ORIGIN, Paths};
use crate::plan::{Plan, Reason, Spot, Thing};
use crate::progress::Progress;
use crate::virtual_links;

/// What had become of what is put back.
pub(super) const GONE: &str = "it was gone";
const ALTERED: &str = "it had been made to last for ever";

impl Daemon {
    /// Makes the changes of a plan, and says what failed that did not fail the last time. Rules and routes go before the
    /// addresses that they may need, and come after them.
    pub(super) fn make(&mut self, mut plan: Plan, mut paths: Paths, now: Instant) {
        let asked = self.asked();
        let mut failures = self.hold_back(&mut plan, &mut paths, &asked, now);
        let impossible = std::mem::take(&mut plan.impossible);
        failures.extend(impossible.into_iter().map(|(_, spot, sentence)| (Thing::Address(spot), sentence)));
        let impossible = std::mem::take(&mut paths.impossible);
        failures.extend(impossible.into_iter().map(|(cause, sentence)| (cause.thing, sentence)));
        failures.extend(self.no_virtual_link.clone());
        self.leave_out_foreign(&mut plan, &mut failures);
        self.switch_virtual_links(false, &mut failures);
        let out = self.route.apply_rules(&paths.rules_out, ORIGIN).into_iter();
        let out = out.chain(self.route.apply_paths(&paths.routes_out, ORIGIN));
        for error in out.filter_map(Result::err).filter(|error| !error.is_absent()) {
            self.try_again_after(&error, now);
            failures.insert(Thing::Path(error.target.clone()), error.to_string());
        }
        let again = virtual_links::without_route(&plan, &self.world);
        // It tells of an IPv6 address from a worker (`addrconf_dad_work`, net/ipv6/addrconf.c), and of all else at once.
        self.outdated |= plan.changes.iter().any(|(change, _)| change.place().address.is_ipv6());
        self.make_addresses(plan.changes, &asked, &mut failures, now);
        self.switch_virtual_links(true, &mut failures);
        for (change, result) in again.iter().zip(self.route.apply(&again)) {
            if let Err(error) = result {
                failures.insert(Thing::Address(Spot::changed_by(change)), error.to_string());
            }
        }
        let (changes, causes): (Vec<_>, Vec<_>) = paths.routes.into_iter().unzip();
        let results = self.route.apply_paths(&changes, ORIGIN);
        self.judge(causes.into_iter().zip(results), &asked, &mut failures, now);
        let (changes, causes): (Vec<_>, Vec<_>) = paths.rules.into_iter().unzip();
        let results = self.route.apply_rules(&changes, ORIGIN);
        self.judge(causes.into_iter().zip(results), &asked, &mut failures, now);
        let is_news = |(thing, failure): &(&Thing, &String)| self.failures.get(thing) != Some(failure);
        let mut news: Vec<_> = failures.iter().filter(is_news).collect();
        news.sort_unstable();
        for (_, failure) in news {
            self.refusals.mention(now, || log::error!("{failure}"));
        }
        self.tell_at_last(now);
        self.adopted = false;
        self.were_up = Some(self.world.links().filter(|link| link.up).map(|link| link.index).collect());
        if self.failures != failures {
            self.failures = failures;
            self.answer_again(&asked);
        }
    }

    /// Where a virtual MAC can't be, whatever has its name is somebody else's.
    fn leave_out_foreign(&self, plan: &mut Plan, failures: &mut HashMap<Thing, String>) {
        plan.changes.retain(|(change, _)| match change {
            Change::Remove { .. } => true,
            Change::Add { place, .. } => match self.no_virtual_link.get(&Thing::Link(place.name.clone())) {
                None => true,
                Some(why) => {
                    failures.insert(Thing::Address(Spot::changed_by(change)), format!("add {place}: {why}"));
                    false
                }
            },
        });
    }

    /// Leaves out what somebody takes away again and again, for a while, and what is gone with an instance's interface: without that
    /// nobody is master, so it is wanted no longer, or comes back with the interface. Not what was ordered just now. Returns what
    /// could not be done before, and isn't tried.
    fn hold_back(
        &mut self,
        plan: &mut Plan,
        paths: &mut Paths,
        asked: &HashSet<InstanceId>,
        now: Instant,
    ) -> HashMap<Thing, String> {
        let mut failed = HashMap::new();
        let (contest, world, config) = (&mut self.contest, &self.world, &self.config);
        let is_off = |id: InstanceId| {
            let Some(instance) = config.instances.get(id.0) else { return true };
            let own = instance.virtual_mac.as_ref();
            world.link(&instance.link).is_none_or(|link| !link.up)
                || own.is_some_and(|own| self.held_back.contains(&own.link))
        };
        // What was told before stays so.
        let is_told = |id: Option<InstanceId>, thing: &Thing| {
            id.is_none_or(|id| asked.contains(&id) || !is_off(id)) || self.failures.contains_key(thing)
        };
        plan.impossible.retain(|(instance, spot, _)| is_told(*instance, &Thing::Address(spot.clone())));
        paths.impossible.retain(|(cause, _)| is_told(cause.instance, &cause.thing));
        let mut waits = |instance: Option<InstanceId>, thing: &Thing| {
            let Some(instance) = instance else { return contest.holds_back(thing, now) };
            if asked.contains(&instance) {
                false
            } else if is_off(instance) {
                failed.extend(self.failures.get(thing).map(|why| (thing.clone(), why.clone())));
                true
            } else {
                contest.holds_back(thing, now)
            }
        };
        plan.changes.retain(|(change, reason)| match reason {
            Reason::Missing(instance) => !waits(*instance, &Thing::Address(Spot::changed_by(change))),
            Reason::Altered(instance) => !waits(Some(*instance), &Thing::Address(Spot::changed_by(change))),
            Reason::Renewal | Reason::Changed | Reason::Unwanted => true,
        });
        let mut goes = |cause: &Option<Cause>| match cause {
            Some(Cause { instance, thing }) => !waits(*instance, thing),
            None => true,
        };
        paths.routes.retain(|(_, cause)| goes(cause));
        paths.rules.retain(|(_, cause)| goes(cause));
        failed
    }

    fn make_addresses(
        &mut self,
        changes: Vec<(Change, Reason)>,
        asked: &HashSet<InstanceId>,
        failures: &mut HashMap<Thing, String>,
        now: Instant,
    ) {
        self.progress =
            if changes.len() > MAX_BATCH { self.progress_of_orders() } else { Progress::default() };
        let mut changes = changes.into_iter();
        while changes.len() > 0 {
            self.tell_progress();
            let meanwhile = &self.meanwhile;
            let wanted = changes.by_ref().filter(|(_, reason)| match reason {
                Reason::Missing(instance) => !meanwhile.has_given_up(*instance),
                Reason::Altered(_) | Reason::Renewal | Reason::Changed | Reason::Unwanted => true,
            });
            let (batch, reasons): (Vec<_>, Vec<_>) = wanted.take(MAX_BATCH).unzip();
            let results = self.route.apply(&batch);
            for ((change, reason), result) in batch.iter().zip(&reasons).zip(results) {
                if let (Ok(()), Change::Add { .. }) = (&result, change) {
                    self.progress.note(&Spot::changed_by(change));
                    if let Reason::Missing(Some(_)) = reason {
                        let place = change.place();
                        self.placed.insert((place.link, place.address, place.prefix));
                    }
                }
                match (result, reason) {
                    (Ok(()), Reason::Missing(owner))
                        if self.was_there(*owner, asked) && !self.went_with_link(*owner, change.place()) =>
                    {
                        let thing = Thing::Address(Spot::changed_by(change));
                        self.remark_on_repair(*owner, thing, (change.place(), GONE), now);
                    }
                    (Ok(()), Reason::Altered(instance)) => {
                        let thing = Thing::Address(Spot::changed_by(change));
                        self.remark_on_repair(*instance, thing, (change.place(), ALTERED), now);
                    }
                    (Ok(()), _) => log::debug!("{reason:?}: {change:?}"),
                    (Err(error), Reason::Unwanted) if error.is_absent() => {}
                    (Err(error), _) => {
                        self.try_again_after(&error, now);
                        failures.insert(Thing::Address(Spot::changed_by(change)), error.to_string());
                    }
                }
            }
            if changes.len() > 0 {
                self.listen_meanwhile();
            }
        }
    }

    fn progress_of_orders(&self) -> Progress {
        let orders = self.answers.iter().filter_map(|answer| match answer {
            Answer::Installed { instance, order } => Some((*instance, *order)),
            Answer::Withdrawn { .. } => None,
        });
        Progress::of(&self.config, &self.claims, orders)
    }

    /// Tells vrrp-core which addresses of its orders are in place, while there is more to do. What came last comes with the
    /// answer.
    fn tell_progress(&mut self) {
        for (id, order, places) in self.progress.news() {
            if let Some(name) = self.name(id).cloned() {
                self.tell_placed(&name, order, &places);
            }
        }
        self.with_core(CoreLink::flush);
    }

    /// What became of routes or of rules.
    fn judge(
        &mut self,
        results: impl Iterator<Item = (Option<Cause>, Result<(), KernelError>)>,
        asked: &HashSet<InstanceId>,
        failures: &mut HashMap<Thing, String>,
        now: Instant,
    ) {
        for (cause, result) in results {
            match (result, cause) {
                (Ok(()), Some(Cause { instance, thing })) if self.was_there(instance, asked) => {
                    self.remark_on_repair(instance, thing.clone(), (&thing, GONE), now);
                }
                (Ok(()), _) => {}
                (Err(error), None) if error.is_absent() => {}
                (Err(error), None) => {
                    self.try_again_after(&error, now);
                    failures.insert(Thing::Path(error.target.clone()), error.to_string());
                }
                (Err(error), Some(Cause { thing, .. })) => {
                    self.try_again_after(&error, now);
                    let error = KernelError { target: thing.to_string(), ..error };
                    failures.insert(thing, error.to_string());
                }
            }
        }
    }

    /// What the kernel couldn't do just now it may soon: that is looked at earlier than all else.
    fn try_again_after(&mut self, error: &KernelError, now: Instant) {
        if error.is_passing() {
            self.look_at = self.look_at.min(now + LOOK_AGAIN);
        }
    }

    /// Whether what is missing was there, or was refused, at the last comparison: nobody has ordered it since.
    fn was_there(&self, owner: Option<InstanceId>, asked: &HashSet<InstanceId>) -> bool {
        match owner {
            Some(instance) => !asked.contains(&instance),
            // What stands still is wanted from the first comparison on.
            None => self.were_up.is_some(),
        }
    }

    /// Whether what stands still has gone because its interface went off. What moves waits until that is on again.
    fn went_with_link(&self, owner: Option<InstanceId>, place: &Place) -> bool {
        let was_up = self.were_up.as_ref().is_some_and(|links| links.contains(&place.link));
        owner.is_none() && was_up && self.world.link(&place.name).is_none_or(|link| !link.up)
    }

    /// Something that was ordered before, or stands still, had to be added again.
    pub(super) fn remark_on_repair(
        &mut self,
        owner: impl Into<Option<InstanceId>>,
        thing: Thing,
        (what, why): (&impl fmt::Display, &str),
        now: Instant,
    ) {
        if self.adopted {
            return;
        }
        self.rest_until = now + AFTER_REPAIR;
        let owner = owner.into();
        if self.failures.contains_key(&thing) {
            self.at_last.entry(owner).or_insert_with(|| (what.to_string(), 0)).1 += 1;
            return;
        }
        let wall = service::stamp::rfc3339(sys::clock::wall());
        let name = owner.and_then(|id| self.name(id)).cloned();
        let put_back = self.contest.put_back(name.as_ref(), thing, now, wall);
        if !put_back.is_news {
            return self.repairs.hold_back(now);
        }
        let whose = whose(name.as_ref());
        self.repairs.mention(now, || {
            log::warn!("{whose} put back {what}: {why}, and not by our doing");
            if !put_back.pause.is_zero() {
                let (count, pause) = (put_back.count, put_back.pause.as_millis());
                log::warn!(
                    "{whose} {count} times by now: somebody keeps removing it; not again within {pause} ms"
                );
            }
        });
    }

    /// Says what the kernel has taken that it had refused, in one line for each instance.
    fn tell_at_last(&mut self, now: Instant) {
        for (owner, (first, count)) in std::mem::take(&mut self.at_last) {
            let whose = whose(owner.and_then(|id| self.name(id)));
            let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
            self.mended.mention(now, || {
                log::info!("{whose} added {first}{more} at last, which the kernel had refused");
            });
        }
    }
}

/// How a line begins about what is that instance's, or is static.
fn whose(name: Option<&InstanceName>) -> String {
    name.map_or_else(|| "static:".to_owned(), |name| format!("({name})"))
}
