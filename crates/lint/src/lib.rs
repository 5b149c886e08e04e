//! What is valid and still won't do what its author means: configurations in, findings out.
//!
//! Each lint is one file's job or a part of it: its page (an ID, why it hurts, an example, the cure) stands beside the
//! function that looks for it, and [`PAGES`] lists them all. The pages are what `handover explain ID` prints and what
//! docs/lints.md is made from; their examples are what the tests run.
//!
//! It must never look at the machine: what a script says comes in as text. Sums and times are the core's own
//! (`vrrp::weigh`), so that no lint can differ from what will happen. Read [`Cluster`] first: which instances of which
//! nodes are one virtual router.

mod addresses;
mod agree;
mod allow;
mod cluster;
mod elect;
mod finding;
mod follow;
mod groups;
mod host;
mod page;
mod portable;
mod reach;
mod service;
mod signal;
mod single;
mod timers;
mod weigh;

pub use cluster::{Cluster, Member, Router};
pub use follow::{Index, Tracker};
pub use host::{Barrier, Feature, Host, HostAddress, HostLink, Lack, Program};
pub use page::{PAGES, Page, When, markdown, page};
pub use timers::{Timers, timers};
pub use weigh::{Outcome, outcomes, sum};

use config::{Config, Diagnostic, Report, Severity};

use crate::allow::Allows;
use crate::finding::Finding;

/// The most findings that are told of one kind: nobody reads the hundredth.
pub const MAX_FINDINGS_OF_A_KIND: usize = 50;

/// One node's configuration.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// What it is called in messages.
    pub name: &'a str,
    /// What its file says.
    pub config: &'a Config,
    /// What was said of it, and its text.
    pub report: &'a Report,
    /// The machine that it is for, where somebody looked at it.
    pub host: Option<&'a Host>,
}

/// What there is to say about one node.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// To be added to its report.
    pub added: Vec<Diagnostic>,
    /// The numbers of those in its report that a comment silences.
    pub silenced: Vec<usize>,
}

/// What is asked besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Whether keepalived would understand the files as well.
    pub portable: bool,
}

/// What there is to say about these nodes, in their order.
///
/// One node is judged alone; several are taken as the members of one cluster and compared.
#[must_use]
pub fn judge(nodes: &[Node<'_>], asked: Asked) -> Vec<Told> {
    let mut allows = Allows::new(nodes);
    let mut findings = finding::bounded(found(nodes, asked));
    findings.retain(|finding| !allows.silences(finding.page.id, finding.anchors()));
    let mut all: Vec<Told> = nodes.iter().map(|_| Told::default()).collect();
    for (number, (node, told)) in nodes.iter().zip(&mut all).enumerate() {
        let diagnostics = node.report.diagnostics().iter().enumerate();
        let silenced = diagnostics.filter(|(_, diagnostic)| {
            let related = diagnostic.related.iter().map(|(span, _)| *span);
            let places = diagnostic.span.into_iter().chain(related).map(|span| (number, span));
            diagnostic.severity != Severity::Error && allows.silences(diagnostic.code, places)
        });
        told.silenced = silenced.map(|(number, _)| number).collect();
    }
    for finding in findings {
        if let Some(told) = all.get_mut(finding.node) {
            told.added.push(finding.diagnostic(nodes));
        }
    }
    for (told, unused) in all.iter_mut().zip(allows.unused(|when| is_looked_for(when, nodes, asked))) {
        told.added.extend(unused);
    }
    all
}

/// Of what isn't looked for nobody can say that it isn't there.
fn is_looked_for(when: When, nodes: &[Node<'_>], asked: Asked) -> bool {
    match when {
        When::Always => true,
        When::Compared => nodes.len() > 1,
        When::OnHost => nodes.iter().all(|node| node.host.is_some()),
        When::Portable => asked.portable,
    }
}

fn found(nodes: &[Node<'_>], asked: Asked) -> Vec<Finding> {
    let cluster = Cluster::new(nodes);
    let mut findings = Vec::new();
    service::judge(&cluster, &mut findings);
    host::judge(nodes, &mut findings);
    if asked.portable {
        portable::judge(nodes, &mut findings);
    }
    if nodes.len() > 1 {
        agree::judge(&cluster, &mut findings);
        addresses::judge(&cluster, &mut findings);
        elect::judge(&cluster, &mut findings);
        weigh::judge(&cluster, &mut findings);
        reach::judge(&cluster, &mut findings);
        groups::judge(&cluster, &mut findings);
    }
    findings
}
