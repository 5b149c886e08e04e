//! How each daemon is started: as whom, with which rights, and with what it is told.
//!
//! The table is ARCHITECTURE.md's. Nothing is started here.

use std::path::{Path, PathBuf};

use sys::privilege::Capability;
use sys::process::{Credentials, Rights, Signal, Spec, Stdio};

use crate::pulse::Pulse;
use crate::run::{Directories, GROUP, Reading, is_root};
use crate::supervise::Daemon;

/// Variables of sd_notify(3) and its siblings.
const FROM_SYSTEMD: [&str; 4] = ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID"];

/// What is needed to start a daemon, as often as it takes.
#[derive(Debug)]
pub(crate) struct Recipe {
    program: PathBuf,
    reading: Reading,
    directories: Directories,
    credentials: Option<Credentials>,
    rights: Rights,
    real_time: Option<u8>,
    /// Where it says that its loop turns.
    pulse: Option<PathBuf>,
}

impl Recipe {
    /// `real_time` is for vrrp-core alone: a late advert is a failover, and nothing that the others do is so urgent.
    pub(crate) fn new(
        daemon: Daemon,
        programs: &Path,
        reading: &Reading,
        directories: &Directories,
        real_time: Option<u8>,
    ) -> Self {
        Self {
            program: programs.join(daemon.program()),
            reading: reading.clone(),
            directories: directories.clone(),
            credentials: credentials(daemon),
            rights: rights(daemon),
            real_time: real_time.filter(|_| daemon == Daemon::VrrpCore),
            pulse: None,
        }
    }

    /// A socket for its signs of life, of which it is told from now on.
    pub(crate) fn pulse(&mut self, path: PathBuf) -> std::io::Result<Pulse> {
        let pulse = Pulse::listen(path.clone(), self.credentials.as_ref().map(|it| it.uid))?;
        self.pulse = Some(path);
        Ok(pulse)
    }

    pub(crate) fn spec(&self) -> Spec {
        let spec = Spec::new(&self.program)
            .argument("--config")
            .argument(&self.reading.path)
            .argument("--config-id")
            .argument(self.reading.id.as_str())
            .argument("--runtime-dir")
            .argument(&self.directories.runtime)
            .argument("--state-dir")
            .argument(&self.directories.state)
            .rights(self.rights.clone())
            .die_with_parent(Signal::TERM)
            .stdout(Stdio::Inherit)
            .stderr(Stdio::Inherit);
        // What systemd told us in variables was meant for us alone.
        let variables = std::env::vars_os().filter(|(name, _)| !FROM_SYSTEMD.iter().any(|it| name == it));
        let spec = variables.fold(spec.clear_environment(), |spec, (name, value)| spec.variable(name, value));
        let spec = spec.variable(service::SUPERVISOR, std::process::id().to_string());
        let ours = self.pulse.iter().flat_map(|path| Pulse::variables(path));
        let spec = ours.fold(spec, |spec, (name, value)| spec.variable(name, value));
        let spec = match self.real_time {
            Some(priority) => spec.real_time(priority),
            None => spec,
        };
        match &self.credentials {
            Some(credentials) => spec.credentials(credentials.clone()),
            None => spec,
        }
    }
}

/// The daemon's own account, if there is one and we may become it.
fn credentials(daemon: Daemon) -> Option<Credentials> {
    let user = sys::user::lookup(daemon.user()).ok().flatten()?;
    if !is_root() || !sys::user::can_become(user.uid).unwrap_or(false) {
        return None;
    }
    let gid = sys::user::group(GROUP).ok().flatten().unwrap_or(user.gid);
    Some(Credentials { uid: user.uid, gid, groups: user.groups })
}

/// The table of ARCHITECTURE.md, as far as we have those rights ourselves. A script that the configuration has run as
/// root is root, whoever starts it; so nothing is taken from the bounding set of those that start scripts.
fn rights(daemon: Daemon) -> Rights {
    let held = |wanted: &[Capability]| {
        let has = |it: &Capability| sys::privilege::has(*it).unwrap_or(false);
        wanted.iter().copied().filter(has).collect()
    };
    match daemon {
        Daemon::Ipmgr => Rights::Exactly(held(&[Capability::NetAdmin, Capability::NetRaw])),
        Daemon::VrrpCore => Rights::Exactly(Vec::new()),
        Daemon::Checkerd | Daemon::Notifierd => {
            Rights::Ambient(held(&[Capability::SetUid, Capability::SetGid, Capability::Kill]))
        }
    }
}
