//! What is said to clients, made from what is known.

use config::Fingerprint;
use ipc::events::Hello;
use ipc::hooks::{InstanceHooks, Message, Status};
use ipc::json::PROTOCOL;

use crate::board::{Board, LaneId};
use crate::ledger::Ledger;

/// The first line to everybody.
pub(crate) fn hello(fingerprint: Fingerprint) -> Message {
    Message::Hello(Hello {
        protocol: PROTOCOL,
        program: "notifierd".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        config: fingerprint.to_string(),
    })
}

/// Everything.
pub(crate) fn status(board: &Board, ledger: &Ledger, fingerprint: Fingerprint, connected: bool) -> Message {
    let instances = board.lanes().iter().enumerate().map(|(i, lane)| {
        let account = ledger.account(LaneId(i)).cloned().unwrap_or_default();
        InstanceHooks {
            instance: lane.name().clone(),
            told: lane.told(),
            queued: u64::from(lane.waiting().is_some()),
            running: lane.running().map(|(kind, state)| format!("{} for {state}", kind.word())),
            last: account.last,
            runs: account.runs,
            failures: account.failures,
            superseded: lane.superseded(),
        }
    });
    Message::Status(Status {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        at: service::stamp::rfc3339(sys::clock::wall()),
        config: fingerprint.to_string(),
        connected,
        instances: instances.collect(),
    })
}
