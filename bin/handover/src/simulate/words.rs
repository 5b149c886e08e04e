//! What happened, for a person: the sums behind every priority, and for each failure one line with the reason.
//!
//! Whoever reads "never" has to be able to check it by hand (pain B1), so every number here is one that the simulator
//! used; nothing is computed again.

use config::Instance;
use model::{CheckName, Priority, ProtocolVersion};
use sim::{Arithmetic, Ending, Report};

use super::mishap::{Kind, Mishap, Range, seconds};
use super::outcome::{Outcome, holders};
use super::plan::{Member, Router, uses};
use super::stage::{Finding, Stage, Story, Study, ending};
use super::timeline::{self, state_word};

/// Everything, in the order in which it is asked: how things stand, what happens, what every failure does.
pub(crate) fn render(stage: &Stage<'_>, story: Option<&Story>, singles: &[Study]) -> String {
    let mut out = String::new();
    for router in &stage.plan.routers {
        out += &standing(stage, router);
    }
    if let Some(trouble) = &stage.trouble {
        out += &format!("This can't be right: {trouble}\n");
    }
    if let Some(story) = story {
        out += "\n";
        out += &timeline::render(&timeline::entries(stage, story));
        if !story.mishaps.is_empty() {
            out += "\n";
            for router in &stage.plan.routers {
                out += &format!("In the end {} is on {}.\n", router.name(), owners(router, &story.report));
            }
        }
    }
    if !singles.is_empty() {
        out += match singles {
            [_] => "\n",
            _ => "\nEach failure alone, from the state above:\n",
        };
        out += &table(stage, singles);
    }
    out
}

fn table(stage: &Stage<'_>, singles: &[Study]) -> String {
    let width =
        singles.iter().map(|study| study.mishap.to_string().chars().count()).max().unwrap_or_default();
    let several = stage.plan.routers.len() > 1;
    let mut out = String::new();
    for study in singles {
        for (router, finding) in concerned(stage, study) {
            let mishap = study.mishap.to_string();
            let name = if several { format!("{}: ", router.name()) } else { String::new() };
            out += &format!("  {mishap:width$}  {name}{}\n", sentence(stage, study, router, finding));
        }
    }
    out
}

/// The virtual routers for which a failure could have mattered, or did.
pub(crate) fn concerned<'s>(
    stage: &'s Stage<'_>,
    study: &'s Study,
) -> impl Iterator<Item = (&'s Router, &'s Finding)> {
    stage.plan.routers.iter().zip(&study.findings).filter(|(router, finding)| {
        let Some(member) = router.member(study.mishap.node) else { return false };
        let near = match &study.mishap.kind {
            Kind::Check(check, _) => member.instance.checks.iter().any(|tracked| tracked.check == *check),
            Kind::Link(link) => uses(&member.instance).any(|used| used == link),
            Kind::Crash | Kind::Partition | Kind::Pause(_) => true,
        };
        near || !matches!(finding.outcome, Outcome::Stays(_) | Outcome::Vacant)
    })
}

/// How a virtual router stands before anything goes wrong.
fn standing(stage: &Stage<'_>, router: &Router) -> String {
    let Some(first) = router.members.first().map(|member| &member.instance) else { return String::new() };
    let addresses = first.addresses.iter().map(|it| format!("{}/{}", it.address, it.prefix));
    let mut out = format!(
        "{}: VRID {} on {}, {}\n",
        router.name(),
        first.vrid,
        first.link,
        addresses.collect::<Vec<_>>().join(" ")
    );
    for member in &router.members {
        let Some(ending) = ending(&stage.start, member) else { continue };
        out += &format!("  {}  {}  priority {}", member.name, state_word(ending.told), sum(&ending.priority));
        if !ending.reasons.is_empty() {
            out += &format!(": {}", ending.reasons.join("; "));
        }
        out.push('\n');
    }
    if let Some(check) = deadlock(stage, router) {
        out += &format!(
            "  Nobody can begin: {check} passes only on the master, and without a weight it keeps everybody from it.\n"
        );
    }
    for difference in differences(router) {
        out += &format!("  The nodes differ in {difference}: they will not understand each other.\n");
    }
    out
}

/// A check that has to pass before anybody is master, and passes only after.
fn deadlock<'s>(stage: &'s Stage<'_>, router: &Router) -> Option<&'s CheckName> {
    let decides = |member: &Member, check: &CheckName| {
        let alone = |tracked: &config::TrackedCheck| tracked.check == *check && tracked.weight.value == 0;
        stage.plan.holds_back(member, check) && member.instance.checks.iter().any(alone)
    };
    stage.plan.following.iter().find(|check| router.members.iter().all(|member| decides(member, check)))
}

/// What makes routers ignore each other's adverts.
fn differences(router: &Router) -> Vec<&'static str> {
    let Some((first, others)) = router.members.split_first() else { return Vec::new() };
    let one = &first.instance;
    let differ =
        |differs: fn(&Instance, &Instance) -> bool| others.iter().any(|it| differs(one, &it.instance));
    let found = [
        ("the version of VRRP", differ(|one, other| one.version != other.version)),
        ("authentication", differ(|one, other| one.credential != other.credential)),
        (
            "advert_int",
            one.version == ProtocolVersion::V2
                && differ(|one, other| one.advert_interval != other.advert_interval),
        ),
    ];
    found.into_iter().filter(|(_, differs)| *differs).map(|(what, _)| what).collect()
}

/// `103 - 2 = 101`: base, what the checks make of it, result.
pub(crate) fn sum(arithmetic: &Arithmetic) -> String {
    let Arithmetic { base, contributions, effective } = arithmetic;
    if *base == Priority::OWNER {
        return format!("{base} (owner of the addresses)");
    }
    if contributions.is_empty() {
        return base.to_string();
    }
    let mut text = base.to_string();
    let mut total = i32::from(base.0);
    for (_, weight) in contributions {
        total += weight;
        text += &format!(" {} {}", if *weight < 0 { '-' } else { '+' }, weight.abs());
    }
    text += &format!(" = {total}");
    if total == i32::from(effective.0) { text } else { format!("{text} (counts as {effective})") }
}

fn owners(router: &Router, report: &Report) -> String {
    let holders = holders(router, report);
    let names: Vec<&str> =
        holders.iter().filter_map(|it| router.member(*it)).map(|it| it.name.as_str()).collect();
    if names.is_empty() { "no node".to_owned() } else { names.join(" and ") }
}

/// Several owners: `a and b both`.
fn both(router: &Router, report: &Report) -> String {
    let word = if holders(router, report).len() > 2 { "all" } else { "both" };
    format!("{} {word}", owners(router, report))
}

/// What a failure does to a virtual router, and why.
pub(crate) fn sentence(stage: &Stage<'_>, study: &Study, router: &Router, finding: &Finding) -> String {
    let name = |node| router.member(node).map_or("?", |member| member.name.as_str());
    let after = || delay(&study.mishap, finding.after.unwrap_or_default());
    match &finding.outcome {
        Outcome::Vacant => "nobody has the address, before or after".to_owned(),
        Outcome::Lost => format!("the address is lost: {}", excuses(study, router)),
        Outcome::Moves(to, _) => format!("moves to {} after {}", name(*to), after()),
        Outcome::Returns(to, _, back) => {
            let had = owners(router, &stage.start);
            format!("moves to {} after {}, and back to {had} after {}", name(*to), after(), seconds(*back))
        }
        Outcome::Split(None) => {
            format!("{} have the address, as before", both(router, &study.report))
        }
        Outcome::Split(Some(_)) => {
            let owners = both(router, &study.report);
            format!("{owners} have the address after {}: they don't hear each other", after())
        }
        Outcome::Restless(times) => {
            format!("never comes to rest: the address moves {times} times and would go on")
        }
        Outcome::Stays(on) => match router.member(*on) {
            Some(holder) if *on == study.mishap.node => never(stage, study, router, holder),
            Some(_) | None => bystander(study, router, name(*on)),
        },
    }
}

/// The whole delay, and its parts where there are two.
fn delay(mishap: &Mishap, election: Range) -> String {
    let unnoticed = mishap.unnoticed();
    if unnoticed == Range::default() {
        return election.to_string();
    }
    format!("{} ({unnoticed} until the check is down, then {election})", unnoticed.plus(election))
}

/// The failure is on a node that doesn't have the address.
fn bystander(study: &Study, router: &Router, holder: &str) -> String {
    let member = router.member(study.mishap.node);
    let standing = member.and_then(|it| ending(&study.report, it));
    match (&study.mishap.kind, member, standing) {
        (Kind::Check(..) | Kind::Link(_), Some(member), Some(ending)) if !ending.eligible => format!(
            "stays on {holder}; {} is in {} and could not take over",
            member.name,
            state_word(ending.told)
        ),
        (Kind::Check(..) | Kind::Link(_), Some(member), Some(ending)) => {
            format!("stays on {holder}; {} goes on as backup with {}", member.name, sum(&ending.priority))
        }
        (Kind::Check(..) | Kind::Link(_) | Kind::Crash | Kind::Partition | Kind::Pause(_), ..) => {
            format!("stays on {holder}")
        }
    }
}

/// The failure is on the node that has the address, and the address doesn't move.
fn never(stage: &Stage<'_>, study: &Study, router: &Router, holder: &Member) -> String {
    let Mishap { kind, name, .. } = &study.mishap;
    let rivals: Vec<(&Member, &Ending)> = router
        .members
        .iter()
        .filter(|member| member.node != holder.node)
        .filter_map(|member| Some((member, ending(&study.report, member)?)))
        .collect();
    if rivals.is_empty() {
        return format!("never: no other node has {}", router.name());
    }
    let best = rivals.iter().filter(|(_, it)| it.eligible).max_by_key(|(_, it)| it.priority.effective);
    let Some((rival, theirs)) = best else {
        return format!("never: nobody else can have it: {}", excuses(study, router));
    };
    let Some(own) = ending(&study.report, holder) else { return format!("stays on {name}") };
    let what = match kind {
        Kind::Check(check, _) => check.as_str(),
        Kind::Link(link) => link.as_str(),
        Kind::Crash | Kind::Partition | Kind::Pause(_) => {
            return format!("stays on {name}: {} doesn't miss it", rival.name);
        }
    };
    let too = if is_down_too(stage, study, rival) {
        format!(" ({}'s own {what} is down, too: it can only pass on the master)", rival.name)
    } else {
        String::new()
    };
    format!("never: {what} down on {name}: {}{too}", compare(own, rival, theirs))
}

/// Why the best of the others doesn't take over.
fn compare(own: &Ending, rival: &Member, theirs: &Ending) -> String {
    let (ours, name) = (sum(&own.priority), &rival.name);
    let sum = sum(&theirs.priority);
    match own.priority.effective.cmp(&theirs.priority.effective) {
        _ if own.priority.base == Priority::OWNER => {
            format!("{ours} can't be outbid, and a weight doesn't change it")
        }
        std::cmp::Ordering::Greater => format!("{ours} is still above {name}'s {sum}"),
        std::cmp::Ordering::Equal => format!("{ours} is as much as {name}'s {sum}, and a tie moves nothing"),
        std::cmp::Ordering::Less if !rival.instance.preempt => {
            format!("{ours} is below {name}'s {sum}, but {name} has nopreempt")
        }
        std::cmp::Ordering::Less => format!("{ours} is below {name}'s {sum}, and yet it doesn't move"),
    }
}

/// Whether the check that failed doesn't pass on this node either, since it follows the master.
fn is_down_too(stage: &Stage<'_>, study: &Study, rival: &Member) -> bool {
    let Kind::Check(check, _) = &study.mishap.kind else { return false };
    stage.plan.following.contains(check) && stage.plan.holds_back(rival, check)
}

/// Why each node of a virtual router can't have the address.
fn excuses(study: &Study, router: &Router) -> String {
    let members = router.members.iter().map(|member| match ending(&study.report, member) {
        Some(Ending { told: Some(told), reasons, .. }) if !reasons.is_empty() => {
            format!("{} is in {told}: {}", member.name, reasons.join("; "))
        }
        Some(Ending { told: Some(told), .. }) => format!("{} is in {told}", member.name),
        Some(Ending { told: None, .. }) | None => format!("{} does not run", member.name),
    });
    members.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arithmetic(base: u8, weights: &[i32], effective: u8) -> String {
        let contributions = weights.iter().map(|weight| ("chk".to_owned(), *weight)).collect();
        sum(&Arithmetic { base: Priority(base), contributions, effective: Priority(effective) })
    }

    /// Pain B1.
    #[test]
    fn sums_can_be_checked_by_hand() {
        assert_eq!(arithmetic(103, &[-2], 101), "103 - 2 = 101");
        assert_eq!(arithmetic(100, &[20, -5], 115), "100 + 20 - 5 = 115");
        assert_eq!(arithmetic(100, &[], 100), "100");
        assert_eq!(arithmetic(250, &[20], 254), "250 + 20 = 270 (counts as 254)");
        assert_eq!(arithmetic(255, &[-20], 255), "255 (owner of the addresses)");
    }
}
