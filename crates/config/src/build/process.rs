//! `vrrp_track_process`: a check that counts processes. docs/checks.md is the prose.
//!
//! keepalived follows each fork and exit of the host; here they are counted at an interval, and the end of one that was
//! found is seen at once. Its delays become `rise` and `fall`: so many counts in a row have to agree.

use std::time::Duration;

use model::CheckName;

use super::{Named, bad_name};
use crate::diagnostic::{Complaints, Diagnostic};
use crate::directives::Place;
use crate::model::{Check, CommandLine, Fit, Probe, Processes, Role};
use crate::section::Section;

/// From one count to the next, unless a delay is shorter.
const INTERVAL: Duration = Duration::from_secs(1);
/// No delay makes it shorter than this: all of /proc is read for what isn't found.
const LEAST_INTERVAL: Duration = Duration::from_millis(100);

/// `None` after a complaint.
pub(super) fn check(block: &Named<'_>, complaints: &mut Complaints) -> Option<Check> {
    let span = block.name.span;
    let mut section = Section::new(Place::Process);
    section.read(block.block, complaints);
    let processes = processes(block, &section, complaints);
    let delay = |word| section.seconds(word).or_else(|| section.seconds("delay")).unwrap_or_default();
    let (coming, going) = (delay("fork_delay"), delay("terminate_delay"));
    let shortest = [coming, going].into_iter().filter(|delay| !delay.is_zero()).min();
    let interval = shortest.map_or(INTERVAL, |delay| delay.clamp(LEAST_INTERVAL, INTERVAL));
    let name = CheckName::new(block.name.text);
    let name = name.map_err(|error| complaints.push(bad_name(span, &error))).ok()?;
    Some(Check {
        name,
        probe: Probe::Process(processes?),
        interval,
        timeout: interval,
        rise: counts(coming, interval),
        fall: counts(going, interval),
        weight: section.weight("weight").unwrap_or_default(),
        init_fail: false,
        role: Role::Any,
        user: None,
        given: section.words(),
        span,
    })
}

/// How many counts in a row have to agree, so that a delay has gone by from the first to the last.
fn counts(delay: Duration, interval: Duration) -> u32 {
    let more = delay.as_nanos().div_ceil(interval.as_nanos().max(1));
    u32::try_from(more).unwrap_or(u32::MAX).saturating_add(1)
}

fn processes(block: &Named<'_>, section: &Section<'_>, complaints: &mut Complaints) -> Option<Processes> {
    if section.given("process").is_none() {
        let message = format!(
            "`vrrp_track_process {}` has no `process`, so there is nothing to look for",
            block.name.text
        );
        let help = "add, for example: process haproxy";
        complaints.push(Diagnostic::error("missing-word", block.name.span, message).help(help));
        return None;
    }
    let (program, arguments) = section.texts("process").split_first()?;
    let count = |word| section.number(word).and_then(|number| u32::try_from(number).ok());
    let (least, most) = (count("quorum").unwrap_or(1), count("quorum_max"));
    // keepalived has no minimum then: none may run.
    let least = if most == Some(0) { 0 } else { least };
    if let (Some(most), Some(span)) = (most.filter(|most| *most < least), section.given("quorum_max")) {
        let message = format!("at least {least} and at most {most} processes can't be");
        let help = "give a `quorum_max` that isn't less than `quorum`";
        complaints.push(Diagnostic::error("conflict", span, message).help(help));
        return None;
    }
    Some(Processes {
        program: program.text.to_owned(),
        command_line: command_line(section, program.text, arguments.iter().map(|word| word.text.to_owned())),
        least,
        most,
    })
}

/// What is asked of the command line, if anything is.
fn command_line(
    section: &Section<'_>,
    program: &str,
    arguments: impl Iterator<Item = String>,
) -> Option<CommandLine> {
    let arguments: Vec<String> = arguments.collect();
    let by_name = !program.contains('/') && section.given("full_command").is_none();
    let fit = match (section.given("param_match"), section.choice("param_match")) {
        (Some(_), "partial") => Fit::Partial,
        (Some(_), "initial") => Fit::Initial,
        (Some(_), _) => Fit::Exact,
        (None, _) if !arguments.is_empty() => Fit::Exact,
        (None, _) if by_name => return None,
        (None, _) => Fit::Partial,
    };
    Some(CommandLine { arguments, fit })
}
