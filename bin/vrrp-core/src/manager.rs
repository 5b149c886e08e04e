//! The link to ipmgr: orders go out by name, facts and sockets come in.
//!
//! ipmgr may be restarted at any time: its silence is first waited out (the kernel keeps the addresses meanwhile),
//! then told to the core. Whatever it sends that we don't understand closes the link, never the process.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipc::core_ipmgr::{Order, PROTOCOL, Report, SILENCE, SOCKET};
use ipc::events::Peer;
use ipc::frame::{self, MAX_FRAME};
use model::Instant;
use reactor::Interest;
use service::Trouble;
use sys::seqpacket::{Connection, Frame, Received};

/// How long ipmgr may be away before nobody here can honestly be master. A restart takes a few milliseconds.
const GRACE: Duration = Duration::from_millis(500);
/// From one attempt to connect to the next.
const RETRY: Duration = Duration::from_millis(20);
/// After each connection that came to nothing (refused, or closed before everything was told) the pause doubles, up to
/// this. The first may be a dying ipmgr's, with the next one only milliseconds away.
const LONGEST_RETRY: Duration = Duration::from_secs(1);
/// Orders that may wait for a full socket; more means that ipmgr doesn't read, and the link is closed.
const MAX_WAITING: usize = 16_384;
/// Frames that are taken in one turn.
const MAX_BATCH: usize = 256;
/// The longest time between two beats.
const SLOWEST_BEAT: Duration = Duration::from_millis(500);

/// Something that ipmgr said, perhaps with a descriptor.
pub(crate) type News = (Report, Option<OwnedFd>);

/// The link and its repair.
#[derive(Debug)]
pub(crate) struct Manager {
    path: PathBuf,
    fingerprint: u64,
    beat_every: Duration,
    connection: Option<Connection>,
    waiting: VecDeque<Vec<u8>>,
    trouble: Trouble,
    /// It has told everything that it knows, so we are connected for all purposes.
    greeted: bool,
    /// Connections in a row that came to nothing.
    turned_away: u32,
    /// Since when nobody can hold addresses for us; until the core knows, or ipmgr has greeted again.
    gone_at: Option<Instant>,
    retry_at: Instant,
    beat_at: Instant,
    /// When it said something last.
    heard_at: Instant,
    /// What the connection is watched for.
    watched: Interest,
}

impl Manager {
    /// `shortest` is the shortest advert interval of all instances: ipmgr's patience is twice an interval, so beats
    /// come four times as often.
    pub(crate) fn new(runtime_dir: &Path, fingerprint: u64, shortest: Duration, now: Instant) -> Self {
        Self {
            path: runtime_dir.join(SOCKET),
            fingerprint,
            beat_every: beat_every(shortest),
            connection: None,
            waiting: VecDeque::new(),
            trouble: Trouble::new("ipmgr"),
            greeted: false,
            turned_away: 0,
            gone_at: None,
            retry_at: now,
            beat_at: now,
            heard_at: now,
            watched: Interest::READABLE,
        }
    }

    /// Another configuration runs; who is connected runs it, too.
    pub(crate) fn reconfigure(&mut self, fingerprint: u64, shortest: Duration, now: Instant) {
        self.fingerprint = fingerprint;
        self.beat_every = beat_every(shortest);
        self.beat_at = self.beat_at.min(now + self.beat_every);
    }

    /// Whether it has told everything that it knows and waits for orders.
    pub(crate) const fn is_greeted(&self) -> bool {
        self.greeted
    }

    /// For status.
    pub(crate) fn peer(&self) -> Peer {
        Peer { connected: self.greeted, trouble: self.trouble.text().map(str::to_owned) }
    }

    /// Everything that is due by `now`; true if a new connection has to be watched, for reading. `core` is when the core
    /// wants to be woken next.
    pub(crate) fn on_time(&mut self, now: Instant, core: Option<Instant>) -> bool {
        if self.connection.is_some() {
            if self.silent_at() <= now {
                // Gone for all purposes. Whoever hangs greets nobody, either.
                self.close(&format!("it has said nothing for {} s: it hangs", SILENCE.as_secs()), now);
                return false;
            }
            if self.beat_at <= now {
                self.beat_at = self.next_beat(now, core);
                self.send(&Order::Beat, now);
            }
            return false;
        }
        if self.retry_at > now {
            return false;
        }
        self.retry_at = now + RETRY;
        self.connect(now)
    }

    /// A beat that woke us for nothing else is followed by one together with what the core does next. From then on both
    /// stay together, since adverts come at twice the pace of beats, without drift: a wake-up costs more than a beat.
    fn next_beat(&self, now: Instant, core: Option<Instant>) -> Instant {
        let on_pace = Some(self.beat_at + self.beat_every).filter(|at| *at > now);
        let at_latest = on_pace.unwrap_or(now + self.beat_every);
        core.filter(|at| *at > now && *at < at_latest).unwrap_or(at_latest)
    }

    fn silent_at(&self) -> Instant {
        self.heard_at + SILENCE
    }

    /// What the connection has to be watched for from now on, if it is watched for something else: for room only while
    /// something waits for it, or each frame that ipmgr takes would wake us.
    pub(crate) fn change_of_interest(&mut self) -> Option<Interest> {
        let wanted = if self.waiting.is_empty() {
            Interest::READABLE
        } else {
            Interest::READABLE | Interest::WRITABLE
        };
        let changes = self.connection.is_some() && wanted != self.watched;
        changes.then(|| {
            self.watched = wanted;
            wanted
        })
    }

    /// When [`Self::on_time`] wants to be called next.
    pub(crate) fn next_deadline(&self) -> Instant {
        if self.connection.is_some() { self.beat_at.min(self.silent_at()) } else { self.retry_at }
    }

    /// When ipmgr's absence has to be told to the core, if it is absent and that isn't told yet.
    pub(crate) fn absence_due(&self) -> Option<Instant> {
        self.gone_at.map(|at| at + GRACE)
    }

    /// The core knows now, or ipmgr is back.
    pub(crate) fn absence_settled(&mut self) {
        self.gone_at = None;
    }

    /// What to watch.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.connection.as_ref().map(AsFd::as_fd)
    }

    fn connect(&mut self, now: Instant) -> bool {
        match Connection::connect(&self.path) {
            Ok(connection) => {
                self.connection = Some(connection);
                self.heard_at = now;
                self.watched = Interest::READABLE;
                self.beat_at = now + self.beat_every;
                self.send(&Order::Hello { protocol: PROTOCOL, fingerprint: self.fingerprint }, now);
                self.connection.is_some()
            }
            Err(error) => {
                self.trouble.unreachable(now, format!("connect to {}: {error}", self.path.display()));
                false
            }
        }
    }

    /// Something is wrong with ipmgr: for status and log.
    pub(crate) fn complain(&mut self, trouble: String) {
        self.trouble.complain(trouble);
    }

    /// ipmgr has greeted and everything fits.
    pub(crate) fn greeted(&mut self) {
        self.greeted = true;
        self.turned_away = 0;
        self.gone_at = None;
        if self.trouble.settle() {
            log::info!("connected to ipmgr");
        }
    }

    /// Sends an order, or queues it while the socket is full.
    pub(crate) fn send(&mut self, order: &Order, now: Instant) {
        let Some(connection) = &self.connection else { return };
        let frame = match frame::encode(order) {
            Ok(frame) => frame,
            Err(error) => {
                log::error!("an order for ipmgr can't be encoded: {error}");
                return;
            }
        };
        if self.waiting.is_empty() {
            match connection.send(&frame, None) {
                Ok(()) => return,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return self.close(&format!("send: {error}"), now),
            }
        }
        if self.waiting.len() >= MAX_WAITING {
            return self.close("it doesn't read what we send", now);
        }
        self.waiting.push_back(frame);
    }

    /// The socket can take more.
    pub(crate) fn on_writable(&mut self, now: Instant) {
        while let (Some(connection), Some(frame)) = (&self.connection, self.waiting.front()) {
            match connection.send(frame, None) {
                Ok(()) => {
                    self.waiting.pop_front();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => return self.close(&format!("send: {error}"), now),
            }
        }
    }

    /// Takes what is there; true when its turn is over and there may be more.
    pub(crate) fn on_readable(&mut self, now: Instant, news: &mut Vec<News>) -> bool {
        let mut buffer = vec![0_u8; MAX_FRAME];
        for _ in 0..MAX_BATCH {
            let Some(connection) = &self.connection else { return false };
            match connection.receive(&mut buffer) {
                Ok(None) => return false,
                Ok(Some(Received::Closed)) => return self.give_up("it has closed the connection", now),
                Ok(Some(Received::Frame(Frame { truncated: true, .. }))) => {
                    return self.give_up("it sent a frame over the limit", now);
                }
                Ok(Some(Received::Frame(Frame { length, fd, .. }))) => {
                    self.heard_at = now;
                    // A descriptor comes with a datagram of one report.
                    let mut fd = fd;
                    for frame in frame::split(buffer.get(..length).unwrap_or_default()) {
                        match frame::decode(frame) {
                            Ok(report) => news.push((report, fd.take())),
                            Err(error) => return self.give_up(&error.to_string(), now),
                        }
                    }
                }
                Err(error) => return self.give_up(&format!("receive: {error}"), now),
            }
        }
        true
    }

    fn give_up(&mut self, why: &str, now: Instant) -> bool {
        self.close(why, now);
        false
    }

    /// Ends the connection. A new one is tried at once if this one worked; a peer that accepts us only to turn us away
    /// gets a pause, and our time without ipmgr goes on.
    pub(crate) fn close(&mut self, why: &str, now: Instant) {
        if self.connection.take().is_none() {
            return;
        }
        self.complain(why.to_owned());
        self.waiting.clear();
        if std::mem::take(&mut self.greeted) {
            self.gone_at = Some(now);
            self.retry_at = now;
        } else {
            let pause = RETRY.saturating_mul(1 << self.turned_away.min(10)).min(LONGEST_RETRY);
            self.turned_away = self.turned_away.saturating_add(1);
            self.retry_at = now + pause;
        }
    }
}

fn beat_every(shortest: Duration) -> Duration {
    (shortest / 2).min(SLOWEST_BEAT)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use sys::seqpacket::Listener;

    use super::*;

    const START: Instant = Instant::from_nanos(1_000_000_000);

    /// A link to a listener of our own, connected at [`START`].
    fn connected(name: &str, shortest: Duration) -> (PathBuf, Listener, Manager, Connection) {
        let directory = std::env::temp_dir().join(format!("handover-manager-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700)).unwrap();
        let listener = Listener::bind(&directory.join(SOCKET), 0o600).unwrap();
        let mut manager = Manager::new(&directory, 1, shortest, START);
        assert!(manager.on_time(START, None));
        let (peer, _) = listener.accept().unwrap().unwrap();
        (directory, listener, manager, peer)
    }

    /// How many frames there are.
    fn frames(peer: &Connection) -> usize {
        let mut buffer = vec![0; MAX_FRAME];
        std::iter::from_fn(|| peer.receive(&mut buffer).unwrap()).count()
    }

    #[test]
    fn beats_come_twice_per_interval_and_share_the_adverts_wake_ups() {
        let interval = Duration::from_millis(100);
        for phase in [1, 29, 49, 50, 51, 99] {
            let (directory, _listener, mut manager, peer) = connected(&format!("beats-{phase}"), interval);
            assert_eq!(frames(&peer), 1, "hello");
            let mut advert_at = START + Duration::from_millis(phase);
            let (mut last_beat, mut wake_ups, mut beats) = (START, 0, 0);
            while wake_ups < 100 {
                let now = advert_at.min(manager.next_deadline());
                wake_ups += 1;
                assert!(!manager.on_time(now, Some(advert_at)));
                if advert_at <= now {
                    advert_at = advert_at + interval;
                }
                if frames(&peer) > 0 {
                    assert!(now <= last_beat + interval / 2, "a beat is late");
                    (last_beat, beats) = (now, beats + 1);
                }
            }
            assert!(beats >= 98, "{} wake-ups for nothing else at phase {phase}", 100 - beats);
            std::fs::remove_dir_all(directory).unwrap();
        }
    }

    #[test]
    fn an_ipmgr_that_says_nothing_any_more_is_gone() {
        let (directory, _listener, mut manager, peer) = connected("silence", Duration::from_secs(1));
        manager.greeted();
        let heard = START + Duration::from_secs(7);
        peer.send(&frame::encode(&Report::Alive).unwrap(), None).unwrap();
        let mut news = Vec::new();
        manager.on_readable(heard, &mut news);
        assert_eq!(news.len(), 1);
        let mut now = heard;
        while now < heard + SILENCE {
            assert_eq!((manager.on_time(now, None), manager.absence_due()), (false, None), "at {now:?}");
            now = manager.next_deadline().min(heard + SILENCE);
        }
        assert!(!manager.on_time(now, None));
        assert_eq!(manager.absence_due(), Some(now + GRACE));
        assert_eq!(manager.peer().trouble.as_deref(), Some("it has said nothing for 40 s: it hangs"));
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn room_is_waited_for_only_while_something_waits() {
        let (directory, _listener, mut manager, peer) = connected("room", Duration::from_secs(1));
        assert_eq!(manager.change_of_interest(), None);
        while manager.waiting.is_empty() {
            manager.send(&Order::Beat, START);
        }
        assert_eq!(manager.change_of_interest(), Some(Interest::READABLE | Interest::WRITABLE));
        assert_eq!(manager.change_of_interest(), None, "told once");
        assert!(frames(&peer) > 1);
        manager.on_writable(START);
        assert_eq!(manager.change_of_interest(), Some(Interest::READABLE));
        std::fs::remove_dir_all(directory).unwrap();
    }

    /// ipmgr restarts with another configuration, and turns us away each time that we come.
    #[test]
    fn a_peer_that_turns_us_away_is_neither_stormed_nor_taken_for_present() {
        let (directory, listener, mut manager, first) = connected("away", Duration::from_secs(1));
        let mut now = START;
        manager.greeted();
        drop(first);
        assert!(!manager.on_readable(now, &mut Vec::new()));
        let gone = now;
        let mut attempts = 0;
        while now < gone + Duration::from_secs(3) {
            now = manager.next_deadline();
            if manager.on_time(now, None) {
                attempts += 1;
                drop(listener.accept().unwrap());
                assert!(!manager.on_readable(now, &mut Vec::new()));
            }
            assert_eq!(manager.absence_due(), Some(gone + GRACE), "the core is told in time");
            assert!(!manager.peer().connected);
        }
        assert!((2..=10).contains(&attempts), "{attempts} attempts in three seconds");
        std::fs::remove_dir_all(directory).unwrap();
    }
}
