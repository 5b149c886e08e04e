//! The loop of every daemon: what is due is done, the watchdog told, then it sleeps until something comes in.
//!
//! It must never decide anything, nor sleep anywhere but in [`Reactor::wait`]. Read `reactor::Ready` first: descriptors
//! come before signals, and the timer last.

use std::path::Path;

use model::Instant;
use reactor::{Reactor, Ready, Token};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

use crate::Failure;
use crate::post::Post;
use crate::ready::notify_alive;
use crate::watchdog::Watchdog;

/// The signals that a daemon hears: two to stop, one to read its configuration again, one to make room.
const SIGNALS: [i32; 4] = [SIGTERM, SIGINT, SIGHUP, SUCCESSION];
/// A successor is about to be started (`RestartKillSignal=` in the units). Whoever stops says goodbye, and another router
/// takes over; whoever makes room leaves just as if it were killed, and its siblings wait for the next one.
const SUCCESSION: i32 = SIGUSR1;

/// Whether there is another turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Sleep until then, or for as long as nothing comes in.
    Sleep(Option<Instant>),
    /// The daemon has done all that it had to do.
    Over,
}

/// What the loop asks of a daemon.
pub trait Daemon {
    /// The event loop that everything of this daemon hangs on.
    fn reactor(&mut self) -> &mut Reactor;

    /// The file of the socket that it listens on.
    fn socket(&self) -> &Path;

    /// Once per turn: everything that is due at `now`.
    ///
    /// # Errors
    /// What ends the daemon.
    fn on_turn(&mut self, now: Instant) -> Result<Turn, Failure>;

    /// A descriptor has news.
    ///
    /// # Errors
    /// What ends the daemon.
    fn on_ready(&mut self, token: Token, readiness: Readiness, now: Instant) -> Result<(), Failure>;

    /// SIGTERM or SIGINT, perhaps not the first.
    fn on_stop(&mut self, now: Instant);

    /// SIGHUP.
    fn on_reload(&mut self, now: Instant);

    /// SIGUSR1, and nothing else follows: what a successor should know.
    fn on_succession(&mut self) {}

    /// The socket's file is gone. It ends, and will be started again: whoever has a place to lose makes room for a successor, and
    /// whoever has none stops.
    fn on_lost_socket(&mut self, now: Instant) -> Turn {
        self.on_stop(now);
        Turn::Sleep(Some(now))
    }
}

/// What a descriptor may be good for; trying tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Reading may get somewhere.
    pub readable: bool,
    /// Writing may get somewhere.
    pub writable: bool,
}

/// An event loop that hears the signals of a daemon.
///
/// # Errors
/// As [`Reactor::new`] and [`Reactor::signals`].
pub fn event_loop() -> Result<Reactor, Failure> {
    let mut reactor = Reactor::new().map_err(|error| Failure::io("make an event loop", &error))?;
    reactor.signals(&SIGNALS).map_err(|error| Failure::io("catch signals", &error))?;
    Ok(reactor)
}

/// Runs a daemon until it says that it is over, or until a successor wants its place.
///
/// # Errors
/// What the daemon failed with, or that the kernel refuses to wait.
pub fn serve(mut daemon: impl Daemon) -> Result<(), Failure> {
    let mut ready = Vec::new();
    let mut watchdog = Watchdog::from_environment(sys::clock::now());
    let mut post = Post::new(daemon.socket(), sys::clock::now());
    loop {
        let now = sys::clock::now();
        let Turn::Sleep(deadline) = daemon.on_turn(now)? else { return Ok(()) };
        if watchdog.is_due(now) {
            notify_alive();
        }
        if post.is_lost(now) && daemon.on_lost_socket(now) == Turn::Over {
            return Ok(());
        }
        let deadline = post.no_later(watchdog.no_later(deadline));
        let reactor = daemon.reactor();
        reactor.arm(deadline).map_err(|error| Failure::io("set the timer", &error))?;
        reactor.wait(&mut ready).map_err(|error| Failure::io("wait for events", &error))?;
        for event in ready.drain(..) {
            let now = sys::clock::now();
            match event {
                Ready::Signal(SIGHUP) => daemon.on_reload(now),
                Ready::Signal(SUCCESSION) => {
                    log::info!("making room for a successor");
                    daemon.on_succession();
                    return Ok(());
                }
                Ready::Signal(_) => daemon.on_stop(now),
                Ready::Token { token, readable, writable } => {
                    daemon.on_ready(token, Readiness { readable, writable }, now)?;
                }
                // What is due is looked at in each turn.
                Ready::Timer => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use signal_hook::low_level::raise;

    use super::*;

    /// Notes what it is asked, and is over after the stop; may be asked to make room instead.
    struct Witness {
        makes_room: bool,
        reactor: Reactor,
        heard: Vec<&'static str>,
        due: Instant,
    }

    impl Daemon for Witness {
        fn reactor(&mut self) -> &mut Reactor {
            &mut self.reactor
        }

        fn socket(&self) -> &Path {
            Path::new("/")
        }

        fn on_turn(&mut self, now: Instant) -> Result<Turn, Failure> {
            if self.heard.last() == Some(&"stop") {
                return Err(Failure::new(crate::Exit::Failed, self.heard.join(" ")));
            }
            if now >= self.due && self.heard.is_empty() {
                self.heard.push("due");
                raise(if self.makes_room { SUCCESSION } else { SIGHUP })
                    .map_err(|error| Failure::io("raise", &error))?;
            }
            Ok(Turn::Sleep(self.heard.is_empty().then_some(self.due)))
        }

        fn on_ready(&mut self, _: Token, _: Readiness, _: Instant) -> Result<(), Failure> {
            self.heard.push("token");
            Ok(())
        }

        fn on_stop(&mut self, _: Instant) {
            self.heard.push("stop");
        }

        fn on_reload(&mut self, _: Instant) {
            self.heard.push("reload");
            raise(SIGTERM).unwrap();
        }
    }

    /// One after the other: a signal is heard by every loop of the process.
    #[test]
    fn what_is_due_and_what_is_signalled_each_come_once_and_a_successor_finds_no_farewell() {
        let witness = |makes_room| Witness {
            makes_room,
            reactor: event_loop().unwrap(),
            heard: Vec::new(),
            due: sys::clock::now() + Duration::from_millis(2),
        };
        let failure = serve(witness(false)).unwrap_err();
        assert_eq!(failure.to_string(), "due reload stop");
        serve(witness(true)).unwrap();
    }
}
