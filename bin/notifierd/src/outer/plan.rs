//! What another configuration means for `startup_script` and `shutdown_script`. Pure.
//!
//! Nothing runs for a change of theirs: the next start, or stop, finds the new ones.

use config::{Config, OuterScript, UserSpec};
use ipc::reload::{Fate, Kind, Planned};

use super::Side;
use crate::plan::meaning;

/// What becomes of both; what isn't configured before and after isn't mentioned.
pub(crate) fn plan(old: &Config, new: &Config) -> impl Iterator<Item = Planned> {
    let users = (old.global.script_user.as_ref(), new.global.script_user.as_ref());
    [Side::Startup, Side::Shutdown].into_iter().filter_map(move |side| {
        let (fate, changed) = match (side.script(old), side.script(new)) {
            (None, None) => return None,
            (None, Some(_)) => (Fate::Add, Vec::new()),
            (Some(_), None) => (Fate::Remove, Vec::new()),
            (Some(before), Some(after)) => {
                let changed = differences(side, (before, users.0), (after, users.1));
                (if changed.is_empty() { Fate::Keep } else { Fate::Retune }, changed)
            }
        };
        Some(Planned { kind: Kind::OuterScript, name: side.word().to_owned(), was: None, fate, changed })
    })
}

/// The words that say something else, wherever they stand.
fn differences(
    side: Side,
    (before, old_user): (&OuterScript, Option<&UserSpec>),
    (after, new_user): (&OuterScript, Option<&UserSpec>),
) -> Vec<String> {
    // A new setting has to be named here before anything compiles.
    let OuterScript { hook, timeout } = after;
    let words = [
        (side.word(), meaning(&before.hook, old_user) != meaning(hook, new_user)),
        (side.limit_word(), before.timeout != *timeout),
    ];
    words.into_iter().filter(|(_, differs)| *differs).map(|(word, _)| word.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(old: &str, new: &str) -> Vec<(String, Fate, String)> {
        let config = |global: &str| {
            config::parse("test.conf", format!("global_defs {{\n{global}\n}}\n")).config.expect("valid")
        };
        let (old, new) = (config(old), config(new));
        plan(&old, &new).map(|it| (it.name, it.fate, it.changed.join(", "))).collect()
    }

    fn line(name: &str, fate: Fate, changed: &str) -> (String, Fate, String) {
        (name.to_owned(), fate, changed.to_owned())
    }

    #[test]
    fn what_runs_as_whom_and_for_how_long_counts_and_not_where_it_stands() {
        let (up, down) = ("startup_script \"/up one\"", "shutdown_script /down");
        assert_eq!(told("", ""), []);
        let moved = told(&format!("{up}\n{down}"), &format!("{down}\n shutdown_script_timeout 10\n{up}"));
        let kept = ["startup_script", "shutdown_script"].map(|it| line(it, Fate::Keep, ""));
        assert_eq!(moved, kept, "moved, and the default written down");
        let ends = [line("startup_script", Fate::Remove, ""), line("shutdown_script", Fate::Add, "")];
        assert_eq!(told(up, down), ends);
        let changed = told(
            &format!("{up}\n{down}"),
            "startup_script \"/up two\"\n startup_script_timeout 5\n shutdown_script /down\n shutdown_script_timeout 60",
        );
        let expected = [
            line("startup_script", Fate::Retune, "startup_script, startup_script_timeout"),
            line("shutdown_script", Fate::Retune, "shutdown_script_timeout"),
        ];
        assert_eq!(changed, expected);
    }

    #[test]
    fn another_default_user_is_another_user_only_for_who_has_none() {
        let scripts = "startup_script /up\n shutdown_script /down root";
        let told = told(&format!("script_user nobody\n{scripts}"), &format!("script_user daemon\n{scripts}"));
        let expected =
            [line("startup_script", Fate::Retune, "startup_script"), line("shutdown_script", Fate::Keep, "")];
        assert_eq!(told, expected);
    }
}
