//! One deadline that an event loop can wait for, exact to the microsecond.
//!
//! mio's own timeout counts whole milliseconds, which is too coarse for adverts every 10 ms; a timerfd in the loop
//! is not. It must never hold more than one deadline: what is due next is the caller's knowledge.
//! Read timerfd_create(2) first.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use model::Instant;
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use crate::clock::timespec;

/// All-zero means "disarm" to the kernel, so the moment of boot is asked for as one nanosecond later.
const EARLIEST: u64 = 1;

/// A timer on `CLOCK_BOOTTIME`, the clock of [`crate::clock::now`]. Readable when its deadline has passed.
#[derive(Debug)]
pub struct TimerFd {
    fd: OwnedFd,
    /// What the kernel was last told and has not yet been acknowledged.
    armed: Option<Instant>,
}

impl TimerFd {
    /// A timer that is not armed: non-blocking, closed on exec.
    ///
    /// # Errors
    /// timerfd_create(2): no descriptors left.
    pub fn new() -> io::Result<Self> {
        let fd =
            timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::NONBLOCK.union(TimerfdFlags::CLOEXEC))?;
        Ok(Self { fd, armed: None })
    }

    /// Replaces the deadline; one in the past is due at once, `None` disarms. Costs nothing if it is already so.
    ///
    /// # Errors
    /// timerfd_settime(2); none is expected for a descriptor that is ours.
    pub fn arm(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        if deadline == self.armed {
            return Ok(());
        }
        let nanos = deadline.map_or(0, |at| at.as_nanos().max(EARLIEST));
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: timespec(nanos) };
        timerfd_settime(&self.fd, TimerfdTimerFlags::ABSTIME, &once)?;
        self.armed = deadline;
        Ok(())
    }

    /// Takes note of an expiry, so that the descriptor is no longer readable. False if the timer had not expired
    /// (it was armed anew between the wake-up and this call): then the deadline stands.
    ///
    /// # Errors
    /// read(2); none is expected for a descriptor that is ours.
    pub fn acknowledge(&mut self) -> io::Result<bool> {
        let mut expirations = [0; size_of::<u64>()];
        loop {
            match rustix::io::read(&self.fd, &mut expirations) {
                Ok(_) => {
                    self.armed = None;
                    return Ok(true);
                }
                Err(Errno::AGAIN) => return Ok(false),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for TimerFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;
    use crate::testing::{LONG, readable_within};

    #[test]
    fn expires_after_its_deadline_and_not_before() {
        let mut timer = TimerFd::new().unwrap();
        let deadline = clock::now() + Duration::from_millis(20);
        timer.arm(Some(deadline)).unwrap();
        assert!(readable_within(&timer, LONG));
        assert!(clock::now() >= deadline);
        assert!(timer.acknowledge().unwrap());
        assert!(!timer.acknowledge().unwrap(), "one expiry, one acknowledgement");
        assert!(!readable_within(&timer, Duration::ZERO));
    }

    #[test]
    fn a_deadline_in_the_past_is_due_at_once_even_the_moment_of_boot() {
        let mut timer = TimerFd::new().unwrap();
        timer.arm(Some(Instant::ZERO)).unwrap();
        assert!(readable_within(&timer, LONG));
        assert!(timer.acknowledge().unwrap());
    }

    #[test]
    fn the_same_deadline_can_be_armed_again_once_acknowledged() {
        let mut timer = TimerFd::new().unwrap();
        let past = Instant::from_nanos(5);
        for _ in 0..2 {
            timer.arm(Some(past)).unwrap();
            assert!(readable_within(&timer, LONG));
            assert!(timer.acknowledge().unwrap());
        }
    }

    #[test]
    fn disarming_and_moving_take_back_an_expiry_that_nobody_read() {
        let mut timer = TimerFd::new().unwrap();
        timer.arm(Some(Instant::ZERO)).unwrap();
        assert!(readable_within(&timer, LONG));
        timer.arm(Some(clock::now() + LONG)).unwrap();
        assert!(!timer.acknowledge().unwrap());
        timer.arm(Some(Instant::ZERO)).unwrap();
        assert!(readable_within(&timer, LONG));
        timer.arm(None).unwrap();
        assert!(!readable_within(&timer, Duration::ZERO));
    }
}
