//! rtnetlink: links, addresses, routes and rules of this network namespace, read and changed.
//!
//! [`Route`] asks and changes, one request at a time; [`Monitor`] says that something changed, never what: whoever
//! hears it lists everything again and compares (levels, not edges). A list that was torn by a change, or of which a part
//! got lost or can't be read, is asked for again rather than returned with a hole. Attributes that nobody here needs are
//! skipped unread, so that a newer kernel's can do no harm.
//!
//! [`Filter`] is the one thing of nftables here: a table of ours that drops what is sent to some of our addresses.
//!
//! It must never decide which address belongs to whom. Read rtnetlink(7), netlink(7), and for the kernel's own words
//! about an error `NETLINK_EXT_ACK` in linux/netlink.h first.

mod address;
mod error;
mod exchange;
mod filter;
mod link;
mod monitor;
mod path;
#[cfg(test)]
mod path_tests;
mod rule;
#[cfg(test)]
mod tests;
mod virtual_link;

pub use address::{Change, FOREVER, HostAddress, Lifetime, Place, Shape};
pub use error::KernelError;
pub use exchange::MAX_BATCH;
pub use filter::{Filter, Shut, Table};
pub use link::HostLink;
pub use monitor::{Changed, Monitor};
pub use path::{Hop, Path, PathChange, PathKind};
pub use rule::{Rule, RuleChange, Verdict};
pub use virtual_link::{VirtualLink, arp_ignore, promotes_secondaries, refuse_router_advertisements};

use std::io;

use exchange::{Exchange, Request};

/// A socket that asks the kernel about links, addresses, routes and rules, and changes them.
#[derive(Debug)]
pub struct Route {
    exchange: Exchange,
}

impl Route {
    /// Opens one in the calling thread's network namespace, where it stays. Listing needs no right; changing anything
    /// needs `CAP_NET_ADMIN` at that moment.
    ///
    /// # Errors
    /// socket(2), setsockopt(2): no descriptors left.
    pub fn open() -> io::Result<Self> {
        Ok(Self { exchange: Exchange::open()? })
    }

    /// Makes changes in order, many per system call; one answer each. `said` is what is done, and to what.
    fn make<C>(
        &mut self,
        changes: &[C],
        request: impl Fn(&C) -> Request,
        said: impl Fn(&C) -> (&'static str, String),
    ) -> Vec<Result<(), KernelError>> {
        let mut answers = Vec::with_capacity(changes.len());
        for batch in changes.chunks(MAX_BATCH) {
            let results = self.exchange.acknowledged(batch.iter().map(&request).collect());
            answers.extend(batch.iter().zip(results).map(|(change, result)| {
                result.map_err(|refusal| {
                    let (op, target) = said(change);
                    KernelError::new(op, target, refusal)
                })
            }));
        }
        answers
    }
}
