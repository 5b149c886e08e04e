//! The system calls that ipmgr needs beside those of every loop (`service::confine`), each with its reason.
//!
//! Sockets are what it has rights for, so it is here that they are told apart: raw, packet and netlink ones of two protocols, and
//! none that could talk to somebody by TCP or UDP. A call that is missing here ends ipmgr: so add one together with what
//! needs it (CONTRIBUTING.md, "System calls and files").

use sys::seccomp::Argument::{Is, Masked};
use sys::seccomp::Rule::{Always, With};
use sys::seccomp::{Call, Need};

/// `AF_INET`, `AF_INET6`, `AF_NETLINK`, `AF_PACKET`.
const INET: u32 = 2;
const INET6: u32 = 10;
const NETLINK: u32 = 16;
const PACKET: u32 = 17;
/// The bits of a socket's type beside its flags, and `SOCK_RAW`.
const TYPE: u32 = 0xf;
const RAW: u32 = 3;
/// `NETLINK_ROUTE` and `NETLINK_NETFILTER`.
const ROUTE: u32 = 0;
const NETFILTER: u32 = 12;

pub(crate) const NEEDS: &[Need] = &[
    Need {
        why: "raw sockets for adverts and neighbour discovery, when a link comes or returns",
        calls: &[
            With(Call::SOCKET, &[Is(0, INET), Masked(1, TYPE, RAW)]),
            With(Call::SOCKET, &[Is(0, INET6), Masked(1, TYPE, RAW)]),
        ],
    },
    Need {
        why: "packet sockets for ARP, and to see whether a link carries frames",
        calls: &[With(Call::SOCKET, &[Is(0, PACKET)])],
    },
    Need {
        why: "links, addresses, routes and rules; the table of nftables for no_accept",
        calls: &[
            With(Call::SOCKET, &[Is(0, NETLINK), Is(2, ROUTE)]),
            With(Call::SOCKET, &[Is(0, NETLINK), Is(2, NETFILTER)]),
        ],
    },
    Need { why: "making of a new socket what it is for", calls: &[Always(Call::SETSOCKOPT)] },
    Need { why: "naming the link or the groups that a new socket belongs to", calls: &[Always(Call::BIND)] },
];
