//! What is said and understood of `vrrp_script`, as far as its words are not keepalived's.

#![allow(clippy::expect_used, reason = "tests")]

mod support;

use std::time::Duration;

use handover_config::{self as config, Role};

use support::{check_all, with};

fn script(lines: &str) -> String {
    format!("{}vrrp_script s {{\nscript \"/bin/true\"\n{lines}\n}}\n", with(""))
}

fn role(lines: &str) -> Role {
    let config = config::parse("t.conf", script(lines)).config.expect("valid");
    config.checks.iter().find(|check| check.name.as_str() == "s").expect("the check").role
}

#[test]
fn the_role_in_which_a_check_counts() {
    let seconds = Duration::from_secs;
    assert_eq!(role(""), Role::Any);
    assert_eq!(role("while backup"), Role::Backup);
    let told = role("while master\n grace 2.5\n penalty 0");
    assert_eq!(told, Role::Master { grace: Duration::from_millis(2500), penalty: Duration::ZERO });
    let by_default = role("while master\n interval 2\n rise 3");
    assert_eq!(by_default, Role::Master { grace: seconds(16), penalty: seconds(60) });
    check_all(
        &[
            ("while master", &[]),
            ("while MASTER", &["error bad-value"]),
            ("while fault", &["error bad-value"]),
            ("while master\n init_fail", &["note init-fail", "warning no-effect"]),
            ("while backup\n grace 3", &["warning no-effect"]),
            ("penalty 3", &["warning no-effect"]),
            ("while master\n penalty 3601", &["error out-of-range"]),
        ],
        script,
    );
}
