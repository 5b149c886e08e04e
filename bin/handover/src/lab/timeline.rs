//! The story as it is printed: one line per thing that happened, with the seconds since the start.
//!
//! Readable without colour; colour only on a terminal, and never with `NO_COLOR` (<https://no-color.org>).

use std::io::IsTerminal as _;

use model::Instant;

const BOLD: &str = "1";
const GREEN: &str = "32";
const RED: &str = "31";
const DIM: &str = "2";

/// Where the story goes.
#[derive(Debug)]
pub(super) struct Timeline {
    start: Instant,
    colour: bool,
}

impl Timeline {
    /// Starts to count now.
    pub(super) fn start() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { start: sys::clock::now(), colour: wanted && std::io::stdout().is_terminal() }
    }

    /// The headline of an act.
    pub(super) fn headline(&self, text: &str) {
        crate::say(&format!("\n{}\n", self.paint(BOLD, text)));
    }

    /// Something that happened: when, where, what, and why.
    pub(super) fn line(&self, at: Instant, who: &str, what: &str, text: &str) {
        let seconds = at.since(self.start).as_secs_f64();
        let what = format!("{what:<8}");
        let what = match what.trim_end() {
            "MASTER" | "served" => self.paint(GREEN, &what),
            "FAULT" | "killed" | "silence" => self.paint(RED, &what),
            _ => what,
        };
        crate::say(&format!("+{seconds:8.3} s  {who:<10}  {what}  {text}\n"));
    }

    /// The outcome of an act.
    pub(super) fn outcome(&self, good: bool, text: &str) {
        let (word, colour) = if good { ("  ok     ", GREEN) } else { ("  FAILED ", RED) };
        crate::say(&format!("{} {text}\n", self.paint(colour, word)));
    }

    /// Something beside the story.
    pub(super) fn remark(&self, text: &str) {
        crate::say(&format!("{}\n", self.paint(DIM, text)));
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
