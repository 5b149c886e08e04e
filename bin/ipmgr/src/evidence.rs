//! Which links are known to carry frames.
//!
//! A link that came up is listened to until the first frame of another host, and then never again. It must never hold back
//! what it can't judge: a link that was up long before us, or that can't be listened to, counts as one that carries. What
//! follows from it vrrp-core decides. Read `sys::frames` first: what is a sign and what isn't.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Instant, LinkName};
use reactor::{Interest, Reactor, Token};
use sys::frames::Ear;

use crate::world::World;

/// For so long after the host has booted, a link that is up when we start may have come up a moment ago: longer than a
/// start takes together with the 30 s of spanning tree.
const FRESH_BOOT: Duration = Duration::from_secs(120);

/// The links of the configuration.
#[derive(Debug)]
pub(crate) struct Evidence {
    links: BTreeMap<LinkName, Known>,
    /// The next token: none is used twice.
    next: usize,
}

#[derive(Debug)]
struct Known {
    token: Token,
    /// If it is up at the first look, it has been for long.
    trusted: bool,
    /// `None` while it isn't up.
    life: Option<Life>,
    /// Where its first frame is waited for; `None` once it was heard.
    ear: Option<Ear>,
}

/// One time between an interface's carrier coming up and going away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Life {
    index: u32,
    /// Tells a carrier that went and came again between two looks.
    carrier_ups: u32,
}

impl Evidence {
    /// `now` is the time since boot. Tokens are numbered from `first`.
    pub(crate) fn new<'a>(links: impl IntoIterator<Item = &'a LinkName>, first: usize, now: Instant) -> Self {
        let mut evidence = Self { links: BTreeMap::new(), next: first };
        let trusted = now >= Instant::ZERO + FRESH_BOOT;
        links.into_iter().for_each(|name| evidence.add(name, trusted));
        evidence
    }

    /// Another configuration uses these links. Of a new one that is up nobody knows when it came up: it counts as one that
    /// carries.
    pub(crate) fn reconfigure<'a>(
        &mut self,
        links: impl IntoIterator<Item = &'a LinkName>,
        reactor: &Reactor,
    ) {
        let mut before = std::mem::take(&mut self.links);
        for name in links {
            match before.remove_entry(name) {
                Some((name, known)) => {
                    self.links.insert(name, known);
                }
                None => self.add(name, true),
            }
        }
        before.values_mut().for_each(|known| known.stop(reactor));
    }

    fn add(&mut self, name: &LinkName, trusted: bool) {
        let known = Known { token: Token(self.next), trusted, life: None, ear: None };
        self.next += 1;
        self.links.insert(name.clone(), known);
    }

    /// Whether a frame of another host has come in on that link since it came up, as far as anybody can tell.
    pub(crate) fn carries(&self, link: &LinkName) -> bool {
        self.links.get(link).is_some_and(|known| known.life.is_some() && known.ear.is_none())
    }

    /// Compares what is up with what was, and listens to what came up.
    pub(crate) fn look(&mut self, world: &World, reactor: &Reactor) {
        for (name, known) in &mut self.links {
            let up = world.link(name).filter(|link| link.up);
            let trusted = std::mem::take(&mut known.trusted);
            let life = up.map(|link| Life { index: link.index, carrier_ups: link.carrier_ups });
            if life == known.life {
                continue;
            }
            known.life = life;
            known.stop(reactor);
            if let (Some(life), false) = (life, trusted) {
                known.listen(name, life.index, reactor);
            }
        }
    }

    /// Something came in, or the link went down.
    pub(crate) fn on_ready(&mut self, token: Token, reactor: &Reactor) {
        let Some((name, known)) = self.links.iter_mut().find(|(_, known)| known.token == token) else {
            return;
        };
        if known.ear.as_ref().is_some_and(Ear::hears) {
            log::info!("{name} carries frames");
            known.stop(reactor);
        }
    }
}

impl Known {
    fn listen(&mut self, name: &LinkName, index: u32, reactor: &Reactor) {
        let opened = Ear::open(index).and_then(|ear| {
            reactor.register(self.token, &ear, Interest::READABLE)?;
            Ok(ear)
        });
        match opened {
            Ok(ear) => self.ear = Some(ear),
            Err(error) => log::warn!("can't find out whether {name}, which came up, carries frames: {error}"),
        }
    }

    fn stop(&mut self, reactor: &Reactor) {
        if let Some(ear) = self.ear.take() {
            // It is closed right after; an error here can only mean that it is watched no more.
            let _ = reactor.deregister(&ear);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixDatagram;

    use sys::netlink::HostLink;

    use super::*;

    /// An index that no interface has: listening fails, which is how the tests tell that it was tried.
    const NOWHERE: u32 = u32::MAX >> 1;

    fn world(up: bool, carrier_ups: u32) -> World {
        let name = LinkName::new("eth0").unwrap();
        World::new(
            vec![HostLink {
                index: NOWHERE,
                name,
                up,
                multicast: true,
                mac: None,
                carrier_ups,
                virtual_link: None,
            }],
            Vec::new(),
        )
    }

    fn evidence(uptime: Duration) -> (Evidence, LinkName, Reactor) {
        let eth0 = LinkName::new("eth0").unwrap();
        (Evidence::new([&eth0], 7, Instant::ZERO + uptime), eth0, Reactor::new().unwrap())
    }

    /// Puts a socket in the place of that of a link that came up; what is sent to the other end is a frame.
    fn listen(evidence: &mut Evidence) -> UnixDatagram {
        let (ear, mouth) = UnixDatagram::pair().unwrap();
        ear.set_nonblocking(true).unwrap();
        evidence.links.values_mut().next().unwrap().ear = Some(Ear::from(OwnedFd::from(ear)));
        mouth
    }

    #[test]
    fn what_was_up_long_before_us_carries_and_what_is_down_does_not() {
        let (mut evidence, eth0, reactor) = evidence(FRESH_BOOT);
        assert!(!evidence.carries(&eth0));
        evidence.look(&world(true, 3), &reactor);
        assert!(evidence.carries(&eth0));
        evidence.look(&world(false, 3), &reactor);
        assert!(!evidence.carries(&eth0));
        assert!(!evidence.carries(&LinkName::new("eth1").unwrap()));
    }

    #[test]
    fn a_silent_link_carries_nothing_until_it_is_heard() {
        let (mut evidence, eth0, reactor) = evidence(FRESH_BOOT);
        evidence.look(&world(true, 1), &reactor);
        let mouth = listen(&mut evidence);
        evidence.look(&world(true, 1), &reactor);
        assert!(!evidence.carries(&eth0), "nothing has changed");
        evidence.on_ready(Token(7), &reactor);
        assert!(!evidence.carries(&eth0), "that was no frame");
        mouth.send(b"frame").unwrap();
        evidence.on_ready(Token(8), &reactor);
        assert!(!evidence.carries(&eth0), "that was another one");
        evidence.on_ready(Token(7), &reactor);
        assert!(evidence.carries(&eth0));
    }

    /// A carrier that flapped between two looks, and an ear that can't be had.
    #[test]
    fn every_coming_up_is_a_life_of_its_own() {
        let (mut evidence, eth0, reactor) = evidence(FRESH_BOOT);
        evidence.look(&world(true, 1), &reactor);
        let _mouth = listen(&mut evidence);
        evidence.look(&world(true, 2), &reactor);
        let known = evidence.links.get(&eth0).unwrap();
        assert_eq!(known.life.map(|life| life.carrier_ups), Some(2));
        assert!(known.ear.is_none() && evidence.carries(&eth0), "what can't be judged holds nobody back");
    }
}
