//! One ipmgr for each network namespace.
//!
//! Two of them would each take the other's addresses, routes and virtual MACs for what a dead one has left behind: ownership is a
//! mark in the kernel, and both have the same. It must never keep the only ipmgr from starting, whoever else has the name.

use std::time::Duration;

use sys::sole::{Sole, claim, holder};
use sys::unix::PeerCredentials;

use crate::{Exit, Failure};

/// The account of ipmgr where it exists.
pub const ADDRESS_USER: &str = "_handover-ipmgr";
/// As whom the services run checkerd, and so each check that names no user.
pub const CHECK_USER: &str = "_handover-check";
/// The name in the network namespace (unix(7), "Abstract").
const NAME: &str = "handover/ipmgr";
/// How long the one before us may take to end: ipmgr itself waits for a vrrp-core that says goodbye.
const FAREWELL: Duration = Duration::from_secs(5);
/// The pause between two attempts to take the name.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// The pause between two looks at who has it: a tenth of them fills the queue of one that hangs.
const RARE_LOOK: Duration = Duration::from_millis(500);

/// The right to be the ipmgr of this network namespace, once the one before has ended; `None` if somebody else holds the name, who
/// is no ipmgr.
///
/// # Errors
/// [`Exit::Failed`] if another one runs; or there are no descriptors left.
pub fn become_ipmgr() -> Result<Option<Sole>, Failure> {
    let asking = |error: std::io::Error| Failure::io("ask whether another ipmgr runs", &error);
    let patience = sys::clock::now() + FAREWELL;
    let mut before = None;
    loop {
        if let Some(sole) = claim(NAME).map_err(asking)? {
            return Ok(Some(sole));
        }
        // Looking fills its queue, so that is done once.
        let by = match before {
            Some(by) => by,
            None => match holder(NAME).map_err(asking)? {
                Some(by) if is_ipmgr(by) => by,
                by => {
                    let who =
                        by.map_or_else(|| "somebody".to_owned(), |by| format!("process {}", number(by)));
                    ::log::warn!(
                        "{who} holds the name by which a second ipmgr is noticed (@{NAME}), and is none"
                    );
                    return Ok(None);
                }
            },
        };
        if sys::clock::now() >= patience {
            return Err(refusal(by));
        }
        before = Some(by);
        sys::clock::sleep_until(sys::clock::now() + LOOK_AGAIN);
    }
}

/// Whether none runs here, once the one before has ended; asked by who would start one.
///
/// # Errors
/// [`Exit::Failed`] if one does.
pub fn is_free() -> Result<(), Failure> {
    let patience = sys::clock::now() + FAREWELL;
    loop {
        match holder(NAME).ok().flatten().filter(|by| is_ipmgr(*by)) {
            None => return Ok(()),
            Some(by) if sys::clock::now() >= patience => return Err(refusal(by)),
            Some(_) => sys::clock::sleep_until(sys::clock::now() + RARE_LOOK),
        }
    }
}

/// Anybody may take the name; only who has an ipmgr's rights is one.
fn is_ipmgr(by: PeerCredentials) -> bool {
    let account = sys::user::lookup(ADDRESS_USER).ok().flatten().map(|user| user.uid);
    [Some(0), Some(sys::user::effective_uid()), account].contains(&Some(by.uid))
}

fn refusal(by: PeerCredentials) -> Failure {
    let message = format!(
        "another ipmgr (process {}) manages the addresses of this network namespace, and two would take away each other's: end \
         that one first ('systemctl stop handover.target', or the other 'handover run'), or start this one in a network \
         namespace of its own",
        number(by)
    );
    Failure::new(Exit::Failed, message)
}

fn number(by: PeerCredentials) -> String {
    by.pid.map_or_else(|| "of another PID namespace".to_owned(), |pid| pid.to_string())
}
