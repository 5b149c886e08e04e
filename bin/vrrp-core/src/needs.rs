//! The system calls that vrrp-core needs beside those of every loop (`service::confine`), each with its reason.
//!
//! It opens no socket but AF_UNIX ones: the network's come from ipmgr. A call that is missing here ends vrrp-core, and the
//! peer of a master that can't come back takes over: so add one together with what needs it (CONTRIBUTING.md).

use sys::seccomp::Rule::Always;
use sys::seccomp::{Call, Need};

pub(crate) const NEEDS: &[Need] = &[Need {
    why: "remembering who is drained and what was failed as MASTER: a new file in the state directory, on disk before it takes the old one's place",
    calls: &[
        Always(Call::FSYNC),
        Always(Call::FDATASYNC),
        Always(Call::RENAME),
        Always(Call::RENAMEAT),
        Always(Call::RENAMEAT2),
    ],
}];
