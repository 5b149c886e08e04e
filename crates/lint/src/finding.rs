//! One finding: a lint, the places that show it, and how it becomes a diagnostic.

use std::collections::HashMap;

use config::{Diagnostic, Instance, Severity, Span};

use crate::page::Page;
use crate::{MAX_FINDINGS_OF_A_KIND, Node};

/// A place in one of the nodes' files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    pub(crate) node: usize,
    pub(crate) span: Span,
    /// The name of the block around it.
    pub(crate) block: Span,
}

impl At {
    /// Where an instance gives this word; its name, where it gives none.
    pub(crate) fn word(node: usize, instance: &Instance, word: &str) -> Self {
        let span = instance.given.at(word).unwrap_or(instance.span);
        Self { node, span, block: instance.span }
    }

    /// A place within an instance.
    pub(crate) const fn within(node: usize, instance: &Instance, span: Span) -> Self {
        Self { node, span, block: instance.span }
    }
}

/// What a lint found.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) page: &'static Page,
    severity: Severity,
    /// Whose file it is told in.
    pub(crate) node: usize,
    message: String,
    /// The first one is where it is told; each with what to write under it.
    places: Vec<(At, String)>,
}

impl Finding {
    pub(crate) fn new(page: &'static Page, at: At, message: impl Into<String>) -> Self {
        let (severity, places) = (page.severity, vec![(at, String::new())]);
        Self { page, severity, node: at.node, message: message.into(), places }
    }

    /// Goes on with its message.
    pub(crate) fn and(mut self, more: &str) -> Self {
        self.message += more;
        self
    }

    /// One that no place of the file shows.
    pub(crate) fn of_file(page: &'static Page, node: usize, message: String) -> Self {
        Self { page, severity: page.severity, node, message, places: Vec::new() }
    }

    /// What to write under the first place.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        if let Some((_, first)) = self.places.first_mut() {
            *first = label.into();
        }
        self
    }

    /// Another place that shows it.
    pub(crate) fn related(mut self, at: At, label: impl Into<String>) -> Self {
        self.places.push((at, label.into()));
        self
    }

    /// Not as bad as its page says, this time.
    pub(crate) const fn mere_warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Every place where a comment may silence it.
    pub(crate) fn anchors(&self) -> impl Iterator<Item = (usize, Span)> {
        self.places.iter().flat_map(|(at, _)| [(at.node, at.span), (at.node, at.block)])
    }

    pub(crate) fn diagnostic(self, nodes: &[Node<'_>]) -> Diagnostic {
        let home = self.node;
        let mut places = self.places.into_iter();
        let (span, label) = places.next().map_or((None, String::new()), |(at, label)| (Some(at.span), label));
        let (id, message) = (self.page.id, self.message);
        let diagnostic = match self.severity {
            Severity::Error => Diagnostic::error(id, span, message),
            Severity::Warning => Diagnostic::warning(id, span, message),
            Severity::Note => Diagnostic::note(id, span, message),
        };
        let diagnostic = diagnostic.label(label).help(self.page.cure);
        places.fold(diagnostic, |diagnostic, (at, label)| match nodes.get(at.node) {
            Some(_) if at.node == home => diagnostic.related(at.span, label),
            Some(other) => diagnostic.elsewhere(other.report.excerpt(at.span, label)),
            None => diagnostic,
        })
    }
}

/// At most [`MAX_FINDINGS_OF_A_KIND`] for each lint.
pub(crate) fn bounded(mut findings: Vec<Finding>) -> Vec<Finding> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    findings.retain(|finding| {
        let count = counts.entry(finding.page.id).or_default();
        *count += 1;
        *count <= MAX_FINDINGS_OF_A_KIND
    });
    findings
}
