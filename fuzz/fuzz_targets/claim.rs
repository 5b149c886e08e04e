//! ARP packets and neighbour advertisements, as the sockets that overhear claims deliver them.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| handover_fuzz::packets::claim(bytes));
