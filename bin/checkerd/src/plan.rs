//! What another configuration means for the checks. Pure.
//!
//! A check is its name; whatever decides how it is run or judged makes it another one, whose history begins anew.

use std::collections::HashMap;

use config::{Check, Config, Probe, UserSpec};
use ipc::reload::{Fate, Kind, Planned};
use model::CheckName;

/// What is different about how a check is run and judged; what it weighs is vrrp-core's affair.
fn differences(
    (before, old_user): (&Check, Option<&UserSpec>),
    (after, new_user): (&Check, Option<&UserSpec>),
) -> Vec<String> {
    // A new field has to be named here before anything compiles.
    let Check {
        name: _,
        probe,
        interval,
        timeout,
        rise,
        fall,
        weight: _,
        init_fail: _,
        role: _,
        user,
        given: _,
        span: _,
    } = after;
    let differences = [
        (!asks_the_same(&before.probe, probe), "what it does"),
        (before.interval != *interval, "interval"),
        (before.timeout != *timeout, "timeout"),
        ((before.rise, before.fall) != (*rise, *fall), "rise and fall"),
        (before.user.as_ref().or(old_user) != user.as_ref().or(new_user), "user"),
    ];
    differences.into_iter().filter(|(differs, _)| *differs).map(|(_, what)| what.to_owned()).collect()
}

/// Where a command stands doesn't matter.
fn asks_the_same(before: &Probe, after: &Probe) -> bool {
    match (before, after) {
        (Probe::Script(before), Probe::Script(after)) => {
            (&before.program, &before.arguments) == (&after.program, &after.arguments)
        }
        (before, after) => before == after,
    }
}

/// Whether a check of `old` goes on as one of `new`, given their defaults.
pub(crate) fn is_same<'a>(old: &'a Config, new: &'a Config) -> impl Fn(&Check, &Check) -> bool + use<'a> {
    let (old, new) = (old.global.script_user.as_ref(), new.global.script_user.as_ref());
    move |before, after| differences((before, old), (after, new)).is_empty()
}

/// What becomes of every check of either configuration.
pub(crate) fn plan(old: &Config, new: &Config) -> Vec<Planned> {
    let users = (old.global.script_user.as_ref(), new.global.script_user.as_ref());
    let planned = |name: &CheckName, fate, changed| Planned {
        kind: Kind::Check,
        name: name.to_string(),
        was: None,
        fate,
        changed,
    };
    let mut before: HashMap<&CheckName, &Check> =
        old.checks.iter().map(|check| (&check.name, check)).collect();
    let mut plan: Vec<Planned> = new
        .checks
        .iter()
        .map(|check| match before.remove(&check.name) {
            None => planned(&check.name, Fate::Add, Vec::new()),
            Some(known) => {
                let changed = differences((known, users.0), (check, users.1));
                let fate = if changed.is_empty() { Fate::Keep } else { Fate::Restart };
                planned(&check.name, fate, changed)
            }
        })
        .collect();
    let removed = old.checks.iter().filter(|check| before.contains_key(&check.name));
    plan.extend(removed.map(|check| planned(&check.name, Fate::Remove, Vec::new())));
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        let loaded = config::parse("test.conf", text);
        loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.report.one_line()))
    }

    #[test]
    fn a_check_that_is_run_as_before_is_kept_wherever_it_stands() {
        let old = config(
            "vrrp_script a { script \"/bin/a x\" \n interval 2 }\nvrrp_script b { script /bin/b }\nvrrp_script c { script /bin/c }\n",
        );
        let new = config(
            "# moved\nvrrp_script b { script /bin/b \n weight 5 }\nvrrp_script a { script \"/bin/a y\" \n interval 2 \n fall 3 }\nvrrp_script d { script /bin/d }\n",
        );
        let plan: Vec<(String, Fate, String)> =
            plan(&old, &new).into_iter().map(|it| (it.name, it.fate, it.changed.join(", "))).collect();
        let expected = [
            ("b", Fate::Keep, ""),
            ("a", Fate::Restart, "what it does, rise and fall"),
            ("d", Fate::Add, ""),
            ("c", Fate::Remove, ""),
        ];
        assert_eq!(plan, expected.map(|(name, fate, changed)| (name.to_owned(), fate, changed.to_owned())));
    }

    #[test]
    fn another_default_user_is_another_user_only_for_who_has_none() {
        let text = |user: &str| {
            format!(
                "global_defs {{ script_user {user} }}\nvrrp_script a {{ script /bin/a }}\nvrrp_script b {{ script /bin/b \n user root }}\n"
            )
        };
        let plan = plan(&config(&text("nobody")), &config(&text("daemon")));
        assert_eq!(plan.iter().map(|it| it.fate).collect::<Vec<_>>(), [Fate::Restart, Fate::Keep]);
    }
}
