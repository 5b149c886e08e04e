//! `startup_script`, `shutdown_script`, and how long each may take. The words are in keepalived.conf(5).

use std::time::Duration;

use crate::diagnostic::{Complaints, Diagnostic};
use crate::model::OuterScript;
use crate::section::Section;

/// The script that `word` asks for, which `limit` bounds.
pub(super) fn script(
    global: &Section<'_>,
    (word, limit): (&'static str, &'static str),
    complaints: &mut Complaints,
) -> Option<OuterScript> {
    let seconds = global.number(limit).and_then(|number| u64::try_from(number).ok());
    if let (None, Some(span)) = (global.given(word), global.given(limit)) {
        let message = format!("`{limit}` limits nothing, since there is no `{word}`");
        let help = format!("add `{word} COMMAND`, or remove the line");
        complaints.push(Diagnostic::warning("limit-ignored", span, message).help(help));
    }
    Some(OuterScript { hook: global.hook(word)?, timeout: Duration::from_secs(seconds?) })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    fn read(global: &str) -> (Option<crate::Global>, Vec<&'static str>) {
        let loaded = crate::parse("test.conf", format!("global_defs {{\n{global}\n}}\n"));
        let codes = loaded.report.diagnostics().iter().map(|it| it.code);
        let codes = codes.filter(|code| *code != "no-instance").collect();
        (loaded.config.map(|config| config.global), codes)
    }

    #[test]
    fn both_have_a_command_a_user_and_a_limit() {
        let (global, told) = read(
            "startup_script \"/up one\" adm daemon\n shutdown_script /down\n shutdown_script_timeout 1000",
        );
        let global = global.expect("valid");
        let up = global.startup_script.expect("given");
        let user = up.hook.user.expect("given");
        assert_eq!((user.user.as_str(), user.group.as_deref()), ("adm", Some("daemon")));
        assert_eq!((up.hook.command.arguments, up.timeout), (vec!["one".into()], Duration::from_secs(10)));
        let down = global.shutdown_script.expect("given");
        assert_eq!((down.hook.user, down.timeout), (None, Duration::from_secs(1000)));
        assert!(told.is_empty(), "{told:?}");
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        let (global, told) = read("startup_script_timeout 5");
        assert_eq!((global.expect("valid").startup_script, told), (None, vec!["limit-ignored"]));
        assert_eq!(read("startup_script /up\n startup_script_timeout 0").1, ["out-of-range"]);
        assert_eq!(read("shutdown_script /down\n shutdown_script_timeout 1001").1, ["out-of-range"]);
    }
}
