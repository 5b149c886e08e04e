//! Whole files and what is said of them: `golden/NAME.conf` in, `golden/NAME.txt` out.
//!
//! The expected text is every diagnostic as a terminal without colour shows it, then the meaning. Write it anew
//! with `UPDATE_GOLDEN=1`, and read the difference before it is committed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use handover_config as config;
use handover_config::{
    Announcements, Check, Command, Config, Delivery, Hook, Hooks, Instance, Queue, SyncGroup, TrackedCheck,
    TrackedLink, UserSpec, Weight,
};
use model::Credential;

#[test]
fn every_file_is_understood_as_it_was() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut different = Vec::new();
    for path in files() {
        let text = fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let loaded = config::parse(name, &text);
        assert_eq!(loaded.config.is_some(), !loaded.report.has_errors(), "{name}");
        let mut actual = loaded.report.render(false);
        actual.push_str(&loaded.config.map_or("no configuration\n".to_owned(), |config| meaning(&config)));
        let expected = path.with_extension("txt");
        if update {
            fs::write(&expected, actual).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != actual {
            different.push(format!("{name} now gives:\n{actual}"));
        }
    }
    assert!(different.is_empty(), "{}\nUPDATE_GOLDEN=1 accepts this", different.join("\n"));
}

/// Several files: places are in the file that has the text, whoever includes it.
#[test]
fn included_files_are_told_apart() {
    // Tests run in the directory of their crate.
    let folder = Path::new("tests/golden/includes");
    let loaded = config::load(&folder.join("main.conf"));
    let (actual, expected) = (loaded.report.render(false), folder.join("main.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&expected, &actual).unwrap();
    }
    assert_eq!(fs::read_to_string(&expected).unwrap_or_default(), actual, "UPDATE_GOLDEN=1 accepts this");
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
    files.sort();
    assert!(!files.is_empty());
    files
}

fn meaning(config: &Config) -> String {
    let mut text = String::from("global\n");
    let global = &config.global;
    line(&mut text, "router_id", global.router_id.as_deref().unwrap_or("-"));
    line(&mut text, "script_user", &user(global.script_user.as_ref()));
    line(&mut text, "script_security", &global.script_security.to_string());
    line(&mut text, "startup_delay", &format!("{:?}", global.startup_delay));
    line(
        &mut text,
        "pacing",
        &format!("ARP {:?}, neighbour {:?}", global.pacing.arp, global.pacing.neighbour),
    );
    line(&mut text, "real_time", &format!("{:?}", global.real_time));
    for found in &config.checks {
        check(&mut text, found);
    }
    for found in &config.instances {
        instance(&mut text, found);
    }
    for found in &config.groups {
        group(&mut text, found);
    }
    text
}

fn group(text: &mut String, group: &SyncGroup) {
    writeln!(text, "group {}", group.name).unwrap();
    let members: Vec<&str> = group.members.iter().map(|member| member.as_str()).collect();
    line(text, "members", &members.join(", "));
    trackers(text, &group.checks, &group.links);
    hooks(text, &group.hooks);
    delivery(text, group.delivery);
}

fn trackers(text: &mut String, checks: &[TrackedCheck], links: &[TrackedLink]) {
    for tracked in checks {
        line(text, "tracks", &format!("{}, weight {}", tracked.check, weight(tracked.weight)));
    }
    for tracked in links {
        line(text, "tracks", &format!("interface {}, weight {}", tracked.link, weight(tracked.weight)));
    }
}

fn line(text: &mut String, name: &str, value: &str) {
    writeln!(text, "  {name}: {value}").unwrap();
}

fn check(text: &mut String, check: &Check) {
    writeln!(text, "check {}", check.name).unwrap();
    line(text, "command", &check.probe.command().map_or_else(|| check.probe.words().join(" "), command));
    line(text, "interval", &format!("{:?}", check.interval));
    line(text, "timeout", &format!("{:?}", check.timeout));
    line(text, "rise, fall", &format!("{}, {}", check.rise, check.fall));
    line(text, "weight", &weight(check.weight));
    line(text, "init_fail", &check.init_fail.to_string());
    line(text, "user", &user(check.user.as_ref()));
}

fn instance(text: &mut String, instance: &Instance) {
    writeln!(text, "instance {}", instance.name).unwrap();
    line(text, "wants_master", &instance.wants_master.to_string());
    line(text, "link", instance.link.as_str());
    line(text, "vrid, priority", &format!("{}, {}", instance.vrid, instance.priority));
    line(text, "protocol", &format!("VRRPv{} on {}", instance.version, instance.family));
    line(text, "advert_interval", &format!("{:?}", instance.advert_interval));
    match instance.credential {
        Some(Credential::Password(secret)) => line(text, "password", &secret.0.escape_ascii().to_string()),
        Some(Credential::AhKey(secret)) => line(text, "AH key", &secret.0.escape_ascii().to_string()),
        None => {}
    }
    for address in &instance.addresses {
        let address = format!("{}/{} on {}", address.address, address.prefix, address.link);
        line(text, "address", &address);
    }
    for address in &instance.excluded {
        let address = format!("{}/{} on {}", address.address, address.prefix, address.link);
        line(text, "excluded", &address);
    }
    instance.routes.iter().for_each(|route| line(text, "holds", &route.to_string()));
    instance.rules.iter().for_each(|rule| line(text, "holds", &rule.to_string()));
    trackers(text, &instance.checks, &instance.links);
    line(text, "follows", &format!("link {}, source {}", instance.follows_link, instance.follows_source));
    line(text, "preempt", &format!("{} after {:?}", instance.preempt, instance.preempt_delay));
    if let Some(source) = instance.source {
        line(text, "source", &source.to_string());
    }
    for peer in &instance.peers {
        line(text, "peer", &format!("{}, TTL {} to {}", peer.address, peer.min_ttl, peer.max_ttl));
    }
    line(
        text,
        "sends to",
        &format!("{}, else peers with TTL {}", instance.multicast_group, instance.unicast_ttl),
    );
    manners(text, instance);
    hooks(text, &instance.hooks);
    delivery(text, instance.delivery);
    for (name, found) in
        [("pre_master", &instance.preludes.master), ("pre_backup", &instance.preludes.backup)]
    {
        if let Some(found) = found {
            line(text, name, &format!("{}, waited for {:?}", hook(found), instance.preludes.limit));
        }
    }
}

fn manners(text: &mut String, instance: &Instance) {
    let Announcements { repeat, delay, refresh, refresh_repeat, .. } = instance.announcements;
    let Announcements { lower_priority_delay, lower_priority_repeat, .. } = instance.announcements;
    let time = |time: Option<Duration>| time.map_or("never".to_owned(), |time| format!("{time:?}"));
    line(text, "announces", &format!("{repeat} and after {}", time(delay)));
    line(text, "refreshes", &format!("{refresh_repeat} every {}", time(refresh)));
    let lower = format!("{lower_priority_repeat} and after {}", time(lower_priority_delay));
    line(text, "to a lower master", &lower);
    line(text, "manners", &format!("{:?}", instance.manners));
}

fn hooks(text: &mut String, hooks: &Hooks) {
    for (name, found) in [
        ("any", &hooks.any),
        ("master", &hooks.master),
        ("backup", &hooks.backup),
        ("fault", &hooks.fault),
        ("stop", &hooks.stop),
    ] {
        if let Some(found) = found {
            line(text, &format!("hook {name}"), &hook(found));
        }
    }
}

/// Nothing where it is as usual.
fn delivery(text: &mut String, Delivery { timeout, queue }: Delivery) {
    if (timeout, queue) != (Duration::from_secs(60), Queue::Coalesce) {
        line(text, "hooks", &format!("{timeout:?} each, {queue:?}"));
    }
}

fn weight(weight: Weight) -> String {
    format!("{}{}", weight.value, if weight.reverse { " reverse" } else { "" })
}

fn hook(hook: &Hook) -> String {
    format!("{} as {}", command(&hook.command), user(hook.user.as_ref()))
}

fn command(command: &Command) -> String {
    let words = command.arguments.iter().map(|word| format!(" [{word}]"));
    format!("{}{}", command.program.display(), words.collect::<String>())
}

fn user(user: Option<&UserSpec>) -> String {
    user.map_or("-".to_owned(), |user| match &user.group {
        Some(group) => format!("{}:{group}", user.user),
        None => user.user.clone(),
    })
}
