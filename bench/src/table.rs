//! Figures of two programs, and the table that is made of them. Knows nothing of what was measured.

use std::fmt;
use std::fmt::Write as _;

use crate::suite::Suite;
use crate::{Outcome, progress};

/// What every run of one program gave: a value per figure, or why there is none.
#[derive(Debug, Default)]
struct Runs {
    values: Vec<Vec<f64>>,
    failures: Vec<String>,
}

/// Runs of both programs.
#[derive(Debug)]
pub(crate) struct Compared {
    keepalived: Runs,
    handover: Runs,
}

impl Compared {
    /// Measures in turn, keepalived first, `runs` times each. `measure` gives the same number of values every time.
    pub(crate) fn measure(what: &str, runs: usize, measure: impl Fn(Suite) -> Outcome<Vec<f64>>) -> Self {
        let mut compared = Self { keepalived: Runs::default(), handover: Runs::default() };
        for run in 1..=runs {
            for suite in Suite::BOTH {
                let outcome = measure(suite);
                progress(&format!("  {what}, run {run} of {runs}, {suite}: {outcome:.3?}"));
                let of = match suite {
                    Suite::Keepalived => &mut compared.keepalived,
                    Suite::Handover => &mut compared.handover,
                };
                match outcome {
                    Ok(values) => of.values.push(values),
                    Err(why) => of.failures.push(why),
                }
            }
        }
        compared
    }

    /// The line of the figure that is at `place` among the values of a run.
    pub(crate) fn line(
        &self,
        place: usize,
        what: impl Into<String>,
        unit: &'static str,
        target: Target,
    ) -> Line {
        let of = |runs: &Runs| Figure::new(runs, place);
        Line {
            what: what.into(),
            unit,
            target,
            keepalived: of(&self.keepalived),
            handover: of(&self.handover),
        }
    }
}

/// What we want to see.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    /// Our median is at most this times keepalived's.
    Ratio(f64),
    /// Our median is at most this, whatever keepalived's is.
    AtMost(f64),
    /// None is set: it is worth knowing.
    Open,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ratio(ratio) => write!(f, "ratio <= {ratio}"),
            Self::AtMost(value) => write!(f, "<= {value}"),
            Self::Open => Ok(()),
        }
    }
}

/// One program's side of a line.
#[derive(Clone, Debug, PartialEq)]
enum Figure {
    Measured { median: f64, least: f64, most: f64, failed: usize },
    Missing(String),
}

impl Figure {
    fn new(runs: &Runs, place: usize) -> Self {
        let mut values: Vec<f64> =
            runs.values.iter().filter_map(|values| values.get(place).copied()).collect();
        values.sort_by(f64::total_cmp);
        match (median(&values), values.first(), values.last()) {
            (Some(median), Some(&least), Some(&most)) => {
                Self::Measured { median, least, most, failed: runs.failures.len() }
            }
            (Some(_) | None, ..) => {
                Self::Missing(runs.failures.first().cloned().unwrap_or_else(|| "no run".to_owned()))
            }
        }
    }

    const fn median(&self) -> Option<f64> {
        match self {
            Self::Measured { median, .. } => Some(*median),
            Self::Missing(_) => None,
        }
    }
}

/// Of sorted values; the mean of the middle two of an even number.
fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    if sorted.len().is_multiple_of(2) { Some(sorted.get(middle - 1)?.midpoint(upper)) } else { Some(upper) }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Measured { median, least, most, failed } => {
                write!(f, "{median:.2} ({least:.2}..{most:.2})")?;
                if *failed > 0 {
                    write!(f, ", {failed} runs failed")?;
                }
                Ok(())
            }
            Self::Missing(why) => write!(f, "not measured: {why}"),
        }
    }
}

/// A line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    what: String,
    unit: &'static str,
    keepalived: Figure,
    handover: Figure,
    target: Target,
}

impl Line {
    /// Ours over keepalived's. Nobody's nothing is a ratio.
    fn ratio(&self) -> Option<f64> {
        let (theirs, ours) = (self.keepalived.median()?, self.handover.median()?);
        (theirs > 0.0).then_some(ours / theirs)
    }

    fn is_met(&self) -> Option<bool> {
        match self.target {
            Target::Ratio(limit) => self.ratio().map(|ratio| ratio <= limit),
            Target::AtMost(limit) => self.handover.median().map(|ours| ours <= limit),
            Target::Open => None,
        }
    }
}

/// Markdown, medians with extremes.
pub(crate) fn render(lines: &[Line]) -> String {
    let mut text = "| what | unit | keepalived | Handover | ratio | target | met |\n\
                    |---|---|---|---|---|---|---|\n"
        .to_owned();
    for line in lines {
        let ratio = line.ratio().map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        let met = line.is_met().map_or("", |met| if met { "yes" } else { "**no**" });
        let Line { what, unit, keepalived, handover, target } = line;
        // Writing to a string can't fail.
        let _ =
            writeln!(text, "| {what} | {unit} | {keepalived} | {handover} | {ratio} | {target} | {met} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(keepalived: &[f64], handover: Outcome<&[f64]>) -> Compared {
        let runs = |values: &[f64]| Runs {
            values: values.iter().map(|value| vec![*value]).collect(),
            failures: Vec::new(),
        };
        let handover = match handover {
            Ok(values) => runs(values),
            Err(why) => Runs { values: Vec::new(), failures: vec![why] },
        };
        Compared { keepalived: runs(keepalived), handover }
    }

    #[test]
    fn medians_extremes_and_their_ratio() {
        let compared = compared(&[4.0, 1.0, 3.0], Ok(&[1.0, 2.0]));
        let line = compared.line(0, "x", "ms", Target::Ratio(0.5));
        let row = "| x | ms | 3.00 (1.00..4.00) | 1.50 (1.00..2.00) | 0.50 | ratio <= 0.5 | yes |";
        assert_eq!(render(&[line]).lines().last(), Some(row));
        let line = compared.line(0, "x", "ms", Target::AtMost(1.0));
        assert_eq!(line.is_met(), Some(false));
    }

    #[test]
    fn what_could_not_be_measured_says_why() {
        let line = compared(&[1.0], Err("it did not start".into())).line(0, "x", "ms", Target::Ratio(1.0));
        assert_eq!(line.is_met(), None);
        assert!(render(&[line]).contains("| not measured: it did not start |"));
    }

    #[test]
    fn nothing_is_no_measure_for_a_ratio() {
        let line = compared(&[0.0], Ok(&[0.0])).line(0, "x", "", Target::AtMost(0.0));
        assert_eq!((line.ratio(), line.is_met()), (None, Some(true)));
    }
}
