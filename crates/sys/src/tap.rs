//! A tap: every frame of the protocols we speak that enters any interface of this network namespace.
//!
//! For tests and rehearsals, which stand on the bridge between hosts; no daemon uses it. It only listens and
//! must never send. Read packet(7) first; linux/if_packet.h gives the meaning of `sll_pkttype`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, Protocol, SockAddr, SockFilter, Socket, Type};

use crate::advert;

/// Everything that we capture is shorter (Ethernet's jumbo frames are not for VRRP).
pub const MAX_FRAME: usize = 2048;
/// Bytes of frames that the kernel keeps for us.
const RECEIVE_BUFFER: usize = 4 << 20;
/// IPv4 and IPv6 protocol number of VRRP (RFC 9568 5.1.1.4).
const VRRP: u32 = 112;
/// IPv4 protocol number of the authentication header (RFC 4302), which VRRPv2 may be behind.
const AH: u32 = 51;
/// IPv6 next header ICMPv6, whose neighbour advertisements announce addresses.
const ICMPV6: u32 = 58;
/// ICMPv6 type of a neighbour advertisement (RFC 4861 4.4).
const NEIGHBOUR_ADVERTISEMENT: u32 = 136;

/// A frame and where it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen<'a> {
    /// The index of the interface that it entered by.
    pub interface: u32,
    /// The frame from its destination MAC on.
    pub frame: &'a [u8],
}

/// The socket.
#[derive(Debug)]
pub struct Tap(Socket);

impl Tap {
    /// Listens for VRRP, ARP and neighbour advertisements on all interfaces, from now on. Reading blocks.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW`.
    pub fn open() -> io::Result<Self> {
        // No protocol, so that nothing arrives before the filter is in place.
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0)))?;
        advert::enlarge_receive_buffer(&socket, RECEIVE_BUFFER)?;
        socket.attach_filter(&filter())?;
        socket.bind(&every_protocol()?)?;
        Ok(Self(socket))
    }

    /// The next frame that entered an interface; what leaves one is not told again. Blocks.
    ///
    /// # Errors
    /// The kernel's; `ENETDOWN` when an interface was set down meanwhile is skipped.
    pub fn receive<'a>(&self, buffer: &'a mut [u8; MAX_FRAME]) -> io::Result<Seen<'a>> {
        loop {
            // SAFETY: sockaddr_ll is plain integers, for which all zeroes is valid.
            let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
            let mut length = address_length();
            // SAFETY: buffer and address are valid for the lengths given, and outlive the call.
            let received = unsafe {
                libc::recvfrom(
                    std::os::fd::AsRawFd::as_raw_fd(&self.0),
                    buffer.as_mut_ptr().cast(),
                    buffer.len(),
                    0,
                    (&raw mut address).cast(),
                    &raw mut length,
                )
            };
            let Ok(received) = usize::try_from(received) else {
                let error = io::Error::last_os_error();
                match error.raw_os_error() {
                    Some(libc::EINTR | libc::ENETDOWN) => continue,
                    _ => return Err(error),
                }
            };
            if address.sll_pkttype == libc::PACKET_OUTGOING {
                continue;
            }
            let interface = u32::try_from(address.sll_ifindex).unwrap_or(0);
            let frame = buffer.get(..received).unwrap_or_default();
            return Ok(Seen { interface, frame });
        }
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The size of `sockaddr_ll` as the socket calls want it.
const fn address_length() -> libc::socklen_t {
    #[expect(clippy::cast_possible_truncation, reason = "20 bytes (linux/if_packet.h)")]
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    length
}

/// The address that means "any interface, any protocol".
fn every_protocol() -> io::Result<SockAddr> {
    #[expect(clippy::cast_possible_truncation, reason = "3 (linux/if_ether.h)")]
    let protocol = (libc::ETH_P_ALL as u16).to_be();
    let family = u16::try_from(libc::AF_PACKET).map_err(io::Error::other)?;
    // SAFETY: the storage is large enough for a sockaddr_ll and aligned for every address; the pointers are
    // the ones that `try_init` hands out, and all members that bind(2) reads are set.
    let ((), address) = unsafe {
        SockAddr::try_init(|storage, length| {
            let link: *mut libc::sockaddr_ll = storage.cast();
            (*link).sll_family = family;
            (*link).sll_protocol = protocol;
            *length = address_length();
            Ok(())
        })
    }?;
    Ok(address)
}

/// Passes ARP, VRRP over IPv4 or IPv6, AH over IPv4, and neighbour advertisements; drops all else in the kernel.
fn filter() -> [SockFilter; 14] {
    const LOAD_HALF: u16 = 0x28; // BPF_LD | BPF_H | BPF_ABS
    const LOAD_BYTE: u16 = 0x30; // BPF_LD | BPF_B | BPF_ABS
    const EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K
    let ethertype = 12;
    let (ipv4_protocol, ipv6_next_header, icmpv6_type) = (14 + 9, 14 + 6, 14 + 40);
    [
        SockFilter::new(LOAD_HALF, 0, 0, ethertype),
        SockFilter::new(EQUAL, 10, 0, 0x0806),
        SockFilter::new(EQUAL, 0, 3, 0x0800),
        SockFilter::new(LOAD_BYTE, 0, 0, ipv4_protocol),
        SockFilter::new(EQUAL, 7, 0, AH),
        SockFilter::new(EQUAL, 6, 7, VRRP),
        SockFilter::new(EQUAL, 0, 6, 0x86dd),
        SockFilter::new(LOAD_BYTE, 0, 0, ipv6_next_header),
        SockFilter::new(EQUAL, 3, 0, VRRP),
        SockFilter::new(EQUAL, 0, 3, ICMPV6),
        SockFilter::new(LOAD_BYTE, 0, 0, icmpv6_type),
        SockFilter::new(EQUAL, 0, 1, NEIGHBOUR_ADVERTISEMENT),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}
