//! Which packets are dropped, and under which name; which are only remarked on. A dropped packet moves no timer.

use std::net::IpAddr;

use crate::support::*;
use handover_vrrp::{InstanceConfig, LinkId};
use model::{Credential, Secret, State, Vrid};

/// A backup that hears `spoilt` instead of its master's advert drops it under `reason` and takes over in time.
fn assert_dropped(config: InstanceConfig, spoilt: &Message, reason: &str) {
    let mut host = Host::new(config);
    let deadline = host.core.next_deadline().unwrap();
    host.now = host.now + ms(500);
    let outputs = host.hear(spoilt);
    assert_eq!(host.count(reason), 1, "{:?}", host.view().remarks);
    let remark = host.view().remarks[0];
    assert!(remark.dropped);
    assert_eq!(remark.last_from, spoilt.source);
    assert_eq!(host.view().adverts_received, 0);
    assert!(outputs.iter().all(|output| matches!(output, handover_vrrp::Output::Notice(_))), "{outputs:?}");
    let wait = deadline.since(host.now);
    assert_eq!(told(&host.pass(wait - ms(1))), []);
    assert_eq!(told(&host.pass(ms(1))), [Some(State::Master)]);
}

/// A backup keeps quiet on `odd`, but counts it under `reason`.
fn assert_remarked(config: InstanceConfig, odd: &Message, reason: &str) -> Host {
    let mut host = Host::new(config);
    for _ in 0..10 {
        host.hear(odd);
        assert_eq!(told(&host.pass(SECOND)), []);
    }
    assert_eq!(host.count(reason), 10, "{:?}", host.view().remarks);
    assert!(!host.view().remarks[0].dropped);
    assert_eq!(host.view().adverts_received, 10);
    assert_eq!(host.state(), Some(State::Backup));
    host
}

fn spoilt(config: &InstanceConfig, spoil: impl FnOnce(&mut Vec<u8>)) -> Message {
    let mut message = message(config, GREATER, 200);
    spoil(&mut message.bytes);
    if message.bytes.len() >= 8 {
        seal(&mut message.bytes);
    }
    message
}

#[test]
fn a_good_advert_keeps_a_backup_quiet() {
    let mut host = Host::new(v3(100));
    host.hear(&message(&v3(100), GREATER, 200));
    for _ in 0..10 {
        assert!(host.hear(&message(&v3(100), GREATER, 200)).is_empty());
        assert_eq!(told(&host.pass(SECOND)), []);
    }
    assert_eq!(host.view().adverts_received, 11);
    assert!(host.view().remarks.is_empty());
    let master = host.view().master.unwrap();
    assert_eq!((master.address, master.priority.0), (GREATER, 200));
}

#[test]
fn ttl() {
    // V3-RX-1
    for config in [v3(100), v2(100)] {
        let message = Message { ttl: 254, ..message(&config, GREATER, 200) };
        assert_dropped(config, &message, "ttl");
    }
    let message = Message { ttl: 254, ..message(&v6(100), PEER6, 200) };
    assert_dropped(v6(100), &message, "ttl");
}

#[test]
fn version() {
    // V3-RX-2: the other one of the two, and one that there is not.
    assert_dropped(v3(100), &message(&v2(100), GREATER, 200), "version");
    assert_dropped(v2(100), &message(&v3(100), GREATER, 200), "version");
    assert_dropped(v3(100), &spoilt(&v3(100), |bytes| bytes[0] = 0x41), "version");
}

#[test]
fn message_type() {
    // V3-RX-3
    assert_dropped(v3(100), &spoilt(&v3(100), |bytes| bytes[0] = 0x32), "type");
}

#[test]
fn length() {
    // V3-RX-4
    assert_dropped(v3(100), &spoilt(&v3(100), |bytes| bytes.truncate(11)), "length");
    assert_dropped(v3(100), &spoilt(&v3(100), |bytes| bytes.truncate(2)), "length");
    assert_dropped(v3(100), &spoilt(&v3(100), |bytes| bytes.push(0)), "length");
}

#[test]
fn checksum() {
    // V3-RX-5
    for config in [v3(100), v2(100)] {
        let mut message = message(&config, GREATER, 200);
        message.bytes[6] ^= 0xff;
        assert_dropped(config, &message, "checksum");
    }
}

#[test]
fn vrid() {
    // V3-RX-6, V3-FSM-17: the same VRID of the other family, or on another link, is another virtual router.
    let mut host = Host::new(v3(100));
    let other = InstanceConfig { vrid: Vrid::new(6).unwrap(), ..v3(100) };
    host.hear(&message(&other, GREATER, 200));
    host.hear(&message(&v6(100), PEER6, 200));
    assert!(host.view().remarks.is_empty());
    assert_eq!(host.view().adverts_received, 0);
    let strays = host.core.link(ETH0).unwrap().strays;
    assert_eq!((strays[0].reason, strays[0].count, strays[0].last_from), ("unknown-vrid", 2, PEER6));
    assert_eq!(told(&host.pass(ms(4000))), [Some(State::Master)]);
}

#[test]
fn garbage_that_belongs_to_nobody_is_counted_on_the_link() {
    // V3-RX-4, V3-RX-6
    let mut host = Host::new(v3(100));
    let garbage = Message { source: LOWER, destination: GROUP, ttl: 255, sealed: None, bytes: vec![0x31] };
    host.hear(&garbage);
    host.hear(&Message { ttl: 1, ..garbage });
    let strays = host.core.link(ETH0).unwrap().strays;
    assert_eq!(strays.iter().map(|stray| stray.reason).collect::<Vec<_>>(), ["ttl", "length"]);
    assert_eq!(host.core.link(LinkId(7)), None);
}

#[test]
fn address_count() {
    // V3-RX-7
    let none = spoilt(&v3(100), |bytes| {
        bytes.truncate(8);
        bytes[3] = 0;
    });
    assert_dropped(v3(100), &none, "no-addresses");
}

#[test]
fn zero_interval() {
    // V3-RX-8
    assert_dropped(v3(100), &spoilt(&v3(100), |bytes| bytes[4..6].fill(0)), "zero-interval");
}

#[test]
fn the_first_ipv6_address_is_link_local() {
    // V3-RX-9, V3-PKT-5
    let global: IpAddr = "2001:db8::100".parse().unwrap();
    let theirs = InstanceConfig { addresses: vec![global, VIP6], ..v6(100) };
    assert_dropped(v6(100), &message(&theirs, PEER6, 200), "not-link-local");
    // Two routers that are both configured so must not both be master for it.
    let mut host = Host::new(theirs.clone());
    host.hear(&message(&theirs, PEER6, 200));
    assert_eq!(host.view().adverts_received, 1);
}

#[test]
fn unicast_wants_a_configured_peer() {
    // V3-RX-10
    let config = InstanceConfig { peers: vec![LOWER.into()], ..v3(100) };
    assert_dropped(config.clone(), &message_to(&v3(100), GREATER, OWN, 200), "not-a-peer");
    assert_dropped(config.clone(), &message(&v3(100), LOWER, 200), "destination");
    assert_dropped(
        config.clone(),
        &message_to(&v3(100), LOWER, "224.0.0.77".parse().unwrap(), 200),
        "destination",
    );
    assert_dropped(v3(100), &message_to(&v3(100), GREATER, OWN, 200), "destination");
    // A peer may be some hops away.
    let mut host = Host::new(config);
    host.hear(&Message { ttl: 60, ..message_to(&v3(100), LOWER, OWN, 200) });
    assert_eq!(host.view().adverts_received, 1);
}

#[test]
fn another_group_is_another_network() {
    // V3-RX-10: with a group of its own, an instance doesn't hear the usual one, nor the other way round.
    for (ours, from, group) in [(v3(100), GREATER, "224.0.0.77"), (v6(100), PEER6, "ff02::77")] {
        let elsewhere = InstanceConfig { group: group.parse().unwrap(), ..ours.clone() };
        assert_dropped(elsewhere.clone(), &message(&ours, from, 200), "destination");
        assert_dropped(ours.clone(), &message(&elsewhere, from, 200), "destination");
        let mut host = Host::new(elsewhere.clone());
        host.hear(&message(&elsewhere, from, 200));
        assert_eq!(host.view().adverts_received, 1);
    }
}

#[test]
fn our_own_packet() {
    // V3-RX-11
    assert_dropped(v3(100), &message(&v3(100), OWN, 200), "own-packet");
    assert_dropped(v6(100), &message(&v6(100), OWN6, 200), "own-packet");
}

#[test]
fn version_3_adopts_another_interval() {
    // V3-RX-12
    let theirs = InstanceConfig { advert_interval: ms(2000), ..v3(100) };
    assert_remarked(v3(100), &message(&theirs, GREATER, 200), "interval-differs");
}

#[test]
fn other_addresses_never_cost_liveness() {
    // V3-RX-13, A6, trap 3
    let theirs = InstanceConfig { addresses: vec![VIP, "192.0.2.101".parse().unwrap()], ..v3(100) };
    assert_remarked(v3(100), &message(&theirs, GREATER, 200), "addresses-differ");
    let theirs = InstanceConfig { version: model::ProtocolVersion::V2, ..theirs };
    assert_remarked(v2(100), &message(&theirs, GREATER, 200), "addresses-differ");
}

#[test]
fn an_owner_remarks_on_rivals() {
    // V3-RX-14: election decides.
    assert_remarked(v3(255), &message(&v3(255), GREATER, 255), "rival-owner");
}

#[test]
fn the_form_of_the_checksum_is_counted() {
    // V3-PKT-4
    let message = spoilt(&v3(100), |_| {});
    let host = assert_remarked(v3(100), &message, "checksum-message-only");
    assert_eq!(host.view().remarks.len(), 1);
}

#[test]
fn version_2_drops_another_interval() {
    // V2-RX-1, trap 3: counted by name, so that two masters don't come about in silence
    let theirs = InstanceConfig { advert_interval: ms(2000), ..v2(100) };
    assert_dropped(v2(100), &message(&theirs, GREATER, 200), "interval");
}

#[test]
fn authentication_must_match() {
    // V2-RX-2, trap 3
    let secret = InstanceConfig { credential: Some(Credential::Password(Secret::of(b"secret"))), ..v2(100) };
    let other = InstanceConfig { credential: Some(Credential::Password(Secret::of(b"Secret"))), ..v2(100) };
    assert_dropped(v2(100), &message(&secret, GREATER, 200), "auth-type");
    assert_dropped(secret.clone(), &message(&v2(100), GREATER, 200), "auth-type");
    assert_dropped(v2(100), &spoilt(&v2(100), |bytes| bytes[4] = 2), "auth-type");
    assert_dropped(secret.clone(), &message(&other, GREATER, 200), "auth-data");
    let mut host = Host::new(secret.clone());
    host.hear(&message(&secret, GREATER, 200));
    assert_eq!(host.view().adverts_received, 1);
    // Without authentication, what stands in the data's place says nothing.
    let mut host = Host::new(v2(100));
    host.hear(&spoilt(&v2(100), |bytes| bytes[12..].fill(7)));
    assert_eq!(host.view().adverts_received, 1);
}

#[test]
fn a_flood_is_told_at_a_limited_rate_and_no_number_is_lost() {
    let mut host = Host::new(v3(100));
    let bad = Message { ttl: 1, ..message(&v3(100), GREATER, 200) };
    let mut lines = 0;
    let mut suppressed = 0;
    let mut tell = |outputs: &[handover_vrrp::Output]| {
        for (text, held_back) in notices(outputs) {
            assert!(text.contains("192.0.2.3"), "{text}");
            lines += 1;
            suppressed += held_back;
        }
    };
    for _ in 0..10_000 {
        tell(&host.hear(&bad));
    }
    tell(&host.pass(ms(60_000)));
    assert_eq!((lines, suppressed), (2, 9_999));
    assert_eq!(host.count("ttl"), 10_000);
}

#[test]
fn a_flood_of_strays_is_told_at_a_limited_rate_too() {
    let mut host = Host::new(v3(100));
    let garbage = Message { source: LOWER, destination: GROUP, ttl: 255, sealed: None, bytes: vec![0; 40] };
    let mut told = Vec::new();
    for _ in 0..1000 {
        told.extend(host.hear(&garbage));
    }
    told.extend(host.pass(ms(60_000)));
    let told: Vec<_> = notices(&told)
        .into_iter()
        .filter(|(text, _)| text.starts_with("eth0"))
        .map(|(_, held)| held)
        .collect();
    assert_eq!(told, [0, 999]);
}
