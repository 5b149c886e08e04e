//! The authentication header around VRRPv2 (V2-PKT-2, V2-RX-2): held against packets that keepalived 2.2.7 sent, and
//! against every way in which one can be wrong.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::support::*;
use handover_vrrp::ah::{self, HEADER, IpHeader, Unauthentic};
use handover_vrrp::{Input, InstanceConfig, Transmit};
use model::{Credential, Secret, State};
use proptest::prelude::*;

const KEY: Secret = Secret(*b"s3cret\0\0");
const KEEPALIVED: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);

/// keepalived 2.2.7 with `auth_type AH`, `auth_pass s3cret`: the payload of the fourth packet to 224.0.0.18. Its IP header
/// had ToS 0xc0, identification 4 and TTL 255.
#[rustfmt::skip]
const GOLDEN_MULTICAST: [u8; 44] = [
    0x70, 0x04, 0x00, 0x00,  10, 9, 0, 1,  0, 0, 0, 4,
    0x90, 0x13, 0x95, 0x3d, 0x55, 0xca, 0x61, 0x6d, 0x20, 0xc6, 0x38, 0x4d,
    0x21, 0x33, 0x96, 0x01, 0x02, 0x01, 0x3c, 0x5e, 10, 9, 0, 99, 0, 0, 0, 0, 0, 0, 0, 0,
];

/// The same from 10.9.0.2 by unicast to 10.9.0.1, with `unicast_ttl 64`, priority 100, sequence number 5, identification 1.
#[rustfmt::skip]
const GOLDEN_UNICAST: [u8; 44] = [
    0x70, 0x04, 0x00, 0x00,  10, 9, 0, 2,  0, 0, 0, 5,
    0x49, 0x5d, 0xa3, 0x21, 0x04, 0x2c, 0xb5, 0x79, 0x9b, 0xc2, 0x5c, 0x87,
    0x21, 0x33, 0x64, 0x01, 0x02, 0x01, 0x6e, 0x5e, 10, 9, 0, 99, 0, 0, 0, 0, 0, 0, 0, 0,
];

fn multicast() -> IpHeader {
    let destination = Ipv4Addr::new(224, 0, 0, 18);
    IpHeader { source: KEEPALIVED, destination, ttl: 255, identification: 4 }
}

fn unicast() -> IpHeader {
    let source = Ipv4Addr::new(10, 9, 0, 2);
    IpHeader { source, destination: KEEPALIVED, ttl: 64, identification: 1 }
}

fn with_key(key: &[u8], priority: u8) -> InstanceConfig {
    InstanceConfig { credential: Some(Credential::AhKey(Secret::of(key))), ..v2(priority) }
}

/// A host that speaks AH and has been told the time.
fn host(config: InstanceConfig) -> Host {
    let mut host = Host::new(config);
    host.give(Input::WallClock(Duration::from_secs(1_790_000_000)));
    host
}

fn sequence_of(transmit: &Transmit) -> u32 {
    let (_, rest) = transmit.message.split_at(8);
    u32::from_be_bytes(*rest.first_chunk().unwrap())
}

#[test]
fn packets_of_keepalived_are_what_we_make_and_verify() {
    // V2-PKT-2
    for (golden, ip, sequence) in [(GOLDEN_MULTICAST, multicast(), 4), (GOLDEN_UNICAST, unicast(), 5)] {
        assert_eq!(ah::open(&golden, &ip, KEY), Ok((sequence, &golden[HEADER..])));
        assert_eq!(ah::seal(&golden[HEADER..], &ip, sequence, KEY), golden);
        assert_eq!(ah::message(&golden), &golden[HEADER..]);
    }
}

#[test]
fn the_ttl_is_covered_by_multicast_alone() {
    // V2-PKT-2
    let far = |ip| IpHeader { ttl: 3, ..ip };
    assert_eq!(ah::open(&GOLDEN_MULTICAST, &far(multicast()), KEY), Err(Unauthentic::CheckValue));
    assert!(ah::open(&GOLDEN_UNICAST, &far(unicast()), KEY).is_ok());
}

#[test]
fn every_flipped_bit_is_noticed() {
    // V2-RX-2; the two reserved bytes are covered, too.
    for (golden, ip) in [(GOLDEN_MULTICAST, multicast()), (GOLDEN_UNICAST, unicast())] {
        for bit in 0..golden.len() * 8 {
            let mut spoilt = golden;
            spoilt[bit / 8] ^= 1 << (bit % 8);
            assert!(ah::open(&spoilt, &ip, KEY).is_err(), "bit {bit}");
        }
        for length in 0..golden.len() {
            assert!(ah::open(&golden[..length], &ip, KEY).is_err(), "{length} bytes");
        }
        for other in [
            IpHeader { identification: 7, ..ip },
            IpHeader { destination: Ipv4Addr::new(224, 0, 0, 19), ..ip },
        ] {
            assert_eq!(ah::open(&golden, &other, KEY), Err(Unauthentic::CheckValue));
        }
        let other = IpHeader { source: Ipv4Addr::new(10, 9, 0, 3), ..ip };
        assert_eq!(ah::open(&golden, &other, KEY), Err(Unauthentic::Spi(ip.source)));
    }
}

#[test]
fn two_routers_with_one_key_elect_one() {
    // V2-PKT-2: what one sends, the other hears.
    let mut host = host(with_key(b"s3cret", 100));
    let deadline = host.core.next_deadline().unwrap();
    let taken_over = host.pass(deadline.since(host.now));
    let transmit = transmits(&taken_over)[0];
    let ip = IpHeader {
        source: Ipv4Addr::new(192, 0, 2, 2),
        destination: Ipv4Addr::new(224, 0, 0, 18),
        ttl: transmit.ttl,
        identification: transmit.sealed.unwrap(),
    };
    let (sequence, message) = ah::open(&transmit.message, &ip, KEY).unwrap();
    assert_eq!((message[1], message[2], message[4]), (5, 100, 2));
    // Above what a predecessor can have sent, and above what is heard from now on.
    assert!(sequence > 4 * (1_790_000_000 - 1_577_836_800), "{sequence}");
    let outputs = host.hear(&sealed(&with_key(b"s3cret", 50), LOWER, 50, sequence + 1000));
    assert_eq!(sequence_of(transmits(&outputs)[0]), sequence + 1001);
    host.hear(&sealed(&with_key(b"s3cret", 200), GREATER, 200, sequence + 2000));
    assert_eq!(host.state(), Some(State::Backup));
    assert!(host.view().remarks.iter().all(|remark| !remark.dropped), "{:?}", host.view().remarks);
}

#[test]
fn each_advert_has_a_number_and_all_peers_get_the_same() {
    // V2-PKT-2
    let peers = vec![LOWER.into(), GREATER.into()];
    let mut host = host(InstanceConfig { peers, ..with_key(b"s3cret", 100) });
    let sent = host.pass(Duration::from_secs(20));
    let numbers: Vec<u32> = transmits(&sent).into_iter().map(sequence_of).collect();
    assert!(numbers.len() > 20, "{numbers:?}");
    assert!(numbers.chunks(2).all(|pair| pair[0] == pair[1]), "{numbers:?}");
    assert!(numbers.chunks(2).is_sorted_by(|one, other| one[0] < other[0]), "{numbers:?}");
    let goodbye = host.give(Input::Shutdown);
    assert!(sequence_of(transmits(&goodbye)[0]) > *numbers.last().unwrap());
}

#[test]
fn a_successor_of_a_core_is_believed_at_once() {
    // V2-RX-2 by a router whose counter is keepalived's: only what is greater counts.
    let mut first = host(with_key(b"s3cret", 100));
    let sent = first.pass(Duration::from_secs(3600));
    let last = sequence_of(transmits(&sent).last().unwrap());
    let mut second = Host::new(with_key(b"s3cret", 100));
    second.give(Input::WallClock(Duration::from_secs(1_790_000_000 + 3600)));
    let sent = second.pass(Duration::from_secs(10));
    assert!(sequence_of(transmits(&sent)[0]) > last);
}

/// A backup that hears this drops it under `reason`, and says something that contains `words`.
fn assert_dropped(config: &InstanceConfig, message: &Message, reason: &str, words: &str) {
    let mut host = host(config.clone());
    let outputs = host.hear(message);
    assert_eq!(host.count(reason), 1, "{:?}", host.view().remarks);
    assert_eq!(host.view().remarks[0].last_from, message.source);
    assert_eq!(host.view().adverts_received, 0);
    let told = notices(&outputs);
    assert!(told.iter().any(|(text, _)| text.contains(words)), "{told:?}");
    assert!(told.iter().all(|(text, _)| !text.contains("s3cret")), "{told:?}");
}

#[test]
fn what_is_not_authentic_is_dropped_under_its_reason() {
    // V2-RX-2
    let ours = with_key(b"s3cret", 100);
    let good = || sealed(&ours, GREATER, 200, 1);
    let mut heard = host(ours.clone());
    heard.hear(&good());
    assert_eq!(heard.view().adverts_received, 1);

    let other_key = sealed(&with_key(b"other", 100), GREATER, 200, 1);
    assert_dropped(&ours, &other_key, "auth-data", "both hold themselves for master");
    assert_dropped(&ours, &Message { sealed: Some(1), ..good() }, "auth-data", "doesn't verify");
    let from: IpAddr = LOWER;
    assert_dropped(&ours, &Message { source: from, ..good() }, "auth-header", "192.0.2.3");
    for (at, value) in [(0, 51), (1, 5)] {
        let mut spoilt = good();
        spoilt.bytes[at] = value;
        assert_dropped(&ours, &spoilt, "auth-header", "not for VRRP with HMAC-MD5-96");
    }
    assert_dropped(&ours, &message(&v2(100), GREATER, 200), "auth-type", "no authentication, we are");
    assert_dropped(&ours, &message(&ours, GREATER, 200), "auth-type", "although it says so");
    let password = InstanceConfig { credential: Some(Credential::Password(KEY)), ..v2(100) };
    assert_dropped(&ours, &message(&password, GREATER, 200), "auth-type", "a password");
    // Behind a good header, the message has to say that there is one.
    let unlabelled = seal_with(message(&v2(100), GREATER, 200), &ours, 1);
    assert_dropped(&ours, &unlabelled, "auth-type", "no authentication");
    // And the other way round: who has no key doesn't believe it either.
    for (theirs, words) in [(v2(100), "no authentication"), (password, "a password")] {
        assert_dropped(&theirs, &good(), "auth-type", words);
    }
    assert_dropped(&ours, &Message { ttl: 254, ..good() }, "ttl", "254");
    let theirs = InstanceConfig { advert_interval: ms(2000), ..ours.clone() };
    assert_dropped(&ours, &sealed(&theirs, GREATER, 200, 1), "interval", "both hold themselves for master");
}

#[test]
fn a_packet_is_believed_once() {
    // V2-RX-2: the row is one for all routers, as in keepalived.
    let ours = with_key(b"s3cret", 100);
    let mut host = host(ours.clone());
    host.hear(&sealed(&ours, GREATER, 200, 100));
    for (from, sequence) in [(GREATER, 100), (GREATER, 99), (LOWER, 100), (LOWER, 1)] {
        host.hear(&sealed(&ours, from, 200, sequence));
    }
    assert_eq!((host.view().adverts_received, host.count("auth-replay")), (1, 4));
    // What didn't verify has no number.
    host.hear(&sealed(&with_key(b"other", 100), GREATER, 200, 4_000_000_000));
    host.hear(&sealed(&ours, LOWER, 200, 101));
    assert_eq!(host.view().adverts_received, 2);
}

#[test]
fn what_we_send_makes_us_deaf_to_nobody() {
    // A master that nobody heard yields to one that has not counted so far.
    let ours = with_key(b"s3cret", 100);
    let mut host = host(ours.clone());
    host.pass(Duration::from_secs(10));
    assert_eq!(host.state(), Some(State::Master));
    host.hear(&sealed(&ours, GREATER, 200, 1));
    assert_eq!(host.state(), Some(State::Backup));
}

#[test]
fn garbage_for_no_instance_is_a_stray() {
    // V3-RX-4, V3-RX-6
    let mut host = host(with_key(b"s3cret", 100));
    let stray = InstanceConfig { vrid: model::Vrid::new(6).unwrap(), ..with_key(b"s3cret", 100) };
    host.hear(&sealed(&stray, GREATER, 200, 1));
    let short = vec![0x70; 20];
    host.hear(&Message { source: LOWER, destination: GROUP, ttl: 255, sealed: Some(1), bytes: short });
    let strays = host.core.link(ETH0).unwrap().strays;
    assert_eq!(strays.iter().map(|stray| stray.reason).collect::<Vec<_>>(), ["length", "unknown-vrid"]);
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(
        bytes in proptest::collection::vec(any::<u8>(), 0..100),
        identification in any::<u16>(),
        ttl in any::<u8>(),
    ) {
        let ip = IpHeader { identification, ttl, ..multicast() };
        prop_assert!(ah::open(&bytes, &ip, KEY).is_err());
        let mut host = host(with_key(b"s3cret", 100));
        let sealed = Some(identification);
        host.hear(&Message { source: GREATER, destination: GROUP, ttl, sealed, bytes });
        prop_assert_eq!(host.view().adverts_received, 0);
    }

    #[test]
    fn what_is_sealed_opens_with_that_key_alone(
        message in proptest::collection::vec(any::<u8>(), 0..1100),
        (key, other) in any::<([u8; 8], [u8; 8])>(),
        (source, destination, ttl, identification) in any::<([u8; 4], [u8; 4], u8, u16)>(),
        sequence in any::<u32>(),
    ) {
        let (source, destination) = (source.into(), destination.into());
        let ip = IpHeader { source, destination, ttl, identification };
        let payload = ah::seal(&message, &ip, sequence, Secret(key));
        prop_assert_eq!(ah::open(&payload, &ip, Secret(key)), Ok((sequence, &message[..])));
        if key != other {
            prop_assert_eq!(ah::open(&payload, &ip, Secret(other)), Err(Unauthentic::CheckValue));
        }
    }
}
