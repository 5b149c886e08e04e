//! What is said to clients, made from what is known.

use config::{Config, Fingerprint};
use ipc::events::Hello;
use ipc::hooks::{GroupHooks, HooksView, InstanceHooks, Message, Status};
use ipc::json::PROTOCOL;
use ipc::reload::LastReload;

use crate::board::{Board, Lane};
use crate::cursor::Cursor;
use crate::feed::Feed;
use crate::history::History;
use crate::ledger::{Account, Ledger};
use crate::mail::Post;
use crate::occasion::Subject;
use crate::outer::{Outer, Side};
use crate::pipes::Pipes;
use crate::preludes::Preludes;

/// The first line to everybody.
pub(crate) fn hello(fingerprint: Fingerprint) -> Message {
    Message::Hello(Hello {
        protocol: PROTOCOL,
        program: "notifierd".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        config: fingerprint.to_string(),
        boot: None,
    })
}

/// All who know something.
pub(crate) struct Known<'a> {
    pub(crate) board: &'a Board,
    pub(crate) ledger: &'a Ledger,
    pub(crate) preludes: &'a Preludes,
    pub(crate) outer: &'a Outer,
    pub(crate) config: &'a Config,
    pub(crate) cursor: &'a Cursor,
    pub(crate) feed: &'a Feed,
    /// In words, hooks whose output is held.
    pub(crate) held: Vec<String>,
    pub(crate) history: &'a History,
    pub(crate) pipes: &'a Pipes,
    pub(crate) post: &'a Post,
}

/// Everything.
pub(crate) fn status(
    known: &Known<'_>,
    fingerprint: Fingerprint,
    last_reload: Option<LastReload>,
) -> Message {
    let (mut instances, mut groups) = (Vec::new(), Vec::new());
    let lanes = known.board.lanes().map(|found| (found, false));
    let removed = known.board.removed().map(|found| (found, true));
    for ((id, lane), removed) in lanes.chain(removed) {
        let mut hooks = view(lane, known.ledger.account(id).cloned().unwrap_or_default(), removed);
        match lane.subject().clone() {
            Subject::Instance(instance) => {
                hooks.prelude = known.preludes.view(&instance).filter(|_| !removed);
                instances.push(InstanceHooks { instance, hooks });
            }
            Subject::Group(group) => groups.push(GroupHooks { group, hooks }),
        }
    }
    Message::Status(Box::new(Status {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        at: service::stamp::rfc3339(sys::clock::wall()),
        config: fingerprint.to_string(),
        last_reload,
        connected: known.feed.is_connected(),
        troubles: [known.cursor.trouble(), known.outer.trouble()]
            .into_iter()
            .flatten()
            .map(str::to_owned)
            .chain(known.feed.absence(sys::clock::now()))
            .chain(known.held.iter().cloned())
            .collect(),
        history: known.history.view(),
        startup_script: known.outer.view(Side::Startup, known.config),
        shutdown_script: known.outer.view(Side::Shutdown, known.config),
        instances,
        groups,
        pipes: known.pipes.views(),
        mail: known.post.view(),
    }))
}

fn view(lane: &Lane, account: Account, removed: bool) -> HooksView {
    HooksView {
        removed,
        told: lane.told(),
        queued: lane.queued(),
        running: lane.running().map(|(kind, state)| format!("{} for {state}", kind.word())),
        last: account.last,
        failed: account.failed.into_values().collect(),
        runs: account.runs,
        failures: account.failures,
        superseded: lane.superseded(),
        prelude: None,
    }
}
