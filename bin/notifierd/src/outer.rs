//! What runs before everything and after everything: `startup_script` before any instance takes part, `shutdown_script` once all
//! have given up.
//!
//! vrrp-core knows when that is: it asks for the one and waits, and says before it goes that it was told to. That the first
//! has been run is remembered beside our socket ([`marker`]), so that whatever is restarted in a running system, nothing runs
//! again. What it must never do: keep vrrp-core waiting without a script that runs. What can't be run, has failed or took too
//! long is told, and elections begin.

mod marker;
mod plan;

use std::os::fd::BorrowedFd;
use std::path::Path;

use config::{Config, OuterScript};
use ipc::events::Told;
use ipc::hooks::{HookRun, OuterView};
use model::Instant;
use reactor::{Reactor, Token};
use runner::{Crew, Job, Keeper, Runner};

use crate::KEEP;
use crate::ledger::Entry;
use marker::Marker;
pub(crate) use plan::plan;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Startup,
    Shutdown,
}

impl Side {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Startup => "startup_script",
            Self::Shutdown => "shutdown_script",
        }
    }

    /// The word that limits it.
    const fn limit_word(self) -> &'static str {
        match self {
            Self::Startup => "startup_script_timeout",
            Self::Shutdown => "shutdown_script_timeout",
        }
    }

    /// How every instance is then.
    const fn state(self) -> Told {
        match self {
            Self::Startup => Told::Init,
            Self::Shutdown => Told::Stop,
        }
    }

    pub(crate) const fn script(self, config: &Config) -> Option<&OuterScript> {
        match self {
            Self::Startup => config.global.startup_script.as_ref(),
            Self::Shutdown => config.global.shutdown_script.as_ref(),
        }
    }
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// vrrp-core is to hear that it needn't wait.
    Answer,
    /// To be given to [`Outer::play`].
    Play(Side),
}

/// Both scripts, of which one runs at a time.
#[derive(Debug)]
pub(crate) struct Outer {
    crew: Crew<Side>,
    playing: Option<Side>,
    /// Who takes part has started.
    marker: Marker,
    /// An instance was BACKUP or MASTER since vrrp-core stopped last.
    takes_part: bool,
    /// vrrp-core has stopped in good order, and nothing was run for that yet.
    owes_shutdown: bool,
    /// What runs was told to end, and its end says nothing.
    aborted: bool,
    last_startup: Option<HookRun>,
    last_shutdown: Option<HookRun>,
}

impl Outer {
    /// Uses `first` and tokens above it: two for the script that runs, and two for each that has left something behind.
    pub(crate) fn new(runner: Runner, first: Token, runtime_dir: &Path, boot: &str) -> Self {
        Self {
            crew: Crew::new(runner, first).kept_by(Keeper::new(KEEP)),
            playing: None,
            marker: Marker::load(runtime_dir, boot),
            takes_part: false,
            owes_shutdown: false,
            aborted: false,
            last_startup: None,
            last_shutdown: None,
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

    /// Another configuration; what runs goes on, and nothing is run for it.
    pub(crate) fn reconfigure(&mut self, config: &Config) {
        self.crew.set_script_user(config.global.script_user.clone());
    }

    /// Which of them runs.
    pub(crate) const fn playing(&self) -> Option<Side> {
        self.playing
    }

    /// Whether nothing runs and nothing is to be.
    pub(crate) const fn is_idle(&self) -> bool {
        self.playing.is_none() && !self.owes_shutdown
    }

    /// How one of them is; `None` if it isn't configured and never was run.
    pub(crate) fn view(&self, side: Side, config: &Config) -> Option<OuterView> {
        let last = match side {
            Side::Startup => &self.last_startup,
            Side::Shutdown => &self.last_shutdown,
        };
        let is_there = side.script(config).is_some() || last.is_some();
        is_there.then(|| OuterView { running: self.playing == Some(side), last: last.clone() })
    }

    /// What can't be remembered, in words.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.marker.trouble()
    }

    /// An instance is BACKUP or MASTER: whatever comes later, this is no start, and no end.
    pub(crate) fn begun(&mut self) {
        if std::mem::take(&mut self.owes_shutdown) {
            log::warn!("shutdown_script isn't run: vrrp-core is back");
        }
        self.takes_part = true;
        if self.playing != Some(Side::Shutdown) {
            self.marker.set();
        }
    }

    /// vrrp-core has stopped in good order. A script that still prepares its start does so for nobody.
    pub(crate) fn ended(&mut self) {
        (self.takes_part, self.owes_shutdown) = (false, true);
        self.abort_startup();
    }

    /// Ends `startup_script` as if it hadn't been run: whoever asks next has it run again.
    pub(crate) fn abort_startup(&mut self) {
        if self.playing == Some(Side::Startup) {
            self.aborted = true;
            self.crew.abort(|_| true);
        }
    }

    /// What is to be done, where vrrp-core may wait, and no hook may be left that has to run first (`is_quiet`).
    pub(crate) fn due(&self, is_awaited: bool, is_quiet: bool) -> Option<Due> {
        match (self.playing, self.owes_shutdown) {
            (Some(_), _) => None,
            (None, true) => is_quiet.then_some(Due::Play(Side::Shutdown)),
            (None, false) if !is_awaited => None,
            (None, false) if self.marker.is_set() => Some(Due::Answer),
            (None, false) => Some(Due::Play(Side::Startup)),
        }
    }

    /// Begins one, which writes itself into `register`. One that can't be begun is done, and what isn't configured as well.
    pub(crate) fn play(
        &mut self,
        side: Side,
        (reactor, register): (&Reactor, Option<BorrowedFd<'_>>),
        config: &Config,
        now: Instant,
    ) -> Option<Entry> {
        if side == Side::Shutdown {
            self.owes_shutdown = false;
            // From here on the next start is one.
            self.marker.clear();
        }
        let Some(script) = side.script(config) else {
            self.close(side);
            return None;
        };
        log::info!("{} runs, for {} s at most", side.word(), script.timeout.as_secs());
        let job = Job {
            program: &script.hook.command.program,
            arguments: &script.hook.command.arguments,
            user: script.hook.user.as_ref(),
            variables: &[],
            input: None,
            register,
            timeout: script.timeout,
        };
        match self.crew.start(reactor, now, &job, side) {
            Ok(()) => {
                self.playing = Some(side);
                None
            }
            Err(refusal) => {
                self.close(side);
                Some(Entry::refused(side.word(), side.state(), refusal.to_string()))
            }
        }
    }

    fn close(&mut self, side: Side) {
        self.playing = None;
        let is_started = match side {
            Side::Startup => !std::mem::take(&mut self.aborted),
            Side::Shutdown => self.takes_part,
        };
        if is_started {
            self.marker.set();
        }
    }

    /// Ends by and by what has run too long.
    pub(crate) fn on_time(&mut self, now: Instant) {
        for side in self.crew.on_time(now) {
            log::warn!("{} takes longer than its {}; it is ended", side.word(), side.limit_word());
        }
    }

    /// To be called when one of our tokens is ready. Tells of one that has ended.
    pub(crate) fn on_ready(&mut self, reactor: &mut Reactor, token: Token, now: Instant) -> Option<Entry> {
        let (side, finished) = self.crew.on_ready(reactor, token, now)?;
        self.close(side);
        Some(Entry::ended(side.word(), side.state(), finished))
    }

    /// For the status; `at` is a time of day.
    pub(crate) fn remember(&mut self, entry: Entry, at: String) {
        let place = match entry.state {
            Told::Stop => &mut self.last_shutdown,
            Told::Init | Told::Backup | Told::Master | Told::Fault => &mut self.last_startup,
        };
        *place = Some(entry.into_run(at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: bool = true;
    const AWAITED: bool = true;

    struct Scratch(std::path::PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("handover-outer-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn outer(&self) -> Outer {
            Outer::new(Runner::new(None), Token(1), &self.0, "this")
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn config(global: &str) -> Config {
        config::parse("test.conf", format!("global_defs {{ {global} }}\n")).config.expect("valid")
    }

    fn play(outer: &mut Outer, side: Side, config: &Config) -> Option<Entry> {
        outer.play(side, (&Reactor::new().unwrap(), None), config, Instant::ZERO)
    }

    #[test]
    fn what_was_started_is_not_started_again_until_it_was_stopped() {
        let scratch = Scratch::new("once");
        let config = config("startup_script /nonexistent/up");
        let mut outer = scratch.outer();
        assert_eq!(outer.due(!AWAITED, QUIET), None);
        assert_eq!(outer.due(AWAITED, !QUIET), Some(Due::Play(Side::Startup)));
        let entry = play(&mut outer, Side::Startup, &config).expect("it can't be run");
        assert!(!entry.succeeded && entry.outcome.contains("/nonexistent/up"), "{}", entry.outcome);
        assert_eq!(outer.due(AWAITED, QUIET), Some(Due::Answer), "a failure keeps nobody waiting");
        // Killed, and vrrp-core as well.
        let mut outer = scratch.outer();
        assert_eq!(outer.due(AWAITED, QUIET), Some(Due::Answer));
        outer.ended();
        assert_eq!(outer.due(AWAITED, !QUIET), None, "first the hooks of the last states");
        assert_eq!(outer.due(AWAITED, QUIET), Some(Due::Play(Side::Shutdown)));
        assert!(play(&mut outer, Side::Shutdown, &config).is_none(), "none is configured");
        assert!(outer.is_idle());
        assert_eq!(outer.due(AWAITED, QUIET), Some(Due::Play(Side::Startup)));
        assert_eq!(scratch.outer().due(AWAITED, QUIET), Some(Due::Play(Side::Startup)));
    }

    #[test]
    fn who_takes_part_has_started_without_a_script_too() {
        let scratch = Scratch::new("running");
        let mut outer = scratch.outer();
        outer.begun();
        assert_eq!(scratch.outer().due(AWAITED, QUIET), Some(Due::Answer), "configured later by a reload");
        outer.ended();
        outer.begun();
        assert!(outer.is_idle(), "it is back before anything was run for its end");
        outer.ended();
        outer.playing = Some(Side::Shutdown);
        outer.marker.clear();
        outer.begun();
        assert_eq!(outer.due(AWAITED, QUIET), None);
        outer.close(Side::Shutdown);
        outer.owes_shutdown = false;
        assert_eq!(outer.due(AWAITED, QUIET), Some(Due::Answer), "it is back before that was over");
    }

    #[test]
    fn a_start_that_is_broken_off_was_none() {
        let scratch = Scratch::new("aborted");
        let mut outer = scratch.outer();
        let config = config("script_user root\n startup_script \"/bin/sleep 100\"");
        if play(&mut outer, Side::Startup, &config).is_some() {
            println!("SKIPPED: nothing can be run as root here");
            return;
        }
        assert_eq!(outer.due(AWAITED, QUIET), None);
        outer.abort_startup();
        outer.close(Side::Startup);
        assert_eq!(outer.due(AWAITED, QUIET), Some(Due::Play(Side::Startup)));
    }
}
