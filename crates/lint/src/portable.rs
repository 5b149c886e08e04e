//! Whether keepalived would understand the file as well: Handover's own words, each with its line.

use config::Severity;

use crate::Node;
use crate::finding::{At, Finding};
use crate::page::{Page, When};

pub(crate) const OWN_WORD: Page = Page {
    id: "own-word",
    severity: Severity::Warning,
    when: When::Portable,
    summary: "A word that keepalived doesn't know",
    why: "keepalived logs it as unknown and goes on without it, so the same file means something else there. Who goes back to \
          keepalived, or runs both in one cluster from one template, wants to know.",
    example: &[(
        "a.conf",
        "vrrp_script chk {\n  script \"/usr/bin/true\"\n  while master\n}\nvrrp_instance web {\n  ...\n}",
    )],
    cure: "Leave it out where keepalived reads the file, or put it into a file of its own that only Handover's `include`s.",
};

pub(crate) fn judge(nodes: &[Node<'_>], findings: &mut Vec<Finding>) {
    for (node, it) in nodes.iter().enumerate() {
        for (word, span) in it.report.own_words() {
            let at = At { node, span: *span, block: *span };
            let message = format!(
                "`{word}` is Handover's own word: keepalived logs it as unknown and goes on without it"
            );
            findings.push(Finding::new(&OWN_WORD, at, message));
        }
    }
}
