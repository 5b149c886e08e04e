//! Adverts that no virtual router may accept, at a rate.

use std::net::Ipv4Addr;
use std::time::Duration;

use model::{LinkName, Transport, Vrid};
use reactor::Reactor;
use sys::advert::{AdvertSocket, GROUP_V4, Packet, TTL};

use super::say;
use crate::Outcome;

/// Packets leave in bursts, at most this often.
const PERIOD: Duration = Duration::from_millis(1);
const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// What is sent from eth0 for VRID 1: of priority 255 and complete, but for a wrong checksum.
pub(super) struct Flood {
    /// The sender's address.
    pub(super) source: Ipv4Addr,
    /// Packets a second.
    pub(super) rate: u32,
    /// The interval that they tell, in centiseconds.
    pub(super) interval_centis: u8,
    /// For how long.
    pub(super) millis: u64,
}

/// Says `sent COUNT` in the end.
pub(super) fn run(flood: &Flood) -> Outcome<()> {
    let failed = |error: std::io::Error| format!("flood: {error}");
    let link = LinkName::new("eth0").map_err(|error| error.to_string())?;
    let index = sys::netlink::Route::open().map_err(failed)?.link_index("eth0");
    let index = index.map_err(|error| error.to_string())?;
    let vrid = Vrid::new(1).ok_or("1 is no VRID")?;
    let socket = sys::advert::open(&link, index, Transport::V4, &[vrid], &[]).map_err(failed)?;
    let socket = AdvertSocket::from_fd(socket, Transport::V4).map_err(failed)?;
    // RFC 9568 5.2: version 3 type 1, VRID, priority, one address, interval, checksum, address.
    let message = [0x31, 1, 255, 1, 0, flood.interval_centis, 0xde, 0xad, 10, 1, 0, 1];
    let packet = Packet {
        source: flood.source.into(),
        destination: GROUP_V4.into(),
        ttl: TTL,
        sealed: None,
        message: &message,
    };
    let mut reactor = Reactor::new().map_err(failed)?;
    let begin = sys::clock::now();
    let end = begin + Duration::from_millis(flood.millis);
    let gap = PERIOD.max(Duration::from_secs(1) / flood.rate.max(1));
    let (mut next, mut sent, mut ready) = (begin, 0_u64, Vec::new());
    loop {
        let now = sys::clock::now();
        if now >= end {
            return say(format!("sent {sent}"));
        }
        let elapsed = u64::try_from(now.since(begin).as_nanos()).unwrap_or(u64::MAX);
        let due = elapsed.saturating_mul(flood.rate.into()) / NANOS_PER_SECOND;
        while sent < due {
            // A full queue loses packets, as a real flood would.
            let _ = socket.send(&packet);
            sent += 1;
        }
        next = next + gap;
        reactor.arm(Some(next)).map_err(failed)?;
        reactor.wait(&mut ready).map_err(failed)?;
    }
}
