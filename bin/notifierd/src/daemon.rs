//! The loop: states come in from the feed, hooks go out. Nothing is decided here.

mod ends;
mod held;
mod starts;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use config::Config;
use ipc::events::Told;
use ipc::hooks::Message;
use ipc::json;
use ipc::reload::Request;
use model::Instant;
use reactor::{ClientEvent, ClientId, LineServer, Reactor, Seldom, Sent, Token};
use runner::{Crew, Keeper, Runner};
use service::reload::{Ask, Participant, Resolution};
use service::{Failure, Readiness, Start, Turn};
use sys::privilege::{self, Capability};

use crate::board::{Board, Kind, LaneId, Offered};
use crate::cursor::Cursor;
use crate::feed::Feed;
use crate::history::History;
use crate::ledger::{Entry, Ledger};
use crate::mail::Post;
use crate::occasion::{Occasion, Subject};
use crate::orphans::Orphans;
use crate::outer::Outer;
use crate::pipes::{self, Pipes};
use crate::preludes::{Done, Preludes};
use crate::status::Known;
use crate::{KEEP, plan, status};

const FEED: Token = Token(0);
const SERVER: Token = Token(1);
/// Above the server's.
const RELOAD: Token = Token(SERVER.0 + LineServer::TOKENS);
const PIPES: Token = Token(RELOAD.0 + 1);
const PRELUDES: Token = Token(PIPES.0 + pipes::TOKENS);
/// Above the preludes', which are few.
const OUTER: Token = Token(PRELUDES.0 + (1 << 15));
/// This and all above. What runs before and after everything is even less.
const SCRIPTS: Token = Token(PRELUDES.0 + (1 << 16));
/// This and all above: more than there can be hooks.
const READERS: Token = Token(usize::MAX / 2);
/// This and all above: one process at a time.
const MAIL: Token = Token(usize::MAX / 4 * 3);
/// Members of the group may connect (docs/events.md).
const SOCKET_MODE: u32 = 0o660;
/// What is needed to run a script as another user, and to end it. The bounding set stays as it is, so that a hook
/// that the configuration runs as root is run as root.
const RIGHTS: [Capability; 3] = [Capability::SetUid, Capability::SetGid, Capability::Kill];
/// How long the last hooks have after SIGTERM, the wait for vrrp-core's last events included.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// How long vrrp-core has to say that it stops, too, where both were told to at once. Its supervisors stop it first; so if
/// it says nothing it is to go on, and we needn't wait for its end.
const ALONE_AFTER: Duration = Duration::from_secs(2);
/// How long a hook that runs then may keep those of a newer state waiting.
const CUT_AFTER: Duration = Duration::from_secs(5);
/// How long killed hooks have to be gone.
const FAREWELL: Duration = Duration::from_secs(1);

/// Which hook a process is.
#[derive(Clone, Copy, Debug)]
struct Tag {
    lane: LaneId,
    kind: Kind,
    state: Told,
}

/// Runs until SIGTERM or SIGINT, and then until the last hooks have run.
pub(crate) fn run(start: Start) -> Result<(), Failure> {
    let daemon = Daemon::new(start)?;
    service::notify_ready("ready");
    service::serve(daemon)
}

struct Daemon {
    config: Arc<Config>,
    reload: Participant<ClientId, ()>,
    reactor: Reactor,
    server: LineServer,
    feed: Feed,
    crew: Crew<Tag>,
    preludes: Preludes,
    outer: Outer,
    pipes: Pipes,
    post: Post,
    board: Board,
    ledger: Ledger,
    history: History,
    cursor: Cursor,
    orphans: Orphans,
    /// When hooks that run are ended, so that those of the last state still can: once we were asked to stop.
    cut_at: Option<Instant>,
    /// Once we were asked to stop: when we go, whatever still runs.
    leave_at: Option<Instant>,
    /// Once we were asked to stop: if vrrp-core hasn't said by then that it stops, we are the only one.
    alone_at: Option<Instant>,
    /// The last hooks took too long: none is started any more.
    killed: bool,
    /// When one of the hooks that run has grown old, while others wait for that.
    turn_at: Option<Instant>,
    /// That hooks wait for others to end.
    crowd_told: Seldom,
    /// Whose hook can't be run for the moment, and since when.
    busy: HashMap<LaneId, Instant>,
}

impl Daemon {
    fn new(start: Start) -> Result<Self, Failure> {
        let reactor = service::event_loop()?;
        let path = start.runtime_dir.join("notifierd.sock");
        let server = LineServer::bind(&reactor, &path, SOCKET_MODE, SERVER)
            .map_err(|error| Failure::listen(&path, &error))?;
        // A pipe may have to be given to another user, and that takes rights that are given up next.
        let pipes = Pipes::new(&start.config, (PIPES, READERS), &reactor, sys::clock::now());
        privilege::limit(&RIGHTS).map_err(|error| Failure::io("drop capabilities", &error))?;
        let runner = || Runner::new(start.config.global.script_user.clone());
        let mut board = Board::new(&start.config);
        let boot = sys::clock::boot().map_err(|error| Failure::io("read the boot's number", &error))?;
        let outer = Outer::new(runner(), OUTER, &start.runtime_dir, &boot);
        let cursor = Cursor::load(&start.runtime_dir, boot, sys::clock::now());
        board.restore(|subject| cursor.mark(subject));
        // After the capabilities: its thread has no more of them than we have.
        let history = History::begin(&start.state_dir, cursor.states());
        Ok(Self {
            feed: Feed::new(&start.runtime_dir, FEED, sys::clock::now()),
            crew: Crew::new(runner(), SCRIPTS).kept_by(Keeper::new(KEEP)),
            preludes: Preludes::new(runner(), PRELUDES),
            outer,
            pipes,
            post: Post::new(&start.config, (MAIL, &start.state_dir), cursor.states(), sys::clock::now()),
            ledger: Ledger::default(),
            history,
            board,
            cursor,
            orphans: Orphans::end(&start.runtime_dir),
            cut_at: None,
            leave_at: None,
            alone_at: None,
            killed: false,
            turn_at: None,
            crowd_told: Seldom::default(),
            busy: HashMap::new(),
            reload: Participant::new(&start, RELOAD, |old, new| ((), plan::plan(old, new))),
            config: start.config,
            reactor,
            server,
        })
    }

    fn next_deadline(&self) -> Option<Instant> {
        let scripts = [self.crew.next_deadline(), self.preludes.next_deadline(), self.pipes.next_deadline()];
        let scripts = scripts.into_iter().chain([self.post.next_deadline(), self.outer.next_deadline()]);
        let scripts = scripts.chain([self.crew.next_held(), self.turn_at]);
        let ours = [self.feed.next_deadline(), self.leave_at, self.cut_at, self.alone_at];
        scripts.chain(ours).flatten().min()
    }

    /// Whether vrrp-core may have something to say before it goes.
    fn has_last_words(&mut self, now: Instant) -> bool {
        if self.alone_at.is_some_and(|at| at <= now) {
            self.alone_at = None;
            if self.feed.is_connected() && !self.feed.is_stopping() {
                log::info!("vrrp-core goes on: nothing of it is waited for");
            }
        }
        self.feed.is_connected() && (self.feed.is_stopping() || self.alone_at.is_some())
    }

    /// Not before vrrp-core has said its last word and that has been told, or the time for it is up.
    fn may_leave(&mut self, now: Instant) -> bool {
        let Some(at) = self.leave_at else { return false };
        if self.killed {
            return at <= now || self.crew.is_idle();
        }
        let is_idle = self.board.is_idle() && self.preludes.is_idle();
        let is_heard_out = !self.has_last_words(now);
        if at > now {
            return is_idle && is_heard_out;
        }
        if is_idle {
            return true;
        }
        log::warn!("hooks still run after {} s; they are killed", STOP_TIMEOUT.as_secs());
        for lane in self.board.untold() {
            let state = lane.waiting().or(lane.told()).unwrap_or(Told::Init);
            log::warn!("({}) {state} isn't told to the end", lane.subject());
        }
        self.crew.abort(|_| true);
        self.preludes.abort();
        self.killed = true;
        self.leave_at = Some(now + FAREWELL);
        false
    }

    fn on_time(&mut self, now: Instant) {
        self.feed.on_time(now, &self.reactor);
        self.preludes.on_time(now);
        self.outer.on_time(now);
        self.pipes.on_time(now, &self.reactor, self.orphans.register());
        self.post.on_time(now, &self.reactor, self.orphans.register());
        for tag in self.crew.on_time(now) {
            let name = self.board.lane(tag.lane).map(|lane| lane.subject().to_string()).unwrap_or_default();
            log::warn!(
                "({name}) {} for {} takes longer than its notify_timeout; it is ended",
                tag.kind.word(),
                tag.state
            );
        }
        self.mind_held(now);
        if self.cut_at.is_some_and(|at| at <= now) {
            self.cut();
        }
        self.start_hooks(now);
        self.play_outer(now);
    }

    /// Ends hooks that keep a newer state waiting, for which there would be no time left.
    fn cut(&mut self) {
        self.cut_at = None;
        for (subject, state) in self.board.hurry() {
            self.skip(&subject, state, "there is only time for the last state before we end");
        }
        let held_up: Vec<LaneId> = self.board.held_up().map(|(id, _)| id).collect();
        for (_, lane) in self.board.held_up() {
            let Some(((kind, state), newer)) = lane.running().zip(lane.waiting()) else { continue };
            log::warn!("({}) {} for {state} is ended: {newer} waits for it", lane.subject(), kind.word());
        }
        self.crew.abort(|tag| held_up.contains(&tag.lane));
    }

    fn offer(&mut self, occasion: Occasion, now: Instant) {
        let occasion = self.board.phrase(occasion);
        let (name, state) = (occasion.subject(), occasion.to());
        if state != Told::Init && self.board.knows(&name) {
            self.pipes.tell(&occasion, &self.config);
            self.post.tell(&occasion, now);
        }
        self.history.heard(&occasion);
        let (skipped, why) = match self.board.offer(occasion) {
            // A snapshot follows once it is.
            None if self.reload.is_prepared() => return,
            None => (vec![state], "it isn't in our configuration".to_owned()),
            Some(Offered::Overtook(older)) => {
                (older, format!("overtaken by {state} before its hooks could run"))
            }
            Some(Offered::Same(older)) => {
                (older, format!("overtaken by {state}, for which hooks were run last"))
            }
            Some(Offered::Crowded(oldest)) => {
                (oldest, "more states wait than may (notify_queue_limit)".to_owned())
            }
            Some(Offered::Taken | Offered::Untold) => return,
        };
        skipped.into_iter().for_each(|skipped| self.skip(&name, skipped, &why));
    }

    /// No hook is run for a state.
    fn skip(&self, subject: &Subject, state: Told, why: &str) {
        log::warn!("({subject}) no hook is run for {state}: {why}");
        self.history.skipped(subject, state, why.to_owned());
    }

    /// A hook has ended, or couldn't be started: told, remembered, and the lane is free for the next.
    fn close_entry(&mut self, lane: LaneId, entry: Entry) {
        if let Some(lane) = self.board.lane(lane) {
            entry.log(Some(lane.subject()));
            self.history.ran(Some(lane.subject()), &entry);
        }
        self.ledger.record(lane, entry, service::stamp::rfc3339(sys::clock::wall()));
        self.board.ended(lane);
    }

    fn on_client(&mut self, event: ClientEvent, now: Instant) {
        match event {
            ClientEvent::Connected(client, _) => self.tell(client, &status::hello(self.reload.running())),
            ClientEvent::Line(client, line) => match json::parse::<Request>(&line) {
                Ok(Request::Status) => {
                    let (running, last) = (self.reload.running(), self.reload.last());
                    let known = Known {
                        board: &self.board,
                        ledger: &self.ledger,
                        preludes: &self.preludes,
                        outer: &self.outer,
                        config: &self.config,
                        cursor: &self.cursor,
                        feed: &self.feed,
                        held: self.held(),
                        history: &self.history,
                        pipes: &self.pipes,
                        post: &self.post,
                    };
                    let status = status::status(&known, running, last);
                    self.tell(client, &status);
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
                self.follow(now);
            }
        }
    }

    /// vrrp-core may run another configuration, and nobody is about to tell us to run it, too.
    fn follow(&mut self, now: Instant) {
        let Some(its) = self.feed.config() else { return };
        if its != self.reload.running().to_string() && !self.reload.has_prepared(its) {
            let resolution = self.reload.ask(&self.reactor, Ask::Follow { sibling: "vrrp-core" });
            self.resolve(resolution, now);
        }
    }

    /// Runs another configuration if that is what follows, and then answers.
    fn resolve(&mut self, resolution: Option<Resolution<ClientId, ()>>, now: Instant) {
        let Some(Resolution { answers, adopt }) = resolution else { return };
        if let Some(candidate) = adopt {
            // What has happened by now is told to the hooks that were configured by then.
            self.hear(now);
            let renames = plan::renames(&self.config, &candidate.config);
            self.remember(now);
            self.board.reconfigure(&candidate.config, &renames);
            self.pipes.reconfigure(&candidate.config, &renames, &self.reactor, now);
            let board = &self.board;
            self.cursor.reconfigure(&renames, |subject| board.knows(subject), now);
            self.history.reconfigure(&renames, |subject| board.knows(subject));
            self.post.reconfigure(&candidate.config, &renames, |subject| board.knows(subject), now);
            self.ledger.retain(|lane| board.lane(lane).is_some());
            self.crew.set_script_user(candidate.config.global.script_user.clone());
            self.preludes.reconfigure(&candidate.config, &renames);
            self.outer.reconfigure(&candidate.config);
            self.config = candidate.config;
            self.feed.ask_again();
        }
        for (client, answer) in answers {
            self.tell(client, &Message::Reload(answer));
        }
    }

    fn hear(&mut self, now: Instant) {
        let news = self.feed.on_ready(&mut self.reactor, now);
        if let Some(away) = self.feed.take_gap() {
            self.history.gap(away);
        }
        self.mind_ends(&news);
        for occasion in news {
            self.offer(occasion, now);
        }
        for prelude in self.feed.take_preludes() {
            let tools = (&self.reactor, self.orphans.register());
            if let Some(done) = self.preludes.play(tools, &self.config, &prelude, now) {
                self.on_prelude_done(done);
            }
        }
    }

    /// vrrp-core waits for the answer: that comes first.
    fn on_prelude_done(&mut self, done: Done) {
        self.feed.prelude_done(done.part.instance.clone(), done.part.order);
        let subject = Subject::Instance(done.part.instance.clone());
        done.entry.log(Some(&subject));
        self.history.ran(Some(&subject), &done.entry);
        if self.board.knows(&subject) {
            self.preludes.remember(done, service::stamp::rfc3339(sys::clock::wall()));
        }
    }

    /// Sends an answer. Somebody who asks and asks and doesn't read is sent away.
    fn tell(&mut self, client: ClientId, message: &Message) {
        match json::line(message) {
            Ok(line) => {
                if self.server.send(client, &line) == Sent::Overflowed {
                    self.server.send_away(&self.reactor, client);
                }
            }
            Err(error) => log::error!("a message can't be encoded: {error}"),
        }
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
        let is_over = self.may_leave(now)
            && self.may_leave_outer()
            && self.pipes.may_leave(now, &self.reactor)
            && self.post.may_leave(now);
        Ok(if is_over { Turn::Over } else { Turn::Sleep(self.next_deadline()) })
    }

    fn on_ready(&mut self, token: Token, _: Readiness, now: Instant) -> Result<(), Failure> {
        if token == FEED {
            self.hear(now);
            self.follow(now);
        } else if self.reload.owns(token) {
            if let Some(reading) = self.reload.on_ready(&self.reactor) {
                let resolution = self.reload.resolve(&self.reactor, reading, None);
                self.resolve(Some(resolution), now);
                // What we run is as good as the file can make it.
                let running = self.reload.running().to_string();
                if self.feed.config().is_some_and(|its| its != running && !self.reload.has_prepared(its)) {
                    self.feed.call(running);
                }
            }
        } else if self.post.owns(token) {
            self.post.on_ready(&mut self.reactor, token, now);
        } else if self.pipes.owns(token) {
            self.pipes.on_ready(&mut self.reactor, token, now);
        } else if self.crew.owns(token) {
            if let Some((tag, finished)) = self.crew.on_ready(&mut self.reactor, token, now) {
                self.close_entry(tag.lane, Entry::ended(tag.kind.word(), tag.state, finished));
            }
        } else if self.outer.owns(token) {
            if let Some(entry) = self.outer.on_ready(&mut self.reactor, token, now) {
                self.on_outer_done(entry);
            }
        } else if self.preludes.owns(token) {
            if let Some(done) = self.preludes.on_ready(&mut self.reactor, token, now) {
                self.on_prelude_done(done);
            }
        } else {
            for event in self.server.on_ready(&mut self.reactor, token) {
                self.on_client(event, now);
            }
        }
        self.start_hooks(now);
        self.play_outer(now);
        Ok(())
    }

    fn on_stop(&mut self, now: Instant) {
        if self.leave_at.is_none() {
            log::info!("stopping, after the last hooks");
            service::notify_stopping();
            self.leave_at = Some(now + STOP_TIMEOUT);
            self.alone_at = Some(now + ALONE_AFTER);
            self.cut_at = Some(now + CUT_AFTER);
            self.leave_outer();
            self.feed.no_more();
        }
    }

    fn on_reload(&mut self, _: Instant) {
        self.reload.on_signal();
    }
}
