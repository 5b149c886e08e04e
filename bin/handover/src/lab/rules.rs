//! What should happen, from the configurations alone: who is master when these nodes live and those checks fail.
//!
//! Independent of the `vrrp` crate on purpose: the rehearsal compares the real processes with these few lines. Read
//! RFC 9568 6.4 for the election and keepalived.conf(5), `weight`, for what a check does to the priority.

use std::net::IpAddr;
use std::path::Path;

use config::{Check, Config, Instance, Probe, TrackedCheck};

/// The lowest and highest priority of a router that doesn't own its addresses.
const PRIORITIES: (i32, i32) = (1, 254);
/// The owner's, which no check changes.
const OWNER: u8 = 255;
/// Programs that ask whether a process of some name runs: the name is their last argument.
const ASKING: [&str; 3] = ["killall", "pidof", "pgrep"];

/// A node in a certain situation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contender<'a> {
    pub(super) name: &'a str,
    pub(super) config: &'a Config,
    pub(super) instance: &'a Instance,
    /// What it sends from: the higher one wins between equals (RFC 9568 6.4.3).
    pub(super) address: Option<IpAddr>,
    pub(super) alive: bool,
    pub(super) service_up: bool,
}

impl<'a> Contender<'a> {
    /// Its priority; `None` if it can't be master at all.
    pub(super) fn priority(&self) -> Option<u8> {
        if !self.alive {
            return None;
        }
        if self.instance.priority.0 == OWNER {
            return Some(OWNER);
        }
        let mut priority = i32::from(self.instance.priority.0);
        // Nobody writes numbers there: they are 0.
        let has_number = |it: &&TrackedCheck| self.check(it).is_some_and(|check| check.probe.is_number());
        for tracked in self.instance.checks.iter().filter(|it| !has_number(it)) {
            let up = self.is_up(tracked) != tracked.weight.reverse;
            match (i32::from(tracked.weight.value), up) {
                (0, false) => return None,
                (weight @ 1.., true) | (weight @ ..0, false) => priority += weight,
                (0, true) | (1.., false) | (..0, true) => {}
            }
        }
        u8::try_from(priority.clamp(PRIORITIES.0, PRIORITIES.1)).ok()
    }

    /// A check that asks for the service is as the service; any other is taken to succeed.
    fn is_up(&self, tracked: &TrackedCheck) -> bool {
        self.service_up || self.check(tracked).is_none_or(|check| process_asked_for(&check.probe).is_none())
    }

    fn check(&self, tracked: &TrackedCheck) -> Option<&'a Check> {
        self.config.checks.iter().find(|check| check.name == tracked.check)
    }

    /// The check that notices when the service dies.
    pub(super) fn service_check(&self) -> Option<&'a Check> {
        let checks = self.instance.checks.iter().filter_map(|tracked| self.check(tracked));
        checks.into_iter().find(|check| process_asked_for(&check.probe).is_some())
    }
}

/// Who is master when all is settled, given who was before.
pub(super) fn master_after<'a>(contenders: &[Contender<'a>], before: Option<&str>) -> Option<Contender<'a>> {
    let rank = |it: &Contender<'_>| (it.priority(), it.address);
    let able = || contenders.iter().copied().filter(|it| it.priority().is_some());
    let Some(master) = able().find(|it| Some(it.name) == before) else {
        return able().max_by_key(rank);
    };
    // Equal isn't higher: between equals the one that is master stays.
    let challengers = able().filter(|it| it.instance.preempt && it.priority() > master.priority());
    Some(challengers.max_by_key(rank).unwrap_or(master))
}

/// The process that a check asks for by name, such as in `killall -0 haproxy`.
pub(super) fn process_asked_for(probe: &Probe) -> Option<&str> {
    if let Probe::Process(wanted) = probe {
        return wanted.program.rsplit('/').next();
    }
    let command = probe.command()?;
    let program = Path::new(&command.program).file_name()?.to_str()?;
    let asks = ASKING.contains(&program);
    command.arguments.last().filter(|name| asks && !name.starts_with('-')).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECK: &str = "vrrp_script c {\n script \"killall -0 haproxy\"\n interval 2\n weight WEIGHT\n}\n";
    const INSTANCE: &str = "vrrp_instance i {\n interface eth0\n virtual_router_id 5\n priority PRIORITY\n \
                            virtual_ipaddress {\n 10.0.0.9\n }\n track_script {\n c\n }\n}\n";

    fn config(weight: &str, priority: &str) -> Config {
        let text = format!("{CHECK}{INSTANCE}").replace("WEIGHT", weight).replace("PRIORITY", priority);
        config::parse("test.conf", text.as_bytes()).config.unwrap()
    }

    fn contender<'a>(name: &'a str, config: &'a Config, alive: bool, service_up: bool) -> Contender<'a> {
        Contender { name, config, instance: &config.instances[0], address: None, alive, service_up }
    }

    fn master<'a>(contenders: &[Contender<'a>], before: Option<&str>) -> Option<&'a str> {
        master_after(contenders, before).map(|it| it.name)
    }

    #[test]
    fn the_pair_of_the_example() {
        let (a, b) = (config("20", "100"), config("20", "90"));
        let pair = |a_alive, a_up| [contender("a", &a, a_alive, a_up), contender("b", &b, true, true)];
        assert_eq!(pair(true, true)[0].priority(), Some(120));
        assert_eq!(master(&pair(true, true), None), Some("a"));
        assert_eq!(pair(true, false)[0].priority(), Some(100));
        assert_eq!(master(&pair(true, false), Some("a")), Some("b"));
        assert_eq!(master(&pair(true, true), Some("b")), Some("a"));
        assert_eq!(master(&pair(false, false), Some("a")), Some("b"));
    }

    #[test]
    fn without_a_weight_a_failed_check_means_fault() {
        let a = config("0", "100");
        assert_eq!(contender("a", &a, true, false).priority(), None);
        assert_eq!(contender("a", &a, true, true).priority(), Some(100));
        assert_eq!(master(&[contender("a", &a, true, false)], Some("a")), None);
    }

    #[test]
    fn a_negative_weight_subtracts_while_down() {
        let a = config("-30", "100");
        assert_eq!(contender("a", &a, true, false).priority(), Some(70));
        assert_eq!(contender("a", &a, true, true).priority(), Some(100));
    }

    #[test]
    fn an_owner_is_above_all_checks() {
        let a = config("-30", "255");
        assert_eq!(contender("a", &a, true, false).priority(), Some(255));
    }

    #[test]
    fn nopreempt_and_equals_leave_the_master_alone() {
        let (low, mut high) = (config("0", "90"), config("0", "100"));
        let same = config("0", "90");
        assert_eq!(
            master(&[contender("a", &low, true, true), contender("b", &same, true, true)], Some("a")),
            Some("a")
        );
        high.instances[0].preempt = false;
        assert_eq!(
            master(&[contender("a", &low, true, true), contender("b", &high, true, true)], Some("a")),
            Some("a")
        );
    }
}
