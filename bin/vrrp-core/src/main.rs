//! Speaks the protocol: packets, elections, announcements.

fn main() {}
