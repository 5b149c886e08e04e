//! What several test programs need: the programs under test, and nodes that run them on a lab's hosts.
//!
//! Tests that need more than one crate live in `tests/` beside this folder; each file there is a program of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test helper fails by panicking"
)]

pub mod node;
pub mod programs;
