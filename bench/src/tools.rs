//! What this program does on a lab's hosts: it sees addresses come, asks and answers, takes connections, floods, listens and
//! reads meters.
//!
//! Tools print lines; times in them are `CLOCK_BOOTTIME` in nanoseconds, which is the same on every host of a lab and
//! for its owner.

mod accept;
mod add;
mod address;
mod ear;
mod flood;
mod memory;
mod neighbour;
mod present;
mod requests;
mod start;

use std::fmt::Display;
use std::io::Write as _;

use crate::Outcome;
use crate::meter::Reading;

/// The word before a tool's name on our command line.
pub(crate) const SUBCOMMAND: &str = "on-host";
/// This program's name beside the others.
const PROGRAM: &str = "handover-bench";

/// The command line of a tool.
pub(crate) fn command(words: &[&str]) -> Vec<String> {
    let program = format!("{}/{PROGRAM}", lab::PROGRAMS);
    [&program, SUBCOMMAND].into_iter().chain(words.iter().copied()).map(str::to_owned).collect()
}

/// Runs a tool.
pub(crate) fn run(words: &[String]) -> Outcome<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["accept", port] => accept::serve(parse(port)?),
        ["add", count] => add::add(parse(count)?),
        ["address", address] => address::watch(parse(address)?),
        ["answer", port] => requests::answer(parse(port)?),
        ["ask", address, port, millis] => requests::ask(parse(address)?, parse(port)?, parse(millis)?),
        ["ear", links, instances] => ear::listen(parse(links)?, parse(instances)?),
        ["flood", source, rate, interval, millis] => flood::run(&flood::Flood {
            source: parse(source)?,
            rate: parse(rate)?,
            interval_centis: parse(interval)?,
            millis: parse(millis)?,
        }),
        ["neighbour", master, count] => neighbour::listen(parse(master)?, parse(count)?),
        ["present", addresses @ ..] => present::wait(addresses),
        ["memory", names] => memory::tell(&names.split(',').collect::<Vec<_>>()),
        ["meter", names] => say(Reading::take(&names.split(',').collect::<Vec<_>>())?),
        ["start", program, rate, seconds] => start::repeat(program, parse(rate)?, parse(seconds)?),
        _ => Err(format!("there is no such tool: {words:?}")),
    }
}

fn parse<T: std::str::FromStr<Err: Display>>(word: &str) -> Outcome<T> {
    word.parse().map_err(|error| format!("{word}: {error}"))
}

/// Prints a line.
fn say(line: impl Display) -> Outcome<()> {
    writeln!(std::io::stdout(), "{line}").map_err(|error| format!("print: {error}"))
}
