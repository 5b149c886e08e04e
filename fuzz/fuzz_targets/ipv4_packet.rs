//! A packet with its IPv4 header, as a raw socket delivers it.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| handover_fuzz::packets::ipv4_packet(bytes));
