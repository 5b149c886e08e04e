//! Two hosts on a cable, in namespaces of the test's own.

use std::os::fd::AsFd;

use super::*;
use crate::testing::{Cable, LONG, Side, drop_all_capabilities, ip, readable_within};

const A4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const B4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
const A6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xa));
const B6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xb));
const VRID: u8 = 7;
/// Bytes of an IPv4 header, enough to tell who sent what is too long.
const IPV4_HEADER: usize = 20;
/// A group that an administrator may choose; the sockets of these tests have joined it, too.
const OTHER_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 77);
const OTHER_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x77);

/// Addresses for each transport without AH: side A, side B, the group.
const ADDRESSES: [(Transport, IpAddr, IpAddr, IpAddr); 2] =
    [(Transport::V4, A4, B4, IpAddr::V4(GROUP_V4)), (Transport::V6, A6, B6, IpAddr::V6(GROUP_V6))];

fn socket(cable: &Cable, side: Side, transport: Transport, vrids: &[u8]) -> AdvertSocket {
    let index = cable.index(side);
    let vrids: Vec<Vrid> = vrids.iter().filter_map(|id| Vrid::new(*id)).collect();
    let groups = match transport.family() {
        Family::V4 => [IpAddr::V4(GROUP_V4), IpAddr::V4(OTHER_V4)],
        Family::V6 => [IpAddr::V6(GROUP_V6), IpAddr::V6(OTHER_V6)],
    };
    let fd = open(&LinkName::new(Cable::link(side)).unwrap(), index, transport, &vrids, &groups).unwrap();
    AdvertSocket::from_fd(fd, transport).unwrap()
}

/// A packet without AH.
fn packet(source: IpAddr, destination: IpAddr, ttl: u8, message: &[u8]) -> Packet<'_> {
    Packet { source, destination, ttl, sealed: None, message }
}

/// A message as far as the filter looks at it.
fn message(version_and_type: u8, vrid: u8) -> [u8; 8] {
    [version_and_type, vrid, 100, 1, 0, 100, 0xab, 0xcd]
}

#[track_caller]
fn next<'buffer>(socket: &AdvertSocket, buffer: &'buffer mut [u8]) -> Received<'buffer> {
    assert!(readable_within(socket, LONG), "nothing came");
    socket.receive(buffer).unwrap().expect("readable")
}

/// V3-PKT-6, TTL and hop limit 255 to the group, another to one peer; and our own multicasts don't come back.
#[test]
fn multicast_and_unicast_arrive_with_their_header() {
    let Some(cable) = Cable::lay() else { return };
    for (transport, a, b, group) in ADDRESSES {
        let sender = socket(&cable, Side::A, transport, &[VRID]);
        let receiver = socket(&cable, Side::B, transport, &[VRID]);
        let text = message(0x31, VRID);
        for (destination, ttl) in [(group, 255), (b, 64), (b, 1)] {
            sender.send(&packet(a, destination, ttl, &text)).unwrap();
            let expected = packet(a, destination, ttl, &text);
            assert_eq!(next(&receiver, &mut [0; 2048]), Received::Packet(expected), "{transport}");
        }
        receiver.send(&packet(b, a, TTL, &text)).unwrap();
        let answer = packet(b, a, 255, &text);
        assert_eq!(next(&sender, &mut [0; 2048]), Received::Packet(answer), "its own multicast came back");
        assert_eq!(sender.receive(&mut [0; 2048]).unwrap(), None);
    }
}

#[test]
fn every_group_that_was_joined_is_heard_and_no_other() {
    let Some(cable) = Cable::lay() else { return };
    let strangers = [IpAddr::from([224, 0, 0, 99]), "ff02::99".parse().unwrap()];
    let others = [IpAddr::V4(OTHER_V4), IpAddr::V6(OTHER_V6)];
    for (((transport, a, _, group), stranger), other) in ADDRESSES.into_iter().zip(strangers).zip(others) {
        let sender = socket(&cable, Side::A, transport, &[VRID]);
        let receiver = socket(&cable, Side::B, transport, &[VRID]);
        let text = message(0x31, VRID);
        for destination in [stranger, other, group] {
            sender.send(&packet(a, destination, TTL, &text)).unwrap();
        }
        for destination in [other, group] {
            let expected = packet(a, destination, 255, &text);
            assert_eq!(next(&receiver, &mut [0; 2048]), Received::Packet(expected), "{transport}");
        }
    }
}

#[test]
fn a_group_of_the_other_family_is_refused() {
    let Some(cable) = Cable::lay() else { return };
    let link = LinkName::new(Cable::link(Side::A)).unwrap();
    let index = cable.index(Side::A);
    let refused = open(&link, index, Transport::V6, &[], &[IpAddr::V4(GROUP_V4)]).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
}

/// Part of V3-RX-3 and V3-RX-6: what no instance of this interface can want does not wake us.
#[test]
fn the_filter_passes_our_vrids_in_any_version_and_nothing_else() {
    let Some(cable) = Cable::lay() else { return };
    for (transport, a, _, group) in ADDRESSES {
        let sender = socket(&cable, Side::A, transport, &[]);
        let receiver = socket(&cable, Side::B, transport, &[200, VRID, 1]);
        let unwanted: [&[u8]; 6] = [
            &message(0x31, VRID + 1),
            &message(0x31, 0),
            &message(0x32, VRID),
            &message(0x30, VRID),
            &[],
            &[0x31],
        ];
        let wanted = [message(0x31, VRID), message(0x21, 1), message(0xf1, 200)];
        for text in unwanted.into_iter().chain(wanted.iter().map(|text| &text[..])) {
            sender.send(&packet(a, group, TTL, text)).unwrap();
        }
        for text in &wanted {
            let expected = packet(a, group, 255, text);
            assert_eq!(next(&receiver, &mut [0; 2048]), Received::Packet(expected), "{transport}");
        }
        assert_eq!(receiver.receive(&mut [0; 2048]).unwrap(), None);
    }
}

/// V2-PKT-2: AH covers the header that the kernel might have rewritten. Its filter finds the VRID behind the
/// authentication header, and plain adverts are another socket's.
#[test]
fn a_sealed_packet_arrives_as_it_was_sent() {
    let Some(cable) = Cable::lay() else { return };
    let sender = socket(&cable, Side::A, Transport::Ah, &[]);
    let receiver = socket(&cable, Side::B, Transport::Ah, &[VRID]);
    let sealed = |vrid| [&[112, 4, 0, 0][..], &[0xaa; 20], &message(0x21, vrid)].concat();
    socket(&cable, Side::A, Transport::V4, &[]).send(&packet(A4, B4, TTL, &sealed(VRID))).unwrap();
    for (destination, vrid, identification) in
        [(B4, VRID + 1, 1), (IpAddr::V4(GROUP_V4), VRID, 1), (B4, VRID, 0xfffe)]
    {
        let message = sealed(vrid);
        let sealed = Packet { sealed: Some(identification), ..packet(A4, destination, TTL, &message) };
        sender.send(&sealed).unwrap();
        if vrid == VRID {
            assert_eq!(next(&receiver, &mut [0; 2048]), Received::Packet(sealed));
        }
    }
    let unsealed = sender.send(&packet(A4, B4, TTL, b"")).unwrap_err();
    assert_eq!(unsealed.kind(), io::ErrorKind::InvalidInput);
    let copy = sender.as_fd().try_clone_to_owned().unwrap();
    assert_eq!(AdvertSocket::from_fd(copy, Transport::V4).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

/// A hop limit that a router has counted down is seen as it arrived (V3-RX-1).
#[test]
fn a_foreign_ttl_is_reported() {
    let Some(cable) = Cable::lay() else { return };
    for (transport, a, b, _) in ADDRESSES {
        let receiver = socket(&cable, Side::B, transport, &[VRID]);
        cable.enter(Side::A);
        let domain = if transport == Transport::V4 { Domain::IPV4 } else { Domain::IPV6 };
        let sender = Socket::new(domain, Type::RAW, Some(Protocol::from(PROTOCOL))).unwrap();
        let to: SockAddr = match b {
            IpAddr::V4(b) => SocketAddrV4::new(b, 0).into(),
            IpAddr::V6(b) => {
                sender.set_unicast_hops_v6(64).unwrap();
                SocketAddrV6::new(b, 0, 0, cable.index(Side::A)).into()
            }
        };
        let text = message(0x31, VRID);
        sender.send_to(&text, &to).unwrap();
        let expected = packet(a, b, 64, &text);
        assert_eq!(next(&receiver, &mut [0; 2048]), Received::Packet(expected), "{transport}");
    }
}

#[test]
fn a_packet_longer_than_the_buffer_is_reported_and_gone() {
    let Some(cable) = Cable::lay() else { return };
    for (transport, a, b, _) in ADDRESSES {
        let sender = socket(&cable, Side::A, transport, &[VRID]);
        let receiver = socket(&cable, Side::B, transport, &[VRID]);
        sender.send(&packet(a, b, TTL, &[message(0x31, VRID).as_ref(), &[0; IPV4_HEADER]].concat())).unwrap();
        let too_long = |source| Received::Malformed { what: Malformed::TooLong, source };
        assert_eq!(next(&receiver, &mut [0; IPV4_HEADER]), too_long(Some(a)), "{transport:?}");
        assert_eq!(receiver.receive(&mut [0; 2048]).unwrap(), None);
    }
}

/// The border between ipmgr and vrrp-core: sockets opened with privilege work where there is none, and no new one can be made.
#[test]
fn sockets_work_in_a_thread_that_has_no_capability() {
    let Some(cable) = Cable::lay() else { return };
    let pairs = ADDRESSES.map(|addresses| {
        let transport = addresses.0;
        let sender = socket(&cable, Side::A, transport, &[VRID]);
        (addresses, sender, socket(&cable, Side::B, transport, &[VRID]))
    });
    drop_all_capabilities();
    let refused =
        open(&LinkName::new(Cable::link(Side::B)).unwrap(), 2, Transport::V4, &[], &[]).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
    for ((transport, a, b, group), sender, receiver) in &pairs {
        let text = message(0x31, VRID);
        for destination in [*group, *b] {
            sender.send(&packet(*a, destination, TTL, &text)).unwrap();
            let expected = packet(*a, destination, 255, &text);
            assert_eq!(next(receiver, &mut [0; 2048]), Received::Packet(expected), "{transport}");
        }
    }
}

/// An instance without an address of its own still has to be heard: any IPv4 source can be written.
#[test]
fn an_ipv4_source_need_not_be_on_the_interface() {
    let Some(cable) = Cable::lay() else { return };
    let sender = socket(&cable, Side::A, Transport::V4, &[VRID]);
    let receiver = socket(&cable, Side::B, Transport::V4, &[VRID]);
    cable.enter(Side::B);
    std::fs::write("/proc/sys/net/ipv4/conf/all/rp_filter", "0").unwrap();
    std::fs::write("/proc/sys/net/ipv4/conf/veth-b/rp_filter", "0").unwrap();
    cable.enter(Side::A);
    ip(&["address", "flush", "dev", "veth-a"]);
    let source = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 9));
    let text = message(0x31, VRID);
    sender.send(&packet(source, IpAddr::V4(GROUP_V4), TTL, &text)).unwrap();
    let expected = packet(source, IpAddr::V4(GROUP_V4), 255, &text);
    assert_eq!(next(&receiver, &mut [0; 2048]), Received::Packet(expected));
}

#[test]
fn mixed_families_and_foreign_descriptors_are_refused() {
    let Some(cable) = Cable::lay() else { return };
    let sender = socket(&cable, Side::A, Transport::V4, &[VRID]);
    assert_eq!(sender.send(&packet(A4, B6, TTL, b"")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert_eq!(sender.send(&packet(A6, B6, TTL, b"")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    let copy = sender.as_fd().try_clone_to_owned().unwrap();
    assert_eq!(AdvertSocket::from_fd(copy, Transport::V6).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    let udp = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    assert!(AdvertSocket::from_fd(udp.into(), Transport::V4).is_err());
    assert!(AdvertSocket::from_fd(std::fs::File::open("/dev/null").unwrap().into(), Transport::V4).is_err());
}

#[test]
fn an_interface_that_is_not_there_is_said_to_be_so() {
    let Some(cable) = Cable::lay() else { return };
    cable.enter(Side::A);
    let error = open(&LinkName::new("nowhere0").unwrap(), 999, Transport::V4, &[], &[]).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
}

/// A flood that nobody reads is counted, and what the filter drops isn't.
#[test]
fn what_finds_the_queue_full_is_counted() {
    const MORE_THAN_FIT: u32 = 20_000;
    let Some(cable) = Cable::lay() else { return };
    for (transport, a, _, group) in ADDRESSES {
        let sender = socket(&cable, Side::A, transport, &[VRID]);
        let receiver = socket(&cable, Side::B, transport, &[VRID]);
        let send = |vrid| sender.send(&packet(a, group, TTL, &message(0x31, vrid)));
        let flood = |vrid| (0..MORE_THAN_FIT).filter(|_| send(vrid).is_ok()).count();
        assert_ne!(flood(VRID + 1), 0);
        assert_eq!(receiver.overflowed().unwrap(), 0, "{transport}: the filter's drops");
        let sent = flood(VRID);
        let mut read = 0;
        // Sent is received, or dropped by the kernel; it may take its time with either.
        let deadline = crate::clock::now() + LONG;
        while read + usize::try_from(receiver.overflowed().unwrap()).unwrap() < sent {
            assert!(crate::clock::now() < deadline, "{transport}: {read} of {sent} came");
            while receiver.receive(&mut [0; 2048]).unwrap().is_some() {
                read += 1;
            }
        }
        assert_ne!(receiver.overflowed().unwrap(), 0, "{transport}: {sent} adverts found room");
    }
}
