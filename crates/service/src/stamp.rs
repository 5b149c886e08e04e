//! Times of day as people and log collectors read them.

use std::time::SystemTime;

/// RFC 3339 in UTC with milliseconds, such as `2026-01-31T12:00:00.250Z`.
#[must_use]
pub fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}
