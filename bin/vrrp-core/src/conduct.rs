//! Clients of the feed that don't read, or say what nobody understands: nothing suffers from them, and an operator who wonders why a
//! monitor shows nothing should find them.
//!
//! It must never grow or fill the log: there are as many records as connections, and each kind is logged now and then.

use std::collections::BTreeMap;

use model::Instant;
use reactor::{ClientId, Seldom};
use sys::unix::PeerCredentials;

/// What clients that are connected have done.
#[derive(Debug, Default)]
pub(crate) struct Conduct {
    records: BTreeMap<ClientId, Record>,
    slow_told: Seldom,
    garbled_told: Seldom,
}

#[derive(Debug)]
struct Record {
    peer: PeerCredentials,
    /// Snapshots that it got in place of events.
    slow: u64,
    /// Lines that nobody understood.
    garbled: u64,
}

impl Conduct {
    /// It read too slowly and gets a snapshot.
    pub(crate) fn slow(&mut self, client: ClientId, peer: PeerCredentials, now: Instant) {
        self.record(client, peer).slow += 1;
        if self.slow_told.is_due(now) {
            log::warn!(
                "{peer} reads the feed too slowly, and gets a snapshot in place of what it missed (told once a minute at most)"
            );
        }
    }

    /// It sent what isn't a request.
    pub(crate) fn garbled(&mut self, client: ClientId, peer: PeerCredentials, now: Instant) {
        self.record(client, peer).garbled += 1;
        if self.garbled_told.is_due(now) {
            log::warn!("{peer} sends what isn't a request, and is told so (told once a minute at most)");
        }
    }

    /// It is gone.
    pub(crate) fn forget(&mut self, client: ClientId) {
        self.records.remove(&client);
    }

    /// For the status: one sentence for each client that did any of it.
    pub(crate) fn sentences(&self) -> Vec<String> {
        self.records.values().map(Record::sentence).collect()
    }

    fn record(&mut self, client: ClientId, peer: PeerCredentials) -> &mut Record {
        self.records.entry(client).or_insert(Record { peer, slow: 0, garbled: 0 })
    }
}

impl Record {
    fn sentence(&self) -> String {
        let slow = format!("reads too slowly ({} snapshots in place of events)", self.slow);
        let garbled = format!("sends what isn't a request ({} lines)", self.garbled);
        let parts = [(self.slow, slow), (self.garbled, garbled)];
        let parts: Vec<String> =
            parts.into_iter().filter(|(count, _)| *count > 0).map(|(_, it)| it).collect();
        format!("{} {}", self.peer, parts.join(", and "))
    }
}
