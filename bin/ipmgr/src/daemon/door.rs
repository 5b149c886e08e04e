//! Who comes in: a connection is nobody until it has said a valid hello, and only then is it in charge.
//!
//! It must never let somebody who only connects take the place of the vrrp-core that works.

use ipc::core_ipmgr::{self, Order, PROTOCOL, Report};
use model::Instant;
use reactor::Interest;
use service::Failure;

use super::{CORE, Daemon, LISTENER, NEWCOMER};
use crate::core_link::{CoreLink, End};

/// Connections that are looked at in one turn.
const MAX_ACCEPTS: usize = 16;

/// What a newcomer has said.
#[derive(Debug)]
pub(super) struct Greeting {
    protocol: u32,
    fingerprint: u64,
    /// What it said right after the hello.
    orders: Vec<Order>,
    end: End,
}

impl Daemon {
    /// Takes the connections that wait. Of those that have said nothing yet the newest stays.
    pub(super) fn on_listener(&mut self, now: Instant) -> Result<(), Failure> {
        for _ in 0..MAX_ACCEPTS {
            let (connection, peer) = match self.listener.accept() {
                Ok(Some(accepted)) => accepted,
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.strangers.mention(now, || log::warn!("accept a connection: {error}"));
                    self.accept_again = true;
                    return Ok(());
                }
            };
            if !self.gate.admits(peer) {
                let who = peer.pid.map_or("a process".to_owned(), |pid| format!("process {pid}"));
                self.strangers
                    .mention(now, || log::warn!("refused {who} of user {}: not vrrp-core", peer.uid));
                continue;
            }
            let newcomer = CoreLink::new(connection);
            self.reactor
                .register(NEWCOMER, newcomer.descriptor(), Interest::READABLE | Interest::WRITABLE)
                .map_err(|error| Failure::io("watch a new connection", &error))?;
            self.newcomer = Some(newcomer);
            self.greeting = None;
        }
        self.reactor.again(LISTENER);
        Ok(())
    }

    /// Somebody who isn't in charge says something: hello, or it has to go.
    pub(super) fn on_newcomer(&mut self, now: Instant) -> Result<(), Failure> {
        if self.greeting.is_some() {
            // What it goes on to say is read once we know whether it is let in.
            return Ok(());
        }
        let Some(newcomer) = &mut self.newcomer else { return Ok(()) };
        let (orders, end) = newcomer.read();
        let mut orders = orders.into_iter();
        match orders.next() {
            None => {}
            Some(Order::Hello { protocol, fingerprint }) => {
                let greeting = Greeting { protocol, fingerprint, orders: orders.collect(), end };
                if protocol == PROTOCOL && fingerprint != self.reload.running().as_u64() {
                    self.greeting = Some(greeting);
                    return self.follow(now);
                }
                return self.on_hello(greeting, now);
            }
            Some(_) => {
                self.turn_away("hello comes first, and once");
                return Ok(());
            }
        }
        match end {
            End::Empty => {}
            End::TurnOver => self.reactor.again(NEWCOMER),
            End::Broken(why) => {
                log::debug!("a connection has ended: {why}");
                self.newcomer = None;
            }
        }
        Ok(())
    }

    /// Puts whoever said a valid hello in charge. The newest vrrp-core is: an older one is dead or about to be.
    pub(super) fn on_hello(&mut self, greeting: Greeting, now: Instant) -> Result<(), Failure> {
        let own = self.reload.running().as_u64();
        let Some(newcomer) = &mut self.newcomer else { return Ok(()) };
        if let Err(why) = newcomer.send(&Report::Hello { protocol: PROTOCOL, fingerprint: own }, None) {
            log::debug!("a connection has ended: {why}");
            self.newcomer = None;
            return Ok(());
        }
        if greeting.protocol != PROTOCOL {
            self.turn_away("it speaks another protocol than ipmgr: restart both");
            return Ok(());
        }
        if greeting.fingerprint != own {
            self.turn_away("it runs another configuration than ipmgr, and than the file: reload");
            return Ok(());
        }
        self.put_in_charge(now)?;
        // What came along is the new vrrp-core's.
        greeting.orders.into_iter().for_each(|order| self.on_order(order, now));
        self.on_end(greeting.end);
        Ok(())
    }

    fn put_in_charge(&mut self, now: Instant) -> Result<(), Failure> {
        let Some(core) = self.newcomer.take() else { return Ok(()) };
        self.reactor
            .reregister(CORE, core.descriptor(), Interest::READABLE | Interest::WRITABLE)
            .map_err(|error| Failure::io("watch vrrp-core's connection", &error))?;
        if self.core.replace(core).is_some() {
            log::warn!("another vrrp-core has connected: the one before is not heard any more");
        }
        // Nobody is left who waits for them.
        self.answers.clear();
        self.answered.clear();
        self.barred.clear();
        self.claims.hear(now);
        let held = self.held();
        self.with_core(|core| core_ipmgr::held(&held).try_for_each(|report| core.send(&report, None)));
        self.visits.mention(now, || {
            log::info!("vrrp-core has connected; it holds the addresses of {} instances", held.len());
        });
        service::notify_status("vrrp-core is connected");
        self.dirty = true;
        Ok(())
    }

    /// Says why, and ends a connection that isn't in charge.
    fn turn_away(&mut self, why: &str) {
        self.strangers.mention(sys::clock::now(), || log::error!("vrrp-core is refused: {why}"));
        if let Some(mut newcomer) = self.newcomer.take() {
            // Whether it hears that is its own affair.
            let _ = newcomer.send(&Report::Refused { why: why.to_owned() }, None);
        }
    }
}
