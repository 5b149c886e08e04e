//! `handover check`: what it says of one node and of a cluster, to people and to programs, and its exit status.
//!
//! Only `--host` looks at a machine, and that is a host of a lab here. One test runs the program as somebody without any right.

#![allow(clippy::disallowed_methods, reason = "a program that ends by itself needs no supervision")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use handover_tests::node::{Node, start_lab};
use handover_tests::programs::{on_host, program};
use serde_json::Value;

/// Nobody's user and group on Debian.
const NOBODY: u32 = 65534;

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/haproxy-pair")
}

/// The files of a cluster, in a directory that goes with it.
struct Files(PathBuf);

impl Files {
    fn new(test: &str, files: &[(&str, &str)]) -> Self {
        let directory = std::env::temp_dir().join(format!("handover-check-{test}-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        for (name, text) in files {
            fs::write(directory.join(name), text).expect("written");
        }
        Self(directory)
    }

    fn check(&self, arguments: &[&str]) -> Output {
        check(&self.0, arguments)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn check(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program("handover"));
    command.arg("check").args(arguments).current_dir(directory).env_clear();
    command.output().expect("handover runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn node(priority: u8, more: &str) -> String {
    format!(
        "vrrp_instance web {{\n  interface eth0\n  virtual_router_id 7\n  priority {priority}\n  virtual_ipaddress {{\n    \
         192.0.2.10/24\n  }}\n{more}}}\n"
    )
}

#[test]
fn the_example_is_a_good_cluster() {
    let output = check(&example(), &["node-a.conf", "node-b.conf", "--deny", "warnings"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    assert_eq!(
        text(&output.stdout),
        "node-a.conf: valid (1 instance, 1 check)\nnode-b.conf: valid (1 instance, 1 check)\n"
    );
}

/// Pain B1: what hetzneronline/community-content#977 taught.
#[test]
fn both_files_are_shown_where_nodes_disagree() {
    let files = Files::new("both", &[("a.conf", &node(100, "")), ("b.conf", &node(100, ""))]);
    let output = files.check(&["a.conf", "b.conf"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "a warning is no error: {said}");
    assert!(said.contains("warning[equal-priorities]: a and b both have priority 100 for web"), "{said}");
    assert!(said.contains("--> b.conf:4:3") && said.contains("::: a.conf:4:3"), "{said}");
}

#[test]
fn warnings_can_be_denied_and_silenced() {
    let files = Files::new("deny", &[("a.conf", &node(100, "")), ("b.conf", &node(100, ""))]);
    let output = files.check(&["a.conf", "b.conf", "--deny", "warnings"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("b.conf: 1 warning"), "{}", text(&output.stderr));
    let allowed = node(100, "").replace("priority 100", "priority 100  # handover: allow(equal-priorities)");
    let files = Files::new("allow", &[("a.conf", &node(100, "")), ("b.conf", &allowed)]);
    let output = files.check(&["a.conf", "b.conf", "--deny=warnings"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
fn who_can_never_agree_fails() {
    let files = Files::new("never", &[("a.conf", &node(100, "")), ("b.conf", &node(90, "  version 3\n"))]);
    let output = files.check(&["a.conf", "b.conf"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("error[version-differs]"), "{}", text(&output.stderr));
}

#[test]
fn own_words_are_told_when_asked() {
    let script = "vrrp_script chk {\n  script \"/usr/bin/true\"\n  while master\n}\n";
    let files = Files::new(
        "own",
        &[("a.conf", &(script.to_owned() + &node(100, "  track_script {\n    chk\n  }\n")))],
    );
    assert_eq!(text(&files.check(&["a.conf", "--deny", "warnings"]).stderr), "");
    let output = files.check(&["a.conf", "--portable", "--deny", "warnings"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("warning[own-word]: `while`") && said.contains("--> a.conf:3:3"), "{said}");
    // And the example has none.
    assert_eq!(
        check(&example(), &["node-a.conf", "--portable", "--deny", "warnings"]).status.code(),
        Some(0)
    );
}

#[test]
fn programs_get_a_line_for_each_diagnostic() {
    let files = Files::new("json", &[("a.conf", &node(100, "")), ("b.conf", &node(100, "  nopremt\n"))]);
    let output = files.check(&["--json", "a.conf", "b.conf"]);
    assert_eq!(output.status.code(), Some(1), "nopremt is no word");
    let said = text(&output.stdout);
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let [line] = lines.as_slice() else { panic!("{said}") };
    assert_eq!(
        (&line["severity"], &line["file"], &line["line"]),
        (&"error".into(), &"b.conf".into(), &8.into())
    );
    let output = files.check(&["a.conf", "b.conf"]);
    assert!(text(&output.stderr).contains("The nodes are compared when all files are valid."));
    let good = Files::new("json-good", &[("a.conf", &node(100, "")), ("b.conf", &node(100, ""))]);
    let said = text(&good.check(&["--json", "a.conf", "b.conf"]).stdout);
    let line: Value = serde_json::from_str(said.trim_end()).expect("one line");
    assert_eq!((&line["id"], &line["related"][0]["file"]), (&"equal-priorities".into(), &"a.conf".into()));
}

#[test]
fn a_wrong_command_line_has_a_status_of_its_own() {
    assert_eq!(check(&example(), &["node-a.conf", "--deny", "notes"]).status.code(), Some(64));
    assert_eq!(check(&example(), &["no-such.conf"]).status.code(), Some(1));
}

#[test]
fn nobody_may_check() {
    // Build output may lie where nobody may look.
    let files = Files::new("nobody", &[("a.conf", &node(100, "")), ("b.conf", &node(90, ""))]);
    let copy = files.0.join("handover");
    fs::copy(program("handover"), &copy).expect("a copy");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).expect("for all");
    let mut command = Command::new(&copy);
    command.args(["check", "a.conf", "b.conf"]).current_dir(&files.0).env_clear();
    if fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0) {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().expect("handover runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// What `handover check --host` says on this node of a file with these texts, and its status.
fn on_node(node: &Node, text: &str) -> (String, lab::Exit) {
    node.host().write_file("/tmp/host.conf", text, 0o644).expect("written");
    let program = on_host("handover");
    let arguments = [program.as_str(), "check", "--host", "/tmp/host.conf", "--deny", "warnings"];
    let output = node.host().run(arguments).expect("it runs");
    (output.stderr, output.exit)
}

/// Runs something on a node, which has to work.
fn run(node: &Node, script: &str) {
    assert_eq!(node.sh(&format!("{script} && echo done")).trim(), "done", "{script}");
}

/// Pains A1 (a firewall that drops adverts), B2 (which part of a path, whose, which mode), D2, D3.
#[test]
fn a_host_is_looked_at_and_not_changed() {
    let lab = start_lab();
    let text = node(100, "");
    let node = Node::new(&lab, "a", &["192.0.2.1/24"], &text);
    // What the kernel tells some time after a link has come up is no change of ours: that an address of IPv6 isn't tentative any more,
    // and the operational state.
    let look = "ip -o addr | sed 's/ tentative//'; ip -o link | sed 's/ state [A-Z]*//'";
    let before = node.sh(look);
    let (said, exit) = on_node(&node, &text);
    assert_eq!(exit, lab::Exit::Code(0), "{said}");

    let (said, exit) = on_node(&node, &text.replace("eth0", "eth7"));
    assert!(
        exit == lab::Exit::Code(1) && said.contains("warning[interface-missing]: there is no interface eth7"),
        "{said}"
    );

    let source = "  unicast_src_ip 192.0.2.9\n  unicast_peer {\n    192.0.2.2\n  }\n";
    let (said, _) = on_node(&node, &text.replace("  virtual_ip", &format!("{source}  virtual_ip")));
    assert!(said.contains("warning[no-source-address]: 192.0.2.9"), "{said}");

    node.host().write_file("/tmp/secret/hook.sh", "#!/bin/sh\n", 0o700).expect("written");
    node.host().write_file("/tmp/plain.sh", "#!/bin/sh\n", 0o644).expect("written");
    let hooked = |hook: &str| text.replace("  virtual_ip", &format!("  notify {hook}\n  virtual_ip"));
    let (said, exit) = on_node(&node, &hooked("/tmp/plain.sh"));
    assert!(
        exit == lab::Exit::Code(1) && said.contains("error[cannot-run]: /tmp/plain.sh: not executable"),
        "{said}"
    );
    node.host().write_file("/tmp/windows.sh", "#!/bin/sh\r\nexit 0\r\n", 0o755).expect("written");
    let (said, _) = on_node(&node, &hooked("/tmp/windows.sh"));
    assert!(
        said.contains(
            "error[cannot-run]: /tmp/windows.sh: its first line names /bin/sh with a carriage return"
        ),
        "{said}"
    );
    let (said, _) = on_node(&node, &hooked("\"/tmp/secret/hook.sh\" no-such-user-here"));
    assert!(said.contains("error[cannot-run]: no such user: no-such-user-here"), "{said}");

    let piped = |lines: &str| format!("global_defs {{\n{lines}\n}}\n{text}");
    for (lines, expected) in [
        (
            "notify_fifo /tmp/plain.sh",
            "warning[pipe-missing]: there is something else than a named pipe at /tmp/plain.sh",
        ),
        ("vrrp_notify_fifo /tmp/nowhere/fifo", "warning[pipe-missing]: there is no directory /tmp/nowhere"),
        ("notify_fifo /tmp/fifo\nnotify_fifo_script /tmp/no-reader", "error[cannot-run]: /tmp/no-reader: "),
    ] {
        let (said, _) = on_node(&node, &piped(lines));
        assert!(said.contains(expected), "{said}");
    }
    let (said, exit) = on_node(&node, &piped("notify_fifo /tmp/fifo"));
    assert_eq!(exit, lab::Exit::Code(0), "{said}");

    assert_eq!(node.sh(look), before, "nothing was changed");
    run(&node, "ip addr add 192.0.2.10/24 dev eth0");
    let (said, _) = on_node(&node, &text);
    assert!(said.contains("warning[address-taken]: 192.0.2.10 is on eth0 for ever"), "{said}");
}

/// The kernel is asked for what is needed, where nobody sees it; what can't be asked is no yes.
#[test]
fn a_kernel_is_asked_for_what_the_configuration_needs() {
    let lab = start_lab();
    let needy = "  use_vmac\n  no_accept\n  virtual_ipaddress_excluded {\n    2001:db8::7/64\n  }\n";
    let text = node(100, needy);
    let node = Node::new(&lab, "a", &["192.0.2.1/24"], &text);
    let look = "ip -o link | sed 's/ state [A-Z]*//'; nft list ruleset";
    let before = node.sh(look);
    let (said, exit) = on_node(&node, &text);
    assert!(exit == lab::Exit::Code(0) && said.is_empty(), "{said}");
    assert_eq!(node.sh(look), before, "nothing was changed");

    run(&node, "nft add table inet handover");
    let (said, exit) = on_node(&node, &text);
    assert!(
        exit == lab::Exit::Code(1)
            && said.contains("warning[table-taken]: somebody else has a table `inet handover`"),
        "{said}"
    );
    run(&node, "nft delete table inet handover");

    run(&node, "echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6");
    let (said, exit) = on_node(&node, &text);
    assert!(
        exit == lab::Exit::Code(1) && said.contains("warning[kernel-lacks]: IPv6 is switched off on eth0"),
        "{said}"
    );

    let without = format!("setpriv --bounding-set=-all --inh-caps=-all {}", on_host("handover"));
    let said = node.sh(&format!("{without} check --host /tmp/host.conf 2>&1"));
    for what in ["macvlan, which `use_vmac` needs", "nf_tables as of Linux 5.12, which shuts addresses"] {
        let note =
            format!("note[could-not-look]: whether this kernel has {what}: a network namespace to try");
        assert!(said.contains(&note), "{note}: {said}");
    }
}

/// Pain A1.
#[test]
fn a_firewall_that_keeps_adverts_out_is_found() {
    let lab = start_lab();
    let text = node(100, "");
    let node = Node::new(&lab, "a", &["192.0.2.1/24"], &text);
    if node.sh("command -v nft").is_empty() {
        eprintln!("SKIPPED: nft is not installed");
        assert!(std::env::var_os("CI").is_none(), "CI installs nftables");
        return;
    }
    run(&node, "nft add table inet f");
    run(&node, "nft 'add chain inet f in { type filter hook input priority 0; policy drop; }'");
    run(&node, "nft add rule inet f in tcp dport 22 accept");
    let (said, _) = on_node(&node, &text);
    assert!(
        said.contains("warning[firewall-drops]") && said.contains("chain inet f in has policy drop"),
        "{said}"
    );
    run(&node, "nft add rule inet f in ip protocol vrrp accept");
    let (said, exit) = on_node(&node, &text);
    assert_eq!(exit, lab::Exit::Code(0), "{said}");
    run(&node, "nft insert rule inet f in iifname eth0 meta l4proto 112 drop");
    let (said, _) = on_node(&node, &text);
    assert!(said.contains("chain inet f in has a rule that drops them"), "{said}");
}

/// Whoever pastes the page's commands gets what it says; the hook of the example is on no machine but the lab's.
#[test]
fn the_commands_of_the_page_work() {
    let page = fs::read_to_string(example().join("../../docs/checking.md")).expect("docs/checking.md");
    let commands: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("handover "))
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .collect();
    assert!(commands.len() > 6, "{commands:?}");
    for line in commands {
        let mut command = Command::new(program("handover"));
        command.args(line.split_whitespace().skip(1)).current_dir(example());
        let output = command.output().expect("handover runs");
        let said = text(&output.stderr);
        let only_programs = said.matches("error[cannot-run]").count() == said.matches("error[").count();
        let is_host = line.contains("--host") && output.status.code() == Some(1) && only_programs;
        assert!(output.status.success() || is_host, "{line}: {said}");
    }
}

#[test]
fn one_file_is_for_one_host() {
    let output = check(&example(), &["--host", "node-a.conf", "node-b.conf"]);
    assert_eq!(output.status.code(), Some(64), "{}", text(&output.stderr));
}

/// Pain B1: what the lint computes is what the simulated cores do.
#[test]
fn weights_that_never_move_the_address_never_move_it_in_the_simulation() {
    let file = |priority: u8, weight: i16| {
        let script = format!("vrrp_script chk {{\n  script \"/usr/bin/true\"\n  weight {weight}\n}}\n");
        script + &node(priority, "  track_script {\n    chk\n  }\n")
    };
    let mut fired = 0;
    let cases = [
        ((103, -2), (100, -2)),
        ((101, -2), (100, -2)),
        ((102, -2), (100, -2)),
        ((100, 20), (90, 20)),
        ((100, 5), (90, 5)),
        ((100, 10), (90, 10)),
        ((100, 11), (90, 11)),
        ((253, 20), (230, 20)),
        ((240, 20), (230, 20)),
        ((3, -253), (2, -1)),
        ((254, -4), (249, -1)),
    ];
    for ((a, a_weight), (b, b_weight)) in cases {
        let files = Files::new("sums", &[("a.conf", &file(a, a_weight)), ("b.conf", &file(b, b_weight))]);
        let said = text(&files.check(&["a.conf", "b.conf"]).stderr);
        let mut simulate = Command::new(program("handover"));
        simulate.args(["simulate", "a.conf", "b.conf", "--fail", "chk@a", "--json"]).current_dir(&files.0);
        let output = simulate.output().expect("handover runs");
        let outcome: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let outcome = outcome["failures"][0]["outcome"].as_str().expect("an outcome").to_owned();
        let never = said.contains("weight-never-moves");
        fired += usize::from(never);
        assert_eq!(never, outcome != "moves", "{a}{a_weight:+} and {b}{b_weight:+}: {outcome}: {said}");
    }
    assert!(0 < fired && fired < cases.len(), "both happen: {fired}");
}
