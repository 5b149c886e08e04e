//! How much memory all processes of a router need together, as the backup of everything.

use std::time::Duration;

use crate::Outcome;
use crate::stage::Stage;
use crate::suite::{Load, Suite};
use crate::table::{Compared, Line, Target};
use crate::tools;

const COUNTS: [u16; 2] = [1, 4080];
const INTERVAL: Duration = Duration::from_secs(1);

pub(super) fn measure(runs: usize) -> Vec<Line> {
    COUNTS
        .into_iter()
        .map(|instances| {
            let what = format!("memory with {instances} instances, all processes (PSS)");
            let compared = Compared::measure(&what, runs, |suite| need(suite, instances));
            compared.line(0, what, "MiB", Target::Open)
        })
        .collect()
}

fn need(suite: Suite, instances: u16) -> Outcome<Vec<f64>> {
    let stage = Stage::new(suite, Load::of(instances, INTERVAL))?;
    let _running = stage.settle()?;
    let names = suite.processes().join(",");
    let output = stage.b.run(tools::command(&["memory", &names])).map_err(|error| error.to_string())?;
    let kilobytes: u32 = output.stdout.trim().parse().map_err(|error| format!("memory: {error}"))?;
    Ok(vec![f64::from(kilobytes) / 1024.0])
}
