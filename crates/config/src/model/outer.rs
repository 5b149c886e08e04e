//! What runs before everything and after everything: `startup_script` and `shutdown_script` in keepalived.conf(5).

use std::time::Duration;

use super::Hook;

/// `startup_script` or `shutdown_script`.
#[derive(Clone, Debug, PartialEq)]
pub struct OuterScript {
    /// What is run, and as whom.
    pub hook: Hook,
    /// `startup_script_timeout` or `shutdown_script_timeout`: after this it is ended.
    pub timeout: Duration,
}
