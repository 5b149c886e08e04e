//! What the fuzz targets share: how bytes become an attempt, and what must be true whatever they are.
//!
//! A target is a few lines in `fuzz_targets/`; what it asserts is here.
//! Nothing here may decide by anything but its bytes (no clock, no random number): a crash must come again.

pub mod links;
pub mod packets;
pub mod script;
