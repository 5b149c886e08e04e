//! Two hosts with the same program, and what every row does with them.
//!
//! Each measurement has a lab of its own, so that nothing of one is left for the next.

use std::time::Duration;

use lab::{Host, Lab, Link, Proc, Spec};
use model::Instant;

use crate::Outcome;
use crate::meter::Reading;
use crate::suite::{CONFIG, Load, Suite, host_address, own_program, virtual_address};
use crate::tools;

/// How long anything may take that a row waits for.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
/// Who is master while all is well.
const PREFERRED: u8 = 200;
/// Who takes over.
pub(crate) const SECOND: u8 = 100;
/// How long both programs get to come to rest once all addresses are in place.
const SETTLING: Duration = Duration::from_millis(1500);
/// Adverts that a backup misses before it takes over (RFC 9568 6.1).
const MISSED: u32 = 3;

/// A pair that shares virtual routers. Further hosts are the row's.
pub(crate) struct Stage {
    pub(crate) lab: Lab,
    pub(crate) suite: Suite,
    pub(crate) load: Load,
    /// Of the higher priority.
    pub(crate) a: Host,
    /// Of priority [`SECOND`].
    pub(crate) b: Host,
}

/// Waits; for a time that is itself what is measured in.
#[expect(clippy::disallowed_methods, reason = "a window is a duration")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Milliseconds since boot; signed differences of them may be negative.
pub(crate) fn millis(at: Instant) -> f64 {
    at.since(Instant::ZERO).as_secs_f64() * 1e3
}

/// Skew_Time of the second host (RFC 9568 6.1).
pub(crate) fn skew(interval: Duration) -> Duration {
    interval * (256 - u32::from(SECOND)) / 256
}

/// Active_Down_Interval of the second host: the protocol's floor after the last advert.
pub(crate) fn down_interval(interval: Duration) -> Duration {
    interval * MISSED + skew(interval)
}

impl Stage {
    /// Both hosts, nothing started.
    pub(crate) fn new(suite: Suite, load: Load) -> Outcome<Self> {
        let lab = Lab::start(&own_program()?).map_err(|error| error.to_string())?;
        let make = |name: &str, number, priority| {
            let host = add_host(&lab, name, number, load)?;
            let written = host.write_file(CONFIG, &load.config(priority), 0o600);
            written.map_err(|error| error.to_string())?;
            Outcome::Ok(host)
        };
        let (a, b) = (make("a", 1, PREFERRED)?, make("b", 2, SECOND)?);
        Ok(Self { lab, suite, load, a, b })
    }

    /// One more host on the same bridges.
    pub(crate) fn add_bystander(&self, name: &str, number: u16) -> Outcome<Host> {
        add_host(&self.lab, name, number, self.load)
    }

    /// Starts the program on a host.
    pub(crate) fn start(&self, host: &Host) -> Outcome<Proc> {
        host.spawn(self.suite.command()?).map_err(|error| error.to_string())
    }

    /// Starts both, and waits until the first is master of everything and the second has heard of it.
    pub(crate) fn settle(&self) -> Outcome<[Proc; 2]> {
        let first = self.start(&self.a)?;
        let count = self.load.addresses().count();
        let complete = || virtual_addresses(&self.a).is_ok_and(|held| held == count);
        if !self.lab.wait_for(LIMIT, complete) {
            return Err(format!("{} isn't master of everything after {LIMIT:?}", self.suite));
        }
        let second = self.start(&self.b)?;
        pause(SETTLING + self.load.interval * 2);
        match virtual_addresses(&self.b)? {
            0 => Ok([first, second]),
            held => Err(format!("{} has two masters of {held} virtual routers", self.suite)),
        }
    }

    /// What a host's processes have used and its kernel has counted so far.
    pub(crate) fn read_meter(&self, host: &Host) -> Outcome<Reading> {
        let names = self.suite.processes().join(",");
        let output = host.run(tools::command(&["meter", &names])).map_err(|error| error.to_string())?;
        Reading::parse(&output.stdout).ok_or_else(|| format!("the meter says {:?}", output.stderr))
    }
}

fn add_host(lab: &Lab, name: &str, number: u16, load: Load) -> Outcome<Host> {
    let links: Result<Vec<Link>, lab::Error> = (0..load.links())
        .map(|link| {
            let address = format!("{}/16", host_address(link, number));
            Link::new(&format!("eth{link}"), &format!("bridge{link}"), &[&address])
        })
        .collect();
    let added = links.and_then(|links| lab.add_host_with(name, links));
    added.map_err(|error| error.to_string())
}

/// How many virtual addresses a host holds: they alone have prefixes of full length.
pub(crate) fn virtual_addresses(host: &Host) -> Outcome<usize> {
    let held = host.addresses().map_err(|error| error.to_string())?;
    Ok(held.iter().filter(|it| it.address.is_ipv4() && it.prefix == 32).count())
}

/// The address of a stage with one virtual router.
pub(crate) fn the_address() -> String {
    virtual_address(0, 1)
}

/// Starts one of our tools on a host.
pub(crate) fn spawn_tool(host: &Host, words: &[&str]) -> Outcome<Proc> {
    host.spawn(Spec::new(tools::command(words))).map_err(|error| error.to_string())
}

/// The rest of the line that a tool begins with `word`.
pub(crate) fn told(tool: &Proc, word: &str) -> Outcome<String> {
    let line = tool.wait_for_line(LIMIT, |text| text.starts_with(word));
    let line = line.ok_or_else(|| format!("a tool didn't say '{word}' within {LIMIT:?}"))?;
    Ok(line.text.strip_prefix(word).unwrap_or_default().trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_the_rfcs() {
        assert_eq!(down_interval(Duration::from_secs(1)), Duration::from_nanos(3_609_375_000));
        assert_eq!(skew(Duration::from_millis(10)), Duration::from_nanos(6_093_750));
    }
}
