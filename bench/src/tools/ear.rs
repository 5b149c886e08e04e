//! Hears the first advert of every virtual router.

use std::collections::BTreeSet;

use model::{LinkName, Transport, Vrid};
use reactor::{Interest, Reactor, Ready, Token};
use sys::advert::{AdvertSocket, GROUP_V4, Received};

use super::say;
use crate::Outcome;

/// Longer than any advert that is sent here.
const BUFFER: usize = 2048;
/// Where a VRRP message has its VRID (RFC 9568 5.1).
const VRID_AT: usize = 1;

/// Says `listening`, `first NANOS` at the first advert, and `all NANOS` once that many virtual routers were heard on
/// eth0, eth1 and so on.
pub(super) fn listen(links: usize, instances: usize) -> Outcome<()> {
    let failed = |error: std::io::Error| format!("listen: {error}");
    let mut reactor = Reactor::new().map_err(failed)?;
    let mut route = sys::netlink::Route::open().map_err(failed)?;
    let vrids: Vec<Vrid> = (1..=u8::MAX).filter_map(Vrid::new).collect();
    let mut sockets = Vec::new();
    for number in 0..links {
        let name = format!("eth{number}");
        let index = route.link_index(&name).map_err(|error| error.to_string())?;
        let link = LinkName::new(&name).map_err(|error| error.to_string())?;
        let socket =
            sys::advert::open(&link, index, Transport::V4, &vrids, &[GROUP_V4.into()]).map_err(failed)?;
        let socket = AdvertSocket::from_fd(socket, Transport::V4).map_err(failed)?;
        reactor.register(Token(number), &socket, Interest::READABLE).map_err(failed)?;
        sockets.push(socket);
    }
    say("listening")?;
    let (mut heard, mut ready, mut buffer) = (BTreeSet::new(), Vec::new(), [0; BUFFER]);
    while heard.len() < instances {
        reactor.wait(&mut ready).map_err(failed)?;
        let now = sys::clock::now();
        if heard.is_empty() {
            say(format!("first {}", now.as_nanos()))?;
        }
        for event in &ready {
            let Ready::Token { token: Token(number), .. } = event else { continue };
            let Some(socket) = sockets.get(*number) else { continue };
            while let Some(received) = socket.receive(&mut buffer).map_err(failed)? {
                if let Received::Packet(packet) = received {
                    heard.extend(packet.message.get(VRID_AT).map(|vrid| (*number, *vrid)));
                }
            }
        }
    }
    say(format!("all {}", sys::clock::now().as_nanos()))
}
