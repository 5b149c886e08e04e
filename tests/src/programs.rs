//! Where the programs under test are: beside the test's own build output.

use std::path::PathBuf;

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
