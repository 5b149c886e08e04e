//! `vrrp_track_process` of one file, in checkerd and in keepalived side by side, while processes come and go.
//!
//! keepalived learns of processes by the proc connector, which the kernel has in the first network, process and user
//! namespaces alone (drivers/connector/cn_proc.c). So it runs in a network namespace of the test, with that one socket
//! opened outside of it by a library (`track_process/first_netns.c`). No lab: its hosts have processes of their own.

#![allow(
    clippy::disallowed_methods,
    reason = "programs that end by themselves, or by our hand, need no supervision"
)]

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use handover_tests::keepalived;
use handover_tests::programs::{Running, program};

/// Longer than any healthy machine needs for anything here.
const PATIENCE: Duration = Duration::from_secs(60);
/// The kernel's own names of the first process and user namespaces (`PROC_PID_INIT_INO`, `PROC_USER_INIT_INO`).
const FIRST: [(&str, &str); 2] = [("pid", "pid:[4026531836]"), ("user", "user:[4026531837]")];
/// keepalived's interface; a veth, since not every kernel has dummies.
const LINK: &str = "ip link set lo up; ip link add d0 type veth peer name d1; ip addr add 10.0.0.1/24 dev d0; \
                    ip link set d1 up; ip link set d0 up";

/// What tracks, and what it says beside its name; `%` is the beginning of all names, `@` their directory.
const TRACKERS: [(&str, &str); 10] = [
    ("name", "process %a"),
    ("exact", "process @/%b 1001"),
    ("initial", "process @/%b 100\n param_match initial"),
    ("partial", "process @/%b 1001\n param_match partial"),
    ("two", "process %c\n quorum 2"),
    ("at_most_one", "process %c\n quorum_max 1"),
    ("none", "process %c\n quorum_max 0"),
    ("script", "process %d"),
    ("forked", "process %e\n quorum 2"),
    ("patient", "process %f\n terminate_delay 600"),
];

/// Both programs, on one file.
struct Scene {
    directory: PathBuf,
    names: String,
    _both: [Running; 2],
}

impl Scene {
    fn new() -> Self {
        let names = format!("t{}", std::process::id());
        let directory = std::env::temp_dir().join(format!("handover-track-process-{names}"));
        fs::create_dir_all(&directory).expect("a directory");
        for (name, original) in
            [("a", "sleep"), ("b", "sleep"), ("c", "sleep"), ("e", "bash"), ("f", "sleep")]
        {
            let original = format!("/bin/{original}");
            fs::copy(&original, directory.join(format!("{names}{name}"))).expect(&original);
        }
        let path = |file: &str| directory.join(file);
        fs::write(path("tracks.conf"), config(&names, &directory)).expect("a configuration");
        let keepalived = keepalived(&directory);
        let checkerd = Running::start(
            Command::new(program("checkerd"))
                .args(["-f", "tracks.conf", "--runtime-dir", ".", "--stdout"])
                .current_dir(&directory)
                .stdout(File::create(path("verdicts")).expect("a file"))
                .stderr(File::create(path("checkerd.log")).expect("a file")),
        );
        Self { directory, names, _both: [keepalived, checkerd] }
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.directory.join(file)).unwrap_or_default()
    }

    /// Runs one of the copies.
    fn run(&self, name: &str, arguments: &[&str]) -> Running {
        let program = self.directory.join(format!("{}{name}", self.names));
        Running::start(Command::new(program).args(arguments).stdin(Stdio::piped()))
    }

    /// What keepalived's log last says of a tracker: a quorum, or none. Before it says anything, who is up adds to the
    /// priority.
    fn in_keepalived(&self, tracker: &str) -> &'static str {
        let log = self.text("keepalived.log");
        let about = format!(" for tracked process {tracker}");
        let last = log.lines().rev().find(|line| line.ends_with(&about));
        let is_up = match last {
            Some(line) => line.contains("Quorum gained"),
            None => tracker == "none" && log.contains("(v) Changing effective priority from 100 to 101"),
        };
        if is_up { "up" } else { "down" }
    }

    /// The last verdict of checkerd.
    fn in_checkerd(&self, tracker: &str) -> &'static str {
        let verdicts = self.text("verdicts");
        let about = format!(r#""check":"{tracker}""#);
        let last = verdicts.lines().rev().find(|line| line.contains(&about));
        if last.is_some_and(|line| line.contains(r#""verdict":"up""#)) { "up" } else { "down" }
    }

    /// Waits until both say that exactly these are up.
    fn expect(&self, what: &str, up: &[&str]) {
        let start = Instant::now();
        loop {
            let judged = TRACKERS.map(|(tracker, _)| {
                let wanted = if up.contains(&tracker) { "up" } else { "down" };
                (tracker, wanted, self.in_keepalived(tracker), self.in_checkerd(tracker))
            });
            if judged.iter().all(|(_, wanted, theirs, ours)| wanted == theirs && wanted == ours) {
                return;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{what}: (tracker, wanted, keepalived, checkerd): {judged:#?}\n{}\n{}",
                self.text("keepalived.log"),
                self.text("checkerd.log")
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn config(names: &str, directory: &Path) -> String {
    let tracker = |(name, what): &(&str, &str)| {
        let what = what.replace('%', names).replace('@', &directory.to_string_lossy());
        format!("vrrp_track_process {name} {{\n {what}\n}}\n")
    };
    let listed = |(name, _): &(&str, &str)| format!("  {name} weight 1\n");
    let trackers: String = TRACKERS.iter().map(tracker).collect();
    let listed: String = TRACKERS.iter().map(listed).collect();
    format!(
        "{trackers}vrrp_instance v {{\n interface d0\n virtual_router_id 5\n virtual_ipaddress {{\n  10.0.0.9/32\n }}\n \
         track_process {{\n{listed} }}\n}}\n"
    )
}

/// Starts it in a network namespace that ends with it.
fn keepalived(directory: &Path) -> Running {
    let library = directory.join("first_netns.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/track_process/first_netns.c");
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status();
    assert!(compiled.expect("start cc").success());
    let options = "-n -l -D --vrrp -f tracks.conf -p $PWD/keepalived.pid -r $PWD/keepalived-vrrp.pid";
    let script = format!("set -e; {LINK}; LD_PRELOAD=$PWD/first_netns.so exec keepalived {options}");
    let log = File::create(directory.join("keepalived.log")).expect("a file");
    Running::start(
        Command::new("unshare")
            .args(["--net", "--", "sh", "-c", &script])
            .current_dir(directory)
            .env("FIRST_NETNS", format!("/proc/{}/ns/net", std::process::id()))
            .stdout(log.try_clone().expect("a descriptor"))
            .stderr(log),
    )
}

/// Whether the kernel tells this process of others: root, and no container. Elsewhere there is nothing to compare, and
/// `a_tracked_process_decides_on_a_host_of_its_own` shows what checkerd does there.
fn proc_connector_is_here() -> bool {
    let in_first = |(kind, first): (&str, &str)| {
        fs::read_link(format!("/proc/self/ns/{kind}")).is_ok_and(|own| own == Path::new(first))
    };
    let is_here = FIRST.into_iter().all(in_first) && sys::user::effective_uid() == 0;
    if !is_here {
        println!(
            "SKIPPED: the proc connector, which keepalived needs, is for root in the first namespaces alone"
        );
    }
    is_here
}

#[test]
fn processes_count_as_they_do_in_keepalived() {
    if !keepalived::is_installed() || !proc_connector_is_here() {
        return;
    }
    let scene = Scene::new();
    scene.expect("nothing runs", &["none"]);

    let a = scene.run("a", &["1001"]);
    scene.expect("found by its name", &["none", "name"]);
    drop(a);
    scene.expect("it has ended", &["none"]);

    let b = scene.run("b", &["1001"]);
    scene.expect("found by its command line", &["none", "exact", "initial", "partial"]);
    drop(b);
    let b = scene.run("b", &["1003"]);
    scene.expect("its last word goes on otherwise", &["none", "initial"]);
    drop(b);
    let b = scene.run("b", &["1001", "1"]);
    scene.expect("there is one word more", &["none", "initial", "partial"]);
    drop(b);
    scene.expect("all of them have ended", &["none"]);

    let first = scene.run("c", &["1001"]);
    scene.expect("one", &["at_most_one"]);
    let second = scene.run("c", &["1001"]);
    scene.expect("two", &["two"]);
    drop(first);
    scene.expect("one again", &["at_most_one"]);
    drop(second);
    scene.expect("none again", &["none"]);

    // A script has the name of its file, and so has each copy of a process that has not executed anything else.
    let script = scene.directory.join(format!("{}d", scene.names));
    fs::write(&script, "#!/bin/sh\nread -r _\n").expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("a mode");
    let d = scene.run("d", &[]);
    scene.expect("a script", &["none", "script"]);
    drop(d);
    let e = scene.run("e", &["-c", "exec 3<&0; (read -r _ <&3; :) & wait"]);
    scene.expect("a process and its copy", &["none", "forked"]);
    drop(e);
    // A bash that is killed leaves its copy, which then reads the end of its standard input.
    scene.expect("both have ended", &["none"]);

    let f = scene.run("f", &["1001"]);
    scene.expect("it runs", &["none", "patient"]);
    drop(f);
    let a = scene.run("a", &["1001"]);
    scene.expect("ended not long enough ago", &["none", "patient", "name"]);
    drop(a);
}
