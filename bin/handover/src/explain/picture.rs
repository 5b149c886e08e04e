//! Everything there is to say of an instance. As JSON it is one object, in which fields may be added.

use std::time::Duration;

use config::{Command, Config, Hook, Hooks, Instance, Report, Role, UserSpec};
use lint::Tracker;
use serde::Serialize;

use super::settings::{Setting, place, settings};

/// An instance, explained.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Picture {
    pub(crate) instance: String,
    #[serde(flatten)]
    pub(crate) place: Place,
    pub(crate) family: String,
    /// The sync group that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<Group>,
    pub(crate) settings: Vec<Setting>,
    /// Words of its block that no setting above stands for.
    pub(crate) also_given: Vec<Also>,
    pub(crate) timers: Timers,
    pub(crate) follows: Vec<Follows>,
    pub(crate) priorities: Vec<Priority>,
    /// How many more combinations there are.
    pub(crate) more_priorities: usize,
    pub(crate) addresses: Vec<Address>,
    pub(crate) hooks: Vec<Runs>,
}

/// Where something stands.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) line: usize,
}

impl Place {
    fn of(report: &Report, span: config::Span) -> Self {
        let (file, line) = place(report, span);
        Self { file, line }
    }
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Group {
    pub(crate) name: String,
    /// The others.
    pub(crate) members: Vec<String>,
    #[serde(flatten)]
    pub(crate) place: Place,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Also {
    pub(crate) word: &'static str,
    #[serde(flatten)]
    pub(crate) place: Place,
}

/// Seconds, at the priority that it has when nothing fails.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Timers {
    pub(crate) advert_s: f64,
    pub(crate) skew_s: f64,
    pub(crate) down_s: f64,
    /// How many adverts may be missed.
    pub(crate) missed: u8,
}

/// A check or an interface that counts.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Follows {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    /// 0: its failure means FAULT.
    pub(crate) weight: i16,
    pub(crate) reverse: bool,
    /// What it adds while it passes, and while it fails.
    pub(crate) adds: (i32, i32),
    /// The only role in which it counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) only_while: Option<&'static str>,
    /// Where the weight stands, else the line that names it.
    #[serde(flatten)]
    pub(crate) place: Place,
    /// The command of a check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) command: Option<Vec<String>>,
    /// From its first failing run until it counts as failed, at most; likewise back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) noticed_after_s: Option<(f64, f64)>,
}

/// What some failures make of the priority.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Priority {
    pub(crate) failing: Vec<String>,
    /// `null`: FAULT.
    pub(crate) priority: Option<u8>,
    /// How it comes about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sum: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Address {
    pub(crate) address: String,
    pub(crate) interface: String,
    #[serde(flatten)]
    pub(crate) place: Place,
}

/// A hook: the command as it will be run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Runs {
    /// `instance`, or `group` for one of its sync group.
    pub(crate) of: &'static str,
    pub(crate) when: &'static str,
    pub(crate) command: Vec<String>,
    pub(crate) user: String,
    #[serde(flatten)]
    pub(crate) place: Place,
}

/// How many combinations of failures are told.
const MAX_PRIORITIES: usize = 24;
/// Words that are told elsewhere than among the settings.
const TOLD: [&str; 12] = [
    "virtual_ipaddress",
    "track_script",
    "track_interface",
    "notify",
    "notify_master",
    "notify_backup",
    "notify_fault",
    "notify_stop",
    "preempt",
    "unicast_src_ip",
    "mcast_src_ip",
    "native_ipv6",
];

impl Picture {
    pub(crate) fn new(config: &Config, report: &Report, instance: &Instance) -> Self {
        let index = lint::Index::new(config);
        let trackers = index.trackers(instance);
        let settings = settings(config, report, instance);
        let outcomes = outcomes(instance, &trackers);
        let also = instance
            .given
            .words()
            .filter(|(word, _)| !TOLD.contains(word) && settings.iter().all(|setting| setting.word != *word));
        let group = index.group(&instance.name);
        Self {
            instance: instance.name.to_string(),
            place: Place::of(report, instance.span),
            family: instance.family.to_string(),
            group: group.map(|group| Group {
                name: group.name.to_string(),
                members: group
                    .members
                    .iter()
                    .filter(|it| **it != instance.name)
                    .map(ToString::to_string)
                    .collect(),
                place: Place::of(report, group.span),
            }),
            also_given: also.map(|(word, span)| Also { word, place: Place::of(report, span) }).collect(),
            settings,
            timers: timers(instance, &trackers),
            follows: trackers.iter().map(|tracker| follows(&index, report, tracker)).collect(),
            more_priorities: outcomes.len().saturating_sub(MAX_PRIORITIES),
            priorities: outcomes.into_iter().take(MAX_PRIORITIES).collect(),
            addresses: addresses(report, instance),
            hooks: all_hooks(config, report, instance, group),
        }
    }

    /// One object, with a line's end.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

fn timers(instance: &Instance, trackers: &[Tracker]) -> Timers {
    let best = lint::outcomes(instance.priority, trackers).into_iter().find(|it| it.failing.is_empty());
    let priority = best.and_then(|best| best.priority).unwrap_or(instance.priority);
    let lint::Timers { advert, skew, down } = lint::timers(instance, priority);
    Timers {
        advert_s: advert.as_secs_f64(),
        skew_s: skew.as_secs_f64(),
        down_s: down.as_secs_f64(),
        missed: instance.manners.down_timer_adverts,
    }
}

/// Every combination of failures that makes a difference: what means FAULT alone means it together with anything else.
fn outcomes(instance: &Instance, trackers: &[Tracker]) -> Vec<Priority> {
    let name = |at: &usize| trackers.get(*at).map(|tracker| tracker.name.clone());
    let all = lint::outcomes(instance.priority, trackers);
    let matters = all.into_iter().filter(|it| it.priority.is_some() || it.failing.len() < 2);
    matters
        .map(|it| Priority {
            failing: it.failing.iter().filter_map(name).collect(),
            priority: it.priority.map(|priority| priority.0),
            sum: it.priority.map(|_| lint::sum(instance.priority, trackers, &it.failing)),
        })
        .collect()
}

fn follows(index: &lint::Index<'_>, report: &Report, tracker: &Tracker) -> Follows {
    let name = model::CheckName::new(&tracker.name).ok();
    let check = name.filter(|_| !tracker.is_link).and_then(|name| index.check(&name));
    let times = |count: u32, interval: Duration| (interval * count).as_secs_f64();
    Follows {
        name: tracker.name.clone(),
        kind: if tracker.is_link { "interface" } else { "check" },
        weight: tracker.weight.value,
        reverse: tracker.weight.reverse,
        adds: (tracker.counts(true), tracker.counts(false)),
        only_while: match tracker.role {
            Role::Any => None,
            Role::Master { .. } => Some("MASTER"),
            Role::Backup => Some("BACKUP"),
        },
        place: Place::of(report, tracker.weight_span.unwrap_or(tracker.span)),
        command: check.map(|check| check.probe.words()),
        noticed_after_s: check.map(|it| (times(it.fall, it.interval), times(it.rise, it.interval))),
    }
}

fn addresses(report: &Report, instance: &Instance) -> Vec<Address> {
    let address = |it: &config::Address| Address {
        address: format!("{}/{}", it.address, it.prefix),
        interface: it.link.to_string(),
        place: Place::of(report, it.span),
    };
    instance.held().map(address).collect()
}

fn all_hooks(
    config: &Config,
    report: &Report,
    instance: &Instance,
    group: Option<&config::SyncGroup>,
) -> Vec<Runs> {
    let kind = |kind: &str, name: &str, priority: &str| -> [String; 4] {
        [kind.to_owned(), name.to_owned(), "STATE".to_owned(), priority.to_owned()]
    };
    let own = kind("INSTANCE", instance.name.as_str(), "PRIORITY");
    let mut all = hooks(config, report, "instance", &instance.hooks, own);
    if let Some(group) = group {
        all.extend(hooks(config, report, "group", &group.hooks, kind("GROUP", group.name.as_str(), "0")));
    }
    all
}

/// What `notify` gets more than it says is told in the words of keepalived.conf(5).
fn hooks(config: &Config, report: &Report, of: &'static str, hooks: &Hooks, more: [String; 4]) -> Vec<Runs> {
    let runs = |when: &'static str, hook: &Hook, more: &[String]| Runs {
        of,
        when,
        command: words(&hook.command, more.iter().cloned()),
        user: user(hook.user.as_ref().or(config.global.script_user.as_ref())),
        place: Place::of(report, hook.command.span),
    };
    let one = |when, hook: &Option<Box<Hook>>| hook.as_deref().map(|hook| runs(when, hook, &[]));
    [
        one("MASTER", &hooks.master),
        one("BACKUP", &hooks.backup),
        one("FAULT", &hooks.fault),
        one("stop", &hooks.stop),
        one("removal by a reload", &hooks.deleted),
        one("a lower master", &hooks.lower),
        hooks.any.as_ref().map(|hook| runs("every state", hook, &more)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn words(command: &Command, more: impl IntoIterator<Item = String>) -> Vec<String> {
    let program = command.program.display().to_string();
    std::iter::once(program).chain(command.arguments.iter().cloned()).chain(more).collect()
}

fn user(spec: Option<&UserSpec>) -> String {
    match spec {
        None => "keepalived_script if there is such a user, else whoever notifierd is".to_owned(),
        Some(UserSpec { user, group: None }) => user.clone(),
        Some(UserSpec { user, group: Some(group) }) => format!("{user}:{group}"),
    }
}
