//! checkerd as HAProxy's agent: the page's bridge and its line of configuration (docs/checkerd.md), with a real HAProxy.

use std::time::Duration;

use handover_tests::node::start_lab;
use handover_tests::page::block;
use handover_tests::programs::on_host;
use lab::{Host, Lab, Proc, Spec};

const HEADING: &str = "## As HAProxy's agent";
const PATIENCE: Duration = Duration::from_secs(60);
/// The server itself is HAProxy's, too.
const HAPROXY: &str = r"defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend server
    bind 127.0.0.1:8080
    http-request return status 200 content-type text/plain string served
frontend public
    bind 127.0.0.1:80
    default_backend web
";
const CHECKS: &str = "vrrp_script web {\n file /tmp/ready\n interval 0.3\n}\n";

fn sh(host: &Host, script: &str) -> String {
    host.run(["sh", "-c", script]).expect("run a shell").stdout
}

fn eventually(lab: &Lab, all: &[&Proc], what: &str, condition: impl FnMut() -> bool) {
    let story = || all.iter().flat_map(|it| it.lines()).map(|line| line.text + "\n").collect::<String>();
    assert!(lab.wait_for(PATIENCE, condition), "never came true: {what}\n{}", story());
}

#[test]
fn a_server_goes_down_and_up_with_the_check() {
    let lab = start_lab();
    let host = lab.add_host("a", &["10.0.0.1/24"]).expect("a host");
    let files = [
        ("/tmp/checks.conf", CHECKS.to_owned()),
        ("/tmp/agent.py", block(HEADING, "python")),
        ("/tmp/haproxy.cfg", HAPROXY.to_owned() + &block(HEADING, "haproxy")),
    ];
    for (path, text) in files {
        host.write_file(path, &text, 0o644).expect("write");
    }
    let _ = sh(&host, "touch /tmp/ready");
    let checkerd = || {
        let daemon = [&on_host("checkerd"), "-f", "/tmp/checks.conf", "--runtime-dir", "/run"];
        host.spawn(Spec::new(daemon)).expect("checkerd")
    };
    let running = checkerd();
    let agent = host
        .spawn(Spec::new(["/usr/bin/python3", "/tmp/agent.py", "/run/checkerd.sock", "9777"]))
        .expect("the bridge");
    let haproxy = host.spawn(Spec::new(["haproxy", "-db", "-f", "/tmp/haproxy.cfg"])).expect("haproxy");
    let status = || sh(&host, "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1/").trim().to_owned();
    let asked = |name: &str| sh(&host, &format!("echo {name} | socat -t 5 - TCP:127.0.0.1:9777"));
    let all = [&running, &agent, &haproxy];
    eventually(&lab, &all, "the check is up and the server serves", || {
        asked("web") == "up\n" && status() == "200"
    });
    let _ = sh(&host, "rm /tmp/ready");
    eventually(&lab, &all, "the server is out", || status() == "503");
    assert_eq!(asked("web"), "down\n");
    assert_eq!(asked("unknown"), "", "what isn't known is not answered");
    let _ = sh(&host, "touch /tmp/ready");
    eventually(&lab, &all, "the server is back", || status() == "200");

    running.kill(lab::Signal::KILL).expect("kill");
    assert!(running.wait(PATIENCE).is_some());
    assert_eq!(asked("web"), "", "nobody knows");
    assert_eq!(status(), "200", "and silence is no failure");
    let again = checkerd();
    eventually(&lab, &[&again, &agent], "checkerd is asked anew", || asked("web") == "up\n");
}
