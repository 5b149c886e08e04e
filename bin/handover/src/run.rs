//! `handover run`: starts the four daemons in the foreground, each with its rights and no more, and keeps them running.
//!
//! For where there is no systemd: a container, a lab, a demo. It starts, waits, stops; on SIGHUP
//! a thread of it coordinates a reload, as `handover reload` does.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use config::ConfigId;
use model::Instant;
use reactor::{Interest, Reactor, Ready, Token};
use service::{Exit, Failure};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use sys::privilege::{self, Capability};
use sys::process::{Child, Exit as Exited, Signal, spawn};

use crate::pulse::Pulse;
use crate::recipe::Recipe;
use crate::supervise::{Daemon, Deaths, Remedy};

/// The group of the daemons' sockets, and of whoever may speak to them.
pub(crate) const GROUP: &str = "_handover";
/// The group that owns both directories where it exists: nobody but the daemons is in it.
const DAEMONS: &str = "_handover-daemons";
/// Sticky, so that no daemon can take away another's socket or file.
const SHARED_MODE: u32 = 0o1775;
/// `S_IWGRP` and `S_IWOTH`.
const STRANGERS_WRITE: u32 = 0o022;
/// Of the bits of a mode, those that chmod(2) takes.
const PERMISSIONS: u32 = 0o7777;
/// How often it is looked whether all daemons serve their sockets, until they do.
const READY_POLL: Duration = Duration::from_millis(20);
/// Above those of the daemons' processes.
const FIRST_PULSE: usize = Daemon::ALL.len();
/// What ends everything, in order.
const TERMINATION: [i32; 2] = [SIGTERM, SIGINT];

/// Runs until SIGTERM or SIGINT, or until a daemon says that restarting it won't help.
///
/// # Errors
/// An invalid configuration, a runtime directory that can't be made or is in use, a daemon that isn't there.
pub(crate) fn run(reading: &Reading, directories: &Directories) -> Result<(), Failure> {
    service::log::start("handover");
    let real_time = crate::check::valid(&reading.path, &reading.id, Exit::Configuration)?.global.real_time;
    // The daemons have one of their own, and this process stays as long as they do.
    sys::memory::give_back();
    has_rights()?;
    prepare(&directories.runtime)?;
    if let Err(failure) = prepare(&directories.state) {
        // Only what an operator orders is remembered there, and that order will say so, too.
        log::warn!("nothing can be remembered across restarts: {failure}");
    }
    let _lock = lock(&directories.runtime)?;
    service::sole::is_free()?;
    begin_anew(&directories.runtime);
    let programs = beside_us()?;
    Supervisor::new(reading, directories, &programs, real_time)?.serve()
}

/// Whether we have what ipmgr can't do without: said at once and whole, since in a container somebody has to add it by name.
fn has_rights() -> Result<(), Failure> {
    let mut missing = Vec::new();
    for right in [Capability::NetAdmin, Capability::NetRaw] {
        if !privilege::has(right).map_err(|error| Failure::io("read own capabilities", &error))? {
            missing.push(right.to_string());
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!(
        "missing: {}; without, no address can be held. Start it as root, or in a container with the capabilities NET_ADMIN and \
         NET_RAW (docs/containers.md)",
        missing.join(", ")
    );
    Err(Failure::new(Exit::Rights, message))
}

/// What every daemon reads, and as whom.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) path: PathBuf,
    pub(crate) id: ConfigId,
}

impl Reading {
    /// As asked, else the defaults that all programs share.
    pub(crate) fn new(path: Option<PathBuf>, id: Option<String>) -> Self {
        Self { path: service::config_path(path), id: service::config_id(id) }
    }
}

/// Where the daemons meet, and where they remember.
#[derive(Clone, Debug)]
pub(crate) struct Directories {
    pub(crate) runtime: PathBuf,
    pub(crate) state: PathBuf,
}

impl Directories {
    /// As asked, else the defaults that all programs share.
    pub(crate) fn new(runtime: Option<PathBuf>, state: Option<PathBuf>) -> Self {
        Self { runtime: service::runtime_dir(runtime), state: service::state_dir(state) }
    }
}

/// Makes a directory in which every daemon may have files of its own.
fn prepare(path: &Path) -> Result<(), Failure> {
    let doing = |what: &str| format!("{what} the directory {}", path.display());
    fs::create_dir_all(path).map_err(|error| Failure::io(doing("make"), &error))?;
    let group = [DAEMONS, GROUP].into_iter().find_map(|name| sys::user::group(name).unwrap_or_default());
    // Where we can't give anybody a user of their own, all daemons run as we do, and it is theirs already.
    if let Some(group) = group.filter(|_| is_root() && privilege::has(Capability::SetUid).unwrap_or(false)) {
        chown(path, None, Some(group)).map_err(|error| Failure::io(doing("change the group of"), &error))?;
        fs::set_permissions(path, fs::Permissions::from_mode(SHARED_MODE))
            .map_err(|error| Failure::io(doing("change the mode of"), &error))?;
    } else if std::process::id() == 1 {
        keep_strangers_out(path).map_err(|error| Failure::io(doing("change the mode of"), &error))?;
    }
    Ok(())
}

/// A volume of memory comes with a mode that lets anybody write. As process 1 the machine is ours, and the directory, too.
fn keep_strangers_out(path: &Path) -> std::io::Result<()> {
    let about = fs::metadata(path)?;
    if about.uid() == sys::user::effective_uid() && about.mode() & STRANGERS_WRITE != 0 {
        log::info!("{} was writable by others, who have no business there", path.display());
        fs::set_permissions(path, fs::Permissions::from_mode(about.mode() & PERMISSIONS & !STRANGERS_WRITE))?;
    }
    Ok(())
}

/// Held for as long as we run, whatever ends us; there is no file with a process id that could go stale (pain H2).
fn lock(runtime_dir: &Path) -> Result<fs::File, Failure> {
    let path = runtime_dir.join("handover.lock");
    let doing = || format!("lock {}", path.display());
    let file = fs::File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| Failure::io(doing(), &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => {
            let message = format!(
                "another 'handover run' uses {}; end that one first, or in a network namespace of its own choose another --runtime-dir",
                runtime_dir.display()
            );
            Err(Failure::new(Exit::Failed, message))
        }
        Err(fs::TryLockError::Error(error)) => Err(Failure::io(doing(), &error)),
    }
}

/// What ran before us has ended, in good order or not, and what a container's runtime directory says of it may be as old as its
/// image: this is a start.
fn begin_anew(runtime_dir: &Path) {
    let path = runtime_dir.join(ipc::hooks::STARTED_FILE);
    if let Err(error) = fs::remove_file(&path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        log::warn!("startup_script may not be run: remove {}: {error}", path.display());
    }
}

pub(crate) fn is_root() -> bool {
    sys::user::effective_uid() == 0
}

/// The directory of our own executable: the daemons are beside it.
fn beside_us() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe().map_err(|error| Failure::io("find our own executable", &error))?;
    let directory = own.parent().unwrap_or(Path::new("/")).to_owned();
    for daemon in Daemon::ALL {
        let program = directory.join(daemon.program());
        if !program.is_file() {
            let missing =
                format!("{} is not there: install the five programs side by side", program.display());
            return Err(Failure::new(Exit::Configuration, missing));
        }
    }
    Ok(directory)
}

/// One daemon and how it is doing.
#[derive(Debug)]
struct Ward {
    daemon: Daemon,
    recipe: Recipe,
    /// Whether its loop turns; nobody knows where no socket could be made for that.
    pulse: Option<Pulse>,
    running: Option<Running>,
    start_at: Option<Instant>,
    deaths: Deaths,
}

impl Ward {
    /// When it is killed, once it has been asked to stop: when its time is over, and what it has asked for beyond that.
    fn kill_at(&self) -> Option<Instant> {
        let at = self.running.as_ref()?.asked_at? + self.daemon.stop_limit();
        self.pulse.as_ref().and_then(Pulse::extended_to).max(Some(at))
    }

    /// Takes what it has said since.
    fn hear(&mut self, now: Instant) {
        if let Some(time) = self.pulse.as_mut().and_then(|pulse| pulse.hear(now)) {
            log::info!("{} may take {} s more to stop", self.daemon.program(), time.as_secs());
        }
    }
}

#[derive(Debug)]
struct Running {
    child: Child,
    since: Instant,
    /// When it was asked to stop, or killed.
    asked_at: Option<Instant>,
}

/// The supervisor's whole state.
struct Supervisor {
    reactor: Reactor,
    wards: Vec<Ward>,
    runtime_dir: PathBuf,
    /// Set once everything is to stop; an error if it is a daemon's doing.
    stopping: Option<Result<(), Exit>>,
    /// What lay at the place of each socket before we started anything: left by those before us.
    leftovers: Vec<Option<SocketId>>,
    announced: bool,
    /// SIGHUPs that haven't been answered.
    reloads: Arc<AtomicUsize>,
}

/// A socket's file: another one has another number, or was made at another time.
type SocketId = (u64, i64, i64);

fn socket_id(runtime_dir: &Path, daemon: Daemon) -> Option<SocketId> {
    let path = runtime_dir.join(format!("{}.sock", daemon.program()));
    let about = fs::symlink_metadata(path).ok()?;
    Some((about.ino(), about.ctime(), about.ctime_nsec()))
}

impl Supervisor {
    fn new(
        reading: &Reading,
        directories: &Directories,
        programs: &Path,
        real_time: Option<u8>,
    ) -> Result<Self, Failure> {
        let mut reactor = Reactor::new().map_err(|error| Failure::io("make an event loop", &error))?;
        let signals = [&TERMINATION[..], &[SIGHUP, SIGCHLD]].concat();
        reactor.signals(&signals).map_err(|error| Failure::io("catch signals", &error))?;
        let now = sys::clock::now();
        let mut wards = Vec::new();
        for (number, daemon) in Daemon::ALL.into_iter().enumerate() {
            let mut recipe = Recipe::new(daemon, programs, reading, directories, real_time);
            let pulse = recipe.pulse(directories.runtime.join(format!("{}.alive", daemon.program())));
            let pulse = pulse.and_then(|pulse| {
                reactor.register(Token(FIRST_PULSE + number), &pulse.socket, Interest::READABLE)?;
                Ok(pulse)
            });
            let pulse = pulse.inspect_err(|error| {
                log::warn!("a {} that hangs will not be noticed: {error}", daemon.program());
            });
            let (running, start_at, deaths) = (None, Some(now), Deaths::default());
            wards.push(Ward { daemon, recipe, pulse: pulse.ok(), running, start_at, deaths });
        }
        Ok(Self {
            reactor,
            wards,
            runtime_dir: directories.runtime.clone(),
            leftovers: Daemon::ALL.map(|daemon| socket_id(&directories.runtime, daemon)).to_vec(),
            stopping: None,
            announced: false,
            reloads: Arc::default(),
        })
    }

    fn serve(mut self) -> Result<(), Failure> {
        let mut ready = Vec::new();
        loop {
            let now = sys::clock::now();
            self.start_due(now);
            self.stop_next(now);
            self.end_who_hangs(now);
            if let Some(result) = self.stopping
                && self.wards.iter().all(|ward| ward.running.is_none())
            {
                log::info!("all daemons have stopped");
                return result
                    .map_err(|exit| Failure::new(exit, "a daemon said that restarting it won't help"));
            }
            self.announce_readiness();
            self.reactor.arm(self.next_deadline()).map_err(|error| Failure::io("set the timer", &error))?;
            self.reactor.wait(&mut ready).map_err(|error| Failure::io("wait for events", &error))?;
            for event in ready.drain(..) {
                match event {
                    Ready::Signal(signal) if TERMINATION.contains(&signal) => {
                        self.stop("asked to by a signal")
                    }
                    Ready::Signal(SIGCHLD) => self.reap_orphans(sys::clock::now()),
                    Ready::Signal(_) => {
                        service::reload::coordinate_in_a_thread(&self.runtime_dir, &self.reloads);
                    }
                    Ready::Token { token, .. } => self.on_ready(token, sys::clock::now()),
                    Ready::Timer => {}
                }
            }
        }
    }

    fn stop(&mut self, why: &str) {
        if self.stopping.is_none() {
            log::info!("stopping: {why}");
            service::notify_stopping();
            self.stopping = Some(Ok(()));
        }
    }

    /// While everything stops: as long as others run that stop before it, and have something to tell it yet.
    fn is_wanted(&self, number: usize) -> bool {
        let turn = self.wards.get(number).map(|ward| ward.daemon.stop_turn());
        let runs_before = |ward: &Ward| ward.running.is_some() && Some(ward.daemon.stop_turn()) < turn;
        self.stopping.is_none() || self.wards.iter().any(runs_before)
    }

    fn start_due(&mut self, now: Instant) {
        for number in 0..self.wards.len() {
            let may_start = self.is_wanted(number);
            let Some(ward) = self.wards.get_mut(number) else { continue };
            if !may_start || ward.start_at.is_none_or(|at| at > now) {
                continue;
            }
            ward.start_at = None;
            // Before it can have said anything.
            ward.pulse.iter_mut().for_each(|pulse| pulse.begin_anew(now));
            let watched = spawn(&ward.recipe.spec()).map_err(|error| error.to_string()).and_then(|child| {
                let watched = self.reactor.register(Token(number), &child, Interest::READABLE);
                watched.map(|()| child).map_err(|error| format!("watch it: {error}"))
            });
            match watched {
                Ok(child) => {
                    log::debug!("started {} as process {}", ward.daemon.program(), child.pid());
                    ward.running = Some(Running { child, since: now, asked_at: None });
                }
                Err(error) => {
                    let remedy = ward.deaths.not_started();
                    self.heal(number, remedy, &format!("can't be started: {error}"), now);
                }
            }
        }
    }

    /// A daemon has said that it lives, or has ended.
    fn on_ready(&mut self, token: Token, now: Instant) {
        let speaker = token.0.checked_sub(FIRST_PULSE).map(|number| self.wards.get_mut(number));
        match speaker {
            Some(ward) => ward.into_iter().for_each(|ward| ward.hear(now)),
            None => self.reap(token, now),
        }
    }

    /// A loop that doesn't turn answers nobody, and nothing of it can be mended from here: its successor does better.
    fn end_who_hangs(&mut self, now: Instant) {
        if self.stopping.is_some() {
            return;
        }
        for ward in &mut self.wards {
            ward.hear(now);
            let (Some(pulse), Some(running)) = (&mut ward.pulse, &ward.running) else { continue };
            if !pulse.is_over(now) {
                continue;
            }
            log::error!("{} hangs, and is killed", ward.daemon.program());
            pulse.begin_anew(now);
            if let Err(error) = running.child.signal(Signal::KILL) {
                log::warn!("signal {}: {error}", ward.daemon.program());
            }
        }
    }

    /// A daemon's descriptor became readable: it has ended.
    fn reap(&mut self, token: Token, now: Instant) {
        let Some(ward) = self.wards.get_mut(token.0) else { return };
        let Some(running) = &mut ward.running else { return };
        let Ok(Some(how)) = running.child.try_wait() else { return };
        let (since, was_asked) = (running.since, running.asked_at.is_some());
        if let Err(error) = self.reactor.deregister(&running.child) {
            log::warn!("forget a daemon's descriptor: {error}");
        }
        ward.running = None;
        let name = ward.daemon.program();
        if self.stopping.is_some() && was_asked {
            if how != Exited::Code(0) {
                log::error!("{name} has ended ({how}) before it had done all that there is to do at a stop");
            }
            return;
        }
        let remedy = ward.deaths.ended(how, since, now, !self.announced);
        self.heal(token.0, remedy, &format!("has ended ({how})"), now);
    }

    /// As process 1 of a container we are the parent of whoever has lost theirs, and nobody else takes their remains away.
    fn reap_orphans(&mut self, now: Instant) {
        // Each turn takes one off the kernel's list, or is the last.
        while let Ok(Some(ended)) = sys::namespace::ended_child() {
            let is_it = |ward: &Ward| {
                ward.running
                    .as_ref()
                    .is_some_and(|it| i64::from(it.child.pid()) == i64::from(ended.as_raw_pid()))
            };
            let done = match self.wards.iter().position(is_it) {
                Some(number) => {
                    self.reap(Token(number), now);
                    self.wards.get(number).is_some_and(|ward| ward.running.is_none())
                }
                None => sys::namespace::reap(ended).is_ok(),
            };
            if !done {
                return;
            }
        }
    }

    /// Starts it again in time, or stops everything.
    fn heal(&mut self, number: usize, remedy: Remedy, what: &str, now: Instant) {
        let Some(ward) = self.wards.get_mut(number) else { return };
        let name = ward.daemon.program();
        match remedy {
            Remedy::RestartAfter(delay) => {
                log::error!("{name} {what}; starting it again in {} ms", delay.as_millis());
                ward.start_at = Some(now + delay);
            }
            Remedy::GiveUp(exit) => {
                log::error!("{name} {what}: a restart won't help, see its last message");
                self.stopping.get_or_insert(Err(exit));
            }
        }
    }

    /// Asks the daemons whose turn it is to stop, and kills those that have been asked long ago.
    fn stop_next(&mut self, now: Instant) {
        if self.stopping.is_none() {
            return;
        }
        let running = |ward: &Ward| ward.running.is_some();
        let Some(turn) = self.wards.iter().filter(|it| running(it)).map(|it| it.daemon.stop_turn()).min()
        else {
            return;
        };
        for ward in self.wards.iter_mut().filter(|ward| ward.daemon.stop_turn() == turn) {
            ward.hear(now);
            let kill_at = ward.kill_at();
            let Some(running) = &mut ward.running else { continue };
            let signal = match kill_at {
                None => Signal::TERM,
                Some(at) if at <= now => {
                    log::error!("{} didn't stop in time and is killed", ward.daemon.program());
                    Signal::KILL
                }
                Some(_) => continue,
            };
            running.asked_at = Some(now);
            if let Err(error) = running.child.signal(signal) {
                log::warn!("signal {}: {error}", ward.daemon.program());
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let kills = self.wards.iter().filter_map(Ward::kill_at);
        let starts = self.wards.iter().enumerate().filter(|(number, _)| self.is_wanted(*number));
        let starts = starts.filter_map(|(_, ward)| ward.start_at);
        let pulses = self.wards.iter().filter(|ward| ward.running.is_some() && self.stopping.is_none());
        let pulses = pulses.filter_map(|ward| ward.pulse.as_ref()?.deadline());
        let poll = (!self.announced).then(|| sys::clock::now() + READY_POLL);
        kills.chain(starts).chain(pulses).chain(poll).min()
    }

    /// Once every daemon serves its socket, the service manager (if there is one) hears it.
    fn announce_readiness(&mut self) {
        let serves = |(daemon, leftover): (&Daemon, &Option<SocketId>)| {
            let present = socket_id(&self.runtime_dir, *daemon);
            present.is_some() && present != *leftover
        };
        if !self.announced && Daemon::ALL.iter().zip(&self.leftovers).all(serves) {
            self.announced = true;
            log::info!("all daemons are up; 'handover status --runtime-dir {}'", self.runtime_dir.display());
            service::notify_ready("all daemons are up");
        }
    }
}
