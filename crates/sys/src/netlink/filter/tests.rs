//! Against the kernel, in a network namespace of the test's own; nft(8) is the second opinion.

use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use super::*;
use crate::netlink::Route;
use crate::testing::{LONG, namespace};

/// From one attempt to the next.
const PAUSE: Duration = Duration::from_millis(20);
/// What nft(8) prints of the table, in this order: neighbour discovery passes before anything is dropped.
const EXPECTED: [&str; 8] = [
    "table inet handover",
    "flags owner",
    "type filter hook input priority",
    "policy accept",
    "icmpv6 type 135-136 accept",
    "ip daddr @shut4 drop",
    "ip6 daddr @shut6 drop",
    "iif . ip6 daddr @shut6_on_link drop",
];

#[allow(clippy::disallowed_methods, reason = "a child of the calling thread is in its namespace")]
fn nft(words: &str) -> (bool, String) {
    let output = Command::new("nft").args(words.split(' ')).output().expect("nft is installed");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn table() -> Table {
    Table { name: "handover".to_owned(), priority: -1, counters: false }
}

/// A filter in a namespace of its own; `None` where that isn't allowed.
fn filter() -> Option<Filter> {
    if namespace().is_none() {
        eprintln!("skipped: this test needs root, to make a network namespace");
        return None;
    }
    Route::open().unwrap().set_up("lo").unwrap();
    match Filter::open(&table()) {
        Ok(filter) => Some(filter),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "{error}");
            eprintln!("skipped: {error}");
            None
        }
    }
}

fn shut(address: &str) -> Shut {
    Shut::new(address.parse().unwrap(), 1)
}

/// Whether what is sent to an address of this host arrives, told by what is sent to another one right after it: the
/// loopback keeps the order.
fn arrives(address: &str, after: &str) -> bool {
    let any = if address.contains(':') { "[::]:0" } else { "0.0.0.0:0" };
    let (receiver, sender) = (UdpSocket::bind(any).unwrap(), UdpSocket::bind(any).unwrap());
    receiver.set_read_timeout(Some(LONG)).unwrap();
    let port = receiver.local_addr().unwrap().port();
    for (to, word) in [(address, b"1"), (after, b"2")] {
        sender.send_to(word, (to.parse::<IpAddr>().unwrap(), port)).unwrap();
    }
    let mut word = [0];
    receiver.recv_from(&mut word).unwrap();
    word == *b"1"
}

/// Waits until an address is reached: the kernel makes the route to a new one of IPv6 in a worker (`addrconf_dad_work`).
fn comes_to_life(address: &str) {
    let limit = crate::clock::now() + LONG;
    let receiver = UdpSocket::bind("[::]:0").unwrap();
    receiver.set_read_timeout(Some(PAUSE)).unwrap();
    let port = receiver.local_addr().unwrap().port();
    loop {
        // Without a route it can't even be sent.
        let _ = receiver.send_to(b"0", (address, port));
        if receiver.recv_from(&mut [0]).is_ok() {
            return;
        }
        assert!(crate::clock::now() < limit, "{address} is never reached");
    }
}

/// V3-FSM-14: who isn't owner and has no accept mode accepts nothing that is sent to the address.
#[test]
fn what_is_sent_to_a_shut_address_is_dropped_and_nothing_else() {
    let Some(mut filter) = filter() else { return };
    let mut route = Route::open().unwrap();
    route.add_address("lo", "2001:db8::1".parse().unwrap(), 128).unwrap();
    route.add_address("lo", "2001:db8::2".parse().unwrap(), 128).unwrap();
    comes_to_life("2001:db8::1");
    comes_to_life("2001:db8::2");
    assert!(arrives("127.0.0.9", "127.0.0.1") && arrives("2001:db8::1", "2001:db8::2"));
    let both = [shut("127.0.0.9"), shut("2001:db8::1"), shut("fe80::1")];
    filter.shut(&both).unwrap();
    assert!(!arrives("127.0.0.9", "127.0.0.1") && !arrives("2001:db8::1", "2001:db8::2"));
    filter.reopen(&both).unwrap();
    assert!(arrives("127.0.0.9", "127.0.0.1") && arrives("2001:db8::1", "2001:db8::2"));
}

#[test]
fn nft_reads_the_table_as_it_is_meant() {
    let Some(mut filter) = filter() else { return };
    filter.shut(&[shut("192.0.2.5"), shut("2001:db8::5"), shut("fe80::5")]).unwrap();
    let (_, text) = nft("list table inet handover");
    for key in ["192.0.2.5", "2001:db8::5", "\"lo\" . fe80::5"] {
        assert!(text.contains(key), "{key} in {text}");
    }
    let mut rest = text.as_str();
    for line in EXPECTED {
        rest = rest.split_once(line).unwrap_or_else(|| panic!("{line}, in its place, in {text}")).1;
    }
}

/// What is shut stays so: nothing arrives meanwhile.
#[test]
fn a_table_is_rearranged_in_one_step() {
    let Some(mut filter) = filter() else { return };
    filter.shut(&[shut("127.0.0.9")]).unwrap();
    for (priority, counters, told) in [
        (-150, true, "hook input priority mangle"),
        (10, true, "counter packets 0 bytes 0 drop"),
        (7, false, "hook input priority filter + 7"),
    ] {
        let other = Table { priority, counters, ..table() };
        filter.rearrange(&other).unwrap();
        assert_eq!(filter.table(), &other);
        let (_, text) = nft("list table inet handover");
        assert!(text.contains(told) && text.matches(" drop").count() == 3, "{text}");
        assert!(!arrives("127.0.0.9", "127.0.0.1"));
        let counted = nft("list table inet handover").1.contains("counter packets 1 ");
        assert_eq!(counted, counters);
    }
    // Of another name it isn't this one's.
    let stranger = Table { name: "elsewhere".to_owned(), ..table() };
    assert_eq!(filter.rearrange(&stranger).unwrap_err().errno, libc::ENOENT);
    filter.reopen(&[shut("127.0.0.9")]).unwrap();
    assert!(arrives("127.0.0.9", "127.0.0.1"));
}

/// D6: a table that is somebody's can't be changed, nor flushed by who loads another ruleset, and is never left over.
#[test]
fn nobody_else_can_change_the_table_and_it_goes_with_its_owner() {
    let Some(mut filter) = filter() else { return };
    assert!(!nft("delete table inet handover").0);
    assert!(!nft("flush chain inet handover in").0);
    // Whatever it answers.
    nft("flush ruleset");
    filter.shut(&[shut("127.0.0.9")]).unwrap();
    assert!(!arrives("127.0.0.9", "127.0.0.1"));
    drop(filter);
    assert_eq!(nft("list tables"), (true, String::new()));
}

#[test]
fn a_table_of_somebody_else_is_told_and_stays() {
    let Some(filter) = filter() else { return };
    let second = Filter::open(&table()).unwrap_err();
    assert!(second.to_string().contains("another process owns a table of that name"), "{second}");
    drop(filter);
    assert!(nft("add table inet handover").0);
    let error = Filter::open(&table()).unwrap_err().to_string();
    assert!(error.starts_with("make the table `inet handover` of nftables: EEXIST"), "{error}");
    assert_eq!(nft("list tables").1, "table inet handover\n");
}

#[test]
fn thousands_are_shut_at_once_and_one_more_that_is_shut_already_is_no_error() {
    let Some(mut filter) = filter() else { return };
    let many: Vec<Shut> = (0..5000_u128).map(|number| Shut::new(IpAddr::V6(number.into()), 1)).collect();
    filter.shut(&many).unwrap();
    filter.shut(&many[..1]).unwrap();
    filter.reopen(&many).unwrap();
    assert_eq!(filter.reopen(&many[..1]).unwrap_err().errno, libc::ENOENT);
}
