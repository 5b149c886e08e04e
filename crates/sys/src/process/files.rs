//! How many files this process may have open: each child takes one, and two for its output, each probe one.
//!
//! The limit that a service is started with (1,024) is low for the sake of programs that use select(2), and so children get
//! it back. Read getrlimit(2) and "Limits" in systemd.exec(5) first.

use std::io;
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Enough for anybody; above it a table of descriptors takes memory that nobody asked for.
const ENOUGH: u64 = 65_536;

/// The limits that were found when ours was raised.
static FOUND: OnceLock<(Option<u64>, Option<u64>)> = OnceLock::new();

/// Raises this process's limit as far as it may be raised, to 65,536 at most; children get what was before.
///
/// # Errors
/// None is expected: nobody needs a right to go up to the hard limit (getrlimit(2)).
pub fn raise_open_files() -> io::Result<()> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(ENOUGH).min(ENOUGH);
    if current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })?;
    FOUND.get_or_init(|| (current, maximum));
    Ok(())
}

/// What a child is to get, if that isn't what we have.
pub(super) fn for_children() -> Option<Rlimit> {
    FOUND.get().map(|(current, maximum)| Rlimit { current: *current, maximum: *maximum })
}
