//! Complaints about a configuration, and how people read them.
//!
//! A [`Diagnostic`] says what is wrong, where, and what to do; `annotate-snippets` draws it. Messages quote
//! the file, which may hold anything, so what is quoted is shortened and stripped of control characters.

use std::fmt::Write as _;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::Span;
use crate::source::{Position, Source, Sources};

/// How many diagnostics are kept; more are counted. Nobody reads the thousandth.
pub const MAX_DIAGNOSTICS: usize = 200;
/// How many characters of the file a message quotes at once.
const MAX_QUOTED: usize = 60;
/// How many lines may lie between two places that are still drawn as one excerpt.
const MAX_EXCERPT_GAP: usize = 12;

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

    const fn level(self) -> Level<'static> {
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
    /// What to do about it; may be empty.
    pub help: String,
}

impl Diagnostic {
    fn new(severity: Severity, code: &'static str, span: Option<Span>, message: impl Into<String>) -> Self {
        let (label, related, help) = (String::new(), Vec::new(), String::new());
        Self { severity, code, message: message.into(), span, label, related, help }
    }

    pub(crate) fn error(
        code: &'static str,
        span: impl Into<Option<Span>>,
        message: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Error, code, span.into(), message)
    }

    pub(crate) fn warning(
        code: &'static str,
        span: impl Into<Option<Span>>,
        message: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Warning, code, span.into(), message)
    }

    pub(crate) fn note(
        code: &'static str,
        span: impl Into<Option<Span>>,
        message: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Note, code, span.into(), message)
    }

    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(crate) fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push((span, label.into()));
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}

/// What the parts of the parser complain into. Bounded: what a hostile file costs is known.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    kept: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
    dropped: usize,
}

impl Complaints {
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        match diagnostic.severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
            Severity::Note => {}
        }
        if self.kept.len() < MAX_DIAGNOSTICS {
            self.kept.push(diagnostic);
        } else {
            self.dropped += 1;
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

/// Everything there is to say about a configuration, in the order of the file.
#[derive(Clone, Debug)]
pub struct Report {
    name: String,
    diagnostics: Vec<Diagnostic>,
    sources: Sources,
    errors: usize,
    warnings: usize,
    dropped: usize,
}

impl Report {
    pub(crate) fn new(name: &str, sources: Sources, complaints: Complaints) -> Self {
        let Complaints { mut kept, errors, warnings, dropped } = complaints;
        // Stable: what one pass says of one place keeps its order.
        kept.sort_by_key(|diagnostic| diagnostic.span.map_or(0, |span| span.range().start));
        Self { name: name.to_owned(), diagnostics: kept, sources, errors, warnings, dropped }
    }

    /// The diagnostics, at most [`MAX_DIAGNOSTICS`].
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Whether the configuration can't be used.
    #[must_use]
    pub const fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// How many errors there are.
    #[must_use]
    pub const fn errors(&self) -> usize {
        self.errors
    }

    /// How many warnings there are.
    #[must_use]
    pub const fn warnings(&self) -> usize {
        self.warnings
    }

    /// The file, line and column of a span of this configuration.
    #[must_use]
    pub fn position(&self, span: Span) -> Option<(&str, Position)> {
        self.sources.position(span)
    }

    /// For people: each with its line, a caret and advice, an empty line between two; in colour for
    /// terminals.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let mut text = String::new();
        for diagnostic in &self.diagnostics {
            text.push_str(&renderer.render(&[self.group(diagnostic)]));
            text.push_str("\n\n");
        }
        if let Some(rest) = self.rest() {
            text.push_str(&rest);
            text.push('\n');
        }
        text
    }

    /// For logs: `FILE:LINE:COLUMN: SEVERITY[CODE]: MESSAGE (ADVICE)`, a line each.
    #[must_use]
    pub fn one_line(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            self.diagnostics.iter().map(|diagnostic| self.line(diagnostic)).collect();
        lines.extend(self.rest());
        lines
    }

    fn line(&self, diagnostic: &Diagnostic) -> String {
        let Diagnostic { severity, code, message, help, .. } = diagnostic;
        let mut line = match diagnostic.span.and_then(|span| self.position(span)) {
            Some((name, Position { line, column })) => format!("{name}:{line}:{column}: "),
            None => format!("{}: ", self.name),
        };
        // Writing to a string can't fail.
        let _ = write!(line, "{}[{code}]: {message}", severity.as_str());
        if !help.is_empty() {
            let _ = write!(line, " ({help})");
        }
        line.replace(|c: char| c.is_control(), " ")
    }

    fn rest(&self) -> Option<String> {
        (self.dropped > 0).then(|| format!("{}: {} more like these", self.name, self.dropped))
    }

    fn group<'a>(&'a self, diagnostic: &'a Diagnostic) -> Group<'a> {
        let title = diagnostic.severity.level().primary_title(&diagnostic.message).id(diagnostic.code);
        let mut group = Group::with_title(title);
        group = match diagnostic.span {
            Some(span) => self.excerpts(span, diagnostic).into_iter().fold(group, Group::element),
            None => group.element(Origin::path(&self.name)),
        };
        if diagnostic.help.is_empty() { group } else { group.element(Level::HELP.message(&diagnostic.help)) }
    }

    /// The primary place with the related ones near it, then one excerpt for each related one elsewhere.
    fn excerpts<'a>(
        &'a self,
        span: Span,
        diagnostic: &'a Diagnostic,
    ) -> Vec<Snippet<'a, annotate_snippets::Annotation<'a>>> {
        let Some(source) = self.sources.get(span.file()) else { return Vec::new() };
        let home = source.line_of(span.range().start);
        let (near, far): (Vec<_>, Vec<_>) = diagnostic.related.iter().partition(|(other, _)| {
            other.file() == span.file()
                && source.line_of(other.range().start).abs_diff(home) <= MAX_EXCERPT_GAP
        });
        let mut marks = vec![(AnnotationKind::Primary, span, diagnostic.label.as_str())];
        marks.extend(near.iter().map(|(other, label)| (AnnotationKind::Context, *other, label.as_str())));
        let mut excerpts = vec![excerpt(source, &marks)];
        for (other, label) in far {
            if let Some(source) = self.sources.get(other.file()) {
                excerpts.push(excerpt(source, &[(AnnotationKind::Context, *other, label.as_str())]));
            }
        }
        excerpts
    }
}

/// Only the lines that are needed: handing the whole text over would cost a pass over it for each diagnostic.
fn excerpt<'a>(
    source: &'a Source,
    marks: &[(AnnotationKind, Span, &'a str)],
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let lines = marks.iter().map(|(_, span, _)| source.line_of(span.range().start));
    let first = lines.clone().min().unwrap_or(0);
    let shown = source.lines(first, lines.max().unwrap_or(0));
    let text = source.text().get(shown.clone()).unwrap_or_default();
    let within = |span: Span| -> Range<usize> {
        let clamp = |byte: usize| byte.clamp(shown.start, shown.end) - shown.start;
        clamp(span.range().start)..clamp(span.range().end)
    };
    marks.iter().fold(
        Snippet::source(text).line_start(first + 1).path(source.name()),
        |snippet, (kind, span, label)| {
            let mark = kind.span(within(*span));
            snippet.annotation(if label.is_empty() { mark } else { mark.label(*label) })
        },
    )
}

/// A word of the file for a message: in backticks, shortened, on one line.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted: String = text.chars().take(MAX_QUOTED).collect();
    if quoted.len() < text.len() {
        quoted.push_str("...");
    }
    format!("`{}`", quoted.replace(|c: char| c.is_control(), " "))
}
