//! What comes before addresses come or go (`pre_master`, `pre_backup`): vrrp-core asks by name, and waits for the answer.
//!
//! Not a matter of lanes: an address waits, so a prelude runs at once, whatever other hooks run. It must never leave vrrp-core
//! without an answer while we live: what isn't configured, can't run or is one too many is answered at once.

use config::{Config, UserSpec};
use ipc::events::{Before, Prelude};
use ipc::json;
use model::{InstanceName, Instant};
use reactor::{Reactor, Token};
use runner::{Crew, End, Job, Runner};

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
}

/// The preludes that run now.
#[derive(Debug)]
pub(crate) struct Preludes {
    crew: Crew<Part>,
    playing: usize,
}

impl Preludes {
    /// Uses `first` and tokens above it: two for each that runs, or has left something behind.
    pub(crate) const fn new(runner: Runner, first: Token) -> Self {
        Self { crew: Crew::new(runner, first), playing: 0 }
    }

    /// Whether a token is one of ours, or of those above.
    pub(crate) const fn owns(&self, token: Token) -> bool {
        self.crew.owns(token)
    }

    /// When to call [`Self::on_time`].
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.crew.next_deadline()
    }

    /// From now on preludes run as another configuration's `script_user`.
    pub(crate) fn set_script_user(&mut self, script_user: Option<UserSpec>) {
        self.crew.set_script_user(script_user);
    }

    /// Ends all that run.
    pub(crate) fn abort(&self) {
        self.crew.abort(|_| true);
    }

    /// Begins one; what has to be answered at once is given back.
    pub(crate) fn play(
        &mut self,
        reactor: &Reactor,
        config: &Config,
        prelude: &Prelude,
        now: Instant,
    ) -> Option<Part> {
        let part = Part::of(prelude);
        match self.start(reactor, config, prelude, now) {
            Ok(()) => {
                self.playing += 1;
                None
            }
            Err(why) => {
                log::warn!("({}) {} is not run: {why}", part.instance, part.word());
                Some(part)
            }
        }
    }

    fn start(
        &mut self,
        reactor: &Reactor,
        config: &Config,
        prelude: &Prelude,
        now: Instant,
    ) -> Result<(), String> {
        if self.playing >= MAX_PLAYING {
            return Err(format!("{MAX_PLAYING} run already"));
        }
        let part = Part::of(prelude);
        let found = config.instances.iter().find(|it| it.name == part.instance);
        let preludes = &found.ok_or("no such instance in our configuration")?.preludes;
        let (hook, state) = match part.before {
            Before::Master => (&preludes.master, "MASTER"),
            Before::Backup => (&preludes.backup, "BACKUP"),
        };
        let hook = hook.as_ref().ok_or("not in our configuration")?;
        let line = json::line(prelude).map_err(|error| error.to_string())?;
        let job = Job {
            program: &hook.command.program,
            arguments: &hook.command.arguments,
            user: hook.user.as_ref(),
            variables: &[
                ("HANDOVER_INSTANCE", part.instance.to_string()),
                ("HANDOVER_STATE", state.to_owned()),
            ],
            input: Some(&line),
            // Bounded to a moment, and no state follows from it.
            register: None,
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
    pub(crate) fn on_ready(&mut self, reactor: &mut Reactor, token: Token, now: Instant) -> Option<Part> {
        let (part, finished) = self.crew.on_ready(reactor, token, now)?;
        self.playing = self.playing.saturating_sub(1);
        let what = format!("({}) {} {}", part.instance, part.word(), finished.end);
        if matches!(finished.end, End::Exited(exit) if exit.success()) {
            log::info!("{what} in {} ms", finished.took.as_millis());
        } else {
            let said = finished.output.lines().next_back().unwrap_or_default().trim();
            log::warn!("{what}; it said: {said}");
        }
        Some(part)
    }
}
