//! What the supervisor decides, sans I/O: when a daemon that died is started again, and in which order all stop.

use std::time::Duration;

use model::Instant;
use service::Exit;
use sys::process::Exit as Ended;

/// The first restart comes at once, within the grace in which a master loses nothing; later ones wait from here.
const FIRST_DELAY: Duration = Duration::from_millis(100);
/// The longest wait before a restart.
const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// A daemon that lived this long is healthy: its next death is a first one again.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);

/// The daemons, in the order in which they are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Daemon {
    Ipmgr,
    Checkerd,
    Notifierd,
    VrrpCore,
}

impl Daemon {
    pub(crate) const ALL: [Self; 4] = [Self::Ipmgr, Self::Checkerd, Self::Notifierd, Self::VrrpCore];

    pub(crate) const fn program(self) -> &'static str {
        match self {
            Self::Ipmgr => "ipmgr",
            Self::Checkerd => "checkerd",
            Self::Notifierd => "notifierd",
            Self::VrrpCore => "vrrp-core",
        }
    }

    /// The account that it runs as where it exists.
    pub(crate) const fn user(self) -> &'static str {
        match self {
            Self::Ipmgr => service::sole::ADDRESS_USER,
            Self::Checkerd => service::sole::CHECK_USER,
            Self::Notifierd => "_handover-notify",
            Self::VrrpCore => "_handover-core",
        }
    }

    /// Daemons of a lower turn stop, and have stopped, before those of a higher one: vrrp-core says goodbye first
    /// and still needs ipmgr; its last transitions still have hooks to run.
    pub(crate) const fn stop_turn(self) -> u8 {
        match self {
            Self::VrrpCore => 0,
            Self::Checkerd | Self::Notifierd => 1,
            Self::Ipmgr => 2,
        }
    }

    /// How long it may take to stop before it is killed, unless it asks for more; each is longer than the daemon's own bound.
    pub(crate) const fn stop_limit(self) -> Duration {
        match self {
            Self::Ipmgr | Self::Checkerd => Duration::from_secs(6),
            // Its last hooks; for `shutdown_script` it asks.
            Self::Notifierd => Duration::from_secs(15),
            // It may wait for a prelude, and then for a successor.
            Self::VrrpCore => Duration::from_secs(25),
        }
    }
}

/// How often a daemon has died lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Deaths {
    in_a_row: u32,
}

/// What to do about a death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Start it again after this time.
    RestartAfter(Duration),
    /// It said that a restart won't help; everything stops with its status.
    GiveUp(Exit),
}

impl Deaths {
    /// A daemon that was started at `started` has ended. One that says "don't restart me" is believed only while it has
    /// `never_worked`: later the others go on without it, and whatever keeps it from starting may be mended.
    pub(crate) fn ended(&mut self, how: Ended, started: Instant, now: Instant, never_worked: bool) -> Remedy {
        for exit in [Exit::Usage, Exit::Rights, Exit::Configuration] {
            if how == Ended::Code(i32::from(exit.code())) {
                return if never_worked { Remedy::GiveUp(exit) } else { Remedy::RestartAfter(LONGEST_DELAY) };
            }
        }
        if now.since(started) >= HEALTHY_AFTER {
            self.in_a_row = 0;
        }
        Remedy::RestartAfter(self.next_delay())
    }

    /// It couldn't even be started.
    pub(crate) fn not_started(&mut self) -> Remedy {
        self.in_a_row = self.in_a_row.max(1);
        Remedy::RestartAfter(self.next_delay())
    }

    fn next_delay(&mut self) -> Duration {
        let delay = match self.in_a_row {
            0 => Duration::ZERO,
            n => FIRST_DELAY.saturating_mul(1 << (n - 1).min(10)).min(LONGEST_DELAY),
        };
        self.in_a_row = self.in_a_row.saturating_add(1);
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_nanos(100_000_000_000);

    #[test]
    fn the_first_restart_is_immediate_and_later_ones_back_off() {
        let mut deaths = Deaths::default();
        let delays: Vec<Remedy> = (0..9).map(|_| deaths.ended(Ended::Signal(9), NOW, NOW, false)).collect();
        assert_eq!(delays[0], Remedy::RestartAfter(Duration::ZERO));
        assert_eq!(delays[1], Remedy::RestartAfter(Duration::from_millis(100)));
        assert_eq!(delays[2], Remedy::RestartAfter(Duration::from_millis(200)));
        assert_eq!(delays[8], Remedy::RestartAfter(LONGEST_DELAY));
    }

    #[test]
    fn a_long_life_is_forgiven() {
        let mut deaths = Deaths::default();
        for _ in 0..5 {
            deaths.ended(Ended::Code(1), NOW, NOW, false);
        }
        let later = NOW + HEALTHY_AFTER;
        assert_eq!(deaths.ended(Ended::Code(1), NOW, later, false), Remedy::RestartAfter(Duration::ZERO));
    }

    #[test]
    fn do_not_restart_me_is_heard() {
        let mut deaths = Deaths::default();
        assert_eq!(deaths.ended(Ended::Code(78), NOW, NOW, true), Remedy::GiveUp(Exit::Configuration));
        assert_eq!(deaths.ended(Ended::Code(77), NOW, NOW, true), Remedy::GiveUp(Exit::Rights));
    }

    #[test]
    fn the_others_go_on_without_one_that_worked_before() {
        let mut deaths = Deaths::default();
        assert_eq!(deaths.ended(Ended::Code(78), NOW, NOW, false), Remedy::RestartAfter(LONGEST_DELAY));
        assert_eq!(Deaths::default().not_started(), Remedy::RestartAfter(FIRST_DELAY));
    }

    #[test]
    fn vrrp_core_says_goodbye_while_ipmgr_still_works() {
        assert!(Daemon::VrrpCore.stop_turn() < Daemon::Notifierd.stop_turn());
        assert!(Daemon::Notifierd.stop_turn() < Daemon::Ipmgr.stop_turn());
    }
}
