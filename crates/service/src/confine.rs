//! The last thing before a daemon's loop: what it has no need of is given up, files to write and system calls.
//!
//! For the daemons that start no program (docs/threat-model.md says why not for the others). What every loop needs is in
//! `base`; each daemon adds its own list, `needs.rs` beside its `main.rs`. It must never decide by anything but these
//! lists: no configuration makes a process stronger.

mod base;

use std::path::Path;

use sys::landlock::{self, Extent, May};
use sys::seccomp::{self, Need, Unlisted};

/// The variable that has what isn't on the list logged by the kernel instead of ending the daemon: to find what is missing.
pub const SECCOMP_VARIABLE: &str = "HANDOVER_SECCOMP";

/// Gives up all files but those below `places`, as far as writing goes, and all system calls but those of every loop and `own`.
/// To be called once everything is open that is opened once, after `no_new_privs`, and before there is a second thread.
///
/// A kernel that can't hold it is told of, and no reason not to run.
pub fn confine(program: &'static str, own: &[Need], places: &[(&Path, May)]) {
    match landlock::restrict(places) {
        Ok(Extent::Whole | Extent::Part) => {}
        Ok(Extent::Nothing) => {
            log::info!("this kernel has no landlock: what {program} may write is a matter of its user alone");
        }
        Err(error) => log::warn!("what {program} may write is a matter of its user alone: {error}"),
    }
    forbid(program, own);
}

/// The system calls.
fn forbid(program: &'static str, own: &[Need]) {
    let wish = std::env::var(SECCOMP_VARIABLE).ok();
    let unlisted = match wish.as_deref() {
        None | Some("" | "enforce") => Unlisted::Ends,
        Some("log") => {
            log::warn!(
                "{SECCOMP_VARIABLE}=log: no system call is forbidden, those not on the list are in the kernel's log"
            );
            Unlisted::IsLogged
        }
        Some(other) => {
            log::warn!(
                "{SECCOMP_VARIABLE}={other} is neither 'log' nor 'enforce': what isn't on the list is forbidden"
            );
            Unlisted::Ends
        }
    };
    if let Err(error) = seccomp::restrict(&[base::NEEDS, own], unlisted, &crate::log::line_start(program)) {
        log::warn!("system calls that {program} has no need of stay open to it: {error}");
    }
}

#[cfg(test)]
mod tests;
