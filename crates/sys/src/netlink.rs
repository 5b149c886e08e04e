//! rtnetlink: links and addresses of this network namespace, read and changed.
//!
//! [`Route`] asks and changes, one request at a time; [`Monitor`] says that something changed, never what: whoever
//! hears it lists everything again and compares (levels, not edges). A list that was torn by a change, or of which a part
//! got lost or can't be read, is asked for again rather than returned with a hole. Attributes that nobody here needs are
//! skipped unread, so that a newer kernel's can do no harm.
//!
//! It must never decide which address belongs to whom. Read rtnetlink(7), netlink(7), and for the kernel's own words
//! about an error `NETLINK_EXT_ACK` in linux/netlink.h first.

mod address;
mod error;
mod exchange;
mod link;
mod monitor;
#[cfg(test)]
mod tests;

pub use address::{Change, FOREVER, HostAddress, Lifetime, Place, Shape};
pub use error::KernelError;
pub use link::HostLink;
pub use monitor::{Changed, Monitor};

use std::io;

use exchange::Exchange;

/// A socket that asks the kernel about links and addresses, and changes them.
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
}
