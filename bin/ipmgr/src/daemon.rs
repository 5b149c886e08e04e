//! The loop: orders change what should be, the kernel says what is, and the difference is made. Nothing is decided here.
//!
//! Every turn ends in [`Daemon::settle`], which compares everything with everything. So no order, answer or event is ever
//! "handled": it only makes the next comparison come sooner.

mod answers;
mod apply;
mod door;
mod meanwhile;
mod reload;
mod secondaries;
mod troubles;
mod virtual_links;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use config::Config;
use ipc::core_ipmgr::{ALIVE_EVERY, Order, Report, SOCKET};
use model::{InstanceName, Instant, LinkFact, LinkName};
use reactor::{Interest, Reactor, Token};
use service::reload::Participant;
use service::{Exit, Failure, Readiness, Start, Turn};
use sys::landlock::May;
use sys::netlink::{Changed, Monitor, Route};
use sys::privilege::{self, Capability};
use sys::seqpacket::Listener;
use sys::sole::Sole;

use crate::claims::{Claim, Claims, InstanceId};
use crate::contest::Contest;
use crate::core_link::{CoreLink, End, Stage};
use crate::debt::Debt;
use crate::doubles::Doubles;
use crate::evidence::Evidence;
use crate::facts::{self, Configured};
use crate::gate::{CORE_USER, Gate};
use crate::limiter::Limiter;
use crate::needs::NEEDS;
use crate::paths;
use crate::plan::{self, Placed, Spot, Thing};
use crate::progress::Progress;
use crate::shutter::{self, Shutter};
use crate::sockets::{self, Use};
use crate::succession::Note;
use crate::world::World;
use answers::{Answer, Answered};
use door::Greeting;
use meanwhile::Meanwhile;

const LISTENER: Token = Token(0);
const MONITOR: Token = Token(1);
const CORE: Token = Token(2);
const NEWCOMER: Token = Token(3);
const RELOAD: Token = Token(4);
/// One token per link follows, for [`Evidence`].
const FIRST_LINK: usize = 5;
/// Members of the group may connect; [`Gate`] decides who may stay.
const SOCKET_MODE: u32 = 0o660;
/// Settings of links that have no message of netlink.
const NETWORK_SETTINGS: &str = "/proc/sys/net";
/// How often the kernel is asked even if nothing seems to have changed.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How soon it is asked again when it could not answer.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long after a repair we wait before we look what became of it: somebody who keeps removing an address gets an
/// opponent that is quick, and not a loop.
const AFTER_REPAIR: Duration = Duration::from_millis(50);
/// How many refusals of the kernel's are logged in ten seconds; the status has them, too.
const MAX_REFUSALS: u32 = 64;
/// How many things that were put back are named in ten seconds.
const MAX_REPAIRS: u32 = 48;
/// How many lines are logged in ten seconds about what the kernel takes at last; there is one for each instance.
const MAX_AT_LAST: u32 = 48;
/// How many comings and goings of a vrrp-core are logged in ten seconds.
const MAX_VISITS: u32 = 20;
/// How long we wait at the end for a vrrp-core to say goodbye to its peers and withdraw.
const FAREWELL: Duration = Duration::from_secs(3);

/// Runs until SIGTERM or SIGINT.
pub(crate) fn run(start: Start) -> Result<(), Failure> {
    for right in [Capability::NetAdmin, Capability::NetRaw] {
        if !privilege::has(right).map_err(|error| Failure::io("read own capabilities", &error))? {
            return Err(Failure::new(
                Exit::Rights,
                format!("{right} is missing: ipmgr can't do its job without"),
            ));
        }
    }
    privilege::restrict(&[Capability::NetAdmin, Capability::NetRaw], true)
        .map_err(|error| Failure::io("drop all other capabilities", &error))?;
    let runtime = start.runtime_dir.clone();
    let daemon = Daemon::new(start)?;
    service::confine("ipmgr", NEEDS, &[(&runtime, May::Keep), (Path::new(NETWORK_SETTINGS), May::Write)]);
    service::notify_ready("waiting for vrrp-core");
    service::serve(daemon)
}

struct Daemon {
    config: Arc<Config>,
    reload: Participant<(), ()>,
    /// The places of the configurations before.
    former: HashSet<Spot>,
    /// What we have put in place, and has been there since.
    placed: HashSet<Placed>,
    path: PathBuf,
    instances: HashMap<InstanceName, InstanceId>,
    configured: Configured,
    uses: BTreeMap<LinkName, Use>,
    claims: Claims,
    world: World,
    evidence: Evidence,
    shutter: Shutter,
    doubles: Doubles,
    /// We have changed what the kernel tells of only later: the picture is not to be used again.
    outdated: bool,
    answers: Vec<Answer>,
    /// What vrrp-core said while an order was being made.
    meanwhile: Meanwhile,
    /// What vrrp-core was told in advance of those answers.
    progress: Progress,
    /// What the last answer to an order said, of instances that are still ordered.
    answered: BTreeMap<InstanceId, Answered>,
    /// What failed in the last comparison, so that the log says it once.
    failures: HashMap<Thing, String>,
    /// The comparison may come out differently than the last time.
    dirty: bool,
    /// When the kernel is asked next if nothing happens.
    look_at: Instant,
    /// When vrrp-core is to hear from us again.
    alive_at: Instant,
    /// Before this a mere change is no reason to ask.
    rest_until: Instant,
    /// The indices of the links that are to have `promote_secondaries`, and whether that is to be put back.
    promoted: HashMap<u32, bool>,
    /// Of those, what the next ipmgr would have to put back.
    debt: Debt,
    /// The interfaces of virtual MACs that we have made, and not deleted.
    made: HashSet<LinkName>,
    /// Those of them that somebody keeps deleting, and that are not there until their time has come.
    held_back: HashSet<LinkName>,
    /// When to look next whether somebody has their bases answer for them.
    quieten_at: Instant,
    /// Why there is no virtual MAC.
    no_virtual_link: HashMap<Thing, String>,
    /// Who can't have addresses for that, as vrrp-core was told.
    barred: BTreeSet<InstanceName>,
    /// Another configuration runs since the last comparison: what is missing then was never there.
    adopted: bool,
    /// The interfaces that were up at the last comparison, by their indices, if there was one.
    were_up: Option<HashSet<u32>>,
    /// What was added just now that had been refused, by whose it is: the first of each, and how many.
    at_last: BTreeMap<Option<InstanceId>, (String, u64)>,
    /// What somebody takes away again and again.
    contest: Contest,
    repairs: Limiter,
    /// What the kernel takes at last.
    mended: Limiter,
    strangers: Limiter,
    complaints: Limiter,
    /// The kernel couldn't be asked.
    blindness: Limiter,
    /// The kernel refused something.
    refusals: Limiter,
    /// What vrrp-core ordered.
    orders: Limiter,
    /// Who comes and goes.
    visits: Limiter,
    gate: Gate,
    /// Somebody may still wait whom we could not take when they came.
    accept_again: bool,
    core: Option<CoreLink>,
    /// Somebody who may be the next vrrp-core, and has not proved it yet.
    newcomer: Option<CoreLink>,
    /// What it said, while we read our configuration again because it runs another one.
    greeting: Option<Greeting>,
    route: Route,
    monitor: Monitor,
    /// That we are the only ipmgr here.
    sole: Option<Sole>,
    listener: Listener,
    reactor: Reactor,
    stop_at: Option<Instant>,
}

impl Daemon {
    fn new(start: Start) -> Result<Self, Failure> {
        let now = sys::clock::now();
        let failed = |doing: &'static str| move |error: io::Error| Failure::io(doing, &error);
        let sole = service::sole::become_ipmgr()?;
        let core_user = sys::user::lookup(CORE_USER).map_err(failed("look up vrrp-core's user"))?;
        let reactor = service::event_loop()?;
        let mut route = Route::open().map_err(failed("open a netlink socket"))?;
        // Before the first look, so that no change falls between the two.
        let monitor =
            Monitor::open_with_paths(paths::ORIGIN).map_err(failed("watch links, addresses and routes"))?;
        let world =
            World::look(&mut route, true).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        let config = &start.config;
        let mut claims = Claims::new(config.instances.iter().map(|instance| instance.advert_interval), now);
        let left_over = plan::left_over(config, &world);
        left_over.iter().for_each(|instance| claims.leave_over(*instance, now));
        match Note::take(&start.runtime_dir, now) {
            Ok(Some(note)) => {
                // Only what is in place can be gone on with.
                let named = |id: &&InstanceId| {
                    config.instances.get(id.0).is_some_and(|it| note.instances.contains(&it.name))
                };
                left_over.iter().filter(named).for_each(|instance| claims.order(*instance));
                claims.hear(note.heard());
            }
            Ok(None) => {}
            Err(error) => {
                log::warn!("what our predecessor left is no use, and its addresses are left over: {error}")
            }
        }
        let path = start.runtime_dir.join(SOCKET);
        let listener = Listener::bind(&path, SOCKET_MODE).map_err(|error| Failure::listen(&path, &error))?;
        reactor.register(LISTENER, &listener, Interest::READABLE).map_err(failed("watch the socket"))?;
        reactor.register(MONITOR, &monitor, Interest::READABLE).map_err(failed("watch netlink"))?;
        let uses = sockets::uses(config);
        Ok(Self {
            evidence: Evidence::new(uses.keys(), FIRST_LINK, now),
            instances: by_name(config),
            configured: Configured::of(config),
            uses,
            gate: Gate::new(core_user.map(|user| user.uid), sys::user::effective_uid()),
            former: HashSet::new(),
            placed: HashSet::new(),
            reload: Participant::new(&start, RELOAD, |_, _| ((), Vec::new())),
            config: start.config,
            path,
            claims,
            world,
            shutter: Shutter::default(),
            doubles: Doubles::default(),
            outdated: false,
            answers: Vec::new(),
            meanwhile: Meanwhile::default(),
            progress: Progress::default(),
            answered: BTreeMap::new(),
            failures: HashMap::new(),
            dirty: true,
            look_at: now + LOOK_EVERY,
            alive_at: now + ALIVE_EVERY,
            rest_until: now,
            promoted: HashMap::new(),
            debt: Debt::take_over(&start.runtime_dir),
            made: HashSet::new(),
            held_back: HashSet::new(),
            quieten_at: now,
            no_virtual_link: HashMap::new(),
            barred: BTreeSet::new(),
            adopted: false,
            were_up: None,
            at_last: BTreeMap::new(),
            contest: Contest::default(),
            repairs: Limiter::of(MAX_REPAIRS, "what was put back"),
            mended: Limiter::of(MAX_AT_LAST, "what was added at last"),
            strangers: Limiter::about("who was refused"),
            complaints: Limiter::about("what could not be done"),
            blindness: Limiter::about("what the kernel could not be asked"),
            refusals: Limiter::of(MAX_REFUSALS, "what was refused"),
            orders: Limiter::about("what vrrp-core ordered"),
            visits: Limiter::of(MAX_VISITS, "who came and went"),
            accept_again: false,
            core: None,
            newcomer: None,
            greeting: None,
            route,
            monitor,
            sole,
            listener,
            reactor,
            stop_at: None,
        })
    }

    fn next_deadline(&self, now: Instant) -> Instant {
        let look = if self.dirty { self.rest_until.max(now) } else { self.look_at };
        let others =
            [self.claims.next_deadline(), self.contest.next_deadline(), self.stop_at, Some(self.alive_at)];
        others.into_iter().flatten().fold(look, Instant::min)
    }

    /// What may keep lines back from the log.
    const fn limiters(&mut self) -> [&mut Limiter; 8] {
        [
            &mut self.repairs,
            &mut self.mended,
            &mut self.strangers,
            &mut self.complaints,
            &mut self.blindness,
            &mut self.refusals,
            &mut self.orders,
            &mut self.visits,
        ]
    }

    /// Does something with the core's link, and drops the link if that fails.
    fn with_core(&mut self, action: impl FnOnce(&mut CoreLink) -> Result<(), String>) {
        if let Some(core) = &mut self.core
            && let Err(why) = action(core)
        {
            self.drop_core(&why);
        }
    }

    fn drop_core(&mut self, why: &str) {
        if self.core.take().is_some() {
            // Who holds nothing any more has stopped in good order, or leaves nobody without an address.
            let level =
                if self.claims.ordered().next().is_some() { log::Level::Warn } else { log::Level::Info };
            self.visits.mention(sys::clock::now(), || log::log!(level, "vrrp-core is gone: {why}"));
            self.answers.clear();
            self.answered.clear();
            self.barred.clear();
            self.reload.forget(&());
            service::notify_status("waiting for vrrp-core");
        }
    }

    fn on_core(&mut self, now: Instant) {
        let Some(core) = &mut self.core else { return };
        let (orders, end) = core.read();
        self.carry_out(orders, end, now);
    }

    fn carry_out(&mut self, orders: Vec<Order>, end: End, now: Instant) {
        for order in orders {
            if self.core.is_some() {
                self.on_order(order, now);
            }
        }
        self.on_end(end);
    }

    fn on_end(&mut self, end: End) {
        match end {
            End::Empty => {}
            End::TurnOver => self.reactor.again(CORE),
            End::Broken(why) => self.drop_core(&why),
        }
    }

    fn on_order(&mut self, order: Order, now: Instant) {
        self.claims.hear(now);
        match order {
            Order::Hello { .. } => {
                let why = "hello comes first, and once".to_owned();
                self.with_core(|core| core.send(&Report::Refused { why }, None));
                self.drop_core("it says hello again");
            }
            Order::Beat => {}
            Order::Prepare => self.on_prepare(now),
            Order::Adopt { fingerprint } => self.on_adopt(fingerprint, now),
            Order::Install { instance, order } => {
                if let Some(instance) = self.known(&instance) {
                    self.dirty = true;
                    self.claims.order(instance);
                    self.answers.push(Answer::Installed { instance, order });
                }
            }
            Order::Withdraw { instance, order } => {
                if let Some(instance) = self.known(&instance) {
                    self.dirty = true;
                    let held = self.claims.of(instance) != Claim::Nobody;
                    self.claims.withdraw(instance);
                    let why = "as ordered".to_owned();
                    self.answers.push(Answer::Withdrawn { instance, order: Some(order), why, held });
                }
            }
        }
    }

    /// The instance of that name; an unknown one is refused, which no vrrp-core with our configuration gives cause for.
    fn known(&mut self, name: &InstanceName) -> Option<InstanceId> {
        let found = self.instances.get(name).copied();
        if found.is_none() {
            let why = format!("there is no instance '{name}' in the configuration");
            self.complaints.mention(sys::clock::now(), || log::warn!("vrrp-core's order is refused: {why}"));
            self.with_core(|core| core.send(&Report::Refused { why }, None));
        }
        found
    }

    /// The instances whose addresses a vrrp-core has ordered.
    fn held(&self) -> Vec<InstanceName> {
        self.claims.ordered().filter_map(|id| self.name(id)).cloned().collect()
    }

    fn name(&self, id: InstanceId) -> Option<&InstanceName> {
        self.config.instances.get(id.0).map(|instance| &instance.name)
    }

    /// Withdraws what was ordered by a vrrp-core that is silent for too long, and what an earlier ipmgr left and nobody
    /// has claimed.
    fn end_claims(&mut self, now: Instant) {
        if self.claims.next_deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        // It may be we who slept: then what proves that vrrp-core lives has been waiting here.
        self.on_core(now);
        for over in self.claims.run_out(now) {
            let Some(name) = self.name(over.instance) else { continue };
            match over.claim {
                Claim::Nobody => {}
                Claim::LeftOver(_) => {
                    log::info!("({name}) removing addresses that nobody claimed after our restart")
                }
                Claim::Ordered => {
                    let why = format!("nothing was heard of vrrp-core for {} ms", over.silence.as_millis());
                    log::warn!("({name}) removing the addresses: {why}");
                    self.answers.push(Answer::Withdrawn {
                        instance: over.instance,
                        order: None,
                        why,
                        held: true,
                    });
                }
            }
            self.dirty = true;
        }
    }

    /// Compares what should be with what is, makes the difference, and tells vrrp-core.
    fn settle(&mut self, now: Instant) {
        let rested = self.dirty && self.rest_until <= now;
        let again = self.contest.is_over(now);
        if !rested && !again && self.answers.is_empty() && now < self.look_at {
            return;
        }
        self.look(now);
        self.keep_virtual_links(now);
        self.evidence.look(&self.world, &self.reactor);
        self.promote(now);
        let shut = shutter::wanted(&self.config, &self.claims, &self.world);
        let table = shutter::table(&self.config);
        let told_otherwise = self.shutter.shut(&shut, &table) | self.doubles.is_news();
        let plan = plan::plan(&self.config, (&self.former, &self.placed), &self.claims, &self.world);
        let paths = paths::paths(&self.config, &self.claims, &self.world);
        self.make(plan, paths, now);
        self.shutter.reopen(&shut, &table);
        if self.shutter.may_soon() {
            self.look_at = self.look_at.min(now + LOOK_AGAIN);
        }
        if told_otherwise {
            self.answer_again(&self.asked());
        }
        // A link that is gone explains what is said of its addresses.
        self.tell(now);
        self.tell_barred();
        self.answer(now);
        self.progress = Progress::default();
        self.tell_troubles(now);
    }

    /// Asks the kernel, if its last answer may not hold any more.
    fn look(&mut self, now: Instant) {
        let changed = self.monitor.drain().unwrap_or_else(|error| {
            self.blindness.mention(now, || log::error!("read netlink events: {error}"));
            Changed::Lost
        });
        if changed == Changed::Nothing && now < self.look_at && !self.outdated {
            self.dirty = false;
            return;
        }
        // As good a moment as any, and it comes every few seconds.
        self.sole.iter().for_each(Sole::turn_away);
        // Ours may have been left by an earlier life, or by an earlier configuration.
        let has_paths = paths::are_wanted(&self.config) || self.world.has_paths();
        match World::look(&mut self.route, has_paths) {
            Ok(world) => {
                self.doubles.look(&world);
                plan::remember(&mut self.placed, &self.config, &self.claims, &world);
                self.world = world;
                self.outdated = false;
                self.dirty = false;
                self.look_at = now + LOOK_EVERY;
            }
            Err(error) => {
                self.blindness.mention(now, || log::error!("{error}; what was known before is used"));
                self.look_at = now + LOOK_AGAIN;
                self.rest_until = self.look_at;
            }
        }
    }

    /// Tells vrrp-core what it has not been told about links, and gives it the sockets of those that are new.
    fn tell(&mut self, now: Instant) {
        let Some(core) = &mut self.core else { return };
        let fact = |name: &_| facts::fact(name, &self.world, &self.configured, self.evidence.carries(name));
        let told = tell_links(core, &self.uses, fact, |complaint| {
            self.complaints.mention(now, || log::error!("{complaint}"));
        });
        if let Err(why) = told {
            self.drop_core(&why);
        }
    }

    /// Removes everything that is ours, and goes.
    fn leave(&mut self, now: Instant) {
        self.claims.clear();
        self.look_at = now;
        self.look(now);
        self.promote(now);
        let plan = plan::plan(&self.config, (&self.former, &self.placed), &self.claims, &self.world);
        let count = plan.changes.len();
        let paths = paths::paths(&self.config, &self.claims, &self.world);
        self.make(plan, paths, now);
        self.delete_virtual_links(now);
        self.demote(&HashSet::new());
        self.limiters().into_iter().for_each(Limiter::tell_all);
        log::info!("{count} addresses removed, {} could not be", self.failures.len());
        // Nobody listens there any more; a file that stays is removed by the next ipmgr.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl service::Daemon for Daemon {
    fn reactor(&mut self) -> &mut Reactor {
        &mut self.reactor
    }

    fn socket(&self) -> &Path {
        &self.path
    }

    fn on_lost_socket(&mut self, _: Instant) -> Turn {
        self.on_succession();
        Turn::Over
    }

    fn on_turn(&mut self, now: Instant) -> Result<Turn, Failure> {
        if std::mem::take(&mut self.accept_again) {
            self.on_listener(now)?;
        }
        self.end_claims(now);
        self.settle(now);
        self.catch_up(now);
        self.tell_alive(now);
        if self.stop_at.is_some_and(|at| self.core.is_none() || at <= now) {
            self.leave(now);
            return Ok(Turn::Over);
        }
        // Whoever has nothing more to say owes the count of what was left out.
        let owed = self.limiters().into_iter().filter_map(|limiter| limiter.tell(now)).min();
        let deadline = self.next_deadline(now);
        Ok(Turn::Sleep(Some(owed.map_or(deadline, |owed| owed.min(deadline)))))
    }

    fn on_ready(&mut self, token: Token, readiness: Readiness, now: Instant) -> Result<(), Failure> {
        match token {
            LISTENER => self.on_listener(now)?,
            MONITOR => self.dirty = true,
            NEWCOMER => self.on_newcomer(now)?,
            RELOAD => self.on_read(now)?,
            CORE => {
                if readiness.writable {
                    self.with_core(CoreLink::flush);
                }
                if readiness.readable {
                    self.on_core(now);
                }
            }
            Token(_) => {
                self.evidence.on_ready(token, &self.reactor);
                self.dirty = true;
            }
        }
        Ok(())
    }

    fn on_stop(&mut self, now: Instant) {
        if self.stop_at.is_none() {
            log::info!("stopping");
            service::notify_stopping();
            self.stop_at = Some(now + FAREWELL);
        }
    }

    fn on_reload(&mut self, _: Instant) {
        self.reload.on_signal();
    }

    fn on_succession(&mut self) {
        let held = self.held();
        if let Some(runtime_dir) = self.path.parent()
            && !held.is_empty()
        {
            let left = Note::new(self.claims.heard(), held).and_then(|note| note.leave(runtime_dir));
            left.unwrap_or_else(|error| {
                log::warn!("our successor won't know whose addresses these are: {error}")
            });
        }
    }
}

/// The number of each instance.
fn by_name(config: &Config) -> HashMap<InstanceName, InstanceId> {
    let named = config.instances.iter().enumerate();
    named.map(|(number, instance)| (instance.name.clone(), InstanceId(number))).collect()
}

/// Sends the sockets and facts of every link about which something is new, and [`Report::Ready`] after the first time.
fn tell_links(
    core: &mut CoreLink,
    uses: &BTreeMap<LinkName, Use>,
    fact: impl Fn(&LinkName) -> LinkFact,
    mut complain: impl FnMut(String),
) -> Result<(), String> {
    for (name, usage) in uses {
        let fact = fact(name);
        // Sockets first: a link that vrrp-core believes in is one that it can use.
        match fact.index {
            None => {
                core.given.remove(name);
            }
            Some(index) if core.given.get(name) == Some(&index) => {}
            Some(index) => match usage.open(name, index) {
                Ok(sockets) => {
                    sockets.into_iter().try_for_each(|(report, socket)| core.send(&report, Some(socket)))?;
                    core.given.insert(name.clone(), index);
                }
                Err(error) => complain(format!("open sockets on {name}: {error}")),
            },
        }
        if core.told.get(name) != Some(&fact) {
            core.send(&Report::Link(fact.clone()), None)?;
            core.told.insert(name.clone(), fact);
        }
    }
    if core.stage == Stage::Fresh {
        core.send(&Report::Ready, None)?;
        core.stage = Stage::Ready;
    }
    Ok(())
}
