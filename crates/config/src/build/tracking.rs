//! `track_script` and `track_interface`: what an instance or a group follows.
//!
//! keepalived drops a tracker that it doesn't know and runs on without it, so a typing mistake turns a check
//! off. Here it is an error.

use std::collections::{HashMap, HashSet};

use model::{CheckName, LinkName};

use super::{Named, bad_name};
use crate::arguments;
use crate::diagnostic::{Complaints, Diagnostic, quote};
use crate::directives::{self, Argument, Place};
use crate::entries::{Entry, entries};
use crate::lexer::Word;
use crate::model::{Address, Check, Instance, TrackedCheck, TrackedLink, Weight};
use crate::section::Section;
use crate::source::Span;
use crate::suggest::nearest;

/// The checks that the file defines, by name.
pub(super) struct Known<'a> {
    checks: HashMap<&'a str, Definition>,
}

struct Definition {
    span: Span,
    order: usize,
    weight: Weight,
    weight_span: Option<Span>,
}

impl<'a> Known<'a> {
    /// `checks` are what became of `scripts`, one by one. Complains about names that are defined twice.
    pub(super) fn new(scripts: &[Named<'a>], checks: &[Option<Check>], complaints: &mut Complaints) -> Self {
        let mut known: HashMap<&'a str, Definition> = HashMap::with_capacity(scripts.len());
        for (script, check) in scripts.iter().zip(checks) {
            let (name, span) = (script.name.text, script.name.span);
            let weight = check.as_ref().map(|check| check.weight).unwrap_or_default();
            let weight_span = check.as_ref().and_then(|check| check.given.at("weight"));
            if let Some(first) = known.get(name) {
                let message = format!("there are two scripts of the name {}", quote(name));
                complaints.push(
                    Diagnostic::error("duplicate-name", span, message)
                        .related(first.span, "the first one")
                        .help("give them different names"),
                );
            } else {
                known.insert(name, Definition { span, order: script.order, weight, weight_span });
            }
        }
        Self { checks: known }
    }
}

/// The checks that an instance or a group follows, each once.
pub(super) fn checks(
    block: &Named<'_>,
    section: &Section<'_>,
    known: &Known<'_>,
    complaints: &mut Complaints,
) -> Vec<TrackedCheck> {
    let mut seen: HashMap<&str, Span> = HashMap::new();
    let mut tracked = Vec::new();
    for entry in entries(Place::TrackEntry, section.blocks("track_script"), complaints) {
        let (name, span) = (entry.head.text, entry.head.span);
        let Some(definition) = known.checks.get(name) else {
            complaints.push(unknown_check(&entry.head, known, complaints));
            continue;
        };
        if is_repeated(&mut seen, &entry.head, complaints) {
            continue;
        }
        if definition.order > block.order {
            let message = format!("{} is defined after this block", quote(name));
            complaints.push(
                Diagnostic::note("forward-reference", span, message)
                    .related(definition.span, "defined here")
                    .keepalived("demands the script first, and drops the tracker otherwise")
                    .help("nothing, unless keepalived reads the file too"),
            );
        }
        let weight = weight(&entry, definition.weight, complaints);
        let weight_span = weight_span(&entry).or(definition.weight_span);
        if let Ok(check) = CheckName::new(name) {
            tracked.push(TrackedCheck { check, weight, weight_span, span: entry.span });
        }
    }
    tracked
}

/// The interfaces that an instance or a group follows, each once.
pub(super) fn links(section: &Section<'_>, complaints: &mut Complaints) -> Vec<TrackedLink> {
    let mut seen = HashMap::new();
    let mut tracked = Vec::new();
    for entry in entries(Place::TrackEntry, section.blocks("track_interface"), complaints) {
        let link = match LinkName::new(entry.head.text) {
            Ok(link) => link,
            Err(error) => {
                complaints.push(bad_name(entry.head.span, &error));
                continue;
            }
        };
        if !is_repeated(&mut seen, &entry.head, complaints) {
            let weight = weight(&entry, Weight::default(), complaints);
            tracked.push(TrackedLink { link, weight, weight_span: weight_span(&entry), span: entry.span });
        }
    }
    tracked
}

/// Who holds an address on another interface can't be master while that one is down, unless the file says otherwise.
pub(super) fn follow_addresses<'a>(
    tracked: &mut Vec<TrackedLink>,
    own: Option<&LinkName>,
    addresses: impl Iterator<Item = &'a Address>,
) {
    let mut known: HashSet<LinkName> = tracked.iter().map(|it| it.link.clone()).chain(own.cloned()).collect();
    for Address { link, span, .. } in addresses.filter(|it| it.options.follows_link) {
        if known.insert(link.clone()) {
            let (link, weight) = (link.clone(), Weight::default());
            tracked.push(TrackedLink { link, weight, weight_span: None, span: *span });
        }
    }
}

/// An instance's own interface among those that it tracks.
pub(super) fn judge_own_link(instance: &Instance, complaints: &mut Complaints) {
    let own = instance.links.iter().find(|tracked| tracked.link == instance.link);
    if let (Some(own), true) = (own, instance.follows_link) {
        let message = format!("{} counts without this, and down means FAULT whatever the weight", own.link);
        let help = "it is the instance's own interface: remove the line, or add `dont_track_primary`";
        complaints.push(Diagnostic::warning("no-effect", own.span, message).help(help));
    }
}

fn is_repeated<'a>(seen: &mut HashMap<&'a str, Span>, head: &Word<'a>, complaints: &mut Complaints) -> bool {
    let Some(first) = seen.get(head.text) else {
        seen.insert(head.text, head.span);
        return false;
    };
    let message = format!("{} is tracked twice; the first line counts", quote(head.text));
    let diagnostic = Diagnostic::warning("given-twice", head.span, message);
    complaints.push(diagnostic.related(*first, "tracked here first").help("remove one of them"));
    true
}

fn unknown_check(head: &Word<'_>, known: &Known<'_>, complaints: &Complaints) -> Diagnostic {
    let message = format!("there is no `vrrp_script` of the name {}", quote(head.text));
    let near = if complaints.is_full() { None } else { nearest(head.text, known.checks.keys().copied()) };
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None if directives::find(Place::Root, head.text).is_some() => {
            "is the `}` of the list missing?".to_owned()
        }
        None => format!("define it: vrrp_script {} {{ ... }}", head.text),
    };
    Diagnostic::error("unknown-check", head.span, message)
        .keepalived("drops this tracker and goes on without it")
        .help(help)
}

/// Where an entry says something about its weight.
fn weight_span(entry: &Entry<'_>) -> Option<Span> {
    (!entry.options.is_empty()).then_some(entry.span)
}

/// Without a weight of its own an entry has the script's; `reverse` and `noreverse` change only that.
fn weight(entry: &Entry<'_>, own: Weight, complaints: &mut Complaints) -> Weight {
    let mut weight = own;
    for (row, value) in &entry.options {
        match (row.name, row.argument, value) {
            ("reverse", ..) => weight.reverse = true,
            ("noreverse", ..) => weight.reverse = false,
            (_, Argument::Number(min, max), Some(word)) => {
                let number = arguments::number(word.text, min, max);
                match number.and_then(|number| i16::try_from(number).ok()) {
                    Some(value) => weight.value = value,
                    None => complaints.push(arguments::unfit(row, word)),
                }
            }
            _ => {}
        }
    }
    weight
}
