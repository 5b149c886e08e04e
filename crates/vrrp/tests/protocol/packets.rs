//! The bytes on the wire, held against bytes made by hand from the RFCs' figures, and against any bytes at all.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::support::{GROUP, GROUP6, seal};
use handover_vrrp::packet::{
    self, AddressList, Advert, Authentication, ChecksumForm, Dialect, Malformed, Unsendable,
};
use model::{Family, Priority, ProtocolVersion, Secret, Vrid};
use proptest::prelude::*;

const PSEUDO: ChecksumForm = ChecksumForm::PseudoHeader;
const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 1, 2));
const SOURCE6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2));
/// 192.168.1.100
const VIP_BYTES: [u8; 4] = [0xc0, 0xa8, 0x01, 0x64];
/// fe80::100
const VIP6_BYTES: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0x00];

/// Version 2, VRID 5, priority 120, no authentication, 1 s; the words sum to 0x5b14.
const GOLDEN_V2: [u8; 20] =
    [0x21, 5, 120, 1, 0, 1, 0xa4, 0xeb, 0xc0, 0xa8, 0x01, 0x64, 0, 0, 0, 0, 0, 0, 0, 0];
/// The same with the password `secret`.
const GOLDEN_V2_TEXT: [u8; 20] =
    [0x21, 5, 120, 1, 1, 1, 0x67, 0x9f, 0xc0, 0xa8, 0x01, 0x64, b's', b'e', b'c', b'r', b'e', b't', 0, 0];
/// Version 3, VRID 5, priority 120, 100 cs; message 0x6b77, pseudo-header 0xa239.
const GOLDEN_V3: [u8; 12] = [0x31, 5, 120, 1, 0, 100, 0xf2, 0x4e, 0xc0, 0xa8, 0x01, 0x64];
/// The same over IPv6; message 0xa8eb, pseudo-header 0xfe1f.
const GOLDEN_V6: [u8; 24] =
    [0x31, 5, 120, 1, 0, 100, 0x58, 0xf4, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0x00];

fn advert(family: Family, dialect: Dialect, addresses: &[u8]) -> Advert<'_> {
    Advert {
        vrid: Vrid::new(5).unwrap(),
        priority: Priority(120),
        interval: Duration::from_secs(1),
        addresses: AddressList::new(family, addresses),
        dialect,
    }
}

fn v3_advert() -> Advert<'static> {
    advert(Family::V4, Dialect::V3, &VIP_BYTES)
}

#[test]
fn golden_v2() {
    // V2-PKT-1
    let expected = advert(Family::V4, Dialect::V2(Authentication::None), &VIP_BYTES);
    assert_eq!(packet::emit(&expected, PSEUDO, SOURCE, GROUP).unwrap(), GOLDEN_V2);
    assert_eq!(packet::parse(&GOLDEN_V2, SOURCE, GROUP), Ok((expected, ChecksumForm::MessageOnly)));
}

#[test]
fn golden_v2_with_a_password() {
    // V2-PKT-2
    let expected = advert(Family::V4, Dialect::V2(Authentication::Text(Secret::of(b"secret"))), &VIP_BYTES);
    assert_eq!(packet::emit(&expected, PSEUDO, SOURCE, GROUP).unwrap(), GOLDEN_V2_TEXT);
    assert_eq!(packet::parse(&GOLDEN_V2_TEXT, SOURCE, GROUP).unwrap().0, expected);
}

#[test]
fn golden_v3_over_ipv4() {
    // V3-PKT-1, V3-PKT-2; V3-PKT-4: what is sent has the pseudo-header.
    assert_eq!(packet::emit(&v3_advert(), PSEUDO, SOURCE, GROUP).unwrap(), GOLDEN_V3);
    assert_eq!(packet::parse(&GOLDEN_V3, SOURCE, GROUP), Ok((v3_advert(), ChecksumForm::PseudoHeader)));
}

#[test]
fn golden_v3_over_ipv6() {
    // V3-PKT-2, V3-PKT-3
    let expected = advert(Family::V6, Dialect::V3, &VIP6_BYTES);
    // There is no choice over IPv6.
    for form in [PSEUDO, ChecksumForm::MessageOnly] {
        assert_eq!(packet::emit(&expected, form, SOURCE6, GROUP6).unwrap(), GOLDEN_V6);
    }
    assert_eq!(packet::parse(&GOLDEN_V6, SOURCE6, GROUP6), Ok((expected, ChecksumForm::PseudoHeader)));
}

#[test]
fn v3_over_ipv4_takes_the_message_only_checksum_too() {
    // V3-PKT-4; ~0x6b77
    let mut bytes = GOLDEN_V3;
    bytes[6..8].copy_from_slice(&[0x94, 0x88]);
    assert_eq!(packet::parse(&bytes, SOURCE, GROUP), Ok((v3_advert(), ChecksumForm::MessageOnly)));
    let emitted = packet::emit(&v3_advert(), ChecksumForm::MessageOnly, SOURCE, GROUP);
    assert_eq!(emitted.unwrap(), bytes);
}

#[test]
fn v3_over_ipv6_takes_no_message_only_checksum() {
    // V3-PKT-3
    let mut bytes = GOLDEN_V6;
    seal(&mut bytes);
    assert_eq!(packet::parse(&bytes, SOURCE6, GROUP6), Err(Malformed::Checksum));
}

#[test]
fn the_checksum_is_over_the_real_destination() {
    // V3-PKT-4: each unicast peer gets its own.
    let peer: IpAddr = "192.168.1.3".parse().unwrap();
    let to_peer = packet::emit(&v3_advert(), PSEUDO, SOURCE, peer).unwrap();
    assert_ne!(to_peer, GOLDEN_V3);
    assert_eq!(packet::parse(&to_peer, SOURCE, peer).unwrap().1, ChecksumForm::PseudoHeader);
    assert_eq!(packet::parse(&to_peer, SOURCE, GROUP), Err(Malformed::Checksum));
}

#[test]
fn reserved_bits_are_sent_as_zero_and_ignored() {
    // V3-PKT-1
    let mut bytes = GOLDEN_V3;
    bytes[4] |= 0xf0;
    seal(&mut bytes);
    assert_eq!(packet::parse(&bytes, SOURCE, GROUP).unwrap().0.interval, Duration::from_secs(1));
    let longest = Advert { interval: Duration::from_millis(40_950), ..v3_advert() };
    assert_eq!(packet::emit(&longest, PSEUDO, SOURCE, GROUP).unwrap()[4..6], [0x0f, 0xff]);
}

#[test]
fn the_first_check_that_fails_is_the_reason() {
    // V3-RX-2, V3-RX-3, V3-RX-4, V3-RX-5, V3-RX-7, V3-RX-8, V2-RX-2, in the RFC's order: each spoilt message
    // keeps the faults of those below it.
    let mut bytes = GOLDEN_V2;
    bytes[4] = 3;
    seal(&mut bytes);
    assert_eq!(packet::parse(&bytes, SOURCE, GROUP), Err(Malformed::AuthenticationType(3)));
    let mut bytes = GOLDEN_V3;
    bytes[4..6].fill(0);
    seal(&mut bytes);
    assert_eq!(packet::parse(&bytes, SOURCE, GROUP), Err(Malformed::ZeroInterval));
    let mut bytes = bytes[..8].to_vec();
    bytes[3] = 0;
    seal(&mut bytes);
    assert_eq!(packet::parse(&bytes, SOURCE, GROUP), Err(Malformed::NoAddresses));
    bytes[1] = 0;
    seal(&mut bytes);
    assert_eq!(packet::parse(&bytes, SOURCE, GROUP), Err(Malformed::VridZero));
    bytes[6] ^= 1;
    assert_eq!(packet::parse(&bytes, SOURCE, GROUP), Err(Malformed::Checksum));
    bytes[3] = 2;
    assert_eq!(packet::parse(&bytes, SOURCE, GROUP), Err(Malformed::Length { expected: 16, got: 8 }));
    bytes[0] = 0x32;
    assert_eq!(packet::parse(&bytes, SOURCE, GROUP), Err(Malformed::Type(2)));
    bytes[0] = 0x42;
    assert_eq!(packet::parse(&bytes, SOURCE, GROUP), Err(Malformed::Version(4)));
}

#[test]
fn every_truncation_and_every_extension_is_a_matter_of_length() {
    // V3-RX-4
    for golden in [GOLDEN_V2.as_slice(), &GOLDEN_V3] {
        for length in 0..golden.len() {
            let got = packet::parse(&golden[..length], SOURCE, GROUP);
            assert!(matches!(got, Err(Malformed::Length { .. })), "{length}: {got:?}");
        }
        let longer = [golden, &[0]].concat();
        assert!(matches!(packet::parse(&longer, SOURCE, GROUP), Err(Malformed::Length { .. })));
    }
}

#[test]
fn every_flipped_bit_of_a_golden_message_is_noticed() {
    // V3-RX-5
    for bit in 0..GOLDEN_V6.len() * 8 {
        let mut bytes = GOLDEN_V6;
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(packet::parse(&bytes, SOURCE6, GROUP6).is_err(), "bit {bit}");
    }
}

#[test]
fn version_2_is_ipv4_only() {
    // V2-PKT-3
    let mut bytes = GOLDEN_V2;
    seal(&mut bytes);
    assert_eq!(packet::parse(&bytes, SOURCE6, GROUP6), Err(Malformed::Version(2)));
    let advert = advert(Family::V6, Dialect::V2(Authentication::None), &VIP6_BYTES);
    assert_eq!(packet::emit(&advert, PSEUDO, SOURCE6, GROUP6), Err(Unsendable::Version2OverIpv6));
}

#[test]
fn what_the_protocol_cannot_say_is_not_sent() {
    // V2-PKT-3, V3-PKT-1
    let emit = |advert: &Advert<'_>| packet::emit(advert, PSEUDO, SOURCE, GROUP);
    for millis in [0, 1, 15, 40_960] {
        let interval = Duration::from_millis(millis);
        let advert = Advert { interval, ..v3_advert() };
        assert_eq!(emit(&advert), Err(Unsendable::Interval(ProtocolVersion::V3, interval)));
    }
    for millis in [0, 500, 1500, 256_000] {
        let interval = Duration::from_millis(millis);
        let advert = Advert { interval, dialect: Dialect::V2(Authentication::None), ..v3_advert() };
        assert_eq!(emit(&advert), Err(Unsendable::Interval(ProtocolVersion::V2, interval)));
    }
    let many = vec![1; 256 * 4];
    for bytes in [&many[..], &[]] {
        let advert = Advert { addresses: AddressList::new(Family::V4, bytes), ..v3_advert() };
        assert_eq!(emit(&advert), Err(Unsendable::Addresses(bytes.len() / 4)));
    }
    assert_eq!(packet::emit(&v3_advert(), PSEUDO, SOURCE6, GROUP6), Err(Unsendable::Family));
}

#[test]
fn address_lists_are_compared_as_sets() {
    let list = |bytes| AddressList::new(Family::V4, bytes);
    assert!(list(&[1, 1, 1, 1, 2, 2, 2, 2]).same_as(&list(&[2, 2, 2, 2, 1, 1, 1, 1])));
    assert!(!list(&[1, 1, 1, 1, 2, 2, 2, 2]).same_as(&list(&[1, 1, 1, 1, 1, 1, 1, 1])));
    assert!(!list(&[1, 1, 1, 1]).same_as(&list(&[1, 1, 1, 1, 2, 2, 2, 2])));
}

#[derive(Clone, Debug)]
struct Wire {
    vrid: u8,
    priority: u8,
    units: u16,
    v4: Option<Option<[u8; 8]>>,
    family: Family,
    addresses: Vec<u8>,
    source: [u8; 16],
    destination: [u8; 16],
}

fn wire() -> impl Strategy<Value = Wire> {
    let dialect = proptest::option::of(proptest::option::of(any::<[u8; 8]>()));
    let family = prop_oneof![Just(Family::V4), Just(Family::V6)];
    (1u8.., any::<u8>(), 1u16..4096, dialect, family, any::<[u8; 16]>(), any::<[u8; 16]>()).prop_flat_map(
        |(vrid, priority, units, v4, family, source, destination)| {
            let family = if v4.is_some() { Family::V4 } else { family };
            let width = if family == Family::V4 { 4 } else { 16 };
            (1usize..=255, Just((vrid, priority, units, v4, family, source, destination))).prop_flat_map(
                move |(count, (vrid, priority, units, v4, family, source, destination))| {
                    proptest::collection::vec(any::<u8>(), count * width).prop_map(move |addresses| Wire {
                        vrid,
                        priority,
                        units,
                        v4,
                        family,
                        addresses,
                        source,
                        destination,
                    })
                },
            )
        },
    )
}

fn ip(family: Family, octets: [u8; 16]) -> IpAddr {
    match family {
        Family::V4 => IpAddr::from(<[u8; 4]>::try_from(&octets[..4]).unwrap_or_default()),
        Family::V6 => IpAddr::from(octets),
    }
}

proptest! {
    #[test]
    fn whatever_is_emitted_is_parsed_to_the_same(wire in wire()) {
        let (dialect, interval) = match wire.v4 {
            None => (Dialect::V3, Duration::from_millis(u64::from(wire.units) * 10)),
            Some(text) => (
                Dialect::V2(text.map_or(Authentication::None, |text| Authentication::Text(Secret(text)))),
                Duration::from_secs(u64::from(wire.units % 255) + 1),
            ),
        };
        let advert = Advert {
            vrid: Vrid::new(wire.vrid).unwrap(),
            priority: Priority(wire.priority),
            interval,
            addresses: AddressList::new(wire.family, &wire.addresses),
            dialect,
        };
        let (source, destination) = (ip(wire.family, wire.source), ip(wire.family, wire.destination));
        let bytes = packet::emit(&advert, PSEUDO, source, destination).unwrap();
        let (parsed, _) = packet::parse(&bytes, source, destination).unwrap();
        prop_assert_eq!(parsed, advert);
        prop_assert_eq!(parsed.addresses.iter().count(), advert.addresses.len());
    }

    #[test]
    fn any_bytes_are_parsed_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..5000), v6 in any::<bool>()) {
        let (source, destination) = if v6 { (SOURCE6, GROUP6) } else { (SOURCE, GROUP) };
        let _ = packet::parse(&bytes, source, destination);
        let _ = packet::parse(&bytes, source, if v6 { GROUP } else { GROUP6 });
    }

    /// Nearly right is what finds the corners: a valid head, a sealed sum.
    #[test]
    fn nearly_right_bytes_are_parsed_or_refused(
        mut bytes in proptest::collection::vec(any::<u8>(), 8..64),
        first in prop_oneof![Just(0x21u8), Just(0x31u8), any::<u8>()],
        count in 0u8..15,
    ) {
        bytes[0] = first;
        bytes[3] = count;
        seal(&mut bytes);
        if let Ok((advert, _)) = packet::parse(&bytes, SOURCE, GROUP) {
            prop_assert_eq!(advert.addresses.len(), usize::from(count));
            prop_assert!(!advert.interval.is_zero());
        }
    }
}
