//! A frame between vrrp-core and ipmgr, in both directions.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| handover_fuzz::links::frame(bytes));
