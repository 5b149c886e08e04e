//! What is said and understood of `vrrp_script`, as far as its words are not keepalived's.

#![allow(clippy::expect_used, reason = "tests")]

mod support;

use std::time::Duration;

use handover_config::{
    self as config, Check, CommandLine, DnsQuery, Fit, HttpGet, Probe, Processes, Rcode, RecordKind, Role,
    Target, Tls,
};

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
    assert_eq!(probe("systemd_unit haproxy"), Probe::SystemdUnit("haproxy.service".into()));
    assert_eq!(probe("systemd_unit a-b@eth0.timer").words(), ["systemd_unit", "a-b@eth0.timer"]);
    assert_eq!(probe("process haproxy"), Probe::Process(Processes::named("haproxy".into())));
    assert_eq!(probe("file /run/ready"), Probe::File("/run/ready".into()));
    assert_eq!(probe("ping 10.0.0.1").words(), ["ping", "10.0.0.1"]);
    let get = HttpGet {
        target: target("10.0.0.1:80"),
        tls: None,
        host: "10.0.0.1".into(),
        path: "/".into(),
        status: None,
        body: None,
    };
    assert_eq!(probe("http_get http://10.0.0.1"), Probe::HttpGet(get.clone()));
    let get = HttpGet {
        target: target("[::1]:8080"),
        tls: None,
        host: "web.example".into(),
        path: "/health?full".into(),
        status: Some(204),
        body: Some("all well".into()),
    };
    let lines = "http_get http://[::1]:8080/health?full\n http_status 204\n http_host web.example\n http_body \"all well\"";
    assert_eq!(probe(lines), Probe::HttpGet(get));
    let tls = |lines: &str| match probe(lines) {
        Probe::HttpGet(get) => (get.target.address.port(), get.tls.expect("TLS")),
        other => unreachable!("{other:?}"),
    };
    let by_address = Tls { name: "10.0.0.1".into(), verify: true, authorities: None };
    assert_eq!(tls("http_get https://10.0.0.1"), (443, by_address));
    let by_name = Tls { name: "web.example".into(), verify: true, authorities: Some("/ca.pem".into()) };
    let lines = "http_get https://10.0.0.1:8443/x\n http_host web.example:8443\n tls_ca /ca.pem";
    assert_eq!(tls(lines), (8443, by_name));
    assert!(!tls("http_get https://[::1]/\n tls_verify off").1.verify);
    assert_eq!(probe("http_get https://[::1]/x").words(), ["http_get", "https://[::1]:443/x"]);
}

#[test]
fn what_a_check_asks_a_name_server() {
    let query = |lines: &str| match probe(lines) {
        Probe::DnsQuery(query) => query,
        other => unreachable!("{other:?}"),
    };
    let plain = query("dns_query www.example.com.");
    let wanted = DnsQuery {
        name: "www.example.com".into(),
        kind: RecordKind::A,
        server: None,
        source: None,
        link: None,
        address: None,
        rcode: Rcode::NOERROR,
    };
    assert_eq!(plain, wanted);
    let full =
        "dns_query gone.example@10.0.0.53:5353 soa\n dns_rcode NXDOMAIN\n source 10.0.0.1\n interface eth1";
    let wanted = DnsQuery {
        name: "gone.example".into(),
        kind: RecordKind { name: "SOA", number: 6 },
        server: Some("10.0.0.53:5353".parse().expect("an address")),
        source: Some("10.0.0.1".parse().expect("an address")),
        link: Some(model::LinkName::new("eth1").expect("a name")),
        address: None,
        rcode: Rcode(3),
    };
    assert_eq!(query(full), wanted);
    assert_eq!(query("dns_query a\n dns_address ::1").kind, RecordKind::AAAA);
    assert_eq!(probe("dns_query .@::1 NS").words(), ["dns_query", ".@[::1]:53", "NS"]);
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
            ("systemd_unit web.conf", &["error bad-value"]),
            ("systemd_unit /etc/web.service", &["error bad-value"]),
            ("systemd_unit web@", &["error bad-value"]),
            ("systemd_unit .service", &["error bad-value"]),
            ("systemd_unit a\n interface eth1", &["warning no-effect"]),
            ("dns_query a..b", &["error bad-value"]),
            ("dns_query a@ns.example", &["error bad-value"]),
            ("dns_query a ANY", &["error bad-value"]),
            ("dns_query a A IN", &["error extra-words"]),
            ("dns_query a@::1\n source 10.0.0.1", &["error mixed-families"]),
            ("dns_query a MX\n dns_address 10.0.0.1", &["error mixed-families"]),
            ("dns_query a\n dns_address 10.0.0.1\n dns_rcode REFUSED", &["warning no-effect"]),
            ("dns_query a\n dns_rcode 3", &["error bad-value"]),
            ("ping 10.0.0.1\n dns_rcode NXDOMAIN", &["warning no-effect"]),
            ("http_get https://10.0.0.1/\n tls_ca ca.pem", &["error bad-value"]),
            ("http_get https://10.0.0.1/\n tls_ca /ca.pem\n tls_verify off", &["warning no-effect"]),
            ("http_get http://10.0.0.1/\n tls_verify off", &["warning no-effect"]),
            ("ping 10.0.0.1\n tls_verify off", &["warning no-effect"]),
            ("http_get http://web/", &["error bad-value"]),
            ("http_get http://10.0.0.1/\n http_status 99", &["error out-of-range"]),
            ("process a\n user root", &["warning no-effect"]),
            ("process a\n source 10.0.0.1", &["warning no-effect"]),
            ("tcp_connect 10.0.0.1:80\n http_body x", &["warning no-effect"]),
        ],
        |lines| format!("{}vrrp_script s {{\n{lines}\n}}\n", with("")),
    );
}

fn track_process(lines: &str) -> String {
    format!("vrrp_track_process p {{\n{lines}\n}}\n{}", with("track_process {\np\n}"))
}

fn tracked(lines: &str) -> Check {
    let loaded = config::parse("t.conf", track_process(lines));
    let complaints = loaded.report.render(false);
    loaded.config.expect(&complaints).checks.into_iter().find(|it| it.name.as_str() == "p").expect("p")
}

#[test]
fn what_a_tracked_process_is() {
    let processes = |lines: &str| match tracked(lines).probe {
        Probe::Process(processes) => processes,
        other => unreachable!("{other:?}"),
    };
    let line = |fit, arguments: &[&str]| {
        Some(CommandLine { arguments: arguments.iter().map(|it| (*it).to_owned()).collect(), fit })
    };
    assert_eq!(processes("process haproxy"), Processes::named("haproxy".into()));
    assert_eq!(processes("process \"/a b\" x").program, "/a b");
    for (lines, wanted) in [
        ("process a x y", line(Fit::Exact, &["x", "y"])),
        ("process a x y\nparam_match partial", line(Fit::Partial, &["x", "y"])),
        ("process a x\nparam_match initial", line(Fit::Initial, &["x"])),
        ("process a\nparam_match", line(Fit::Exact, &[])),
        ("process a\nfull_command", line(Fit::Partial, &[])),
        ("process /bin/a", line(Fit::Partial, &[])),
    ] {
        assert_eq!(processes(lines).command_line, wanted, "{lines}");
    }
    let counted = processes("process a\nquorum 2\nquorum_max 5");
    assert_eq!((counted.least, counted.most), (2, Some(5)));
    let forbidden = processes("process a\nquorum_max 0");
    assert_eq!((forbidden.least, forbidden.most), (0, Some(0)));
}

/// The first and the last of so many looks are at least the delay apart.
#[test]
fn the_delays_of_a_tracked_process_are_looks_in_a_row() {
    let looks = |lines: &str| {
        let check = tracked(&format!("process a\n{lines}"));
        (check.interval.as_millis(), check.rise, check.fall)
    };
    assert_eq!(looks(""), (1000, 1, 1));
    assert_eq!(looks("terminate_delay 2.5"), (1000, 1, 4));
    assert_eq!(looks("delay 0.25"), (250, 2, 2));
    assert_eq!(looks("delay 3\nfork_delay 0.000001"), (100, 2, 31));
}

#[test]
fn what_is_no_tracked_process() {
    check_all(
        &[
            ("process a\nweight -254 reverse", &[]),
            ("", &["error missing-word"]),
            ("process", &["error missing-value"]),
            ("process a\nparam_match exact", &["error bad-value"]),
            ("process a\nquorum 3\nquorum_max 2", &["error conflict"]),
            ("process a\nquorum 0", &["error out-of-range"]),
            ("process a\n}\nvrrp_script p {\nscript /bin/true", &["error duplicate-name"]),
        ],
        track_process,
    );
    check_all(
        &[
            ("track_process {\np weight 254\n}", &[]),
            ("track_process {\ns\n}", &["error unknown-check"]),
            ("track_script {\np\n}", &["error unknown-check"]),
            ("track_script {\ns weight 254\n}\ntrack_process {\np\n}", &["error out-of-range"]),
        ],
        |lines| {
            let checks = "vrrp_track_process p {\nprocess a\n}\nvrrp_script s {\nscript /bin/true\n}\n";
            format!("{checks}{}", with(lines))
        },
    );
}

fn track_file(lines: &str) -> String {
    format!("track_file f {{\n{lines}\n}}\n{}", with("track_file {\nf\n}"))
}

#[test]
fn what_a_tracked_file_is() {
    let read = |text: String| {
        let loaded = config::parse("t.conf", text);
        let complaints = loaded.report.render(false);
        let config = loaded.config.expect(&complaints);
        let check = config.checks.iter().find(|it| it.name.as_str() == "f").expect("f");
        let Probe::Number(file) = &check.probe else { unreachable!("{check:?}") };
        (file.path.clone(), file.initial, config.instances[0].checks.last().expect("tracked").weight)
    };
    let one = config::Weight { value: 1, reverse: false };
    assert_eq!(read(track_file("file /run/load")), ("/run/load".into(), None, one));
    let old =
        track_file("file /run/load\nweight -2 reverse").replacen("track_file f", "vrrp_track_file f", 1);
    assert_eq!(read(old).2, config::Weight { value: -2, reverse: true });
    let initial = |lines: &str| read(track_file(&format!("file /run/load\n{lines}"))).1;
    let wanted = |number, overwrite| Some(config::Initial { number, overwrite });
    assert_eq!(initial("init_file"), wanted(0, false));
    assert_eq!(initial("init_file 5"), wanted(5, false));
    assert_eq!(initial("init_file -5 overwrite"), wanted(-5, true));
    assert_eq!(initial("init_file overwrite"), wanted(0, true));
    check_all(
        &[
            ("", &["error missing-word"]),
            ("file run/load", &["error bad-value"]),
            ("file /run/load\ninit_file five", &["error bad-value"]),
            ("file /run/load\nweight 255", &["error out-of-range"]),
        ],
        track_file,
    );
}

/// A weight that nobody gave counts as none in a sync group: keepalived's members have no weights of their own.
#[test]
fn a_tracked_file_of_a_member_has_no_weight() {
    let text = format!("{}\nvrrp_sync_group g {{\ngroup {{\nv\n}}\n}}\n", track_file("file /run/load"));
    let instance = with("").split_once("vrrp_instance ").expect("an instance").1.to_owned();
    let name = instance.split_whitespace().next().expect("its name").to_owned();
    let loaded = config::parse("t.conf", text.replace("{\nv\n}", &format!("{{\n{name}\n}}")));
    let complaints = loaded.report.render(false);
    assert!(complaints.contains("any number but 0 means FAULT"), "{complaints}");
    assert_eq!(loaded.config.expect(&complaints).instances[0].checks.last().expect("kept").weight.value, 0);
}
