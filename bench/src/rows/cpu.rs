//! What an advert costs while nothing happens, the kernel's share included: most of it, so that what a program can do is to
//! wake up seldom and to send and receive much at a time.

use std::time::Duration;

use crate::Outcome;
use crate::meter::Reading;
use crate::stage::{Stage, pause, virtual_addresses};
use crate::suite::{Load, Suite};
use crate::table::{Compared, Line, Target};

const LOADS: [Load; 3] = [
    Load::of(255, Duration::from_millis(10)),
    Load::of(1020, Duration::from_millis(100)),
    Load::of(4080, Duration::from_millis(100)),
];
/// How long is measured.
const WINDOW: Duration = Duration::from_secs(20);

pub(super) fn measure(runs: usize) -> Vec<Line> {
    LOADS
        .into_iter()
        .flat_map(|load| {
            let what = format!("{} instances x {} ms", load.instances, load.interval.as_millis());
            let compared = Compared::measure(&what, runs, |suite| steady(suite, load));
            [
                compared.line(0, format!("{what}: CPU per advert sent"), "us", Target::Ratio(0.55)),
                compared.line(1, format!("{what}: CPU per advert received"), "us", Target::Ratio(0.6)),
                compared.line(2, format!("{what}: master"), "% of a CPU", Target::Open),
                compared.line(3, format!("{what}: backup"), "% of a CPU", Target::Open),
                compared.line(4, format!("{what}: adverts sent of those that are due"), "%", Target::Open),
            ]
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "figures of a table")]
fn steady(suite: Suite, load: Load) -> Outcome<Vec<f64>> {
    let stage = Stage::new(suite, load)?;
    let _running = stage.settle()?;
    let look =
        || -> Outcome<(Reading, Reading)> { Ok((stage.read_meter(&stage.a)?, stage.read_meter(&stage.b)?)) };
    let begin = sys::clock::now();
    let before = look()?;
    pause(WINDOW);
    let after = look()?;
    let seconds = sys::clock::now().since(begin).as_secs_f64();
    let taken_over = virtual_addresses(&stage.b)?;
    if taken_over > 0 {
        return Err(format!("the backup took over {taken_over} addresses"));
    }
    let (a, b) = (after.0.since(before.0), after.1.since(before.1));
    let due = f64::from(load.instances) * seconds / load.interval.as_secs_f64();
    let per = |nanos: u64, adverts: u64| nanos as f64 / 1e3 / adverts.max(1) as f64;
    let percent = |nanos: u64| nanos as f64 / 1e7 / seconds;
    Ok(vec![
        per(a.cpu, a.sent),
        per(b.cpu, b.received),
        percent(a.cpu),
        percent(b.cpu),
        a.sent as f64 * 100.0 / due,
    ])
}
