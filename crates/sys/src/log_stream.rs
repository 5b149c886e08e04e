//! Standard error that nobody waits for: whoever reads it may hang, and a daemon has more urgent things to do.
//!
//! The flag that keeps a write from waiting belongs to an open file, which others may share (a shell, a sibling), so it is never
//! set on the one that we were given: a pipe or a terminal is opened once more, a socket is told with each message, and where
//! neither is possible it is asked first whether there is room. A regular file never says no. Read pipe(7) on `PIPE_BUF` and
//! proc_pid_fd(5) first.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::io::{Errno, write};
use rustix::net::{SendFlags, send};
use rustix::pipe::fcntl_setpipe_size;
use rustix::stdio::{dup2_stderr, stderr};

/// Linux's `PIPE_BUF`: so much fits into a pipe that has room at all.
const PIECE: usize = 4096;
/// What a pipe is asked to hold, in bytes (`/proc/sys/fs/pipe-max-size` by default): thousands of instances have their say in one
/// moment.
const ROOM: usize = 1 << 20;
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// Where lines go, or don't.
#[derive(Debug)]
pub struct LogStream {
    to: OwnedFd,
    is_socket: bool,
    /// The last line went out in part.
    cut: bool,
}

impl LogStream {
    /// Standard error, of this process and of those that it will start: descriptor 2 stays what it is, but for the waiting.
    ///
    /// # Errors
    /// dup(2): there is none, or no descriptor is left.
    pub fn of_stderr() -> io::Result<Self> {
        if kind(stderr()).is_some_and(|kind| matches!(kind, FileType::Fifo | FileType::CharacterDevice)) {
            let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            // It may be somebody else's; then it is asked before each write.
            if let Ok(again) = open("/proc/self/fd/2", flags, Mode::empty()) {
                dup2_stderr(again)?;
            }
        }
        // Only a pipe has it, and its owner may have set it otherwise for all it has.
        let _ = fcntl_setpipe_size(stderr(), ROOM);
        Ok(Self::new(stderr().try_clone_to_owned()?))
    }

    fn new(to: OwnedFd) -> Self {
        let is_socket = kind(to.as_fd()) == Some(FileType::Socket);
        Self { to, is_socket, cut: false }
    }

    /// Writes a line, newline included. What is out already of one that didn't fit gets its newline before the next one.
    ///
    /// # Errors
    /// `WouldBlock`: there is no room, and nothing or not all of it was written. Others of write(2) and send(2).
    pub fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        if self.cut {
            self.write(b"\n")?;
            self.cut = false;
        }
        let mut rest = line;
        while !rest.is_empty() {
            match self.write(rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) => {
                    self.cut = rest.len() < line.len();
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }

    fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        if self.is_socket {
            return send(&self.to, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
        }
        let mut room = [PollFd::new(&self.to, PollFlags::OUT)];
        if poll(&mut room, Some(&AT_ONCE))? == 0 {
            return Err(Errno::AGAIN);
        }
        write(&self.to, bytes.get(..PIECE).unwrap_or(bytes))
    }
}

fn kind(of: BorrowedFd<'_>) -> Option<FileType> {
    fstat(of).ok().map(|about| FileType::from_raw_mode(about.st_mode))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    /// Writes until nobody takes any more, then reads some, and writes once more.
    fn is_never_waited_for(to: OwnedFd, from: OwnedFd) {
        let mut stream = LogStream::new(to);
        let line = "a line of some length, as they are\n".repeat(300);
        let mut sent = 0;
        let error = loop {
            match stream.write_line(line.as_bytes()) {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
        };
        assert!(sent > 0);
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        let mut reader = std::fs::File::from(from);
        let mut begin = vec![0; line.len() * sent];
        reader.read_exact(&mut begin).unwrap();
        assert_eq!(begin, line.repeat(sent).into_bytes());
        stream.write_line(b"the end\n").unwrap();
        drop(stream);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        let (cut, end) = rest.strip_suffix("the end\n").map_or(("", ""), |cut| (cut, "the end"));
        assert_eq!(end, "the end", "{rest}");
        assert!(
            cut.is_empty() || cut.ends_with('\n') && line.starts_with(cut.trim_end_matches('\n')),
            "{cut}"
        );
    }

    #[test]
    fn a_reader_that_hangs_is_never_waited_for() {
        let (from, to) = std::io::pipe().unwrap();
        is_never_waited_for(to.into(), from.into());
        let (from, to) = UnixStream::pair().unwrap();
        is_never_waited_for(to.into(), from.into());
    }

    #[test]
    fn whoever_is_gone_is_an_error_and_no_signal() {
        let (from, to) = std::io::pipe().unwrap();
        drop(from);
        let error = LogStream::new(to.into()).write_line(b"a line\n").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
