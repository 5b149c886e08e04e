//! Whether a daemon's loop still turns, and how much longer it needs to stop: each says so to a socket of its own, in the words
//! that systemd understands as well (sd_notify(3), systemd.service(5) `WatchdogSec=`).
//!
//! It must never end a daemon for a pause of the whole machine: whoever is found silent has some seconds more to say something.
//! Nor does it let one put off its end for good: what it may ask for is bounded.

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
/// The most that a daemon can ask for: the longest `shutdown_script_timeout` is 1000 s.
const MAX_EXTENSION: Duration = Duration::from_secs(1100);
/// By this word it does, in microseconds.
const EXTENSION: &[u8] = b"EXTEND_TIMEOUT_USEC=";
/// Of a datagram, what is read: the word is all there is in the one that has it.
const MAX_READ: usize = 64;
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
    /// Until when it has asked not to be ended.
    extended_to: Option<Instant>,
}

impl Pulse {
    /// Makes a socket at `path`, to which `owner` alone can speak (and root).
    ///
    /// # Errors
    /// bind(2), chown(2), chmod(2).
    pub(crate) fn listen(path: PathBuf, owner: Option<u32>) -> io::Result<Self> {
        sys::own_file::remove(&path)?;
        let socket = UnixDatagram::bind(&path)?;
        socket.set_nonblocking(true)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        chown(&path, owner, None)?;
        Ok(Self { socket, path, heard_at: None, silent_since: None, extended_to: None })
    }

    /// What the daemon has to be told in its environment.
    pub(crate) fn variables(path: &Path) -> [(&'static str, String); 2] {
        let limit = LIMIT.as_micros().to_string();
        [("NOTIFY_SOCKET", path.display().to_string()), ("WATCHDOG_USEC", limit)]
    }

    /// Another one is started.
    pub(crate) fn begin_anew(&mut self, now: Instant) {
        self.hear(now);
        (self.heard_at, self.silent_since, self.extended_to) = (None, None, None);
    }

    /// Takes what it has said. That it did is what matters, and the time that it asks for, which is given.
    pub(crate) fn hear(&mut self, now: Instant) -> Option<Duration> {
        let (mut buffer, mut given) = ([0; MAX_READ], None);
        for _ in 0..MAX_BATCH {
            let Ok(length) = self.socket.recv(&mut buffer) else { break };
            (self.heard_at, self.silent_since) = (Some(now), None);
            given = buffer.get(..length).and_then(extension).or(given);
        }
        self.extended_to = given.map(|time| now + time).or(self.extended_to);
        given
    }

    /// Until when it has asked not to be ended, if it has.
    pub(crate) const fn extended_to(&self) -> Option<Instant> {
        self.extended_to
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

/// What it asks for in this datagram, within what it may.
fn extension(message: &[u8]) -> Option<Duration> {
    let digits = std::str::from_utf8(message.strip_prefix(EXTENSION)?).ok()?;
    let time = Duration::from_micros(digits.trim_end().parse().ok()?);
    Some(time.min(MAX_EXTENSION))
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
    fn more_time_is_given_within_bounds() {
        let asked = |text: &str| extension(text.as_bytes()).map(|it| it.as_secs());
        assert_eq!(asked("EXTEND_TIMEOUT_USEC=37000000\n"), Some(37));
        assert_eq!(asked("EXTEND_TIMEOUT_USEC=99999999999999\n"), Some(MAX_EXTENSION.as_secs()));
        for text in
            ["WATCHDOG=1\n", "EXTEND_TIMEOUT_USEC=\n", "EXTEND_TIMEOUT_USEC=-1", "EXTEND_TIMEOUT_USEC=1x\n"]
        {
            assert_eq!(asked(text), None, "{text}");
        }
    }

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
        assert_eq!(pulse.extended_to(), None);
        speaker.send_to(b"EXTEND_TIMEOUT_USEC=5000000\n", &path).unwrap();
        let time = Duration::from_secs(5);
        assert_eq!((pulse.hear(later), pulse.extended_to()), (Some(time), Some(later + time)));
        pulse.begin_anew(later + RESPITE);
        assert_eq!(pulse.extended_to(), None);
        assert!(!pulse.is_over(later + RESPITE));
        drop(pulse);
        assert!(!path.exists());
    }
}
