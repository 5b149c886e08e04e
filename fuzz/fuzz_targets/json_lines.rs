//! A line of JSON on every socket, in both directions.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| handover_fuzz::links::json_lines(bytes));
