//! A check that can only pass on the master, because a hook starts there what it looks for (pain B6).
//!
//! What a hook does is guessed from words: its command line, and the text of its script where that is known. A guess
//! needs both a word for starting and a name that the check has, too.

use std::collections::BTreeSet;

use config::{Check, Command, Hook, Instance, Role, Severity};

use crate::Host;
use crate::cluster::Cluster;
use crate::finding::{At, Finding};
use crate::page::{Page, When};

pub(crate) const ONLY_ON_MASTER: Page = Page {
    id: "passes-only-on-master",
    severity: Severity::Warning,
    when: When::OnHost,
    summary: "A check looks for what a hook starts on the master only",
    why: "On the nodes that wait, the check fails: their service is not running. With a weight they stand lower than they will once they \
          are master, so the address may never move when the service dies; without a weight they are in FAULT and can't take \
          over at all. (Without `--host` only the command line of the hook is known, and not what its script does.)",
    example: &[(
        "a.conf",
        "vrrp_script chk_web {\n  script \"/usr/bin/killall -0 nginx\"\n}\nvrrp_instance web {\n  track_script {\n    chk_web\n  }\n  notify_master \"/usr/bin/systemctl start nginx\"\n  ...\n}",
    )],
    cure: "Write `while master` into the check, which then counts on the master alone (Handover's own word, docs/checks.md). Or let the service \
           run on all nodes all the time, bound to the address with `net.ipv4.ip_nonlocal_bind`. `handover simulate A B --only-on-master CHECK` \
           shows what happens otherwise.",
};

/// Words that start something.
const STARTING: [&str; 4] = ["start", "restart", "up", "enable"];
/// Words that no service is called.
const GENERIC: [&str; 44] = [
    "bin",
    "usr",
    "sbin",
    "local",
    "etc",
    "opt",
    "var",
    "sh",
    "bash",
    "exec",
    "start",
    "stop",
    "restart",
    "reload",
    "status",
    "systemctl",
    "service",
    "killall",
    "pidof",
    "pgrep",
    "pkill",
    "kill",
    "is",
    "active",
    "quiet",
    "now",
    "enable",
    "up",
    "down",
    "master",
    "backup",
    "fault",
    "notify",
    "check",
    "chk",
    "script",
    "scripts",
    "keepalived",
    "docker",
    "podman",
    "echo",
    "init",
    "true",
    "rc",
];
/// The least letters of a service's name; shorter words are options and variables.
const MIN_NAME: usize = 3;

pub(crate) fn judge(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    for (number, (node, index)) in cluster.nodes.iter().zip(&cluster.indexes).enumerate() {
        for instance in &node.config.instances {
            let started: Vec<(&Hook, BTreeSet<String>)> = [&instance.hooks.master, &instance.hooks.any]
                .into_iter()
                .filter_map(|hook| hook.as_deref())
                .map(|hook| (hook, starts(&hook.command, node.host)))
                .collect();
            for tracked in &instance.checks {
                let check = index.check(&tracked.check).filter(|check| check.role == Role::Any);
                let Some(check) = check else { continue };
                let wanted = names(&check.probe.words().join(" "));
                let Some((hook, name)) = started
                    .iter()
                    .find_map(|(hook, names)| names.intersection(&wanted).next().map(|name| (*hook, name)))
                else {
                    continue;
                };
                let at = At::within(number, instance, tracked.span);
                findings.push(only_on_master((number, instance), at, check, hook, name));
            }
        }
    }
}

fn only_on_master(home: (usize, &Instance), at: At, check: &Check, hook: &Hook, name: &str) -> Finding {
    let message = format!(
        "{} looks for {name}, which a hook starts when this node becomes MASTER: the check can pass on the master only",
        check.name
    );
    Finding::new(&ONLY_ON_MASTER, at, message)
        .related(At::within(home.0, home.1, hook.command.span), format!("starts {name}"))
        .related(
            At { node: home.0, span: check.probe_span(), block: check.span },
            format!("looks for {name}"),
        )
}

fn line(command: &Command) -> String {
    let words =
        std::iter::once(command.program.display().to_string()).chain(command.arguments.iter().cloned());
    words.collect::<Vec<_>>().join(" ")
}

/// What a hook seems to start.
fn starts(command: &Command, host: Option<&Host>) -> BTreeSet<String> {
    let programs = host.into_iter().flat_map(|host| &host.programs);
    let known = programs.filter(|it| it.program == command.program).find_map(|it| it.text.as_deref());
    let text = known.unwrap_or_default();
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().to_owned());
    let starting =
        lines.chain([line(command)]).filter(|line| words(line).any(|word| STARTING.contains(&word)));
    starting.flat_map(|line| names(&line)).collect()
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !(c.is_alphanumeric() || c == '_'))
}

/// The words that may be the name of a service.
fn names(line: &str) -> BTreeSet<String> {
    let named = words(line).filter(|word| word.len() >= MIN_NAME && !GENERIC.contains(word));
    named.filter(|word| !word.chars().all(|c| c.is_ascii_digit())).map(str::to_owned).collect()
}
