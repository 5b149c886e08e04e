//! Finding out that a link carries frames at all.
//!
//! A carrier says that there is somebody at the other end of the cable, and not that they let anything through: a switch
//! port that has just come up may be closed for half a minute (IEEE 802.1D's listening and learning). The socket here
//! becomes readable with the first frame from another host. What a switch says for itself on a closed port is no sign of that.
//! It must never be kept for longer than it takes: every frame of the link goes past it. Read packet(7) and
//! IEEE 802.1D 7.12.6 (addresses that no bridge forwards) first.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, socket_with};
use socket2::{SockFilter, SockRef};

use crate::announce;
use crate::bpf::{BYTE, DROP, IF_EQUAL, PACKET_TYPE, PASS, WORD};

/// Frames of any kind: `ETH_P_ALL` (linux/if_ether.h).
const EVERY_ETHERTYPE: u16 = 3;
/// Sent by this host itself.
const OUTGOING: u32 = libc::PACKET_OUTGOING as u32;
/// Where an Ethernet frame's destination begins. Of a frame without such a header this compares other things, which
/// can't be mistaken for these: an IP header begins with another digit.
const DESTINATION: u32 = 0;
/// How the destinations begin that no bridge forwards: spanning tree, LACP, 802.1X, LLDP (01:80:c2:00:00:xx).
const BRIDGES_ALONE: u32 = 0x0180_c200;
/// How those of Cisco's protocols between neighbours begin: CDP, VTP, PVST+ (01:00:0c:cc:cc:xx).
const NEIGHBOURS_ALONE: u32 = 0x0100_0ccc;

/// Readable as soon as a frame of another host has come in on its interface, and when that is switched off.
#[derive(Debug)]
pub struct Ear(OwnedFd);

impl Ear {
    /// Listens on the interface with that index. Non-blocking, closed on exec.
    ///
    /// # Errors
    /// EPERM without CAP_NET_RAW, ENODEV if the interface is not there (any more).
    pub fn open(index: u32) -> io::Result<Self> {
        let flags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);
        // Without a protocol it is deaf until it is bound: by then the filter is there.
        let fd = socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)?;
        SockRef::from(&fd).attach_filter(&PROGRAM)?;
        announce::bind(fd.as_fd(), index, EVERY_ETHERTYPE)?;
        Ok(Self(fd))
    }

    /// Whether a frame is there; takes it. An error, such as ENETDOWN, is none, and gone when it was seen.
    #[must_use]
    pub fn hears(&self) -> bool {
        rustix::net::recv(&self.0, &mut [0_u8; 1], RecvFlags::empty()).is_ok()
    }
}

/// Any datagram socket will do, for tests.
impl From<OwnedFd> for Ear {
    fn from(fd: OwnedFd) -> Self {
        Self(fd)
    }
}

impl AsFd for Ear {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Passes what another host has sent. A frame too short to have a destination is dropped.
const PROGRAM: [SockFilter; 9] = [
    SockFilter::new(BYTE, 0, 0, PACKET_TYPE),
    SockFilter::new(IF_EQUAL, 0, 1, OUTGOING),
    DROP,
    SockFilter::new(WORD, 0, 0, DESTINATION),
    SockFilter::new(IF_EQUAL, 0, 1, BRIDGES_ALONE),
    DROP,
    SockFilter::new(IF_EQUAL, 0, 1, NEIGHBOURS_ALONE),
    DROP,
    PASS,
];

#[cfg(test)]
mod tests {
    use rustix::net::SendFlags;

    use super::*;
    use crate::testing::{Cable, LONG, Side, readable_within};

    /// An EtherType for experiments (IEEE 802): the kernel itself sends none.
    const OURS: [u8; 2] = [0x88, 0xb5];

    fn send(cable: &Cable, side: Side, destination: [u8; 6]) {
        cable.enter(side);
        let socket = announce::open(cable.index(side)).unwrap();
        let frame = [&destination[..], &[2, 0, 0, 0, 0, 9], &OURS, &[0; 46]].concat();
        rustix::net::send(&socket, &frame, SendFlags::empty()).unwrap();
    }

    /// The destination of the first frame of [`send`]; the kernel may have said something by itself before.
    fn first_heard(ear: &Ear) -> [u8; 6] {
        let mut frame = [0; 64];
        while readable_within(ear, LONG) {
            rustix::net::recv(ear, &mut frame, RecvFlags::empty()).unwrap();
            if frame[12..14] == OURS {
                return *frame.first_chunk().unwrap();
            }
        }
        panic!("nothing was heard");
    }

    /// Frames keep their order, so what is heard first tells what was not heard before.
    #[test]
    fn only_another_hosts_frame_is_a_sign_that_the_link_carries_any() {
        let Some(cable) = Cable::lay() else { return };
        cable.enter(Side::B);
        let ear = Ear::open(cable.index(Side::B)).unwrap();
        let (spanning_tree, lldp) = ([1, 0x80, 0xc2, 0, 0, 0], [1, 0x80, 0xc2, 0, 0, 0xe]);
        let cisco = [1, 0, 0xc, 0xcc, 0xcc, 0xcd];
        for unforwarded in [spanning_tree, lldp, cisco] {
            send(&cable, Side::A, unforwarded);
        }
        send(&cable, Side::B, [0x33; 6]);
        send(&cable, Side::A, [0xff; 6]);
        assert_eq!(first_heard(&ear), [0xff; 6]);
    }
}
