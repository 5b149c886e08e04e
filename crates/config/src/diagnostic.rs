//! One complaint: what is wrong, where, what keepalived makes of it, and what to do.
//!
//! Messages quote the file, which may hold anything, so what is quoted is shortened and stripped of control
//! characters. How complaints are shown is [`crate::report`]'s.

use std::ops::Range;

use annotate_snippets::Level;

use crate::directives::Directive;
use crate::{Position, Span};

/// How many diagnostics are kept; more are counted. Nobody reads the thousandth.
pub const MAX_DIAGNOSTICS: usize = 200;
/// How many characters of the file a message quotes at once.
const MAX_QUOTED: usize = 60;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The configuration can't be used.
    Error,
    /// It is used, but probably means something else than its author thinks.
    Warning,
    /// Good to know.
    Note,
}

impl Severity {
    /// The word that people read.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }

    pub(crate) const fn level(self) -> Level<'static> {
        match self {
            Self::Error => Level::ERROR,
            Self::Warning => Level::WARNING,
            Self::Note => Level::NOTE,
        }
    }
}

/// One complaint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable word for programs, such as `unknown-word`.
    pub code: &'static str,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
    /// Where; `None` if it concerns the file as a whole.
    pub span: Option<Span>,
    /// What to write under the place.
    pub label: String,
    /// Other places that matter, each with its own label.
    pub related: Vec<(Span, String)>,
    /// Places in other configurations, such as those of the other nodes.
    pub elsewhere: Vec<Excerpt>,
    /// What keepalived does with it, in a phrase that goes on from its name; empty where it does the same.
    pub keepalived: String,
    /// What to do about it; may be empty.
    pub help: String,
}

impl Diagnostic {
    fn new(severity: Severity, code: &'static str, span: Option<Span>, message: impl Into<String>) -> Self {
        let (label, keepalived, help) = (String::new(), String::new(), String::new());
        let (message, related, elsewhere) = (message.into(), Vec::new(), Vec::new());
        Self { severity, code, message, span, label, related, elsewhere, keepalived, help }
    }

    /// It can't be used like this. `code` is a stable word, lower case with hyphens.
    #[must_use]
    pub fn error(code: &'static str, span: impl Into<Option<Span>>, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, span.into(), message)
    }

    /// It can be used, but is probably not what is meant. `code` is a stable word, lower case with hyphens.
    #[must_use]
    pub fn warning(code: &'static str, span: impl Into<Option<Span>>, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, span.into(), message)
    }

    /// Good to know. `code` is a stable word, lower case with hyphens.
    #[must_use]
    pub fn note(code: &'static str, span: impl Into<Option<Span>>, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, span.into(), message)
    }

    /// What to write under the place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Another place that matters.
    #[must_use]
    pub fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push((span, label.into()));
        self
    }

    /// A place in another configuration; see [`crate::Report::excerpt`].
    #[must_use]
    pub fn elsewhere(mut self, excerpt: impl Into<Option<Excerpt>>) -> Self {
        self.elsewhere.extend(excerpt.into());
        self
    }

    /// What keepalived does with it: "drops this tracker", for one.
    #[must_use]
    pub fn keepalived(mut self, what: impl Into<String>) -> Self {
        self.keepalived = what.into();
        self
    }

    /// What to do about it, as short as it can be; code in it is in backticks.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}

/// A place in another configuration than the one that is reported on: a copy of its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The file's name.
    pub(crate) file: String,
    /// Where it begins and where it has ended.
    pub(crate) extent: (Position, Position),
    /// The line that it begins on.
    pub(crate) text: String,
    /// Which bytes of that.
    pub(crate) range: Range<usize>,
    /// What to write under it.
    pub(crate) label: String,
}

/// What the parts of the parser complain into. Bounded: what a hostile file costs is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Complaints {
    pub(crate) kept: Vec<Diagnostic>,
    pub(crate) errors: usize,
    pub(crate) warnings: usize,
    pub(crate) dropped: usize,
    /// How many were kept when somebody else began to speak: each has room for [`MAX_DIAGNOSTICS`] of its own.
    pub(crate) before: usize,
    /// Handover's own words, and where they stand.
    pub(crate) own: Vec<(&'static str, Span)>,
}

impl Complaints {
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        match diagnostic.severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
            Severity::Note => {}
        }
        if self.kept.len() < MAX_DIAGNOSTICS + self.before {
            self.kept.push(diagnostic);
        } else {
            self.dropped += 1;
        }
    }

    /// Remembers an own word; more than [`MAX_DIAGNOSTICS`] would not be told anyhow.
    pub(crate) fn note(&mut self, row: &Directive, span: Span) {
        if row.own && self.own.len() < MAX_DIAGNOSTICS {
            self.own.push((row.name, span));
        }
    }

    pub(crate) fn extend(&mut self, diagnostic: Option<Diagnostic>) {
        if let Some(diagnostic) = diagnostic {
            self.push(diagnostic);
        }
    }

    pub(crate) const fn errors(&self) -> usize {
        self.errors
    }

    /// Whether more would only be counted, so that nobody needs to think of a suggestion any more.
    pub(crate) const fn is_full(&self) -> bool {
        self.kept.len() >= MAX_DIAGNOSTICS
    }
}

/// A word of the file for a message: in backticks, shortened, on one line.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted: String = text.chars().take(MAX_QUOTED).collect();
    if quoted.len() < text.len() {
        quoted.push_str("...");
    }
    format!("`{}`", quoted.replace(|c: char| c.is_control(), " "))
}
