//! What systemd is told (sd_notify(3)); without systemd these do nothing.

use std::time::Duration;

use sd_notify::NotifyState;

/// The daemon does its job from now on.
pub fn notify_ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// One line for `systemctl status`.
pub fn notify_status(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

/// The daemon is on its way out.
pub fn notify_stopping() {
    tell(&[NotifyState::Stopping]);
}

/// To stop takes so much longer from now on than the service manager was told (`EXTEND_TIMEOUT_USEC=`).
pub fn notify_more_time(time: Duration) {
    tell(&[NotifyState::ExtendTimeoutUsec(u32::try_from(time.as_micros()).unwrap_or(u32::MAX))]);
}

/// The loop turns.
pub(crate) fn notify_alive() {
    tell(&[NotifyState::Watchdog]);
}

/// A manager that can't be told changes nothing for us, so it is only remarked on.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::debug!("tell the service manager: {error}");
    }
}
