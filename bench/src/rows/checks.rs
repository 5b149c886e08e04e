//! What a check costs, a script's own time included, and whether adverts are late for it.
//!
//! The script is /usr/bin/true, every second: what is left is what starting, watching and burying a process takes. keepalived
//! forks in the thread that sends its adverts. A probe needs no process; keepalived's figure beside it is that of the script
//! with which its users ask the same, at a tenth of the rate, which it can keep up with.

use std::fmt::Write as _;
use std::time::Duration;

use lab::Packet;

use crate::Outcome;
use crate::meter::Reading;
use crate::stage::{LIMIT, Stage, pause, spawn_tool, told, virtual_addresses};
use crate::suite::{CONFIG, Load, Suite};
use crate::table::{Compared, Line, Target};

/// How many scripts run every second, and by how many milliseconds no advert may be late meanwhile.
const SCRIPTS: [(u32, f64); 4] = [(10, 2.0), (100, 2.0), (500, 2.0), (2000, 5.0)];
/// How many probes are made every second.
const PROBES: u32 = 1000;
/// How many times fewer scripts keepalived runs instead.
const FEWER: u32 = 10;
/// Where the probed service listens.
const PORT: u16 = 7;
/// Often enough that an advert meets the start of scripts.
const ADVERTS: Duration = Duration::from_millis(100);
/// How long both get until every check has been made once.
const SETTLING: Duration = Duration::from_secs(3);
/// How long is measured.
const WINDOW: Duration = Duration::from_secs(10);

/// What is asked, in the words of the configuration.
#[derive(Clone, Copy, Debug)]
struct Question {
    name: &'static str,
    probe: &'static str,
    script: &'static str,
}

const TRUE: Question =
    Question { name: "true", probe: "script \"/usr/bin/true\"", script: "script \"/usr/bin/true\"" };
const QUESTIONS: [Question; 3] = [
    Question {
        name: "tcp_connect",
        probe: "tcp_connect 127.0.0.1:7",
        script: "script \"/bin/bash -c '</dev/tcp/127.0.0.1/7'\"",
    },
    Question {
        name: "process",
        probe: "process handover-bench",
        script: "script \"/usr/bin/killall -0 handover-bench\"",
    },
    Question {
        name: "file",
        probe: "file /etc/hostname",
        script: "script \"/usr/bin/test -e /etc/hostname\"",
    },
];

pub(super) fn measure(runs: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for (count, late) in SCRIPTS {
        let what = format!("{count} scripts a second");
        let compared = Compared::measure(&what, runs, |suite| {
            let (idle, busy) = (observe(suite, TRUE, 0)?, observe(suite, TRUE, count)?);
            let floor = if suite == Suite::Keepalived { busy.per_check() } else { least(count)? };
            Ok(vec![busy.per_check(), busy.per_check_beyond(&idle), floor, busy.late, busy.share()])
        });
        let least = format!("{what}: CPU per check, and (in our column) of posix_spawn alone");
        let beyond = format!("{what}: CPU per check beyond what the program takes without any");
        let longest = format!("{what}: longest interval between adverts over the nominal");
        lines.push(compared.line(0, format!("{what}: CPU per check"), "us", Target::Ratio(0.75)));
        lines.push(compared.line(1, beyond, "us", Target::Open));
        lines.push(compared.line(2, least, "us", Target::Open));
        lines.push(compared.line(3, longest, "ms", Target::AtMost(late)));
        lines.push(compared.line(4, format!("{what}: checks made of those wanted"), "%", Target::Open));
    }
    for question in QUESTIONS {
        let what =
            format!("{} as a probe {PROBES} times a second, as a script {}", question.name, PROBES / FEWER);
        let compared = Compared::measure(&what, runs, |suite| {
            let count = match suite {
                Suite::Keepalived => PROBES / FEWER,
                Suite::Handover => PROBES,
            };
            Ok(vec![observe(suite, question, count)?.per_check()])
        });
        lines.push(compared.line(0, format!("{what}: CPU per check"), "us", Target::Open));
    }
    lines
}

/// What was seen in a window.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// CPU time of the program and of the children that it waited for, in microseconds per second.
    cpu: f64,
    /// Checks per second: made, and wanted.
    made: f64,
    wanted: f64,
    /// How many milliseconds the longest interval between two adverts was longer than it should be.
    late: f64,
}

impl Seen {
    fn per_check(&self) -> f64 {
        self.cpu / self.made
    }

    fn per_check_beyond(&self, idle: &Self) -> f64 {
        (self.cpu - idle.cpu) / self.made
    }

    fn share(&self) -> f64 {
        self.made / self.wanted * 100.0
    }
}

/// The words in which a program is asked.
const fn asked(suite: Suite, question: Question) -> &'static str {
    match suite {
        Suite::Keepalived => question.script,
        Suite::Handover => question.probe,
    }
}

/// One router that is alone, and tracks every check without effect on its priority beyond what all of them have.
fn config(suite: Suite, question: Question, count: u32) -> String {
    let asked = asked(suite, question);
    let mut text = "global_defs {\nscript_user root\nenable_script_security\n}\n".to_owned();
    let mut tracked = String::new();
    for number in 0..count {
        // Writing to a string can't fail.
        let _ = write!(text, "vrrp_script s{number} {{\n{asked}\ninterval 1\n}}\n");
        let _ = writeln!(tracked, "s{number}");
    }
    let instance = Load::single(ADVERTS).config(100);
    if count == 0 {
        return text + &instance;
    }
    text + &instance
        .replace("virtual_ipaddress {", &format!("track_script {{\n{tracked}}}\nvirtual_ipaddress {{"))
}

#[expect(clippy::cast_precision_loss, reason = "figures of a table")]
fn observe(suite: Suite, question: Question, count: u32) -> Outcome<Seen> {
    let stage = Stage::new(suite, Load::single(ADVERTS))?;
    let service = spawn_tool(&stage.a, &["accept", &PORT.to_string()])?;
    told(&service, "ready")?;
    stage.a.write_file(CONFIG, &config(suite, question, count), 0o600).map_err(|error| error.to_string())?;
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
    // Each script is one process, and next to nothing else starts any meanwhile.
    let by_script = asked(suite, question).starts_with("script");
    let wanted = f64::from(count);
    Ok(Seen {
        cpu: used.with_children() as f64 / 1e3 / seconds,
        made: if by_script { used.started as f64 / seconds } else { wanted },
        wanted,
        late: (longest - ADVERTS.as_secs_f64()) * 1e3,
    })
}

/// What starting and burying the script takes by itself, in microseconds: nobody can do with less.
fn least(count: u32) -> Outcome<f64> {
    let stage = Stage::new(Suite::Handover, Load::single(ADVERTS))?;
    let seconds = WINDOW.as_secs().to_string();
    let tool = spawn_tool(&stage.a, &["start", "/usr/bin/true", &count.to_string(), &seconds])?;
    let nanos: f64 = told(&tool, "took")?.parse().map_err(|error| format!("{error}"))?;
    Ok(nanos / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_is_tracked() {
        let text = config(Suite::Handover, TRUE, 3);
        assert!(text.contains("track_script {\ns0\ns1\ns2\n}\nvirtual_ipaddress {"), "{text}");
        assert_eq!(text.matches("vrrp_script").count(), 3);
    }

    #[test]
    fn without_checks_nothing_is_tracked_and_time_is_told_apart() {
        assert!(!config(Suite::Handover, TRUE, 0).contains("track_script"));
        let idle = Seen { cpu: 4000.0, made: 0.0, wanted: 0.0, late: 0.0 };
        let busy = Seen { cpu: 12_000.0, made: 10.0, wanted: 20.0, late: 0.0 };
        assert_eq!([busy.per_check(), busy.per_check_beyond(&idle), busy.share()], [1200.0, 800.0, 50.0]);
    }

    #[test]
    fn only_handover_is_asked_to_probe() {
        let probe = QUESTIONS[0];
        assert!(config(Suite::Handover, probe, 1).contains(&format!("tcp_connect 127.0.0.1:{PORT}\n")));
        assert!(!config(Suite::Keepalived, probe, 1).contains("tcp_connect"));
    }
}
