//! checkerd without anything else of Handover: the page's configuration, commands and subscribers (docs/checkerd.md).

#![allow(
    clippy::disallowed_methods,
    reason = "programs that end by themselves, or by our hand, need no supervision"
)]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use handover_tests::page::block;
use handover_tests::programs::{Running, program};

/// Longer than any healthy machine needs for anything here.
const PATIENCE: Duration = Duration::from_secs(60);

struct Scene {
    directory: PathBuf,
    web: Option<TcpListener>,
    address: String,
}

impl Scene {
    /// The page's configuration, with a port of our own.
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("handover-alone-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        let web = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = web.local_addr().expect("its address").to_string();
        let config = block("# checkerd alone", "").replace("127.0.0.1:8080", &address);
        fs::write(directory.join("checks.conf"), config).expect("a configuration");
        Self { directory, web: Some(web), address }
    }

    fn checkerd(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("checkerd"));
        command.args(arguments).current_dir(&self.directory);
        command
    }

    fn daemon(&self, more: &[&str], stdout: Stdio) -> Running {
        let arguments = [&["-f", "checks.conf", "--runtime-dir", "."], more].concat();
        let daemon = self.checkerd(&arguments).stdout(stdout).stderr(Stdio::null()).spawn();
        let daemon = Running(daemon.expect("checkerd starts"));
        let start = Instant::now();
        while !self.directory.join("checkerd.sock").exists() {
            assert!(start.elapsed() < PATIENCE, "no socket");
            std::thread::sleep(Duration::from_millis(5));
        }
        daemon
    }
}

#[test]
fn the_directory_is_made_and_where_it_cannot_be_that_is_said() {
    let scene = Scene::new("directory");
    let start = |directory: &str| {
        let mut command = scene.checkerd(&["-f", "checks.conf", "--runtime-dir", directory]);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("checkerd starts")
    };
    let _daemon = Running(start("made"));
    let begun = Instant::now();
    while !scene.directory.join("made/checkerd.sock").exists() {
        assert!(begun.elapsed() < PATIENCE, "no socket");
        std::thread::sleep(Duration::from_millis(5));
    }
    let Output { status, stderr, .. } = start("not/made").wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&stderr);
    assert!(!status.success() && said.contains("make the directory, mkdir not/made, or"), "{said}");
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Reads lines until one of them begins so.
fn expect(lines: &mut impl Iterator<Item = std::io::Result<String>>, beginning: &str) -> String {
    let mut seen = Vec::new();
    for line in lines.by_ref() {
        let line = line.expect("a line");
        if line.starts_with(beginning) {
            return line;
        }
        seen.push(line);
    }
    panic!("it ended before {beginning:?}: {seen:?}");
}

#[test]
fn subscribers_of_the_page_hear_every_verdict() {
    let subscribers = [
        ("python3", "-c", block("## A subscriber in Python", "python"), "python"),
        ("sh", "-c", format!("set -- _ \"$0\"; shift; {}", block("## A subscriber in shell", "sh")), "shell"),
    ];
    for (interpreter, flag, script, name) in subscribers {
        let mut scene = Scene::new(name);
        let daemon = scene.daemon(&[], Stdio::null());
        let mut command = Command::new(interpreter);
        command.args([flag, &script, "checkerd.sock"]).current_dir(&scene.directory);
        let mut subscriber = Running(command.stdout(Stdio::piped()).spawn().expect(interpreter));
        let mut lines = BufReader::new(subscriber.0.stdout.take().expect("a pipe")).lines();
        assert_eq!(expect(&mut lines, "web up"), "web up passed");
        scene.web = None;
        let down = expect(&mut lines, "web down");
        assert!(down.contains(&format!("connect to {}: Connection refused", scene.address)), "{down}");
        // It ends with checkerd.
        drop(daemon);
        assert!(lines.all(|line| line.is_ok()));
    }
}

#[test]
fn verdicts_come_on_standard_output() {
    let mut scene = Scene::new("stdout");
    let mut daemon = scene.daemon(&["--stdout"], Stdio::piped());
    let mut lines = BufReader::new(daemon.0.stdout.take().expect("a pipe")).lines();
    expect(&mut lines, r#"{"type":"hello","protocol":1,"program":"checkerd""#);
    expect(&mut lines, r#"{"type":"verdict","check":"web","verdict":"up""#);
    scene.web = None;
    expect(&mut lines, r#"{"type":"verdict","check":"web","verdict":"down""#);
}

/// Nobody reads standard output: the socket is served as ever.
#[test]
fn a_reader_of_standard_output_that_sleeps_holds_nobody_up() {
    let scene = Scene::new("sleeps");
    let flapping: String = (0..20)
        .map(|number| format!("vrrp_script f{number} {{\n script \"/bin/sh -c 'test $(($(date +%s%N) / 1000000 % 2)) -eq 0'\"\n interval 0.1\n}}\n"))
        .chain([block("# checkerd alone", "")])
        .collect();
    fs::write(scene.directory.join("checks.conf"), flapping).expect("a configuration");
    let daemon = scene.daemon(&["--stdout"], Stdio::piped());
    let runs = || {
        let shown =
            text(&scene.checkerd(&["watch", "--once", "--runtime-dir", "."]).output().expect("watch"));
        let line = shown.lines().find(|line| line.starts_with("f0 ")).unwrap_or_default().to_owned();
        line.split_whitespace().nth(2).and_then(|runs| runs.parse::<u32>().ok()).unwrap_or_default()
    };
    let start = Instant::now();
    // More verdicts than any pipe holds.
    while runs() < 60 {
        assert!(start.elapsed() < PATIENCE, "it stands still at {} runs", runs());
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(daemon);
}

#[test]
fn one_check_is_run_once_and_explained() {
    let mut scene = Scene::new("once");
    let run = |scene: &Scene, name: &str| {
        scene.checkerd(&["run", name, "-f", "checks.conf"]).output().expect("run")
    };
    let passed = run(&scene, "web");
    assert!(passed.status.success(), "{}", text(&passed));
    assert!(text(&passed).starts_with(&format!("check web: tcp_connect {}\npassed after ", scene.address)));
    scene.web = None;
    let failed = run(&scene, "web");
    assert_eq!(failed.status.code(), Some(1));
    assert!(text(&failed).contains("Connection refused"), "{}", text(&failed));
    assert!(
        text(&failed).contains("counts as a failure; 2 in a row make the check down"),
        "{}",
        text(&failed)
    );
    let script = run(&scene, "disk");
    assert!(text(&script).contains("with PATH, HOME, USER"), "{}", text(&script));
    let unknown = run(&scene, "wbe");
    assert_eq!(unknown.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("there are: web, disk"));
}

#[test]
fn watch_shows_a_table_and_says_when_nobody_answers() {
    let scene = Scene::new("watch");
    let nobody = scene.checkerd(&["watch", "--runtime-dir", "."]).output().expect("watch");
    assert_eq!(nobody.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("ask checkerd at ./checkerd.sock"));
    let daemon = scene.daemon(&[], Stdio::null());
    let start = Instant::now();
    let shown = loop {
        let shown = text(&scene.checkerd(&["watch", "--runtime-dir", "."]).output().expect("watch"));
        if shown.contains("web    up ") {
            break shown;
        }
        assert!(start.elapsed() < PATIENCE, "{shown}");
    };
    assert!(shown.starts_with("CHECK  VERDICT"), "{shown}");
    drop(daemon);
}
