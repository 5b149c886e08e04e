//! Adding many addresses: the way in which ipmgr does it beside `ip -batch`, which shows what the kernel itself costs.

use std::fmt::Write as _;
use std::time::Duration;

use crate::Outcome;
use crate::stage::{Stage, virtual_addresses};
use crate::suite::{Load, Suite, further_address};
use crate::table::{Compared, Line, Target};
use crate::tools;

/// How many addresses are added to an interface.
const COUNTS: [u16; 2] = [1000, 5000];
/// Nothing is started, so nothing is ever sent.
const INTERVAL: Duration = Duration::from_secs(1);

pub(super) fn measure(runs: usize) -> Vec<Line> {
    COUNTS
        .into_iter()
        .map(|count| {
            let what = format!("{count} addresses added: `ip -batch`, and ipmgr's way");
            let compared = Compared::measure(&what, runs, |suite| add(suite, count));
            compared.line(0, what, "ms", Target::Ratio(0.5))
        })
        .collect()
}

/// keepalived's column is `ip -batch`'s.
fn add(suite: Suite, count: u16) -> Outcome<Vec<f64>> {
    let stage = Stage::new(suite, Load::single(INTERVAL))?;
    let mut lines = String::new();
    for number in 0..count {
        // Writing to a string can't fail.
        let _ = writeln!(lines, "address add {}/32 dev eth0", further_address(number));
    }
    let written = stage.a.write_file("/run/batch", &lines, 0o600);
    written.map_err(|error| error.to_string())?;
    let command = match suite {
        Suite::Keepalived => ["ip", "-batch", "/run/batch"].map(str::to_owned).into(),
        Suite::Handover => tools::command(&["add", &count.to_string()]),
    };
    let begin = sys::clock::now();
    let output = stage.a.run(command).map_err(|error| error.to_string())?;
    let took = sys::clock::now().since(begin);
    match (output.success(), virtual_addresses(&stage.a)?) {
        (true, held) if held == usize::from(count) => Ok(vec![took.as_secs_f64() * 1e3]),
        (_, held) => Err(format!("{held} of {count} addresses: {}", output.stderr)),
    }
}
