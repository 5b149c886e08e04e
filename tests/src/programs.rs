//! Where the programs under test are (beside the test's own build output), and processes that end with a test.

use std::path::PathBuf;
use std::process::{Child, Command};

/// The path of one of our programs, as `cargo build --bins` put it.
///
/// # Panics
/// It isn't there, and what to type.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("our own path");
    // target/debug/deps/TEST -> target/debug
    let directory = own.parent().and_then(|deps| deps.parent()).expect("target/debug/deps");
    let program = directory.join(name);
    assert!(program.is_file(), "{} is not there: run `cargo build --bins` first", program.display());
    program
}

/// The path of the same program on a lab's host, which has a `/tmp` of its own: the clone may be in ours.
///
/// # Panics
/// As [`program`].
#[must_use]
pub fn on_host(name: &str) -> String {
    let _ = program(name);
    format!("{}/{name}", lab::PROGRAMS)
}

/// A process that is ended with the test.
#[derive(Debug)]
pub struct Running(pub Child);

impl Running {
    /// Starts it.
    ///
    /// # Panics
    /// It can't be started.
    #[allow(clippy::disallowed_methods, reason = "it ends by itself, or by our hand")]
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
