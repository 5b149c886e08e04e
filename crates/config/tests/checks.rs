//! What is said and understood of `vrrp_script`, as far as its words are not keepalived's.

#![allow(clippy::expect_used, reason = "tests")]

mod support;

use std::time::Duration;

use handover_config::{self as config, HttpGet, Probe, Role, Target};

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

fn probe(line: &str) -> Probe {
    let text = format!("{}vrrp_script s {{\n{line}\n}}\n", with(""));
    let loaded = config::parse("t.conf", text);
    let complaints = loaded.report.render(false);
    let config = loaded.config.expect(&complaints);
    config.checks.iter().find(|check| check.name.as_str() == "s").expect("the check").probe.clone()
}

fn target(address: &str) -> Target {
    Target { address: address.parse().expect("an address"), source: None, link: None }
}

#[test]
fn what_a_check_asks_without_a_process() {
    assert_eq!(probe("tcp_connect 10.0.0.1:80"), Probe::TcpConnect(target("10.0.0.1:80")));
    let from = Target {
        source: Some("::2".parse().expect("an address")),
        link: Some(model::LinkName::new("eth1").expect("a name")),
        ..target("[::1]:80")
    };
    assert_eq!(probe("tcp_connect [::1]:80\n source ::2\n interface eth1"), Probe::TcpConnect(from));
    assert_eq!(probe("unix_connect /run/x.sock"), Probe::UnixConnect("/run/x.sock".into()));
    assert_eq!(probe("process haproxy"), Probe::Process("haproxy".into()));
    assert_eq!(probe("file /run/ready"), Probe::File("/run/ready".into()));
    assert_eq!(probe("ping 10.0.0.1").words(), ["ping", "10.0.0.1"]);
    let get = HttpGet {
        target: target("10.0.0.1:80"),
        host: "10.0.0.1".into(),
        path: "/".into(),
        status: None,
        body: None,
    };
    assert_eq!(probe("http_get http://10.0.0.1"), Probe::HttpGet(get.clone()));
    let get = HttpGet {
        target: target("[::1]:8080"),
        host: "web.example".into(),
        path: "/health?full".into(),
        status: Some(204),
        body: Some("all well".into()),
    };
    let lines = "http_get http://[::1]:8080/health?full\n http_status 204\n http_host web.example\n http_body \"all well\"";
    assert_eq!(probe(lines), Probe::HttpGet(get));
}

#[test]
fn what_is_no_probe() {
    check_all(
        &[
            ("", &["error missing-word"]),
            ("process a\n file /b", &["error conflict"]),
            ("tcp_connect web:80", &["error bad-value"]),
            ("tcp_connect 10.0.0.1", &["error bad-value"]),
            ("tcp_connect 10.0.0.1:80\n source ::1", &["error mixed-families"]),
            ("unix_connect run/x", &["error bad-value"]),
            ("process /usr/sbin/haproxy", &["error bad-value"]),
            ("ping web", &["error bad-value"]),
            ("http_get https://10.0.0.1/", &["error not-supported"]),
            ("http_get http://web/", &["error bad-value"]),
            ("http_get http://10.0.0.1/\n http_status 99", &["error out-of-range"]),
            ("process a\n user root", &["warning no-effect"]),
            ("process a\n source 10.0.0.1", &["warning no-effect"]),
            ("tcp_connect 10.0.0.1:80\n http_body x", &["warning no-effect"]),
        ],
        |lines| format!("{}vrrp_script s {{\n{lines}\n}}\n", with("")),
    );
}
