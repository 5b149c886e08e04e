//! A daemon's one socket: anybody who may connect sends lines and is sent lines.
//!
//! It must never wait for a client, grow with what clients do, or let one of them starve the loop. What a line means, and
//! who may say it, is the daemon's to know. Read unix(7) first.

use std::io::{self, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use mio::{Interest, Token};
use sys::unix::{PeerCredentials, bind_stream, hung_up, peer_credentials};

use crate::event_loop::Reactor;
use crate::line_stream::{GoneReason, LineStream, Progress};
use crate::output_queue::Sent;
use crate::seldom::Seldom;
use places::{Resident, gives_way};

/// Clients at a time. Who comes on top takes the place of whoever has most, or is sent away at once.
pub const MAX_CLIENTS: usize = 64;
/// What who is sent away is told before, in the words of docs/events.md.
const FULL: &[u8] = b"{\"type\":\"error\",\"error\":\"64 clients are connected, and more are not served: try again later\"}\n";
/// Likewise who gives way.
const GIVES_WAY: &[u8] = b"{\"type\":\"error\",\"error\":\"64 clients are connected, and this one gives way to another: who has most connections goes first\"}\n";
/// Bytes in a line that a client sends, without the newline.
pub const MAX_LINE: usize = 64 << 10;
/// Connections accepted before everybody else gets a turn.
const MAX_ACCEPTS_PER_TURN: usize = 16;

/// One connection of one client; never used again for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId {
    slot: usize,
    serial: u64,
}

/// What clients did.
#[derive(Debug)]
pub enum ClientEvent {
    /// A new one, and who it is.
    Connected(ClientId, PeerCredentials),
    /// It sent this line; the newline is not included.
    Line(ClientId, Vec<u8>),
    /// It is gone. The last event of this client.
    Gone(ClientId, GoneReason),
}

#[derive(Debug)]
struct Client {
    serial: u64,
    peer: PeerCredentials,
    lines: LineStream,
}

/// The listening socket and its clients.
#[derive(Debug)]
pub struct LineServer {
    listener: UnixListener,
    path: PathBuf,
    first: Token,
    slots: Vec<Option<Client>>,
    next_serial: u64,
    /// That not everybody finds a place.
    crowded: Seldom,
    /// That somebody doesn't read.
    unread: Seldom,
}

impl LineServer {
    /// The tokens that it uses: `first_token` and those that follow it.
    pub const TOKENS: usize = 1 + MAX_CLIENTS;

    /// Listens at `path` with exactly that mode, by the rules of [`bind_stream`]; the file goes with this.
    ///
    /// # Errors
    /// As [`bind_stream`] and [`Reactor::register`].
    pub fn bind(reactor: &Reactor, path: &Path, mode: u32, first_token: Token) -> io::Result<Self> {
        let listener = bind_stream(path, mode)?;
        reactor.register(first_token, &listener, Interest::READABLE)?;
        let mut slots = Vec::new();
        slots.resize_with(MAX_CLIENTS, || None);
        Ok(Self {
            listener,
            path: path.to_owned(),
            first: first_token,
            slots,
            next_serial: 0,
            crowded: Seldom::default(),
            unread: Seldom::default(),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a token is one of this server's.
    #[must_use]
    pub const fn owns(&self, token: Token) -> bool {
        match token.0.checked_sub(self.first.0) {
            Some(offset) => offset < Self::TOKENS,
            None => false,
        }
    }

    /// To be called whenever the loop says that one of our tokens is ready, for whatever it is.
    pub fn on_ready(&mut self, reactor: &mut Reactor, token: Token) -> Vec<ClientEvent> {
        match token.0.checked_sub(self.first.0) {
            Some(0) => self.accept(reactor),
            Some(offset) => self.serve(reactor, offset - 1),
            None => Vec::new(),
        }
    }

    /// Sends a line, newline included, without ever waiting.
    pub fn send(&mut self, client: ClientId, line: &[u8]) -> Sent {
        match self.slots.get_mut(client.slot) {
            Some(Some(found)) if found.serial == client.serial => found.lines.send(line),
            Some(_) | None => Sent::Gone,
        }
    }

    /// Ends a connection now, with what still waits to be read; no event follows.
    pub fn close(&mut self, reactor: &Reactor, client: ClientId) {
        if self.clients().any(|present| present == client) {
            self.remove(reactor, client.slot);
        }
    }

    /// The same for one that asks and asks and doesn't read; says in the log who that is, now and then.
    pub fn send_away(&mut self, reactor: &Reactor, client: ClientId) {
        if let Some(peer) = self.peer(client)
            && self.unread.is_due(sys::clock::now())
        {
            log::warn!("{peer} doesn't read what it asks for; it is sent away (told once a minute at most)");
        }
        self.close(reactor, client);
    }

    /// Who that client is, while it is connected.
    #[must_use]
    pub fn peer(&self, client: ClientId) -> Option<PeerCredentials> {
        let found = self.slots.get(client.slot)?.as_ref()?;
        (found.serial == client.serial).then_some(found.peer)
    }

    /// Everybody who is connected.
    pub fn clients(&self) -> impl Iterator<Item = ClientId> + '_ {
        self.slots.iter().enumerate().filter_map(|(slot, client)| {
            client.as_ref().map(|client| ClientId { slot, serial: client.serial })
        })
    }

    fn token(&self, slot: usize) -> Token {
        Token(self.first.0 + 1 + slot)
    }

    fn accept(&mut self, reactor: &mut Reactor) -> Vec<ClientEvent> {
        let mut events = Vec::new();
        for _ in 0..MAX_ACCEPTS_PER_TURN {
            match self.listener.accept() {
                Ok((stream, _)) => match self.admit(reactor, stream, &mut events) {
                    Ok(()) => {}
                    Err(error) => log::warn!("a client could not be served: {error}"),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return events,
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
                    ) => {}
                Err(error) => {
                    // No descriptors left, for example. Who waits is looked at again when the next one comes.
                    log::warn!("no client could be accepted: {error}");
                    return events;
                }
            }
        }
        reactor.again(self.first);
        events
    }

    fn admit(
        &mut self,
        reactor: &Reactor,
        stream: UnixStream,
        events: &mut Vec<ClientEvent>,
    ) -> io::Result<()> {
        let peer = peer_credentials(&stream)?;
        stream.set_nonblocking(true)?;
        let free = self.slots.iter().position(Option::is_none);
        let Some(slot) = free.or_else(|| self.make_room(reactor, peer, events)) else {
            // Into the empty buffer of a new connection: it can't be full, and who doesn't want to know needn't.
            let _ = (&stream).write_all(FULL);
            return Ok(());
        };
        reactor.register(self.token(slot), &stream, Interest::READABLE | Interest::WRITABLE)?;
        let serial = self.next_serial;
        self.next_serial += 1;
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Some(Client { serial, peer, lines: LineStream::new(stream, MAX_LINE) });
        }
        events.push(ClientEvent::Connected(ClientId { slot, serial }, peer));
        Ok(())
    }

    /// The place of who gives way to `comer`, if anybody does.
    fn make_room(
        &mut self,
        reactor: &Reactor,
        comer: PeerCredentials,
        events: &mut Vec<ClientEvent>,
    ) -> Option<usize> {
        let residents: Vec<_> = self
            .slots
            .iter()
            .enumerate()
            .filter_map(|(slot, client)| {
                client.as_ref().map(|it| Resident { slot, serial: it.serial, peer: it.peer })
            })
            .collect();
        let chosen = gives_way(&residents, comer);
        let leaver = chosen.and_then(|slot| residents.into_iter().find(|it| it.slot == slot));
        if self.crowded.is_due(sys::clock::now()) {
            match &leaver {
                Some(leaver) => log::warn!(
                    "{MAX_CLIENTS} clients are connected; a connection of {} gives way to one of {comer} (told once a \
                     minute at most)",
                    leaver.peer
                ),
                None => log::warn!(
                    "{MAX_CLIENTS} clients are connected; {comer} is sent away (told once a minute at most)"
                ),
            }
        }
        let Resident { slot, serial, .. } = leaver?;
        let id = ClientId { slot, serial };
        let _ = self.send(id, GIVES_WAY);
        self.remove(reactor, slot);
        events.push(ClientEvent::Gone(id, GoneReason::GaveWay));
        Some(slot)
    }

    fn serve(&mut self, reactor: &mut Reactor, slot: usize) -> Vec<ClientEvent> {
        let token = self.token(slot);
        // Nobody there: it left, or was sent away, earlier in the same turn.
        let Some(Some(client)) = self.slots.get_mut(slot) else { return Vec::new() };
        let id = ClientId { slot, serial: client.serial };
        client.lines.flush();
        let mut lines = Vec::new();
        let gone = match client.lines.receive(&mut lines) {
            Progress::Drained => None,
            Progress::More => {
                reactor.again(token);
                None
            }
            // Who has only finished asking (`echo ... | nc -U`) still wants the answer.
            Progress::Ended => match hung_up(&client.lines) {
                Ok(false) => None,
                Ok(true) => Some(GoneReason::Closed),
                Err(error) => Some(GoneReason::Failed(error)),
            },
            Progress::Gone(reason) => Some(reason),
        };
        let mut events: Vec<_> = lines.into_iter().map(|line| ClientEvent::Line(id, line)).collect();
        if let Some(reason) = gone {
            self.remove(reactor, slot);
            events.push(ClientEvent::Gone(id, reason));
        }
        events
    }

    fn remove(&mut self, reactor: &Reactor, slot: usize) {
        if let Some(client) = self.slots.get_mut(slot).and_then(Option::take)
            && let Err(error) = reactor.deregister(&client.lines)
        {
            log::debug!("a client that left was not watched: {error}");
        }
    }
}

impl Drop for LineServer {
    /// While it still listens, so that nobody else can have taken its place by then.
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

mod places;
#[cfg(test)]
mod tests;
