//! The operator's command, and the supervisor where there is no systemd.

fn main() {}
