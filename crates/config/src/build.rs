//! From statements to the [`Config`]: what needs more than one word to be understood.
//!
//! Every block is read to its end whatever is wrong with it, so that one run tells everything. A noun with an
//! error may be filled with defaults; the configuration is then thrown away, see [`crate::parse`].

mod address_options;
mod addresses;
mod check;
mod defaults;
mod delivery;
mod dns;
mod election;
mod family;
mod file;
mod firewall;
mod group;
mod instance;
mod line;
mod mail;
mod manners;
mod outer;
mod paths;
mod pipes;
mod policy;
mod probe;
mod process;
mod reach;
mod rules;
mod strict;
mod tracking;
mod virtual_mac;

use std::collections::HashSet;

use model::{CheckName, ProtocolVersion};

use self::defaults::Defaults;
use self::tracking::Kind;
use crate::arguments;
use crate::diagnostic::{Complaints, Diagnostic, quote};
use crate::directives::Place;
use crate::lexer::Word;
use crate::model::{Check, Config, Statics, SyncGroup, TrackedCheck};
use crate::section::{Section, admit, guess};
use crate::source::Span;
use crate::tree::{Block, Statement};

/// A `vrrp_script` or other tracker, `vrrp_instance` or `vrrp_sync_group`, not read yet.
#[derive(Clone, Copy)]
struct Named<'a> {
    name: Word<'a>,
    block: &'a Block<'a>,
    /// Its number among the statements of the file.
    order: usize,
}

/// The meaning of a file's statements; right only if nothing was complained about as an error.
pub(crate) fn config<'a>(statements: &'a [Statement<'a>], complaints: &mut Complaints) -> Config {
    let mut global = Section::new(Place::Global);
    let (mut trackers, mut instances, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    let mut still = Still::default();
    for (order, statement) in statements.iter().enumerate() {
        let row = admit(Place::Root, statement, complaints);
        let Some(row) = row.or_else(|| guess(Place::Root, statement, complaints)) else { continue };
        let Some(block) = &statement.block else { continue };
        match row.name {
            "vrrp_script" => {
                trackers.extend(named(statement, block, order, complaints).map(|it| (Kind::Script, it)));
            }
            "vrrp_track_process" => {
                trackers.extend(named(statement, block, order, complaints).map(|it| (Kind::Process, it)));
            }
            "track_file" | "vrrp_track_file" => {
                trackers.extend(named(statement, block, order, complaints).map(|it| (Kind::File, it)));
            }
            "vrrp_instance" => instances.extend(named(statement, block, order, complaints)),
            "vrrp_sync_group" => groups.extend(named(statement, block, order, complaints)),
            "static_ipaddress" => still.addresses.push(block),
            "static_routes" => still.routes.push(block),
            "static_rules" => still.rules.push(block),
            "global_defs" => {
                arguments::refuse_more(row, statement, 0, complaints);
                global.read(block, complaints);
            }
            other => debug_assert!(false, "{other} is used at the top level and read by nobody"),
        }
    }
    let defaults = Defaults::new(&global, complaints);
    let settings = defaults::global_defs(&global, complaints);
    let checks: Vec<_> = trackers.iter().map(|(kind, block)| kind.read(block, complaints)).collect();
    let known = tracking::Known::new(&trackers, &checks, complaints);
    let mut names = virtual_mac::Names::default();
    let mut drafts: Vec<_> = instances
        .iter()
        .filter_map(|instance| instance::instance(instance, &defaults, &known, &mut names, complaints))
        .collect();
    let mut tracked: HashSet<CheckName> =
        drafts.iter().flat_map(|draft| check_names(&draft.instance.checks)).collect();
    let mut members = group::Members::new(&instances, &drafts);
    let joined: Vec<SyncGroup> = groups
        .iter()
        .filter_map(|block| group::group(block, &mut members, &mut drafts, (&known, &defaults), complaints))
        .collect();
    let mut statics = still.read(&defaults, complaints);
    policy::number(&mut statics, drafts.iter_mut().map(|draft| &mut draft.instance), complaints);
    rules::names(&instances, "instances", complaints);
    rules::names(&groups, "sync groups", complaints);
    rules::virtual_routers(&drafts, complaints);
    rules::shared_addresses(&drafts, complaints);
    strict::tell_shut(&global, &drafts, complaints);
    mail::judge(&global, drafts.iter().map(|draft| &draft.instance), &joined, complaints);
    virtual_mac::names(&drafts, complaints);
    tracked.extend(joined.iter().flat_map(|group| check_names(&group.checks)));
    if !instances.is_empty() && complaints.errors() == 0 {
        let untracked = |(_, check): &(Kind, &Check)| !tracked.contains(&check.name);
        let known =
            trackers.iter().zip(&checks).filter_map(|((kind, _), check)| Some((*kind, check.as_ref()?)));
        tell_untracked(known.filter(untracked), complaints);
    }
    if instances.is_empty() && complaints.errors() == 0 {
        let message = "there is no `vrrp_instance`, so no address will move";
        // With checks it is a file for checkerd alone.
        complaints.push(match trackers.as_slice() {
            [] => Diagnostic::warning("no-instance", None, message),
            [_, ..] => Diagnostic::note("no-instance", None, message),
        });
    }
    let mut instances: Vec<_> = drafts.into_iter().map(|draft| draft.instance).collect();
    // It is collected in the place of the drafts, which are larger and have room for more.
    instances.shrink_to_fit();
    Config {
        global: settings,
        checks: checks.into_iter().flatten().collect(),
        instances,
        groups: joined,
        statics,
    }
}

/// The blocks of what stands still.
#[derive(Default)]
struct Still<'a> {
    addresses: Vec<&'a Block<'a>>,
    routes: Vec<&'a Block<'a>>,
    rules: Vec<&'a Block<'a>>,
}

impl Still<'_> {
    fn read(&self, defaults: &Defaults, complaints: &mut Complaints) -> Statics {
        let link = defaults.link.as_ref().map(|(link, _)| link);
        Statics {
            addresses: addresses::standing(&self.addresses, link, complaints),
            routes: paths::routes(&self.routes, complaints),
            rules: policy::rules(&self.rules, complaints),
        }
    }
}

fn check_names(tracked: &[TrackedCheck]) -> impl Iterator<Item = CheckName> {
    tracked.iter().map(|tracked| tracked.check.clone())
}

fn tell_untracked<'c>(checks: impl Iterator<Item = (Kind, &'c Check)>, complaints: &mut Complaints) {
    for (kind, check) in checks {
        let list = kind.list();
        let message =
            format!("nobody tracks the check {}, so its result changes nothing", quote(check.name.as_str()));
        let help = format!("add it to a `{list}` block: {list} {{ {} }}", check.name);
        complaints.push(Diagnostic::warning("untracked-check", check.span, message).help(help));
    }
}

/// `2` or `3`, which are the only choices of the table.
fn version(choice: &str) -> ProtocolVersion {
    if choice == "3" { ProtocolVersion::V3 } else { ProtocolVersion::V2 }
}

/// A block's name: exactly one word.
fn named<'a>(
    statement: &'a Statement<'a>,
    block: &'a Block<'a>,
    order: usize,
    complaints: &mut Complaints,
) -> Option<Named<'a>> {
    let keyword = statement.keyword;
    let Some((name, rest)) = statement.arguments.split_first() else {
        let message = format!("`{}` needs a name", keyword.text);
        let help = format!("write `{} NAME {{ ... }}`", keyword.text);
        complaints.push(Diagnostic::error("missing-value", keyword.span, message).help(help));
        return None;
    };
    if let (Some(first), Some(last)) = (rest.first(), rest.last()) {
        let diagnostic = Diagnostic::error("extra-words", first.span.to(last.span), "a name is one word");
        complaints.push(
            diagnostic.keepalived("silently ignores this").help("put a name with blanks into double quotes"),
        );
    }
    Some(Named { name: *name, block, order })
}

/// A name that the nouns refuse.
fn bad_name(span: Span, error: &model::NameError) -> Diagnostic {
    Diagnostic::error("bad-value", span, error.to_string()).help("choose another name")
}
