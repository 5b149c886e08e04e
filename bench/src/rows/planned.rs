//! The master is stopped as an administrator stops it. A client on the link asks every millisecond.

use std::time::Duration;

use lab::Signal;

use crate::Outcome;
use crate::stage::{Stage, pause, skew, spawn_tool, the_address, told};
use crate::suite::{Load, Suite};
use crate::table::{Compared, Line, Target};

const INTERVALS: [Duration; 2] = [Duration::from_secs(1), Duration::from_millis(100)];
const PORT: &str = "5000";
/// How long the client asks besides the skew.
const AROUND: Duration = Duration::from_millis(2000);
/// How long it asks before anything happens.
const BEFORE: Duration = Duration::from_millis(500);

pub(super) fn measure(runs: usize) -> Vec<Line> {
    INTERVALS
        .into_iter()
        .flat_map(|interval| {
            let what = format!("planned hand-over, advert_int {}", interval.as_secs_f64());
            let compared = Compared::measure(&what, runs, |suite| stop(suite, interval));
            [
                compared.line(0, format!("{what}: requests lost"), "of 1 a ms", Target::AtMost(0.0)),
                compared.line(
                    1,
                    format!("{what}: longest gap between answered requests"),
                    "ms",
                    Target::Open,
                ),
            ]
        })
        .collect()
}

fn stop(suite: Suite, interval: Duration) -> Outcome<Vec<f64>> {
    let stage = Stage::new(suite, Load::single(interval))?;
    let client = stage.add_bystander("client", 3)?;
    let [master, _backup] = stage.settle()?;
    let mut servers = Vec::new();
    for host in [&stage.a, &stage.b] {
        let server = spawn_tool(host, &["answer", PORT])?;
        told(&server, "answering")?;
        servers.push(server);
    }
    let asking = (AROUND + skew(interval)).as_millis().to_string();
    let ask = spawn_tool(&client, &["ask", &the_address(), PORT, &asking])?;
    told(&ask, "answered")?;
    pause(BEFORE);
    master.kill(Signal::TERM).map_err(|error| error.to_string())?;
    let result = told(&ask, "lost")?;
    let values: Result<Vec<f64>, _> = result.split_whitespace().map(str::parse).collect();
    values.map_err(|error| format!("the client says {result}: {error}"))
}
