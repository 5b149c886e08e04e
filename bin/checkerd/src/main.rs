//! Runs health checks and publishes verdicts.

fn main() {}
