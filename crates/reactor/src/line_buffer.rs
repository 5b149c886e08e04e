//! Lines out of a stream of bytes.
//!
//! It must never hold more than one line too long and one read, whatever is sent.

/// A line longer than allowed was sent, or begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Collects bytes until a line is whole.
#[derive(Debug)]
pub(crate) struct LineBuffer {
    bytes: Vec<u8>,
    /// Up to here, lines have been taken.
    taken: usize,
    /// Up to here, there is no newline after `taken`: no byte is looked at twice.
    searched: usize,
    limit: usize,
}

impl LineBuffer {
    /// For lines of at most `limit` bytes, the newline not counted.
    pub(crate) const fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), taken: 0, searched: 0, limit }
    }

    /// Adds what was read. To be called only when [`Self::next_line`] has no more: that is what bounds the buffer.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.searched -= self.taken;
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole line, without its newline.
    pub(crate) fn next_line(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        let rest = self.bytes.get(self.searched..).unwrap_or_default();
        let end = match rest.iter().position(|byte| *byte == b'\n') {
            Some(position) => self.searched + position,
            None => self.bytes.len(),
        };
        let line = self.bytes.get(self.taken..end).unwrap_or_default();
        if line.len() > self.limit {
            return Err(TooLong);
        }
        if end == self.bytes.len() {
            self.searched = end;
            return Ok(None);
        }
        let line = line.to_vec();
        self.taken = end + 1;
        self.searched = self.taken;
        Ok(Some(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    fn lines(buffer: &mut LineBuffer) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| buffer.next_line().unwrap()).collect()
    }

    #[test]
    fn the_same_lines_come_out_however_they_are_cut() {
        let mut random = Random::from_environment();
        for _ in 0..500 {
            let text: Vec<u8> = (0..random.below(300)).map(|_| b"ab\n"[random.below(3)]).collect();
            let (mut expected, mut buffer, mut got): (Vec<&[u8]>, _, Vec<_>) =
                (text.split(|byte| *byte == b'\n').collect(), LineBuffer::new(300), Vec::new());
            expected.pop();
            let mut rest = &text[..];
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(1 + random.below(rest.len()));
                buffer.push(piece);
                got.extend(lines(&mut buffer));
                rest = after;
            }
            assert_eq!(got, expected, "{random}");
        }
    }

    #[test]
    fn the_limit_counts_the_line_alone() {
        let mut buffer = LineBuffer::new(3);
        buffer.push(b"abc\nabc");
        assert_eq!(lines(&mut buffer), [b"abc"]);
        buffer.push(b"\nabcd\n");
        assert_eq!(buffer.next_line(), Ok(Some(b"abc".to_vec())));
        assert_eq!(buffer.next_line(), Err(TooLong), "although it is whole");

        let mut begun = LineBuffer::new(3);
        begun.push(b"abcd");
        assert_eq!(begun.next_line(), Err(TooLong), "although it may go on");
    }
}
