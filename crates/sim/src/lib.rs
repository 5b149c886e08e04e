//! A simulated LAN with simulated nodes, seeded.
