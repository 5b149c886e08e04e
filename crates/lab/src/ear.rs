//! What a program on a host hears of its neighbours: adverts, and announcements (gratuitous ARP, unsolicited neighbour
//! advertisements).
//!
//! It listens in the network namespace of whoever opens it and must never send. Its socket holds some 10,000 frames, and so
//! what is missing was not on the wire, where [`crate::Capture`], which sees a frame once per port, may have lost it. Read RFC
//! 5227 3 and RFC 4861 7.2.6 first.

use std::io;
use std::net::IpAddr;

use sys::tap::{MAX_FRAME, Tap};

use crate::frame;
use crate::protocol::Packet;

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Somebody says where this address lives.
    Announcement(IpAddr),
    /// An advert, from whom.
    Advert(IpAddr),
}

/// Hears who advertises, and who says where addresses live.
#[derive(Debug)]
pub struct Ear {
    tap: Tap,
    buffer: Box<[u8; MAX_FRAME]>,
}

impl Ear {
    /// Hears what comes in on any interface, from now on.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW`.
    pub fn open() -> io::Result<Self> {
        Ok(Self { tap: Tap::open()?, buffer: Box::new([0; MAX_FRAME]) })
    }

    /// What comes next. Blocks.
    ///
    /// # Errors
    /// The kernel's.
    pub fn hear(&mut self) -> io::Result<Heard> {
        loop {
            let seen = self.tap.receive(&mut self.buffer)?;
            match frame::parse(seen.frame) {
                Some((_, Packet::Arp { sender, target, .. })) if sender == target => {
                    return Ok(Heard::Announcement(sender.into()));
                }
                Some((_, Packet::NeighbourAdvertisement { source, target })) if source == target => {
                    return Ok(Heard::Announcement(target.into()));
                }
                Some((_, Packet::Vrrp { source, .. })) => return Ok(Heard::Advert(source)),
                Some(_) | None => {}
            }
        }
    }
}
