//! What is said to clients, made from what is known.

use checks::{CheckId, Checks, Outcome, View};
use config::Fingerprint;
use ipc::events::Hello;
use ipc::json::PROTOCOL;
use ipc::reload::LastReload;
use ipc::verdicts::{CheckStatus, CheckVerdict, Message, Status};

use crate::book::{Book, Page, millis};

/// The first line to everybody.
pub(crate) fn hello(fingerprint: Fingerprint) -> Message {
    Message::Hello(Hello {
        protocol: PROTOCOL,
        program: "checkerd".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        config: fingerprint.to_string(),
        boot: None,
    })
}

/// The line about one check. `None` before its first result: then nothing is known that a client doesn't know better,
/// such as what we said before we were restarted.
pub(crate) fn verdict(book: &Book, checks: &Checks, check: CheckId) -> Option<Message> {
    let (page, view) = (book.page(check)?, checks.view(check)?);
    if view.tally.runs == 0 {
        return None;
    }
    Some(Message::Verdict(CheckVerdict {
        check: page.check.name.clone(),
        verdict: view.verdict,
        number: number(page, &view),
        cause: page.cause.clone(),
        since: page.since.clone(),
    }))
}

/// What can't be read counts as nothing.
const fn number(page: &Page, view: &View<'_>) -> Option<i32> {
    match (page.check.probe.is_number(), view.last_outcome) {
        (true, Some(Outcome::Number(number))) => Some(*number),
        (true, _) => Some(0),
        (false, _) => None,
    }
}

/// Everything.
pub(crate) fn status(
    book: &Book,
    checks: &Checks,
    fingerprint: Fingerprint,
    last_reload: Option<LastReload>,
) -> Message {
    let one = |(id, page)| checks.view(id).map(|view| check_status(page, view));
    Message::Status(Status {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        at: service::stamp::rfc3339(sys::clock::wall()),
        config: fingerprint.to_string(),
        last_reload,
        checks: book.pages().filter_map(one).collect(),
    })
}

/// One line for `systemctl status`.
pub(crate) fn summary(book: &Book, checks: &Checks) -> String {
    let up =
        book.pages().filter_map(|(id, _)| checks.view(id)).filter(|view| view.verdict == model::Verdict::Up);
    format!("{} of {} checks up", up.count(), book.pages().count())
}

fn check_status(page: &Page, view: View<'_>) -> CheckStatus {
    let check = &page.check;
    CheckStatus {
        name: check.name.clone(),
        verdict: view.verdict,
        number: number(page, &view),
        cause: page.cause.clone(),
        since: page.since.clone(),
        command: check.probe.words(),
        interval_ms: millis(check.interval),
        timeout_ms: millis(check.timeout),
        rise: check.rise,
        fall: check.fall,
        running: view.running,
        last_outcome: view.last_outcome.map(ToString::to_string),
        last_output: page.last_output.clone(),
        last_duration_ms: page.last_duration_ms,
        runs: view.tally.runs,
        failures: view.tally.failures,
        timeouts: view.tally.timeouts,
        consecutive: view.tally.consecutive,
    }
}
