//! `track_file`: a number in a file that moves priorities. docs/checks.md is the prose.

use std::time::Duration;

use model::CheckName;

use super::{Named, bad_name, probe};
use crate::diagnostic::{Complaints, Diagnostic, quote};
use crate::directives::Place;
use crate::lexer::Word;
use crate::model::{Check, Initial, NumberFile, Probe, Role, Weight};
use crate::section::Section;

/// From one look to the next, for what isn't told of at once.
const INTERVAL: Duration = Duration::from_secs(1);

/// `None` after a complaint.
pub(super) fn check(block: &Named<'_>, complaints: &mut Complaints) -> Option<Check> {
    let span = block.name.span;
    let mut section = Section::new(Place::File);
    section.read(block.block, complaints);
    let initial = initial(&section, complaints);
    if section.given("file").is_none() {
        let message = format!("`track_file {}` has no `file`, so there is nothing to read", block.name.text);
        let help = "add the path of the file: file /run/load";
        complaints.push(Diagnostic::error("missing-word", span, message).help(help));
    }
    let path = probe::path(section.text("file")?, complaints)?;
    let name = CheckName::new(block.name.text);
    let name = name.map_err(|error| complaints.push(bad_name(span, &error))).ok()?;
    Some(Check {
        name,
        probe: Probe::Number(NumberFile { path, initial }),
        interval: INTERVAL,
        timeout: INTERVAL,
        rise: 1,
        fall: 1,
        weight: section.weight("weight").unwrap_or(Weight { value: 1, reverse: false }),
        init_fail: false,
        role: Role::Any,
        user: None,
        given: section.words(),
        span,
    })
}

/// `init_file [NUMBER] [overwrite]`, in either order.
fn initial(section: &Section<'_>, complaints: &mut Complaints) -> Option<Initial> {
    section.given("init_file")?;
    let mut initial = Initial { number: 0, overwrite: false };
    for word in section.texts("init_file") {
        match (word.text, word.text.parse()) {
            ("overwrite", _) => initial.overwrite = true,
            (_, Ok(number)) => initial.number = number,
            (_, Err(_)) => complaints.push(unfit(word)),
        }
    }
    Some(initial)
}

fn unfit(word: &Word<'_>) -> Diagnostic {
    let message = format!("{} is neither a number nor `overwrite`", quote(word.text));
    Diagnostic::error("bad-value", word.span, message).help("write, for example: init_file 0 overwrite")
}
