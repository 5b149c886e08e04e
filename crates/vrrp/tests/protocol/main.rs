//! The protocol from outside, through its one door: every point of docs/conformance.md that needs no socket.
//!
//! A test names the points that it proves, so that `grep -rn V3-RX-4` finds it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod authentication;
mod elections;
mod eligibility;
mod facts;
mod groups;
mod handover;
mod listening;
mod manager;
mod packets;
mod preludes;
mod properties;
mod receiving;
mod reconfigure;
mod rival;
mod roles;
mod settings;
mod support;
