//! The event feed through its real socket (docs/events.md): who comes back gets exactly what it missed, and readers that
//! are slow, silent or mad cost nobody anything.
//!
//! vrrp-core runs alone here: without ipmgr an instance is INIT, drained it is FAULT, so that drains make as many
//! transitions as wanted.

#![allow(clippy::disallowed_methods, reason = "a daemon that ends by our hand needs no supervision")]

use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use handover_tests::programs::program;
use ipc::events::{Message, Snapshot, Status};
use ipc::json;

/// Longer than any healthy machine needs for anything here.
const PATIENCE: Duration = Duration::from_secs(60);
/// Virtual routers, so that one request makes that many events.
const INSTANCES: usize = 200;
/// A user who has nothing to do with us.
const NOBODY: u32 = 65534;
/// What a reader that doesn't read may cost, in KiB: its queue of 4 MiB, and what an allocator makes of it.
const COST_OF_A_READER: u64 = 12 << 10;

/// A vrrp-core that is ended with the test.
struct Core {
    directory: PathBuf,
    child: Child,
}

impl Core {
    fn start(name: &str, instances: usize) -> Self {
        let directory = std::env::temp_dir().join(format!("handover-feed-{name}-{}", std::process::id()));
        fs::create_dir(&directory).expect("a directory");
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).expect("its mode");
        fs::write(directory.join("handover.conf"), config(instances)).expect("a configuration");
        let child = Self::spawn(&directory);
        Self { directory, child }
    }

    fn spawn(directory: &PathBuf) -> Child {
        let _ = fs::remove_file(directory.join("vrrp-core.sock"));
        Command::new(program("vrrp-core"))
            .args(["-f", "handover.conf", "--runtime-dir", ".", "--state-dir", "."])
            .current_dir(directory)
            .env("HANDOVER_LOG", "error")
            .stderr(Stdio::null())
            .spawn()
            .expect("vrrp-core starts")
    }

    fn restart(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.child = Self::spawn(&self.directory);
    }

    /// A client, and what the hello says.
    fn connect(&self) -> (Client, String) {
        let start = Instant::now();
        let stream = loop {
            match UnixStream::connect(self.directory.join("vrrp-core.sock")) {
                Ok(stream) => break stream,
                Err(error) => assert!(start.elapsed() < PATIENCE, "no connection: {error}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let mut client = Client(BufReader::new(stream));
        let Message::Hello(hello) = client.next() else { panic!("no hello") };
        (client, hello.boot.expect("vrrp-core says which life this is"))
    }

    fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("its status");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("its memory");
        line.split_whitespace().nth(1).expect("a number").parse().expect("KiB")
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn config(instances: usize) -> String {
    let instance = |number: usize| {
        format!(
            "vrrp_instance router_{number} {{ interface eth0 \n virtual_router_id {} \n virtual_ipaddress {{ 10.0.0.{} }} }}\n",
            number + 1,
            number + 1
        )
    };
    (0..instances).map(instance).collect()
}

struct Client(BufReader<UnixStream>);

impl Client {
    fn send(&mut self, line: &str) {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).expect("vrrp-core reads");
    }

    fn next(&mut self) -> Message {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line");
        json::parse(line.as_bytes()).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    fn subscribe(&mut self) -> Snapshot {
        self.send(r#"{"request":"subscribe"}"#);
        self.snapshot()
    }

    fn snapshot(&mut self) -> Snapshot {
        match self.next() {
            Message::Snapshot(snapshot) => snapshot,
            other => panic!("no snapshot: {other:?}"),
        }
    }

    fn status(&mut self) -> Status {
        self.send(r#"{"request":"status"}"#);
        match self.next() {
            Message::Status(status) => *status,
            other => panic!("no status: {other:?}"),
        }
    }

    fn resume(&mut self, boot: &str, after: u64) -> Message {
        self.send(&format!(r#"{{"request":"resume","boot":"{boot}","after":{after}}}"#));
        self.next()
    }

    fn event(&mut self) -> u64 {
        match self.next() {
            Message::Event(event) => event.sequence,
            other => panic!("no event: {other:?}"),
        }
    }

    /// Makes an event for every instance named.
    fn order(&mut self, what: &str) {
        self.send(what);
        assert!(matches!(self.next(), Message::Done { .. }), "{what}");
    }
}

const DRAIN: &str = r#"{"request":"drain","force":true}"#;
const UNDRAIN: &str = r#"{"request":"undrain"}"#;

#[test]
fn who_comes_back_gets_exactly_what_it_missed() {
    let mut core = Core::start("resume", 3);
    let (mut operator, _) = core.connect();
    let (mut first, boot) = core.connect();
    let snapshot = first.subscribe();
    assert_eq!(Some(snapshot.boot), Some(boot.clone()), "the snapshot says whose number it has");
    let start = snapshot.sequence;
    operator.order(DRAIN);
    assert_eq!([first.event(), first.event(), first.event()], [start + 1, start + 2, start + 3]);
    drop(first);
    operator.order(UNDRAIN);

    let (mut second, again) = core.connect();
    assert_eq!(again, boot, "the same life");
    let resumed = second.resume(&boot, start + 2);
    assert_eq!(resumed, Message::Resumed { after: start + 2, sequence: start + 6 });
    let missed: Vec<u64> = (0..4).map(|_| second.event()).collect();
    assert_eq!(missed, [start + 3, start + 4, start + 5, start + 6]);
    operator.order(DRAIN);
    assert_eq!(second.event(), start + 7, "and then what is new");

    // What nobody can have seen, and what another life has counted, is no place to go on from.
    let (mut third, _) = core.connect();
    assert!(matches!(third.resume(&boot, start + 100), Message::Snapshot(_)));
    core.restart();
    let (mut fourth, other) = core.connect();
    assert_ne!(other, boot);
    let Message::Snapshot(snapshot) = fourth.resume(&boot, start + 2) else { panic!("no snapshot") };
    assert_eq!(snapshot.boot, other);
}

/// Whoever waits for the last events has to know that they come.
#[test]
fn the_end_is_told_before_it_comes() {
    let core = Core::start("end", 3);
    let (mut client, _) = core.connect();
    assert_eq!(client.subscribe().instances.len(), 3);
    let pid = core.child.id().to_string();
    assert!(Command::new("kill").arg(pid).status().expect("kill").success());
    assert_eq!(client.next(), Message::Stopping);
    for _ in 0..3 {
        let Message::Event(event) = client.next() else { panic!("no event") };
        assert_eq!(event.to, ipc::events::Told::Stop);
    }
}

#[test]
fn who_was_away_for_too_long_gets_a_snapshot() {
    let core = Core::start("long", INSTANCES);
    let (mut operator, boot) = core.connect();
    let before = operator.subscribe().sequence;
    drop(operator);
    let (mut operator, _) = core.connect();
    for order in [DRAIN, UNDRAIN].into_iter().cycle().take(8) {
        operator.order(order);
    }
    let (mut late, _) = core.connect();
    let Message::Snapshot(snapshot) = late.resume(&boot, before) else { panic!("no snapshot") };
    // Some of the last order's events may still be on their way.
    let last = before + 8 * INSTANCES as u64;
    let told = snapshot.sequence;
    (told..last).for_each(|sequence| assert_eq!(late.event(), sequence + 1));
    let (mut soon, _) = core.connect();
    assert_eq!(soon.resume(&boot, last - 1), Message::Resumed { after: last - 1, sequence: last });
}

/// What an address waits for is nobody's to take part in but root's and our own users'.
#[test]
fn preludes_are_asked_of_those_who_may() {
    let core = Core::start("part", 1);
    let (mut client, _) = core.connect();
    client.send(r#"{"request":"prelude-done","instance":"router_0","order":1}"#);
    assert!(matches!(client.next(), Message::Error { error } if error.contains("first")));
    client.order(r#"{"request":"preludes"}"#);
    client.send(r#"{"request":"prelude-done","instance":"router_0","order":1}"#);
    client.send(r#"{"request":"prelude-done","instance":"nobody","order":1}"#);
    // Nothing was asked, and nothing is said about it.
    assert!(client.subscribe().sequence < u64::MAX);

    // Somebody whom only the mode of the socket would keep out, as a member of the group.
    let open = fs::Permissions::from_mode(0o777);
    fs::set_permissions(&core.directory, open.clone()).expect("the directory is opened");
    fs::set_permissions(core.directory.join("vrrp-core.sock"), open).expect("the socket is opened");
    let script = r#"
import socket
core = socket.socket(socket.AF_UNIX)
core.connect("vrrp-core.sock")
core.sendall(b'{"request":"preludes"}\n')
lines = core.makefile()
print(lines.readline(), lines.readline())
"#;
    let stranger =
        Command::new("python3").args(["-c", script]).current_dir(&core.directory).uid(NOBODY).output();
    match stranger {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(
                said.contains("preludes are for root"),
                "{said}{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Err(error) => {
            eprintln!("SKIPPED: nobody else can be played here: {error}");
            assert!(std::env::var_os("CI").is_none(), "CI runs as root");
        }
    }
}

/// Sends what is no request, as lines and as no line at all, for as long as `go` says; counts the connections.
fn rave(core: &Core, go: &AtomicBool) -> usize {
    let path = core.directory.join("vrrp-core.sock");
    let (line, endless) = (b"{\"request\":\"subscr\0\xff\n".repeat(200), vec![b'x'; 80 << 10]);
    let mut connections = 0;
    while go.load(Ordering::Relaxed) {
        let Ok(mut stream) = UnixStream::connect(&path) else { continue };
        stream.set_write_timeout(Some(Duration::from_millis(100))).expect("a limit");
        let _ = stream.write_all(&line);
        let _ = stream.write_all(&endless);
        connections += 1;
    }
    connections
}

/// Reads a byte a second.
fn sip(mut stream: UnixStream, go: &AtomicBool) {
    while go.load(Ordering::Relaxed) {
        let _ = stream.read(&mut [0]);
        std::thread::park_timeout(Duration::from_secs(1));
    }
}

#[test]
fn readers_that_are_slow_silent_or_mad_cost_nobody_anything() {
    let core = Core::start("bad", INSTANCES);
    let (mut operator, _) = core.connect();
    let (mut good, _) = core.connect();
    let mut expected = good.subscribe().sequence;
    let (mut deaf, _) = core.connect();
    let begun = deaf.subscribe();
    let (mut slow, _) = core.connect();
    slow.send(r#"{"request":"subscribe"}"#);
    let before = core.resident();

    let go = Arc::new(AtomicBool::new(true));
    let slow = slow.0.into_inner();
    std::thread::scope(|scope| {
        let sipper = scope.spawn(|| sip(slow, &go));
        let madman = scope.spawn(|| rave(&core, &go));
        // Enough to fill the kernel's buffer and our queue: 4 MiB, at some 300 bytes each.
        for order in [DRAIN, UNDRAIN].into_iter().cycle().take(80) {
            operator.order(order);
            for _ in 0..INSTANCES {
                expected += 1;
                assert_eq!(good.event(), expected, "the good reader misses nothing");
            }
        }
        go.store(false, Ordering::Relaxed);
        sipper.thread().unpark();
        assert!(madman.join().expect("it raves on") > 0, "nobody raved");
    });
    let (mut garbler, _) = core.connect();
    garbler.send("what?");
    assert!(matches!(garbler.next(), Message::Error { .. }));
    let us = format!("process {} of user ", std::process::id());
    let told = operator.status().clients;
    for conduct in ["reads too slowly (", "sends what isn't a request (1 lines)"] {
        let of_whom =
            told.iter().find(|it| it.contains(conduct)).unwrap_or_else(|| panic!("{conduct}: {told:?}"));
        assert!(of_whom.starts_with(&us), "{of_whom}");
    }
    drop(garbler);
    let cost = core.resident().saturating_sub(before);
    assert!(cost < 3 * COST_OF_A_READER, "{cost} KiB more than before");

    // Who begins to read now finds whole lines without a gap, but where a snapshot stands in for what it missed.
    let (mut at, mut snapshots) = (begun.sequence, 0);
    while at < expected {
        match deaf.next() {
            Message::Event(event) => {
                assert_eq!(event.sequence, at + 1);
                at = event.sequence;
            }
            Message::Snapshot(snapshot) => {
                assert!(snapshot.sequence >= at && snapshot.instances.len() == INSTANCES);
                at = snapshot.sequence;
                snapshots += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(snapshots > 0, "the test must reach what it tests");
    let silent = deaf.0.get_mut();
    silent.set_nonblocking(true).expect("a descriptor");
    assert_eq!(silent.read(&mut [0]).expect_err("nothing more").kind(), ErrorKind::WouldBlock);
}
