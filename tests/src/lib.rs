//! Tests that need more than one crate; each file in `tests/` beside this one is a program of its own.
