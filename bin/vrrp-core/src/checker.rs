//! The link to checkerd: verdicts come in, and the last ones stand while it is silent.
//!
//! Its absence is told in status and log and changes no verdict: a prober that crashed must not move an address.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipc::events::Peer;
use ipc::json;
use ipc::reload::{Answer, Request, Step, Trigger};
use ipc::verdicts::Message;
use model::{Cause, CheckName, Instant, Verdict};
use reactor::{LineClient, Reactor, ServerEvent, Token};
use service::Trouble;

/// From one attempt to connect to the next.
const RETRY: Duration = Duration::from_millis(50);

/// A check, its verdict, and its number if it has one.
pub(crate) type News = (CheckName, Verdict, Option<i32>);

/// The link and what is known through it.
#[derive(Debug)]
pub(crate) struct Checker {
    path: PathBuf,
    token: Token,
    client: Option<LineClient>,
    /// It has said nothing yet.
    is_silent: bool,
    trouble: Trouble,
    retry_at: Instant,
    /// The fingerprint of the configuration that it runs.
    config: Option<String>,
    order: Vec<CheckName>,
    verdicts: HashMap<CheckName, Verdict>,
}

impl Checker {
    /// `checks` are the ones that instances track; nobody else's verdict is remembered.
    pub(crate) fn new(runtime_dir: &Path, checks: &[CheckName], token: Token, now: Instant) -> Self {
        Self {
            path: runtime_dir.join("checkerd.sock"),
            token,
            client: None,
            is_silent: false,
            trouble: Trouble::new("checkerd"),
            retry_at: now,
            config: None,
            order: checks.to_vec(),
            verdicts: checks.iter().map(|check| (check.clone(), Verdict::Unknown)).collect(),
        }
    }

    /// For status.
    pub(crate) fn peer(&self) -> Peer {
        Peer { connected: self.client.is_some(), trouble: self.trouble.text().map(str::to_owned) }
    }

    /// The fingerprint of what it runs, as it said last.
    pub(crate) fn config(&self) -> Option<&str> {
        self.config.as_deref()
    }

    /// Another configuration runs: what is known of checks that are still tracked stays, and checkerd is asked about others.
    pub(crate) fn reconfigure(&mut self, checks: &[CheckName]) {
        let known = |check: &CheckName| self.verdicts.get(check).copied().unwrap_or(Verdict::Unknown);
        self.verdicts = checks.iter().map(|check| (check.clone(), known(check))).collect();
        self.order = checks.to_vec();
        self.ask(&Request::Status);
    }

    /// It is to run what we run: the file says so, and it has not noticed.
    pub(crate) fn call(&mut self, config: String) {
        self.trouble
            .complain("it runs another configuration than the file has; it is called to reload".to_owned());
        self.ask(&Request::Reload(Step::Commit { config, trigger: Trigger::Sibling }));
    }

    fn ask(&mut self, request: &Request) {
        if let (Some(client), Ok(line)) = (&mut self.client, json::line(request)) {
            // If it is gone, the next connection begins with everything.
            client.send(&line);
        }
    }

    /// For status, in the order of the configuration.
    pub(crate) fn verdicts(&self) -> Vec<(CheckName, Verdict)> {
        let verdict = |check: &CheckName| self.verdicts.get(check).copied().unwrap_or(Verdict::Unknown);
        self.order.iter().map(|check| (check.clone(), verdict(check))).collect()
    }

    /// When to try again; never, while it is connected or nobody tracks a check.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        (self.client.is_none() && !self.order.is_empty()).then_some(self.retry_at)
    }

    /// Connects when it is time to.
    pub(crate) fn on_time(&mut self, now: Instant, reactor: &Reactor) {
        if self.next_deadline().is_none_or(|at| at > now) {
            return;
        }
        self.retry_at = now + RETRY;
        match LineClient::connect(reactor, &self.path, self.token) {
            Ok(client) => {
                self.client = Some(client);
                self.is_silent = true;
            }
            Err(error) => {
                self.trouble.unreachable(now, format!("connect to {}: {error}", self.path.display()))
            }
        }
    }

    /// Takes what is there and gives the verdicts that are new.
    pub(crate) fn on_ready(&mut self, reactor: &mut Reactor, now: Instant) -> Vec<News> {
        let events = self.client.as_mut().map(|client| client.on_ready(reactor)).unwrap_or_default();
        let mut news = Vec::new();
        for event in events {
            match event {
                ServerEvent::Line(line) => news.extend(self.on_line(&line)),
                ServerEvent::Closed(reason) => {
                    self.client = None;
                    self.config = None;
                    if std::mem::take(&mut self.is_silent) {
                        self.trouble.unreachable(now, format!("gone before it has said anything: {reason}"));
                    } else {
                        self.trouble.complain(format!("gone: {reason}; its last verdicts stand"));
                    }
                }
            }
        }
        news
    }

    fn on_line(&mut self, line: &[u8]) -> Vec<News> {
        match json::parse(line) {
            Ok(Message::Verdict(said)) => {
                self.on_verdict((said.check, said.verdict, said.number), &said.cause).into_iter().collect()
            }
            Ok(Message::Status(status)) => {
                // Before its first result nothing is known that we don't know better.
                let known = status.checks.into_iter().filter(|check| check.runs > 0);
                known.filter_map(|it| self.on_verdict((it.name, it.verdict, it.number), &it.cause)).collect()
            }
            Ok(Message::Hello(hello)) => {
                // Not before: the socket of one that is just dying can still be connected to.
                if std::mem::take(&mut self.is_silent) {
                    log::info!("connected to checkerd");
                    self.trouble.settle();
                }
                self.config = Some(hello.config);
                Vec::new()
            }
            Ok(Message::Reload(Answer::Refused { error }) | Message::Error { error }) => {
                self.trouble.complain(format!("it runs another configuration: {error}"));
                Vec::new()
            }
            Ok(Message::Reload(Answer::Done { .. })) => {
                self.trouble.settle();
                Vec::new()
            }
            Ok(Message::Reload(Answer::Ready { .. })) => Vec::new(),
            Err(error) => {
                self.trouble.complain(format!("a line that isn't understood: {error}"));
                Vec::new()
            }
        }
    }

    fn on_verdict(&mut self, (check, verdict, number): News, cause: &Cause) -> Option<News> {
        let known = self.verdicts.get_mut(&check)?;
        if *known != verdict {
            log::info!("check {check} is {verdict}: {cause}");
            *known = verdict;
        }
        Some((check, verdict, number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checker() -> Checker {
        let checks = [CheckName::new("chk").unwrap()];
        Checker::new(Path::new("/nonexistent"), &checks, Token(1), Instant::ZERO)
    }

    #[test]
    fn only_verdicts_on_tracked_checks_are_heard() {
        let mut checker = checker();
        let line = br#"{"type":"verdict","check":"chk","verdict":"down","cause":{"code":"c","text":"t"},"since":""}"#;
        assert_eq!(checker.on_line(line), [(CheckName::new("chk").unwrap(), Verdict::Down, None)]);
        let other =
            br#"{"type":"verdict","check":"x","verdict":"down","cause":{"code":"c","text":"t"},"since":""}"#;
        assert_eq!(checker.on_line(other), []);
        assert_eq!(checker.verdicts(), [(CheckName::new("chk").unwrap(), Verdict::Down)]);
    }

    #[test]
    fn garbage_is_told_and_changes_nothing() {
        let mut checker = checker();
        assert_eq!(checker.on_line(b"{not json"), []);
        assert!(checker.peer().trouble.unwrap().contains("isn't understood"));
        assert_eq!(checker.verdicts()[0].1, Verdict::Unknown);
    }
}
