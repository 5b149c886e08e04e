//! `handover run` as process 1 with the capabilities of the Kubernetes manifest and no other: what a container engine does to
//! it, done by unshare(1) and setpriv(1), since no engine is at hand.

#![allow(
    clippy::disallowed_methods,
    reason = "a test asks the tools of the machine, and they are to be as a person has them"
)]

use std::fs;
use std::path::Path;

use handover_tests::node::{LIMIT, Node, RUNTIME_DIR, eventually, start_lab};
use handover_tests::package::is_installed;
use handover_tests::programs::on_host;
use lab::{Exit, Lab, Proc, Spec};

const VIP: &str = "192.168.1.100";
const CONFIG: &str = "vrrp_instance api_vip {
  interface eth0
  virtual_router_id 5
  virtual_ipaddress { 192.168.1.100/32 }
}
";

fn manifest() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    fs::read_to_string(root.join("packaging/container/daemonset.yaml")).expect("the manifest")
}

/// What the manifest adds, as setpriv(1) writes it.
fn capabilities() -> Vec<String> {
    let text = manifest();
    let add = text.lines().find_map(|line| line.trim().strip_prefix("add: [")).expect("capabilities");
    let names = add.trim_end_matches(']').split(", ").map(|name| name.trim_matches('"').to_lowercase());
    names.collect()
}

fn is_possible() -> bool {
    if sys::user::effective_uid() != 0 {
        eprintln!("SKIPPED: an ordinary user's namespaces have no capabilities to choose from");
        assert!(std::env::var_os("CI").is_none(), "CI runs as root");
        return false;
    }
    is_installed("unshare") && is_installed("setpriv")
}

fn start(node: &Node, capabilities: &[String]) -> Proc {
    let keep = format!("-all{}", capabilities.iter().map(|name| format!(",+{name}")).collect::<String>());
    let handover = on_host("handover");
    let argv = [
        "unshare",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "setpriv",
        "--bounding-set",
        &keep,
        "--inh-caps",
        &keep,
        "--no-new-privs",
        &handover,
        "run",
        "--runtime-dir",
        RUNTIME_DIR,
        "--state-dir",
        "/run/state",
        "-f",
        "/etc/handover/handover.conf",
    ];
    node.host().spawn(Spec::new(argv).variable("HANDOVER_LOG", "info")).expect("start")
}

/// The process that is number 1 in there, as the host counts.
fn first(lab: &Lab, node: &Node) -> u32 {
    let pid = lab.find(LIMIT, || node.pids("handover").first().copied());
    pid.expect("handover run runs")
}

fn output(run: &Proc) -> String {
    run.lines().iter().map(|line| line.text.clone() + "\n").collect()
}

#[test]
fn two_capabilities_are_enough_and_each_process_keeps_its_own() {
    if !is_possible() {
        return;
    }
    assert_eq!(capabilities(), ["net_admin", "net_raw"], "the manifest's");
    let lab = start_lab();
    let node = Node::new(&lab, "a", &["192.168.1.11/24"], CONFIG);
    // As an engine's volume of memory comes.
    let _ = node.sh(&format!("mkdir -p {RUNTIME_DIR} && chmod 1777 {RUNTIME_DIR}"));
    let run = start(&node, &capabilities());
    let up = lab.wait_for(LIMIT, || node.state() == "MASTER" && node.holds(VIP));
    assert!(up, "{}\n{}", output(&run), node.story());
    for (name, rights) in [("ipmgr", "3000"), ("vrrp-core", "0"), ("checkerd", "0"), ("notifierd", "0")] {
        let pid = node.pids(name)[0];
        let status = node.sh(&format!("grep CapEff /proc/{pid}/status"));
        let bits = status.split_whitespace().nth(1).unwrap_or_default().trim_start_matches('0').to_owned();
        assert_eq!(bits, rights.trim_start_matches('0'), "{name}: {status}");
    }
    assert_eq!(node.sh(&format!("stat -c %a {RUNTIME_DIR}")).trim(), "1755");
    assert!(!output(&run).contains("anybody may write"), "{}", output(&run));
    orphans_are_reaped(&lab, &node);
    // unshare(1) passes nothing on; an engine's signal goes to process 1.
    let _ = node.sh(&format!("kill -TERM {}", first(&lab, &node)));
    assert!(run.wait(LIMIT).is_some(), "it didn't stop:\n{}", output(&run));
    assert!(!node.holds(VIP), "the address was left behind:\n{}", output(&run));
}

/// Processes whose parents are gone, as hooks leave them.
fn orphans_are_reaped(lab: &Lab, node: &Node) {
    let pid = first(lab, node);
    let script = "for i in 1 2 3 4 5; do (exec sleep 0.1 >/dev/null 2>&1 &) ; done";
    let _ = node.sh(&format!("nsenter -t {pid} -p -m sh -c '{script}'"));
    let children =
        format!("for c in $(cat /proc/{pid}/task/{pid}/children); do cat /proc/$c/comm; done 2>/dev/null");
    eventually(lab, &[node], "only the four daemons are left, and no zombie", || {
        let mut names: Vec<String> = node.sh(&children).lines().map(str::to_owned).collect();
        names.sort();
        names == ["checkerd", "ipmgr", "notifierd", "vrrp-core"]
    });
}

#[test]
fn a_missing_capability_is_named() {
    if !is_possible() {
        return;
    }
    let lab = start_lab();
    let node = Node::new(&lab, "a", &["192.168.1.11/24"], CONFIG);
    for (held, missing) in
        [("net_admin", "missing: CAP_NET_RAW;"), ("chown", "missing: CAP_NET_ADMIN, CAP_NET_RAW;")]
    {
        let run = start(&node, &[held.to_owned()]);
        assert_eq!(run.wait(LIMIT), Some(Exit::Code(77)), "{}", output(&run));
        assert!(output(&run).contains(missing), "{}", output(&run));
    }
}

#[test]
fn the_manifest_is_yaml() {
    if !is_installed("python3") {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let script = "import sys, yaml; print([d['kind'] for d in yaml.safe_load_all(open(sys.argv[1]))])";
    let said = handover_tests::package::run(
        std::process::Command::new("python3")
            .args(["-c", script])
            .arg(root.join("packaging/container/daemonset.yaml")),
    );
    assert_eq!(said.trim(), "['ConfigMap', 'DaemonSet']");
    // Its configuration is one, too.
    let text = manifest();
    let (_, rest) = text.split_once("handover.conf: |\n").expect("a configuration");
    let shown: String =
        rest.lines().take_while(|line| line.starts_with("    ")).map(|line| format!("{line}\n")).collect();
    assert!(config::parse("daemonset.yaml", &shown).config.is_some(), "{shown}");
}
