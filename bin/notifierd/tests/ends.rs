//! `startup_script` and `shutdown_script`, where notifierd is killed or stopped in the middle of them; the test plays vrrp-core.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may say why it failed")]

#[path = "../../checkerd/tests/harness/mod.rs"]
mod harness;
#[path = "core/mod.rs"]
mod vrrp_core;

use std::fs;
use std::os::unix::net::UnixListener;

use harness::{Client, Daemon, Scratch};
use ipc::events::Told;
use ipc::hooks::{Message, Status};
use sys::process::{Exit, Signal};
use vrrp_core::{Core, instance};

/// A directory in which both scripts tell that they have begun, and end once there is a file `go`.
struct Stage {
    scratch: Scratch,
    listener: UnixListener,
}

impl Stage {
    fn new(name: &str) -> Self {
        let scratch = Scratch::new(name);
        let listener = Core::listen(&scratch);
        Self { scratch, listener }
    }

    fn start(&self) -> (Daemon, Core) {
        let text = "#!/bin/sh\necho $1 >> DIR/told\nwhile ! test -e DIR/go; do sleep 0.02; done\n";
        let text = text.replace("DIR/", &self.scratch.path("").display().to_string());
        let script = self.scratch.write("script", &text, 0o755).display().to_string();
        let config = format!(
            "global_defs {{\n startup_script \"{script} up\"\n startup_script_timeout 600\n shutdown_script \"{script} down\"\n \
             shutdown_script_timeout 600\n}}\n"
        );
        let config = config + &instance("A", 1, "");
        let daemon = Daemon::start(env!("CARGO_BIN_EXE_notifierd"), &self.scratch, &config);
        let core = Core::accept(&self.listener, &[("A", Told::Init)]);
        (daemon, core)
    }

    fn until_told(&self, daemon: &Daemon, told: &str) {
        daemon.until(told, || (self.scratch.read("told").replace('\n', " ") == told).then_some(()));
    }

    fn let_go(&self) {
        self.scratch.write("go", "", 0o644);
    }
}

/// Whether the status says of each that it runs.
fn ends(client: &mut Client) -> (bool, bool) {
    client.send(r#"{"request":"status"}"#).unwrap();
    let status: Status = client.find(|message| match message {
        Message::Status(status) => Some(*status),
        Message::Hello(_) | Message::Reload(_) | Message::Error { .. } => None,
    });
    (status.startup_script.unwrap().running, status.shutdown_script.unwrap().running)
}

#[test]
fn what_was_killed_is_begun_again_and_what_was_done_is_not() {
    let stage = Stage::new("notifierd-ends-killed");
    let (daemon, mut core) = stage.start();
    core.startup();
    stage.until_told(&daemon, "up ");
    daemon.signal(Signal::KILL);
    daemon.ended();
    let (daemon, mut core) = stage.start();
    core.startup();
    stage.until_told(&daemon, "up up ");
    let mut client = daemon.connect();
    assert_eq!(ends(&mut client), (true, false));
    stage.let_go();
    core.until_started();
    assert_eq!(ends(&mut client), (false, false));
    daemon.signal(Signal::KILL);
    daemon.ended();
    let (daemon, mut core) = stage.start();
    core.startup();
    core.until_started();
    assert_eq!(stage.scratch.read("told"), "up\nup\n", "{}", daemon.log());
}

#[test]
fn who_stops_waits_for_the_end_and_breaks_off_the_beginning() {
    let stage = Stage::new("notifierd-ends-stopped");
    let (daemon, mut core) = stage.start();
    core.startup();
    stage.until_told(&daemon, "up ");
    // It alone is restarted: the next one begins again, and nobody hears that this was done.
    daemon.signal(Signal::TERM);
    let (exit, log) = daemon.ended();
    assert_eq!(exit, Exit::Code(0), "{log}");
    assert!(log.contains("startup_script failed: was killed by signal 9"), "{log}");
    let (daemon, mut core) = stage.start();
    core.startup();
    stage.until_told(&daemon, "up up ");
    stage.let_go();
    core.until_started();
    core.event("A", Told::Init, Told::Backup);
    fs::remove_file(stage.scratch.path("go")).unwrap();
    core.stopping();
    core.event("A", Told::Backup, Told::Stop);
    drop(core);
    stage.until_told(&daemon, "up up down ");
    daemon.signal(Signal::TERM);
    daemon.until("the signal", || daemon.log().contains("stopping, after").then_some(()));
    stage.let_go();
    let (exit, log) = daemon.ended();
    assert_eq!(exit, Exit::Code(0), "{log}");
    assert!(log.contains("shutdown_script succeeded in "), "{log}");
    let (daemon, mut core) = stage.start();
    core.startup();
    stage.until_told(&daemon, "up up down up ");
}

/// A stop while the start is being prepared: what was begun is broken off, and what is left of it cleaned up.
#[test]
fn a_stop_in_the_middle_of_a_start_is_a_stop() {
    let stage = Stage::new("notifierd-ends-early");
    let (daemon, mut core) = stage.start();
    core.startup();
    stage.until_told(&daemon, "up ");
    core.stopping();
    drop(core);
    stage.until_told(&daemon, "up down ");
    stage.let_go();
    daemon.until("its end", || daemon.log().contains("shutdown_script succeeded in ").then_some(()));
    assert!(!stage.scratch.path("started.json").exists(), "{}", daemon.log());
}
