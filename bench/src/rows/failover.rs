//! The master's host dies. The floor is the protocol's: Active_Down_Interval after the last advert that was on the wire
//! (RFC 9568 6.1); everything after it is the program's.

use std::time::Duration;

use lab::{Capture, Frame, Packet};
use model::Instant;

use crate::Outcome;
use crate::stage::{LIMIT, Stage, down_interval, millis, pause, spawn_tool, the_address, told};
use crate::suite::{Load, Suite};
use crate::table::{Compared, Line, Target};

/// `advert_int`, and how many times more runs than asked for: short ones cost little and scatter more.
const INTERVALS: [(Duration, usize); 3] =
    [(Duration::from_secs(1), 1), (Duration::from_millis(100), 2), (Duration::from_millis(10), 2)];

pub(super) fn measure(runs: usize) -> Vec<Line> {
    INTERVALS
        .into_iter()
        .flat_map(|(interval, more)| {
            let what = format!("host crash, advert_int {}", interval.as_secs_f64());
            let compared = Compared::measure(&what, runs * more, |suite| crash(suite, interval));
            [
                compared.line(0, format!("{what}: first advert over the floor"), "ms", Target::Open),
                compared.line(
                    1,
                    format!("{what}: address on the backup over the floor"),
                    "ms",
                    Target::Ratio(1.0),
                ),
                compared.line(2, format!("{what}: announced (ARP) over the floor"), "ms", Target::Open),
            ]
        })
        .collect()
}

fn crash(suite: Suite, interval: Duration) -> Outcome<Vec<f64>> {
    let stage = Stage::new(suite, Load::single(interval))?;
    let capture = stage.lab.capture().map_err(|error| error.to_string())?;
    let _running = stage.settle()?;
    let watch = spawn_tool(&stage.b, &["address", &the_address()])?;
    told(&watch, "watching")?;
    pause(interval);
    let kill = stage.a.kill_all().and_then(|()| stage.a.link_down("eth0"));
    kill.map_err(|error| error.to_string())?;
    let there: u64 = told(&watch, "there")?.parse().map_err(|error| format!("a time: {error}"))?;
    let times = Times::find(&capture)?;
    let floor = times.last_advert + down_interval(interval);
    let over = |at: Instant| millis(at) - millis(floor);
    Ok(vec![over(times.first_advert), over(Instant::from_nanos(there)), over(times.announced)])
}

/// What was on the bridge.
struct Times {
    /// The dead master's.
    last_advert: Instant,
    /// The new master's.
    first_advert: Instant,
    announced: Instant,
}

impl Times {
    fn find(capture: &Capture) -> Outcome<Self> {
        let is_announcement = |frame: &Frame| match &frame.packet {
            Packet::Arp { sender, target, .. } => {
                frame.host == "b" && sender == target && sender.to_string() == the_address()
            }
            Packet::Vrrp { .. } | Packet::NeighbourAdvertisement { .. } => false,
        };
        let is_advert = |frame: &Frame| matches!(frame.packet, Packet::Vrrp { .. });
        let (mut last_advert, mut first_advert) = (None, None);
        let mut note = |frame: &Frame| match frame.host.as_str() {
            "a" if is_advert(frame) => last_advert = Some(frame.at),
            "b" if is_advert(frame) => first_advert = first_advert.or(Some(frame.at)),
            _ => {}
        };
        // One call takes everything up to the announcement, the other forms being told on the way.
        let seen = std::cell::RefCell::new(&mut note);
        let announced = capture.wait_for(LIMIT, |frame| {
            (seen.borrow_mut())(frame);
            is_announcement(frame)
        });
        let missing = |what: &str| format!("{what} was not seen");
        Ok(Self {
            announced: announced.ok_or_else(|| missing("the announcement"))?.at,
            last_advert: last_advert.ok_or_else(|| missing("an advert of the master"))?,
            first_advert: first_advert.ok_or_else(|| missing("an advert of the backup"))?,
        })
    }
}
