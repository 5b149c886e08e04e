//! Which hook runs next: one lane per instance and per sync group, one hook at a time in each, a bounded number in all.
//! Sans I/O.
//!
//! What it must never do: run a hook for a state that hooks were last run for, or let an old state be told after a newer
//! one. How far the telling has come is to be remembered ([`Board::poll_mark`]) before the next hook is started. In a lane a newer
//! state takes the place of the one that waits (levels, not edges), unless `notify_queue all` asks for each; both are bounded.
//! A state that was begun is told to all its hooks, the state's own first, then the general one.

mod waiting;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use config::{Config, Delivery, Hook, Hooks, Queue};
use ipc::events::Told;

use crate::cursor::Mark;
use crate::occasion::{Occasion, Subject};
use waiting::Waiting;

/// Hooks of different instances and groups that may be young at the same time. One that has run for a while waits for something
/// else than a CPU, and must not keep those of others from being run.
pub(crate) const MAX_YOUNG: usize = 32;
/// Hooks that run at the same time, whatever their age.
pub(crate) const MAX_RUNNING: usize = 1024;
/// States that wait in all lanes together, besides the newest of each.
const MAX_WAITING: usize = 20_000;

/// An instance or a sync group. Numbers are never given twice: first all instances, then all groups, in the order of the
/// first configuration; then whoever came with a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LaneId(pub(crate) usize);

/// One of the hooks of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `notify_master`
    Master,
    /// `notify_backup`
    Backup,
    /// `notify_fault`
    Fault,
    /// `notify_stop`
    Stop,
    /// `notify_deleted`
    Deleted,
    /// `notify_master_rx_lower_pri`
    LowerMaster,
    /// `notify`
    Any,
}

impl Kind {
    /// The word in the configuration.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Master => "notify_master",
            Self::Backup => "notify_backup",
            Self::Fault => "notify_fault",
            Self::Stop => "notify_stop",
            Self::Deleted => "notify_deleted",
            Self::LowerMaster => "notify_master_rx_lower_pri",
            Self::Any => "notify",
        }
    }

    /// The hook of a state alone; nobody is told of INIT, which only means that nothing is decided yet.
    const fn of(state: Told) -> Option<Self> {
        match state {
            Told::Init => None,
            Told::Backup => Some(Self::Backup),
            Told::Master => Some(Self::Master),
            Told::Fault => Some(Self::Fault),
            Told::Stop => Some(Self::Stop),
        }
    }

    /// Those that are there for a state, in the order in which they are run.
    fn configured(state: Told, hooks: &Hooks) -> impl Iterator<Item = Self> {
        let kinds = Self::of(state).into_iter().chain([Self::Any]);
        kinds.filter(|kind| kind.hook(hooks).is_some())
    }

    /// Those that are there for an occasion, likewise: the general one is for states alone, as with keepalived.
    fn of_occasion(occasion: &Occasion, hooks: &Hooks) -> VecDeque<Self> {
        let kinds = match occasion {
            Occasion::Instance(_) | Occasion::Group(_) => [Self::of(occasion.to()), Some(Self::Any)],
            Occasion::Deleted(_) => [Some(Self::Deleted), Some(Self::Any)],
            Occasion::LowerMaster(_) => [Some(Self::LowerMaster), None],
            Occasion::Priority(_) => [None, None],
        };
        kinds.into_iter().flatten().filter(|kind| kind.hook(hooks).is_some()).collect()
    }

    /// What is configured for it.
    pub(crate) fn hook(self, hooks: &Hooks) -> Option<&Hook> {
        match self {
            Self::Master => hooks.master.as_deref(),
            Self::Backup => hooks.backup.as_deref(),
            Self::Fault => hooks.fault.as_deref(),
            Self::Stop => hooks.stop.as_deref(),
            Self::Deleted => hooks.deleted.as_deref(),
            Self::LowerMaster => hooks.lower.as_deref(),
            Self::Any => hooks.any.as_deref(),
        }
    }
}

/// A hook to start; answered by [`Board::ended`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Start {
    /// Whose hook.
    pub(crate) lane: LaneId,
    /// Which one.
    pub(crate) kind: Kind,
    /// For what.
    pub(crate) occasion: Occasion,
    /// The state that hooks were run for before; the occasion's own idea of it if there was none.
    pub(crate) previous: Told,
}

/// What became of a state that was offered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Offered {
    /// Its hooks run as soon as may be.
    Taken,
    /// As `Taken`; these older states, which still waited, are told to nobody.
    Overtook(Vec<Told>),
    /// As `Taken`; more wait than may, so that these, the oldest, are told to nobody.
    Crowded(Vec<Told>),
    /// Hooks were last run for this very state, or will be: nothing to do. Named is what waited and is void now.
    Same(Vec<Told>),
    /// INIT, which is told to nobody.
    Untold,
}

/// The hooks of one instance or one sync group.
#[derive(Debug)]
pub(crate) struct Lane {
    subject: Subject,
    hooks: Hooks,
    delivery: Delivery,
    told: Option<Told>,
    /// As `told`, or what was begun before our start and may not have been told to its end.
    last: Option<Told>,
    /// The state that was begun and not told to its end when notifierd was killed, and the one before it.
    cut_off: Option<(Told, Told)>,
    /// Boxed, as [`Self::notice`] is: nearly all of thousands of lanes are idle.
    active: Option<Box<Active>>,
    waiting: Waiting,
    /// What has happened last in the state that hooks were begun for, if it has hooks of its own; it comes after all states.
    notice: Option<Box<Occasion>>,
    superseded: u64,
}

#[derive(Debug)]
struct Active {
    occasion: Occasion,
    previous: Told,
    left: VecDeque<Kind>,
    running: Option<Kind>,
}

impl Lane {
    fn new(subject: Subject, hooks: Hooks, delivery: Delivery) -> Self {
        Self {
            subject,
            hooks,
            delivery,
            told: None,
            last: None,
            cut_off: None,
            active: None,
            waiting: Waiting::default(),
            notice: None,
            superseded: 0,
        }
    }

    /// Whose it is.
    pub(crate) const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Its hooks.
    pub(crate) const fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    /// The last state for which hooks were begun.
    pub(crate) const fn told(&self) -> Option<Told> {
        self.told
    }

    /// How long a hook may take.
    pub(crate) const fn timeout(&self) -> Duration {
        self.delivery.timeout
    }

    /// The newest of the states that wait.
    pub(crate) fn waiting(&self) -> Option<Told> {
        self.waiting.newest()
    }

    /// How many states wait.
    pub(crate) fn queued(&self) -> u64 {
        u64::try_from(self.waiting.len()).unwrap_or(u64::MAX)
    }

    /// The hook that runs, and for which state.
    pub(crate) fn running(&self) -> Option<(Kind, Told)> {
        self.active.as_ref().and_then(|active| active.running.map(|kind| (kind, active.occasion.to())))
    }

    /// States that were overtaken.
    pub(crate) const fn superseded(&self) -> u64 {
        self.superseded
    }

    fn offer(&mut self, occasion: Occasion, queue: Queue) -> Offered {
        if !occasion.is_state() {
            self.notice =
                Some(occasion).filter(|it| !Kind::of_occasion(it, &self.hooks).is_empty()).map(Box::new);
            return Offered::Taken;
        }
        self.notice = None;
        if Kind::of(occasion.to()).is_none() {
            return Offered::Untold;
        }
        let mut offered = self.waiting.offer(occasion, self.told, queue);
        match &mut offered {
            Offered::Overtook(gone) | Offered::Crowded(gone) | Offered::Same(gone) => self.count(gone),
            Offered::Taken | Offered::Untold => {}
        }
        offered
    }

    /// Leaves those out for which there would have been nothing to run: nobody misses anything.
    fn count(&mut self, gone: &mut Vec<Told>) {
        gone.retain(|state| Kind::configured(*state, &self.hooks).next().is_some());
        self.superseded = self.superseded.saturating_add(u64::try_from(gone.len()).unwrap_or(u64::MAX));
    }

    /// What an earlier notifierd remembered.
    const fn restore(&mut self, mark: Mark) {
        match mark {
            Mark::Begun { state, after } => {
                (self.told, self.last) = (None, Some(state));
                self.cut_off = match after {
                    Some(after) => Some((state, after)),
                    None => None,
                };
            }
            Mark::Told(state) => (self.told, self.last) = (Some(state), Some(state)),
        }
    }

    /// The next hook of the state that is begun, else the first of the one that waits; and how far a state has come.
    fn next(&mut self, mut mark: impl FnMut(Subject, Mark)) -> Option<(Kind, Occasion, Told)> {
        loop {
            if let Some(active) = &mut self.active {
                if active.running.is_some() {
                    return None;
                }
                if let Some(kind) = active.left.pop_front() {
                    active.running = Some(kind);
                    return Some((kind, active.occasion.clone(), active.previous));
                }
            }
            self.active = None;
            let Some(occasion) = self.waiting.next() else {
                let occasion = *self.notice.take()?;
                let left = Kind::of_occasion(&occasion, &self.hooks);
                let previous = occasion.from();
                self.active = Some(Box::new(Active { occasion, previous, left, running: None }));
                continue;
            };
            let state = occasion.to();
            // Once more for the same: it follows on what it followed on then.
            let again = self.cut_off.take().filter(|(cut_off, _)| *cut_off == state).map(|(_, after)| after);
            let previous = again.or(self.last).unwrap_or(occasion.from());
            (self.told, self.last) = (Some(state), Some(state));
            let left = Kind::of_occasion(&occasion, &self.hooks);
            // Without hooks there is nothing to begin; but whoever is told of it next has to know.
            let begun = if left.is_empty() {
                Mark::Told(state)
            } else {
                Mark::Begun { state, after: Some(previous) }
            };
            mark(self.subject.clone(), begun);
            self.active = Some(Box::new(Active { occasion, previous, left, running: None }));
        }
    }

    fn is_idle(&self) -> bool {
        let is_over = |active: &Active| active.running.is_none() && active.left.is_empty();
        self.active.as_deref().is_none_or(is_over) && self.waiting.len() == 0 && self.notice.is_none()
    }
}

/// All lanes.
#[derive(Debug)]
pub(crate) struct Board {
    lanes: BTreeMap<LaneId, Lane>,
    /// Those of the configuration that runs, in its order. A lane that is none of them ends when it is idle.
    order: Vec<LaneId>,
    by_subject: HashMap<Subject, LaneId>,
    next: usize,
    running: usize,
    /// Where the search for the next hook begins, so that no lane is always last.
    turn: LaneId,
    marks: VecDeque<(Subject, Mark)>,
    /// States that wait, in all lanes.
    waiting: usize,
    /// There is no time left but for the newest state of each.
    hurries: bool,
}

impl Board {
    /// Nothing has been told to anybody.
    pub(crate) fn new(config: &Config) -> Self {
        let mut board = Self {
            lanes: BTreeMap::new(),
            order: Vec::new(),
            by_subject: HashMap::new(),
            next: 0,
            running: 0,
            turn: LaneId(0),
            marks: VecDeque::new(),
            waiting: 0,
            hurries: false,
        };
        board.reconfigure(config, &HashMap::new());
        board
    }

    /// Another configuration. Whoever has another name in it now (`renamed`, from old to new) is the same; whoever is not
    /// in it has its last hooks run as they were configured.
    pub(crate) fn reconfigure(&mut self, config: &Config, renamed: &HashMap<Subject, Subject>) {
        let known: HashMap<Subject, LaneId> = std::mem::take(&mut self.by_subject)
            .into_iter()
            .map(|(subject, id)| (renamed.get(&subject).cloned().unwrap_or(subject), id))
            .collect();
        self.order.clear();
        for (subject, hooks, delivery) in subjects(config) {
            let id = known.get(&subject).copied().unwrap_or_else(|| {
                self.next += 1;
                LaneId(self.next - 1)
            });
            let new = || Lane::new(subject.clone(), Hooks::default(), *delivery);
            let lane = self.lanes.entry(id).or_insert_with(new);
            lane.subject = subject.clone();
            lane.hooks = hooks.clone();
            lane.delivery = *delivery;
            self.order.push(id);
            self.by_subject.insert(subject, id);
        }
        self.bury();
    }

    /// Ends lanes that nobody needs any more.
    fn bury(&mut self) {
        let by_subject = &self.by_subject;
        self.lanes.retain(|id, lane| !lane.is_idle() || by_subject.get(&lane.subject) == Some(id));
    }

    /// The lanes of the configuration, in its order.
    pub(crate) fn lanes(&self) -> impl Iterator<Item = (LaneId, &Lane)> {
        self.order.iter().filter_map(|id| Some((*id, self.lanes.get(id)?)))
    }

    /// Lanes that a configuration has removed, and that still have something to run.
    pub(crate) fn removed(&self) -> impl Iterator<Item = (LaneId, &Lane)> {
        let is_left = |(id, lane): &(&LaneId, &Lane)| self.by_subject.get(&lane.subject) != Some(*id);
        self.lanes.iter().filter(is_left).map(|(id, lane)| (*id, lane))
    }

    /// The lane of that number.
    pub(crate) fn lane(&self, id: LaneId) -> Option<&Lane> {
        self.lanes.get(&id)
    }

    /// An occasion as it is to be told: an instance that a reload removed is DELETED if it has `notify_deleted`.
    pub(crate) fn phrase(&self, occasion: Occasion) -> Occasion {
        let lane = self.by_subject.get(&occasion.subject()).and_then(|id| self.lanes.get(id));
        if lane.is_some_and(|lane| lane.hooks.says_deleted) { occasion.into_deleted() } else { occasion }
    }

    /// Somebody is in a state. `None` if our configuration doesn't know them.
    pub(crate) fn offer(&mut self, occasion: Occasion) -> Option<Offered> {
        let lane = self.lanes.get_mut(self.by_subject.get(&occasion.subject())?)?;
        let before = lane.waiting.len();
        let queue = match lane.delivery.queue {
            Queue::All(_) if self.hurries => Queue::Coalesce,
            // No lane gets longer that has anything in it.
            Queue::All(limit) if self.waiting >= MAX_WAITING => Queue::All(limit.min(before.max(1))),
            queue => queue,
        };
        let offered = lane.offer(occasion, queue);
        self.waiting = self.waiting.saturating_sub(before).saturating_add(lane.waiting.len());
        Some(offered)
    }

    /// From now on only the newest state of each counts. Gives what waited before it, and is told to nobody.
    pub(crate) fn hurry(&mut self) -> Vec<(Subject, Told)> {
        self.hurries = true;
        let mut gone = Vec::new();
        for lane in self.lanes.values_mut() {
            let mut dropped = lane.waiting.keep(1, lane.told);
            lane.count(&mut dropped);
            gone.extend(dropped.into_iter().map(|state| (lane.subject.clone(), state)));
        }
        self.waiting = self.lanes.values().map(|lane| lane.waiting.len()).sum();
        gone
    }

    /// The next hook to start, if so many of those that run are young. To be asked until there is none, after each offer, after
    /// each end, and when one has grown old.
    pub(crate) fn poll_start(&mut self, young: usize) -> Option<Start> {
        if self.is_full() || young >= MAX_YOUNG {
            return None;
        }
        let (marks, waiting) = (&mut self.marks, &mut self.waiting);
        let found = |(id, lane): (&LaneId, &mut Lane)| {
            let before = lane.waiting.len();
            let next = lane.next(|subject, mark| marks.push_back((subject, mark)));
            *waiting = waiting.saturating_sub(before.saturating_sub(lane.waiting.len()));
            Some((*id, next?))
        };
        let (turn, mut found) = (self.turn, found);
        let next = self.lanes.range_mut(turn..).find_map(&mut found);
        let (lane, (kind, occasion, previous)) =
            next.or_else(|| self.lanes.range_mut(..turn).find_map(found))?;
        self.running += 1;
        self.turn = LaneId(lane.0 + 1);
        Some(Start { lane, kind, occasion, previous })
    }

    /// The hook that ran in that lane has ended, or couldn't be started.
    pub(crate) fn ended(&mut self, id: LaneId) {
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        if lane.active.as_mut().and_then(|active| active.running.take()).is_some() {
            self.running = self.running.saturating_sub(1);
            let is_told = |active: &&Active| active.left.is_empty() && active.occasion.is_state();
            if let Some(active) = lane.active.as_deref().filter(is_told) {
                self.marks.push_back((lane.subject.clone(), Mark::Told(active.occasion.to())));
            }
        }
        if self.by_subject.get(&lane.subject) != Some(&id) {
            self.bury();
        }
    }

    /// That hook couldn't be started for the moment: it is the lane's next again, and other lanes come first.
    pub(crate) fn put_back(&mut self, id: LaneId, kind: Kind) {
        let active = self.lanes.get_mut(&id).and_then(|lane| lane.active.as_mut());
        if let Some(active) = active.filter(|active| active.running.is_some()) {
            active.running = None;
            active.left.push_front(kind);
            self.running = self.running.saturating_sub(1);
        }
    }

    /// What is to be remembered before any hook is started that was asked for meanwhile.
    pub(crate) fn poll_mark(&mut self) -> Option<(Subject, Mark)> {
        self.marks.pop_front()
    }

    /// What was told before our start.
    pub(crate) fn restore(&mut self, mark: impl Fn(&Subject) -> Option<Mark>) {
        for lane in self.lanes.values_mut() {
            if let Some(mark) = mark(&lane.subject) {
                lane.restore(mark);
            }
        }
    }

    /// Whether the configuration that runs has hooks of that name.
    pub(crate) fn knows(&self, subject: &Subject) -> bool {
        self.by_subject.contains_key(subject)
    }

    /// Whether no more hooks may run, whatever the age of those that do.
    pub(crate) const fn is_full(&self) -> bool {
        self.running >= MAX_RUNNING
    }

    /// Lanes that have something to run, and wait for their turn.
    pub(crate) fn in_line(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.values().filter(|lane| !lane.is_idle() && lane.running().is_none())
    }

    /// Lanes in which a hook runs while a newer state waits for its end.
    pub(crate) fn held_up(&self) -> impl Iterator<Item = (LaneId, &Lane)> {
        let is_held_up = |lane: &Lane| lane.waiting.len() > 0 && lane.running().is_some();
        self.lanes.iter().filter(move |(_, lane)| is_held_up(lane)).map(|(id, lane)| (*id, lane))
    }

    /// Lanes with a state that wasn't told to its end.
    pub(crate) fn untold(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.values().filter(|lane| !lane.is_idle())
    }

    /// Whether nothing runs and nothing waits, after [`Board::poll_start`] said `None`.
    pub(crate) fn is_idle(&self) -> bool {
        self.lanes.values().all(Lane::is_idle)
    }
}

/// Everybody who may have hooks, and how those are run: first all instances, then all groups.
pub(crate) fn subjects(config: &Config) -> impl Iterator<Item = (Subject, &Hooks, &Delivery)> {
    let instances =
        config.instances.iter().map(|it| (Subject::Instance(it.name.clone()), &it.hooks, &it.delivery));
    let groups = config.groups.iter().map(|it| (Subject::Group(it.name.clone()), &it.hooks, &it.delivery));
    instances.chain(groups)
}

#[cfg(test)]
mod tests;
