//! Anything that can happen to a core, in any order.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| handover_fuzz::script::play(bytes));
