//! Somebody sends adverts for our virtual router with a wrong checksum. Whoever drops them has to go on as if nothing
//! had been there.

use std::time::Duration;

use crate::Outcome;
use crate::stage::{Stage, pause, spawn_tool, told};
use crate::suite::{Load, Suite, host_address};
use crate::table::{Compared, Line, Target};

/// Packets a second, and the `advert_int` at which there are two of them per interval, at least.
const FLOODS: [(u32, Duration); 3] =
    [(2, Duration::from_secs(1)), (20, Duration::from_millis(100)), (50_000, Duration::from_millis(100))];
/// How long it lasts.
const WINDOW: Duration = Duration::from_secs(10);
/// What of the window is measured: it begins once the flood has.
const MEASURED: Duration = Duration::from_secs(8);
/// Adverts that the two ends of a window may cut off.
const EDGES: f64 = 1.0;

pub(super) fn measure(runs: usize) -> Vec<Line> {
    FLOODS
        .into_iter()
        .flat_map(|(rate, interval)| {
            let what = format!("{rate} bad packets/s, advert_int {}", interval.as_secs_f64());
            let compared = Compared::measure(&what, runs, |suite| withstand(suite, rate, interval));
            [
                compared.line(0, format!("{what}: adverts of the master missing"), "%", Target::AtMost(0.0)),
                compared.line(1, format!("{what}: adverts of the backup"), "", Target::AtMost(0.0)),
                compared.line(2, format!("{what}: master"), "% of a CPU", Target::Open),
            ]
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "figures of a table")]
fn withstand(suite: Suite, rate: u32, interval: Duration) -> Outcome<Vec<f64>> {
    let stage = Stage::new(suite, Load::single(interval))?;
    let stranger = stage.add_bystander("stranger", 3)?;
    let _running = stage.settle()?;
    let centis = (interval.as_millis() / 10).to_string();
    let (rate, millis) = (rate.to_string(), WINDOW.as_millis().to_string());
    let flood = spawn_tool(&stranger, &["flood", &host_address(0, 3), &rate, &centis, &millis])?;
    pause(interval);
    let begin = sys::clock::now();
    let before = (stage.read_meter(&stage.a)?, stage.read_meter(&stage.b)?);
    pause(MEASURED);
    let after = (stage.read_meter(&stage.a)?, stage.read_meter(&stage.b)?);
    let seconds = sys::clock::now().since(begin).as_secs_f64();
    told(&flood, "sent")?;
    let (a, b) = (after.0.since(before.0), after.1.since(before.1));
    let due = seconds / interval.as_secs_f64();
    let missing = (due - EDGES - a.sent as f64).max(0.0) / due * 100.0;
    Ok(vec![missing, b.sent as f64, a.cpu as f64 / 1e7 / seconds])
}
