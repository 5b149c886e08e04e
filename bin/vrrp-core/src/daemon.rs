//! The loop: what comes in goes to the core, what the core says goes out. Nothing is decided here.
//!
//! One thread, no name look-up, no child, no waiting but in the reactor, and no file but on an operator's command: a late advert is a
//! failover. What has to be on disk meanwhile is written by a thread (`service::Keepsake`).

mod announcing;
mod clients;
mod notices;
mod preludes;
mod reload;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ipc::core_ipmgr::{Order, PROTOCOL, Report, Troubles};
use ipc::events::Message;
use model::{Family, Instant, LinkFact, Transport};
use reactor::{ClientId, Interest, LineServer, Reactor, Token};
use service::reload::Participant;
use service::{Failure, Readiness, Start, Turn};
use sys::landlock::May;
use vrrp::{Core, CoreConfig, Input, InstanceId, LinkId, OrderNumber, Output};

use crate::backlog::{Backlog, is_urgent};
use crate::checker::Checker;
use crate::conduct::Conduct;
use crate::drains::Drains;
use crate::feed::{Feed, Moment};
use crate::in_place::InPlace;
use crate::lull::Lull;
use crate::manager::Manager;
use crate::needs::NEEDS;
use crate::pacing::Pacer;
use crate::penalties::Penalties;
use crate::setup::{CarrierId, Setup};
use crate::wire::{Drained, Wire};
use preludes::Preludes;
use reload::{Awaiting, Made};

const MANAGER: Token = Token(0);
const CHECKER: Token = Token(1);
/// Tokens for every link follow, one per transport.
const FIRST_LINK: usize = 2;
/// Two tokens per link that carries addresses follow, one per family. No host has so many links that the first ones reach here, or that these reach the server's.
const FIRST_CARRIER: usize = 1 << 19;
/// The server's listener and clients.
const SERVER: usize = 1 << 20;
const RELOAD: Token = Token(SERVER + LineServer::TOKENS);
/// Members of the group may connect (docs/events.md).
const SOCKET_MODE: u32 = 0o660;

/// Runs until SIGTERM or SIGINT.
pub(crate) fn run(start: Start) -> Result<(), Failure> {
    be_prompt(start.config.global.real_time);
    sys::privilege::restrict(&[], true).map_err(|error| Failure::io("drop all capabilities", &error))?;
    let (sockets, state) = (start.runtime_dir.clone(), start.state_dir.clone());
    let mut daemon = Daemon::new(start)?;
    daemon.desk(sys::clock::now()).recall();
    daemon.recall_penalties(sys::clock::now());
    daemon.tell_of_startup();
    service::confine("vrrp-core", NEEDS, &[(&sockets, May::Remove), (&state, May::Keep)]);
    service::notify_ready(&daemon.feed.summary());
    service::serve(daemon)
}

/// Adverts are late on a busy host without, and on an idle one nothing is lost: so what is refused is told, and no more.
fn be_prompt(priority: Option<u8>) {
    if let Some(priority) = priority
        && let Err(error) = sys::schedule::real_time(priority)
    {
        log::info!("adverts may be late while the host is busy: no real-time priority {priority}: {error}");
    }
    if let Err(error) = sys::schedule::lock_memory() {
        log::debug!("adverts may be late while the host is short of memory: ours isn't locked: {error}");
    }
}

struct Daemon {
    config_path: PathBuf,
    reload: Participant<ClientId, Made>,
    /// What was read, while ipmgr reads it, too.
    awaiting: Option<Awaiting>,
    started: Instant,
    setup: Setup,
    core: Core,
    feed: Feed,
    wire: Wire,
    manager: Manager,
    checker: Checker,
    reactor: Reactor,
    server: LineServer,
    subscribers: Vec<ClientId>,
    conduct: Conduct,
    drains: Drains,
    penalties: Penalties,
    /// Some have changed, and aren't remembered yet.
    penalties_due: bool,
    preludes: Preludes,
    /// Instances that ipmgr still holds from a core before us, until it has told everything.
    held: Vec<InstanceId>,
    /// What ipmgr says works against it.
    troubles: Troubles,
    backlog: Backlog,
    lull: Lull,
    pacer: Pacer,
    in_place: InPlace,
    /// The service manager hasn't heard of the last transitions.
    summary_due: bool,
    stopping: bool,
    finished: bool,
}

fn moment() -> Moment {
    Moment { wall: service::stamp::rfc3339(sys::clock::wall()), boot: sys::clock::now() }
}

/// A name that no other life of a vrrp-core has: not on this host before, since nothing starts twice in a nanosecond, and
/// not after its clock was set back, since the process is another.
fn boot() -> String {
    let since_1970 = sys::clock::wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{:x}-{:x}-{:x}", since_1970.as_nanos(), sys::clock::now().as_nanos(), std::process::id())
}

/// A core that knows what year it is.
fn begin(config: &CoreConfig, now: Instant) -> Core {
    let mut core = Core::new(config.clone(), now);
    // A clock before 1970 is none; then sequence numbers begin at 1.
    let wall = sys::clock::wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    core.handle(now, Input::WallClock(wall));
    core
}

impl Daemon {
    fn new(start: Start) -> Result<Self, Failure> {
        let setup = Setup::new(&start.config);
        let now = sys::clock::now();
        let reactor = service::event_loop()?;
        let path = start.runtime_dir.join("vrrp-core.sock");
        let server = LineServer::bind(&reactor, &path, SOCKET_MODE, Token(SERVER))
            .map_err(|error| Failure::listen(&path, &error))?;
        let fingerprint = start.fingerprint.as_u64();
        let manager = Manager::new(&start.runtime_dir, fingerprint, setup.shortest_interval(), now);
        Ok(Self {
            feed: Feed::new(&setup.core, boot(), &moment()),
            core: begin(&setup.core, now),
            checker: Checker::new(&start.runtime_dir, &setup.checks, CHECKER, now),
            wire: Wire::default(),
            subscribers: Vec::new(),
            conduct: Conduct::default(),
            drains: Drains::load(&start.state_dir).map_err(|error| {
                Failure::io(format!("read who is drained in {}", start.state_dir.display()), &error)
            })?,
            penalties: Penalties::load(&start.state_dir, &sys::clock::machine_boot().unwrap_or_default()),
            // What is left of another boot goes.
            penalties_due: true,
            preludes: Preludes::new(),
            held: Vec::new(),
            troubles: Troubles::default(),
            backlog: Backlog::default(),
            lull: Lull::new(now),
            pacer: Pacer::new(start.config.global.pacing),
            in_place: InPlace::default(),
            summary_due: false,
            stopping: false,
            finished: false,
            reload: Participant::new(&start, RELOAD, reload::make),
            awaiting: None,
            config_path: start.config_path,
            started: now,
            setup,
            manager,
            reactor,
            server,
        })
    }

    fn next_deadline(&self) -> Option<Instant> {
        let links =
            [Some(self.manager.next_deadline()), self.manager.absence_due(), self.checker.next_deadline()];
        let awaiting = self.awaiting.as_ref().map(|awaiting| awaiting.until);
        links
            .into_iter()
            .chain([awaiting, self.core.next_deadline(), self.pacer.next_deadline()])
            .flatten()
            .min()
    }

    fn on_time(&mut self, now: Instant) -> Result<(), Failure> {
        if self.manager.on_time(now, self.core.next_deadline())
            && let Some(descriptor) = self.manager.descriptor()
        {
            self.reactor
                .register(MANAGER, descriptor, Interest::READABLE)
                .map_err(|error| Failure::io("watch the link to ipmgr", &error))?;
        }
        self.checker.on_time(now, &self.reactor);
        self.give_up_waiting(now);
        if self.manager.absence_due().is_some_and(|at| at <= now) {
            self.manager.absence_settled();
            self.core.handle(now, Input::ManagerGone);
        }
        if self.core.next_deadline().is_some_and(|at| at <= now) {
            self.core.handle(now, Input::Wake);
        }
        Ok(())
    }

    fn on_report(
        &mut self,
        report: Report,
        descriptor: Option<std::os::fd::OwnedFd>,
        now: Instant,
    ) -> Result<(), Failure> {
        match report {
            Report::Hello { protocol, fingerprint } => {
                if protocol != PROTOCOL {
                    self.manager.close("it speaks another protocol; restart both", now);
                } else if fingerprint != self.reload.running().as_u64() {
                    self.manager.close("it runs another configuration than ours", now);
                    self.follow("ipmgr", now);
                }
                self.held.clear();
                self.troubles = Troubles::default();
            }
            Report::Held { instances } => {
                let known = instances.iter().filter_map(|name| self.setup.instance(name));
                self.held.extend(known);
            }
            Report::Link(fact) => self.on_link(&fact, now),
            Report::AdvertSocket { link, transport } => {
                if let (Some(link), Some(socket)) = (self.setup.link(&link), descriptor) {
                    self.on_advert_socket(link, transport, socket)?;
                }
            }
            Report::AnnounceSocket { link } => {
                if let Some(socket) = descriptor
                    && let Err(error) = self.wire.add_announcer(link.clone(), socket)
                {
                    log::error!("ipmgr's socket for announcements on {link} is none: {error}");
                }
            }
            Report::Ready => {
                self.manager.greeted();
                self.core.handle(now, Input::ManagerPresent { held: &std::mem::take(&mut self.held) });
            }
            Report::Placed { instance, order, places } => {
                if let Some(instance) = self.setup.instance(&instance) {
                    self.on_placed(instance, OrderNumber(order), &places, now);
                }
            }
            Report::Installed { instance, order, failures, nothing, places } => {
                if let Some(instance) = self.setup.instance(&instance) {
                    let order = OrderNumber(order);
                    self.on_placed(instance, order, &places, now);
                    self.in_place.complete(instance, order);
                    let failures = failures.as_slice();
                    self.core.handle(now, Input::Installed { instance, order, failures, nothing });
                }
            }
            Report::Withdrawn { instance, order, why } => {
                if order.is_none() {
                    log::warn!("({instance}) ipmgr has withdrawn the addresses: {why}");
                }
                if let Some(instance) = self.setup.instance(&instance) {
                    self.core.handle(now, Input::Withdrawn { instance, order: order.map(OrderNumber) });
                }
            }
            Report::Prepared { fingerprint, error } => self.on_prepared(fingerprint, error, now),
            Report::Refused { why } => self.manager.complain(format!("it refuses: {why}")),
            Report::Troubles(troubles) => self.troubles = troubles,
            Report::Barred { instance, why } => {
                if let Some(instance) = self.setup.instance(&instance) {
                    self.core.handle(now, Input::Barred { instance, why: &why });
                }
            }
            Report::Mended { instance } => {
                if let Some(instance) = self.setup.instance(&instance) {
                    self.core.handle(now, Input::Mended { instance });
                }
            }
            // That it was heard at all is what it says.
            Report::Alive => {}
            Report::WatchSocket { link, family } => {
                if let (Some(carrier), Some(socket)) = (self.setup.carrier(&link), descriptor) {
                    self.on_watch_socket(carrier, family, socket)?;
                }
            }
        }
        Ok(())
    }

    fn on_link(&mut self, fact: &LinkFact, now: Instant) {
        let moved = self.wire.set_mac(&fact.name, fact.mac);
        self.core.handle(now, Input::Link(fact));
        if moved {
            for instance in self.setup.instances_on(&fact.name) {
                self.core.handle(now, Input::Moved { instance });
            }
        }
    }

    fn on_advert_socket(
        &mut self,
        link: LinkId,
        transport: Transport,
        socket: std::os::fd::OwnedFd,
    ) -> Result<(), Failure> {
        match self.wire.add_adverts(link, transport, socket) {
            Ok(older) => {
                if let Some(older) = older {
                    // It is closed right after; an error here can only mean that it is watched no more.
                    let _ = self.reactor.deregister(&older);
                }
                let Some(socket) = self.wire.adverts(link, transport) else { return Ok(()) };
                self.reactor
                    .register(token_of(link, transport), socket, Interest::READABLE)
                    .map_err(|error| Failure::io("watch a socket for adverts", &error))?;
            }
            Err(error) => log::error!("ipmgr's socket for {transport} adverts is none: {error}"),
        }
        Ok(())
    }

    fn on_watch_socket(
        &mut self,
        carrier: CarrierId,
        family: Family,
        socket: std::os::fd::OwnedFd,
    ) -> Result<(), Failure> {
        match self.wire.add_watch(carrier, family, socket) {
            Ok(older) => {
                if let Some(older) = older {
                    // As for adverts.
                    let _ = self.reactor.deregister(&older);
                }
                let Some(socket) = self.wire.watch(carrier, family) else { return Ok(()) };
                self.reactor
                    .register(token_of_carrier(carrier, family), socket, Interest::READABLE)
                    .map_err(|error| Failure::io("watch a socket for claims", &error))?;
            }
            Err(error) => log::error!("ipmgr's socket for {family} claims is none: {error}"),
        }
        Ok(())
    }

    /// Somebody may say that one of our addresses is theirs.
    fn on_claims(&mut self, token: Token, now: Instant) {
        let (carrier, family) = carrier_of(token);
        let (core, setup) = (&mut self.core, &self.setup);
        let drained = self.wire.overhear(carrier, family, |claim| {
            for instance in setup.holders(carrier, claim.address) {
                let (instance, address, mac) = (*instance, claim.address, claim.mac);
                core.handle(now, Input::Claim { instance, address, mac });
            }
        });
        if drained == Drained::TurnOver {
            self.reactor.again(token);
        }
    }

    /// Does what the core wants done: all that is urgent, and some of the rest.
    fn drain(&mut self, now: Instant) {
        while let Some(output) = self.core.poll_output() {
            if is_urgent(&output) {
                self.act(output, now);
            } else {
                self.backlog.push(output);
            }
        }
        for _ in 0..self.backlog.turn() {
            if let Some(output) = self.backlog.pop() {
                self.act(output, now);
            }
        }
        self.announce_waiting();
        if self.penalties_due {
            self.remember_penalties(now);
        }
        if self.backlog.is_empty() && std::mem::take(&mut self.summary_due) {
            service::notify_status(&self.feed.summary());
        }
    }

    fn act(&mut self, output: Output, now: Instant) {
        match output {
            Output::Transmit(transmit) => {
                self.wire.transmit(&transmit, self.setup.virtual_mac(transmit.instance));
            }
            Output::Install { instance, order } => {
                self.in_place.begin(instance, order);
                self.order(instance, now, |instance| Order::Install { instance, order: order.0 });
            }
            Output::Withdraw { instance, order } => {
                self.order(instance, now, |instance| Order::Withdraw { instance, order: order.0 });
            }
            Output::Prelude { instance, order, prelude } => self.ask_for(instance, order, prelude, now),
            Output::Announce(instance) => self.announce(instance, now),
            Output::AnnouncePlaced { instance, places, times } => {
                self.announce_placed(instance, &places, times, now);
            }
            Output::Transition(transition) => self.on_transition(&transition),
            Output::GroupTransition(transition) => self.on_group_transition(&transition),
            Output::LowerMaster(lower) => self.on_lower_master(&lower),
            Output::Priority { instance, priority } => self.on_priority(instance, priority),
            Output::Notice(notice) => {
                let name = notice.instance.and_then(|id| self.setup.instance_config(id)).map(|it| &it.name);
                let name = name.map(|name| format!("({name}) ")).unwrap_or_default();
                let more = match notice.suppressed {
                    0 => String::new(),
                    n => format!(" ({n} more like this)"),
                };
                log::warn!("{name}{}{more}", notice.text);
            }
            Output::Penalties(_) => self.penalties_due = true,
            Output::Finished => {
                self.finished = true;
                self.remember_penalties(now);
            }
        }
    }

    /// What this node failed as master before this vrrp-core started still counts.
    fn recall_penalties(&mut self, now: Instant) {
        for (name, penalty) in self.penalties.iter() {
            let Some(instance) = self.setup.instance(name) else { continue };
            self.core.handle(now, Input::Penalty { instance, penalty: &penalty });
            if self.core.penalties(instance).any(|it| it.check == penalty.check) {
                let left = penalty.until.map_or(penalty.length, |until| until.since(now)).as_secs();
                let check = &penalty.check;
                log::info!(
                    "({name}) {check} failed while MASTER, before this start: it counts for {left} s more, or until `handover undrain {name}`"
                );
            }
        }
    }

    /// For the vrrp-core after this one; whose failure lasts until we end, has until then.
    fn remember_penalties(&mut self, now: Instant) {
        let (core, finished) = (&self.core, self.finished);
        let instances = self.setup.core.instances.iter().enumerate();
        self.penalties.keep(instances.flat_map(|(place, config)| {
            core.penalties(InstanceId(place)).map(move |penalty| {
                let until = penalty.until.or(finished.then_some(now + penalty.length));
                (config.name.clone(), vrrp::PenaltyView { until, ..penalty })
            })
        }));
        self.penalties_due = false;
    }

    fn order(&mut self, id: InstanceId, now: Instant, make: impl FnOnce(model::InstanceName) -> Order) {
        if let Some(instance) = self.setup.instance_config(id) {
            self.manager.send(&make(instance.name.clone()), now);
        }
    }

    fn on_transition(&mut self, transition: &vrrp::Transition) {
        let Some(event) = self.feed.record(transition, &moment()) else { return };
        match transition.to {
            Some(state) => log::info!("({}) Entering {state} STATE: {}", event.instance, event.cause),
            None => log::info!("({}) stopped: {}", event.instance, event.cause),
        }
        self.publish_event(event.sequence, &Message::Event(event));
    }

    fn on_group_transition(&mut self, transition: &vrrp::GroupTransition) {
        let Some(event) = self.feed.record_group(transition, &moment()) else { return };
        match transition.to {
            Some(state) => log::info!("(group {}) Entering {state} STATE: {}", event.group, event.cause),
            None => log::info!("(group {}) stopped: {}", event.group, event.cause),
        }
        self.publish_event(event.sequence, &Message::GroupEvent(event));
    }
}

impl service::Daemon for Daemon {
    fn reactor(&mut self) -> &mut Reactor {
        &mut self.reactor
    }

    fn socket(&self) -> &Path {
        self.server.path()
    }

    /// As after a crash: the next one resumes.
    fn on_lost_socket(&mut self, _: Instant) -> Turn {
        Turn::Over
    }

    fn on_turn(&mut self, now: Instant) -> Result<Turn, Failure> {
        self.on_time(now)?;
        self.drain(now);
        if self.finished {
            return Ok(Turn::Over);
        }
        if let Some(interest) = self.manager.change_of_interest()
            && let Some(descriptor) = self.manager.descriptor()
        {
            self.reactor
                .reregister(MANAGER, descriptor, interest)
                .map_err(|error| Failure::io("watch the link to ipmgr", &error))?;
        }
        let deadline = if self.backlog.is_empty() { self.next_deadline() } else { Some(now) };
        if let Some(until) = self.lull.begin(sys::clock::now(), deadline) {
            self.reactor.look_away(until);
        }
        Ok(Turn::Sleep(deadline))
    }

    fn on_ready(&mut self, token: Token, readiness: Readiness, now: Instant) -> Result<(), Failure> {
        match token {
            Token(number) if (FIRST_LINK..SERVER).contains(&number) => self.lull.on_packets(now),
            _ => self.lull.on_others(),
        }
        match token {
            MANAGER => {
                if readiness.writable {
                    self.manager.on_writable(now);
                }
                if readiness.readable {
                    let mut news = Vec::new();
                    if self.manager.on_readable(now, &mut news) {
                        self.reactor.again(token);
                    }
                    for (report, descriptor) in news {
                        self.on_report(report, descriptor, now)?;
                    }
                }
            }
            CHECKER => {
                for (check, verdict, number) in self.checker.on_ready(&mut self.reactor, now) {
                    if let Some(number) = number {
                        self.core.handle(now, Input::Number { check: &check, number });
                    }
                    self.core.handle(now, Input::Verdict { check: &check, verdict });
                }
                self.of_one_mind(now);
            }
            RELOAD => self.on_read(now),
            Token(number) if number >= SERVER => {
                for event in self.server.on_ready(&mut self.reactor, token) {
                    self.on_client(event, now);
                }
            }
            Token(number) if number >= FIRST_CARRIER => self.on_claims(token, now),
            Token(number) => {
                let (link, transport) = link_of(number);
                let core = &mut self.core;
                if self.wire.receive(link, transport, |packet| core.handle(now, Input::Packet(packet)))
                    == Drained::TurnOver
                {
                    self.reactor.again(token);
                }
            }
        }
        Ok(())
    }

    fn on_stop(&mut self, now: Instant) {
        if !self.stopping {
            log::info!("stopping");
            service::notify_stopping();
            self.stopping = true;
            self.publish(&Message::Stopping);
            self.core.handle(now, Input::Shutdown);
        }
    }

    fn on_reload(&mut self, _: Instant) {
        self.reload.on_signal();
    }
}

/// The token of that link's socket: as many per link as there are transports.
const fn token_of(link: LinkId, transport: Transport) -> Token {
    let transport = match transport {
        Transport::V4 => 0,
        Transport::V6 => 1,
        Transport::Ah => 2,
    };
    Token(FIRST_LINK + link.0 * 3 + transport)
}

const fn link_of(token: usize) -> (LinkId, Transport) {
    let number = token.saturating_sub(FIRST_LINK);
    let transport = match number % 3 {
        0 => Transport::V4,
        1 => Transport::V6,
        _ => Transport::Ah,
    };
    (LinkId(number / 3), transport)
}

/// Two per link.
const fn token_of_carrier(carrier: CarrierId, family: Family) -> Token {
    let family = match family {
        Family::V4 => 0,
        Family::V6 => 1,
    };
    Token(FIRST_CARRIER + carrier.0 * 2 + family)
}

const fn carrier_of(Token(number): Token) -> (CarrierId, Family) {
    let number = number.saturating_sub(FIRST_CARRIER);
    (CarrierId(number / 2), if number.is_multiple_of(2) { Family::V4 } else { Family::V6 })
}
