//! Whether adverts keep to their schedule, or each is late and the next one counts from there.

use std::time::Duration;

use lab::Packet;

use crate::Outcome;
use crate::stage::{Stage, pause};
use crate::suite::{Load, Suite};
use crate::table::{Compared, Line, Target};

/// `advert_int`, and how many intervals are observed.
const INTERVALS: [(Duration, u32); 2] = [(Duration::from_millis(100), 50), (Duration::from_millis(10), 500)];
/// Milliseconds per interval that count as none: what one late advert at the end of a window makes.
const NONE: f64 = 0.02;

pub(super) fn measure(runs: usize) -> Vec<Line> {
    INTERVALS
        .into_iter()
        .flat_map(|(interval, count)| {
            let what = format!("advert_int {}", interval.as_secs_f64());
            let compared = Compared::measure(&what, runs, |suite| observe(suite, interval, count));
            [
                compared.line(
                    0,
                    format!("{what}: mean interval over the nominal"),
                    "ms",
                    Target::AtMost(NONE),
                ),
                compared.line(1, format!("{what}: longest interval over the nominal"), "ms", Target::Open),
            ]
        })
        .collect()
}

fn observe(suite: Suite, interval: Duration, count: u32) -> Outcome<Vec<f64>> {
    let stage = Stage::new(suite, Load::single(interval))?;
    let _running = stage.settle()?;
    let capture = stage.lab.capture().map_err(|error| error.to_string())?;
    pause(interval * count);
    let frames = capture.take();
    let adverts = frames.iter().filter(|it| it.host == "a" && matches!(it.packet, Packet::Vrrp { .. }));
    let at: Vec<f64> = adverts.map(|it| it.at.since(model::Instant::ZERO).as_secs_f64() * 1e3).collect();
    let gaps: Vec<f64> = at
        .iter()
        .zip(at.iter().skip(1))
        .map(|(one, next)| next - one - interval.as_secs_f64() * 1e3)
        .collect();
    // An advert that is missing would be no drift but a gap: it shows in the longest.
    let seen = u32::try_from(gaps.len()).unwrap_or(u32::MAX);
    if seen < count / 2 {
        return Err(format!("{seen} intervals were seen of {count}"));
    }
    Ok(vec![gaps.iter().sum::<f64>() / f64::from(seen), gaps.iter().copied().fold(f64::MIN, f64::max)])
}
