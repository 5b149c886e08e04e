//! A table of nftables that drops what is sent to some addresses of this host, as a master without accept mode has to
//! (RFC 9568 6.4.3: not owner, no accept mode). Neighbour discovery passes, or nobody would find the router; ARP never
//! comes here.
//!
//! The table has an owner, this socket (`NFT_TABLE_F_OWNER`, Linux 5.12). So nobody else can change or flush it, and
//! the kernel removes it with the socket, however this process ends: none is ever left over, and nothing in it ever
//! needs a repair. A table of that name that is somebody else's is an error, and stays as it is.
//!
//! It must never touch another table. Read linux/netfilter/nf_tables.h and linux/netfilter/nfnetlink.h first.

mod encode;
#[cfg(test)]
mod tests;

use std::io;
use std::net::IpAddr;

use libc::{NFT_MSG_DELSETELEM, NFT_MSG_NEWSETELEM};
use netlink_packet_core::NLMSG_ERROR;
use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_NETFILTER;

use super::error::{KernelError, Refusal};
use super::exchange::{ERROR_HEAD, Messages, RECEIVE_BUFFER, receive};
use encode::Batch;

/// Addresses per batch: some 40 bytes each, far below the default send buffer (212,992 bytes) and what the length of an
/// attribute can say (65,535).
const MAX_BATCH: usize = 1024;

/// An address that nothing is let in to. A link-local one of IPv6 is another one on each link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shut {
    address: IpAddr,
    /// The index of the link, where it is part of the address.
    link: Option<u32>,
}

impl Shut {
    /// That address on the link with that index; all links, unless it is link-local.
    #[must_use]
    pub const fn new(address: IpAddr, link: u32) -> Self {
        let bound = matches!(address, IpAddr::V6(six) if six.is_unicast_link_local());
        Self { address, link: if bound { Some(link) } else { None } }
    }
}

/// How the table is made, of the family `inet`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// When its chain has its turn among those that see what is for this host: the lower, the earlier; filters usually have 0.
    pub priority: i32,
    /// Whether rules count what they match, for `nft list ruleset`.
    pub counters: bool,
}

/// The table, for as long as this lives.
#[derive(Debug)]
pub struct Filter {
    table: Table,
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Filter {
    /// A set that the table has: what tells one of ours from another of its name.
    pub const SET: &str = "shut4";

    /// Makes the table, in the calling thread's network namespace, with nothing shut. Needs `CAP_NET_ADMIN`, here and later.
    ///
    /// # Errors
    /// A kernel without nf_tables, or older than Linux 5.12; `EEXIST` if there is a table of that name.
    pub fn open(table: &Table) -> Result<Self, KernelError> {
        let mut filter =
            connect(table.clone()).map_err(|error| failed("open", table, absent(error.into())))?;
        filter.make(Batch::table(table)).map_err(|refusal| failed("make", table, absent(refusal)))?;
        Ok(filter)
    }

    /// How the table is made.
    #[must_use]
    pub const fn table(&self) -> &Table {
        &self.table
    }

    /// Gives the table another priority, or counters, or none any more, in one step: what is shut stays so meanwhile.
    /// Its name has to be the same.
    ///
    /// # Errors
    /// What the kernel says; then it is unknown how the table is made, and only another [`Filter`] will do.
    pub fn rearrange(&mut self, table: &Table) -> Result<(), KernelError> {
        self.make(Batch::rearranged(table)).map_err(|refusal| failed("rearrange", table, refusal))?;
        self.table.clone_from(table);
        Ok(())
    }

    /// Shuts these addresses.
    ///
    /// # Errors
    /// What the kernel says; then it is unknown which are shut, and only another [`Filter`] will do.
    pub fn shut(&mut self, addresses: &[Shut]) -> Result<(), KernelError> {
        self.change("shut addresses in", NFT_MSG_NEWSETELEM, addresses)
    }

    /// Opens these addresses, all of which must be shut.
    ///
    /// # Errors
    /// As [`Self::shut`].
    pub fn reopen(&mut self, addresses: &[Shut]) -> Result<(), KernelError> {
        self.change("reopen addresses in", NFT_MSG_DELSETELEM, addresses)
    }

    fn change(&mut self, op: &'static str, message: i32, addresses: &[Shut]) -> Result<(), KernelError> {
        for some in addresses.chunks(MAX_BATCH) {
            let batch = Batch::elements(&self.table, message, some);
            self.make(batch).map_err(|refusal| failed(op, &self.table, refusal))?;
        }
        Ok(())
    }

    /// Sends a batch, of which the kernel makes all or nothing, and reads its answers: nf_tables works inside sendto(2), as
    /// rtnetlink does.
    fn make(&mut self, batch: Batch) -> Result<(), Refusal> {
        self.sequence = self.sequence.wrapping_add(1);
        let datagram = batch.finish(self.sequence);
        if self.socket.send(&datagram, 0)? != datagram.len() {
            return Err(io::Error::from_raw_os_error(libc::EMSGSIZE).into());
        }
        // One acknowledgement, or an error for each message that can't be: the first is the one to tell.
        let mut answer = None;
        while let Some(datagram) = receive(&self.socket, &mut self.buffer)? {
            for message in Messages(datagram) {
                // What can't be read may be the one error among them.
                let message = message.map_err(|error| Refusal::unreadable(&error))?;
                if message.kind == NLMSG_ERROR && message.sequence == self.sequence {
                    let this = message.answer(ERROR_HEAD);
                    answer =
                        Some(answer.map_or(this.clone(), |before: Result<(), Refusal>| before.and(this)));
                }
            }
        }
        answer.unwrap_or_else(|| Err(Refusal::lost()))
    }
}

fn connect(table: Table) -> io::Result<Filter> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.set_non_blocking(true)?;
    socket.set_ext_ack(true)?;
    socket.set_cap_ack(true)?;
    Ok(Filter { table, socket, sequence: 0, buffer: vec![0; RECEIVE_BUFFER] })
}

fn failed(op: &'static str, table: &Table, refusal: Refusal) -> KernelError {
    KernelError::new(op, format!("the table `inet {}` of nftables", table.name), refusal)
}

/// What a kernel means that can't do it, in words.
fn absent(refusal: Refusal) -> Refusal {
    let words = match refusal.errno {
        libc::EPROTONOSUPPORT | libc::EOPNOTSUPP | libc::EINVAL => {
            "the kernel has no nf_tables, or not the owners of tables (Linux 5.12)"
        }
        libc::EPERM => {
            "another process owns a table of that name (`nft list tables`), or CAP_NET_ADMIN is missing"
        }
        libc::EEXIST => "somebody else has a table of that name: `nft list tables`",
        _ => return refusal,
    };
    Refusal { words: Some(words.to_owned()), ..refusal }
}
