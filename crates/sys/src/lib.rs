//! The kernel: the only crate that may hold `unsafe`.
//!
//! Each module wraps one kernel interface and opens with the manual page to read first. What it must never do:
//! decide anything (no protocol, no policy, no configuration), or hold state that the kernel doesn't.
//!
//! What needs privilege is an `open` function that returns a plain descriptor; what is done with the descriptor
//! afterwards needs none. That is the border between ipmgr, which opens, and vrrp-core, which may do nothing else.

pub mod ability;
pub mod advert;
pub mod announce;
mod bpf;
pub mod clock;
pub mod framed;
pub mod frames;
pub mod landlock;
pub mod likeness;
pub mod log_stream;
pub mod memory;
pub mod namespace;
pub mod netlink;
mod overflow;
pub mod own_file;
pub mod privilege;
pub mod process;
pub mod schedule;
pub mod seccomp;
pub mod seqpacket;
pub mod sole;
pub mod tap;
pub mod timer;
pub mod unix;
pub mod user;
pub mod watch;

#[cfg(test)]
mod testing;
