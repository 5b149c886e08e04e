//! The connection to the vrrp-core that is in charge, and what it has been told.
//!
//! It is believed as far as a frame's type says and no further; it can neither make us wait nor make us grow. Whatever goes
//! wrong ends the connection, never the process: addresses outlive it by their grace.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ipc::core_ipmgr::{Order, Report, Troubles};
use ipc::frame::{self, MAX_FRAME};
use model::{LinkFact, LinkName};
use sys::seqpacket::{Connection, Received};

/// Frames that are read in one turn.
const MAX_ORDERS: usize = 256;
/// Bytes of reports that may wait for a full socket: more than thousands of instances and links can make at once. What is
/// beyond means that vrrp-core doesn't read.
const MAX_WAITING: usize = 16 << 20;
/// Bytes of reports that go in one datagram: some hundred, so that the first of thousands are read while the last are written.
const MAX_DATAGRAM: usize = 8 << 10;

/// How far the conversation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It has not been told everything yet, perhaps not even that it is in charge.
    Fresh,
    /// It has been told everything.
    Ready,
}

/// Why a turn of reading is over.
#[derive(Debug)]
pub(crate) enum End {
    /// There is nothing more.
    Empty,
    /// Others have their turn; there may be more.
    TurnOver,
    /// The connection is of no use any more, and why.
    Broken(String),
}

/// One vrrp-core.
#[derive(Debug)]
pub(crate) struct CoreLink {
    connection: Connection,
    buffer: Vec<u8>,
    waiting: VecDeque<(Vec<u8>, Option<OwnedFd>)>,
    waiting_bytes: usize,
    /// Where the conversation is.
    pub(crate) stage: Stage,
    /// The last fact that was sent of each link.
    pub(crate) told: HashMap<LinkName, LinkFact>,
    /// The index of the link for which sockets were sent.
    pub(crate) given: HashMap<LinkName, u32>,
    /// What it was told last to be wrong.
    pub(crate) troubles: Troubles,
}

impl CoreLink {
    pub(crate) fn new(connection: Connection) -> Self {
        Self {
            connection,
            buffer: vec![0; MAX_FRAME],
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            stage: Stage::Fresh,
            told: HashMap::new(),
            given: HashMap::new(),
            troubles: Troubles::default(),
        }
    }

    /// What to watch.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }

    /// The orders of one turn, and why it is over. What was said before the end counts.
    pub(crate) fn read(&mut self) -> (Vec<Order>, End) {
        let mut orders = Vec::new();
        for _ in 0..MAX_ORDERS {
            match self.connection.receive(&mut self.buffer) {
                Ok(None) => return (orders, End::Empty),
                Ok(Some(Received::Closed)) => {
                    return (orders, End::Broken("it has closed the connection".into()));
                }
                // A descriptor that came along is closed here: nobody has any business sending us one.
                Ok(Some(Received::Frame(frame))) => {
                    let bytes = self.buffer.get(..frame.length).unwrap_or_default();
                    match frame::decode(bytes) {
                        Ok(order) if !frame.truncated => orders.push(order),
                        Ok(_) => return (orders, End::Broken("a frame over the limit".into())),
                        Err(error) => return (orders, End::Broken(error.to_string())),
                    }
                }
                Err(error) => return (orders, End::Broken(format!("receive: {error}"))),
            }
        }
        (orders, End::TurnOver)
    }

    /// Sends a report, or queues it while the socket is full.
    ///
    /// # Errors
    /// A sentence: the connection is of no use any more.
    pub(crate) fn send(&mut self, report: &Report, fd: Option<OwnedFd>) -> Result<(), String> {
        let frame = self.encode(report)?;
        self.waiting.push_back((frame, fd));
        self.flush()
    }

    /// Queues a report, to be sent by [`Self::flush`] with others: to wake vrrp-core for each of a thousand would take the CPU
    /// away from adding the next addresses.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub(crate) fn queue(&mut self, report: &Report) -> Result<(), String> {
        let frame = self.encode(report)?;
        match self.waiting.back_mut() {
            Some((last, None)) if last.len().saturating_add(frame.len()) <= MAX_DATAGRAM => {
                last.extend(frame)
            }
            Some(_) | None => self.waiting.push_back((frame, None)),
        }
        Ok(())
    }

    fn encode(&mut self, report: &Report) -> Result<Vec<u8>, String> {
        let frame = frame::encode(report).map_err(|error| format!("encode {report:?}: {error}"))?;
        self.waiting_bytes = self.waiting_bytes.saturating_add(frame.len());
        if self.waiting_bytes > MAX_WAITING {
            return Err("it doesn't read what we send".into());
        }
        Ok(frame)
    }

    /// Sends what waits, as far as the socket takes it.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub(crate) fn flush(&mut self) -> Result<(), String> {
        while let Some((frame, fd)) = self.waiting.front() {
            match self.connection.send(frame, fd.as_ref().map(AsFd::as_fd)) {
                Ok(()) => {
                    self.waiting_bytes = self.waiting_bytes.saturating_sub(frame.len());
                    self.waiting.pop_front();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(format!("send: {error}")),
            }
        }
        Ok(())
    }
}
