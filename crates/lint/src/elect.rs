//! Who is to be master: priorities, `state` and `nopreempt`, side by side.

use config::Severity;
use model::Priority;

use crate::cluster::{Cluster, Member, Router};
use crate::finding::{At, Finding};
use crate::page::{Page, When};

pub(crate) const EQUAL_PRIORITIES: Page = Page {
    id: "equal-priorities",
    severity: Severity::Warning,
    when: When::Compared,
    summary: "Two nodes have the same priority when all is well",
    why: "Nobody has decided who is to be master. Whoever is up first keeps the address; if both start at once, both may \
          become MASTER for a moment and the higher IP address wins.",
    example: &[
        ("a.conf", "vrrp_instance web {\n  priority 100\n  ...\n}"),
        ("b.conf", "vrrp_instance web {\n  priority 100\n  ...\n}"),
    ],
    cure: "Give each node a priority of its own. If the address is to stay wherever it is, write `nopreempt` on all nodes, too.",
};

pub(crate) const TWO_OWNERS: Page = Page {
    id: "two-owners",
    severity: Severity::Error,
    when: When::Compared,
    summary: "Two nodes have priority 255",
    why: "255 means: this router owns the addresses. An owner becomes MASTER at once, without listening, and yields to nobody: \
          two of them fight for the address. `state MASTER` without a `priority` means 255 as well.",
    example: &[
        ("a.conf", "vrrp_instance web {\n  state MASTER\n  ...\n}"),
        ("b.conf", "vrrp_instance web {\n  priority 255\n  ...\n}"),
    ],
    cure: "Write a priority below 255 on all nodes, or on all but one.",
};

pub(crate) const TWO_MASTERS: Page = Page {
    id: "two-masters",
    severity: Severity::Warning,
    when: When::Compared,
    summary: "Two nodes have `state MASTER`",
    why: "`state MASTER` makes nobody master: the priority decides. What it does is to turn `nopreempt` and `preempt_delay` \
          off. On two nodes it says of one of them what isn't so.",
    example: &[
        ("a.conf", "vrrp_instance web {\n  state MASTER\n  priority 100\n  ...\n}"),
        ("b.conf", "vrrp_instance web {\n  state MASTER\n  priority 90\n  ...\n}"),
    ],
    cure: "Write `state BACKUP` on all nodes but the one with the highest priority, or on all.",
};

pub(crate) const NOPREEMPT_IN_VAIN: Page = Page {
    id: "nopreempt-in-vain",
    severity: Severity::Warning,
    when: When::Compared,
    summary: "`nopreempt` stands on the wrong node",
    why: "`nopreempt` keeps the node that has it from taking the address back from a lower one. The node with the highest \
          priority, which is the one that takes it back, doesn't have it here: when that node returns, the address moves.",
    example: &[
        ("a.conf", "vrrp_instance web {\n  priority 100\n  ...\n}"),
        ("b.conf", "vrrp_instance web {\n  priority 90\n  nopreempt\n  ...\n}"),
    ],
    cure: "Write `nopreempt`, and `state BACKUP`, on all nodes; or nowhere, if the address is to go back.",
};

pub(crate) fn judge(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    for router in cluster.shared() {
        findings.extend(equal_priorities(router));
        findings.extend(two_owners(router));
        findings.extend(two_masters(router));
        findings.extend(nopreempt_in_vain(router));
    }
}

fn is_owner(member: &&Member<'_>) -> bool {
    member.instance.priority == Priority::OWNER
}

/// Where a member says its priority, or that it wants 255 without saying so.
fn priority(member: &Member<'_>) -> At {
    let word = if member.instance.given.at("priority").is_some() { "priority" } else { "state" };
    At::word(member.node, member.instance, word)
}

fn equal_priorities(router: &Router<'_>) -> Option<Finding> {
    if router.members.iter().all(|member| !member.instance.preempt) {
        return None;
    }
    let others = router.members.iter().enumerate().filter(|(_, it)| !is_owner(it));
    let (one, other) = others.clone().find_map(|(place, other)| {
        let before = others.clone().take_while(|(at, _)| *at < place);
        let (_, one) = before.into_iter().find(|(_, one)| one.best() == other.best())?;
        Some((one, other))
    })?;
    let message = format!(
        "{} and {} both have priority {} for {}: whoever is first keeps the address, and of two that start at once the higher \
         IP address wins",
        one.name,
        other.name,
        other.best(),
        other.instance.name
    );
    let finding = Finding::new(&EQUAL_PRIORITIES, priority(other), message).label(other.sum_at_best());
    Some(finding.related(priority(one), format!("{} on {}", one.sum_at_best(), one.name)))
}

fn two_owners(router: &Router<'_>) -> Option<Finding> {
    let mut owners = router.members.iter().filter(is_owner);
    let (one, other) = (owners.next()?, owners.next()?);
    let message = format!(
        "{} and {} both have priority 255 for {}: neither ever yields to the other",
        one.name, other.name, other.instance.name
    );
    let finding = Finding::new(&TWO_OWNERS, priority(other), message);
    Some(finding.related(priority(one), format!("priority 255 on {}", one.name)))
}

fn two_masters(router: &Router<'_>) -> Option<Finding> {
    let wishes = |it: &&Member<'_>| it.instance.wants_master && it.instance.given.at("state").is_some();
    let mut masters = router.members.iter().filter(wishes).filter(|it| !is_owner(it));
    let (one, other) = (masters.next()?, masters.next()?);
    let message = format!(
        "{} and {} both have `state MASTER` for {}: the priority decides, and `nopreempt` is off on both",
        one.name, other.name, other.instance.name
    );
    let at = |member: &Member<'_>| At::word(member.node, member.instance, "state");
    let finding = Finding::new(&TWO_MASTERS, at(other), message);
    Some(finding.related(at(one), format!("and on {}", one.name)))
}

fn nopreempt_in_vain(router: &Router<'_>) -> Option<Finding> {
    let first = router.members.iter().max_by_key(|member| member.best())?;
    let vain = router.members.iter().find(|it| !it.instance.preempt && it.best() < first.best())?;
    if !first.instance.preempt || is_owner(&first) {
        return None;
    }
    let message = format!(
        "{} has `nopreempt`, but {} is higher and hasn't: the address goes back to {} whenever that returns",
        vain.name, first.name, first.name
    );
    let finding = Finding::new(&NOPREEMPT_IN_VAIN, At::word(vain.node, vain.instance, "nopreempt"), message);
    let higher = format!("{} has {}", first.name, first.sum_at_best());
    Some(finding.related(priority(first), higher))
}
