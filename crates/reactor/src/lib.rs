//! The one event loop: descriptors, one timer, signals.
//!
//! A daemon is a single thread that sleeps in [`Reactor::wait`] and nowhere else. So nothing here may wait anywhere else,
//! grow without a bound, or let one peer keep the loop from the others.
//!
//! Readiness is told once per change (epoll's edge-triggered mode, epoll(7) "Level-triggered and edge-triggered"): whoever is
//! told reads until there is nothing more, or asks for another turn with [`Reactor::again`].

mod event_loop;

pub use event_loop::{Reactor, Ready};
pub use mio::{Interest, Token};

#[cfg(test)]
mod testing;
