//! IPv6: the header stays with the kernel, and what matters of it comes and goes as ancillary data.
//!
//! Never trust that a label is there. Read ipv6(7), cmsg(3) and RFC 3542 6 first.

use std::io;
use std::mem;
use std::net::Ipv6Addr;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Malformed, Packet, Received};

/// Bytes of `struct cmsghdr`: length, level, type (no padding on Linux).
const LABEL_HEADER: usize = mem::size_of::<libc::cmsghdr>();
/// What `CMSG_ALIGN` rounds up to.
const LABEL_ALIGNMENT: usize = mem::size_of::<usize>();
/// Bytes of an address, and of the interface index behind it, in `struct in6_pktinfo`.
const ADDRESS: usize = 16;
const PACKET_INFORMATION: usize = mem::size_of::<libc::in6_pktinfo>();
/// One label with packet information, padded.
const SOURCE_LABEL: usize = (LABEL_HEADER + PACKET_INFORMATION).next_multiple_of(LABEL_ALIGNMENT);
/// One label with a hop limit, padded; and both of them.
const HOP_LIMIT_LABEL: usize =
    (LABEL_HEADER + mem::size_of::<libc::c_int>()).next_multiple_of(LABEL_ALIGNMENT);
const SEND_LABELS: usize = SOURCE_LABEL + HOP_LIMIT_LABEL;
/// Room for the two labels that we ask for, and some to spare.
const MAX_LABELS: usize = 128;

/// Asks for the destination of each packet. (Its hop limit is asked for by socket2.)
pub(super) fn request_packet_information(fd: BorrowedFd<'_>) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the pointer and the length are those of one live int.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_IPV6,
            libc::IPV6_RECVPKTINFO,
            (&raw const on).cast(),
            size_of_u32::<libc::c_int>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[expect(clippy::cast_possible_truncation, reason = "sizes of a few kernel structures")]
const fn size_of_u32<T>() -> libc::socklen_t {
    mem::size_of::<T>() as libc::socklen_t
}

pub(super) fn receive<'buffer>(
    fd: BorrowedFd<'_>,
    buffer: &'buffer mut [u8],
) -> io::Result<Option<Received<'buffer>>> {
    let mut labels = [0; MAX_LABELS];
    let raw = loop {
        match receive_raw(fd, buffer, &mut labels) {
            Ok(raw) => break raw,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    };
    let malformed = |what| Ok(Some(Received::Malformed { what, source: Some(raw.source.into()) }));
    if raw.flags & libc::MSG_TRUNC != 0 {
        return malformed(Malformed::TooLong);
    }
    let buffer: &'buffer [u8] = buffer;
    let packet = || {
        let label = read_labels(labels.get(..raw.labels)?);
        Some(Packet {
            source: raw.source.into(),
            destination: label.destination?.into(),
            ttl: label.hop_limit?,
            sealed: None,
            message: buffer.get(..raw.length)?,
        })
    };
    packet().map_or_else(|| malformed(Malformed::Unlabelled), |packet| Ok(Some(Received::Packet(packet))))
}

/// What recvmsg(2) says of one datagram.
struct Raw {
    length: usize,
    labels: usize,
    flags: libc::c_int,
    source: Ipv6Addr,
}

fn receive_raw(fd: BorrowedFd<'_>, buffer: &mut [u8], labels: &mut [u8; MAX_LABELS]) -> io::Result<Raw> {
    // SAFETY: both are plain C structures of integers and pointers, for which all zeros is a value.
    let (mut name, mut message) =
        unsafe { (mem::zeroed::<libc::sockaddr_in6>(), mem::zeroed::<libc::msghdr>()) };
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    message.msg_name = (&raw mut name).cast();
    message.msg_namelen = size_of_u32::<libc::sockaddr_in6>();
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = labels.as_mut_ptr().cast();
    message.msg_controllen = labels.len();
    // SAFETY: every pointer in `message` is to a live, exclusively borrowed object of the length beside it.
    let length = unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut message, 0) };
    let Ok(length) = usize::try_from(length) else {
        return Err(io::Error::last_os_error());
    };
    Ok(Raw {
        length,
        labels: message.msg_controllen,
        flags: message.msg_flags,
        source: Ipv6Addr::from(name.sin6_addr.s6_addr),
    })
}

/// The labels that we ask for, as far as they are there.
#[derive(Debug, Default, PartialEq, Eq)]
struct Labels {
    destination: Option<Ipv6Addr>,
    hop_limit: Option<u8>,
}

/// Walks ancillary data: `struct cmsghdr`, its data, padding, and again.
fn read_labels(mut rest: &[u8]) -> Labels {
    let mut found = Labels::default();
    while let Some((length, level, kind)) = read_label_header(rest) {
        let Some(data) = rest.get(LABEL_HEADER..length) else { break };
        match (level, kind) {
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                found.destination = data.first_chunk::<ADDRESS>().map(|address| Ipv6Addr::from(*address));
            }
            (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                let value = data.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes));
                found.hop_limit = value.and_then(|value| u8::try_from(value).ok());
            }
            // Not asked for; a kernel may add what it likes.
            _ => {}
        }
        rest = rest.get(length.next_multiple_of(LABEL_ALIGNMENT)..).unwrap_or_default();
    }
    found
}

fn read_label_header(bytes: &[u8]) -> Option<(usize, i32, i32)> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (level, rest) = rest.split_first_chunk()?;
    let kind = rest.first_chunk()?;
    let length = usize::from_ne_bytes(*length);
    // Also keeps a length near the end of the number range from overflowing when it is rounded up.
    (LABEL_HEADER..=bytes.len()).contains(&length).then_some((
        length,
        i32::from_ne_bytes(*level),
        i32::from_ne_bytes(*kind),
    ))
}

/// Ancillary data that names the source address and the hop limit.
pub(super) fn labels(source: Ipv6Addr, hop_limit: u8) -> [u8; SEND_LABELS] {
    let mut labels = [0; SEND_LABELS];
    let bytes = source_label(source).into_iter().chain(hop_limit_label(hop_limit.into()));
    for (place, byte) in labels.iter_mut().zip(bytes) {
        *place = byte;
    }
    labels
}

/// The interface behind the address stays 0: that is the one that the socket is bound to.
fn source_label(source: Ipv6Addr) -> [u8; SOURCE_LABEL] {
    label(libc::IPV6_PKTINFO, PACKET_INFORMATION, &source.octets())
}

fn hop_limit_label(value: libc::c_int) -> [u8; HOP_LIMIT_LABEL] {
    label(libc::IPV6_HOPLIMIT, mem::size_of::<libc::c_int>(), &value.to_ne_bytes())
}

/// `size` bytes that begin with `data`, behind their `struct cmsghdr`.
fn label<const LENGTH: usize>(kind: libc::c_int, size: usize, data: &[u8]) -> [u8; LENGTH] {
    let mut label = [0; LENGTH];
    let bytes = (LABEL_HEADER + size)
        .to_ne_bytes()
        .into_iter()
        .chain(libc::IPPROTO_IPV6.to_ne_bytes())
        .chain(kind.to_ne_bytes())
        .chain(data.iter().copied());
    for (place, byte) in label.iter_mut().zip(bytes) {
        *place = byte;
    }
    label
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SOURCE: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xa);

    #[test]
    fn labels_are_found_in_any_order_among_others() {
        let other = {
            let mut label = source_label(SOURCE);
            label[LABEL_HEADER - 8..LABEL_HEADER - 4].copy_from_slice(&libc::SOL_SOCKET.to_ne_bytes());
            label
        };
        let expected = Labels { destination: Some(SOURCE), hop_limit: Some(255) };
        let forwards = [&source_label(SOURCE)[..], &other, &hop_limit_label(255)].concat();
        let backwards = [&hop_limit_label(255)[..], &other, &source_label(SOURCE)].concat();
        assert_eq!(read_labels(&forwards), expected);
        assert_eq!(read_labels(&backwards), expected);
    }

    #[test]
    fn what_is_sent_reads_as_it_was_meant() {
        let expected = Labels { destination: Some(SOURCE), hop_limit: Some(64) };
        assert_eq!(read_labels(&labels(SOURCE, 64)), expected);
    }

    #[test]
    fn what_is_not_there_or_makes_no_sense_is_absent() {
        assert_eq!(read_labels(&[]), Labels::default());
        assert_eq!(read_labels(&hop_limit_label(256)), Labels::default());
        assert_eq!(read_labels(&hop_limit_label(-1)), Labels::default());
        assert_eq!(read_labels(&source_label(SOURCE)[..LABEL_HEADER + 8]), Labels::default());
    }

    proptest! {
        #[test]
        fn no_ancillary_data_is_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..MAX_LABELS)) {
            read_labels(&bytes);
        }

        #[test]
        fn no_length_is_too_strange(length in any::<usize>()) {
            let mut label = source_label(SOURCE);
            label[..LABEL_ALIGNMENT].copy_from_slice(&length.to_ne_bytes());
            read_labels(&label);
        }
    }
}
