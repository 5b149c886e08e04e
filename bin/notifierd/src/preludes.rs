//! What comes before addresses come or go (`pre_master`, `pre_backup`): vrrp-core asks by name, and waits for the answer.
//!
//! Not a matter of lanes: an address waits, so a prelude runs at once, whatever other hooks run. It must never leave vrrp-core
//! without an answer while we live: what isn't configured, can't run or is one too many is answered at once.

use std::collections::HashMap;
use std::os::fd::BorrowedFd;

use config::Config;
use ipc::events::{Before, Prelude, Told};
use ipc::hooks::{HookRun, PreludeView};
use ipc::json;
use model::{InstanceName, Instant};
use reactor::{Reactor, Token};
use runner::{Crew, Job, Keeper, Runner};

use crate::KEEP;
use crate::ledger::Entry;
use crate::occasion::Subject;

/// Preludes that run at the same time, of different instances.
const MAX_PLAYING: usize = 64;

/// Which prelude a process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) instance: InstanceName,
    pub(crate) order: u64,
    before: Before,
}

impl Part {
    fn of(prelude: &Prelude) -> Self {
        Self { instance: prelude.instance.clone(), order: prelude.order, before: prelude.before }
    }

    const fn word(&self) -> &'static str {
        match self.before {
            Before::Master => "pre_master",
            Before::Backup => "pre_backup",
        }
    }

    /// The state to come.
    const fn state(&self) -> Told {
        match self.before {
            Before::Master => Told::Master,
            Before::Backup => Told::Backup,
        }
    }
}

/// The preludes that run now.
#[derive(Debug)]
pub(crate) struct Preludes {
    crew: Crew<Part>,
    playing: Vec<Part>,
    /// The last of each instance of the configuration.
    last: HashMap<InstanceName, HookRun>,
}

/// A prelude that is done, well or not, and what became of it.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) part: Part,
    pub(crate) entry: Entry,
}

impl Preludes {
    /// Uses `first` and tokens above it: two for each that runs, or has left something behind.
    pub(crate) fn new(runner: Runner, first: Token) -> Self {
        Self {
            crew: Crew::new(runner, first).kept_by(Keeper::new(KEEP)),
            playing: Vec::new(),
            last: HashMap::new(),
        }
    }

    /// Whether a token is one of ours, or of those above.
    pub(crate) const fn owns(&self, token: Token) -> bool {
        self.crew.owns(token)
    }

    /// When to call [`Self::on_time`].
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.crew.next_deadline()
    }

    /// Another configuration, in which others go by other names.
    pub(crate) fn reconfigure(&mut self, config: &Config, renamed: &HashMap<Subject, Subject>) {
        self.crew.set_script_user(config.global.script_user.clone());
        let name = |was: InstanceName| match renamed.get(&Subject::Instance(was.clone())) {
            Some(Subject::Instance(is)) => is.clone(),
            Some(Subject::Group(_)) | None => was,
        };
        let last = std::mem::take(&mut self.last).into_iter().map(|(was, run)| (name(was), run));
        let is_known = |name: &InstanceName| config.instances.iter().any(|it| it.name == *name);
        self.last = last.filter(|(name, _)| is_known(name)).collect();
    }

    /// Whether none runs.
    pub(crate) fn is_idle(&self) -> bool {
        self.crew.is_idle()
    }

    /// How those of an instance are; `None` if there was none yet.
    pub(crate) fn view(&self, instance: &InstanceName) -> Option<PreludeView> {
        let running = self.playing.iter().find(|part| part.instance == *instance);
        let running = running.map(|part| part.word().to_owned());
        let last = self.last.get(instance).cloned();
        (running.is_some() || last.is_some()).then_some(PreludeView { running, last })
    }

    /// For the status: the last prelude of an instance of the configuration.
    pub(crate) fn remember(&mut self, done: Done, at: String) {
        self.last.insert(done.part.instance, done.entry.into_run(at));
    }

    /// Ends all that run.
    pub(crate) fn abort(&self) {
        self.crew.abort(|_| true);
    }

    /// Begins one, which writes itself into `register`; one that can't be begun is done.
    pub(crate) fn play(
        &mut self,
        (reactor, register): (&Reactor, Option<BorrowedFd<'_>>),
        config: &Config,
        prelude: &Prelude,
        now: Instant,
    ) -> Option<Done> {
        let part = Part::of(prelude);
        match self.start((reactor, register), config, prelude, now) {
            Ok(()) => {
                self.playing.push(part);
                None
            }
            Err(why) => Some(Done { entry: Entry::refused(part.word(), part.state(), why), part }),
        }
    }

    fn start(
        &mut self,
        (reactor, register): (&Reactor, Option<BorrowedFd<'_>>),
        config: &Config,
        prelude: &Prelude,
        now: Instant,
    ) -> Result<(), String> {
        if self.playing.len() >= MAX_PLAYING {
            return Err(format!("{MAX_PLAYING} run already"));
        }
        let part = Part::of(prelude);
        let found = config.instances.iter().find(|it| it.name == part.instance);
        let preludes = &found.ok_or("no such instance in our configuration")?.preludes;
        let hook = match part.before {
            Before::Master => &preludes.master,
            Before::Backup => &preludes.backup,
        };
        let hook = hook.as_ref().ok_or("not in our configuration")?;
        let line = json::line(prelude).map_err(|error| error.to_string())?;
        let job = Job {
            program: &hook.command.program,
            arguments: &hook.command.arguments,
            user: hook.user.as_ref(),
            variables: &[
                ("HANDOVER_INSTANCE", part.instance.to_string()),
                ("HANDOVER_STATE", part.state().to_string()),
            ],
            input: Some(&line),
            // Bounded to a moment, but only as long as we are there to end it.
            register,
            timeout: preludes.limit,
        };
        self.crew.start(reactor, now, &job, part).map_err(|refusal| refusal.to_string())
    }

    /// Ends by and by what has run too long. vrrp-core waits no longer either.
    pub(crate) fn on_time(&mut self, now: Instant) {
        for part in self.crew.on_time(now) {
            log::warn!("({}) {} takes longer than pre_timeout; it is ended", part.instance, part.word());
        }
    }

    /// To be called when one of our tokens is ready. Tells of a prelude that is done.
    pub(crate) fn on_ready(&mut self, reactor: &mut Reactor, token: Token, now: Instant) -> Option<Done> {
        let (part, finished) = self.crew.on_ready(reactor, token, now)?;
        self.playing.retain(|it| *it != part);
        Some(Done { entry: Entry::ended(part.word(), part.state(), finished), part })
    }
}
