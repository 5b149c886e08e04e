//! Two hosts on a cable, in namespaces of the test's own; and bytes that no host should send.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV6};

use proptest::prelude::*;

use super::*;
use crate::announce::AnnounceSocket;
use crate::testing::{Cable, LONG, Side, drop_all_capabilities, readable_within};

const MAC: MacAddress = MacAddress([0x02, 0, 0, 0, 0, 0x2a]);
const VIP4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);
const OTHER4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 101);
const VIP6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x100);
const OTHER6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x101);
/// Ends in the same four bytes as [`VIP6`].
const ALIKE6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100);
/// Bytes of a neighbour advertisement with the target's hardware address.
const NA: usize = ADVERTISEMENT + OPTION_UNIT;

const fn claim(address: IpAddr) -> Overheard {
    Overheard::Claim(Claim { address, mac: MAC })
}

/// Overhears on side B.
fn watch(cable: &Cable, family: Family, addresses: &[IpAddr]) -> WatchSocket {
    let index = cable.index(Side::B);
    let fd = open(&LinkName::new(Cable::link(Side::B)).unwrap(), index, family, addresses).unwrap();
    WatchSocket::from_fd(fd, family).unwrap()
}

/// Announces on side A.
fn announcer(cable: &Cable) -> AnnounceSocket {
    AnnounceSocket::from_fd(announce::open(cable.index(Side::A)).unwrap()).unwrap()
}

#[track_caller]
fn next(socket: &WatchSocket) -> Overheard {
    assert!(readable_within(socket, LONG), "nothing came");
    socket.receive().unwrap().expect("readable")
}

/// The border between ipmgr and vrrp-core; and what is nobody's business here wakes nobody.
#[test]
fn claims_to_our_addresses_are_heard_without_a_capability_and_no_others() {
    let Some(cable) = Cable::lay() else { return };
    let four = watch(&cable, Family::V4, &[VIP4.into(), VIP6.into()]);
    let six = watch(&cable, Family::V6, &[VIP6.into(), VIP4.into()]);
    let announcer = announcer(&cable);
    drop_all_capabilities();
    let link = LinkName::new(Cable::link(Side::B)).unwrap();
    for family in [Family::V4, Family::V6] {
        let refused = open(&link, 2, family, &[]).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
    }
    announcer.gratuitous_arp(MAC, OTHER4).unwrap();
    announcer.gratuitous_arp(MAC, VIP4).unwrap();
    assert_eq!(next(&four), claim(VIP4.into()));
    announcer.unsolicited_na(MAC, OTHER6, true).unwrap();
    announcer.unsolicited_na(MAC, ALIKE6, false).unwrap();
    announcer.unsolicited_na(MAC, VIP6, true).unwrap();
    // It passes the filter, which looks at four bytes, and isn't mistaken for ours.
    assert_eq!(next(&six), claim(ALIKE6.into()));
    assert_eq!(next(&six), claim(VIP6.into()));
    assert_eq!((four.receive().unwrap(), six.receive().unwrap()), (None, None));
}

#[test]
fn what_we_say_ourselves_is_not_overheard() {
    let Some(cable) = Cable::lay() else { return };
    let four = watch(&cable, Family::V4, &[VIP4.into()]);
    let six = watch(&cable, Family::V6, &[VIP6.into()]);
    let ours = AnnounceSocket::from_fd(announce::open(cable.index(Side::B)).unwrap()).unwrap();
    let theirs = announcer(&cable);
    ours.gratuitous_arp(MacAddress([2, 0, 0, 0, 0, 1]), VIP4).unwrap();
    ours.unsolicited_na(MacAddress([2, 0, 0, 0, 0, 1]), VIP6, true).unwrap();
    theirs.gratuitous_arp(MAC, VIP4).unwrap();
    theirs.unsolicited_na(MAC, VIP6, true).unwrap();
    assert_eq!(next(&four), claim(VIP4.into()));
    assert_eq!(next(&six), claim(VIP6.into()));
}

/// RFC 4861 7.1.2: nobody beyond a router has a say.
#[test]
fn an_advertisement_that_may_have_crossed_a_router_is_not_heard() {
    let Some(cable) = Cable::lay() else { return };
    let six = watch(&cable, Family::V6, &[VIP6.into()]);
    let index = cable.index(Side::A);
    let sender = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6)).unwrap();
    // The kernel fills in the checksum.
    let to = SocketAddrV6::new(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1), 0, 0, index).into();
    for (hops, address) in [(254, VIP6), (255, VIP6)] {
        sender.set_multicast_hops_v6(hops).unwrap();
        let mac = MacAddress([0x02, 0, 0, 0, 0, u8::try_from(hops - 213).unwrap()]);
        sender.send_to(&advertisement(address, mac), &to).unwrap();
    }
    // 255 - 213 is the last byte of MAC.
    assert_eq!(next(&six), claim(VIP6.into()));
    assert_eq!(six.receive().unwrap(), None);
}

#[test]
fn beyond_the_filters_bound_everything_passes() {
    let many: Vec<IpAddr> = (0..=u32::try_from(MAX_FILTERED).unwrap())
        .map(|n| Ipv4Addr::from_bits(0x0a00_0000 + n).into())
        .collect();
    assert!(filter::program(Family::V4, &many[..MAX_FILTERED]).len() < 4096);
    let Some(cable) = Cable::lay() else { return };
    let full = watch(&cable, Family::V4, &many[..MAX_FILTERED]);
    let over = watch(&cable, Family::V4, &many);
    let announcer = announcer(&cable);
    announcer.gratuitous_arp(MAC, VIP4).unwrap();
    announcer.gratuitous_arp(MAC, Ipv4Addr::new(10, 0, 3, 255)).unwrap();
    assert_eq!(next(&full), claim(Ipv4Addr::new(10, 0, 3, 255).into()));
    assert_eq!(next(&over), claim(VIP4.into()));
}

#[test]
fn foreign_descriptors_and_absent_interfaces_are_refused() {
    let udp = std::net::UdpSocket::bind("[::1]:0").or_else(|_| std::net::UdpSocket::bind("127.0.0.1:0"));
    let udp = OwnedFd::from(udp.unwrap());
    for family in [Family::V4, Family::V6] {
        let error = WatchSocket::from_fd(udp.try_clone().unwrap(), family).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
    assert!(WatchSocket::from_fd(std::fs::File::open("/dev/null").unwrap().into(), Family::V4).is_err());
    let Some(cable) = Cable::lay() else { return };
    cable.enter(Side::A);
    for family in [Family::V4, Family::V6] {
        let error = open(&LinkName::new("nowhere0").unwrap(), 999, family, &[]).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
    }
}

/// The ARP of a host that asks for somebody while its own address is `sender`.
fn arp(sender: Ipv4Addr) -> Vec<u8> {
    let fixed = [0, 1, 8, 0, MAC_LENGTH, IPV4_LENGTH, 0, 1];
    [&fixed[..], &MAC.0, &sender.octets(), &[0; 6], &OTHER4.octets()].concat()
}

fn advertisement(target: Ipv6Addr, mac: MacAddress) -> Vec<u8> {
    let target_option = [NdpOptionTypes::TargetLLAddr.0, 1];
    [&[136, 0, 0, 0, 0x20, 0, 0, 0][..], &target.octets(), &target_option, &mac.0].concat()
}

#[test]
fn a_question_claims_the_askers_own_address_and_a_probe_claims_none() {
    assert_eq!(claim_in_arp(&arp(VIP4)), Some(Claim { address: VIP4.into(), mac: MAC }));
    assert_eq!(claim_in_arp(&arp(Ipv4Addr::UNSPECIFIED)), None);
}

#[test]
fn other_kinds_of_addresses_are_no_claim() {
    for (at, byte) in [(1, 6), (2, 0x86), (4, 8), (5, 16)] {
        let mut message = arp(VIP4);
        message[at] = byte;
        assert_eq!(claim_in_arp(&message), None, "byte {at}");
    }
    for length in 0..arp(VIP4).len() {
        assert_eq!(claim_in_arp(&arp(VIP4)[..length]), None, "{length} bytes");
    }
}

#[test]
fn the_hardware_address_is_found_among_other_options() {
    let plain = advertisement(VIP6, MAC);
    let expected = Some(Claim { address: VIP6.into(), mac: MAC });
    assert_eq!(claim_in_advertisement(&plain), expected);
    // A nonce of two units before it (RFC 3971 5.3.2).
    let nonce = [[14, 2].as_slice(), &[7; 14]].concat();
    let message = [&plain[..ADVERTISEMENT], &nonce, &plain[ADVERTISEMENT..]].concat();
    assert_eq!(claim_in_advertisement(&message), expected);
}

#[test]
fn options_that_lie_about_their_length_are_no_claim() {
    let plain = advertisement(VIP6, MAC);
    for length in 0..NA {
        assert_eq!(claim_in_advertisement(&plain[..length]), None, "{length} bytes");
    }
    for units in [0, 2, 255] {
        let mut message = plain.clone();
        message[ADVERTISEMENT + 1] = units;
        assert_eq!(claim_in_advertisement(&message), None, "{units} units");
    }
    let mut solicitation = plain;
    solicitation[0] = 135;
    assert_eq!(claim_in_advertisement(&solicitation), None);
}

proptest! {
    #[test]
    fn no_message_is_too_strange(
        mut message in proptest::collection::vec(any::<u8>(), 0..MAX_MESSAGE),
        as_arp: bool,
    ) {
        let start = if as_arp { arp(VIP4)[..8].to_vec() } else { vec![136] };
        message.splice(..start.len().min(message.len()), start);
        claim_in_arp(&message);
        claim_in_advertisement(&message);
    }
}
