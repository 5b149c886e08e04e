//! The only hand on the kernel's network state.

fn main() {}
