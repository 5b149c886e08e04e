//! Which entries somebody wants to see. Pure.

use std::collections::{BTreeSet, VecDeque};
use std::time::SystemTime;

use ipc::history::Entry;
use ipc::json;

/// Which entries are wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pick<'a> {
    /// Those of this instance or sync group, and those that concern everybody.
    pub(super) name: Option<&'a str>,
    /// No older ones.
    pub(super) since: Option<SystemTime>,
    /// No more of them, the newest.
    pub(super) count: usize,
}

/// An entry, and as it stands in the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) line: &'a str,
    pub(super) entry: Entry,
    /// notifierd has started, and the last word of the one before it is not that it stopped.
    pub(super) is_resurrection: bool,
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Picked<'a> {
    /// The newest last.
    pub(super) records: VecDeque<Record<'a>>,
    /// Whom the whole text names, whatever is wanted.
    pub(super) names: BTreeSet<String>,
    /// Those that were wanted, and are more than were asked for.
    pub(super) older: usize,
    /// Lines that are no entries.
    pub(super) unknown: usize,
}

impl Pick<'_> {
    /// From the text of the file.
    pub(super) fn from<'a>(&self, text: &'a [u8]) -> Picked<'a> {
        let mut picked = Picked::default();
        let mut is_running = false;
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let parsed = json::parse::<Entry>(line);
            if let Some(name) =
                parsed.as_ref().ok().and_then(Entry::name).filter(|it| !picked.names.contains(*it))
            {
                let _ = picked.names.insert(name.to_owned());
            }
            let was_running = is_running;
            is_running = parsed.as_ref().map_or(is_running, |it| !matches!(it, Entry::Stopped { .. }));
            match (std::str::from_utf8(line), parsed) {
                (Ok(line), Ok(entry)) if self.wants(&entry) => {
                    let is_resurrection = was_running && matches!(entry, Entry::Started { .. });
                    picked.records.push_back(Record { line, entry, is_resurrection });
                }
                (Ok(_), Ok(_)) => {}
                (Err(_), _) | (_, Err(_)) => picked.unknown += 1,
            }
            if picked.records.len() > self.count {
                picked.records.pop_front();
                picked.older += 1;
            }
        }
        picked
    }

    fn wants(&self, entry: &Entry) -> bool {
        let is_its = |wanted: &str| entry.name().is_none_or(|name| name == wanted);
        let is_young =
            |since: SystemTime| humantime::parse_rfc3339_weak(entry.at()).is_ok_and(|at| at >= since);
        self.name.is_none_or(is_its) && self.since.is_none_or(is_young)
    }
}

/// `2026-01-31`, `2026-01-31 03:00`, `2026-01-31T03:00:00Z`, or how long before `now`: `90s`, `15min`, `2h`, `3days`.
///
/// # Errors
/// What was expected.
pub(super) fn time(text: &str, now: SystemTime) -> Result<SystemTime, String> {
    if let Ok(ago) = humantime::parse_duration(text) {
        return Ok(now.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH));
    }
    let whole = match text.len() {
        // A day, an hour and a minute.
        10 => format!("{text} 00:00:00"),
        16 => format!("{text}:00"),
        _ => text.to_owned(),
    };
    humantime::parse_rfc3339_weak(&whole).map_err(|_| {
        format!("--since {text}: neither a time (2026-01-31, 2026-01-31 03:00, 2026-01-31T03:00:00Z) nor how long ago (15min, 2h, 3days)")
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ALL: Pick<'_> = Pick { name: None, since: None, count: usize::MAX };

    /// Three entries, and the end of a fourth.
    const TEXT: &str = r#"{"type":"started","at":"2026-01-01T00:00:00.000Z","version":"0.1.0","pid":7}
{"type":"skipped","at":"2026-01-01T01:00:00.000Z","instance":"A","state":"FAULT","reason":"overtaken"}
{"type":"skipped","at":"2026-01-01T02:00:00.000Z","group":"B","state":"FAULT","reason":"overtaken"}

"instance":"A"}
{"type":"tomorrow's"}
"#;

    fn ats(pick: Pick<'_>) -> Vec<String> {
        pick.from(TEXT.as_bytes()).records.iter().map(|it| it.entry.at()[11..13].to_owned()).collect()
    }

    #[test]
    fn by_name_by_time_and_by_number() {
        assert_eq!(ats(ALL), ["00", "01", "02"]);
        assert_eq!(ats(Pick { name: Some("A"), ..ALL }), ["00", "01"], "what concerns all concerns A");
        assert_eq!(ats(Pick { name: Some("B"), ..ALL }), ["00", "02"]);
        let now = humantime::parse_rfc3339("2026-01-01T02:30:00Z").unwrap();
        let since = |text: &str| Pick { since: Some(time(text, now).unwrap()), ..ALL };
        for text in ["2h", "2026-01-01 00:30", "2026-01-01T00:30:00Z", "2026-01-01T01:00:00.000Z"] {
            assert_eq!(ats(since(text)), ["01", "02"], "{text}");
        }
        assert_eq!(ats(since("2026-01-01")), ["00", "01", "02"]);
        assert_eq!(ats(Pick { count: 1, ..ALL }), ["02"]);
        let picked = Pick { count: 2, ..ALL }.from(TEXT.as_bytes());
        assert_eq!((picked.older, picked.unknown), (1, 2));
        assert_eq!(Vec::from_iter(&picked.names), ["A", "B"]);
        assert!(ALL.from(b"\xff\n").records.is_empty());
    }

    #[test]
    fn who_starts_without_a_stop_before_it_follows_on_one_that_was_killed() {
        const STOPPED: &str = "{\"type\":\"stopped\",\"at\":\"2026-01-01T03:00:00.000Z\"}\n";
        let lives = |text: &str| -> Vec<bool> {
            let picked = ALL.from(text.as_bytes());
            let started = picked.records.iter().filter(|it| matches!(it.entry, Entry::Started { .. }));
            started.map(|it| it.is_resurrection).collect()
        };
        assert_eq!(lives(&format!("{TEXT}{TEXT}")), [false, true]);
        assert_eq!(lives(&format!("{TEXT}{STOPPED}{TEXT}")), [false, false]);
    }

    #[test]
    fn a_time_that_is_none_is_explained_and_one_before_time_is_its_beginning() {
        let error = time("yesterday", SystemTime::UNIX_EPOCH).unwrap_err();
        assert!(error.starts_with("--since yesterday: neither a time"), "{error}");
        let early = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        assert!(time("1000years", early).unwrap() <= SystemTime::UNIX_EPOCH);
    }
}
