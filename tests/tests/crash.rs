//! Daemons that are killed and stopped at random moments, on two real hosts, and an oracle that looks at the kernel's
//! addresses alone (ARCHITECTURE.md, "What each silence means").
//!
//! `CRASH_ROUNDS` rounds (default 10) of seed `CRASH_SEED` (default 1); `make crash` is the long form. In each round one host
//! loses some of its daemons, or has them stopped, and gets them back after a while. It must never judge by what the daemons
//! say of themselves; status is asked only to see that a round is over. How late this process itself was woken is measured,
//! and added to every limit, four times: whoever was late here was late there.

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::time::Duration;

use handover_tests::node::{LIMIT, RUNTIME_DIR, eventually, start_lab};
use handover_tests::programs::on_host;
use lab::{Host, Lab, Proc, Signal, Spec};
use model::Instant;
use serde_json::Value;
use sim::Rng;
use sys::clock::now;

const DEFAULT_ROUNDS: u64 = 10;
const DEFAULT_SEED: u64 = 1;
/// From here on the end of everything is waited for as well, which takes the kernel's minute.
const LONG_FORM: u64 = 100;
const VIP: &str = "192.168.1.100";
const CONFIG: &str = "/etc/handover/handover.conf";
const INTERVAL: Duration = Duration::from_millis(500);
/// What ipmgr waits for a silent vrrp-core.
const GRACE: Duration = Duration::from_secs(1);
/// The longest that a peer waits before it takes over (RFC 9568 6.1): three intervals, and at most one of skew.
const DOWN: Duration = Duration::from_secs(2);
/// What the kernel keeps of an address that nobody renews.
const LIFETIME: Duration = Duration::from_secs(60);
/// Whoever is started again within this is back before anybody missed it.
const SOON: Duration = Duration::from_millis(100);
const LONGEST_OUTAGE: Duration = Duration::from_secs(3);
const ASK_EVERY: Duration = Duration::from_millis(200);
/// A look that came this late says nothing about who was late: then a takeover is no failure.
const STARVED: Duration = Duration::from_millis(250);
/// In the order in which they are started.
const DAEMONS: [&str; 4] = ["ipmgr", "vrrp-core", "checkerd", "notifierd"];
/// Which of them fail together.
const VICTIMS: [&[&str]; 6] =
    [&["vrrp-core"], &["ipmgr"], &["vrrp-core", "ipmgr"], &["checkerd"], &["notifierd"], &DAEMONS];

fn config(priority: u8) -> String {
    format!(
        "vrrp_script chk {{ script \"/bin/true\" \n interval 1 }}
vrrp_instance api_vip {{
  version 3
  state BACKUP
  nopreempt
  interface eth0
  virtual_router_id 5
  priority {priority}
  advert_int {}
  virtual_ipaddress {{ {VIP}/32 }}
  track_script {{ chk }}
}}
",
        INTERVAL.as_secs_f32()
    )
}

/// A host whose supervisor is the test.
struct Machine {
    host: Host,
    daemons: BTreeMap<&'static str, Proc>,
    /// Its ipmgr was started in this round.
    has_new_ipmgr: bool,
}

impl Machine {
    fn new(lab: &Lab, name: &str, address: &str, priority: u8) -> Self {
        let host = lab.add_host(name, &[address]).expect("a host");
        host.write_file(CONFIG, &config(priority), 0o600).expect("write the configuration");
        let made = host.run(["mkdir", "-p", "-m", "0755", RUNTIME_DIR]).expect("make the runtime directory");
        assert!(made.success(), "{}", made.stderr);
        let mut machine = Self { host, daemons: BTreeMap::new(), has_new_ipmgr: false };
        DAEMONS.iter().for_each(|daemon| machine.start(daemon));
        machine
    }

    fn start(&mut self, daemon: &'static str) {
        let program = on_host(daemon);
        let state = format!("/run/state/{daemon}");
        let spec =
            Spec::new([&program, "-f", CONFIG, "--runtime-dir", RUNTIME_DIR, "--state-dir", state.as_str()]);
        let process = self.host.spawn(spec.variable("HANDOVER_LOG", "info")).expect("start a daemon");
        self.daemons.insert(daemon, process);
    }

    fn signal(&self, daemons: &[&str], signal: Signal) {
        for daemon in daemons {
            self.daemons.get(daemon).expect("it was started").kill(signal).expect("signal");
        }
    }

    /// As any supervisor does it: not before the one before has ended.
    fn replace(&mut self, daemons: &'static [&'static str]) {
        for daemon in daemons {
            let before = self.daemons.get(daemon).expect("it was started");
            assert!(before.wait(LIMIT).is_some(), "{daemon} doesn't end");
            self.start(daemon);
        }
        self.has_new_ipmgr = daemons.contains(&"ipmgr");
    }

    fn holds(&self) -> bool {
        let addresses = self.host.addresses().expect("addresses");
        addresses.iter().any(|it| it.address.to_string() == VIP)
    }

    fn status(&self) -> Option<Value> {
        let handover = on_host("handover");
        let output = self.host.run([&handover, "status", "--json", "--runtime-dir", RUNTIME_DIR]).ok()?;
        output.success().then(|| serde_json::from_str(&output.stdout).ok())?
    }

    fn state(&self) -> Option<String> {
        self.status()?.pointer("/instances/0/state")?.as_str().map(str::to_owned)
    }

    /// The state is what the address says, and a new ipmgr has its orders: until then it's in the middle of one fault, and the
    /// next would be a second at the same time.
    fn is_settled(&self, holds: bool) -> bool {
        let (expected, word) = match holds {
            true => ("MASTER", "setting VIPs"),
            false => ("BACKUP", "vrrp-core has connected"),
        };
        let has_said = |ipmgr: &Proc| ipmgr.lines().iter().any(|line| line.text.contains(word));
        let is_ordered = !self.has_new_ipmgr || self.daemons.get("ipmgr").is_some_and(has_said);
        is_ordered && self.state().as_deref() == Some(expected)
    }

    /// What was said so far isn't needed any more.
    fn begin_round(&mut self) {
        self.has_new_ipmgr = false;
        self.daemons.values().for_each(|daemon| drop(daemon.take_lines()));
    }

    fn log(&self) -> String {
        let lines = |(name, process): (&&str, &Proc)| {
            let lines = process.lines();
            lines.iter().map(|line| format!("{} {name}: {}\n", line.at, line.text)).collect::<String>()
        };
        format!("== {}\n{}", self.host.name(), self.daemons.iter().map(lines).collect::<String>())
    }
}

/// What happens to a host in one round.
struct Fault {
    on_master: bool,
    victims: &'static [&'static str],
    signal: Signal,
    outage: Duration,
}

impl Fault {
    fn draw(rng: &mut Rng) -> Self {
        let kills = rng.chance(500);
        let soon = rng.chance(500);
        let longest = if soon { SOON } else { LONGEST_OUTAGE };
        Self {
            on_master: rng.chance(800),
            victims: rng.pick(VICTIMS[0], &VICTIMS[1..]),
            signal: if kills { Signal::KILL } else { Signal::STOP },
            outage: rng.between(Duration::ZERO, longest),
        }
    }

    fn hits(&self, daemon: &str) -> bool {
        self.victims.contains(&daemon)
    }

    /// For how long two hosts may have the address. Without ipmgr nobody can remove it, until the next one has waited
    /// for orders.
    fn both(&self) -> Duration {
        if self.hits("ipmgr") { self.outage + GRACE + INTERVAL } else { INTERVAL }
    }

    /// Whether nobody may notice (E3): whoever is not needed, and one alone that is back soon.
    fn moves_nothing(&self) -> bool {
        let needed = self.hits("vrrp-core") || self.hits("ipmgr");
        !self.on_master || !needed || (self.victims.len() == 1 && self.outage <= SOON)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.signal == Signal::KILL { "killed" } else { "stopped" };
        let whose = if self.on_master { "the master" } else { "the backup" };
        write!(f, "{} of {whose} {how} for {} ms", self.victims.join(", "), self.outage.as_millis())
    }
}

/// Who held the address, look after look.
struct Watch {
    looked_at: Instant,
    /// By who was master when the round began, and by the other.
    held: (bool, bool),
    both_since: Option<Instant>,
    none_since: Option<Instant>,
    both: Duration,
    none: Duration,
    late: Duration,
    moved: bool,
}

impl Watch {
    fn new() -> Self {
        Self {
            looked_at: now(),
            held: (true, false),
            both_since: None,
            none_since: None,
            both: Duration::ZERO,
            none: Duration::ZERO,
            late: Duration::ZERO,
            moved: false,
        }
    }

    /// Takes a look. `other` is who was not master when the round began.
    fn look(&mut self, master: &Machine, other: &Machine) {
        let held = (master.holds(), other.holds());
        let at = now();
        self.late = self.late.max(at.since(self.looked_at));
        self.looked_at = at;
        self.held = held;
        self.moved |= held != (true, false);
        self.both_since = (held == (true, true)).then(|| self.both_since.unwrap_or(at));
        self.none_since = (held == (false, false)).then(|| self.none_since.unwrap_or(at));
        let length = |since: Option<Instant>| since.map_or(Duration::ZERO, |since| at.since(since));
        self.both = self.both.max(length(self.both_since));
        self.none = self.none.max(length(self.none_since));
    }

    /// What the round has shown that must not be.
    fn violation(&self, fault: &Fault) -> Option<String> {
        let slack = self.late * 4;
        if self.both > fault.both() + slack {
            return Some(format!("both hosts had the address for {} ms", self.both.as_millis()));
        }
        if self.none > DOWN + INTERVAL + slack {
            return Some(format!("nobody had the address for {} ms", self.none.as_millis()));
        }
        let starved = self.late > STARVED;
        (self.moved && fault.moves_nothing() && !starved).then(|| "the address has moved".to_owned())
    }
}

/// One fault on one of two settled hosts, and what came of it.
fn round(lab: &Lab, machines: &mut [Machine; 2], fault: &Fault) -> (Watch, Option<String>) {
    let [a, b] = machines;
    let (master, other) = if a.holds() { (a, b) } else { (b, a) };
    let mut watch = Watch::new();
    let end = watch.looked_at + fault.outage;
    let victim = if fault.on_master { &*master } else { &*other };
    victim.signal(fault.victims, fault.signal);
    let over = lab.wait_for(LIMIT, || {
        watch.look(master, other);
        now() >= end
    });
    assert!(over, "a clock that stands");
    let victim = if fault.on_master { &mut *master } else { &mut *other };
    if fault.signal == Signal::KILL {
        victim.replace(fault.victims);
    } else {
        victim.signal(fault.victims, Signal::CONT);
    }
    let (master, other) = (&*master, &*other);
    let mut ask_at = now();
    let settled = lab.wait_for(LIMIT, || {
        watch.look(master, other);
        if now() < ask_at || watch.both_since.is_some() || watch.none_since.is_some() {
            return false;
        }
        ask_at = now() + ASK_EVERY;
        let held = watch.held;
        if !master.is_settled(held.0) || !other.is_settled(held.1) {
            return false;
        }
        // What a dead ipmgr left may have gone meanwhile.
        watch.look(master, other);
        watch.held == held
    });
    let violation = watch.violation(fault);
    (watch, violation.or_else(|| (!settled).then(|| "it never settled".to_owned())))
}

fn number(variable: &str, default: u64) -> u64 {
    match env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|error| panic!("{variable}={text}: {error}")),
        Err(_) => default,
    }
}

/// D3, E3, A2.
#[test]
fn daemons_that_die_and_freeze_at_random_never_misplace_the_address() {
    let (rounds, seed) = (number("CRASH_ROUNDS", DEFAULT_ROUNDS), number("CRASH_SEED", DEFAULT_SEED));
    println!("CRASH_ROUNDS={rounds} CRASH_SEED={seed}");
    let lab = start_lab();
    let mut machines =
        [Machine::new(&lab, "a", "192.168.1.11/24", 150), Machine::new(&lab, "b", "192.168.1.12/24", 100)];
    eventually(&lab, &[], "one of the two is master", || {
        machines.iter().filter(|it| it.holds()).count() == 1
            && machines.iter().all(|it| it.is_settled(it.holds()))
    });
    let mut rng = Rng::new(seed);
    let (mut both, mut none, mut late, mut resumed, mut moved) = (0, 0, 0, 0, 0);
    for number in 1..=rounds {
        let fault = Fault::draw(&mut rng);
        let (watch, violation) = round(&lab, &mut machines, &fault);
        if let Some(violation) = violation {
            let logs: Vec<String> = machines.iter().map(Machine::log).collect();
            let late = watch.late.as_millis();
            panic!("round {number}, {fault}: {violation} (late by {late} ms)\n{}", logs.join("\n"));
        }
        both = both.max(watch.both.as_millis());
        none = none.max(watch.none.as_millis());
        late = late.max(watch.late.as_millis());
        resumed += u64::from(!watch.moved && fault.on_master && fault.hits("vrrp-core"));
        moved += u64::from(watch.moved);
        println!("{number}: {fault}: both {:?}, none {:?}, moved {}", watch.both, watch.none, watch.moved);
        machines.iter_mut().for_each(Machine::begin_round);
    }
    println!(
        "{rounds} rounds of seed {seed}: the address was on both for at most {both} ms, on none for at most {none} ms; \
         vrrp-core came back as MASTER {resumed} times, the address moved {moved} times; looks were {late} ms late at most"
    );
    if rounds >= LONG_FORM {
        nothing_outlives_everything(&lab, &machines);
    }
}

/// The last line: with everything dead, the kernel ends the addresses.
fn nothing_outlives_everything(lab: &Lab, machines: &[Machine]) {
    machines.iter().for_each(|machine| machine.signal(&DAEMONS, Signal::KILL));
    let killed = now();
    assert!(
        lab.wait_for(LIFETIME * 2, || machines.iter().all(|it| !it.holds())),
        "an address outlives its minute"
    );
    // The kernel looks after lifetimes by the second.
    let took = now().since(killed);
    println!("with everything killed the address was gone after {took:?}");
    assert!(took <= LIFETIME + Duration::from_secs(5), "{took:?}");
}
