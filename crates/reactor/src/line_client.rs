//! The connecting side: a daemon, or the operator's command, that listens to a daemon.
//!
//! It must never wait for the server. When to connect again after a goodbye is the caller's to know. Read unix(7) first.

use std::io;
use std::path::Path;

use mio::{Interest, Token};
use sys::unix::{PeerCredentials, connect_stream, peer_credentials};

use crate::event_loop::Reactor;
use crate::line_stream::{GoneReason, LineStream, Progress};
use crate::output_queue::{MAX_QUEUED, Sent};

/// Bytes in a line that a server sends: as many as one may send at all, since a status is one line.
pub const MAX_MESSAGE: usize = MAX_QUEUED;

/// What the server did.
#[derive(Debug)]
pub enum ServerEvent {
    /// It sent this line; the newline is not included.
    Line(Vec<u8>),
    /// It is gone. The last event: nothing comes and nothing can be sent any more.
    Closed(GoneReason),
}

/// One connection to a server.
#[derive(Debug)]
pub struct LineClient {
    lines: LineStream,
    token: Token,
}

impl LineClient {
    /// Connects to whoever listens at `path`, and has the loop tell about it as `token`.
    ///
    /// # Errors
    /// As [`connect_stream`] and [`Reactor::register`].
    pub fn connect(reactor: &Reactor, path: &Path, token: Token) -> io::Result<Self> {
        let stream = connect_stream(path)?;
        reactor.register(token, &stream, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { lines: LineStream::new(stream, MAX_MESSAGE), token })
    }

    /// Who listens, as of when it began to.
    ///
    /// # Errors
    /// As [`peer_credentials`].
    pub fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        peer_credentials(&self.lines)
    }

    /// To be called whenever the loop says that our token is ready, for whatever it is.
    pub fn on_ready(&mut self, reactor: &mut Reactor) -> Vec<ServerEvent> {
        self.lines.flush();
        let mut lines = Vec::new();
        let progress = self.lines.receive(&mut lines);
        let mut events: Vec<_> = lines.into_iter().map(ServerEvent::Line).collect();
        let gone = match progress {
            Progress::Drained => None,
            Progress::More => {
                reactor.again(self.token);
                None
            }
            Progress::Ended => Some(GoneReason::Closed),
            Progress::Gone(reason) => Some(reason),
        };
        if let Some(reason) = gone {
            self.close(reactor);
            events.push(ServerEvent::Closed(reason));
        }
        events
    }

    /// Sends a line, newline included, without ever waiting.
    pub fn send(&mut self, line: &[u8]) -> Sent {
        self.lines.send(line)
    }

    /// Has the loop forget the connection, which ends when this is dropped.
    pub fn close(&mut self, reactor: &Reactor) {
        if let Err(error) = reactor.deregister(&self.lines) {
            log::debug!("a connection that ended was not watched: {error}");
        }
    }
}
