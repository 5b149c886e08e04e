//! What happened, for programs: one object.
//!
//! Times are milliseconds; `text` says the same as the lines for people, and may be improved at any time.

use std::time::Duration;

use serde_json::{Value, json};
use sim::NodeId;

use super::mishap::{Kind, Range};
use super::outcome::holders;
use super::plan::{Plan, Router};
use super::stage::{Finding, Stage, Story, Study, ending};
use super::timeline::{Entry, entries, state_word};
use super::words::{concerned, sentence};

/// The object, with a line's end.
pub(crate) fn render(stage: &Stage<'_>, story: Option<&Story>, singles: &[Study]) -> String {
    let plan = stage.plan;
    let timeline = story.map(|story| entries(stage, story)).unwrap_or_default();
    let failures = singles.iter().flat_map(|study| {
        concerned(stage, study).map(move |(router, finding)| failure(stage, study, router, finding))
    });
    let whole = json!({
        "nodes": plan.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(),
        "virtual_routers": plan.routers.iter().map(|it| router(stage, it)).collect::<Vec<_>>(),
        "trouble": stage.trouble,
        "timeline": timeline.iter().map(line).collect::<Vec<_>>(),
        "failures": failures.collect::<Vec<_>>(),
    });
    format!("{whole:#}\n")
}

fn router(stage: &Stage<'_>, router: &Router) -> Value {
    let first = router.members.first().map(|member| &member.instance);
    let members = router.members.iter().filter_map(|member| {
        let ending = ending(&stage.start, member)?;
        let contributions = ending.priority.contributions.iter();
        Some(json!({
            "node": member.name,
            "instance": member.instance.name,
            "state": state_word(ending.told),
            "priority": {
                "base": ending.priority.base,
                "weights": contributions.map(|(name, weight)| json!({"of": name, "adds": weight})).collect::<Vec<_>>(),
                "effective": ending.priority.effective,
            },
        }))
    });
    json!({
        "name": router.name(),
        "vrid": first.map(|it| it.vrid),
        "interface": first.map(|it| &it.link),
        "family": first.map(|it| it.family),
        "addresses": first.map(|it| it.addresses.iter().map(|at| at.address.to_string()).collect::<Vec<_>>()),
        "members": members.collect::<Vec<_>>(),
        "on": names(stage.plan, &holders(router, &stage.start)),
    })
}

fn failure(stage: &Stage<'_>, study: &Study, router: &Router, finding: &Finding) -> Value {
    let kind = match &study.mishap.kind {
        Kind::Check(check, _) => json!({"kind": "check", "check": check}),
        Kind::Crash => json!({"kind": "crash"}),
        Kind::Partition => json!({"kind": "partition"}),
        Kind::Pause(time) => json!({"kind": "pause", "lasts": millis(*time)}),
        Kind::Link(link) => json!({"kind": "link", "interface": link}),
    };
    let unnoticed = study.mishap.unnoticed();
    json!({
        "node": study.mishap.name,
        "failure": kind,
        "virtual_router": router.name(),
        "outcome": finding.outcome.word(),
        "to": finding.outcome.to().and_then(|to| router.member(to)).map(|it| it.name.as_str()),
        "on": names(stage.plan, &holders(router, &study.report)),
        "unnoticed_ms": range(unnoticed),
        "after_ms": finding.after.map(|after| range(unnoticed.plus(after))),
        "text": sentence(stage, study, router, finding),
    })
}

fn line(entry: &Entry) -> Value {
    let mut line = json!({
        "at_ms": millis(entry.at), "node": entry.node, "kind": entry.kind, "text": entry.text,
    });
    if let Some(line) = line.as_object_mut() {
        line.extend(entry.facts.iter().map(|(name, fact)| ((*name).to_owned(), fact.clone())));
    }
    line
}

fn names(plan: &Plan, nodes: &[NodeId]) -> Vec<String> {
    let find = |node: &NodeId| plan.nodes.iter().find(|it| it.id == *node).map(|it| it.name.clone());
    nodes.iter().filter_map(find).collect()
}

fn range(range: Range) -> Value {
    json!({ "least": millis(range.least), "most": millis(range.most) })
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
