//! A VRRP message off the wire, VRRPv2 and VRRPv3, IPv4 and IPv6.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| handover_fuzz::packets::vrrp_message(bytes));
