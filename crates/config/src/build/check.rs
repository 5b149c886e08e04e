//! `vrrp_script`. Read docs/checks.md for the words that are not keepalived's.

use std::time::Duration;

use model::CheckName;

use super::{Named, bad_name, probe};
use crate::diagnostic::{Complaints, Diagnostic};
use crate::directives::Place;
use crate::model::{Check, Role};
use crate::section::Section;

/// What keepalived makes of `interval 0`.
const LEAST_INTERVAL: Duration = Duration::from_secs(1);
/// What a service may take to start, in the `grace` that isn't given: the check needs its `rise` besides.
const SERVICE_START: Duration = Duration::from_secs(10);

/// `None` after a complaint.
pub(super) fn check(script: &Named<'_>, complaints: &mut Complaints) -> Option<Check> {
    let span = script.name.span;
    let mut section = Section::new(Place::Script);
    section.read(script.block, complaints);
    let probe = probe::probe(script, &section, complaints);
    if let Some(span) = section.given("init_fail") {
        let message = "the check counts as failed until its first result";
        let keepalived = "documents that, but its releases up to 2.4.3 ignore the word";
        complaints.push(Diagnostic::note("init-fail", span, message).keepalived(keepalived));
    }
    let interval = interval(&section, complaints);
    let rise = count(section.number("rise"));
    let role = role(&section, interval.saturating_mul(rise), complaints);
    let name = CheckName::new(script.name.text);
    let name = name.map_err(|error| complaints.push(bad_name(span, &error))).ok()?;
    Some(Check {
        name,
        probe: probe?,
        interval,
        timeout: section.seconds("timeout").filter(|timeout| !timeout.is_zero()).unwrap_or(interval),
        rise,
        fall: count(section.number("fall")),
        weight: section.weight("weight").unwrap_or_default(),
        init_fail: section.given("init_fail").is_some(),
        role,
        user: section.user("user"),
        given: section.words(),
        span,
    })
}

/// `while` and what belongs to it; `rising` is what the check takes to come up by itself.
fn role(section: &Section<'_>, rising: Duration, complaints: &mut Complaints) -> Role {
    let role = match section.choice("while") {
        "master" => Role::Master {
            grace: section.seconds("grace").unwrap_or(rising.saturating_add(SERVICE_START)),
            penalty: section.seconds("penalty").unwrap_or_default(),
        },
        "backup" => Role::Backup,
        _ => Role::Any,
    };
    let idle: &[&'static str] = match role {
        Role::Master { .. } => &["init_fail"],
        Role::Backup | Role::Any => &["grace", "penalty"],
    };
    for word in idle {
        if let Some(span) = section.given(word) {
            let (message, help) = match role {
                Role::Master { .. } => (
                    "has no effect together with `while master`",
                    "until its first result the check has not failed",
                ),
                Role::Backup | Role::Any => {
                    ("has no effect without `while master`", "add that line, or remove this one")
                }
            };
            complaints.push(Diagnostic::warning("no-effect", span, format!("`{word}` {message}")).help(help));
        }
    }
    role
}

fn interval(section: &Section<'_>, complaints: &mut Complaints) -> Duration {
    let interval = section.seconds("interval").unwrap_or(LEAST_INTERVAL);
    if let (Some(span), true) = (section.given("interval"), interval.is_zero()) {
        let message = "an interval of 0 means 1 second";
        let help = "fractions such as 0.2 are possible";
        complaints.push(Diagnostic::warning("rounded", span, message).help(help));
        return LEAST_INTERVAL;
    }
    interval
}

/// The table holds both within 1 to 2^31 - 1.
fn count(number: Option<i64>) -> u32 {
    number.and_then(|number| u32::try_from(number).ok()).unwrap_or(1)
}
