//! What a check by a script costs, the script's own time included, and whether adverts are late for it.
//!
//! The script is /usr/bin/true, every second: what is left is what starting, watching and burying a process takes. keepalived
//! forks in the thread that sends its adverts.

use std::fmt::Write as _;
use std::time::Duration;

use lab::Packet;

use crate::Outcome;
use crate::meter::Reading;
use crate::stage::{LIMIT, Stage, pause, virtual_addresses};
use crate::suite::{CONFIG, Load, Suite};
use crate::table::{Compared, Line, Target};

/// How many scripts run every second.
const SCRIPTS: [u32; 3] = [10, 100, 500];
/// Often enough that an advert meets the start of scripts.
const ADVERTS: Duration = Duration::from_millis(100);
/// How long both get until every script has run once.
const SETTLING: Duration = Duration::from_secs(3);
/// How long is measured.
const WINDOW: Duration = Duration::from_secs(10);
/// Milliseconds by which no advert may be late.
const LATE: f64 = 2.0;

pub(super) fn measure(runs: usize) -> Vec<Line> {
    SCRIPTS
        .into_iter()
        .flat_map(|scripts| {
            let what = format!("{scripts} scripts a second");
            let compared = Compared::measure(&what, runs, |suite| observe(suite, scripts));
            [
                compared.line(0, format!("{what}: CPU per check"), "us", Target::Ratio(0.75)),
                compared.line(
                    1,
                    format!("{what}: longest interval between adverts over the nominal"),
                    "ms",
                    Target::AtMost(LATE),
                ),
            ]
        })
        .collect()
}

/// One router that is alone, and tracks every script without effect on its priority beyond what all of them have.
fn config(scripts: u32) -> String {
    let mut text = "global_defs {\nscript_user root\nenable_script_security\n}\n".to_owned();
    let mut tracked = String::new();
    for number in 0..scripts {
        // Writing to a string can't fail.
        let _ = write!(text, "vrrp_script s{number} {{\nscript \"/usr/bin/true\"\ninterval 1\n}}\n");
        let _ = writeln!(tracked, "s{number}");
    }
    let instance = Load::single(ADVERTS).config(100);
    text + &instance
        .replace("virtual_ipaddress {", &format!("track_script {{\n{tracked}}}\nvirtual_ipaddress {{"))
}

#[expect(clippy::cast_precision_loss, reason = "figures of a table")]
fn observe(suite: Suite, scripts: u32) -> Outcome<Vec<f64>> {
    let stage = Stage::new(suite, Load::single(ADVERTS))?;
    stage.a.write_file(CONFIG, &config(scripts), 0o600).map_err(|error| error.to_string())?;
    let _running = stage.start(&stage.a)?;
    if !stage.lab.wait_for(LIMIT, || virtual_addresses(&stage.a).is_ok_and(|held| held == 1)) {
        return Err(format!("{suite} isn't master after {LIMIT:?}"));
    }
    pause(SETTLING);
    let capture = stage.lab.capture().map_err(|error| error.to_string())?;
    let look = || -> Outcome<Reading> { stage.read_meter(&stage.a) };
    let (begin, before) = (sys::clock::now(), look()?);
    pause(WINDOW);
    let (seconds, used) = (sys::clock::now().since(begin).as_secs_f64(), look()?.since(before));
    let frames = capture.take();
    let adverts = frames.iter().filter(|it| it.host == "a" && matches!(it.packet, Packet::Vrrp { .. }));
    let at: Vec<f64> = adverts.map(|it| it.at.since(model::Instant::ZERO).as_secs_f64()).collect();
    let longest = at.iter().zip(at.iter().skip(1)).map(|(one, next)| next - one).fold(0.0, f64::max);
    let checks = seconds * f64::from(scripts);
    Ok(vec![used.with_children() as f64 / 1e3 / checks, (longest - ADVERTS.as_secs_f64()) * 1e3])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_is_tracked() {
        let text = config(3);
        assert!(text.contains("track_script {\ns0\ns1\ns2\n}\nvirtual_ipaddress {"), "{text}");
        assert_eq!(text.matches("vrrp_script").count(), 3);
    }
}
