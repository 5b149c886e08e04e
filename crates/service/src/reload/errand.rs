//! A short-lived thread that does what the loop must not wait for, and wakes the loop when it is done.

use std::io;
use std::os::unix::net::UnixStream;
use std::thread::{Builder, JoinHandle};

use reactor::{Interest, Reactor, Token};

/// Work that is being done elsewhere.
#[derive(Debug)]
pub(super) struct Errand<T> {
    thread: JoinHandle<T>,
    /// Its other end is the thread's, and closes with it: that wakes the loop.
    bell: UnixStream,
}

impl<T: Send + 'static> Errand<T> {
    /// Has the work done; the loop hears of `token` when it is.
    ///
    /// # Errors
    /// No thread or no descriptor is left.
    pub(super) fn start(
        reactor: &Reactor,
        token: Token,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Self> {
        let (bell, rope) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        reactor.register(token, &bell, Interest::READABLE)?;
        let thread = Builder::new().name("reload".to_owned()).spawn(move || {
            if let Err(error) = sys::schedule::ordinary() {
                log::warn!("work beside the loop at its priority: {error}");
            }
            let done = work();
            drop(rope);
            done
        })?;
        Ok(Self { thread, bell })
    }

    /// What came of it; `None` if the work panicked. To be called once the loop has heard: else it waits.
    pub(super) fn finish(self, reactor: &Reactor) -> Option<T> {
        if let Err(error) = reactor.deregister(&self.bell) {
            log::debug!("a thread's end was not watched: {error}");
        }
        self.thread.join().ok()
    }
}
