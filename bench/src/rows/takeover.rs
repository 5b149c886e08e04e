//! The master of thousands of addresses dies, half an interval after an advert: how long until the kernel of the other one has
//! all addresses, and until a third host was told of each.
//!
//! Most of that is the protocol's, for the instance whose turn is last, and depends on when each advertised last; what is over
//! that floor is the program's alone.

use std::time::Duration;

use model::Instant;

use crate::Outcome;
use crate::stage::{Stage, down_interval, millis, pause, spawn_tool, told};
use crate::suite::{Load, Suite};
use crate::table::{Compared, Line, Target};

const INTERVAL: Duration = Duration::from_secs(1);
/// One instance with many addresses, and many instances with one each.
const LOADS: [Load; 3] = [
    Load { instances: 1, further: 999, interval: INTERVAL },
    Load { instances: 1, further: 4999, interval: INTERVAL },
    Load::of(1020, INTERVAL),
];
/// The number of the first host, which is master.
const MASTER: &str = "1";
/// The number of the host that listens.
const LISTENER: u16 = 9;

pub(super) fn measure(runs: usize) -> Vec<Line> {
    LOADS
        .into_iter()
        .flat_map(|load| {
            let what = format!("takeover, {} x {} addresses", load.instances, load.further + 1);
            let compared = Compared::measure(&what, runs, |suite| take_over(suite, load));
            let line = |place, until: &str, target| {
                compared.line(place, format!("{what}: all {until}"), "ms", target)
            };
            [
                line(0, "on the backup", Target::Ratio(1.0)),
                line(1, "announced (ARP)", Target::Ratio(1.0)),
                line(2, "on the backup, over the floor", Target::Open),
                line(3, "announced, over the floor", Target::Open),
            ]
        })
        .collect()
}

fn take_over(suite: Suite, load: Load) -> Outcome<Vec<f64>> {
    let stage = Stage::new(suite, load)?;
    let third = stage.add_bystander("c", LISTENER)?;
    let _running = stage.settle()?;
    let addresses: Vec<String> = load.addresses().collect();
    let mut words = vec!["present"];
    words.extend(addresses.iter().map(String::as_str));
    let present = spawn_tool(&stage.b, &words)?;
    told(&present, "watching")?;
    let neighbour = spawn_tool(&third, &["neighbour", MASTER, &addresses.len().to_string()])?;
    told(&neighbour, "listening")?;
    told(&neighbour, "advert")?;
    pause(INTERVAL / 2);
    let died = millis(sys::clock::now());
    let links = (0..load.links()).map(|link| stage.a.link_down(&format!("eth{link}")));
    let dead: Result<Vec<()>, _> = std::iter::once(stage.a.kill_all()).chain(links).collect();
    dead.map_err(|error| error.to_string())?;
    let there = millis(time(&told(&present, "there")?)?);
    let all = told(&neighbour, "all")?;
    let (announced, last) = all.split_once(' ').ok_or_else(|| format!("two times, and not {all}"))?;
    let announced = millis(time(announced)?);
    let floor = millis(time(last)? + down_interval(INTERVAL));
    Ok(vec![there - died, announced - died, there - floor, announced - floor])
}

fn time(word: &str) -> Outcome<Instant> {
    word.parse().map(Instant::from_nanos).map_err(|error| format!("a time: {error}"))
}
