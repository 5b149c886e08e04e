//! The sockets that ipmgr handed over: adverts in and out, announcements out, and other people's announcements in.
//!
//! It believes nothing and decides nothing: what comes in goes to the core, what the core says goes out.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use model::{Family, LinkName, MacAddress, Transport};
use sys::advert::{AdvertSocket, MAX_PACKET, Received};
use sys::announce::AnnounceSocket;
use sys::watch::{Claim, Overheard, WatchSocket};
use vrrp::{LinkId, Packet, Transmit};

use crate::losses::{Loss, Losses};
use crate::setup::{CarrierId, Placed};

/// How many packets are taken from one socket before others get their turn.
const MAX_BATCH: usize = 256;

/// Whether a socket may hold more packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drained {
    /// It is empty.
    Empty,
    /// Its turn is over, and there may be more.
    TurnOver,
}

/// All sockets of this process that lead to the network.
#[derive(Debug)]
pub(crate) struct Wire {
    adverts: HashMap<(LinkId, Transport), AdvertSocket>,
    announcers: HashMap<LinkName, AnnounceSocket>,
    watches: HashMap<(CarrierId, Family), WatchSocket>,
    macs: HashMap<LinkName, MacAddress>,
    /// Kept: to clear it for every wake would cost more than the packets.
    buffer: Box<[u8]>,
    losses: Losses,
}

impl Default for Wire {
    fn default() -> Self {
        Self {
            adverts: HashMap::new(),
            announcers: HashMap::new(),
            watches: HashMap::new(),
            macs: HashMap::new(),
            buffer: vec![0; MAX_PACKET].into(),
            losses: Losses::default(),
        }
    }
}

impl Wire {
    /// Takes the place of an older socket of that link and transport, if there is one; gives that back.
    ///
    /// # Errors
    /// It isn't the socket that ipmgr said it is.
    pub(crate) fn add_adverts(
        &mut self,
        link: LinkId,
        transport: Transport,
        socket: OwnedFd,
    ) -> io::Result<Option<AdvertSocket>> {
        let older = self.adverts.insert((link, transport), AdvertSocket::from_fd(socket, transport)?);
        if let Some(older) = &older {
            count_overflow(&mut self.losses, link, older);
        }
        Ok(older)
    }

    /// The socket of that link and transport.
    pub(crate) fn adverts(&self, link: LinkId, transport: Transport) -> Option<&AdvertSocket> {
        self.adverts.get(&(link, transport))
    }

    /// What announcements on that link go through.
    ///
    /// # Errors
    /// It isn't the socket that ipmgr said it is.
    pub(crate) fn add_announcer(&mut self, link: LinkName, socket: OwnedFd) -> io::Result<()> {
        self.announcers.insert(link, AnnounceSocket::from_fd(socket)?);
        Ok(())
    }

    /// Takes the place of an older socket likewise.
    ///
    /// # Errors
    /// It isn't the socket that ipmgr said it is.
    pub(crate) fn add_watch(
        &mut self,
        carrier: CarrierId,
        family: Family,
        socket: OwnedFd,
    ) -> io::Result<Option<WatchSocket>> {
        Ok(self.watches.insert((carrier, family), WatchSocket::from_fd(socket, family)?))
    }

    /// What overhears claims to addresses of that family there.
    pub(crate) fn watch(&self, carrier: CarrierId, family: Family) -> Option<&WatchSocket> {
        self.watches.get(&(carrier, family))
    }

    /// The hardware address that announcements on that link carry. True if neighbours have been told of another one, or may have.
    pub(crate) fn set_mac(&mut self, link: &LinkName, mac: Option<MacAddress>) -> bool {
        match mac {
            Some(mac) => self.macs.insert(link.clone(), mac).is_some_and(|before| before != mac),
            None => {
                self.macs.remove(link);
                false
            }
        }
    }

    /// Another configuration runs: sockets keep their links under other numbers, and those of links that it doesn't use go.
    pub(crate) fn renumber(
        &mut self,
        link: impl Fn(LinkId, Transport) -> Option<LinkId>,
        carrier: impl Fn(CarrierId, Family) -> Option<CarrierId>,
        uses: impl Fn(&LinkName) -> bool,
    ) {
        for ((id, transport), socket) in std::mem::take(&mut self.adverts) {
            match link(id, transport) {
                Some(is) => {
                    self.adverts.insert((is, transport), socket);
                }
                None => count_overflow(&mut self.losses, id, &socket),
            }
        }
        let watches = std::mem::take(&mut self.watches).into_iter();
        self.watches = watches
            .filter_map(|((id, family), socket)| Some(((carrier(id, family)?, family), socket)))
            .collect();
        self.announcers.retain(|name, _| uses(name));
        self.macs.retain(|name, _| uses(name));
        self.losses.renumber(|id| link(id, Transport::V4).or_else(|| link(id, Transport::V6)));
    }

    /// Every socket for adverts.
    pub(crate) fn all_adverts(&self) -> impl Iterator<Item = (LinkId, Transport, &AdvertSocket)> {
        self.adverts.iter().map(|((link, transport), socket)| (*link, *transport, socket))
    }

    /// Every socket that overhears claims.
    pub(crate) fn all_watches(&self) -> impl Iterator<Item = (CarrierId, Family, &WatchSocket)> {
        self.watches.iter().map(|((carrier, family), socket)| (*carrier, *family, socket))
    }

    /// What never came to the core. The kernel is asked for its part.
    pub(crate) fn losses(&self) -> Losses {
        let mut losses = self.losses.clone();
        for ((link, _), socket) in &self.adverts {
            count_overflow(&mut losses, *link, socket);
        }
        losses
    }

    /// Takes what is there, and gives each packet to `take`.
    pub(crate) fn receive(
        &mut self,
        link: LinkId,
        transport: Transport,
        mut take: impl FnMut(Packet<'_>),
    ) -> Drained {
        let Some(socket) = self.adverts.get(&(link, transport)) else { return Drained::Empty };
        for _ in 0..MAX_BATCH {
            match socket.receive(&mut self.buffer) {
                Ok(None) => return Drained::Empty,
                Ok(Some(Received::Packet(packet))) => take(Packet {
                    link,
                    source: packet.source,
                    destination: packet.destination,
                    ttl: packet.ttl,
                    sealed: packet.sealed,
                    message: packet.message,
                }),
                Ok(Some(Received::Malformed { what, source })) => {
                    self.losses.count(link, what.into(), 1, source);
                }
                // The link's own facts tell what is wrong with it (ENETDOWN and the like); ipmgr sends them.
                Err(error) => {
                    log::debug!("receive {transport} adverts: {error}");
                    return Drained::Empty;
                }
            }
        }
        Drained::TurnOver
    }

    /// Takes what is there, and gives each claim to `take` that isn't our own. A host with two interfaces on one LAN hears
    /// on one what it says on the other.
    pub(crate) fn overhear(
        &self,
        carrier: CarrierId,
        family: Family,
        mut take: impl FnMut(Claim),
    ) -> Drained {
        let Some(socket) = self.watches.get(&(carrier, family)) else { return Drained::Empty };
        for _ in 0..MAX_BATCH {
            match socket.receive() {
                Ok(None) => return Drained::Empty,
                Ok(Some(Overheard::Claim(claim))) => {
                    if self.macs.values().all(|own| *own != claim.mac) {
                        take(claim);
                    }
                }
                Ok(Some(Overheard::Other)) => {}
                // As for adverts.
                Err(error) => {
                    log::debug!("overhear {family} claims: {error}");
                    return Drained::Empty;
                }
            }
        }
        Drained::TurnOver
    }

    /// Sends a message. What isn't sent now is as good as lost on the wire, and the protocol lives with that; but a master
    /// that can't be heard ends in two masters, so it is counted, and told ever more rarely while it goes on.
    /// Whoever has a virtual MAC sends from there.
    pub(crate) fn transmit(&mut self, transmit: &Transmit, from: Option<&(LinkName, MacAddress)>) {
        let Err(error) = self.try_transmit(transmit, from) else { return };
        let Transmit { link, source, destination, .. } = transmit;
        let times = self.losses.count(*link, Loss::Unsent, 1, Some(*source));
        if times.is_power_of_two() {
            log::warn!(
                "send an advert from {source} to {destination}: {error} ({times} unsent on this interface)"
            );
        }
    }

    fn try_transmit(&self, transmit: &Transmit, from: Option<&(LinkName, MacAddress)>) -> io::Result<()> {
        let packet = sys::advert::Packet {
            source: transmit.source,
            destination: transmit.destination,
            ttl: transmit.ttl,
            sealed: transmit.sealed,
            message: &transmit.message,
        };
        if let Some((link, mac)) = from {
            return self.announcers.get(link).ok_or_else(no_socket)?.advert(*mac, &packet);
        }
        let transport = match transmit.sealed {
            Some(_) => Transport::Ah,
            None => Family::of(transmit.source).into(),
        };
        self.adverts.get(&(transmit.link, transport)).ok_or_else(no_socket)?.send(&packet)
    }

    /// Tells the neighbours where an address lives (V3-FSM-4).
    ///
    /// # Errors
    /// The kernel's words, or that ipmgr has handed over no socket yet; `Unsupported` where the link has no hardware address,
    /// and so nobody to tell.
    pub(crate) fn announce(&self, placed: &Placed) -> io::Result<()> {
        let socket = self.announcers.get(&placed.link).ok_or_else(no_socket)?;
        let mac = self
            .macs
            .get(&placed.link)
            .ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, "no hardware address"))?;
        match placed.address {
            IpAddr::V4(address) => socket.gratuitous_arp(*mac, address),
            // RFC 9568 6.4.2: Router flag set, Solicited clear, Override set.
            IpAddr::V6(address) => socket.unsolicited_na(*mac, address, true),
        }
    }
}

fn no_socket() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "ipmgr has handed over no socket for this link")
}

/// Who sent it is nowhere.
fn count_overflow(losses: &mut Losses, link: LinkId, socket: &AdvertSocket) {
    match socket.overflowed() {
        Ok(0) => {}
        Ok(number) => {
            losses.count(link, Loss::QueueFull, number.into(), None);
        }
        Err(error) => log::debug!("ask what the kernel dropped: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn an_advert_that_cannot_be_sent_is_counted() {
        // A1: a master whose adverts don't leave looks healthy from inside.
        let source = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        let destination = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));
        let (instance, link) = (vrrp::InstanceId(0), LinkId(0));
        let advert =
            Transmit { instance, link, source, destination, ttl: 255, sealed: None, message: [0; 20].into() };
        let mut wire = Wire::default();
        wire.transmit(&advert, None);
        wire.transmit(&advert, None);
        let told = wire.losses().on(link).map(|it| (it.reason, it.count, it.last_from)).collect::<Vec<_>>();
        assert_eq!(told, [("unsent".to_owned(), 2, Some(source))]);
    }
}
