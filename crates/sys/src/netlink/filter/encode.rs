//! The bytes of [`super::Filter`]'s messages: attributes in attributes, all numbers in network byte order.
//!
//! It must never depend on what the network said: everything here is our own configuration's.

use std::net::IpAddr;

use libc::{
    AF_UNSPEC, NF_ACCEPT, NF_DROP, NF_INET_LOCAL_IN, NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END,
    NFNL_SUBSYS_NFTABLES, NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6, NFT_CMP_EQ, NFT_CMP_GTE, NFT_CMP_LTE,
    NFT_META_IIF, NFT_META_L4PROTO, NFT_META_NFPROTO, NFT_MSG_DELCHAIN, NFT_MSG_NEWCHAIN, NFT_MSG_NEWRULE,
    NFT_MSG_NEWSET, NFT_MSG_NEWTABLE, NFT_PAYLOAD_NETWORK_HEADER, NFT_PAYLOAD_TRANSPORT_HEADER,
    NFT_REG_VERDICT, NFT_REG32_00, NLA_F_NESTED,
};
use netlink_packet_core::{NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST};

use super::{Filter, Shut, Table};

/// Attributes, by the names of linux/netfilter/nf_tables.h.
mod nfta {
    pub(super) const TABLE_NAME: u16 = 1;
    pub(super) const TABLE_FLAGS: u16 = 2;
    pub(super) const SET_TABLE: u16 = 1;
    pub(super) const SET_NAME: u16 = 2;
    pub(super) const SET_KEY_TYPE: u16 = 4;
    pub(super) const SET_KEY_LEN: u16 = 5;
    pub(super) const SET_ID: u16 = 10;
    pub(super) const SET_ELEM_LIST_TABLE: u16 = 1;
    pub(super) const SET_ELEM_LIST_SET: u16 = 2;
    pub(super) const SET_ELEM_LIST_ELEMENTS: u16 = 3;
    pub(super) const SET_ELEM_KEY: u16 = 1;
    pub(super) const CHAIN_TABLE: u16 = 1;
    pub(super) const CHAIN_NAME: u16 = 3;
    pub(super) const CHAIN_HOOK: u16 = 4;
    pub(super) const CHAIN_TYPE: u16 = 7;
    pub(super) const HOOK_HOOKNUM: u16 = 1;
    pub(super) const HOOK_PRIORITY: u16 = 2;
    pub(super) const RULE_TABLE: u16 = 1;
    pub(super) const RULE_CHAIN: u16 = 2;
    pub(super) const RULE_EXPRESSIONS: u16 = 4;
    pub(super) const LIST_ELEM: u16 = 1;
    pub(super) const EXPR_NAME: u16 = 1;
    pub(super) const EXPR_DATA: u16 = 2;
    pub(super) const META_DREG: u16 = 1;
    pub(super) const META_KEY: u16 = 2;
    pub(super) const CMP_SREG: u16 = 1;
    pub(super) const CMP_OP: u16 = 2;
    pub(super) const CMP_DATA: u16 = 3;
    pub(super) const PAYLOAD_DREG: u16 = 1;
    pub(super) const PAYLOAD_BASE: u16 = 2;
    pub(super) const PAYLOAD_OFFSET: u16 = 3;
    pub(super) const PAYLOAD_LEN: u16 = 4;
    pub(super) const LOOKUP_SET: u16 = 1;
    pub(super) const LOOKUP_SREG: u16 = 2;
    pub(super) const LOOKUP_SET_ID: u16 = 4;
    pub(super) const IMMEDIATE_DREG: u16 = 1;
    pub(super) const IMMEDIATE_DATA: u16 = 2;
    pub(super) const DATA_VALUE: u16 = 1;
    pub(super) const DATA_VERDICT: u16 = 2;
    pub(super) const VERDICT_CODE: u16 = 1;
}

const CHAIN: &str = "in";
/// `NFT_TABLE_F_OWNER`: the table is the socket's.
const OWNED: u32 = 2;
/// What neighbour discovery asks and answers with (RFC 4861 4.3, 4.4): types of ICMPv6, which is protocol 58.
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const ICMPV6: u8 = 58;
/// The sizes of `struct nlmsghdr` and, after it, of `struct nfgenmsg`.
const MESSAGE_HEADER: usize = 16;
const NETLINK_ALIGNMENT: usize = 4;
/// Registers in words of four bytes; an index of a link and an IPv6 address take five.
const FIRST: i32 = NFT_REG32_00;
const SECOND: i32 = NFT_REG32_00 + 1;

/// A set of shut addresses. The kernel knows the type of its keys by their length; the number tells nft(8) how to print.
struct Set {
    name: &'static str,
    id: u32,
    key_type: u32,
    key_size: u32,
}

const IPV4: Set = Set { name: Filter::SET, id: 1, key_type: 7, key_size: 4 };
const IPV6: Set = Set { name: "shut6", id: 2, key_type: 8, key_size: 16 };
/// Of links and IPv6 addresses: six bits a type.
const LINK_LOCAL: Set = Set { name: "shut6_on_link", id: 3, key_type: 20 << 6 | 8, key_size: 20 };

impl Shut {
    /// The set that it belongs to, and its key there. The index is as the kernel holds it, in the host's byte order.
    fn key(&self) -> (&'static Set, Vec<u8>) {
        match (self.address, self.link) {
            (IpAddr::V4(address), _) => (&IPV4, address.octets().to_vec()),
            (IpAddr::V6(address), None) => (&IPV6, address.octets().to_vec()),
            (IpAddr::V6(address), Some(link)) => {
                (&LINK_LOCAL, [&link.to_ne_bytes()[..], &address.octets()].concat())
            }
        }
    }
}

/// Messages of which the kernel makes all or nothing.
pub(super) struct Batch(Vec<(i32, u16, Attributes)>);

impl Batch {
    /// The table with its sets, empty, and what uses them.
    pub(super) fn table(table: &Table) -> Self {
        let mut batch = Self(Vec::new());
        batch.push(NFT_MSG_NEWTABLE, |it| {
            it.text(nfta::TABLE_NAME, &table.name);
            it.number(nfta::TABLE_FLAGS, OWNED);
        });
        for set in [IPV4, IPV6, LINK_LOCAL] {
            batch.push(NFT_MSG_NEWSET, |it| {
                it.text(nfta::SET_TABLE, &table.name);
                it.text(nfta::SET_NAME, set.name);
                it.number(nfta::SET_KEY_TYPE, set.key_type);
                it.number(nfta::SET_KEY_LEN, set.key_size);
                it.number(nfta::SET_ID, set.id);
            });
        }
        batch.chain(table);
        batch
    }

    /// What uses the sets, anew: of another priority, or with counters.
    pub(super) fn rearranged(table: &Table) -> Self {
        let mut batch = Self(Vec::new());
        batch.push(NFT_MSG_DELCHAIN, |it| {
            it.text(nfta::CHAIN_TABLE, &table.name);
            it.text(nfta::CHAIN_NAME, CHAIN);
        });
        batch.chain(table);
        batch
    }

    fn chain(&mut self, table: &Table) {
        let Table { name, priority, .. } = table;
        self.push(NFT_MSG_NEWCHAIN, |it| {
            it.text(nfta::CHAIN_TABLE, name);
            it.text(nfta::CHAIN_NAME, CHAIN);
            it.nested(nfta::CHAIN_HOOK, |hook| {
                hook.number(nfta::HOOK_HOOKNUM, NF_INET_LOCAL_IN.cast_unsigned());
                hook.number(nfta::HOOK_PRIORITY, priority.cast_unsigned());
            });
            it.text(nfta::CHAIN_TYPE, "filter");
        });
        self.rule(table, NF_ACCEPT, |it| {
            it.protocol(NFT_META_NFPROTO, NFPROTO_IPV6);
            it.protocol(NFT_META_L4PROTO, ICMPV6.into());
            it.payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, FIRST);
            it.compare(NFT_CMP_GTE, NEIGHBOUR_SOLICITATION);
            it.compare(NFT_CMP_LTE, NEIGHBOUR_ADVERTISEMENT);
        });
        self.rule(table, NF_DROP, |it| {
            it.protocol(NFT_META_NFPROTO, NFPROTO_IPV4);
            it.payload(NFT_PAYLOAD_NETWORK_HEADER, 16, 4, FIRST);
            it.lookup(&IPV4);
        });
        self.rule(table, NF_DROP, |it| {
            it.protocol(NFT_META_NFPROTO, NFPROTO_IPV6);
            it.payload(NFT_PAYLOAD_NETWORK_HEADER, 24, 16, FIRST);
            it.lookup(&IPV6);
        });
        self.rule(table, NF_DROP, |it| {
            it.protocol(NFT_META_NFPROTO, NFPROTO_IPV6);
            it.meta(NFT_META_IIF);
            it.payload(NFT_PAYLOAD_NETWORK_HEADER, 24, 16, SECOND);
            it.lookup(&LINK_LOCAL);
        });
    }

    /// Adds or deletes addresses: `NFT_MSG_NEWSETELEM` or `NFT_MSG_DELSETELEM`.
    pub(super) fn elements(table: &Table, message: i32, addresses: &[Shut]) -> Self {
        let mut batch = Self(Vec::new());
        for set in [IPV4, IPV6, LINK_LOCAL] {
            let keys = addresses.iter().map(Shut::key).filter(|(its, _)| its.id == set.id);
            let mut keys = keys.map(|(_, key)| key).peekable();
            if keys.peek().is_none() {
                continue;
            }
            batch.push(message, |it| {
                it.text(nfta::SET_ELEM_LIST_TABLE, &table.name);
                it.text(nfta::SET_ELEM_LIST_SET, set.name);
                it.nested(nfta::SET_ELEM_LIST_ELEMENTS, |list| {
                    for key in keys {
                        list.nested(nfta::LIST_ELEM, |element| {
                            element.nested(nfta::SET_ELEM_KEY, |data| data.raw(nfta::DATA_VALUE, &key));
                        });
                    }
                });
            });
        }
        batch
    }

    fn push(&mut self, kind: i32, fill: impl FnOnce(&mut Attributes)) {
        let mut attributes = Attributes::default();
        fill(&mut attributes);
        // A table that is there is somebody else's; an element that is there is as it should be.
        let flags = match kind {
            NFT_MSG_NEWTABLE => NLM_F_CREATE | NLM_F_EXCL,
            NFT_MSG_NEWRULE => NLM_F_CREATE | NLM_F_APPEND,
            _ => NLM_F_CREATE,
        };
        self.0.push((kind, flags, attributes));
    }

    /// A verdict on what these expressions match.
    fn rule(&mut self, table: &Table, verdict: i32, matches: impl FnOnce(&mut Attributes)) {
        let Table { name, counters, .. } = table;
        self.push(NFT_MSG_NEWRULE, |it| {
            it.text(nfta::RULE_TABLE, name);
            it.text(nfta::RULE_CHAIN, CHAIN);
            it.nested(nfta::RULE_EXPRESSIONS, |it| {
                matches(it);
                if *counters {
                    it.expression("counter", |_| {});
                }
                it.verdict(verdict);
            });
        });
    }

    /// The datagram. All messages have the number of the batch, and the last one asks for an acknowledgement.
    pub(super) fn finish(self, sequence: u32) -> Vec<u8> {
        let mut datagram = Vec::new();
        let last = self.0.len().saturating_sub(1);
        // To whom a batch goes stands in its begin and end alone.
        let edge = |kind| Head { kind, flags: 0, sequence, family: AF_UNSPEC, whose: NFNL_SUBSYS_NFTABLES };
        message(&mut datagram, &edge(NFNL_MSG_BATCH_BEGIN), &[]);
        for (place, (kind, flags, attributes)) in self.0.into_iter().enumerate() {
            let flags = if place == last { flags | NLM_F_ACK } else { flags };
            let kind = NFNL_SUBSYS_NFTABLES << 8 | kind;
            let head = Head { kind, flags, sequence, family: NFPROTO_INET, whose: 0 };
            message(&mut datagram, &head, &attributes.0);
        }
        message(&mut datagram, &edge(NFNL_MSG_BATCH_END), &[]);
        datagram
    }
}

/// `struct nlmsghdr` and `struct nfgenmsg`.
struct Head {
    kind: i32,
    flags: u16,
    sequence: u32,
    family: i32,
    /// `res_id`.
    whose: i32,
}

fn message(to: &mut Vec<u8>, head: &Head, body: &[u8]) {
    let length = MESSAGE_HEADER + NETLINK_ALIGNMENT + body.len();
    to.extend(u32::try_from(length).unwrap_or(u32::MAX).to_ne_bytes());
    to.extend(u16::try_from(head.kind).unwrap_or(u16::MAX).to_ne_bytes());
    to.extend((NLM_F_REQUEST | head.flags).to_ne_bytes());
    to.extend(head.sequence.to_ne_bytes());
    to.extend([0; 4]);
    to.extend([u8::try_from(head.family).unwrap_or(u8::MAX), 0]);
    to.extend(u16::try_from(head.whose).unwrap_or(u16::MAX).to_be_bytes());
    to.extend(body);
}

/// Attributes one after the other, each at a multiple of four bytes.
#[derive(Default)]
struct Attributes(Vec<u8>);

impl Attributes {
    fn raw(&mut self, kind: u16, value: &[u8]) {
        // MAX_BATCH keeps lengths far below.
        let length = u16::try_from(NETLINK_ALIGNMENT + value.len()).unwrap_or(u16::MAX);
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(NETLINK_ALIGNMENT), 0);
    }

    fn text(&mut self, kind: u16, text: &str) {
        self.raw(kind, &[text.as_bytes(), &[0]].concat());
    }

    fn number(&mut self, kind: u16, number: u32) {
        self.raw(kind, &number.to_be_bytes());
    }

    fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        fill(&mut inner);
        let nested = u16::try_from(NLA_F_NESTED).unwrap_or_default();
        self.raw(kind | nested, &inner.0);
    }

    /// An expression: what a rule does, one after the other until one doesn't match.
    fn expression(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        self.nested(nfta::LIST_ELEM, |it| {
            it.text(nfta::EXPR_NAME, name);
            it.nested(nfta::EXPR_DATA, fill);
        });
    }

    /// Loads a fact about the packet into the first register.
    fn meta(&mut self, key: i32) {
        self.expression("meta", |it| {
            it.number(nfta::META_DREG, FIRST.cast_unsigned());
            it.number(nfta::META_KEY, key.cast_unsigned());
        });
    }

    /// Goes on if this protocol is the packet's.
    fn protocol(&mut self, key: i32, protocol: i32) {
        self.meta(key);
        self.compare(NFT_CMP_EQ, u8::try_from(protocol).unwrap_or(u8::MAX));
    }

    /// Goes on if the byte in the first register compares so.
    fn compare(&mut self, how: i32, with: u8) {
        self.expression("cmp", |it| {
            it.number(nfta::CMP_SREG, FIRST.cast_unsigned());
            it.number(nfta::CMP_OP, how.cast_unsigned());
            it.nested(nfta::CMP_DATA, |data| data.raw(nfta::DATA_VALUE, &[with]));
        });
    }

    /// Loads a part of the packet into registers.
    fn payload(&mut self, base: i32, offset: u32, size: u32, register: i32) {
        self.expression("payload", |it| {
            it.number(nfta::PAYLOAD_DREG, register.cast_unsigned());
            it.number(nfta::PAYLOAD_BASE, base.cast_unsigned());
            it.number(nfta::PAYLOAD_OFFSET, offset);
            it.number(nfta::PAYLOAD_LEN, size);
        });
    }

    /// Goes on if the set holds what begins in the first register.
    fn lookup(&mut self, set: &Set) {
        self.expression("lookup", |it| {
            it.text(nfta::LOOKUP_SET, set.name);
            it.number(nfta::LOOKUP_SREG, FIRST.cast_unsigned());
            it.number(nfta::LOOKUP_SET_ID, set.id);
        });
    }

    fn verdict(&mut self, verdict: i32) {
        self.expression("immediate", |it| {
            it.number(nfta::IMMEDIATE_DREG, NFT_REG_VERDICT.cast_unsigned());
            it.nested(nfta::IMMEDIATE_DATA, |data| {
                data.nested(nfta::DATA_VERDICT, |it| it.number(nfta::VERDICT_CODE, verdict.cast_unsigned()));
            });
        });
    }
}
