//! Waiting for all that a daemon waits for, in one place.
//!
//! It must never lose a wake-up or hand out one that it reserved for itself. Read epoll(7) and the documentation of `mio::Poll`
//! (portability, "draining readiness") first.

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use model::Instant;
use signal_hook::consts::FORBIDDEN;
use signal_hook_mio::v1_0::Signals;
use sys::timer::TimerFd;

/// Descriptors that one wake-up tells of; the others follow with the next.
const MAX_EVENTS: usize = 256;
const TIMER: Token = Token(usize::MAX);
const SIGNALS: Token = Token(usize::MAX - 1);

/// Why the loop woke up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// A descriptor has news. An error or a hang-up counts as both readable and writable: trying tells more.
    Token {
        /// What it was registered with.
        token: Token,
        /// Reading may get somewhere.
        readable: bool,
        /// Writing may get somewhere.
        writable: bool,
    },
    /// This signal came, once or more.
    Signal(i32),
    /// The deadline has passed.
    Timer,
}

/// The event loop of a daemon.
pub struct Reactor {
    poll: Poll,
    events: Events,
    timer: TimerFd,
    signals: Option<Signals>,
    again: Vec<Token>,
    look_away_until: Option<Instant>,
}

impl Reactor {
    /// A loop that waits for nothing yet.
    ///
    /// # Errors
    /// epoll_create(2) and timerfd_create(2): no descriptors left.
    pub fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let timer = TimerFd::new()?;
        let timer_fd = timer.as_fd().as_raw_fd();
        poll.registry().register(&mut SourceFd(&timer_fd), TIMER, Interest::READABLE)?;
        Ok(Self {
            poll,
            events: Events::with_capacity(MAX_EVENTS),
            timer,
            signals: None,
            again: Vec::new(),
            look_away_until: None,
        })
    }

    /// Watches a descriptor, which must be non-blocking. The two highest tokens are the loop's own.
    ///
    /// # Errors
    /// `InvalidInput` for a reserved token; epoll_ctl(2): EEXIST if it is watched already, EPERM for a plain file.
    pub fn register(&self, token: Token, source: impl AsFd, interest: Interest) -> io::Result<()> {
        check(token)?;
        let fd = source.as_fd().as_raw_fd();
        self.poll.registry().register(&mut SourceFd(&fd), token, interest)
    }

    /// Replaces token and interest; what is ready by then is told again.
    ///
    /// # Errors
    /// As [`Self::register`]; ENOENT if it is not watched.
    pub fn reregister(&self, token: Token, source: impl AsFd, interest: Interest) -> io::Result<()> {
        check(token)?;
        let fd = source.as_fd().as_raw_fd();
        self.poll.registry().reregister(&mut SourceFd(&fd), token, interest)
    }

    /// Stops watching. Closing alone does that too, but only if no other process holds the same open file description, as
    /// is the case with a descriptor that was passed over a socket.
    ///
    /// # Errors
    /// epoll_ctl(2): ENOENT if it is not watched.
    pub fn deregister(&self, source: impl AsFd) -> io::Result<()> {
        let fd = source.as_fd().as_raw_fd();
        self.poll.registry().deregister(&mut SourceFd(&fd))
    }

    /// Replaces the deadline for [`Ready::Timer`]; one in the past is due at once, `None` means none.
    /// After each [`Ready::Timer`] no deadline is set.
    ///
    /// # Errors
    /// timerfd_settime(2); none is expected.
    pub fn arm(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        self.timer.arm(deadline)
    }

    /// From now on these signals come as [`Ready::Signal`] instead of doing what they do by default. Called once.
    ///
    /// # Errors
    /// `InvalidInput` for a signal that can't be caught (signal(7)), or when called a second time; sigaction(2).
    pub fn signals(&mut self, signals: &[i32]) -> io::Result<()> {
        if self.signals.is_some() || signals.iter().any(|signal| FORBIDDEN.contains(signal)) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "signals can't be caught, or are already",
            ));
        }
        let mut source = Signals::new(signals)?;
        self.poll.registry().register(&mut source, SIGNALS, Interest::READABLE)?;
        self.signals = Some(source);
        Ok(())
    }

    /// Gives `token` another turn as readable, after everything else that is ready by then has had its own: for whoever
    /// stops before there is nothing more, so as not to starve the others.
    pub fn again(&mut self, token: Token) {
        if !self.again.contains(&token) {
            self.again.push(token);
        }
    }

    /// Lets the next [`Self::wait`] sleep until then before it looks what is ready, whatever that is: so that what comes in
    /// in quick succession is taken together. Only a signal ends it sooner.
    pub fn look_away(&mut self, until: Instant) {
        self.look_away_until = Some(until);
    }

    /// Sleeps until something is ready and says what, replacing what `ready` held.
    ///
    /// Descriptors come first, then signals, and the timer last: what came in before a deadline was noticed is heard before
    /// the deadline is acted upon. There may be false alarms, and a token may come twice.
    ///
    /// # Errors
    /// epoll_wait(2); none is expected.
    pub fn wait(&mut self, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        if let Some(until) = self.look_away_until.take() {
            sys::clock::sleep_until(until);
        }
        let again = mem::take(&mut self.again);
        let timeout = if again.is_empty() { None } else { Some(Duration::ZERO) };
        while let Err(error) = self.poll.poll(&mut self.events, timeout) {
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        let (mut signalled, mut expired) = (false, false);
        for event in &self.events {
            match event.token() {
                TIMER => expired = self.timer.acknowledge()?,
                SIGNALS => signalled = true,
                token => {
                    let failed = event.is_error() || (event.is_read_closed() && event.is_write_closed());
                    ready.push(Ready::Token {
                        token,
                        readable: failed || event.is_readable() || event.is_read_closed(),
                        writable: failed || event.is_writable() || event.is_write_closed(),
                    });
                }
            }
        }
        ready.extend(again.iter().map(|&token| Ready::Token { token, readable: true, writable: false }));
        if let Some(signals) = self.signals.as_mut().filter(|_| signalled) {
            ready.extend(signals.pending().map(Ready::Signal));
        }
        if expired {
            ready.push(Ready::Timer);
        }
        Ok(())
    }
}

fn check(token: Token) -> io::Result<()> {
    if token == TIMER || token == SIGNALS {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a token that is the loop's own"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use signal_hook::consts::{SIGHUP, SIGKILL, SIGUSR1};
    use signal_hook::low_level::raise;

    use super::*;
    use crate::testing::LONG;

    fn pair() -> (UnixStream, UnixStream) {
        let pair = UnixStream::pair().unwrap();
        pair.0.set_nonblocking(true).unwrap();
        pair.1.set_nonblocking(true).unwrap();
        pair
    }

    fn wait(reactor: &mut Reactor) -> Vec<Ready> {
        let mut ready = Vec::new();
        reactor.wait(&mut ready).unwrap();
        ready
    }

    const ONE: Token = Token(1);
    const READABLE: Ready = Ready::Token { token: ONE, readable: true, writable: false };

    #[test]
    fn the_timer_comes_last_and_once() {
        let mut reactor = Reactor::new().unwrap();
        let (ours, mut theirs) = pair();
        reactor.register(ONE, &ours, Interest::READABLE).unwrap();
        theirs.write_all(b"x").unwrap();
        reactor.arm(Some(Instant::ZERO)).unwrap();
        // Another loop says when both are ready.
        let mut witness = Poll::new().unwrap();
        let timer = reactor.timer.as_fd().as_raw_fd();
        witness.registry().register(&mut SourceFd(&timer), ONE, Interest::READABLE).unwrap();
        witness.poll(&mut Events::with_capacity(1), Some(LONG)).unwrap();
        assert_eq!(wait(&mut reactor), [READABLE, Ready::Timer]);

        let deadline = sys::clock::now() + Duration::from_millis(3);
        reactor.arm(Some(deadline)).unwrap();
        assert_eq!(wait(&mut reactor), [Ready::Timer]);
        assert!(sys::clock::now() >= deadline);
    }

    #[test]
    fn readiness_is_told_once_unless_another_turn_is_asked_for() {
        let mut reactor = Reactor::new().unwrap();
        let (mut ours, mut theirs) = pair();
        reactor.register(ONE, &ours, Interest::READABLE).unwrap();
        theirs.write_all(b"xyz").unwrap();
        assert_eq!(wait(&mut reactor), [READABLE]);
        assert_eq!(ours.read(&mut [0]).unwrap(), 1);

        reactor.again(ONE);
        reactor.again(ONE);
        assert_eq!(wait(&mut reactor), [READABLE]);
        reactor.reregister(ONE, &ours, Interest::READABLE).unwrap();
        assert_eq!(wait(&mut reactor), [READABLE]);

        reactor.arm(Some(Instant::ZERO)).unwrap();
        assert_eq!(wait(&mut reactor), [Ready::Timer], "two bytes are left, but nobody asked");
        reactor.deregister(&ours).unwrap();
        theirs.write_all(b"x").unwrap();
        reactor.arm(Some(Instant::ZERO)).unwrap();
        assert_eq!(wait(&mut reactor), [Ready::Timer]);
    }

    #[test]
    fn who_looks_away_sees_it_all_afterwards_and_once() {
        let mut reactor = Reactor::new().unwrap();
        let (ours, mut theirs) = pair();
        reactor.register(ONE, &ours, Interest::READABLE).unwrap();
        theirs.write_all(b"x").unwrap();
        let until = sys::clock::now() + Duration::from_millis(3);
        reactor.look_away(until);
        assert_eq!(wait(&mut reactor), [READABLE]);
        assert!(sys::clock::now() >= until);
        reactor.arm(Some(Instant::ZERO)).unwrap();
        assert_eq!(wait(&mut reactor), [Ready::Timer]);
    }

    #[test]
    fn a_hang_up_is_both_readable_and_writable() {
        let mut reactor = Reactor::new().unwrap();
        let (ours, theirs) = pair();
        reactor.register(ONE, &ours, Interest::READABLE).unwrap();
        drop(theirs);
        assert_eq!(wait(&mut reactor), [Ready::Token { token: ONE, readable: true, writable: true }]);
    }

    #[test]
    fn signals_are_told_and_those_that_cannot_be_are_refused() {
        let mut reactor = Reactor::new().unwrap();
        assert_eq!(reactor.signals(&[SIGKILL]).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        reactor.signals(&[SIGHUP, SIGUSR1]).unwrap();
        raise(SIGHUP).unwrap();
        raise(SIGHUP).unwrap();
        assert_eq!(wait(&mut reactor), [Ready::Signal(SIGHUP)]);
        raise(SIGUSR1).unwrap();
        assert_eq!(wait(&mut reactor), [Ready::Signal(SIGUSR1)]);
        assert!(reactor.signals(&[SIGHUP]).is_err());
    }

    #[test]
    fn the_loops_own_tokens_are_refused() {
        let reactor = Reactor::new().unwrap();
        let (ours, _theirs) = pair();
        for token in [TIMER, SIGNALS] {
            assert!(reactor.register(token, &ours, Interest::READABLE).is_err());
        }
    }
}
