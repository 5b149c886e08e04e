//! `--stdout`: the same lines that subscribers of the socket get, on standard output.
//!
//! It must never block: who reads too slowly loses lines, and gets all verdicts anew once there is room, since a verdict is
//! a level. Read poll(2) and pipe(7) first: what is ready takes PIPE_BUF bytes without waiting.

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// What every pipe takes at once when it is ready, in bytes (PIPE_BUF).
const AT_ONCE: usize = 4096;

/// Standard output, if it is wanted.
#[derive(Debug)]
pub(crate) enum Printer {
    /// It isn't.
    Off,
    /// All that was said has been written.
    Even,
    /// Something was lost.
    Behind,
    /// Nobody will ever read it.
    Closed,
}

impl Printer {
    pub(crate) const fn new(wanted: bool) -> Self {
        if wanted { Self::Even } else { Self::Off }
    }

    /// Whether something was lost, so that all verdicts have to be said anew.
    pub(crate) const fn is_behind(&self) -> bool {
        matches!(self, Self::Behind)
    }

    /// Writes these lines as far as there is room; those that nobody has room for aren't even made.
    pub(crate) fn print(&mut self, mut lines: impl Iterator<Item = Vec<u8>>) {
        if matches!(self, Self::Off | Self::Closed) {
            return;
        }
        *self = match lines.try_for_each(|line| write_line(&line)) {
            Ok(()) => Self::Even,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Self::Behind,
            Err(error) => {
                log::warn!("standard output: {error}; nothing more is written there");
                Self::Closed
            }
        };
    }
}

fn write_line(line: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    for part in line.chunks(AT_ONCE) {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        if poll(&mut [PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::OUT)], Some(&now))? == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        stdout.write_all(part)?;
    }
    stdout.flush()
}
