//! What another configuration means for the hooks, for mail, and for what runs before and after everything. Pure.
//!
//! Hooks run for what happens, so a change of theirs makes nothing run: the next state finds the new ones.

use std::collections::HashMap;
use std::path::Path;

use config::{Config, Delivery, Hook, Hooks, UserSpec};
use ipc::reload::{Fate, Kind, Planned};

use crate::board::subjects;
use crate::mail;
use crate::occasion::Subject;
use crate::outer;

/// From old names to new ones.
pub(crate) fn renames(old: &Config, new: &Config) -> HashMap<Subject, Subject> {
    let renames = new.renamed_since(old);
    let instances =
        renames.instances.into_iter().map(|(was, is)| (Subject::Instance(was), Subject::Instance(is)));
    let groups = renames.groups.into_iter().map(|(was, is)| (Subject::Group(was), Subject::Group(is)));
    instances.chain(groups).collect()
}

/// Whose hooks change, begin or end. Whoever has none before and after isn't mentioned.
pub(crate) fn plan(old: &Config, new: &Config) -> Vec<Planned> {
    let (old_user, new_user) = (old.global.script_user.as_ref(), new.global.script_user.as_ref());
    let renames = renames(old, new);
    let renamed = |(subject, hooks, delivery)| {
        let name = renames.get(&subject).cloned();
        (name.unwrap_or_else(|| Subject::clone(&subject)), (subject, hooks, delivery))
    };
    let mut before: HashMap<Subject, (Subject, &Hooks, &Delivery)> = subjects(old).map(renamed).collect();
    let none = Hooks::default();
    let mut plan = Vec::new();
    for (subject, hooks, delivery) in subjects(new) {
        let (was, known, delivered) = match before.remove(&subject) {
            Some((was, known, delivered)) => (Some(was).filter(|was| *was != subject), known, delivered),
            None => (None, &none, delivery),
        };
        let mut changed = differences((known, old_user), (hooks, new_user));
        if !is_empty(known) {
            changed.extend(manner(delivered, delivery));
        }
        let fate = match (is_empty(known), is_empty(hooks)) {
            (true, true) => continue,
            (true, false) => Fate::Add,
            (false, true) => Fate::Remove,
            (false, false) if changed.is_empty() && was.is_none() => Fate::Keep,
            (false, false) => Fate::Retune,
        };
        plan.push(planned(&subject, was, fate, changed));
    }
    let left = before.into_values().filter(|(_, hooks, _)| !is_empty(hooks));
    let mut left: Vec<_> = left.map(|(was, ..)| planned(&was, None, Fate::Remove, Vec::new())).collect();
    left.sort_by(|one, other| (one.kind, &one.name).cmp(&(other.kind, &other.name)));
    plan.extend(left);
    plan.extend(mail::plan(old, new, &renames));
    plan.extend(outer::plan(old, new));
    plan
}

fn planned(subject: &Subject, was: Option<Subject>, fate: Fate, changed: Vec<String>) -> Planned {
    let name = |subject: &Subject| match subject {
        Subject::Instance(name) => (Kind::InstanceHooks, name.to_string()),
        Subject::Group(name) => (Kind::GroupHooks, name.to_string()),
    };
    let (kind, own) = name(subject);
    Planned { kind, name: own, was: was.map(|was| name(&was).1), fate, changed }
}

fn is_empty(hooks: &Hooks) -> bool {
    *hooks == Hooks::default()
}

/// What of the way in which hooks are run is another.
fn manner(before: &Delivery, after: &Delivery) -> impl Iterator<Item = String> {
    let Delivery { timeout, queue } = after;
    let words = [("notify_timeout", before.timeout != *timeout), ("notify_queue", before.queue != *queue)];
    words.into_iter().filter(|(_, differs)| *differs).map(|(word, _)| word.to_owned())
}

/// What is run, and as whom, where `user` is the default; not where it stands.
pub(crate) fn meaning<'a>(
    hook: &'a Hook,
    user: Option<&'a UserSpec>,
) -> (&'a Path, &'a [String], Option<&'a UserSpec>) {
    (&hook.command.program, &hook.command.arguments, hook.user.as_ref().or(user))
}

fn differences(
    (before, old_user): (&Hooks, Option<&UserSpec>),
    (after, new_user): (&Hooks, Option<&UserSpec>),
) -> Vec<String> {
    let pairs = before.by_word().into_iter().zip(after.by_word());
    let differing = pairs.filter(|((_, before), (_, after))| {
        before.map(|hook| meaning(hook, old_user)) != after.map(|hook| meaning(hook, new_user))
    });
    let mut changed: Vec<_> = differing.map(|((word, _), _)| word.to_owned()).collect();
    if before.says_deleted != after.says_deleted && before.deleted == after.deleted {
        changed.push("notify_deleted".to_owned());
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(instances: &[(&str, u8, &str)]) -> Config {
        let one = |(name, vrid, hooks): &(&str, u8, &str)| {
            format!(
                "vrrp_instance {name} {{ interface eth0 \n virtual_router_id {vrid} \n virtual_ipaddress {{ 10.0.0.{vrid} }} \n {hooks} }}\n"
            )
        };
        config::parse("test.conf", instances.iter().map(one).collect::<String>()).config.expect("valid")
    }

    #[test]
    fn only_what_is_run_counts_and_not_where_it_stands() {
        let old = config(&[
            ("a", 1, "notify /x"),
            ("b", 2, "notify /x"),
            ("c", 3, ""),
            ("d", 4, "notify /x"),
            ("e", 5, "notify /x"),
        ]);
        let new = config(&[
            ("b", 2, "notify_master /m \n notify /x \n notify_timeout 5 \n notify_queue all"),
            ("A", 1, "notify /x"),
            ("c", 3, "notify_stop /s"),
            ("e", 5, "notify /x"),
        ]);
        let plan: Vec<_> =
            plan(&old, &new).into_iter().map(|it| (it.name, it.was, it.fate, it.changed)).collect();
        let line = |name: &str, was: Option<&str>, fate, changed: &[&str]| {
            let changed = changed.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
            (name.to_owned(), was.map(str::to_owned), fate, changed)
        };
        assert_eq!(
            plan,
            [
                line("b", None, Fate::Retune, &["notify_master", "notify_timeout", "notify_queue"]),
                line("A", Some("a"), Fate::Retune, &[]),
                line("c", None, Fate::Add, &["notify_stop"]),
                line("e", None, Fate::Keep, &[]),
                line("d", None, Fate::Remove, &[]),
            ]
        );
    }
}
