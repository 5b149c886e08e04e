//! The rows of the table: each a question of its own, in the order of their importance.

mod addresses;
mod bad_packets;
mod checks;
mod cpu;
mod drift;
mod failover;
mod memory;
mod parse;
mod planned;
mod start;
mod takeover;

use crate::Outcome;
use crate::table::Line;

/// Something to measure.
#[derive(Debug)]
pub(crate) struct Row {
    /// For `--rows`.
    pub(crate) name: &'static str,
    /// What it asks.
    pub(crate) about: &'static str,
    /// How often each program is measured where nothing else is wanted.
    pub(crate) runs: usize,
    /// Measures both programs that often, in turn.
    pub(crate) measure: fn(usize) -> Vec<Line>,
}

const ROWS: [Row; 11] = [
    Row {
        name: "failover",
        about: "how long after the protocol's floor the address is on the backup when its master's host dies",
        runs: 5,
        measure: failover::measure,
    },
    Row {
        name: "planned",
        about: "what a client loses when the master is stopped",
        runs: 5,
        measure: planned::measure,
    },
    Row { name: "cpu", about: "CPU time per advert, sent and received", runs: 3, measure: cpu::measure },
    Row {
        name: "drift",
        about: "how much longer than configured an interval is",
        runs: 5,
        measure: drift::measure,
    },
    Row {
        name: "bad-packets",
        about: "adverts that are missing while packets come in that must be dropped",
        runs: 3,
        measure: bad_packets::measure,
    },
    Row {
        name: "checks",
        about: "CPU time per check by a script, and adverts that are late for it",
        runs: 3,
        measure: checks::measure,
    },
    Row {
        name: "start",
        about: "from the command to the advert of every instance",
        runs: 5,
        measure: start::measure,
    },
    Row {
        name: "addresses",
        about: "how long it takes to add thousands of addresses, beside `ip -batch`",
        runs: 3,
        measure: addresses::measure,
    },
    Row {
        name: "takeover",
        about: "how long after the protocol's floor thousands of addresses are there and announced",
        runs: 3,
        measure: takeover::measure,
    },
    Row { name: "memory", about: "memory of all processes", runs: 1, measure: memory::measure },
    Row { name: "parse", about: "reading and checking a file", runs: 5, measure: parse::measure },
];

/// The rows that are named, or all.
///
/// # Errors
/// A name that no row has.
pub(crate) fn select(names: Option<&str>) -> Outcome<Vec<Row>> {
    let Some(names) = names.filter(|names| !names.is_empty()) else { return Ok(ROWS.into()) };
    let find = |name: &str| {
        let known = || ROWS.map(|row| row.name).join(", ");
        ROWS.into_iter()
            .find(|row| row.name == name)
            .ok_or_else(|| format!("no row {name}; there are {}", known()))
    };
    names.split(',').map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_chosen_by_name() {
        let names = |words| select(words).map(|rows| rows.iter().map(|row| row.name).collect::<Vec<_>>());
        assert_eq!(names(Some("cpu,start")), Ok(vec!["cpu", "start"]));
        assert_eq!(names(None).map(|all| all.len()), Ok(ROWS.len()));
        assert_eq!(names(Some("")), names(None));
        assert!(names(Some("cpu,moon")).is_err_and(|why| why.contains("no row moon; there are failover,")));
    }
}
