//! The other end of the feed, played by a test: a vrrp-core that says what the test wants.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};

use ipc::events::{
    self, Before, Event, GroupEvent, GroupState, Hello, InstanceState, Prelude, Snapshot, Told,
};
use ipc::json;
use model::{Cause, Evidence, GroupName, InstanceName, Priority};

use crate::harness::{PATIENCE, Scratch};

/// An instance with such hooks.
pub(crate) fn instance(name: &str, vrid: u8, hooks: &str) -> String {
    format!(
        "vrrp_instance {name} {{\n interface eth0\n virtual_router_id {vrid}\n virtual_ipaddress {{\n 192.0.2.{vrid}\n }}\n {hooks}\n}}\n"
    )
}

fn cause() -> Cause {
    Cause { code: "test".into(), text: "the test wants it".into() }
}

pub(crate) fn name(name: &str) -> InstanceName {
    InstanceName::new(name).unwrap()
}

/// vrrp-core's end.
pub(crate) struct Core {
    pub(crate) stream: UnixStream,
    pub(crate) sequence: u64,
}

impl Core {
    pub(crate) fn listen(scratch: &Scratch) -> UnixListener {
        let _ = std::fs::remove_file(scratch.path("vrrp-core.sock"));
        UnixListener::bind(scratch.path("vrrp-core.sock")).unwrap()
    }

    /// Waits for notifierd, which has to subscribe, and tells it how instances are.
    pub(crate) fn accept(listener: &UnixListener, states: &[(&str, Told)]) -> Self {
        Self::accept_with(listener, states, &[])
    }

    /// As `accept`, with sync groups.
    pub(crate) fn accept_with(
        listener: &UnixListener,
        states: &[(&str, Told)],
        groups: &[(&str, Told)],
    ) -> Self {
        Self::accept_at(listener, states, groups, 0, || ())
    }

    /// As `accept_with`, by a core that has told that many events; `before` is done before anything is said.
    pub(crate) fn accept_at(
        listener: &UnixListener,
        states: &[(&str, Told)],
        groups: &[(&str, Told)],
        sequence: u64,
        before: impl FnOnce(),
    ) -> Self {
        let (stream, _) = listener.accept().unwrap();
        before();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut core = Self { stream, sequence };
        core.say(&events::Message::Hello(Hello {
            protocol: json::PROTOCOL,
            program: "vrrp-core".into(),
            version: "0".into(),
            pid: 1,
            config: "0".into(),
            boot: Some("0".into()),
        }));
        let mut line = String::new();
        BufReader::new(&core.stream).read_line(&mut line).unwrap();
        assert_eq!(json::parse::<events::Request>(line.as_bytes()).unwrap(), events::Request::Subscribe);
        let state = |(instance, state): &(&str, Told)| InstanceState {
            instance: name(instance),
            state: *state,
            priority: Priority(100),
            cause: cause(),
            since: "2026-01-01T00:00:00.000Z".into(),
        };
        let group = |(group, state): &(&str, Told)| GroupState {
            group: GroupName::new(*group).unwrap(),
            state: *state,
            cause: cause(),
            since: "2026-01-01T00:00:00.000Z".into(),
        };
        let instances = states.iter().map(state).collect();
        let groups = groups.iter().map(group).collect();
        core.say(&events::Message::Snapshot(Snapshot { boot: "0".into(), sequence, instances, groups }));
        core
    }

    fn say(&mut self, message: &events::Message) {
        self.stream.write_all(&json::line(message).unwrap()).unwrap();
    }

    pub(crate) fn event(&mut self, instance: &str, from: Told, to: Told) {
        self.sequence += 1;
        self.say(&events::Message::Event(Event {
            sequence: self.sequence,
            instance: name(instance),
            from,
            to,
            priority: Priority(120),
            cause: cause(),
            evidence: Evidence::default(),
            at: "2026-01-01T00:00:00.000Z".into(),
            monotonic: 42,
        }));
    }

    /// Was told to stop, and says so.
    pub(crate) fn stopping(&mut self) {
        self.say(&events::Message::Stopping);
    }

    /// Waits for `startup_script`.
    pub(crate) fn startup(&mut self) {
        self.say(&events::Message::Startup { limit_ms: 10_000 });
    }

    /// Hears that it needn't wait any more.
    pub(crate) fn until_started(&self) {
        let lines = BufReader::new(&self.stream).lines().map(Result::unwrap);
        let mut requests = lines.map(|line| json::parse::<events::Request>(line.as_bytes()).unwrap());
        assert!(requests.any(|it| it == events::Request::StartupDone), "the connection ends before");
    }

    /// Asks for what comes before the addresses do.
    pub(crate) fn prelude(&mut self, instance: &str, before: Before) {
        let (instance, order, limit_ms) = (name(instance), 1, 10_000);
        self.say(&events::Message::Prelude(Prelude { instance, before, order, limit_ms }));
    }

    pub(crate) fn group_event(&mut self, group: &str, from: Told, to: Told) {
        self.sequence += 1;
        self.say(&events::Message::GroupEvent(GroupEvent {
            sequence: self.sequence,
            group: GroupName::new(group).unwrap(),
            from,
            to,
            cause: cause(),
            at: "2026-01-01T00:00:00.000Z".into(),
            monotonic: 42,
        }));
    }
}
