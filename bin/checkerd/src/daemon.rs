//! The loop: what is due is started, what has ended is judged, what has changed is told. Nothing is decided here.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use checks::{CheckId, Checks, Input, Outcome, Output, RunNumber};
use config::{Check, Command, Config};
use ipc::json;
use ipc::reload::Request;
use ipc::verdicts::Message;
use model::{Cause, Instant, Verdict};
use reactor::{ClientEvent, ClientId, LineServer, Reactor, Sent, Token};
use runner::{Crew, End, Job, Roster, Runner};
use service::reload::{Ask, Participant, Resolution};
use service::{Failure, Readiness, Start, Turn};
use sys::privilege::{self, Capability};
use sys::process::Exit;

use crate::book::Book;
use crate::gate::Gate;
use crate::once::variables;
use crate::probe::{Answer, Probes};
use crate::stdout::Printer;
use crate::{plan, status};

const SERVER: Token = Token(0);
/// Above the server's.
const RELOAD: Token = Token(LineServer::TOKENS);
/// This and those above.
const SCRIPTS: Token = Token(RELOAD.0 + 1);
/// Far above those of scripts, which need two for each that runs.
pub(crate) const PROBES: Token = Token(1 << 30);
/// Above those of as many probes as there ever are.
pub(crate) const WATCHES: Token = Token(1 << 31);
/// Members of the group may connect (docs/events.md).
const SOCKET_MODE: u32 = 0o660;
/// What is needed to run a script as another user, and to end it. The bounding set stays as it is, so that a script
/// that the configuration runs as root is run as root.
const RIGHTS: [Capability; 3] = [Capability::SetUid, Capability::SetGid, Capability::Kill];
/// Of the runtime directory, where nobody has made it.
const DIRECTORY_MODE: u32 = 0o755;
/// Which scripts run, in the runtime directory.
const RUNNING: &str = "checks.running";
/// How long killed scripts have to be gone.
const FAREWELL: Duration = Duration::from_secs(1);

/// Which run a process is.
type Tag = (CheckId, RunNumber);

/// Runs until SIGTERM or SIGINT.
pub(crate) fn run(start: Start, print: bool) -> Result<(), Failure> {
    let mut daemon = Daemon::new(start, print)?;
    daemon.print_all();
    service::notify_ready(&status::summary(&daemon.book, &daemon.checks));
    service::serve(daemon)
}

struct Daemon {
    config: Arc<Config>,
    reload: Participant<ClientId, ()>,
    reactor: Reactor,
    server: LineServer,
    printer: Printer,
    crew: Crew<Tag>,
    gate: Gate<Tag>,
    probes: Probes,
    checks: Checks,
    book: Book,
    /// Once we were asked to stop: when we go, whatever still runs.
    leave_at: Option<Instant>,
}

impl Daemon {
    fn new(start: Start, print: bool) -> Result<Self, Failure> {
        let reactor = service::event_loop()?;
        make_directory(&start.runtime_dir);
        let path = start.runtime_dir.join("checkerd.sock");
        let server = LineServer::bind(&reactor, &path, SOCKET_MODE, SERVER)
            .map_err(|error| Failure::listen(&path, &error))?;
        drop_rights()?;
        sys::process::raise_open_files()
            .map_err(|error| Failure::io("raise the limit of open files", &error))?;
        let book = Book::new(&start.config, &service::stamp::rfc3339(sys::clock::wall()));
        start.config.checks.iter().for_each(|check| Probes::initialize(&check.probe));
        let runner = Runner::new(start.config.global.script_user.clone());
        Ok(Self {
            checks: Checks::new(sys::clock::now(), &book.configs()),
            crew: Crew::new(runner, SCRIPTS).written_down_in(take_over(&start.runtime_dir)),
            gate: Gate::new(),
            probes: Probes::new(PROBES, WATCHES),
            leave_at: None,
            reload: Participant::new(&start, RELOAD, |old, new| ((), plan::plan(old, new))),
            config: start.config,
            reactor,
            server,
            printer: Printer::new(print),
            book,
        })
    }

    fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let gate = self.gate.deadline(self.crew.started_after(Gate::<Tag>::since(now)));
        let ours =
            [self.checks.next_deadline(), self.crew.next_deadline(), self.probes.next_deadline(), gate];
        ours.into_iter().chain([self.leave_at]).flatten().min()
    }

    fn on_time(&mut self, now: Instant) {
        for (check, run) in self.crew.on_time(now) {
            self.checks.handle(now, Input::Overdue { check, run });
        }
        for answer in self.probes.on_time(now) {
            self.on_answer(answer, now);
        }
        self.checks.handle(now, Input::Wake);
        self.drain(now);
        if self.printer.is_behind() {
            self.print_all();
        }
    }

    /// Does everything that the schedule wants done.
    fn drain(&mut self, now: Instant) {
        let mut changed = false;
        loop {
            while let Some(output) = self.checks.poll_output() {
                match output {
                    Output::Start { check, run } => self.on_due(check, run, now),
                    Output::Verdict { check, verdict, cause } => {
                        self.on_verdict(check, verdict, cause);
                        changed = true;
                    }
                }
            }
            // Who can't be started has an outcome at once, and so there may be more to do.
            if !self.start_waiting(now) {
                break;
            }
        }
        if changed {
            service::notify_status(&status::summary(&self.book, &self.checks));
        }
    }

    fn on_verdict(&mut self, check: CheckId, verdict: Verdict, cause: Cause) {
        let wall = service::stamp::rfc3339(sys::clock::wall());
        self.book.on_verdict(check, verdict, cause, wall);
        if let Some(message) = status::verdict(&self.book, &self.checks, check) {
            self.print(&message);
            let clients: Vec<_> = self.server.clients().collect();
            clients.into_iter().for_each(|client| self.tell(client, &message));
        }
    }

    /// A probe is made at once; a script is started when there is room.
    fn on_due(&mut self, check: CheckId, run: RunNumber, now: Instant) {
        let Some(page) = self.book.page(check) else { return };
        if page.check.probe.command().is_some() {
            self.gate.wait((check, run), now);
            return;
        }
        let asked = (&page.check.probe, page.check.timeout);
        if let Some(answer) = self.probes.start(&self.reactor, now, (check, run), asked) {
            self.on_answer(answer, now);
        }
    }

    fn start_waiting(&mut self, now: Instant) -> bool {
        let since = Gate::<Tag>::since(now);
        let mut any = false;
        while let Some((check, run)) = self.gate.next(self.crew.started_after(since), now) {
            self.start_script(check, run, now);
            any = true;
        }
        any
    }

    fn start_script(&mut self, check: CheckId, run: RunNumber, now: Instant) {
        let Some(page) = self.book.page(check) else { return };
        let Some(command) = page.check.probe.command() else { return };
        let variables = variables(&page.check);
        let job = job(&page.check, command, &variables);
        if let Err(refusal) = self.crew.start(&self.reactor, now, &job, (check, run)) {
            let outcome = Outcome::CannotRun(refusal.to_string());
            self.on_answer(Answer { check, run, outcome, took: Duration::ZERO }, now);
        }
    }

    /// A probe is over, or a script couldn't even be started.
    fn on_answer(&mut self, answer: Answer, now: Instant) {
        let Answer { check, run, outcome, took } = answer;
        self.book.on_answer(check, &outcome, took);
        self.checks.handle(now, Input::Ended { check, run, outcome });
    }

    fn on_client(&mut self, event: ClientEvent, now: Instant) {
        match event {
            ClientEvent::Connected(client, _) => {
                self.tell(client, &status::hello(self.reload.running()));
                self.tell_snapshot(client);
            }
            ClientEvent::Line(client, line) => match json::parse::<Request>(&line) {
                Ok(Request::Status) => {
                    let (running, last) = (self.reload.running(), self.reload.last());
                    self.tell(client, &status::status(&self.book, &self.checks, running, last));
                }
                Ok(Request::Reload(step)) => {
                    let ask = Ask::of(client, step, self.server.peer(client));
                    let resolution = self.reload.ask(&self.reactor, ask);
                    self.resolve(resolution, now);
                }
                Err(error) => {
                    let error = format!("expected {{\"request\":\"status\"}} or a step of a reload: {error}");
                    self.tell(client, &Message::Error { error });
                }
            },
            ClientEvent::Gone(client, reason) => {
                log::debug!("a client has left: {reason}");
                self.reload.forget(&client);
            }
        }
    }

    /// Runs another configuration if that is what follows, and then answers.
    fn resolve(&mut self, resolution: Option<Resolution<ClientId, ()>>, now: Instant) {
        let Some(Resolution { answers, adopt }) = resolution else { return };
        if let Some(candidate) = adopt {
            let wall = service::stamp::rfc3339(sys::clock::wall());
            let same = plan::is_same(&self.config, &candidate.config);
            let ended = self.book.reconfigure(&candidate.config, (&mut self.checks, now), &wall, same);
            self.crew.abort(|(check, _)| ended.contains(check));
            self.gate.forget(|(check, _)| ended.contains(check));
            self.probes.abort(|check| ended.contains(check));
            self.crew.set_script_user(candidate.config.global.script_user.clone());
            self.config = candidate.config;
            let hello = status::hello(self.reload.running());
            self.print(&hello);
            self.server
                .clients()
                .collect::<Vec<_>>()
                .into_iter()
                .for_each(|client| self.tell(client, &hello));
            service::notify_status(&status::summary(&self.book, &self.checks));
        }
        for (client, answer) in answers {
            self.tell(client, &Message::Reload(answer));
        }
    }

    /// Sends a message to one client. One that reads too slowly has lost what was queued: it gets a snapshot instead.
    fn tell(&mut self, client: ClientId, message: &Message) {
        match json::line(message) {
            Ok(line) => {
                if self.server.send(client, &line) == Sent::Overflowed {
                    self.tell_snapshot(client);
                }
            }
            Err(error) => log::error!("a message can't be encoded: {error}"),
        }
    }

    /// All verdicts, as one piece: either all of it is queued or, for somebody who doesn't read at all, nothing.
    fn tell_snapshot(&mut self, client: ClientId) {
        let all = self.book.pages().filter_map(|(check, _)| status::verdict(&self.book, &self.checks, check));
        let lines: Vec<u8> = all.filter_map(|message| json::line(&message).ok()).flatten().collect();
        if !lines.is_empty() && self.server.send(client, &lines) == Sent::Overflowed {
            self.server.send_away(&self.reactor, client);
        }
    }
}

impl Daemon {
    /// Says it on standard output, if that is wanted.
    fn print(&mut self, message: &Message) {
        // Who is behind gets this with everything else, as soon as there is room.
        if !self.printer.is_behind() {
            self.printer.print(json::line(message).into_iter());
        }
    }

    fn print_all(&mut self) {
        let all = self.book.pages().filter_map(|(check, _)| status::verdict(&self.book, &self.checks, check));
        let all = std::iter::once(status::hello(self.reload.running())).chain(all);
        self.printer.print(all.filter_map(|message| json::line(&message).ok()));
    }
}

impl service::Daemon for Daemon {
    fn reactor(&mut self) -> &mut Reactor {
        &mut self.reactor
    }

    fn socket(&self) -> &Path {
        self.server.path()
    }

    fn on_turn(&mut self, now: Instant) -> Result<Turn, Failure> {
        self.on_time(now);
        let over = self.leave_at.is_some_and(|at| at <= now || self.crew.is_idle());
        Ok(if over { Turn::Over } else { Turn::Sleep(self.next_deadline(now)) })
    }

    fn on_ready(&mut self, token: Token, _: Readiness, now: Instant) -> Result<(), Failure> {
        if let Some(concerned) = self.probes.news(token) {
            for check in concerned {
                self.checks.handle(now, Input::Hasten { check });
            }
            self.drain(now);
        } else if self.probes.owns(token) {
            if let Some(answer) = self.probes.on_ready(token, now) {
                self.on_answer(answer, now);
                self.drain(now);
            }
        } else if self.crew.owns(token) {
            if let Some(((check, run), finished)) = self.crew.on_ready(&mut self.reactor, token, now) {
                let outcome = outcome_of(finished.end);
                self.book.on_finished(check, finished);
                self.checks.handle(now, Input::Ended { check, run, outcome });
                self.drain(now);
            }
        } else if self.reload.owns(token) {
            if let Some(reading) = self.reload.on_ready(&self.reactor) {
                let resolution = self.reload.resolve(&self.reactor, reading, None);
                self.resolve(Some(resolution), now);
            }
        } else {
            for event in self.server.on_ready(&mut self.reactor, token) {
                self.on_client(event, now);
            }
        }
        Ok(())
    }

    fn on_stop(&mut self, now: Instant) {
        if self.leave_at.is_none() {
            log::info!("stopping");
            service::notify_stopping();
            self.leave_at = Some(now + FAREWELL);
            self.checks.handle(now, Input::Stop);
            self.crew.abort(|_| true);
            self.gate.forget(|_| true);
            self.probes.abort(|_| true);
        }
    }

    fn on_reload(&mut self, _: Instant) {
        self.reload.on_signal();
    }
}

/// Keeps what running scripts needs.
pub(crate) fn drop_rights() -> Result<(), Failure> {
    privilege::limit(&RIGHTS).map_err(|error| Failure::io("drop capabilities", &error))
}

/// What the runner has to know of a script.
pub(crate) fn job<'a>(
    check: &'a Check,
    command: &'a Command,
    variables: &'a [(&'static str, String)],
) -> Job<'a> {
    Job {
        program: &command.program,
        arguments: &command.arguments,
        user: check.user.as_ref(),
        variables,
        input: None,
        register: None,
        timeout: check.timeout,
    }
}

/// The runner's words in the schedule's.
pub(crate) fn outcome_of(end: End) -> Outcome {
    match end {
        End::Exited(Exit::Code(0)) => Outcome::Passed,
        End::Exited(Exit::Code(code)) => Outcome::Exited(code),
        End::Exited(Exit::Signal(signal)) => Outcome::Killed(signal),
        End::TimedOut => Outcome::TimedOut,
    }
}

/// Alone, checkerd has nobody who would have made its directory. Where it can't be made, listening there says what is wrong.
fn make_directory(runtime_dir: &Path) {
    let made = DirBuilder::new().mode(DIRECTORY_MODE).create(runtime_dir);
    if let Err(error) = made.or_else(|error| if runtime_dir.is_dir() { Ok(()) } else { Err(error) }) {
        log::warn!("make {}: {error}", runtime_dir.display());
    }
}

/// Ends the scripts that run since before the last checkerd was killed: two runs of one check would be in each other's way.
fn take_over(runtime_dir: &Path) -> Option<Roster> {
    let path = runtime_dir.join(RUNNING);
    let begun = sys::clock::boot().and_then(|boot| Roster::take_over(&path, &boot));
    match begun {
        Ok((roster, ended)) => {
            for pid in ended {
                log::warn!("process {pid} of a check that the last checkerd had started is ended");
            }
            Some(roster)
        }
        Err(error) => {
            log::warn!("{}: {error}; checks that outlive a killed checkerd won't be found", path.display());
            None
        }
    }
}
