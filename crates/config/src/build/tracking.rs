//! `track_script`, `track_process`, `track_file` and `track_interface`: what an instance or a group follows.
//!
//! keepalived drops a tracker that it doesn't know and runs on without it, so a typing mistake turns a check
//! off. Here it is an error.

use std::collections::{HashMap, HashSet};

use model::{CheckName, LinkName};

use super::{Named, bad_name, check, file, process};
use crate::arguments;
use crate::diagnostic::{Complaints, Diagnostic, quote};
use crate::directives::{self, Argument, Directive, Place};
use crate::entries::{Entry, entries};
use crate::lexer::Word;
use crate::model::{Address, Check, Instance, TrackedCheck, TrackedLink, VirtualRoute, VirtualRule, Weight};
use crate::section::Section;
use crate::source::Span;
use crate::suggest::nearest;

/// How much an interface or a script may weigh, each way.
const MOST: i64 = 253;

/// What defines a check that instances can follow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Script,
    Process,
    File,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Script, Self::Process, Self::File];

    /// The block that defines one.
    const fn block(self) -> &'static str {
        match self {
            Self::Script => "vrrp_script",
            Self::Process => "vrrp_track_process",
            Self::File => "track_file",
        }
    }

    /// The block that says who follows it.
    pub(super) const fn list(self) -> &'static str {
        match self {
            Self::Script => "track_script",
            Self::Process => "track_process",
            Self::File => "track_file",
        }
    }

    /// `None` after a complaint.
    pub(super) fn read(self, block: &Named<'_>, complaints: &mut Complaints) -> Option<Check> {
        match self {
            Self::Script => check::check(block, complaints),
            Self::Process => process::check(block, complaints),
            Self::File => file::check(block, complaints),
        }
    }

    /// How much an entry may weigh.
    const fn most(self) -> i64 {
        match self {
            Self::Script => MOST,
            Self::Process | Self::File => MOST + 1,
        }
    }
}

/// The checks that the file defines, by name.
pub(super) struct Known<'a> {
    checks: HashMap<&'a str, Definition>,
}

struct Definition {
    kind: Kind,
    span: Span,
    order: usize,
    weight: Weight,
    weight_span: Option<Span>,
}

impl<'a> Known<'a> {
    /// `checks` are what became of `blocks`, one by one. Complains about names that are defined twice.
    pub(super) fn new(
        blocks: &[(Kind, Named<'a>)],
        checks: &[Option<Check>],
        complaints: &mut Complaints,
    ) -> Self {
        let mut known: HashMap<&'a str, Definition> = HashMap::with_capacity(blocks.len());
        for ((kind, block), check) in blocks.iter().zip(checks) {
            let (name, span) = (block.name.text, block.name.span);
            let weight = check.as_ref().map(|check| check.weight).unwrap_or_default();
            let weight_span = check.as_ref().and_then(|check| check.given.at("weight"));
            if let Some(first) = known.get(name) {
                let message = if (first.kind, *kind) == (Kind::Script, Kind::Script) {
                    format!("there are two scripts of the name {}", quote(name))
                } else {
                    format!("there is a check of the name {} already", quote(name))
                };
                complaints.push(
                    Diagnostic::error("duplicate-name", span, message)
                        .related(first.span, "the first one")
                        .help("give them different names"),
                );
            } else {
                let (kind, order) = (*kind, block.order);
                known.insert(name, Definition { kind, span, order, weight, weight_span });
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
    Kind::ALL.into_iter().flat_map(|kind| of_kind(kind, (block, section), known, complaints)).collect()
}

fn of_kind(
    kind: Kind,
    (block, section): (&Named<'_>, &Section<'_>),
    known: &Known<'_>,
    complaints: &mut Complaints,
) -> Vec<TrackedCheck> {
    let mut seen: HashMap<&str, Span> = HashMap::new();
    let mut tracked = Vec::new();
    for entry in entries(Place::TrackEntry, section.blocks(kind.list()), complaints) {
        let (name, span) = (entry.head.text, entry.head.span);
        let Some(definition) = known.checks.get(name).filter(|definition| definition.kind == kind) else {
            complaints.push(unknown_check(kind, &entry.head, known, complaints));
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
                    .keepalived("demands the definition first, and drops the tracker otherwise")
                    .help("nothing, unless keepalived reads the file too"),
            );
        }
        let weight = weight(&entry, (definition.weight, kind.most()), complaints);
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
            let weight = weight(&entry, (Weight::default(), MOST), complaints);
            tracked.push(TrackedLink { link, weight, weight_span: weight_span(&entry), span: entry.span });
        }
    }
    tracked
}

/// The interfaces of what an instance holds, unless the file says that they don't matter.
pub(super) fn links_of<'a>(
    addresses: impl Iterator<Item = &'a Address>,
    routes: &'a [VirtualRoute],
    rules: &'a [VirtualRule],
) -> impl Iterator<Item = (&'a LinkName, Span)> {
    let addresses = addresses.filter(|it| it.options.follows_link).map(|it| (&it.link, it.span));
    let routes = routes.iter().filter(|it| it.follows_link);
    let hops = routes.flat_map(|it| it.hops.iter().filter_map(|hop| Some((hop.link.as_ref()?, it.span))));
    let rules = rules.iter().filter(|it| it.follows_link);
    let ends = rules.flat_map(|it| it.incoming.iter().chain(&it.outgoing).map(|link| (link, it.span)));
    addresses.chain(hops).chain(ends)
}

/// Who can't hold something, since its interface is down, isn't fit to be master.
pub(super) fn follow<'a>(
    tracked: &mut Vec<TrackedLink>,
    own: Option<&LinkName>,
    links: impl Iterator<Item = (&'a LinkName, Span)>,
) {
    let mut known: HashSet<LinkName> = tracked.iter().map(|it| it.link.clone()).chain(own.cloned()).collect();
    for (link, span) in links {
        if known.insert(link.clone()) {
            let (link, weight) = (link.clone(), Weight::default());
            tracked.push(TrackedLink { link, weight, weight_span: None, span });
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

fn unknown_check(kind: Kind, head: &Word<'_>, known: &Known<'_>, complaints: &Complaints) -> Diagnostic {
    let message = format!("there is no `{}` of the name {}", kind.block(), quote(head.text));
    let of_kind =
        || known.checks.iter().filter(|(_, definition)| definition.kind == kind).map(|(name, _)| *name);
    let near = if complaints.is_full() { None } else { nearest(head.text, of_kind()) };
    let help = match (known.checks.get(head.text), near) {
        (Some(other), _) => {
            format!("it is a `{}`: list it in a `{}` block", other.kind.block(), other.kind.list())
        }
        (None, Some(near)) => format!("did you mean `{near}`?"),
        (None, None) if directives::find(Place::Root, head.text).is_some() => {
            "is the `}` of the list missing?".to_owned()
        }
        (None, None) => format!("define it: {} {} {{ ... }}", kind.block(), head.text),
    };
    Diagnostic::error("unknown-check", head.span, message)
        .keepalived("drops this tracker and goes on without it")
        .help(help)
}

/// Where an entry says something about its weight.
fn weight_span(entry: &Entry<'_>) -> Option<Span> {
    (!entry.options.is_empty()).then_some(entry.span)
}

/// Without a weight of its own an entry has the check's; `reverse` and `noreverse` change only that. `most` is the limit each
/// way: the table's is that of most kinds.
fn weight(entry: &Entry<'_>, (own, most): (Weight, i64), complaints: &mut Complaints) -> Weight {
    let mut weight = own;
    for (row, value) in &entry.options {
        match (row.name, row.argument, value) {
            ("reverse", ..) => weight.reverse = true,
            ("noreverse", ..) => weight.reverse = false,
            (_, Argument::Number(..), Some(word)) => {
                let row = Directive { argument: Argument::Number(-most, most), ..**row };
                let number = arguments::number(word.text, -most, most);
                match number.and_then(|number| i16::try_from(number).ok()) {
                    Some(value) => weight.value = value,
                    None => complaints.push(arguments::unfit(&row, word)),
                }
            }
            _ => {}
        }
    }
    weight
}
