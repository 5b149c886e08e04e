//! `handover lab`: the pair of the example fails over as told, and nothing is left however a rehearsal ends.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use handover_tests::programs::program;
use sys::process::{Child, Exit, Signal, Spec, Stdio, spawn};

/// Longer than anything takes on a busy machine; only a failing test waits this long.
const LONG: Duration = Duration::from_secs(60);

fn rehearse(directory: &Path) -> Child {
    // Who runs these tests in the background of a shell has SIGINT ignored, and so would have what they start.
    let spec = Spec::new("env")
        .argument("--default-signal=INT")
        .argument(program("handover"))
        .argument("lab")
        .argument(directory)
        .stdout(Stdio::Pipe)
        .stderr(Stdio::Pipe)
        .own_group();
    spawn(&spec).expect("start handover lab")
}

/// How it ended, and all that it printed.
fn finish(mut child: Child) -> (Exit, String) {
    let (mut text, mut complaint) = (String::new(), String::new());
    fs::File::from(child.stdout.take().expect("a pipe")).read_to_string(&mut text).expect("read");
    fs::File::from(child.stderr.take().expect("a pipe")).read_to_string(&mut complaint).expect("read");
    (end_of(&mut child), text + &complaint)
}

fn end_of(child: &mut Child) -> Exit {
    let deadline = sys::clock::now() + LONG;
    loop {
        if let Some(exit) = child.try_wait().expect("wait") {
            return exit;
        }
        assert!(sys::clock::now() < deadline, "it doesn't end");
        std::thread::yield_now();
    }
}

/// A directory of this test's own, gone afterwards.
struct Directory(PathBuf);

impl Directory {
    fn with(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("handover-lab-{}-{}", std::process::id(), name));
        fs::create_dir_all(&path).expect("make a directory");
        fs::write(path.join(name), text).expect("write");
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_pair_of_the_example_fails_over_as_told() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/haproxy-pair");
    let (exit, story) = finish(rehearse(&example));
    assert_eq!(exit, Exit::Code(0), "{story}");
    let in_order = [
        "1. Start",
        "node-a is MASTER with priority 120",
        "2. haproxy on node-a is killed",
        "VRID 5 with priority 100 instead of 120",
        "node-b is MASTER with priority 110; longest gap between answers",
        "the floor is 4.570 s to 7.570 s",
        "3. haproxy on node-a returns",
        "node-a is MASTER with priority 120; longest gap between answers",
        "4. Every process on node-a is killed",
        "node-b is MASTER with priority 110; longest gap between answers",
        "the floor is 2.570 s to 3.570 s",
        "Every act came out.",
    ];
    let mut rest = story.as_str();
    for part in in_order {
        let (_, after) =
            rest.split_once(part).unwrap_or_else(|| panic!("no '{part}' in its place in\n{story}"));
        rest = after;
    }
    assert!(!story.contains('\x1b'), "colour where no terminal is");
}

/// Processes whose ancestor is `root`, itself not included, as the machine sees them.
fn descendants(root: u32) -> Vec<u32> {
    let parent_of = |pid: u32| -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
    };
    let numbers =
        fs::read_dir("/proc").expect("/proc").filter_map(|it| it.ok()?.file_name().to_str()?.parse().ok());
    let is_below =
        |pid: &u32| std::iter::successors(parent_of(*pid), |pid| parent_of(*pid)).any(|it| it == root);
    numbers.filter(is_below).collect()
}

fn interrupted_by(signal: Signal) {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/haproxy-pair");
    let mut child = rehearse(&example);
    let story = BufReader::new(fs::File::from(child.stdout.take().expect("a pipe")));
    // When the first node is master all processes of all hosts are there.
    let is_under_way = story.lines().map_while(Result::ok).any(|line| line.contains("served"));
    assert!(is_under_way, "it ended before anything happened");
    let pids = descendants(child.pid());
    assert!(pids.len() > 12, "two hosts with six processes each, at least: {pids:?}");
    child.signal(signal).expect("signal");
    assert!(!end_of(&mut child).success());
    let deadline = sys::clock::now() + LONG;
    let left = || pids.iter().filter(|pid| Path::new(&format!("/proc/{pid}")).exists()).collect::<Vec<_>>();
    while !left().is_empty() {
        assert!(sys::clock::now() < deadline, "{:?} outlived the rehearsal", left());
        std::thread::yield_now();
    }
}

#[test]
fn ctrl_c_leaves_nothing() {
    interrupted_by(Signal::INT);
}

#[test]
fn sigkill_leaves_nothing() {
    interrupted_by(Signal::KILL);
}

#[test]
fn what_cannot_be_rehearsed_is_refused_with_the_reason() {
    let nothing = Directory::with("README", "no configuration");
    let (exit, text) = finish(rehearse(&nothing.0));
    assert_eq!((exit, text.contains("no NODE.conf file")), (Exit::Code(78), true), "{text}");

    let broken = Directory::with("a.conf", "vrrp_instance a {\n  interfac eth0\n}\n");
    let (exit, text) = finish(rehearse(&broken.0));
    assert_eq!((exit, text.contains("a.conf")), (Exit::Code(78), true), "{text}");
    assert!(text.contains("interfac"), "the report of 'handover check' belongs to it: {text}");

    let unnamed = Directory::with("client.conf", "vrrp_instance a {\n}\n");
    let (exit, text) = finish(rehearse(&unnamed.0));
    assert_eq!((exit, text.contains("can't be 'client'")), (Exit::Code(78), true), "{text}");
}
