//! `# handover: allow(ID)`: the comment that silences a lint, and what is said of one that silences nothing.

use std::collections::{HashMap, HashSet};

use config::{Diagnostic, Severity, Span};

use crate::Node;
use crate::page::{Page, When, page};

pub(crate) const UNKNOWN: Page = Page {
    id: "unknown-lint",
    severity: Severity::Warning,
    when: When::Always,
    summary: "A comment allows a lint that doesn't exist",
    why: "A misspelt ID silences nothing, and nobody would notice.",
    example: &[("a.conf", "vrrp_instance web {\n  ...  # handover: allow(equal-priority)\n}")],
    cure: "Correct the ID; `handover explain` without an argument lists them.",
};

pub(crate) const UNUSED: Page = Page {
    id: "unused-allow",
    severity: Severity::Warning,
    when: When::Always,
    summary: "A comment allows what isn't found there",
    why: "The reason for it is gone, or it stands at the wrong place; left alone it would hide the next mistake. (Lints that compare nodes \
          are looked for only when several files are given.)",
    example: &[
        ("a.conf", "vrrp_instance web {\n  priority 100\n  ...\n}"),
        ("b.conf", "vrrp_instance web {\n  priority 90  # handover: allow(equal-priorities)\n  ...\n}"),
    ],
    cure: "Remove the comment, or put it on the line that the lint points at, or on the line that opens the block around it.",
};

/// What the comment begins with, after its mark.
const WORD: &str = "handover:";
const OPEN: &str = "allow(";

/// One ID of one comment.
#[derive(Debug)]
struct Allow<'a> {
    id: &'a str,
    /// Which file, and where its ID begins there: nodes may include the same one.
    place: (&'a str, usize),
    /// Where it stands, for complaints.
    span: Option<Span>,
    used: bool,
}

/// All comments of all nodes.
#[derive(Debug)]
pub(crate) struct Allows<'a> {
    nodes: &'a [Node<'a>],
    allows: Vec<Vec<Allow<'a>>>,
    /// By node, file and line (from 1): those that hold for that line.
    lines: HashMap<(usize, &'a str, usize), Vec<usize>>,
}

impl<'a> Allows<'a> {
    pub(crate) fn new(nodes: &'a [Node<'a>]) -> Self {
        let mut all =
            Self { nodes, allows: nodes.iter().map(|_| Vec::new()).collect(), lines: HashMap::new() };
        for (number, node) in nodes.iter().enumerate() {
            for (file, text) in node.report.files() {
                all.read(number, file, text);
            }
        }
        all
    }

    fn read(&mut self, node: usize, file: &'a str, text: &'a str) {
        let mut waiting = Vec::new();
        let mut start = 0;
        for (number, line) in text.split('\n').enumerate() {
            let Some((code, list)) = comment(line) else {
                if !code_of(line).is_empty() && !waiting.is_empty() {
                    self.lines.entry((node, file, number + 1)).or_default().append(&mut waiting);
                }
                start += line.len() + 1;
                continue;
            };
            let mut at = start + list.0;
            for piece in list.1.split(',') {
                let id = piece.trim();
                let begin = at + (piece.len() - piece.trim_start().len());
                waiting.push(self.add(node, file, id, begin));
                at += piece.len() + 1;
            }
            if !code.is_empty() {
                self.lines.entry((node, file, number + 1)).or_default().append(&mut waiting);
            }
            start += line.len() + 1;
        }
    }

    /// Its number among the node's.
    fn add(&mut self, node: usize, file: &'a str, id: &'a str, begin: usize) -> usize {
        let span = self.nodes.get(node).and_then(|it| it.report.span(file, begin..begin + id.len()));
        let Some(allows) = self.allows.get_mut(node) else { return 0 };
        allows.push(Allow { id, place: (file, begin), span, used: false });
        allows.len() - 1
    }

    /// Whether a comment at one of its places allows it; the comment has then been of use.
    pub(crate) fn silences(&mut self, id: &str, places: impl Iterator<Item = (usize, Span)>) -> bool {
        let mut silenced = false;
        for (node, span) in places {
            let Some((file, at)) = self.nodes.get(node).and_then(|it| it.report.position(span)) else {
                continue;
            };
            let Some(here) = self.lines.get(&(node, file, at.line)) else { continue };
            let Some(allows) = self.allows.get_mut(node) else { continue };
            for allow in here {
                if let Some(allow) = allows.get_mut(*allow).filter(|it| it.id == id) {
                    allow.used = true;
                    silenced = true;
                }
            }
        }
        silenced
    }

    /// What is to be said of the comments of each node.
    pub(crate) fn unused(self, is_looked_for: impl Fn(When) -> bool) -> Vec<Vec<Diagnostic>> {
        let all = self.allows.iter().flatten();
        let used: HashSet<_> = all.filter(|allow| allow.used).map(|allow| allow.place).collect();
        let judge = |allow: Allow<'_>| match page(allow.id) {
            _ if used.contains(&allow.place) => None,
            None => {
                let message = format!("there is no lint `{}`", allow.id.escape_debug());
                Some(Diagnostic::warning(UNKNOWN.id, allow.span, message).help(UNKNOWN.cure))
            }
            Some(page) if !is_looked_for(page.when) => None,
            Some(page) => {
                let message = format!("`{}` isn't found here, so there is nothing to allow", page.id);
                Some(Diagnostic::warning(UNUSED.id, allow.span, message).help(UNUSED.cure))
            }
        };
        self.allows.into_iter().map(|allows| allows.into_iter().filter_map(judge).collect()).collect()
    }
}

/// What stands before the comment, and the IDs that it allows with their place in the line.
fn comment(line: &str) -> Option<(&str, (usize, &str))> {
    let word = line.find(WORD)?;
    let code = line.get(..word)?.trim_end().strip_suffix(['#', '!'])?;
    let after = line.get(word + WORD.len()..)?;
    let blanks = after.len() - after.trim_start().len();
    let (list, _) = after.trim_start().strip_prefix(OPEN)?.split_once(')')?;
    Some((code.trim(), (word + WORD.len() + blanks + OPEN.len(), list)))
}

/// What a line says besides comments; a mark within quotes counts as one, which does no harm here.
fn code_of(line: &str) -> &str {
    line.split(['#', '!']).next().unwrap_or_default().trim()
}
