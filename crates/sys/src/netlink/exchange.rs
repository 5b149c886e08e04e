//! Requests and answers on one netlink socket, by sequence number.
//!
//! rtnetlink does its work inside sendto(2): when that returns, every answer is in the receive buffer or was dropped because the
//! buffer is full, which the next recv(2) tells (ENOBUFS). So nothing here ever waits: an answer that isn't there is lost, and an
//! answer that carries another sequence number belongs to a request that was given up. An error is answered in any case, and a
//! success only where it is asked for: of the last request of a datagram, which stands for those before it (netlink(7),
//! `NLM_F_ACK`; `netlink_rcv_skb` takes them in their order).

use std::io;

use netlink_packet_core::{
    DecodeError, NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST,
    NLMSG_DONE, NLMSG_ERROR, NetlinkBuffer, NetlinkHeader, NetlinkMessage, NetlinkPayload, NlasIterator,
    parse_i32, parse_string,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_ROUTE;

use super::error::Refusal;

/// Requests per send: their acknowledgements fit the default receive buffer (212,992 bytes, about 1 KiB each as the kernel
/// counts), and more at once are not faster.
pub const MAX_BATCH: usize = 128;
/// The kernel sends no larger datagram (`netlink_recvmsg` caps a dump's at 32 KiB).
pub(super) const RECEIVE_BUFFER: usize = 64 * 1024;
/// How often a list is asked for again before we say that it can't be had.
const MAX_DUMP_ATTEMPTS: usize = 8;
/// The size of the error number in an answer, and the header of the request that follows it (linux/netlink.h).
pub(super) const ERROR_HEAD: usize = 4 + 16;
/// The size of the error number that ends a dump.
const DONE_HEAD: usize = 4;
/// The attribute that holds a sentence (`NLMSGERR_ATTR_MSG`).
const ERROR_WORDS: u16 = 1;

/// What is asked, with its flags beside `NLM_F_REQUEST`.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) message: RouteNetlinkMessage,
    pub(super) flags: u16,
}

/// A socket and the number of its last request.
#[derive(Debug)]
pub(super) struct Exchange {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Exchange {
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.set_non_blocking(true)?;
        socket.set_ext_ack(true)?;
        // Without it an error repeats the whole request, and the kernel's words come after that.
        socket.set_cap_ack(true)?;
        // Then the kernel leaves out of a list what was not asked for; where it can't (before Linux 4.20), decoding does.
        let _ = socket.set_netlink_get_strict_chk(true);
        Ok(Self { socket, sequence: 0, buffer: vec![0; RECEIVE_BUFFER] })
    }

    /// Sends at most [`MAX_BATCH`] requests at once; one answer each, in their order.
    pub(super) fn acknowledged(&mut self, mut requests: Vec<Request>) -> Vec<Result<(), Refusal>> {
        let count = requests.len();
        let first = self.sequence.wrapping_add(1);
        if let Some(last) = requests.last_mut() {
            last.flags |= NLM_F_ACK;
        }
        match self.send(requests) {
            Ok(()) => self.collect(first, count),
            Err(error) => vec![Err(error.into()); count],
        }
    }

    /// Lists something: each item through `decode`, which may leave it out. All of it, or an error.
    pub(super) fn list<T>(
        &mut self,
        message: &RouteNetlinkMessage,
        decode: impl Fn(&[u8]) -> Result<Option<T>, DecodeError>,
    ) -> Result<Vec<T>, Refusal> {
        let mut last = Refusal::lost();
        for _ in 0..MAX_DUMP_ATTEMPTS {
            match self.list_once(message.clone(), &decode) {
                Ok(Some(items)) => return Ok(items),
                Ok(None) => last = Refusal { errno: libc::EAGAIN, words: Some("it keeps changing".into()) },
                Err(refusal) => last = refusal,
            }
            // The rest of a list that we gave up would stand before the next one.
            *self = Self::open()?;
        }
        Err(last)
    }

    /// `None` if something changed while the kernel was listing.
    fn list_once<T>(
        &mut self,
        message: RouteNetlinkMessage,
        decode: impl Fn(&[u8]) -> Result<Option<T>, DecodeError>,
    ) -> Result<Option<Vec<T>>, Refusal> {
        self.send(vec![Request { message, flags: NLM_F_DUMP }])?;
        let sequence = self.sequence;
        let mut items = Vec::new();
        let mut torn = false;
        loop {
            let Some(datagram) = receive(&self.socket, &mut self.buffer)? else {
                return Err(Refusal::lost());
            };
            for message in Messages(datagram) {
                let message = message.map_err(|error| Refusal::unreadable(&error))?;
                if message.sequence != sequence {
                    continue;
                }
                torn |= message.flags & NLM_F_DUMP_INTR != 0;
                match message.kind {
                    NLMSG_ERROR => message.answer(ERROR_HEAD)?,
                    NLMSG_DONE => {
                        message.answer(DONE_HEAD)?;
                        return Ok((!torn).then_some(items));
                    }
                    _ => items.extend(decode(message.payload).map_err(|error| Refusal::unreadable(&error))?),
                }
            }
        }
    }

    /// Numbers the requests and sends them as one datagram.
    fn send(&mut self, requests: Vec<Request>) -> io::Result<()> {
        let mut datagram = Vec::new();
        for request in requests {
            self.sequence = self.sequence.wrapping_add(1);
            let mut header = NetlinkHeader::default();
            header.flags = NLM_F_REQUEST | request.flags;
            header.sequence_number = self.sequence;
            let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(request.message));
            message.finalize();
            let mut bytes = vec![0; message.buffer_len().next_multiple_of(4)];
            message.serialize(&mut bytes);
            datagram.extend_from_slice(&bytes);
        }
        let sent = self.socket.send(&datagram, 0)?;
        if sent == datagram.len() { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EMSGSIZE)) }
    }

    /// Reads what there is about `count` requests, the first of which has that number.
    fn collect(&mut self, first: u32, count: usize) -> Vec<Result<(), Refusal>> {
        let mut answers = vec![None; count];
        let mut silence = Refusal::lost();
        let mut has_gaps = false;
        while answers.last().is_some_and(Option::is_none) {
            let datagram = match receive(&self.socket, &mut self.buffer) {
                Ok(Some(datagram)) => datagram,
                Ok(None) => break,
                // Some answers were dropped; those that weren't still wait.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    has_gaps = true;
                    continue;
                }
                Err(error) => {
                    silence = Refusal::from(error);
                    break;
                }
            };
            for message in Messages(datagram).map_while(Result::ok) {
                let place = usize::try_from(message.sequence.wrapping_sub(first)).unwrap_or(usize::MAX);
                if let (NLMSG_ERROR, Some(answer)) = (message.kind, answers.get_mut(place)) {
                    *answer = Some(message.answer(ERROR_HEAD));
                }
            }
        }
        let is_whole = !has_gaps && answers.last().is_some_and(Option::is_some);
        let unsaid = if is_whole { Ok(()) } else { Err(silence) };
        answers.into_iter().map(|answer| answer.unwrap_or_else(|| unsaid.clone())).collect()
    }
}

/// The next datagram; `None` if there is none.
pub(super) fn receive<'a>(socket: &Socket, buffer: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
    loop {
        match socket.recv(&mut &mut *buffer, libc::MSG_TRUNC) {
            // MSG_TRUNC tells the true length: one that doesn't fit would be a list with a hole.
            Ok(length) => {
                let tail = io::Error::from_raw_os_error(libc::EMSGSIZE);
                return buffer.get(..length).map(Some).ok_or(tail);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// One message of a datagram.
pub(super) struct Message<'a> {
    pub(super) kind: u16,
    flags: u16,
    pub(super) sequence: u32,
    payload: &'a [u8],
}

impl Message<'_> {
    /// Reads an `NLMSG_ERROR` or `NLMSG_DONE`: the number, and after `head` bytes the attributes.
    pub(super) fn answer(&self, head: usize) -> Result<(), Refusal> {
        let number = self.payload.get(..4).unwrap_or_default();
        match parse_i32(number).map_err(|error| Refusal::unreadable(&error))? {
            0.. => Ok(()),
            negative => Err(Refusal { errno: negative.saturating_neg(), words: self.words(head) }),
        }
    }

    fn words(&self, head: usize) -> Option<String> {
        // An error that isn't capped repeats the request's body before its attributes; we ask for capped ones.
        let capped = self.kind == NLMSG_DONE || self.flags & NLM_F_CAPPED != 0;
        if !capped || self.flags & NLM_F_ACK_TLVS == 0 {
            return None;
        }
        NlasIterator::new(self.payload.get(head..)?)
            .map_while(Result::ok)
            .find(|attribute| attribute.kind() == ERROR_WORDS)
            .and_then(|attribute| parse_string(attribute.value()).ok())
    }
}

/// The messages of a datagram; ends after one that can't be read.
pub(super) struct Messages<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let rest = std::mem::take(&mut self.0);
        Some(NetlinkBuffer::new_checked(rest).map(|message| {
            let length = usize::try_from(message.length()).unwrap_or(usize::MAX);
            self.0 = rest.get(length.saturating_add(3) / 4 * 4..).unwrap_or_default();
            Message {
                kind: message.message_type(),
                flags: message.flags(),
                sequence: message.sequence_number(),
                payload: message.payload(),
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_route::address::AddressMessage;
    use proptest::prelude::*;

    use super::*;

    /// What a kernel 6.1 answered to an address that was there already, sequence number 9.
    fn refusal() -> Vec<u8> {
        let mut bytes = Vec::new();
        let words = b"ipv4: Address already assigned.\0";
        let attribute = u16::try_from(4 + words.len()).unwrap();
        let length = 16 + 20 + u32::from(attribute);
        bytes.extend(length.to_ne_bytes());
        bytes.extend(NLMSG_ERROR.to_ne_bytes());
        bytes.extend((NLM_F_CAPPED | NLM_F_ACK_TLVS).to_ne_bytes());
        bytes.extend(9_u32.to_ne_bytes());
        bytes.extend(77_u32.to_ne_bytes());
        bytes.extend((-17_i32).to_ne_bytes());
        bytes.extend([0; 16]);
        bytes.extend(attribute.to_ne_bytes());
        bytes.extend(ERROR_WORDS.to_ne_bytes());
        bytes.extend(words);
        bytes
    }

    #[test]
    fn the_kernels_own_words_are_kept() {
        let bytes = refusal();
        let message = Messages(&bytes).next().unwrap().unwrap();
        let expected = Refusal { errno: 17, words: Some("ipv4: Address already assigned.".into()) };
        assert_eq!((message.sequence, message.answer(ERROR_HEAD)), (9, Err(expected)));
        let mut twice = bytes.clone();
        twice.extend(&bytes);
        assert_eq!(Messages(&twice).count(), 2);
    }

    /// What was dropped is no success, though successes aren't told one by one.
    #[test]
    fn refusals_that_find_no_room_are_lost_and_no_successes() {
        let mut exchange = Exchange::open().unwrap();
        // There is no such interface, and whoever has no right to ask is told that.
        let mut message = AddressMessage::default();
        message.header.index = u32::from(u16::MAX);
        let request = || Request { message: RouteNetlinkMessage::DelAddress(message.clone()), flags: 0 };
        let many = || (0..MAX_BATCH).map(|_| request()).collect::<Vec<_>>();
        assert!(
            exchange
                .acknowledged(many())
                .iter()
                .all(|it| it.as_ref().is_err_and(|it| *it != Refusal::lost()))
        );
        exchange.socket.set_rx_buf_sz(0_u32).unwrap();
        let answers = exchange.acknowledged(many());
        assert!(answers.iter().all(Result::is_err), "{answers:?}");
        assert!(answers.contains(&Err(Refusal::lost())), "there was room for all: {answers:?}");
    }

    proptest! {
        #[test]
        fn any_datagram_ends_and_panics_nothing(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..200, to: u8) {
            prop_assert!(Messages(&bytes).count() <= 200);
            bytes = refusal();
            let at = at % bytes.len();
            bytes[at] = to;
            for message in Messages(&bytes).flatten() {
                let _ = message.answer(ERROR_HEAD);
                let _ = message.answer(DONE_HEAD);
            }
        }
    }
}
