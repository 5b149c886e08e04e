//! The clients' half of the loop: requests come in, answers and the event feed go out.
//!
//! It must never wait for a client: one that reads too slowly loses what was queued and gets a snapshot instead.

use ipc::events::{Hello, Message, Request};
use ipc::json;
use model::Instant;
use reactor::{ClientEvent, ClientId, Sent};
use vrrp::InstanceId;

use super::Daemon;
use crate::operator::Desk;
use crate::status::{Surroundings, assemble};

impl Daemon {
    pub(super) fn on_client(&mut self, event: ClientEvent, now: Instant) {
        match event {
            ClientEvent::Connected(client, _) => {
                let hello = self.hello();
                self.tell(client, &hello);
            }
            ClientEvent::Line(client, line) => match json::parse::<Request>(&line) {
                Ok(Request::Status) => {
                    let status = Message::Status(Box::new(self.status(now)));
                    self.tell(client, &status);
                }
                Ok(Request::Subscribe) => {
                    let snapshot = self.snapshot();
                    self.subscribe(client);
                    self.tell(client, &snapshot);
                    self.tell_of_the_end(client);
                }
                Ok(Request::Resume { boot, after }) => self.resume(client, &boot, after),
                Ok(Request::Drain { instance, force }) => {
                    let by = match self.server.peer(client).map(|peer| peer.uid) {
                        Some(0) => "root".to_owned(),
                        Some(uid) => format!("user {uid}"),
                        None => "somebody".to_owned(),
                    };
                    let at = service::stamp::rfc3339(sys::clock::wall());
                    let answer = self.desk(now).drain(instance, force, &by, &at);
                    self.tell(client, &answer);
                }
                Ok(Request::Undrain { instance }) => {
                    let answer = self.desk(now).undrain(instance);
                    self.tell(client, &answer);
                }
                Ok(Request::Preludes) => self.on_player(client, now),
                Ok(Request::PreludeDone { instance, order }) => {
                    self.on_prelude_done(client, &instance, order, now);
                }
                Ok(Request::StartupDone) => self.on_startup_done(client, now),
                Ok(Request::Reload(step)) => self.on_step(client, step, now),
                Err(error) => {
                    let error = format!(
                        "expected {{\"request\":\"status\"}}, \"subscribe\", \"resume\", \"drain\", \"undrain\", \"preludes\", \"prelude-done\", \"startup-done\" or \"reload\": {error}"
                    );
                    self.tell(client, &Message::Error { error });
                    if let Some(peer) = self.server.peer(client) {
                        self.conduct.garbled(client, peer, now);
                    }
                }
            },
            ClientEvent::Gone(client, reason) => {
                self.conduct.forget(client);
                log::debug!("a client has left: {reason}");
                self.subscribers.retain(|it| *it != client);
                self.lose_player(client, now);
                self.reload.forget(&client);
                self.of_one_mind(now);
            }
        }
    }

    fn hello(&self) -> Message {
        Message::Hello(Hello {
            protocol: json::PROTOCOL,
            program: "vrrp-core".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            config: self.reload.running().to_string(),
            boot: Some(self.feed.boot().to_owned()),
        })
    }

    fn subscribe(&mut self, client: ClientId) {
        if !self.subscribers.contains(&client) {
            self.subscribers.push(client);
        }
    }

    /// Somebody followed the feed before.
    fn resume(&mut self, client: ClientId, boot: &str, after: u64) {
        self.subscribe(client);
        match self.feed.resume(boot, after) {
            Some((resumed, missed)) => {
                self.tell(client, &resumed);
                self.tell_line(client, &missed);
            }
            None => {
                let snapshot = self.snapshot();
                self.tell(client, &snapshot);
            }
        }
        self.tell_of_the_end(client);
    }

    /// Who comes while we stop has to know as well.
    fn tell_of_the_end(&mut self, client: ClientId) {
        if self.stopping {
            self.tell(client, &Message::Stopping);
        }
    }

    /// Subscribers hear that another configuration runs, and who there is in it.
    pub(super) fn publish_anew(&mut self) {
        let (hello, snapshot) = (self.hello(), self.snapshot());
        self.publish(&hello);
        self.publish(&snapshot);
    }

    pub(super) fn desk(&mut self, now: Instant) -> Desk<'_> {
        Desk { core: &mut self.core, setup: &self.setup, drains: &mut self.drains, now }
    }

    fn status(&self, now: Instant) -> ipc::events::Status {
        let losses = self.wire.losses();
        let around = Surroundings {
            setup: &self.setup,
            feed: &self.feed,
            losses: &losses,
            ipmgr: self.manager.peer(),
            troubles: &self.troubles,
            clients: self.conduct.sentences(),
            checkerd: self.checker.peer(),
            verdicts: self.checker.verdicts(),
            config_path: self.config_path.display().to_string(),
            config: self.reload.running().to_string(),
            last_reload: self.reload.last(),
            at: service::stamp::rfc3339(sys::clock::wall()),
            started: self.started,
        };
        assemble(&self.core, around, now)
    }

    /// Priorities move without a transition, so they are read afresh.
    fn snapshot(&mut self) -> Message {
        for number in 0..self.setup.core.instances.len() {
            let id = InstanceId(number);
            if let Some(view) = self.core.instance(id) {
                self.feed.set_priority(id, view.effective);
            }
        }
        self.feed.snapshot()
    }

    /// Sends a message to one client.
    pub(super) fn tell(&mut self, client: ClientId, message: &Message) {
        if let Some(line) = encoded(message) {
            self.tell_line(client, &line);
        }
    }

    /// Sends whole lines to one client. One that reads too slowly has lost what was queued: it gets a snapshot instead.
    fn tell_line(&mut self, client: ClientId, line: &[u8]) {
        if self.server.send(client, line) == Sent::Overflowed
            && self.subscribers.contains(&client)
            && let Ok(snapshot) = json::line(&self.snapshot())
        {
            self.server.send(client, &snapshot);
            if let Some(peer) = self.server.peer(client) {
                self.conduct.slow(client, peer, sys::clock::now());
            }
            if let Some(end) = encoded(&Message::Stopping).filter(|_| self.stopping) {
                self.server.send(client, &end);
            }
        }
    }

    /// Tells all subscribers.
    pub(super) fn publish(&mut self, message: &Message) {
        if let Some(line) = encoded(message) {
            self.publish_line(&line);
        }
    }

    /// Tells all subscribers, and those who come back for it.
    pub(super) fn publish_event(&mut self, sequence: u64, message: &Message) {
        if let Some(line) = encoded(message) {
            self.feed.remember(sequence, &line);
            self.publish_line(&line);
        }
    }

    fn publish_line(&mut self, line: &[u8]) {
        for client in self.subscribers.clone() {
            self.tell_line(client, line);
        }
        self.summary_due = true;
    }
}

fn encoded(message: &Message) -> Option<Vec<u8>> {
    let line = json::line(message);
    line.inspect_err(|error| log::error!("a message can't be encoded: {error}")).ok()
}
