//! Instances without accept mode: what is sent to their addresses is dropped while they hold them, and no longer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stderr, reason = "a test may say why it was skipped and why it failed")]
#![allow(dead_code, reason = "not every file of tests needs all of the harness")]

mod harness;

use std::net::UdpSocket;
use std::process::Command;

use harness::{Core, Host, PATIENCE, VIP, eventually};
use ipc::core_ipmgr::Report;
use sys::process::Signal;

/// `eth0`'s own.
const OPEN: &str = "192.0.2.1";

/// An ipmgr whose `api_vip` has no accept mode, and a vrrp-core.
fn started() -> Option<(Host, Core)> {
    let mut host = Host::new()?;
    host.route.set_up("lo").unwrap();
    let fingerprint = shy(&host);
    host.start();
    let (core, _) = host.core_that_runs(fingerprint);
    Some((host, core))
}

fn shy(host: &Host) -> u64 {
    shy_with(host, "")
}

/// The same, and these lines in `global_defs`.
fn shy_with(host: &Host, lines: &str) -> u64 {
    host.configure(|text| {
        let text = text.replacen("advert_int 30\n", "advert_int 30\n  no_accept\n", 1);
        format!("global_defs {{\n{lines}\n}}\n{text}")
    })
}

/// Whether the address answers, told by what is sent to another one right after it: the loopback keeps the order.
fn answers(address: &str) -> bool {
    let (receiver, sender) = (UdpSocket::bind("0.0.0.0:0").unwrap(), UdpSocket::bind("0.0.0.0:0").unwrap());
    receiver.set_read_timeout(Some(PATIENCE)).unwrap();
    let port = receiver.local_addr().unwrap().port();
    sender.send_to(b"1", (address, port)).unwrap();
    sender.send_to(b"2", (OPEN, port)).unwrap();
    let mut word = [0];
    receiver.recv_from(&mut word).unwrap();
    word == *b"1"
}

#[allow(clippy::disallowed_methods, reason = "a child of the calling thread is in its namespace")]
fn nft(words: &str) -> String {
    let output = Command::new("nft").args(words.split(' ')).output().expect("nft is installed");
    assert!(output.status.success(), "nft {words}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// V3-FSM-14, D6: and nothing is left over.
#[test]
fn nothing_is_let_in_while_the_address_is_held() {
    let Some((mut host, mut core)) = started() else { return };
    assert_eq!(nft("list tables"), "", "no table without a need");
    assert_eq!(core.install("api_vip", 1), [""; 0]);
    assert!(host.found(VIP).is_some() && !answers(VIP) && answers(OPEN));
    core.withdraw("api_vip", 2);
    assert_eq!((host.found(VIP), nft("list tables").as_str()), (None, ""));
    // An address of the administrator's that equals it is open again.
    host.route.add_address("lo", VIP.parse().unwrap(), 32).unwrap();
    assert!(answers(VIP));
}

/// Also of what is left for the next ipmgr: it shuts that before anybody has ordered it.
#[test]
fn the_table_goes_with_ipmgr_and_comes_with_the_next() {
    let Some((mut host, mut core)) = started() else { return };
    assert_eq!(core.install("api_vip", 1), [""; 0]);
    host.signal(Signal::KILL);
    host.ended();
    assert_eq!(nft("list tables"), "");
    assert!(host.found(VIP).is_some());
    host.start();
    eventually("the next one shuts it", || !answers(VIP));
}

#[test]
fn a_reload_shuts_and_opens() {
    let Some((host, mut core)) = started() else { return };
    assert_eq!(core.install("api_vip", 1), [""; 0]);
    for shut in [false, true] {
        if shut {
            shy(&host);
        } else {
            host.configure(str::to_owned);
        }
        core.adopt();
        eventually("as the file has it", || {
            core.beat();
            answers(VIP) != shut
        });
    }
}

/// `nftables`, `nftables_priority`, `nftables_counters`: in every step the address stays shut.
#[test]
fn the_table_is_made_as_the_file_has_it() {
    let Some((host, mut core)) = started() else { return };
    assert_eq!(core.install("api_vip", 1), [""; 0]);
    for (lines, table, told) in [
        ("nftables_priority -5\n nftables_counters", "table inet handover", "counter packets"),
        ("nftables ours", "table inet ours", "flags owner"),
        ("nftables ours\n nftables_priority 20", "table inet ours", "priority 20"),
    ] {
        shy_with(&host, lines);
        core.adopt();
        eventually("the table is as the file has it", || {
            core.beat();
            assert!(!answers(VIP), "{lines}");
            let rules = nft("list ruleset");
            nft("list tables").trim_end().ends_with(table) && rules.contains(told)
        });
        assert_eq!(nft("list tables"), format!("{table}\n"), "{lines}");
    }
}

/// Bad input: a name that is taken leaves what was, and is a reason.
#[test]
fn another_name_that_is_taken_leaves_the_table_of_before() {
    let Some((mut host, mut core)) = started() else { return };
    assert_eq!(core.install("api_vip", 1), [""; 0]);
    nft("add table inet theirs");
    shy_with(&host, "nftables theirs");
    core.adopt();
    let told = "make the table `inet theirs` of nftables: EEXIST";
    let failures: Vec<String> = core.find(|(report, _)| match report {
        Report::Installed { order: 1, failures, .. } if !failures.is_empty() => Some(failures),
        _ => None,
    });
    assert!(failures.len() == 1 && failures[0].starts_with(told), "{failures:?}");
    assert!(failures[0].ends_with("the table `handover` does its work as before"), "{failures:?}");
    assert!(!answers(VIP));
    nft("delete table inet theirs");
    host.route.add_address("lo", "198.51.100.9".parse().unwrap(), 32).unwrap();
    let mended: Vec<String> = core.find(|(report, _)| match report {
        Report::Installed { order: 1, failures, .. } if failures.is_empty() => Some(failures),
        _ => None,
    });
    assert_eq!((mended, nft("list tables").as_str()), (vec![], "table inet theirs\n"));
    assert!(!answers(VIP));
}

/// Bad input: the reason is told, the address is held, and what is somebody else's stays.
#[test]
fn a_table_of_somebody_else_is_a_reason_and_no_obstacle() {
    let Some((mut host, mut core)) = started() else { return };
    nft("add table inet handover");
    let failures = core.install("api_vip", 1);
    let told = "make the table `inet handover` of nftables: EEXIST (File exists): somebody else has";
    assert!(failures.len() == 1 && failures[0].starts_with(told), "{failures:?}");
    assert!(host.found(VIP).is_some() && answers(VIP));
    assert_eq!(core.install("elsewhere", 2).len(), 1, "others are told of their own failures alone");
    assert_eq!(nft("list tables"), "table inet handover\n");
    // Once it is gone, the next comparison makes ours, and says so.
    nft("delete table inet handover");
    host.route.add_address("lo", "198.51.100.9".parse().unwrap(), 32).unwrap();
    let mended: Vec<String> = core.find(|(report, _)| match report {
        Report::Installed { order: 1, failures, .. } => Some(failures),
        _ => None,
    });
    assert_eq!(mended, [""; 0]);
    assert!(!answers(VIP));
}
