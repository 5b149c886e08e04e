//! `handover simulate`: what it says about pairs that people run, held against transcripts; and about bad input.
//!
//! `UPDATE_GOLDEN=1` writes the transcripts under `golden/simulate` and in the two READMEs anew. Nothing here
//! touches the network, and one test runs the program as somebody without any right.

#![allow(clippy::disallowed_methods, reason = "a program that ends by itself needs no supervision")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use handover_tests::programs::program;
use serde_json::Value;

/// Nobody's user and group on Debian.
const NOBODY: u32 = 65534;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace").to_owned()
}

/// Runs `handover simulate ARGUMENTS` in a directory.
fn simulate(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program("handover"));
    command.arg("simulate").args(arguments).current_dir(directory).env_clear();
    command.output().expect("handover runs")
}

/// What it prints when nothing is wrong with the input.
fn told(directory: &Path, arguments: &[&str]) -> String {
    let output = simulate(directory, arguments);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {:?}: {complaint}", output.status);
    assert_eq!(complaint, "", "{arguments:?}: nothing to complain about");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// What it says, and the status, when something is.
fn refused(directory: &Path, arguments: &[&str]) -> String {
    let output = simulate(directory, arguments);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {complaint}");
    assert_eq!(output.stdout, b"", "{arguments:?}: nothing is simulated");
    complaint
}

/// A directory with configurations, gone with the value.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str, configs: &[(&str, &str)]) -> Self {
        let path = std::env::temp_dir().join(format!("handover-simulate-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory");
        for (name, text) in configs {
            fs::write(path.join(name), text).expect("a configuration");
        }
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A node of the virtual router 5 with the checks that it tracks, and more lines of one's own.
fn node(priority: u8, tracked: &str, more: &str) -> String {
    let scripts =
        [("chk_web", "interval 2 \n fall 3 \n rise 2"), ("chk_dns", "interval 1 \n fall 1 \n rise 1")];
    let tracked_only = scripts.into_iter().filter(|(name, _)| tracked.contains(name));
    let scripts: String = tracked_only
        .map(|(name, lines)| format!("vrrp_script {name} {{ script \"/bin/true\" \n {lines} }}\n"))
        .collect();
    format!(
        "{scripts}vrrp_instance web {{ interface eth0 \n virtual_router_id 5 \n priority {priority} \n {more}\n\
         virtual_ipaddress {{ 10.0.0.5/32 }} \n track_script {{ {tracked} }} }}\n"
    )
}

fn pair(name: &str, a: &str, b: &str) -> Directory {
    Directory::new(name, &[("a.conf", a), ("b.conf", b)])
}

/// Holds what was told against what is kept.
fn compare(name: &str, told: &str) {
    let path = root().join("tests/golden/simulate").join(name).with_extension("txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, told).expect("written");
        return;
    }
    let kept = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(told, kept, "{} tells another story; UPDATE_GOLDEN=1 writes this one", path.display());
}

/// Holds what was told against the block of a page in which it stands: from the line that begins so, to the fence.
fn show(page: &Path, begin: &str, told: &str) {
    show_after(page, "", begin, told);
}

/// The same, of the first such block after a heading.
fn show_after(page: &Path, heading: &str, begin: &str, told: &str) {
    let text = fs::read_to_string(page).expect("a page");
    let from = text.find(heading).expect("the heading");
    let at = text[from..].find(&format!("\n{begin}")).expect("a transcript") + from + 1;
    let (before, rest) = text.split_at(at);
    let (shown, after) = rest.split_once("```\n").expect("its end");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(page, format!("{before}{told}```\n{after}")).expect("written");
        return;
    }
    assert_eq!(told, shown, "{} shows something else; UPDATE_GOLDEN=1 writes this", page.display());
}

/// The line about one failure.
fn line<'t>(told: &'t str, failure: &str) -> &'t str {
    let found = told.lines().find_map(|line| line.trim_start().strip_prefix(failure));
    found.unwrap_or_else(|| panic!("no line begins with {failure:?}:\n{told}")).trim()
}

/// Pain B1: the pair whose hook starts HAProxy on the master alone never fails over when HAProxy dies, and the page
/// that warns of it shows what the command prints.
#[test]
fn haproxy_on_the_master_only_is_found_out() {
    let directory = root().join("examples/haproxy-on-master-only");
    let page = directory.join("README.md");
    let text = fs::read_to_string(&page).expect("README.md");
    let command =
        text.lines().find_map(|line| line.trim().strip_prefix("handover simulate ")).expect("a command");
    let arguments: Vec<&str> = command.split(' ').collect();
    let told = told(&directory, &arguments);
    assert_eq!(
        line(&told, "chk_haproxy fails on a  "),
        "never: chk_haproxy down on a: 100 is still above b's 90 \
         (b's own chk_haproxy is down, too: it can only pass on the master)"
    );
    assert!(line(&told, "a loses power").starts_with("moves to b after "), "{told}");
    for page in [page, root().join("README.md")] {
        show(&page, "api_vip: VRID 5", &told);
    }
}

/// Pain B1, cured: the same pair with a check that counts on the master alone.
#[test]
fn a_check_that_counts_on_the_master_alone_moves_the_address() {
    let directory = root().join("examples/haproxy-on-master-only");
    let page = directory.join("README.md");
    let text = fs::read_to_string(&page).expect("README.md");
    let mut commands = text.lines().filter_map(|line| line.trim().strip_prefix("handover simulate cure/"));
    let arguments: Vec<String> = commands.next().expect("a command").split(' ').map(str::to_owned).collect();
    let arguments: Vec<&str> =
        std::iter::once("cure/a.conf").chain(arguments.iter().skip(1).map(String::as_str)).collect();
    let told = told(&directory, &arguments);
    assert!(line(&told, "chk_haproxy fails on a  ").starts_with("moves to b after "), "{told}");
    assert!(told.contains("b  BACKUP  priority 90 + 20 = 110"), "{told}");
    show_after(&page, "## The cure", "api_vip: VRID 5", &told);
}

/// The pair of the README, where HAProxy runs on both.
#[test]
fn golden_failures_of_the_haproxy_pair() {
    let directory = root().join("examples/haproxy-pair");
    let files = ["node-a.conf", "node-b.conf"];
    let with = |more: &[&str]| told(&directory, &[&files, more].concat());
    compare("start", &with(&[]));
    compare("failed-check", &with(&["--fail", "chk_haproxy@node-a", "--at", "5s"]));
    compare("pause", &with(&["--pause=node-a:8s"]));
    compare(
        "crash-after-failed-check",
        &with(&["--crash", "node-b", "--at", "1m", "--fail", "chk_haproxy@node-a"]),
    );
    let short = with(&["--pause", "node-a:1s"]);
    assert_eq!(line(&short, "node-a stands still for 1 s"), "stays on node-a: node-b doesn't miss it");
    compare("every-single-failure", &with(&["--every-single-failure"]));
}

/// Pain B1, with the numbers of the thread that asked first.
#[test]
fn a_weight_that_is_too_small_is_shown_by_its_sum() {
    let pair = pair("weight", &node(103, "chk_web weight -2", ""), &node(100, "chk_web weight -2", ""));
    let told = told(&pair.0, &["a.conf", "b.conf", "--every-single-failure"]);
    assert_eq!(
        line(&told, "chk_web fails on a"),
        "never: chk_web down on a: 103 - 2 = 101 is still above b's 100"
    );
    assert_eq!(line(&told, "chk_web fails on b"), "stays on a; b goes on as backup with 100 - 2 = 98");
}

/// Tracked interfaces weigh as checks do, and are noticed at once.
#[test]
fn an_interface_that_weighs_too_little_is_shown_by_its_sum() {
    let link = |weight: &str| format!("track_interface {{ \n eth9 {weight} \n }}");
    let light = pair("light", &node(103, "", &link("weight -2")), &node(100, "", &link("weight -2")));
    let told = told(&light.0, &["a.conf", "b.conf", "--every-single-failure"]);
    assert_eq!(
        line(&told, "eth9 of a goes down"),
        "never: eth9 down on a: 103 - 2 = 101 is still above b's 100"
    );
    let heavy = pair("heavy", &node(103, "", &link("")), &node(100, "", &link("")));
    let told = self::told(&heavy.0, &["a.conf", "b.conf", "--every-single-failure"]);
    assert_eq!(line(&told, "eth9 of a goes down"), "moves to b after 0.61 s");
    assert_eq!(line(&told, "eth9 of b goes down"), "stays on a; b is in FAULT and could not take over");
}

#[test]
fn every_other_reason_to_stay_is_told_apart() {
    let says = |name: &str, a: String, b: String| {
        let pair = pair(name, &a, &b);
        let told = told(&pair.0, &["a.conf", "b.conf", "--every-single-failure"]);
        line(&told, "chk_web fails on a").to_owned()
    };
    assert_eq!(
        says("tie", node(102, "chk_web weight -2", ""), node(100, "", "")),
        "never: chk_web down on a: 102 - 2 = 100 is as much as b's 100, and a tie moves nothing"
    );
    assert_eq!(
        says("polite", node(102, "chk_web weight -20", ""), node(100, "", "nopreempt")),
        "never: chk_web down on a: 102 - 20 = 82 is below b's 100, but b has nopreempt"
    );
    assert_eq!(
        says(
            "clamped",
            node(250, "chk_web weight -2 \n chk_dns weight 50", ""),
            node(240, "chk_dns weight 5", "")
        ),
        "never: chk_web down on a: 250 - 2 + 50 = 298 (counts as 254) is still above b's 240 + 5 = 245"
    );
    // Three failing runs, two seconds apart, and priority 0 leaves b only its skew of 156/256 s.
    assert_eq!(
        says("fault", node(103, "chk_web", ""), node(100, "chk_web", "")),
        "moves to b after 4.61 s to 6.61 s (4 s to 6 s until the check is down, then 0.61 s)"
    );
}

/// Both need the same thing, which follows the master: nobody can begin.
#[test]
fn a_check_that_waits_for_itself_is_found_out() {
    let pair = pair("deadlock", &node(103, "chk_web", ""), &node(100, "chk_web", ""));
    let told = told(&pair.0, &["a.conf", "b.conf", "--only-on-master", "chk_web", "--crash", "a"]);
    assert!(told.contains("a  FAULT  priority 103: check chk_web is down\n"), "{told}");
    assert!(told.contains("Nobody can begin: chk_web passes only on the master"), "{told}");
    assert_eq!(line(&told, "a loses power"), "nobody has the address, before or after");
}

#[test]
fn nodes_that_ignore_each_other_are_two_masters() {
    let auth = |word: &str| format!("authentication {{ auth_type PASS \n auth_pass {word} }}");
    let pair = pair("auth", &node(103, "", &auth("one")), &node(100, "", &auth("other")));
    let told = told(&pair.0, &["a.conf", "b.conf", "--every-single-failure"]);
    assert_eq!(line(&told, "a is cut off"), "a and b both have the address, as before");
    assert!(told.contains("a  MASTER  ") && told.contains("b  MASTER  "), "{told}");
    assert!(told.contains("differ in authentication"), "{told}");
    assert!(told.contains("This can't be right: "), "{told}");
}

/// The address is lost when the last one that could have it can't.
#[test]
fn a_failure_too_many_loses_the_address() {
    let pair = pair("lost", &node(103, "chk_web", ""), &node(100, "chk_web", ""));
    let arguments = ["a.conf", "b.conf", "--fail", "chk_web@a", "--fail", "chk_web@b", "--at", "1m"];
    let told = told(&pair.0, &arguments);
    assert!(told.ends_with("In the end web is on no node.\n"), "{told}");
    let alone = self::pair("alone", &node(103, "chk_web", ""), &node(100, "chk_web weight 0 reverse", ""));
    let told = self::told(&alone.0, &["a.conf", "b.conf", "--crash", "a"]);
    assert_eq!(
        line(&told, "a loses power"),
        "the address is lost: a does not run; b is in FAULT: check chk_web is up"
    );
}

/// Three nodes, two virtual routers, hooks with arguments: each is named where it matters.
#[test]
fn golden_three_nodes_with_two_addresses() {
    let config = |web: u8, dns: u8| {
        format!(
            "{}vrrp_script chk_dns {{ script \"/bin/true\" \n interval 1 }}\n\
             vrrp_instance dns {{ interface eth1 \n virtual_router_id 6 \n version 3 \n advert_int 0.1 \n priority {dns}\n\
             virtual_ipaddress {{ fe80::5/64 \n 2001:db8::5/128 }} \n notify_master \"/bin/tell 'all of them'\"\n\
             notify /bin/note \n track_script {{ chk_dns }} }}\n",
            node(web, "chk_web weight -60", "")
        )
    };
    let (a, b, c) = (config(150, 100), config(110, 150), config(100, 110));
    let nodes = Directory::new("three", &[("a.conf", &a), ("b.conf", &b), ("c.conf", &c)]);
    let arguments = ["a.conf", "b.conf", "c.conf", "--partition", "b", "--every-single-failure"];
    compare("three-nodes", &told(&nodes.0, &arguments));
}

#[test]
fn programs_read_json() {
    let pair = pair("json", &node(103, "chk_web weight -2", ""), &node(100, "", ""));
    let told = told(&pair.0, &["--json", "a.conf", "b.conf", "--every-single-failure"]);
    let whole: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(whole["virtual_routers"][0]["on"], serde_json::json!(["a"]));
    let failures = whole["failures"].as_array().expect("a list");
    let of = |kind: &str, node: &str| {
        let found = failures.iter().find(|it| it["failure"]["kind"] == kind && it["node"] == node);
        found.unwrap_or_else(|| panic!("no {kind} of {node}: {told}"))
    };
    let check = of("check", "a");
    assert_eq!((&check["outcome"], &check["to"]), (&"stays".into(), &Value::Null));
    assert_eq!(check["unnoticed_ms"], serde_json::json!({"least": 4000, "most": 6000}));
    assert!(check["text"].as_str().is_some_and(|text| text.contains("103 - 2 = 101")), "{check}");
    let crash = of("crash", "a");
    assert_eq!((&crash["outcome"], &crash["to"]), (&"moves".into(), &"b".into()));
    assert_eq!(of("partition", "a")["outcome"], "split");
}

/// Another priority is told when it is, with its number before; and what runs before the addresses come.
#[test]
fn priorities_and_preludes_are_shown() {
    let more = "pre_master /bin/first";
    let pair = pair("told", &node(103, "chk_web weight -2", more), &node(100, "", more));
    let files = ["a.conf", "b.conf"];
    let told = told(&pair.0, &[&files[..], &["--fail", "chk_web@a", "--crash", "a"]].concat());
    let before = |one: &str, other: &str| {
        let [one, other] =
            [one, other].map(|it| told.find(it).unwrap_or_else(|| panic!("no {it:?}:\n{told}")));
        assert!(one < other, "{told}");
    };
    before("b  runs /bin/first", "b  + 10.0.0.5/32");
    let json = self::told(&pair.0, &[&files[..], &["--fail", "chk_web@a", "--json"]].concat());
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let timeline = json["timeline"].as_array().expect("a timeline");
    let priority = timeline.iter().find(|line| line["kind"] == "priority").expect("the priority");
    assert_eq!(priority["text"], "priority of web falls from 103 to 101");
    assert_eq!((&priority["node"], &priority["priority"]), (&"a".into(), &101.into()));
}

#[test]
fn bad_input_gets_an_answer_that_helps() {
    let other = node(100, "chk_web", "").replace("virtual_router_id 5", "virtual_router_id 7");
    let (a, b) = (node(103, "chk_web", ""), node(100, "chk_web weight 5", ""));
    let unicast = node(100, "", "unicast_peer { \n 10.0.0.1 \n }");
    let files = [
        ("a.conf", a.as_str()),
        ("b.conf", &b),
        ("other.conf", &other),
        ("unicast.conf", &unicast),
        ("broken.conf", "vrrp_instanc x {"),
    ];
    let directory = Directory::new("bad", &files);
    let cases: [(&[&str], &str); 14] = [
        (&["a.conf", "b.conf", "--fail", "chk_wbe@a"], "the tracked checks are: chk_web@a, chk_web@b"),
        (&["a.conf", "b.conf", "--fail", "chk_dns@a"], "the tracked checks are: chk_web@a, chk_web@b"),
        (&["a.conf", "b.conf", "--fail", "chk_web"], "write it as CHECK@NODE"),
        (&["a.conf", "b.conf", "--crash", "c"], "no node is called \"c\"; the nodes are: a, b"),
        (&["a.conf", "b.conf", "--pause", "a"], "write it as NODE:TIME"),
        (&["a.conf", "b.conf", "--pause", "a:soon"], "\"soon\" is no time"),
        (&["a.conf", "b.conf", "--crash", "a", "--at", "-5s"], "\"-5s\" is no time"),
        (&["a.conf", "b.conf", "--at", "5s"], "there is none"),
        (&["a.conf", "b.conf", "--only-on-master", "x"], "the tracked checks are: chk_web@a, chk_web@b"),
        (&["a.conf"], "1 configurations: at least 2"),
        (&["a.conf", "a.conf"], "two nodes are called"),
        (&["a.conf", "other.conf"], "a has VRID 5 on eth0 (IPv4); other has VRID 7 on eth0 (IPv4)"),
        (&["a.conf", "unicast.conf"], "unicast: web has unicast_peer and no unicast_src_ip"),
        (&["a.conf", "broken.conf"], "broken.conf:1:1"),
    ];
    for (arguments, expected) in cases {
        let complaint = refused(&directory.0, arguments);
        assert!(complaint.contains(expected), "{arguments:?}: {complaint}");
    }
    assert!(refused(&directory.0, &["a.conf", "absent.conf"]).contains("absent.conf"));
}

/// No right is needed, and nothing is written: nobody runs it in a directory that isn't theirs.
#[test]
fn nobody_may_simulate() {
    let (a, b) = (node(103, "chk_web", ""), node(100, "chk_web", ""));
    let directory = pair("nobody", &a, &b);
    let copy = directory.0.join("handover");
    fs::copy(program("handover"), &copy).expect("a copy that nobody can reach");
    for path in [&directory.0, &copy] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("permissions");
    }
    let mut command = Command::new(&copy);
    command.args(["simulate", "a.conf", "b.conf", "--crash", "a"]).current_dir(&directory.0).env_clear();
    if fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0) {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("moves to b after "));
    let mut left: Vec<_> = fs::read_dir(&directory.0).expect("a directory").filter_map(Result::ok).collect();
    left.sort_by_key(fs::DirEntry::file_name);
    let left: Vec<_> = left.iter().map(fs::DirEntry::file_name).collect();
    assert_eq!(left, ["a.conf", "b.conf", "handover"], "nothing was left behind");
}

/// Two virtual routers that move together, with hooks and trackers of the group.
fn grouped(priority: u8) -> String {
    let instance = |name: &str, at: u8, more: &str| {
        format!(
            "vrrp_instance {name} {{ interface eth{at} \n virtual_router_id {} \n priority {priority} \n {more}\n\
             virtual_ipaddress {{ 10.{at}.0.5/32 }} }}\n",
            5 + at
        )
    };
    format!(
        "vrrp_script chk {{ script \"/bin/true\" \n interval 2 \n fall 2 }}\n\
         vrrp_sync_group pair {{ group {{ outside inside }} \n track_script {{ chk }} \n track_interface {{ eth2 }}\n\
         notify \"/etc/hook group\" \n notify_master /etc/up }}\n{}{}",
        instance("outside", 0, ""),
        instance("inside", 1, "")
    )
}

/// What a group tracks can fail, moves all its members, and runs the group's hooks with the arguments of notifierd.
#[test]
fn a_sync_group_moves_as_one_and_its_hooks_are_shown() {
    let directory = pair("groups", &grouped(150), &grouped(100));
    let files = ["a.conf", "b.conf"];
    compare("sync-group", &told(&directory.0, &[files[0], files[1], "--fail", "chk@a", "--at", "5s"]));

    let all = told(&directory.0, &[files[0], files[1], "--every-single-failure"]);
    for failure in ["chk fails on a", "eth2 of a goes down"] {
        assert!(line(&all, failure).starts_with("outside: moves to b after"), "{all}");
    }

    let json: Value =
        serde_json::from_str(&told(&directory.0, &[files[0], files[1], "--crash", "a", "--json"]))
            .expect("JSON");
    let timeline = json["timeline"].as_array().expect("a timeline");
    let of_group: Vec<&Value> = timeline.iter().filter(|line| line["group"] == "pair").collect();
    let state = of_group.iter().find(|line| line["kind"] == "state").expect("the group's state");
    assert_eq!(
        (&state["node"], &state["state"], &state["cause"]),
        (&"b".into(), &"MASTER".into(), &"peer-silent".into())
    );
    let commands: Vec<String> = of_group
        .iter()
        .filter(|line| line["kind"] == "hook")
        .map(|line| line["command"].to_string())
        .collect();
    assert_eq!(commands, [r#"["/etc/up"]"#, r#"["/etc/hook","group","GROUP","pair","MASTER","0"]"#]);
}

/// One template for all: `@NAME` lines are read as the host that `-i` names, else as this one.
#[test]
fn files_are_read_as_the_host_that_is_named() {
    let b = node(90, "", "").replace("priority 90", "@^elsewhere priority 90 \n @elsewhere priority 110");
    let directory = pair("named", &node(100, "", ""), &b);
    let said = told(&directory.0, &["a.conf", "b.conf", "--config-id", "here"]);
    assert!(said.contains("a  MASTER  priority 100"), "{said}");
    let said = told(&directory.0, &["a.conf", "b.conf", "-i", "elsewhere"]);
    assert!(said.contains("b  MASTER  priority 110"), "{said}");
}

/// The usual way to keep the files of several hosts: one directory each.
#[test]
fn nodes_whose_files_have_one_name_are_called_as_their_directories() {
    let directory = Directory::new("directories", &[]);
    for (name, priority) in [("left", 150), ("right", 100)] {
        fs::create_dir_all(directory.0.join(name)).expect("a directory");
        fs::write(directory.0.join(name).join("handover.conf"), grouped(priority)).expect("a configuration");
    }
    let said = told(&directory.0, &["left/handover.conf", "right/handover.conf", "--crash", "left"]);
    assert!(said.contains("In the end outside is on right."), "{said}");
    let said = refused(&directory.0, &["left/handover.conf", "left/handover.conf"]);
    assert!(said.contains("two nodes are called left"), "{said}");
}
