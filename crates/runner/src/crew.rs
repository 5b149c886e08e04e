//! All scripts that run now, and the event loop: who has news, whose time is up.
//!
//! What it must never do: keep the loop busy for one script's sake, or forget a child. Each script has a slot with two
//! tokens, for its end and for its output; a slot is free again when nobody holds the output any more.

use std::io;
use std::os::fd::AsFd as _;
use std::time::Duration;

use config::UserSpec;
use model::Instant;
use reactor::{Interest, Reactor, Token};

use crate::{Drained, Finished, Job, Keeper, Leftover, Refusal, Roster, Run, Runner};

/// Pipes that are kept for what scripts left behind. The oldest goes first; who writes to it then gets SIGPIPE, unless there is a
/// [`Keeper`].
pub const MAX_LEFTOVERS: usize = 256;
/// Who still holds a script's output so long after its end isn't just about to let it go.
pub const HELD_AFTER: Duration = Duration::from_secs(5);
/// Of the process, and of its output.
const TOKENS_PER_SLOT: usize = 2;

#[derive(Debug)]
enum Slot<T> {
    Free,
    Running {
        run: Run,
        /// What the run is to the daemon.
        tag: T,
    },
    /// The script has ended; something that it started holds its output.
    Leftover {
        pipe: Leftover,
        /// Counts up: the lowest is the oldest.
        number: u64,
        /// What the run was to the daemon.
        tag: T,
        ended: Instant,
        /// The daemon was told of it.
        is_told: bool,
    },
}

/// The scripts that a daemon runs.
#[derive(Debug)]
pub struct Crew<T> {
    runner: Runner,
    first: Token,
    slots: Vec<Slot<T>>,
    leftovers: u64,
    /// Scripts that were ended because they couldn't be watched, until they are reaped.
    unwatched: Vec<Run>,
    /// Where the pipes of what scripts left running are to outlive us.
    keeper: Option<Keeper>,
    /// Where the next daemon finds who runs.
    roster: Option<Roster>,
}

impl<T: Clone> Crew<T> {
    /// Uses `first` and all tokens above it.
    #[must_use]
    pub const fn new(runner: Runner, first: Token) -> Self {
        Self {
            runner,
            first,
            slots: Vec::new(),
            leftovers: 0,
            unwatched: Vec::new(),
            keeper: None,
            roster: None,
        }
    }

    /// What scripts leave running may write on after we have gone.
    #[must_use]
    pub fn kept_by(self, keeper: Keeper) -> Self {
        Self { keeper: Some(keeper), ..self }
    }

    /// The next daemon ends what runs, should this one be killed.
    #[must_use]
    pub fn written_down_in(self, roster: Option<Roster>) -> Self {
        Self { roster, ..self }
    }

    /// Starts a script; how it ends comes from [`Crew::on_ready`], together with `tag`.
    ///
    /// # Errors
    /// As [`Runner::start`]; nothing runs then.
    pub fn start(&mut self, reactor: &Reactor, now: Instant, job: &Job<'_>, tag: T) -> Result<(), Refusal> {
        let before = sys::clock::now();
        let run = self.runner.start(now, job)?;
        let slot = self.free_slot();
        if let Some(roster) = &self.roster {
            roster.note(slot, run.pid(), (before, sys::clock::now()));
        }
        if let Err(error) = self.watch(reactor, slot, &run) {
            run.abort();
            self.unwatched.push(run);
            return Err(Refusal::Resources(error));
        }
        self.put(slot, Slot::Running { run, tag });
        Ok(())
    }

    /// Whether a token is one of ours.
    #[must_use]
    pub const fn owns(&self, token: Token) -> bool {
        token.0 >= self.first.0
    }

    /// To be called when the loop says that one of our tokens is ready. Tells of a script that has ended.
    pub fn on_ready(&mut self, reactor: &mut Reactor, token: Token, now: Instant) -> Option<(T, Finished)> {
        let slot = token.0.checked_sub(self.first.0)? / TOKENS_PER_SLOT;
        match self.slots.get_mut(slot)? {
            Slot::Free => None,
            Slot::Leftover { pipe, .. } => {
                match pipe.drain() {
                    Drained::More => reactor.again(token),
                    Drained::Empty => {}
                    Drained::Closed => self.put(slot, Slot::Free),
                }
                None
            }
            Slot::Running { run, tag } => {
                if run.on_output() == Drained::More {
                    reactor.again(token);
                }
                let mut finished = run.poll_end(now)?;
                let tag = tag.clone();
                self.bury(reactor, slot, &mut finished, (tag.clone(), now));
                Some((tag, finished))
            }
        }
    }

    /// When to call [`Crew::on_time`].
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.running().filter_map(|(run, _)| run.deadline()).min()
    }

    /// Ends by and by whatever has run too long, and tells which have just become overdue.
    pub fn on_time(&mut self, now: Instant) -> Vec<T> {
        self.unwatched.retain_mut(|run| run.poll_end(now).is_none());
        if let Some(keeper) = &mut self.keeper {
            keeper.tidy();
        }
        let mut overdue = Vec::new();
        for slot in &mut self.slots {
            if let Slot::Running { run, tag } = slot
                && run.deadline().is_some_and(|deadline| deadline <= now)
                && run.on_deadline(now)
            {
                overdue.push(tag.clone());
            }
        }
        overdue
    }

    /// Ends now everything that carries such a tag. The ends still come from [`Crew::on_ready`].
    pub fn abort(&self, which: impl Fn(&T) -> bool) {
        self.running().filter(|(_, tag)| which(tag)).for_each(|(run, _)| run.abort());
    }

    /// From now on scripts run as `script_user` of another configuration; those that run go on.
    pub fn set_script_user(&mut self, script_user: Option<UserSpec>) {
        self.runner = Runner::new(script_user);
    }

    /// The starts of all that run and were started after `since`, in no order.
    pub fn started_after(&self, since: Instant) -> impl Iterator<Item = Instant> {
        self.running().map(|(run, _)| run.started()).filter(move |started| *started > since)
    }

    /// When to call [`Crew::newly_held`], for a daemon that wants to know.
    #[must_use]
    pub fn next_held(&self) -> Option<Instant> {
        let untold = self.slots.iter().filter_map(|slot| match slot {
            Slot::Leftover { ended, is_told: false, .. } => Some(*ended + HELD_AFTER),
            Slot::Leftover { .. } | Slot::Running { .. } | Slot::Free => None,
        });
        untold.min()
    }

    /// Scripts that ended [`HELD_AFTER`] ago or earlier, while something that they started holds their output; each once.
    pub fn newly_held(&mut self, now: Instant) -> Vec<T> {
        let mut newly = Vec::new();
        for slot in &mut self.slots {
            if let Slot::Leftover { tag, ended, is_told, .. } = slot
                && !*is_told
                && *ended + HELD_AFTER <= now
            {
                *is_told = true;
                newly.push(tag.clone());
            }
        }
        newly
    }

    /// All that [`Crew::newly_held`] told of, and that are so still.
    pub fn held(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Leftover { tag, is_told: true, .. } => Some(tag),
            Slot::Leftover { .. } | Slot::Running { .. } | Slot::Free => None,
        })
    }

    /// Whether nothing runs.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.running().next().is_none()
    }

    fn running(&self) -> impl Iterator<Item = (&Run, &T)> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Running { run, tag } => Some((run, tag)),
            Slot::Free | Slot::Leftover { .. } => None,
        })
    }

    fn watch(&self, reactor: &Reactor, slot: usize, run: &Run) -> io::Result<()> {
        reactor.register(self.token(slot, 0), run.process(), Interest::READABLE)?;
        match run.output() {
            Some(output) => reactor.register(self.token(slot, 1), output, Interest::READABLE),
            None => Ok(()),
        }
    }

    /// The script has ended: its slot is free, unless its output has another reader to wait for.
    fn bury(
        &mut self,
        reactor: &mut Reactor,
        slot: usize,
        finished: &mut Finished,
        (tag, ended): (T, Instant),
    ) {
        let Some(pipe) = finished.leftover.take() else { return self.put(slot, Slot::Free) };
        if let Some(keeper) = &mut self.keeper {
            keeper.keep(pipe.as_fd());
        }
        self.leftovers = self.leftovers.wrapping_add(1);
        self.put(slot, Slot::Leftover { pipe, number: self.leftovers, tag, ended, is_told: false });
        // What the last look at it didn't take makes no news any more.
        reactor.again(self.token(slot, 1));
        self.make_room();
    }

    fn make_room(&mut self) {
        let ages = self.slots.iter().enumerate().filter_map(|(slot, held)| match held {
            Slot::Leftover { number, .. } => Some((*number, slot)),
            Slot::Free | Slot::Running { .. } => None,
        });
        let ages: Vec<_> = ages.collect();
        if ages.len() > MAX_LEFTOVERS
            && let Some((_, oldest)) = ages.into_iter().min()
        {
            if self.keeper.is_none() {
                log::warn!(
                    "more than {MAX_LEFTOVERS} scripts left something running; the oldest can't write any more"
                );
            }
            self.put(oldest, Slot::Free);
        }
    }

    fn free_slot(&mut self) -> usize {
        self.slots.iter().position(|slot| matches!(slot, Slot::Free)).unwrap_or_else(|| {
            self.slots.push(Slot::Free);
            self.slots.len() - 1
        })
    }

    /// Replaces what a slot holds. Descriptors in the old content are closed, which ends the watch over them: nobody
    /// else holds them, since children get none of them.
    fn put(&mut self, slot: usize, content: Slot<T>) {
        if let Some(place) = self.slots.get_mut(slot) {
            *place = content;
        }
    }

    const fn token(&self, slot: usize, which: usize) -> Token {
        Token(self.first.0 + slot * TOKENS_PER_SLOT + which)
    }
}
