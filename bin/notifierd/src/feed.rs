//! The link to vrrp-core: events come in; while it is absent, what was told last stands.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ipc::events::{Message, Prelude, Request};
use ipc::json::{self, PROTOCOL};
use ipc::reload::{Answer, Step, Trigger};
use model::{InstanceName, Instant};
use reactor::{LineClient, Reactor, Sent, ServerEvent, Token};
use service::Trouble;

use crate::occasion::Occasion;

/// From the first attempt to connect to the second; twice that to the third, and so on.
const FIRST_RETRY: Duration = Duration::from_millis(50);
/// The longest time between two attempts.
const LAST_RETRY: Duration = Duration::from_secs(1);
/// From then on it is worth a line in the status.
const ABSENT_FOR: Duration = Duration::from_secs(3);

/// The link.
#[derive(Debug)]
pub(crate) struct Feed {
    path: PathBuf,
    token: Token,
    /// The fingerprint of the configuration that it runs.
    config: Option<String>,
    client: Option<LineClient>,
    retry_at: Instant,
    retry_after: Duration,
    trouble: Trouble,
    /// No more connecting.
    closing: bool,
    /// What is there of vrrp-core is about to go.
    stopping: bool,
    /// Since when it isn't heard, where it was before.
    lost_at: Option<Instant>,
    began: Instant,
    /// For how long it wasn't, until nobody has asked.
    gap: Option<Duration>,
    /// What vrrp-core waits for, and nobody has begun yet.
    preludes: Vec<Prelude>,
    /// Whether it waits for `startup_script`.
    awaits_startup: bool,
    /// Whether it has gone after it said that it would, until somebody has asked.
    farewell: bool,
}

impl Feed {
    /// Not connected; the first attempt is due at once.
    pub(crate) fn new(runtime_dir: &Path, token: Token, now: Instant) -> Self {
        Self {
            path: runtime_dir.join("vrrp-core.sock"),
            token,
            config: None,
            client: None,
            retry_at: now,
            retry_after: FIRST_RETRY,
            trouble: Trouble::new("vrrp-core"),
            closing: false,
            stopping: false,
            lost_at: None,
            began: now,
            gap: None,
            preludes: Vec::new(),
            awaits_startup: false,
            farewell: false,
        }
    }

    /// Whether vrrp-core is there.
    pub(crate) const fn is_connected(&self) -> bool {
        self.client.is_some()
    }

    /// Why no hook can run, while vrrp-core isn't there. Whoever starts or restarts both finds that so for a moment.
    pub(crate) fn absence(&self, now: Instant) -> Option<String> {
        let since = self.lost_at.unwrap_or(self.began);
        let lasts = !self.is_connected() && now.since(since) >= ABSENT_FOR;
        let why = self.trouble.text().filter(|_| lasts)?;
        Some(format!("not connected to vrrp-core, so that no hook runs: {why}"))
    }

    /// For how long vrrp-core was away, if it has come back since the last call.
    pub(crate) const fn take_gap(&mut self) -> Option<Duration> {
        self.gap.take()
    }

    /// Whether vrrp-core has more to say than what goes on: it was told to stop, and its last events are to come.
    pub(crate) const fn is_stopping(&self) -> bool {
        self.client.is_some() && self.stopping
    }

    /// The fingerprint of what it runs, as it said last.
    pub(crate) fn config(&self) -> Option<&str> {
        self.config.as_deref()
    }

    /// It is to run what we run: the file says so, and it has not noticed.
    pub(crate) fn call(&mut self, config: String) {
        self.trouble
            .complain("it runs another configuration than the file has; it is called to reload".to_owned());
        self.ask(&Request::Reload(Step::Commit { config, trigger: Trigger::Sibling }));
    }

    /// Asks for a snapshot once more: of somebody who was new to us we may have ignored events.
    pub(crate) fn ask_again(&mut self) {
        self.ask(&Request::Subscribe);
    }

    /// What vrrp-core has asked to be done since the last call, and waits for.
    pub(crate) fn take_preludes(&mut self) -> Vec<Prelude> {
        std::mem::take(&mut self.preludes)
    }

    /// It is done. Who has gone meanwhile waits no more.
    pub(crate) fn prelude_done(&mut self, instance: InstanceName, order: u64) {
        self.ask(&Request::PreludeDone { instance, order });
    }

    /// Whether vrrp-core waits for `startup_script`, and lets nothing take part.
    pub(crate) const fn awaits_startup(&self) -> bool {
        self.awaits_startup
    }

    /// It has ended, or there is none.
    pub(crate) fn startup_done(&mut self) {
        self.awaits_startup = false;
        self.ask(&Request::StartupDone);
    }

    /// Whether vrrp-core has stopped in good order since the last call.
    pub(crate) const fn take_farewell(&mut self) -> bool {
        std::mem::replace(&mut self.farewell, false)
    }

    fn ask(&mut self, request: &Request) {
        if let (Some(client), Ok(line)) = (&mut self.client, json::line(request)) {
            // If it is gone, the next connection begins with everything.
            client.send(&line);
        }
    }

    /// When to try again.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        (self.client.is_none() && !self.closing).then_some(self.retry_at)
    }

    /// Once the feed is closed from the other side, it stays closed.
    pub(crate) const fn no_more(&mut self) {
        self.closing = true;
    }

    /// Connects when it is time to.
    pub(crate) fn on_time(&mut self, now: Instant, reactor: &Reactor) {
        if self.next_deadline().is_none_or(|at| at > now) {
            return;
        }
        self.retry_at = now + self.retry_after;
        self.retry_after = (self.retry_after * 2).min(LAST_RETRY);
        match LineClient::connect(reactor, &self.path, self.token) {
            Ok(client) => self.on_connected(client),
            Err(error) => {
                self.trouble.unreachable(now, format!("connect to {}: {error}", self.path.display()))
            }
        }
    }

    fn on_connected(&mut self, mut client: LineClient) {
        match json::line(&Request::Subscribe) {
            Ok(line) if client.send(&line) == Sent::Queued => {
                self.client = Some(client);
                self.ask(&Request::Preludes);
            }
            Ok(_) => self.trouble.complain("gone before it could be asked".to_owned()),
            Err(error) => self.trouble.complain(format!("a request can't be encoded: {error}")),
        }
    }

    /// Takes what is there.
    pub(crate) fn on_ready(&mut self, reactor: &mut Reactor, now: Instant) -> Vec<Occasion> {
        let events = self.client.as_mut().map(|client| client.on_ready(reactor)).unwrap_or_default();
        let mut news = Vec::new();
        for event in events {
            match event {
                ServerEvent::Line(line) => news.extend(self.on_line(&line, now)),
                ServerEvent::Closed(reason) => {
                    self.client = None;
                    let has_greeted = self.config.take().is_some();
                    self.awaits_startup = false;
                    let text = format!("gone: {reason}; what was told last stands");
                    if !has_greeted {
                        self.trouble.unreachable(now, format!("gone before it has said anything: {reason}"));
                    } else if std::mem::replace(&mut self.stopping, false) {
                        self.farewell = true;
                        self.trouble.expect(text);
                    } else {
                        self.trouble.complain(text);
                    }
                    self.lost_at.get_or_insert(now);
                    self.retry_at = now + self.retry_after;
                }
            }
        }
        news
    }

    fn on_line(&mut self, line: &[u8], now: Instant) -> Vec<Occasion> {
        match json::parse(line) {
            Ok(Message::Hello(hello)) => {
                // Not before: the socket of one that is just dying can still be connected to.
                if hello.protocol != PROTOCOL {
                    self.trouble
                        .complain(format!("it speaks protocol {}, we speak {PROTOCOL}", hello.protocol));
                } else if self.trouble.settle() {
                    log::info!("connected to vrrp-core");
                }
                self.config = Some(hello.config);
            }
            Ok(Message::Snapshot(snapshot)) => {
                // It works: whatever happens next, try again soon.
                self.retry_after = FIRST_RETRY;
                self.gap = self.lost_at.take().map(|lost| now.since(lost)).or(self.gap);
                return Occasion::all_of(snapshot, now);
            }
            Ok(Message::Event(event)) => return vec![Occasion::Instance(event)],
            Ok(Message::GroupEvent(event)) => return vec![Occasion::Group(event)],
            Ok(Message::LowerMaster(notice)) => return vec![Occasion::LowerMaster(notice)],
            Ok(Message::Priority(notice)) => return vec![Occasion::Priority(notice)],
            Ok(Message::Stopping) => self.stopping = true,
            Ok(Message::Startup { .. }) => self.awaits_startup = true,
            Ok(Message::Prelude(prelude)) => self.preludes.push(prelude),
            Ok(Message::Reload(Answer::Refused { error })) => {
                self.trouble.complain(format!("it runs another configuration than we do: {error}"));
            }
            Ok(Message::Reload(_)) => {
                self.trouble.settle();
            }
            Ok(Message::Status(_) | Message::Done { .. } | Message::Resumed { .. }) => {}
            Ok(Message::Error { error }) => self.trouble.complain(error),
            Err(error) => self.trouble.complain(format!("a line that isn't understood: {error}")),
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_is_told_and_changes_nothing() {
        let mut feed = Feed::new(Path::new("/nonexistent"), Token(1), Instant::ZERO);
        assert_eq!(feed.on_line(b"{not json", Instant::ZERO), []);
        assert!(feed.trouble.text().unwrap().contains("isn't understood"));
        assert_eq!(feed.on_line(br#"{"type":"tomorrow's message"}"#, Instant::ZERO), []);
    }

    #[test]
    fn attempts_get_rarer_and_never_stop() {
        let reactor = Reactor::new().unwrap();
        let mut feed = Feed::new(Path::new("/nonexistent"), Token(1), Instant::ZERO);
        let mut waits = Vec::new();
        let mut now = Instant::ZERO;
        for _ in 0..8 {
            feed.on_time(now, &reactor);
            let next = feed.next_deadline().unwrap();
            waits.push(next.since(now));
            now = next;
        }
        assert_eq!(waits[0], FIRST_RETRY);
        assert!(waits.is_sorted());
        assert_eq!(waits[7], LAST_RETRY);
        let told = feed.absence(Instant::ZERO + ABSENT_FOR).unwrap();
        assert!(told.contains("no hook runs: connect to /nonexistent/"), "{told}");
        assert_eq!(feed.absence(Instant::ZERO), None, "both were just started");
        feed.no_more();
        assert_eq!(feed.next_deadline(), None);
    }
}
