//! What is said and understood of hooks, and of what else tells changes.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use handover_config::{self as config, Config};

fn instance(name: &str, vrid: u8, lines: &str) -> String {
    format!(
        "vrrp_instance {name} {{\n interface eth0\n virtual_router_id {vrid}\n virtual_ipaddress {{\n 10.0.0.{vrid}/32\n }}\n{lines}\n}}\n"
    )
}

fn parsed(text: &str) -> Config {
    let loaded = config::parse("t.conf", text);
    let codes: Vec<_> = loaded.report.diagnostics().iter().map(|it| it.code).collect();
    assert!(codes.iter().all(|code| ["one-member", "no-instance"].contains(code)), "{codes:?}");
    loaded.config.expect("valid")
}

#[test]
fn a_removal_has_a_word_of_its_own_with_a_command_or_without() {
    for (line, says, program) in [
        ("", false, None),
        (" notify_deleted", true, None),
        (" notify_deleted \"/x gone\" nobody nogroup", true, Some("/x")),
    ] {
        let config = parsed(&instance("a", 1, line));
        let hooks = &config.instances.first().expect("an instance").hooks;
        let found = hooks.deleted.as_ref().map(|it| it.command.program.display().to_string());
        assert_eq!((hooks.says_deleted, found.as_deref()), (says, program), "{line}");
        let user = hooks.deleted.as_ref().and_then(|it| it.user.as_ref()).map(|it| it.user.as_str());
        assert_eq!(user, program.map(|_| "nobody"));
    }
    let config = parsed(&instance("a", 1, " notify_master_rx_lower_pri /low\n notify_stop /s"));
    let hooks = &config.instances.first().expect("an instance").hooks;
    let words: Vec<_> = hooks.by_word().into_iter().filter_map(|(word, hook)| hook.map(|_| word)).collect();
    assert_eq!(words, ["notify_stop", "notify_master_rx_lower_pri"]);
}

#[test]
fn the_nearest_word_says_whether_priorities_are_told() {
    let tells = |global: &str, group: &str, own: &str| {
        let text = format!(
            "global_defs {{\n{global}\n}}\nvrrp_sync_group g {{\n group {{\n a\n }}\n{group}\n}}\n{}",
            instance("a", 1, own)
        );
        parsed(&text).instances.first().expect("an instance").tells_priority
    };
    let (all, on, off) =
        ("vrrp_notify_priority_changes on", "notify_priority_changes", "notify_priority_changes off");
    assert!(!tells("", "", ""));
    assert!(tells(all, "", "") && !tells(all, off, "") && tells(all, off, on));
    assert!(tells("", on, "") && !tells("", on, off) && tells("", "", on));
    assert!(
        parsed("global_defs {\n fifo_write_vrrp_states_on_reload\n}\n".to_owned().as_str())
            .global
            .pipes_repeat
    );
}
