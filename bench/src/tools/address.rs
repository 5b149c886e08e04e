//! Tells when the kernel has an address.

use std::net::IpAddr;

use reactor::{Interest, Reactor, Token};
use sys::netlink::{Monitor, Route};

use super::say;
use crate::Outcome;

/// Says `watching`, then `there NANOS` once an interface carries the address.
pub(super) fn watch(address: IpAddr) -> Outcome<()> {
    let failed = |error: std::io::Error| format!("watch addresses: {error}");
    let mut reactor = Reactor::new().map_err(failed)?;
    let monitor = Monitor::open().map_err(failed)?;
    let mut route = Route::open().map_err(failed)?;
    reactor.register(Token(0), &monitor, Interest::READABLE).map_err(failed)?;
    say("watching")?;
    let mut ready = Vec::new();
    loop {
        reactor.wait(&mut ready).map_err(failed)?;
        // Before the kernel is asked: it is the message that tells when, and the list only what.
        let now = sys::clock::now();
        monitor.drain().map_err(failed)?;
        let held = route.addresses().map_err(|error| error.to_string())?;
        if held.iter().any(|it| it.address == address) {
            return say(format!("there {}", now.as_nanos()));
        }
    }
}
