//! A kernel that fails at random, and what ipmgr makes of it: nothing that lasts, nothing unnamed, and no flood of words.
//!
//! `SEED=n` repeats a run as far as the kernel's own timing allows; `FAULT_ROUNDS=1000` is the long form.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stderr, reason = "a test may say why it was skipped and why it failed")]
#![allow(dead_code, reason = "not every file of tests needs all of the harness")]

mod harness;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{Core, Host, VIP, eventually, instance};
use ipc::core_ipmgr::{Order, Report};
use ipc::frame::MAX_FRAME;
use sys::clock::now;
use sys::netlink::Change;
use sys::process::{Spec, spawn};
use sys::seqpacket::Received;

/// What happens while the kernel fails, so often each time.
const ROUNDS: u64 = 40;
/// How often it begins to fail and ends.
const SPELLS: u64 = 3;
/// ipmgr's lines in the log for each round, at most: the answer to the order and to one that changes, and what of the filter.
const MAX_LINES: u64 = 4;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

/// What `api_vip` has beside its address.
const MORE: &str = "no_accept
  virtual_routes {
    198.51.100.0/24 via 192.0.2.9
  }";

/// A host whose ipmgr has a kernel that fails while a file is there, and the fingerprint of its configuration.
fn on_failing_ground(seed: u64) -> Option<(Host, u64, PathBuf)> {
    let mut host = Host::new()?;
    let fingerprint =
        host.configure(|text| text.replacen("advert_int 30\n", &format!("advert_int 30\n  {MORE}\n"), 1));
    let library = host.socket().with_file_name("kernel.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/kernel.c");
    let compiler =
        ["-shared", "-fPIC", "-O1", "-o"].iter().fold(Spec::new("cc"), |cc, word| cc.argument(word));
    let mut compiler = spawn(&compiler.argument(&library).argument(source)).expect("start cc");
    eventually("the library is there", || compiler.try_wait().unwrap().is_some());
    let switch = host.socket().with_file_name("fails");
    let (library, file) = (library.to_str().unwrap(), switch.to_str().unwrap());
    host.start_with(&[("LD_PRELOAD", library), ("FAULTS", file), ("FAULTS_SEED", &seed.to_string())]);
    Some((host, fingerprint, switch))
}

/// Whether that command of a person's, on the host, has that word in its answer.
#[allow(clippy::disallowed_methods, reason = "a test may start a program the short way")]
fn prints(command: &str, word: &str) -> bool {
    let mut words = command.split(' ');
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).contains(word)
}

/// Says that it lives, and reads what there is, whatever it is.
fn read_all(core: &mut Core) {
    core.beat();
    let mut buffer = vec![0; MAX_FRAME];
    while let Some(received) = core.connection.receive(&mut buffer).unwrap() {
        assert!(matches!(received, Received::Frame(_)), "ipmgr has closed the connection");
    }
}

/// Orders it, and gives what the answer says was refused.
fn order(core: &mut Core, name: &str, install: bool, number: u64) -> Vec<String> {
    let name = instance(name);
    core.say(&match install {
        true => Order::Install { instance: name, order: number },
        false => Order::Withdraw { instance: name, order: number },
    });
    // Answers to earlier orders come again when something is otherwise.
    core.find(|(report, _)| match report {
        Report::Installed { order, failures, .. } if order == number => Some(failures),
        Report::Withdrawn { order: Some(order), .. } if order == number => Some(Vec::new()),
        _ => None,
    })
}

/// Whoever reads it knows what was wrong.
fn is_named(sentence: &str) -> bool {
    let names =
        ["EBUSY", "ENOMEM", "ENOBUFS", "EAGAIN", "EOPNOTSUPP", "EINVAL", "EBADMSG", "ENETUNREACH", "EEXIST"];
    names.iter().any(|name| sentence.contains(name)) || sentence.contains("(os error ")
}

#[test]
fn a_kernel_that_fails_at_random_leaves_no_drift_and_no_flood() {
    let seed = number("SEED").unwrap_or_else(|| now().as_nanos());
    eprintln!("SEED={seed}");
    let rounds = number("FAULT_ROUNDS").unwrap_or(ROUNDS);
    let mut random = Random(seed);
    let Some((mut host, fingerprint, switch)) = on_failing_ground(seed) else { return };
    let (mut core, _) = host.core_that_runs(fingerprint);
    let mut wanted = [("api_vip", true), ("six", true)];
    assert_eq!((core.install("api_vip", 1), core.install("six", 2)), (vec![], vec![]));
    for spell in 1..=SPELLS {
        fs::write(&switch, "").unwrap();
        for round in 1..=rounds {
            if random.below(3) == 0 {
                let place = host.place("eth0", VIP, 32);
                // It may not be there.
                let _ = host.route.apply(&[Change::Remove { place, peer: None }]);
                continue;
            }
            let which = usize::try_from(random.below(2)).unwrap();
            wanted[which].1 = random.below(3) > 0;
            let (name, install) = wanted[which];
            let refused = order(&mut core, name, install, spell * rounds + round);
            assert!(refused.iter().all(|sentence| is_named(sentence)), "{refused:?}");
        }
        fs::remove_file(&switch).unwrap();
        eventually("what is there is what was ordered", || {
            read_all(&mut core);
            let found = |host: &mut Host, address: &str| host.found(address).is_some();
            let (vip, six) = (found(&mut host, VIP), found(&mut host, "fe80::100"));
            let (route, shut) = (prints("ip route", "198.51.100.0/24"), prints("nft list ruleset", VIP));
            let there = ([vip, route, shut], [six, found(&mut host, "2001:db8::100")]);
            there == ([wanted[0].1; 3], [wanted[1].1; 2])
        });
        assert!(host.found("192.0.2.1").is_some(), "the administrator's stays");
    }
    // It is the same process, and answers as if nothing had been.
    for (number, (name, _)) in wanted.into_iter().enumerate() {
        let refused = order(&mut core, name, true, u64::MAX - u64::try_from(number).unwrap());
        assert_eq!(refused, [""; 0]);
    }
    let log = host.log();
    let errors: Vec<&str> = log.lines().filter(|line| line.contains("error: ")).collect();
    assert!(errors.iter().all(|line| is_named(line)), "{errors:#?}");
    let lines = u64::try_from(log.lines().count()).unwrap();
    assert!(lines <= SPELLS * rounds * MAX_LINES, "{lines} lines for {} rounds", SPELLS * rounds);
    eprintln!("{lines} lines, {} of them errors", errors.len());
}
