//! What comes before anybody takes part, once in the life of a core: `startup_script`, then `vrrp_startup_delay`.
//!
//! It must never last for ever: the script's end is told from outside, and whoever should tell it may be gone, so that each
//! stage has its last moment. Who is still held from a core that died doesn't start but goes on, and waits for neither.

use std::time::Duration;

use model::Instant;

use crate::door::CoreConfig;

/// How far the start has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Startup {
    /// `startup_script` isn't known to have ended. It is waited for until then.
    Script(Instant),
    /// `vrrp_startup_delay` lasts until then.
    Delay(Instant),
    /// Everybody may take part.
    Over,
}

impl Startup {
    /// At `now`.
    pub(crate) fn begin(config: &CoreConfig, now: Instant) -> Self {
        if config.startup_script.is_zero() {
            return Self::delay(config.startup_delay, now);
        }
        Self::Script(now + config.startup_script)
    }

    fn delay(delay: Duration, now: Instant) -> Self {
        if delay.is_zero() { Self::Over } else { Self::Delay(now + delay) }
    }

    /// When the present stage ends at the latest.
    pub(crate) const fn until(self) -> Option<Instant> {
        match self {
            Self::Script(at) | Self::Delay(at) => Some(at),
            Self::Over => None,
        }
    }

    /// What follows at `now` where the present stage's time is up.
    pub(crate) fn at(self, delay: Duration, now: Instant) -> Self {
        match self {
            Self::Script(at) if at <= now => Self::delay(delay, at),
            Self::Delay(at) if at <= now => Self::Over,
            Self::Script(_) | Self::Delay(_) | Self::Over => self,
        }
    }

    /// What follows once the script has ended.
    pub(crate) fn script_done(self, delay: Duration, now: Instant) -> Self {
        match self {
            Self::Script(_) => Self::delay(delay, now),
            Self::Delay(_) | Self::Over => self,
        }
    }
}
