//! VRRPv2 and VRRPv3, sans I/O: packets, elections, timers.
