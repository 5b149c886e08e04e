//! One connection that carries lines both ways: what server and client have in common.
//!
//! It must never wait for the peer, and never read or write more in one turn than a named bound.

use std::fmt;
use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use crate::line_buffer::{LineBuffer, TooLong};
use crate::output_queue::{OutputQueue, Sent};

/// Lines that one peer may have handled before the others get their turn.
const MAX_LINES_PER_TURN: usize = 64;
/// Reads, of [`CHUNK`] bytes each, in the same time.
const MAX_READS_PER_TURN: usize = 16;
const CHUNK: usize = 16 << 10;

/// Why a connection is over.
#[derive(Debug)]
pub enum GoneReason {
    /// The peer closed it.
    Closed,
    /// The peer sent, or began, a line longer than allowed.
    LineTooLong,
    /// All places are taken, and this one was needed for somebody who had fewer of them.
    GaveWay,
    /// Reading or writing failed.
    Failed(io::Error),
}

impl fmt::Display for GoneReason {
    /// As the end of "it is gone: ".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("it has closed the connection"),
            Self::LineTooLong => f.write_str("it sent a line that is too long"),
            Self::GaveWay => f.write_str("it gave way to another"),
            Self::Failed(error) => write!(f, "{error}"),
        }
    }
}

/// How far reading got.
#[derive(Debug)]
pub(crate) enum Progress {
    /// There is nothing more for now.
    Drained,
    /// There may be more: the turn was over.
    More,
    /// The peer will send no more. It may still read.
    Ended,
    /// The connection is over.
    Gone(GoneReason),
}

#[derive(Debug)]
pub(crate) struct LineStream {
    stream: UnixStream,
    input: LineBuffer,
    output: OutputQueue,
    /// Why writing failed; the loop is then told that the connection is shut, and the reader says goodbye once it has read
    /// what the peer had sent before: its last words may be the ones that matter.
    failure: Option<io::Error>,
}

impl LineStream {
    /// `stream` must be non-blocking; a line that comes in may have `limit` bytes.
    pub(crate) fn new(stream: UnixStream, limit: usize) -> Self {
        Self { stream, input: LineBuffer::new(limit), output: OutputQueue::default(), failure: None }
    }

    /// Sends a line, newline included.
    pub(crate) fn send(&mut self, line: &[u8]) -> Sent {
        if self.failure.is_some() {
            return Sent::Gone;
        }
        match self.output.send(line, &mut &self.stream) {
            Ok(sent) => sent,
            Err(error) => self.fail(error),
        }
    }

    /// Writes what waits, as far as the peer takes it.
    pub(crate) fn flush(&mut self) {
        if let Err(error) = self.output.flush(&mut &self.stream) {
            self.fail(error);
        }
    }

    fn fail(&mut self, error: io::Error) -> Sent {
        self.output = OutputQueue::default();
        self.failure = Some(error);
        // Wakes the loop for this connection; that it may be shut already is fine.
        self.stream.shutdown(Shutdown::Both).unwrap_or_default();
        Sent::Gone
    }

    /// Takes whole lines, without their newlines, until there are no more or the turn is over.
    pub(crate) fn receive(&mut self, lines: &mut Vec<Vec<u8>>) -> Progress {
        for _ in 0..MAX_READS_PER_TURN {
            loop {
                if lines.len() >= MAX_LINES_PER_TURN {
                    return Progress::More;
                }
                match self.input.next_line() {
                    Ok(Some(line)) => lines.push(line),
                    Ok(None) => break,
                    Err(TooLong) => return Progress::Gone(GoneReason::LineTooLong),
                }
            }
            let mut chunk = [0; CHUNK];
            match (&self.stream).read(&mut chunk) {
                // What was begun and not ended is not a line.
                Ok(0) => {
                    let failed = |error| Progress::Gone(GoneReason::Failed(error));
                    return self.failure.take().map_or(Progress::Ended, failed);
                }
                Ok(length) => self.input.push(chunk.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Progress::Drained,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Progress::Gone(GoneReason::Failed(error)),
            }
        }
        Progress::More
    }
}

impl AsFd for LineStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn the_last_words_of_a_peer_that_reads_no_more_are_heard() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut stream = LineStream::new(ours, CHUNK);
        theirs.write_all(b"STOP\n").unwrap();
        drop(theirs);
        assert!(matches!(stream.send(b"a question\n"), Sent::Gone));
        let mut lines = Vec::new();
        let progress = stream.receive(&mut lines);
        assert_eq!(lines, [b"STOP".to_vec()]);
        assert!(matches!(progress, Progress::Gone(GoneReason::Failed(_))), "{progress:?}");
    }
}
