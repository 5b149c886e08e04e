//! The one event loop: descriptors, one timer, signals, and the JSON Lines sockets that hang on it.
//!
//! A daemon is a single thread that sleeps in [`Reactor::wait`] and nowhere else. So nothing here may wait anywhere else,
//! grow without a bound, or let one peer keep the loop from the others; and nothing here knows what a line means.
//!
//! Readiness is told once per change (epoll's edge-triggered mode, epoll(7) "Level-triggered and edge-triggered"): whoever is
//! told reads until there is nothing more, or asks for another turn with [`Reactor::again`].

mod event_loop;
mod line_buffer;
mod line_client;
mod line_server;
mod line_stream;
mod output_queue;
mod seldom;

pub use event_loop::{Reactor, Ready};
pub use line_client::{LineClient, MAX_MESSAGE, ServerEvent};
pub use line_server::{ClientEvent, ClientId, LineServer, MAX_CLIENTS, MAX_LINE};
pub use line_stream::GoneReason;
pub use mio::{Interest, Token};
pub use output_queue::{MAX_QUEUED, Sent};
pub use seldom::Seldom;

#[cfg(test)]
mod testing;
