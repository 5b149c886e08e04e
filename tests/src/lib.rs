//! What several test programs need: the programs under test and their package, nodes that run them (or keepalived) on a lab's
//! hosts, machines that boot systemd, and an observer who tells from outside whether there were two masters.
//!
//! Tests that need more than one crate live in `tests/` beside this folder; each file there is a program of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test helper fails by panicking"
)]

pub mod capabilities;
mod cgroup;
pub mod completions;
pub mod helptext;
pub mod keepalived;
pub mod machine;
pub mod mail_server;
pub mod manual;
pub mod node;
pub mod observer;
pub mod package;
pub mod page;
pub mod programs;
