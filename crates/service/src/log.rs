//! Log lines: on a terminal with time and level, in the journal with its own level marks (sd-daemon(3)).

use std::io::Write as _;

use env_logger::{Builder, Target};
use log::{Level, LevelFilter};

/// The variable that chooses what is logged (env_logger's syntax); `info` where it isn't set.
pub const FILTER_VARIABLE: &str = "HANDOVER_LOG";

/// Sends this program's log lines to standard error. A second call does nothing.
pub fn start(program: &'static str) {
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let mut builder = Builder::new();
    builder.filter_level(LevelFilter::Info).target(Target::Stderr);
    if let Ok(filters) = std::env::var(FILTER_VARIABLE) {
        builder.parse_filters(&filters);
    }
    builder.format(move |out, record| {
        if journal {
            writeln!(out, "<{}>{}", journal_level(record.level()), record.args())
        } else {
            let now = crate::stamp::rfc3339(sys::clock::wall());
            writeln!(out, "{now} {program}: {}{}", word(record.level()), record.args())
        }
    });
    // Only a logger that is there already can refuse; it is as good as ours.
    let _ = builder.try_init();
}

/// What a line begins with that is written by nobody's logger, in the last moment of a process; without the time.
pub(crate) fn line_start(program: &str) -> String {
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        format!("<{}>", journal_level(Level::Error))
    } else {
        format!("{program}: {}", word(Level::Error))
    }
}

const fn journal_level(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

const fn word(level: Level) -> &'static str {
    match level {
        Level::Error => "error: ",
        Level::Warn => "warning: ",
        Level::Info => "",
        Level::Debug => "debug: ",
        Level::Trace => "trace: ",
    }
}
