//! The acts: something is done to the hosts, and what follows is compared with what the configurations promise.
//!
//! The same acts for every directory: start; the service on the master dies and returns; everything on the master dies
//! and returns. An act has come out when the right node is MASTER in its own words, its adverts have the right priority,
//! no other node says MASTER, and the client is answered by it. A rehearsal ends at the first act that doesn't.

use std::time::Duration;

use ::lab::Lab;
use ipc::events::Told;

use super::floor::{Floor, seconds};
use super::plan::Plan;
use super::probe;
use super::rules::{Contender, master_after};
use super::stage::Stage;
use super::watch::Watch;

/// What an act may take beyond what its configuration makes it take: only one that fails waits so long.
const PATIENCE: Duration = Duration::from_secs(40);
/// How many intervals of the slowest check and advert are allowed for.
const MAX_INTERVALS: u32 = 12;
/// So many of the slowest intervals have to pass before "nothing moves" is believed: one check's worth and a master-down
/// interval (3 and a skew).
const QUIET_INTERVALS: u32 = 5;
/// How many of the last lines that hosts printed are shown when an act fails.
const MAX_PRINTED: usize = 200;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Start,
    KillService(usize),
    ReturnService(usize),
    KillNode(usize),
    ReturnNode(usize),
}

/// How an act came out, for the summary.
#[derive(Debug)]
struct Outcome {
    title: String,
    gap: Option<Duration>,
    floor: Option<Floor>,
}

/// A rehearsal under way.
struct Show<'a> {
    plan: &'a Plan,
    lab: &'a Lab,
    stage: Stage<'a>,
    watch: Watch,
    /// Who should be master, and so far is.
    master: Option<String>,
    outcomes: Vec<Outcome>,
}

/// Plays all acts; whether every one came out.
///
/// # Errors
/// The lab can't be made, or breaks.
pub(super) fn play(plan: &Plan) -> Result<bool, String> {
    let program =
        std::env::current_exe().map_err(|error| format!("find out which program this is: {error}"))?;
    let lab = Lab::start(&program).map_err(|error| error.to_string())?;
    let stage = Stage::build(&lab, plan, &program).map_err(|error| error.to_string())?;
    let watch = Watch::new();
    introduce(plan, &stage, &watch);
    let mut show = Show { plan, lab: &lab, stage, watch, master: None, outcomes: Vec::new() };
    show.stage.start_probe().map_err(|error| error.to_string())?;
    let good = show.all_acts()?;
    show.sum_up(good);
    Ok(good)
}

fn introduce(plan: &Plan, stage: &Stage<'_>, watch: &Watch) {
    let timeline = &watch.timeline;
    timeline.headline(&format!("{} and a client, in namespaces of their own", names(plan)));
    timeline.remark(&format!(
        "The client asks {} port {} every {} ms; {} answers with its host's name.",
        plan.target.address,
        plan.port,
        probe::INTERVAL.as_millis(),
        stage.service_in_words()
    ));
}

fn names(plan: &Plan) -> String {
    plan.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join(", ")
}

impl<'a> Show<'a> {
    fn all_acts(&mut self) -> Result<bool, String> {
        if !self.act(Deed::Start)? {
            return Ok(false);
        }
        if let Some(master) = self.master_index().filter(|_| self.plan.service_is_checked)
            && !(self.act(Deed::KillService(master))? && self.act(Deed::ReturnService(master))?)
        {
            return Ok(false);
        }
        match self.master_index() {
            Some(master) => Ok(self.act(Deed::KillNode(master))? && self.act(Deed::ReturnNode(master))?),
            None => Ok(true),
        }
    }

    fn master_index(&self) -> Option<usize> {
        self.plan.nodes.iter().position(|node| Some(&node.name) == self.master.as_ref())
    }

    /// One act; whether it came out.
    fn act(&mut self, deed: Deed) -> Result<bool, String> {
        let title = self.title(deed);
        self.watch.timeline.headline(&format!("{}. {title}", self.outcomes.len() + 1));
        self.watch.mark();
        self.perform(deed).map_err(|error| error.to_string())?;
        let after = self.contenders();
        let heir = master_after(&after, self.master.as_deref());
        let floor = self.floor(deed, &after, heir);
        self.watch.timeline.remark(&format!("  expected: {}", expectation(self.master.as_deref(), heir)));

        let limit = PATIENCE + self.slowest() * MAX_INTERVALS;
        // "It stays" is only shown by time: until the slowest check would have told and a backup would have moved.
        let stays = deed != Deed::Start && heir.map(|heir| heir.name) == self.master.as_deref();
        let quiet = if stays { self.slowest() * QUIET_INTERVALS } else { Duration::ZERO };
        let settled = self.wait_until_settled(heir, quiet, limit)?;
        self.watch.tell_all();
        if let Some(trouble) = settled.err() {
            self.explain(&trouble);
            return Ok(false);
        }
        let served = heir.is_some_and(|heir| heir.service_up);
        let gap = self.watch.longest_pause().filter(|_| served && deed != Deed::Start);
        self.master = heir.map(|heir| heir.name.to_owned());
        self.report(gap, floor.as_ref(), heir);
        self.outcomes.push(Outcome { title, gap, floor });
        Ok(true)
    }

    fn perform(&mut self, deed: Deed) -> Result<(), ::lab::Error> {
        let (stage, watch, plan) = (&mut self.stage, &mut self.watch, self.plan);
        let name = |index: usize| plan.nodes.get(index).map_or("", |node| node.name.as_str());
        let service = &plan.service;
        match deed {
            Deed::Start => (0..plan.nodes.len()).try_for_each(|index| stage.start_node(index)),
            Deed::KillService(index) => {
                watch.note(name(index), "killed", &format!("SIGKILL to {service}"));
                stage.kill_service(index)
            }
            Deed::ReturnService(index) => {
                watch.note(name(index), "started", service);
                stage.start_service(index)
            }
            Deed::KillNode(index) => {
                watch.forget(name(index));
                watch.note(
                    name(index),
                    "killed",
                    &format!("SIGKILL to handover, its four daemons and {service}"),
                );
                stage.kill_node(index)
            }
            Deed::ReturnNode(index) => {
                watch.note(name(index), "started", &format!("{service} and 'handover run'"));
                stage.start_node(index)
            }
        }
    }

    fn title(&self, deed: Deed) -> String {
        let name = |index: usize| self.plan.nodes.get(index).map_or("", |node| node.name.as_str());
        let service = &self.plan.service;
        match deed {
            Deed::Start => "Start".to_owned(),
            Deed::KillService(index) => format!("{service} on {} is killed", name(index)),
            Deed::ReturnService(index) => format!("{service} on {} returns", name(index)),
            Deed::KillNode(index) => format!("Every process on {} is killed", name(index)),
            Deed::ReturnNode(index) => format!("{} returns", name(index)),
        }
    }

    /// Every node that has the instance, as things stand.
    fn contenders(&self) -> Vec<Contender<'a>> {
        let actors = self.stage.actors.iter();
        let contenders = actors.filter_map(|actor| {
            let instance = actor.node.instance(&self.plan.instance)?;
            let link = actor.node.links.iter().find(|link| link.name == instance.link.as_str());
            let address = link.and_then(|link| link.addresses.first()).map(|(address, _)| *address);
            Some(Contender {
                name: &actor.node.name,
                config: &actor.node.config,
                instance,
                address: instance.source.or(address),
                alive: actor.alive,
                service_up: actor.service_up,
            })
        });
        contenders.collect()
    }

    /// How short the gap can be at best; `None` where nobody served before, or nobody takes over.
    fn floor(&self, deed: Deed, after: &[Contender<'_>], heir: Option<Contender<'_>>) -> Option<Floor> {
        let heir = heir?;
        let priority = heir.priority()?;
        let old = after.iter().find(|it| Some(it.name) == self.master.as_deref())?;
        match deed {
            Deed::Start => None,
            Deed::KillService(_) if old.name == heir.name => None,
            Deed::KillService(_) => {
                let floor = match old.priority() {
                    Some(_) => Floor::silence(heir.instance, priority),
                    None => Floor::goodbye(heir.instance, priority),
                };
                old.service_check().map(|check| floor.after_check(check))
            }
            Deed::KillNode(_) => Some(Floor::silence(heir.instance, priority)),
            Deed::ReturnService(_) | Deed::ReturnNode(_) if old.name == heir.name => None,
            Deed::ReturnService(_) | Deed::ReturnNode(_) => {
                Some(Floor::none("the old master answers until the new one has announced itself"))
            }
        }
    }

    /// The slowest rhythm in any configuration: what has to be waited for is a multiple of it.
    fn slowest(&self) -> Duration {
        let configs = self.plan.nodes.iter().map(|node| &node.config);
        let adverts = configs.clone().flat_map(|config| &config.instances).map(|it| it.advert_interval);
        let delays = configs.clone().flat_map(|config| &config.instances).map(|it| it.preempt_delay);
        let checks = configs.flat_map(|config| &config.checks).map(|it| it.interval * it.rise.max(it.fall));
        adverts.chain(delays).chain(checks).max().unwrap_or_default()
    }

    /// Watches until all is as it should be, but for the `quiet` time at least; what isn't, when the time is over.
    fn wait_until_settled(
        &mut self,
        heir: Option<Contender<'_>>,
        quiet: Duration,
        limit: Duration,
    ) -> Result<Result<(), String>, String> {
        let not_before = sys::clock::now() + quiet;
        let contenders = self.contenders();
        let mut missing = String::new();
        let (lab, stage, watch) = (self.lab, &mut self.stage, &mut self.watch);
        let judge = Judge { plan: self.plan, contenders: &contenders, heir };
        let settled = lab.find(limit, || {
            if let Err(why) = watch.look(stage) {
                return Some(Err(why));
            }
            if let Some(why) = stage.deserter() {
                return Some(Ok(Err(why)));
            }
            match judge.what_is_missing(watch) {
                Some(what) => missing = what,
                None if sys::clock::now() < not_before => {}
                None => return Some(Ok(Ok(()))),
            }
            None
        });
        settled.unwrap_or_else(|| Ok(Err(format!("after {} still: {missing}", seconds(limit)))))
    }

    fn report(&self, gap: Option<Duration>, floor: Option<&Floor>, heir: Option<Contender<'_>>) {
        let timeline = &self.watch.timeline;
        let master = match heir.and_then(|heir| Some((heir.name, heir.priority()?))) {
            Some((name, priority)) => format!("{name} is MASTER with priority {priority}"),
            None => "nobody is MASTER, as nobody can be".to_owned(),
        };
        let gap =
            gap.map(|gap| format!("; longest gap between answers {}", seconds(gap))).unwrap_or_default();
        let beside = floor.map(|floor| format!(", the floor is {floor}")).unwrap_or_default();
        timeline.outcome(true, &format!("{master}{gap}{beside}"));
        for words in floor.map(Floor::words).unwrap_or_default() {
            timeline.remark(&format!("           {words}"));
        }
    }

    /// What is needed to see why an act didn't come out.
    fn explain(&self, trouble: &str) {
        let timeline = &self.watch.timeline;
        timeline.outcome(false, trouble);
        for words in self.watch.last_words() {
            timeline.remark(&format!("           {words}"));
        }
        let printed = self.stage.printed();
        timeline.headline(&format!("What was printed on the hosts (the last {MAX_PRINTED} lines)"));
        for (at, line) in printed.iter().skip(printed.len().saturating_sub(MAX_PRINTED)) {
            timeline.line(*at, "", "", line);
        }
    }

    fn sum_up(&self, good: bool) {
        let timeline = &self.watch.timeline;
        timeline.headline("The longest gap of each act, as the client saw it");
        for outcome in &self.outcomes {
            let gap = outcome.gap.map_or_else(|| "-".to_owned(), seconds);
            let floor = outcome.floor.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
            crate::say(&format!("  {:<40} {gap:>9}   floor {floor}\n", outcome.title));
        }
        let verdict = if good { "Every act came out." } else { "An act did not come out." };
        timeline.remark(&format!("\n{verdict} The hosts end with this program; nothing of them is left."));
    }
}

/// What has to be so at the end of an act.
struct Judge<'a> {
    plan: &'a Plan,
    contenders: &'a [Contender<'a>],
    heir: Option<Contender<'a>>,
}

impl Judge<'_> {
    /// The first thing that isn't as it should be.
    fn what_is_missing(&self, watch: &Watch) -> Option<String> {
        let heir = self.heir.map(|heir| heir.name);
        for it in self.contenders.iter().filter(|it| it.alive) {
            let wanted = match it.priority() {
                _ if Some(it.name) == heir => Told::Master,
                Some(_) => Told::Backup,
                None => Told::Fault,
            };
            let state = watch.state(it.name, &self.plan.instance);
            if state != Some(wanted) {
                let state = state.map_or_else(|| "not heard of yet".to_owned(), |state| state.to_string());
                return Some(format!("{} should be {wanted} and is {state}", it.name));
            }
        }
        self.heir.and_then(|heir| missing_of(&heir, watch, self.contenders))
    }
}

/// What the wire and the client have to say about the one that is master.
fn missing_of(heir: &Contender<'_>, watch: &Watch, all: &[Contender<'_>]) -> Option<String> {
    let advertised = watch.advertised(heir.name, heir.instance.vrid.get());
    if advertised != heir.priority() {
        let what = advertised.map_or_else(|| "nothing".to_owned(), |priority| format!("priority {priority}"));
        let wanted = heir.priority().unwrap_or_default();
        return Some(format!("{} should advertise priority {wanted} and advertises {what}", heir.name));
    }
    match watch.server() {
        _ if !heir.service_up => None,
        // A service of the user's own may answer with something else than a name.
        Some(server) if server == heir.name || all.iter().all(|it| it.name != server) => None,
        Some(server) => Some(format!("{} should answer the client, and {server} does", heir.name)),
        None => Some(format!("{} should answer the client, and nobody does", heir.name)),
    }
}

/// What the configurations promise, in words.
fn expectation(before: Option<&str>, heir: Option<Contender<'_>>) -> String {
    let Some((heir, priority)) = heir.and_then(|heir| Some((heir.name, heir.priority()?))) else {
        return "nobody can be MASTER".to_owned();
    };
    match before {
        Some(before) if before == heir => format!("{heir} stays MASTER, with priority {priority}"),
        Some(before) => format!("{heir} takes over from {before} with priority {priority}"),
        None => format!("{heir} becomes MASTER with priority {priority}"),
    }
}
