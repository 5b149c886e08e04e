//! A check that asks for a process by a signal, run by somebody who may not send it one.
//!
//! `killall -0` is the most common check there is, and keepalived runs it as root. kill(2) wants the same user or CAP_KILL also for
//! signal 0, so without a user of its own such a check never passes here. As whom it would run, only the machine knows.

use std::path::Path;

use config::{Check, Command, Config, Severity};

use crate::Host;
use crate::finding::{At, Finding};
use crate::page::{Page, When};

pub(crate) const FORBIDDEN: Page = Page {
    id: "signal-forbidden",
    severity: Severity::Warning,
    when: When::OnHost,
    summary: "A check asks for a process by a signal, as a user who may not",
    why: "`killall -0` and `kill -0` succeed only for processes of the same user, or for root. keepalived runs scripts without a user as root, \
          Handover's services run them as `keepalived_script`, if there is such a user, else as checkerd's own: the check is down for ever.",
    example: &[],
    cure: "Write `script_user root` into `global_defs` (with `enable_script_security`, as for keepalived), or `user root` into the check; or \
           replace `script` by `process NAME`, which needs no right and no process.",
};

/// Programs that send signals.
const SIGNALLING: [&str; 3] = ["killall", "pkill", "kill"];

pub(crate) fn judge(node: usize, config: &Config, host: &Host, findings: &mut Vec<Finding>) {
    let Some(user) = &host.fallback_user else { return };
    if config.global.script_user.is_some() {
        return;
    }
    for check in config.checks.iter().filter(|check| check.user.is_none()) {
        let Some(program) = check.probe.command().and_then(signalling) else { continue };
        findings.push(finding(node, check, program, user));
    }
}

fn finding(node: usize, check: &Check, program: &str, user: &str) -> Finding {
    let message =
        format!("{} would run `{program}` as {user}, who may not signal another user's process", check.name);
    Finding::new(&FORBIDDEN, At { node, span: check.probe_span(), block: check.span }, message)
}

/// The program that sends a signal, or a word of a shell's line that names one.
fn signalling(command: &Command) -> Option<&'static str> {
    let is_named = |word: &str, name: &str| Path::new(word).file_name().is_some_and(|it| it == name);
    let program = command.program.to_string_lossy();
    let in_line = command.arguments.iter().flat_map(|it| it.split([' ', ';', '&', '|', '(', ')', '`', '$']));
    let mut words = std::iter::once(&*program).chain(in_line);
    words.find_map(|word| SIGNALLING.into_iter().find(|name| is_named(word, name)))
}
