//! `make bench`: what Handover costs and how quick it is, beside the machine's own keepalived, on a lab's hosts.
//!
//! Absolute figures depend on the machine and on who else uses it, so every figure here has keepalived's of the same run
//! beside it: runs alternate, and the table gives medians with the extremes and their ratio. It must never touch
//! anything outside of its labs. Read `docs/benchmarks.md` first: what each row means.

mod meter;
mod rows;
mod stage;
mod suite;
mod table;
mod tools;

use std::io::Write as _;
use std::process::ExitCode;

use argh::FromArgs;

/// A sentence that says what went wrong, for the table or for the person who started us.
type Outcome<T> = Result<T, String>;

/// Measures Handover beside keepalived.
#[derive(FromArgs, Debug)]
struct Arguments {
    /// rows to measure, by name, with commas between them (default: all)
    #[argh(option)]
    rows: Option<String>,
    /// runs of each program for each figure (default: each row's own number)
    #[argh(option)]
    runs: Option<usize>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.split_first() {
        // A lab starts its owner's program again, for its agent and on its hosts.
        Some((first, rest)) if first == "lab-agent" => lab::agent::run(rest),
        Some((first, rest)) if first == tools::SUBCOMMAND => end(tools::run(rest)),
        Some(_) | None => end(bench(&argh::from_env())),
    }
}

fn end(outcome: Outcome<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // There is nowhere else to say it.
            let _ = writeln!(std::io::stderr(), "handover-bench: {why}");
            ExitCode::FAILURE
        }
    }
}

fn bench(arguments: &Arguments) -> Outcome<()> {
    let rows = rows::select(arguments.rows.as_deref())?;
    let mut lines = Vec::new();
    for row in rows {
        progress(&format!("{}: {}", row.name, row.about));
        lines.extend((row.measure)(arguments.runs.unwrap_or(row.runs)));
    }
    let table = table::render(&lines);
    write!(std::io::stdout(), "\n{table}").map_err(|error| format!("print the table: {error}"))
}

/// Says what is being done, since it takes minutes.
fn progress(text: &str) {
    // Who doesn't listen misses nothing that the table doesn't say.
    let _ = writeln!(std::io::stderr(), "{text}");
}
