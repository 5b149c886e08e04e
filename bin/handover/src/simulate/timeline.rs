//! The story line by line: what goes wrong, what the nodes tell, which addresses they have, which hooks would run.
//!
//! Hooks run as notifierd runs them: the state's own first, then the general one; none for INIT (docs/events.md).

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use config::{Hook, Hooks, Instance, SyncGroup};
use model::{Cause, Priority, State};
use serde_json::{Value, json};
use sim::{Fault, Happening, InstanceId, NodeId, Prelude, Told};

use super::mishap::{Kind, Mishap, Range};
use super::plan::{Node, Plan};
use super::stage::{Stage, Story};

/// Stands where `notify` of an instance gets its priority: groups have none, and keepalived says so, too.
const PRIORITY_OF_GROUPS: &str = "0";

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// From time 0 of the story.
    pub(crate) at: Duration,
    pub(crate) node: String,
    /// For programs: `failure`, `check`, `state`, `priority`, `address` or `hook`.
    pub(crate) kind: &'static str,
    pub(crate) text: String,
    /// What the text says, as far as a program may want it, by name.
    pub(crate) facts: Vec<(&'static str, Value)>,
}

/// Whose state was told, and which hooks it has.
#[derive(Clone, Copy)]
enum Subject<'p> {
    Instance(&'p Instance, Priority),
    Group(&'p SyncGroup),
}

impl Subject<'_> {
    fn hooks(&self) -> &Hooks {
        match self {
            Self::Instance(instance, _) => &instance.hooks,
            Self::Group(group) => &group.hooks,
        }
    }

    /// For the timeline.
    fn in_words(&self) -> String {
        match self {
            Self::Instance(instance, priority) => format!("{}, priority {priority}", instance.name),
            Self::Group(group) => format!("group {}", group.name),
        }
    }

    fn facts(&self) -> Vec<(&'static str, Value)> {
        match self {
            Self::Instance(instance, priority) => {
                vec![("instance", json!(instance.name)), ("priority", json!(priority))]
            }
            Self::Group(group) => vec![("group", json!(group.name))],
        }
    }

    /// What `notify` gets after its own arguments (docs/events.md).
    fn arguments(&self, state: String) -> [String; 4] {
        match self {
            Self::Instance(instance, priority) => {
                ["INSTANCE".to_owned(), instance.name.to_string(), state, priority.to_string()]
            }
            Self::Group(group) => {
                ["GROUP".to_owned(), group.name.to_string(), state, PRIORITY_OF_GROUPS.to_owned()]
            }
        }
    }
}

/// The story in its order.
pub(crate) fn entries(stage: &Stage<'_>, story: &Story) -> Vec<Entry> {
    let plan = stage.plan;
    let names = Names::new(stage);
    let mut entries: Vec<Entry> = story.mishaps.iter().map(|(at, mishap)| struck(*at, mishap)).collect();
    let mut priorities = HashMap::new();
    for (at, happening) in &story.report.happenings {
        let before =
            priority_told(happening).and_then(|(whose, priority)| priorities.insert(whose, priority));
        if *at < story.zero {
            continue;
        }
        let at = at.since(story.zero);
        match happening {
            Happening::Fault(fault) => entries.extend(noticed(plan, at, fault)),
            Happening::Held(node, instance, held) => {
                let Some((node, instance)) = find_instance(plan, *node, *instance) else { continue };
                entries.extend(moved(node, instance, at, *held));
            }
            Happening::Told(told) => {
                let Some((node, instance)) = find_instance(plan, told.node, told.instance) else { continue };
                let subject = Subject::Instance(instance, told.priority);
                entries.push(state(node, subject, at, (told.to, &told.cause), &names));
                entries.extend(hooks(node, subject, at, told.to));
            }
            Happening::GroupTold(told) => {
                let Some(node) = find(plan, told.node) else { continue };
                let Some(group) = node.config.groups.get(told.group.0) else { continue };
                let subject = Subject::Group(group);
                entries.push(state(node, subject, at, (told.to, &told.cause), &names));
                entries.extend(hooks(node, subject, at, told.to));
            }
            Happening::Priority(node, instance, priority) => {
                let Some((node, instance)) = find_instance(plan, *node, *instance) else { continue };
                entries.push(another_priority(node, (instance, *priority), at, before));
            }
            Happening::Prelude(node, instance, prelude) => {
                let Some((node, instance)) = find_instance(plan, *node, *instance) else { continue };
                let (own, base) = (&instance.preludes, instance.priority);
                let own = match prelude {
                    Prelude::Master => &own.master,
                    Prelude::Backup => &own.backup,
                };
                entries
                    .extend(own.iter().map(|it| hook(node, Subject::Instance(instance, base), at, it, &[])));
            }
        }
    }
    // Stable: what goes wrong stands before what follows from it in the same moment.
    entries.sort_by_key(|entry| entry.at);
    entries
}

/// As text, one line each.
pub(crate) fn render(entries: &[Entry]) -> String {
    let width = entries.iter().map(|entry| entry.node.chars().count()).max().unwrap_or_default();
    let line = |entry: &Entry| {
        format!("{:>10.3} s  {:width$}  {}\n", entry.at.as_secs_f64(), entry.node, entry.text)
    };
    entries.iter().map(line).collect()
}

fn find(plan: &Plan, id: NodeId) -> Option<&Node> {
    plan.nodes.iter().find(|node| node.id == id)
}

fn find_instance(plan: &Plan, node: NodeId, id: InstanceId) -> Option<(&Node, &Instance)> {
    let node = find(plan, node)?;
    Some((node, node.config.instances.get(id.0)?))
}

/// Whose effective priority this tells.
const fn priority_told(happening: &Happening) -> Option<((NodeId, InstanceId), Priority)> {
    match happening {
        Happening::Told(Told { node, instance, priority, .. })
        | Happening::Priority(node, instance, priority) => Some(((*node, *instance), *priority)),
        Happening::Fault(_) | Happening::Held(..) | Happening::GroupTold(_) | Happening::Prelude(..) => None,
    }
}

fn entry(at: Duration, node: &str, kind: &'static str, text: String) -> Entry {
    Entry { at, node: node.to_owned(), kind, text, facts: Vec::new() }
}

fn struck(at: Duration, mishap: &Mishap) -> Entry {
    let text = match &mishap.kind {
        Kind::Check(check, Range { least, most }) => {
            let noticed = Range { least: *least, most: *most };
            format!("*** {check} begins to fail; noticed after {noticed}")
        }
        Kind::Crash => "*** loses power".to_owned(),
        Kind::Partition => "*** is cut off from all others".to_owned(),
        Kind::Pause(time) => format!("*** stands still for {}", super::mishap::seconds(*time)),
        Kind::Link(link) => format!("*** {link} goes down"),
    };
    entry(at, &mishap.name, "failure", text)
}

/// Of the simulator's faults those that the command line didn't name: verdicts, and the end of a pause.
fn noticed(plan: &Plan, at: Duration, fault: &Fault) -> Option<Entry> {
    let (node, kind, text) = match fault {
        Fault::Verdict(node, check, verdict) => (node, "check", format!("check {check} is {verdict}")),
        Fault::ResumeHost(node) => (node, "failure", "*** goes on".to_owned()),
        Fault::StartHost(node) => (node, "failure", "*** starts".to_owned()),
        _ => return None,
    };
    Some(entry(at, &find(plan, *node)?.name, kind, text))
}

fn moved(node: &Node, instance: &Instance, at: Duration, held: bool) -> Vec<Entry> {
    let sign = if held { '+' } else { '-' };
    let line = |address: &config::Address| {
        let text = format!("{sign} {}/{} on {}", address.address, address.prefix, address.link);
        entry(at, &node.name, "address", text)
    };
    instance.addresses.iter().map(line).collect()
}

fn state(
    node: &Node,
    subject: Subject<'_>,
    at: Duration,
    (to, cause): (Option<State>, &Cause),
    names: &Names,
) -> Entry {
    let state = state_word(to);
    let text = format!("{state} of {}: {}", subject.in_words(), names.in_words(&cause.text));
    let mut facts = subject.facts();
    facts.extend([("state", json!(state)), ("cause", json!(cause.code))]);
    Entry { facts, ..entry(at, &node.name, "state", text) }
}

/// Another effective priority, in the same state.
fn another_priority(
    node: &Node,
    (instance, priority): (&Instance, Priority),
    at: Duration,
    before: Option<Priority>,
) -> Entry {
    let name = &instance.name;
    let text = match before {
        Some(before) if before < priority => format!("priority of {name} rises from {before} to {priority}"),
        Some(before) => format!("priority of {name} falls from {before} to {priority}"),
        None => format!("priority of {name} is {priority}"),
    };
    let facts = Subject::Instance(instance, priority).facts();
    Entry { facts, ..entry(at, &node.name, "priority", text) }
}

pub(crate) fn state_word(state: Option<State>) -> String {
    state.map_or_else(|| "STOP".to_owned(), |state| state.to_string())
}

fn hooks(node: &Node, subject: Subject<'_>, at: Duration, to: Option<State>) -> Vec<Entry> {
    let hooks = subject.hooks();
    let own = match to {
        Some(State::Init) => return Vec::new(),
        Some(State::Backup) => &hooks.backup,
        Some(State::Master) => &hooks.master,
        Some(State::Fault) => &hooks.fault,
        None => &hooks.stop,
    };
    let general = subject.arguments(state_word(to));
    let own = own.as_ref().map(|it| hook(node, subject, at, it, &[]));
    let any = hooks.any.as_ref().map(|it| hook(node, subject, at, it, &general));
    own.into_iter().chain(any).collect()
}

/// One that runs, with `more` arguments than its own.
fn hook(node: &Node, subject: Subject<'_>, at: Duration, hook: &Hook, more: &[String]) -> Entry {
    let program = std::iter::once(hook.command.program.display().to_string());
    let words: Vec<String> = program.chain(hook.command.arguments.iter().chain(more).cloned()).collect();
    let shown: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    let mut facts = subject.facts();
    facts.push(("command", json!(words)));
    Entry { facts, ..entry(at, &node.name, "hook", format!("runs {}", shown.join(" "))) }
}

/// An argument as a shell would need it, so that it can be seen where one ends.
fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', "'\\''"))
}

/// Which node an address belongs to: the simulator gives out addresses that nobody has ever seen.
#[derive(Debug)]
pub(crate) struct Names(HashMap<IpAddr, String>);

impl Names {
    pub(crate) fn new(stage: &Stage<'_>) -> Self {
        let named = stage
            .start
            .endings
            .iter()
            .filter_map(|ending| Some((ending.address, find(stage.plan, ending.node)?.name.clone())));
        Self(named.collect())
    }

    /// The sentence with names of nodes for their addresses.
    pub(crate) fn in_words(&self, text: &str) -> String {
        let word = |word: &str| {
            let bare = word.trim_end_matches([',', ';', ':']);
            let rest = word.strip_prefix(bare).unwrap_or_default();
            let name = bare.parse().ok().and_then(|address: IpAddr| self.0.get(&address));
            name.map_or_else(|| word.to_owned(), |name| format!("{name}{rest}"))
        };
        text.split(' ').map(word).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_become_names() {
        let names = Names(HashMap::from([("10.1.0.1".parse().unwrap(), "a".to_owned())]));
        let text = "10.1.0.1 advertises priority 100, lower than our 110; not 10.1.0.11 or 10.1.0.1, either";
        assert_eq!(
            names.in_words(text),
            "a advertises priority 100, lower than our 110; not 10.1.0.11 or a, either"
        );
    }

    #[test]
    fn arguments_can_be_told_apart() {
        assert_eq!(quoted("--on=eth0"), "--on=eth0");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("it's so"), "'it'\\''s so'");
    }
}
