//! Whether a daemon's loop still turns: each says so to a socket of its own, in the words that systemd understands as well
//! (sd_notify(3), systemd.service(5) `WatchdogSec=`).
//!
//! It must never end a daemon for a pause of the whole machine: whoever is found silent has some seconds more to say something.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::Instant;

/// How long a loop may take to turn: as in the units.
const LIMIT: Duration = Duration::from_secs(15);
/// How long a daemon that was found silent has to say something.
const RESPITE: Duration = Duration::from_secs(5);
/// Datagrams that are taken in one turn.
const MAX_BATCH: usize = 64;

/// The socket of one daemon, and when it was heard.
#[derive(Debug)]
pub(crate) struct Pulse {
    pub(crate) socket: UnixDatagram,
    path: PathBuf,
    /// Not before it has said its first word: what a start takes is nobody's to limit.
    heard_at: Option<Instant>,
    /// It was silent for too long when it was looked at then.
    silent_since: Option<Instant>,
}

impl Pulse {
    /// Makes a socket at `path`, to which `owner` alone can speak (and root).
    ///
    /// # Errors
    /// bind(2), chown(2), chmod(2).
    pub(crate) fn listen(path: PathBuf, owner: Option<u32>) -> io::Result<Self> {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let socket = UnixDatagram::bind(&path)?;
        socket.set_nonblocking(true)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        chown(&path, owner, None)?;
        Ok(Self { socket, path, heard_at: None, silent_since: None })
    }

    /// What the daemon has to be told in its environment.
    pub(crate) fn variables(path: &Path) -> [(&'static str, String); 2] {
        let limit = LIMIT.as_micros().to_string();
        [("NOTIFY_SOCKET", path.display().to_string()), ("WATCHDOG_USEC", limit)]
    }

    /// Another one is started.
    pub(crate) fn begin_anew(&mut self, now: Instant) {
        self.hear(now);
        (self.heard_at, self.silent_since) = (None, None);
    }

    /// Takes what it has said: that is all that matters of it.
    pub(crate) fn hear(&mut self, now: Instant) {
        for _ in 0..MAX_BATCH {
            if self.socket.recv(&mut [0; 16]).is_err() {
                return;
            }
            (self.heard_at, self.silent_since) = (Some(now), None);
        }
    }

    /// Whether it has been silent for too long, also after its respite.
    pub(crate) fn is_over(&mut self, now: Instant) -> bool {
        if self.heard_at.is_none_or(|at| now < at + LIMIT) {
            return false;
        }
        let since = *self.silent_since.get_or_insert(now);
        now >= since + RESPITE
    }

    /// When [`Self::is_over`] may say something else.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let silent = self.silent_since.map(|since| since + RESPITE);
        silent.or_else(|| self.heard_at.map(|at| at + LIMIT))
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_nanos(1_000_000_000);

    #[test]
    fn who_has_spoken_must_go_on_and_has_a_respite() {
        let path = std::env::temp_dir().join(format!("handover-pulse-{}", std::process::id()));
        let mut pulse = Pulse::listen(path.clone(), None).unwrap();
        let speaker = UnixDatagram::unbound().unwrap();
        assert_eq!((pulse.is_over(START + LIMIT * 9), pulse.deadline()), (false, None), "it has not begun");
        speaker.send_to(b"READY=1\nSTATUS=waiting for vrrp-core", &path).unwrap();
        pulse.hear(START);
        assert_eq!(pulse.deadline(), Some(START + LIMIT));
        // The machine was paused, or the daemon hangs.
        let late = START + LIMIT * 9;
        assert!(!pulse.is_over(late));
        assert_eq!(pulse.deadline(), Some(late + RESPITE));
        speaker.send_to(b"WATCHDOG=1", &path).unwrap();
        pulse.hear(late);
        assert!(!pulse.is_over(late + RESPITE), "it was the machine");
        let later = late + LIMIT;
        assert!(!pulse.is_over(later));
        assert!(pulse.is_over(later + RESPITE), "it hangs");
        pulse.begin_anew(later + RESPITE);
        assert!(!pulse.is_over(later + RESPITE));
        drop(pulse);
        assert!(!path.exists());
    }
}
