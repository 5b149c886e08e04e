//! Runs hooks in the order of the transitions.

fn main() {}
