//! What comes over our own sockets and from the administrator: frames, JSON lines, the configuration.

use std::fmt::Debug;

use ipc::core_ipmgr::{Order, Report};
use ipc::{events, frame, history, hooks, json, reload, verdicts};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Where a frame's envelope says how long its payload is (`ipc::frame`), and where that begins.
const LENGTH: std::ops::Range<usize> = 6..10;

/// A datagram on the link between vrrp-core and ipmgr, in both directions: as it is, and with an honest envelope around
/// it so that the fuzzer needn't count.
pub fn frame(bytes: &[u8]) {
    each_direction(bytes);
    let mut honest = bytes.to_vec();
    let payload = u32::try_from(bytes.len().saturating_sub(LENGTH.end)).unwrap_or(u32::MAX);
    if let Some(length) = honest.get_mut(LENGTH) {
        length.copy_from_slice(&payload.to_le_bytes());
        each_direction(&honest);
    }
}

fn each_direction(bytes: &[u8]) {
    one_encoding::<Order>(bytes);
    one_encoding::<Report>(bytes);
}

/// What is believed has exactly one form.
fn one_encoding<T: Serialize + DeserializeOwned + Debug>(bytes: &[u8]) {
    let Ok(message) = frame::decode::<T>(bytes) else { return };
    let encoded = frame::encode(&message).unwrap_or_else(|why| panic!("{message:?}: {why}"));
    assert_eq!(encoded, bytes, "{message:?} has a second encoding");
}

/// A line on each socket that speaks JSON Lines, from either side.
pub fn json_lines(bytes: &[u8]) {
    survives::<events::Request>(bytes);
    survives::<events::Message>(bytes);
    survives::<verdicts::Message>(bytes);
    survives::<reload::Request>(bytes);
    survives::<hooks::Message>(bytes);
    survives::<history::Entry>(bytes);
}

/// What is understood can be said again, on one line, and means the same.
fn survives<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) {
    let Ok(message) = json::parse::<T>(bytes) else { return };
    let line = json::line(&message).unwrap_or_else(|why| panic!("{message:?}: {why}"));
    assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1), "more than a line");
    let again = json::parse::<T>(&line).unwrap_or_else(|why| panic!("{message:?}: {why}"));
    assert_eq!(again, message);
}

/// A configuration file. It has a meaning or an error, and every complaint can be shown.
pub fn configuration(bytes: &[u8]) {
    let loaded = config::parse("fuzz.conf", bytes);
    let diagnostics = loaded.report.diagnostics();
    assert_eq!(loaded.config.is_none(), loaded.report.has_errors(), "{}", loaded.report.render(false));
    assert!(diagnostics.len() <= config::MAX_DIAGNOSTICS, "{} diagnostics", diagnostics.len());
    assert_eq!(loaded.report.one_line().is_empty(), diagnostics.is_empty());
    assert_eq!(loaded.report.render(false).is_empty(), diagnostics.is_empty());
    assert_eq!(loaded.fingerprint, config::parse("again.conf", bytes).fingerprint);
    if let Some(config) = loaded.config {
        // What is valid makes a core.
        let core = setup::core_config(&config);
        assert_eq!(core.instances.len(), config.instances.len());
    }
}
