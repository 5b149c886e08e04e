//! Lines that wait for a reader.
//!
//! It must never grow beyond its bound, and never let a reader see half a line followed by another.

use std::collections::VecDeque;
use std::io::{self, Write};

/// Bytes that may wait for one reader: a status of several thousand virtual routers fits.
pub const MAX_QUEUED: usize = 4 << 20;

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Written, or waiting to be.
    Queued,
    /// The reader is too slow: this line and all that waited (but for one that it has read half of) are dropped. It needs a
    /// fresh snapshot in place of what it missed. The same answer to that snapshot means that it is longer than
    /// [`MAX_QUEUED`].
    Overflowed,
    /// The reader is gone; its goodbye comes, or came, as an event.
    Gone,
}

/// Lines in order; the first may be written in part.
#[derive(Debug, Default)]
pub(crate) struct OutputQueue {
    lines: VecDeque<Vec<u8>>,
    /// Bytes of the first line that are written.
    written: usize,
    /// Bytes of all lines.
    bytes: usize,
}

impl OutputQueue {
    /// Writes a line, or keeps what `to` does not take at once.
    ///
    /// # Errors
    /// As `to`, but for `WouldBlock` and `Interrupted`.
    pub(crate) fn send(&mut self, line: &[u8], to: &mut impl Write) -> io::Result<Sent> {
        if self.bytes.saturating_add(line.len()) > MAX_QUEUED {
            self.keep_only_what_is_begun();
            return Ok(Sent::Overflowed);
        }
        if self.lines.is_empty() {
            self.written = write(line, to)?;
            if self.written == line.len() {
                self.written = 0;
                return Ok(Sent::Queued);
            }
        }
        self.bytes += line.len();
        self.lines.push_back(line.to_vec());
        Ok(Sent::Queued)
    }

    /// Writes as much as `to` takes.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub(crate) fn flush(&mut self, to: &mut impl Write) -> io::Result<()> {
        while let Some(line) = self.lines.front() {
            self.written += write(line.get(self.written..).unwrap_or_default(), to)?;
            if self.written < line.len() {
                break;
            }
            self.bytes -= line.len();
            self.written = 0;
            self.lines.pop_front();
        }
        Ok(())
    }

    fn keep_only_what_is_begun(&mut self) {
        self.lines.truncate(usize::from(self.written > 0));
        self.bytes = self.lines.iter().map(Vec::len).sum();
    }
}

/// Writes until `to` takes no more; says how much it took.
fn write(bytes: &[u8], to: &mut impl Write) -> io::Result<usize> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match to.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    /// A reader that takes a given number of bytes before it would block.
    #[derive(Default)]
    struct Reader {
        room: usize,
        got: Vec<u8>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.room);
            if taken == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.room -= taken;
            self.got.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_never_torn_whatever_the_reader_takes() {
        let mut random = Random::from_environment();
        let (mut queue, mut reader, mut overflows) = (OutputQueue::default(), Reader::default(), 0);
        for number in 0..20_000 {
            let line = format!("{number}{}\n", "x".repeat(random.below(4000)));
            overflows += usize::from(queue.send(line.as_bytes(), &mut reader).unwrap() == Sent::Overflowed);
            assert!(queue.bytes <= MAX_QUEUED, "{random}");
            if random.below(4) == 0 {
                reader.room = random.below(5000);
                queue.flush(&mut reader).unwrap();
            }
        }
        reader.room = usize::MAX;
        queue.flush(&mut reader).unwrap();
        assert_eq!((queue.bytes, queue.lines.len()), (0, 0));
        assert!(overflows > 0, "the test must reach what it tests");

        let text = String::from_utf8(reader.got).unwrap();
        assert!(text.ends_with('\n'));
        let mut last = None;
        for line in text.lines() {
            let number: u32 = line.trim_end_matches('x').parse().expect("a whole line");
            assert!(last < Some(number), "{number} after {last:?}, {random}");
            last = Some(number);
        }
    }

    #[test]
    fn after_an_overflow_a_snapshot_follows_what_was_begun() {
        let mut queue = OutputQueue::default();
        let mut reader = Reader { room: 3, got: Vec::new() };
        assert_eq!(queue.send(b"begun\n", &mut reader).unwrap(), Sent::Queued);
        assert_eq!(queue.send(b"lost\n", &mut reader).unwrap(), Sent::Queued);
        assert_eq!(queue.send(&vec![b'x'; MAX_QUEUED - 10], &mut reader).unwrap(), Sent::Overflowed);
        assert_eq!(queue.send(b"snapshot\n", &mut reader).unwrap(), Sent::Queued);
        reader.room = 100;
        queue.flush(&mut reader).unwrap();
        assert_eq!(reader.got, b"begun\nsnapshot\n");
    }

    #[test]
    fn a_line_that_can_never_fit_is_refused_before_any_of_it_is_written() {
        let mut queue = OutputQueue::default();
        let mut reader = Reader { room: usize::MAX, got: Vec::new() };
        assert_eq!(queue.send(&vec![b'x'; MAX_QUEUED + 1], &mut reader).unwrap(), Sent::Overflowed);
        assert!(reader.got.is_empty());
    }
}
