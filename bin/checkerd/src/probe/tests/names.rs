//! `dns_query` against servers that don't do what they should.

use std::net::UdpSocket;

use config::{DnsQuery, Rcode, RecordKind};

use super::*;

/// A question to a server, and that server.
fn query() -> (UdpSocket, Probe, SocketAddr) {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = server.local_addr().unwrap();
    let query = DnsQuery {
        name: "www.example".into(),
        kind: RecordKind::A,
        server: Some(address),
        source: None,
        link: None,
        address: None,
        rcode: Rcode::NOERROR,
    };
    (server, Probe::DnsQuery(query), address)
}

/// A server that has an address, and answers after it has sent what `noise` makes of the right answer.
fn answers(
    server: UdpSocket,
    noise: impl Fn(&UdpSocket, SocketAddr, &[u8]) + Send + 'static,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        let (length, peer) = server.recv_from(&mut buffer).unwrap();
        let mut answer = buffer[..length].to_vec();
        answer[2] |= 0x80;
        answer[7] = 1;
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, 1]);
        noise(&server, peer, &answer);
        // The probe may have gone already.
        let _ = server.send_to(&answer, peer);
    })
}

#[test]
fn an_answer_passes_whatever_else_comes() {
    let (server, probe, _) = query();
    let server = answers(server, |server, peer, answer| {
        let mut spoofed = answer.to_vec();
        spoofed[0] ^= 1;
        for garbage in [&b""[..], b"x", &[0xff; 2000], &spoofed] {
            server.send_to(garbage, peer).unwrap();
        }
        // The right answer of somebody else, which says that there is no such name.
        let mut elsewhere = answer.to_vec();
        elsewhere[3] |= 3;
        UdpSocket::bind("127.0.0.9:0").unwrap().send_to(&elsewhere, peer).unwrap();
    });
    assert_eq!(ask(&probe, TIMEOUT), Outcome::Passed);
    server.join().unwrap();
}

#[test]
fn a_server_that_says_nothing_useful_is_told_of_in_time() {
    let (silent, probe, _) = query();
    assert_eq!(ask(&probe, Duration::from_millis(50)), Outcome::TimedOut);
    drop(silent);
    let (server, probe, address) = query();
    let flood = answers(server, |server, peer, _| {
        for _ in 0..1000 {
            let _ = server.send_to(b"garbage", peer);
        }
    });
    let said = ask(&probe, TIMEOUT).to_string();
    let wanted = "no answer, but 64 of something else (the last: too short)";
    assert_eq!(said, format!("ask {address} for www.example A: {wanted}"));
    flood.join().unwrap();
    let (server, probe, address) = query();
    drop(server);
    let said = ask(&probe, TIMEOUT).to_string();
    assert!(said.starts_with(&format!("ask {address} for www.example A: Connection refused")), "{said}");
}

#[test]
fn what_a_server_says_is_told_with_its_address() {
    let (server, probe, address) = query();
    let server = answers(server, |server, peer, answer| {
        let mut refused = answer.to_vec();
        refused[3] |= 5;
        server.send_to(&refused, peer).unwrap();
    });
    let wanted = format!("ask {address} for www.example A: answered REFUSED, not NOERROR");
    assert_eq!(ask(&probe, TIMEOUT), Outcome::Failed(wanted));
    server.join().unwrap();
}
