//! A configuration file.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| handover_fuzz::links::configuration(bytes));
