//! A vrrp-core that somebody has taken over: it says what it likes, as often as it likes. It moves no address but the
//! configured ones, and ipmgr neither ends, grows nor keeps its vrrp-core waiting.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stderr, reason = "a test may say why it was skipped and why it failed")]
#![allow(dead_code, reason = "not every file of tests needs all of the harness")]

mod harness;

use std::fs;
use std::os::fd::AsFd as _;

use harness::{Core, Host, PATIENCE, VIP, fingerprint, instance};
use ipc::core_ipmgr::{Order, PROTOCOL};
use ipc::frame::{self, MAX_FRAME};
use sys::clock::now;
use sys::seqpacket::Connection;

const CONNECTS: usize = 3_000;
/// Far more than wait to be turned away, in far more time than this takes.
const LOOKS: u32 = 100_000;
/// More than are logged one by one in any time that this takes.
const FLIPS: u64 = 500;
const ORDERS: u64 = 20_000;
/// What ipmgr may have grown by afterwards, in KiB: twice what it lets wait for a vrrp-core that doesn't read.
const MAX_GROWTH: u64 = 32 << 10;
/// The descriptors that one connection may cost, with the sockets that it is given.
const MAX_MORE_DESCRIPTORS: usize = 16;

/// What ipmgr costs: memory in KiB, and descriptors.
fn cost(core: &Core) -> (u64, usize) {
    let pid = core.connection.peer_credentials().unwrap().pid.unwrap();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let memory = line.trim().trim_end_matches(" kB").parse().unwrap();
    (memory, fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count())
}

fn addresses(host: &mut Host) -> Vec<String> {
    let all = host.route.addresses().unwrap().into_iter();
    let mut all: Vec<String> = all.map(|it| format!("{}/{} on {}", it.address, it.prefix, it.link)).collect();
    all.sort();
    all
}

/// Frames that no honest vrrp-core sends, from empty to too long.
fn garbage(number: usize) -> Vec<u8> {
    let hello = frame::encode(&Order::Hello { protocol: PROTOCOL, fingerprint: fingerprint() }).unwrap();
    match number % 6 {
        0 => hello[..hello.len() / 2].to_vec(),
        1 => hello.iter().chain(&hello).copied().collect(),
        2 => vec![u8::try_from(number % 251).unwrap(); number % 4096 + 1],
        3 => vec![0xff; MAX_FRAME + 1],
        4 => hello.iter().map(|byte| byte ^ 0x55).collect(),
        _ => frame::encode(&Order::Install { instance: instance("six"), order: 1 }).unwrap(),
    }
}

/// Whoever may connect: thousands, with frames, parts of frames, and descriptors that nobody asked for.
#[test]
fn thousands_of_visitors_cost_nothing_and_are_in_nobodys_way() {
    let Some(mut host) = Host::started() else { return };
    let (mut core, _) = host.core();
    assert_eq!(core.install("api_vip", 1), [""; 0]);
    let (before, there) = (cost(&core), addresses(&mut host));
    let gift = fs::File::open("/dev/null").unwrap();
    let mut waiting = Vec::new();
    for number in 0..CONNECTS {
        // A full backlog refuses; that is an answer too.
        let Ok(visitor) = Connection::connect(&host.socket()) else { continue };
        let _ = visitor.send(&garbage(number), Some(gift.as_fd()));
        if number % 10 == 0 {
            waiting.push(visitor);
        }
        if number % 100 == 0 {
            assert_eq!(core.install("api_vip", 2), [""; 0], "the one in charge is served");
        }
    }
    drop(waiting);
    assert_eq!(core.install("api_vip", 3), [""; 0]);
    let after = cost(&core);
    assert!(after.0 <= before.0 + MAX_GROWTH, "KiB before {}, after {}", before.0, after.0);
    assert!(after.1 <= before.1 + MAX_MORE_DESCRIPTORS, "descriptors before {}, after {}", before.1, after.1);
    assert_eq!(addresses(&mut host), there);
}

/// The name that a second ipmgr would meet can be asked by anybody, without a right to anything.
#[test]
fn who_asks_for_the_only_ipmgr_does_not_keep_it_busy() {
    let Some(host) = Host::started() else { return };
    let (mut core, _) = host.core();
    let mut heard = 0;
    for look in 0..LOOKS {
        heard += u32::from(sys::sole::holder("handover/ipmgr").unwrap().is_some());
        if look % 1000 == 0 {
            assert_eq!(core.install("api_vip", 1), [""; 0], "the one in charge is served");
        }
    }
    assert!((1..LOOKS / 2).contains(&heard), "{heard} of {LOOKS} were answered");
}

/// The one in charge itself: names are all it has, and none of them means anything but what is configured.
#[test]
fn names_that_are_not_configured_do_nothing_however_often() {
    let Some(mut host) = Host::started() else { return };
    let (mut core, _) = host.core();
    let (before, there) = (cost(&core), addresses(&mut host));
    let limit = now() + PATIENCE;
    for order in 0..ORDERS {
        let name = match order % 4 {
            0 => "192.0.2.66/24".to_owned(),
            1 => "eth0".to_owned(),
            2 => "../../etc/passwd".to_owned(),
            _ => "x".repeat(255),
        };
        let Ok(name) = model::InstanceName::new(&name) else { continue };
        let frame = match order % 2 {
            0 => Order::Install { instance: name, order },
            _ => Order::Withdraw { instance: name, order },
        };
        match core.connection.send(&frame::encode(&frame).unwrap(), None) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            // Who doesn't read what it is answered is sent away.
            Err(_) => core = host.core().0,
        }
        assert!(now() < limit, "ipmgr is stalled");
    }
    core = host.core().0;
    // Nor does it fill the disk with what it is told of orders that are as they should be.
    let lines = host.log().lines().count();
    for order in 0..FLIPS {
        let _ = core.install("api_vip", order * 2);
        core.withdraw("api_vip", order * 2 + 1);
    }
    let more = host.log().lines().count() - lines;
    assert!(more < 200, "{more} lines for {FLIPS} flips");
    let after = cost(&core);
    assert!(after.0 <= before.0 + MAX_GROWTH, "KiB before {}, after {}", before.0, after.0);
    assert_eq!(addresses(&mut host), there);
    assert_eq!(core.install("api_vip", 1), [""; 0]);
    assert!(host.found(VIP).is_some() && host.found("192.0.2.66").is_none());
}
