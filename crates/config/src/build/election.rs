//! Who is MASTER and when: `state`, `priority`, `nopreempt`, `preempt_delay`, `advert_int`.

use std::time::Duration;

use model::{Priority, ProtocolVersion};

use crate::diagnostic::{Complaints, Diagnostic};
use crate::model::Instance;
use crate::section::Section;
use crate::source::Span;

/// What twelve bits of hundredths of a second can tell (RFC 9568 5.2.7).
const MAX_INTERVAL_V3: Duration = Duration::from_micros(40_950_000);
const STEP_V2: Duration = Duration::from_secs(1);
const STEP_V3: Duration = Duration::from_millis(10);

/// Whether MASTER is wished for, and the base priority.
pub(super) fn priority(section: &Section<'_>, complaints: &mut Complaints) -> (bool, Priority) {
    let wants_master = section.choice("state") == "MASTER";
    if let (true, None, Some(state)) = (wants_master, section.given("priority"), section.given("state")) {
        let message = "`state MASTER` without `priority` means priority 255, the owner of the addresses";
        let help = "add `priority 100` (or whatever is meant): it is the priority that decides who is MASTER";
        complaints.push(Diagnostic::warning("implied-owner", state, message).help(help));
        return (true, Priority::OWNER);
    }
    let number = section.number("priority").and_then(|number| u8::try_from(number).ok());
    let priority = number.map_or(Priority::DEFAULT, Priority);
    match (priority, section.given("priority"), section.given("state")) {
        (Priority::OWNER, _, Some(state)) if !wants_master => {
            let message = "an owner with `state BACKUP` waits like everybody else until no master is heard";
            let help = "remove the line, or lower the priority below 255";
            complaints.push(Diagnostic::warning("owner-waits", state, message).help(help));
        }
        (Priority::OWNER, Some(span), _) => {
            let message =
                "priority 255 makes this router the owner: it takes over at once, and no check changes that";
            let help = "254 is the highest priority of a router that can be outvoted";
            complaints.push(Diagnostic::note("owner", span, message).help(help));
        }
        _ => {}
    }
    // keepalived: an owner that doesn't say BACKUP starts as MASTER.
    let owner = priority == Priority::OWNER && section.given("state").is_none();
    (wants_master || owner, priority)
}

/// Accept mode: whether the addresses may be talked to. An owner's always may (RFC 9568 6.4.3); those of others if strict
/// mode lets them, `may`, and nobody has forbidden it.
pub(super) fn accepts(
    section: &Section<'_>,
    priority: Priority,
    may: bool,
    complaints: &mut Complaints,
) -> bool {
    let refuses = section.given("no_accept");
    if let (Some(span), Some(second)) = (section.given("accept"), refuses) {
        let message = "`accept` and `no_accept` contradict each other";
        complaints.push(
            Diagnostic::error("conflict", second, message)
                .related(span, "given here")
                .keepalived("goes by the last one")
                .help("remove one of them; without both, the addresses answer, unless in strict mode"),
        );
    }
    (may && refuses.is_none()) || priority == Priority::OWNER
}

/// Weights that can't do what they are meant to do.
pub(super) fn judge_weights(instance: &Instance, complaints: &mut Complaints) {
    let checks = instance.checks.iter().map(|check| (check.weight, check.span, "check"));
    let links = instance.links.iter().map(|link| (link.weight, link.span, "interface"));
    let Some((_, span, what)) = checks.chain(links).find(|(weight, ..)| weight.value != 0) else { return };
    if instance.priority == Priority::OWNER {
        let message =
            format!("the weight of this {what} has no effect: the priority of an owner never changes");
        let help = "lower the priority below 255, or give no weight: then its failure means FAULT";
        complaints.push(Diagnostic::warning("owner-weight", span, message).help(help));
    } else if !instance.preempt {
        complaints.push(nopreempt_weight(span));
    }
}

/// A weight, and nobody who would act on it.
pub(super) fn nopreempt_weight(span: Span) -> Diagnostic {
    let message =
        "with `nopreempt` this router never takes over from a master whose priority fell below its own";
    let help = "remove `nopreempt`, or the weights on all routers: without weight a failure means FAULT, which is taken over from";
    Diagnostic::warning("nopreempt-weight", span, message).help(help)
}

/// Whether a lower master is taken over from, and after how long.
pub(super) fn preemption(
    section: &Section<'_>,
    wants_master: bool,
    priority: Priority,
    complaints: &mut Complaints,
) -> (bool, Duration) {
    let (no, yes) = (section.given("nopreempt"), section.given("preempt"));
    let asked = match (no, yes) {
        (Some(no), Some(yes)) => {
            let (first, last) = if section.is_later("preempt", "nopreempt") { (no, yes) } else { (yes, no) };
            complaints.push(
                Diagnostic::warning(
                    "given-twice",
                    last,
                    "`preempt` and `nopreempt` are both given; the last one counts",
                )
                .related(first, "given here first")
                .help("remove one of them"),
            );
            last == yes
        }
        (no, _) => no.is_none(),
    };
    let never_waits = wants_master || priority == Priority::OWNER;
    if let (false, true, Some(span)) = (asked, never_waits, no) {
        let message = "`nopreempt` has no effect with `state MASTER` or priority 255: the router preempts";
        let help = "write `state BACKUP` on all routers of the group";
        complaints.push(Diagnostic::warning("nopreempt-ignored", span, message).help(help));
    }
    let preempt = asked || never_waits;
    let delay = section.seconds("preempt_delay").unwrap_or_default();
    let Some(span) = section.given("preempt_delay").filter(|_| !delay.is_zero() && (never_waits || !preempt))
    else {
        return (preempt, delay);
    };
    let message = "`preempt_delay` has no effect with `state MASTER`, priority 255 or `nopreempt`";
    let help = "write `state BACKUP`, and `preempt_delay` without `nopreempt`";
    complaints.push(Diagnostic::warning("delay-ignored", span, message).help(help));
    (preempt, Duration::ZERO)
}

pub(super) fn advert_interval(
    section: &Section<'_>,
    version: ProtocolVersion,
    complaints: &mut Complaints,
) -> Duration {
    let asked = section.seconds("advert_int").unwrap_or(STEP_V2);
    let Some(span) = section.given("advert_int") else { return asked };
    let (step, what, help) = match version {
        ProtocolVersion::V2 => {
            (STEP_V2, "VRRPv2 counts whole seconds", "write it so, or use `version 3` on all routers")
        }
        ProtocolVersion::V3 => (STEP_V3, "VRRPv3 counts hundredths of a second", "write it so"),
    };
    if version == ProtocolVersion::V3 && asked > MAX_INTERVAL_V3 {
        let message = "VRRPv3 can't tell an interval of more than 40.95 seconds";
        complaints.push(Diagnostic::error("out-of-range", span, message).help("choose a shorter one"));
        return MAX_INTERVAL_V3;
    }
    let steps = (asked.as_micros() + step.as_micros() / 2) / step.as_micros();
    let rounded = u32::try_from(steps).map_or(MAX_INTERVAL_V3, |steps| step * steps.max(1));
    if rounded != asked {
        let message = format!("{what}: {} s becomes {} s", asked.as_secs_f64(), rounded.as_secs_f64());
        complaints.push(Diagnostic::warning("rounded", span, message).help(help));
    }
    rounded
}
