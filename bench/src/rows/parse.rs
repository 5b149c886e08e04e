//! Reading and checking a configuration: `handover check FILE` beside `keepalived -t -f FILE`, from the command to its end.
//!
//! Four times and sixteen times the file show whether that takes four and sixteen times as long.

use std::fmt::Write as _;
use std::time::Duration;

use crate::Outcome;
use crate::stage::Stage;
use crate::suite::{CONFIG, Load, Suite};
use crate::table::{Compared, Line, Target};

/// How many instances, and how many scripts of which each is tracked once.
const SIZES: [(u16, u16); 3] = [(255, 625), (1020, 2500), (4080, 10_000)];
/// Bytes of a file at most.
const PART: usize = 200_000;
/// Between two blocks that are in no other: the end of one, and how the next one begins.
const BLOCK_END: &str = "}\n";
const NEXT_BLOCK: &str = "}\nvrrp_";
const INTERVAL: Duration = Duration::from_secs(1);

pub(super) fn measure(runs: usize) -> Vec<Line> {
    SIZES
        .into_iter()
        .map(|(instances, scripts)| {
            let what = format!("check of a file of {instances} instances and {scripts} scripts");
            let compared = Compared::measure(&what, runs, |suite| read(suite, instances, scripts));
            compared.line(0, what, "ms", Target::Ratio(1.0))
        })
        .collect()
}

/// The scripts are dealt out to the instances in turn.
fn config(instances: u16, scripts: u16) -> String {
    let mut text = "global_defs {\nscript_user root\nenable_script_security\n}\n".to_owned();
    for number in 0..scripts {
        // Writing to a string can't fail, here and below.
        let _ = write!(text, "vrrp_script s{number} {{\nscript \"/usr/bin/true\"\ninterval 1\n}}\n");
    }
    let routers = Load::of(instances, INTERVAL).config(100);
    for (number, block) in (0..).zip(routers.split_inclusive("virtual_ipaddress {")) {
        let Some(before) = block.strip_suffix("virtual_ipaddress {") else {
            text += block;
            continue;
        };
        text += before;
        text += "track_script {\n";
        for script in (number..scripts).step_by(instances.into()) {
            let _ = writeln!(text, "s{script}");
        }
        text += "}\nvirtual_ipaddress {";
    }
    text
}

/// The text in pieces that end where a block does: a lab's message is bounded.
fn parts(mut text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    while let Some(end) = text.get(..PART).and_then(|start| start.rfind(NEXT_BLOCK)) {
        let (part, rest) = text.split_at(end + BLOCK_END.len());
        parts.push(part);
        text = rest;
    }
    parts.push(text);
    parts
}

fn read(suite: Suite, instances: u16, scripts: u16) -> Outcome<Vec<f64>> {
    let stage = Stage::new(suite, Load::of(instances, INTERVAL))?;
    let write =
        |path: &str, text: &str| stage.a.write_file(path, text, 0o600).map_err(|error| error.to_string());
    for (number, part) in parts(&config(instances, scripts)).into_iter().enumerate() {
        write(&format!("{CONFIG}.part{number:02}"), part)?;
    }
    write(CONFIG, &format!("include {CONFIG}.part*\n"))?;
    let command = suite.check_command()?;
    let begin = sys::clock::now();
    let output = stage.a.run(&command).map_err(|error| error.to_string())?;
    let took = sys::clock::now().since(begin);
    if output.success() {
        Ok(vec![took.as_secs_f64() * 1e3])
    } else {
        Err(format!("{suite} says {:?}", output.stderr.lines().next().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_whole_blocks() {
        let text = config(1020, 2500);
        let parts = parts(&text);
        assert!(parts.len() > 1 && parts.concat() == text);
        assert!(
            parts
                .iter()
                .all(|part| part.len() <= PART && part.matches('{').count() == part.matches('}').count())
        );
    }

    #[test]
    fn every_script_is_tracked_once() {
        let text = config(2, 5);
        assert!(text.contains("track_script {\ns0\ns2\ns4\n}\nvirtual_ipaddress {\n10.1.0.1/32"), "{text}");
        assert!(text.contains("track_script {\ns1\ns3\n}\nvirtual_ipaddress {\n10.1.0.2/32"), "{text}");
        assert_eq!(text.matches('{').count(), text.matches('}').count());
    }
}
