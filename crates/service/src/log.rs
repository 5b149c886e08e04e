//! Log lines: on a terminal with time and level, in the journal with its own level marks (sd-daemon(3)).
//!
//! A line is never waited for. Whoever reads the log may hang; then lines are lost, and counted.

use std::io::{self, Write};

use env_logger::{Builder, Target};
use log::{Level, LevelFilter};
use sys::log_stream::LogStream;

/// The variable that chooses what is logged (env_logger's syntax); `info` where it isn't set.
pub const FILTER_VARIABLE: &str = "HANDOVER_LOG";

/// Sends this program's log lines to standard error. A second call does nothing.
pub fn start(program: &'static str) {
    let journal = is_journal();
    let mut builder = Builder::new();
    builder.filter_level(LevelFilter::Info);
    builder.target(match LogStream::of_stderr() {
        Ok(stream) => Target::Pipe(Box::new(Lines { stream, program, lost: 0 })),
        Err(_) => Target::Stderr,
    });
    if let Ok(filters) = std::env::var(FILTER_VARIABLE) {
        builder.parse_filters(&filters);
    }
    builder.format(move |out, record| {
        if journal {
            writeln!(out, "<{}>{}", journal_level(record.level()), record.args())
        } else {
            writeln!(out, "{} {program}: {}{}", now(), word(record.level()), record.args())
        }
    });
    // Only a logger that is there already can refuse; it is as good as ours.
    let _ = builder.try_init();
}

/// Where the logger's lines go, each in one call.
struct Lines {
    stream: LogStream,
    program: &'static str,
    /// Since the last one that got through.
    lost: u64,
}

impl Lines {
    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        if self.lost > 0 {
            let start = line_start(self.program);
            let time = if is_journal() { String::new() } else { now() + " " };
            let note =
                format!("{time}{start}{} lines of the log are lost, since nobody read them\n", self.lost);
            self.stream.write_line(note.as_bytes())?;
            self.lost = 0;
        }
        self.stream.write_line(line)
    }
}

impl Write for Lines {
    /// There is nobody to tell that the log can't be written.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.line(line).is_err() {
            self.lost = self.lost.saturating_add(1);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_journal() -> bool {
    std::env::var_os("JOURNAL_STREAM").is_some()
}

fn now() -> String {
    crate::stamp::rfc3339(sys::clock::wall())
}

/// What a line begins with that is written by nobody's logger, in the last moment of a process; without the time.
pub(crate) fn line_start(program: &str) -> String {
    if is_journal() {
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
