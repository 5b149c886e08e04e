//! The hook that docs/hooks.md shows, taken from the page: a real notifierd runs it on real transitions, and keepalived does.

use handover_tests::keepalived::{self, Keepalived};
use handover_tests::node::{LIMIT, Node, eventually, start_lab};
use handover_tests::page::block_of;
use lab::Host;

const HEADING: &str = "## A whole hook";
/// Where the page puts it.
const PROGRAM: &str = "/usr/local/bin/role";

/// What the page shows, with another address and quicker.
fn config(number: u8) -> String {
    let shown =
        block_of("hooks.md", HEADING, "conf").replace("192.168.1.100", &format!("192.168.1.{number}"));
    let vrid = format!("virtual_router_id {number}");
    assert!(shown.contains(PROGRAM), "{shown}");
    // As keepalived wants it, a word a line.
    let shown = shown.replace("virtual_ipaddress {", "virtual_ipaddress {\n").replace("/24 }", "/24\n }");
    format!("global_defs {{\n script_user root\n}}\n{}", shown.replace("virtual_router_id 5", &vrid))
}

fn install(host: &Host) {
    host.write_file(PROGRAM, &block_of("hooks.md", HEADING, "sh"), 0o755).expect("write the hook");
}

fn role(host: &Host) -> String {
    host.read_file("/run/roles/api_vip").unwrap_or_default()
}

fn is_state(host: &Host, state: &str) -> bool {
    role(host).lines().next() == Some(state)
}

/// The line of the role's file that begins so, without that.
fn line(host: &Host, begin: &str) -> String {
    role(host).lines().find_map(|line| line.strip_prefix(begin)).unwrap_or_default().to_owned()
}

fn is_marked(host: &Host) -> bool {
    host.run(["test", "-e", "/run/roles/api_vip.master"]).expect("test").success()
}

#[test]
fn the_hook_of_the_page_follows_every_state() {
    let lab = start_lab();
    let node = Node::new(&lab, "ours", &["192.168.1.12/24"], &config(120));
    let host = node.host();
    install(host);
    node.start();
    eventually(&lab, &[&node], "MASTER", || is_state(host, "MASTER") && is_marked(host));
    let told = ["since ", "before: ", "priority: ", "router: "].map(|it| line(host, it));
    assert_eq!(told, [&node.at("/instances/0/since"), "BACKUP", "100", "none"], "{}", node.story());
    assert!(line(host, "because: ").starts_with("no master was heard"), "{}", node.story());
    let better = config(120).replace("  interface eth0", "  priority 200\n  interface eth0");
    let above = Node::new(&lab, "above", &["192.168.1.13/24"], &better);
    install(above.host());
    above.start();
    eventually(&lab, &[&node, &above], "BACKUP", || is_state(host, "BACKUP") && !is_marked(host));
    assert_eq!(line(host, "router: "), "192.168.1.13", "{}", node.story());
    host.link_down("eth0").expect("unplug");
    eventually(&lab, &[&node], "FAULT", || is_state(host, "FAULT") && !is_marked(host));
    node.stop();
    assert!(is_state(host, "STOP") && !is_marked(host), "{}", role(host));
    assert_eq!(line(host, "before: "), "FAULT");
    let files = host.run(["ls", "-A", "/run/roles"]).expect("ls").stdout;
    assert_eq!(files, "api_vip\n", "nothing else is left");
    above.stop();
    let strange = host.run([PROGRAM, "INSTANCE", "api_vip", "TOMORROW", "1"]).expect("run the hook");
    assert_eq!(strange.stderr.trim(), "INSTANCE api_vip: nothing is known of TOMORROW");
}

#[test]
fn keepalived_can_run_it_too() {
    if !keepalived::is_installed() {
        return;
    }
    let lab = start_lab();
    let theirs = Keepalived::new(&lab, "theirs", &["192.168.1.11/24"], &config(110));
    install(theirs.host());
    theirs.start();
    let told = lab.wait_for(LIMIT, || is_state(theirs.host(), "MASTER") && is_marked(theirs.host()));
    assert!(told, "{}\n{}", role(theirs.host()), theirs.story());
    assert_eq!(line(theirs.host(), "because: "), "unknown");
    theirs.stop();
    let told = lab.wait_for(LIMIT, || is_state(theirs.host(), "STOP") && !is_marked(theirs.host()));
    assert!(told, "{}\n{}", role(theirs.host()), theirs.story());
}
