//! What a neighbour knows: when the master was last heard, and when it was told of all addresses.

use std::collections::BTreeSet;
use std::net::IpAddr;

use lab::{Ear, Heard};
use model::Instant;

use super::say;
use crate::Outcome;
use crate::suite::is_host_address;

/// Says `listening`, `advert` at the first one of the host with the number `master`, and once another host has announced so
/// many addresses `all NANOS LAST`: when that was, and when the last advert came from the master.
pub(super) fn listen(master: u16, count: usize) -> Outcome<()> {
    let failed = |error: std::io::Error| format!("listen: {error}");
    let mut ear = Ear::open().map_err(failed)?;
    say("listening")?;
    let (mut announced, mut last) = (BTreeSet::<IpAddr>::new(), Instant::ZERO);
    while announced.len() < count {
        match ear.hear().map_err(failed)? {
            Heard::Announcement(address) => {
                announced.insert(address);
            }
            Heard::Advert(source) if is_host_address(source, master) => {
                if last == Instant::ZERO {
                    say("advert")?;
                }
                last = sys::clock::now();
                // Its own, for as long as it lives.
                announced.clear();
            }
            Heard::Advert(_) => {}
        }
    }
    say(format!("all {} {}", sys::clock::now().as_nanos(), last.as_nanos()))
}
