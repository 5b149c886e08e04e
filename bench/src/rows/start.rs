//! From the command to the first advert of every instance. The host owns all addresses (priority 255), so there is
//! nothing to wait for but the program.

use std::time::Duration;

use model::Instant;

use crate::Outcome;
use crate::stage::{Stage, spawn_tool, told};
use crate::suite::{CONFIG, Load, Suite};
use crate::table::{Compared, Line, Target};

const COUNTS: [u16; 3] = [1, 1020, 4080];
/// Long enough that nobody advertises twice meanwhile, which would cost time of its own.
const INTERVAL: Duration = Duration::from_secs(10);

pub(super) fn measure(runs: usize) -> Vec<Line> {
    COUNTS
        .into_iter()
        .flat_map(|instances| {
            let what = format!("start of {instances} instances");
            let compared = Compared::measure(&what, runs, |suite| start(suite, instances));
            [
                compared.line(0, format!("{what}: to the first advert"), "ms", Target::Open),
                compared.line(1, format!("{what}: to all adverts"), "ms", Target::Ratio(1.0)),
            ]
        })
        .collect()
}

fn start(suite: Suite, instances: u16) -> Outcome<Vec<f64>> {
    let load = Load::of(instances, INTERVAL);
    let stage = Stage::new(suite, load)?;
    let written = stage.a.write_file(CONFIG, &load.config(u8::MAX), 0o600);
    written.map_err(|error| error.to_string())?;
    let ear = spawn_tool(&stage.b, &["ear", &load.links().to_string(), &instances.to_string()])?;
    told(&ear, "listening")?;
    let begin = sys::clock::now();
    let _running = stage.start(&stage.a)?;
    let heard = |word| -> Outcome<f64> {
        let nanos: u64 = told(&ear, word)?.parse().map_err(|error| format!("a time: {error}"))?;
        Ok(Instant::from_nanos(nanos).since(begin).as_secs_f64() * 1e3)
    };
    Ok(vec![heard("first")?, heard("all")?])
}
