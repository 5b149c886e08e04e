//! `vrrp_sync_group`: instances that move together.
//!
//! A group is read after all instances, wherever it stands. What its members may no longer say for themselves is taken
//! from them here, with a word about it, so that nobody else needs to know the rule.

use std::collections::{HashMap, HashSet};

use model::{GroupName, InstanceName};

use super::defaults::Defaults;
use super::delivery::delivery;
use super::instance::{Draft, hooks};
use super::tracking::{self, Known};
use super::{Named, bad_name, election, mail};
use crate::diagnostic::{Complaints, Diagnostic, quote};
use crate::directives::{self, Place};
use crate::lexer::Word;
use crate::model::{Hooks, Instance, SyncGroup};
use crate::section::Section;
use crate::source::Span;
use crate::suggest::nearest;

/// Both words mean the same; the second is the old one.
const WEIGHTS_ALLOWED: [&str; 2] = ["sync_group_tracking_weight", "global_tracking"];

/// The instances that groups may name, and what has become of them so far.
pub(super) struct Members<'a> {
    /// Every name, also of instances with an error, and which group has it.
    names: HashMap<&'a str, Option<Taken>>,
    /// Where its draft is.
    drafts: HashMap<String, usize>,
}

#[derive(Clone, Copy)]
struct Taken {
    span: Span,
    /// The group's number among the statements of the file.
    group: usize,
}

impl<'a> Members<'a> {
    pub(super) fn new(instances: &[Named<'a>], drafts: &[Draft]) -> Self {
        let name = |draft: &Draft| draft.instance.name.as_str().to_owned();
        Self {
            names: instances.iter().map(|instance| (instance.name.text, None)).collect(),
            drafts: drafts.iter().enumerate().map(|(at, draft)| (name(draft), at)).collect(),
        }
    }

    /// Notes whose member that is. False after a complaint.
    fn take(&mut self, word: &Word<'a>, group: usize, complaints: &mut Complaints) -> bool {
        let Some(taken) = self.names.get_mut(word.text) else {
            let unknown = self.unknown(word, complaints);
            complaints.push(unknown);
            return false;
        };
        let Some(first) = taken else {
            *taken = Some(Taken { span: word.span, group });
            return true;
        };
        let name = quote(word.text);
        complaints.push(if first.group == group {
            Diagnostic::warning("given-twice", word.span, format!("{name} is in this list twice"))
                .related(first.span, "given here first")
                .help("remove one of them")
        } else {
            Diagnostic::error("two-groups", word.span, format!("{name} is in another group already"))
                .related(first.span, "a member here")
                .help("an instance can move with one group only; put all of them into one")
        });
        false
    }

    fn unknown(&self, word: &Word<'_>, complaints: &Complaints) -> Diagnostic {
        let message = format!("there is no `vrrp_instance` of the name {}", quote(word.text));
        let near = if complaints.is_full() { None } else { nearest(word.text, self.names.keys().copied()) };
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None if directives::find(Place::SyncGroup, word.text).is_some() => {
                "is the `}` of the list missing?".to_owned()
            }
            None => format!("define it: vrrp_instance {} {{ ... }}", word.text),
        };
        Diagnostic::error("unknown-member", word.span, message)
            .keepalived("leaves it out and goes on without it")
            .help(help)
    }
}

/// `None` after a complaint about something that nothing can stand in for.
pub(super) fn group<'a>(
    block: &Named<'a>,
    members: &mut Members<'a>,
    drafts: &mut [Draft],
    (known, defaults): (&Known<'_>, &Defaults),
    complaints: &mut Complaints,
) -> Option<SyncGroup> {
    let mut section = Section::new(Place::SyncGroup);
    section.read(block.block, complaints);
    let words = listed(block, &section, complaints);
    let taken: Vec<&Word<'_>> =
        words.into_iter().filter(|word| members.take(word, block.order, complaints)).collect();
    if let [only] = taken.as_slice() {
        let message = format!("{} is the only member of this group: nothing moves with it", quote(only.text));
        let help = "name the others, or remove the group";
        complaints.push(Diagnostic::warning("one-member", only.span, message).help(help));
    }
    let name = GroupName::new(block.name.text);
    let group = SyncGroup {
        name: name.map_err(|error| complaints.push(bad_name(block.name.span, &error))).ok()?,
        members: taken.iter().filter_map(|word| InstanceName::new(word.text).ok()).collect(),
        checks: tracking::checks(block, &section, known, complaints),
        links: tracking::links(&section, complaints),
        hooks: hooks(&section),
        delivery: delivery(&section, defaults.delivery, complaints),
        mails: mail::alert(&section, defaults.mails),
        given: section.words(),
        span: block.name.span,
    };
    let places: Vec<usize> = taken.iter().filter_map(|word| members.drafts.get(word.text).copied()).collect();
    let weights_allowed = WEIGHTS_ALLOWED.iter().any(|word| section.given(word).is_some());
    settle_trackers(&group, weights_allowed, drafts, &places, complaints);
    if let Some(tells) = section.flag("notify_priority_changes") {
        settle_telling(tells, drafts, &places);
    }
    let instances = places.iter().filter_map(|at| drafts.get(*at)).map(|draft| &draft.instance);
    judge_members(&group, &instances.collect::<Vec<_>>(), complaints);
    Some(group)
}

/// The words of `group { ... }`.
fn listed<'a>(block: &Named<'_>, section: &Section<'a>, complaints: &mut Complaints) -> Vec<&'a Word<'a>> {
    let Some(span) = section.given("group") else {
        let message = format!("`vrrp_sync_group {}` has no `group`, so it has no members", block.name.text);
        let help = "add the names of the instances: group { NAME ... }";
        complaints.push(Diagnostic::error("missing-word", block.name.span, message).help(help));
        return Vec::new();
    };
    let words = section.names("group", complaints);
    if words.is_empty() {
        let help = "write the names of the instances into it";
        complaints.push(Diagnostic::error("empty-list", span, "there is no member in this list").help(help));
    }
    words
}

/// Weights of one member would let the group's members have different priorities: keepalived drops such trackers, or
/// makes an interface count without weight. What the group tracks with a weight of its own, counts with that one.
fn settle_trackers(
    group: &SyncGroup,
    weights_allowed: bool,
    drafts: &mut [Draft],
    places: &[usize],
    complaints: &mut Complaints,
) {
    let checks: HashSet<_> = group.checks.iter().map(|tracked| &tracked.check).collect();
    let links: HashSet<_> = group.links.iter().map(|tracked| &tracked.link).collect();
    for at in places {
        let Some(Draft { instance, .. }) = drafts.get_mut(*at) else { continue };
        instance.checks.retain_mut(|tracked| {
            let of_group = checks.contains(&tracked.check);
            if tracked.weight.value == 0 || (weights_allowed && !of_group) {
                return true;
            }
            // Only a `track_file` weighs something without being told to.
            if tracked.weight_span.is_none() && !of_group {
                tracked.weight.value = 0;
                let otherwise = "any number but 0 means FAULT";
                complaints.push(member_weight(group, tracked.span, of_group, otherwise));
                return true;
            }
            complaints.push(member_weight(group, tracked.span, of_group, "this check is ignored"));
            false
        });
        instance.links.retain_mut(|tracked| {
            let of_group = links.contains(&tracked.link);
            if tracked.weight.value == 0 || (weights_allowed && !of_group) {
                return true;
            }
            complaints.push(member_weight(group, tracked.span, of_group, "down means FAULT, without weight"));
            tracked.weight.value = 0;
            !of_group
        });
    }
}

/// What the group says of `notify_priority_changes` is for members that say nothing.
fn settle_telling(tells: bool, drafts: &mut [Draft], places: &[usize]) {
    for at in places {
        let Some(Draft { instance, .. }) = drafts.get_mut(*at) else { continue };
        if instance.given.at("notify_priority_changes").is_none() {
            instance.tells_priority = tells;
        }
    }
}

fn member_weight(group: &SyncGroup, span: Span, of_group: bool, otherwise: &str) -> Diagnostic {
    let (message, help) = if of_group {
        let message = "the group tracks this as well, and it is the group's weight that counts".to_owned();
        (message, "remove the line")
    } else {
        let message = format!("a member of a sync group has no weights of its own: {otherwise}");
        let help = "track it in the group, where it counts for all members, or add `sync_group_tracking_weight` there";
        (message, help)
    };
    Diagnostic::warning("member-weight", span, message)
        .keepalived("does so too, with a line in its log")
        .related(group.span, "the group")
        .help(help)
}

/// What only shows when members are compared with each other and with their group.
fn judge_members(group: &SyncGroup, members: &[&Instance], complaints: &mut Complaints) {
    let has_hook = |hooks: &Hooks| *hooks != Hooks::default();
    if let (true, Some(member)) = (has_hook(&group.hooks), members.iter().find(|it| has_hook(&it.hooks))) {
        let message = format!("both the group {} and its member {} have hooks", group.name, member.name);
        complaints.push(
            Diagnostic::note("hooks-on-both", group.span, message)
                .related(member.span, "a member with hooks")
                .help("each is for its own: one transition runs both"),
        );
    }
    let waits = members.iter().find(|member| !member.preempt);
    let checks = group.checks.iter().map(|check| (check.weight, check.span));
    let links = group.links.iter().map(|link| (link.weight, link.span));
    let weighted = checks.chain(links).find(|(weight, _)| weight.value != 0);
    complaints.extend(weighted.filter(|_| waits.is_some()).map(|(_, span)| election::nopreempt_weight(span)));
    if let (Some(waits), Some(other)) = (waits, members.iter().find(|member| member.preempt)) {
        let message = format!(
            "{} has `nopreempt` and {} hasn't, but they move together: none of the group preempts",
            waits.name, other.name
        );
        complaints.push(
            Diagnostic::warning("mixed-preempt", waits.span, message)
                .related(other.span, "preempts by itself")
                .help("give it to all members or to none"),
        );
    }
}
