//! Everything there is to say about a configuration, and how people and programs read it.
//!
//! `annotate-snippets` draws a [`Diagnostic`] for people; logs get a line, programs an object of JSON ([`json`]).

mod json;
mod veil;

use std::fmt::Write as _;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::Span;
use crate::diagnostic::{Complaints, Diagnostic, Excerpt, Severity, quote};
use crate::source::{FileId, Position, Source, Sources};

use veil::veil;

/// How many places are shown from which a definition's text was used.
const MAX_USES: usize = 4;
/// How many lines may lie between two places that are still drawn as one excerpt.
const MAX_EXCERPT_GAP: usize = 12;

/// Everything there is to say about a configuration, in the order of the file.
#[derive(Clone, Debug)]
pub struct Report {
    name: String,
    sources: Sources,
    complaints: Complaints,
}

impl Report {
    pub(crate) fn new(name: &str, sources: Sources, complaints: Complaints) -> Self {
        let mut report = Self { name: name.to_owned(), sources, complaints };
        report.settle(0);
        report
    }

    /// Adds what others have to say of the same configuration, [`crate::MAX_DIAGNOSTICS`] at most each time.
    pub fn extend(&mut self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        let known = self.complaints.kept.len();
        self.complaints.before = known;
        diagnostics.into_iter().for_each(|diagnostic| self.complaints.push(diagnostic));
        self.settle(known);
    }

    /// Takes back the diagnostics with these numbers; errors stay.
    pub fn silence(&mut self, numbers: &[usize]) {
        let mut number = 0;
        let Complaints { kept, warnings, .. } = &mut self.complaints;
        kept.retain(|diagnostic| {
            let silenced = numbers.contains(&number) && diagnostic.severity != Severity::Error;
            number += 1;
            *warnings -= usize::from(silenced && diagnostic.severity == Severity::Warning);
            !silenced
        });
    }

    /// Leads those from `first` on back to the files, and puts all into the order of reading. Stable: what one pass says
    /// of one place keeps its order.
    fn settle(&mut self, first: usize) {
        let Self { sources, complaints, .. } = self;
        complaints.kept.iter_mut().skip(first).for_each(|diagnostic| trace(sources, diagnostic));
        complaints
            .kept
            .sort_by_cached_key(|diagnostic| diagnostic.span.map_or(Vec::new(), |span| sources.order(span)));
    }

    /// The diagnostics, at most [`crate::MAX_DIAGNOSTICS`] of each who had something to say.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.complaints.kept
    }

    /// Whether the configuration can't be used.
    #[must_use]
    pub const fn has_errors(&self) -> bool {
        self.complaints.errors > 0
    }

    /// How many errors there are.
    #[must_use]
    pub const fn errors(&self) -> usize {
        self.complaints.errors
    }

    /// How many warnings there are.
    #[must_use]
    pub const fn warnings(&self) -> usize {
        self.complaints.warnings
    }

    /// The file, line and column of a span of this configuration.
    #[must_use]
    pub fn position(&self, span: Span) -> Option<(&str, Position)> {
        self.sources.position(span)
    }

    /// Handover's own words in this configuration, which keepalived doesn't know, and where they stand.
    #[must_use]
    pub fn own_words(&self) -> &[(&'static str, Span)] {
        &self.complaints.own
    }

    /// The place of these bytes of a file of this configuration.
    #[must_use]
    pub fn span(&self, file: &str, bytes: Range<usize>) -> Option<Span> {
        self.sources.span(file, bytes)
    }

    /// A place of this configuration, to be shown beside a place of another one.
    #[must_use]
    pub fn excerpt(&self, span: Span, label: impl Into<String>) -> Option<Excerpt> {
        let span = self.sources.trace(span)?.span;
        let source = self.sources.get(span.file())?;
        let (file, start, end) = self.sources.extent(span)?;
        let line = source.lines(start.line - 1, start.line - 1);
        let text = veil(source.text().get(line.clone())?).into_owned();
        let range = within(span, &line);
        Some(Excerpt { file: file.to_owned(), extent: (start, end), text, range, label: label.into() })
    }

    /// Every file that was read, in the order of reading: its name and its text, as far as it is one.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sources.files().map(|source| (source.name(), source.text()))
    }

    /// For people: each with its line, a caret and advice, an empty line between two; in colour for
    /// terminals.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let mut text = String::new();
        for diagnostic in self.diagnostics() {
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
            self.diagnostics().iter().map(|diagnostic| self.line(diagnostic)).collect();
        lines.extend(self.rest());
        lines
    }

    /// For editors and pipelines: one object of JSON for each diagnostic, without a newline in it.
    ///
    /// Always there: `severity` (`error`, `warning`, `note`), `id`, `message`, `file`. Where they apply: `line`, `column`,
    /// `end_line`, `end_column` (from 1, columns in characters, the end just behind the last one), `label`,
    /// `related` (a list of places with `message`), `included_from` (a place), `keepalived`, `help`. Others may be added.
    #[must_use]
    pub fn json_lines(&self) -> Vec<String> {
        let rest = (self.complaints.dropped > 0).then(|| json::rest(&self.name, self.complaints.dropped));
        let one = |diagnostic| json::line(&self.name, &self.sources, diagnostic);
        self.diagnostics().iter().map(one).chain(rest).collect()
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
        let dropped = self.complaints.dropped;
        (dropped > 0).then(|| format!("{}: {dropped} more like these", self.name))
    }

    fn group<'a>(&'a self, diagnostic: &'a Diagnostic) -> Group<'a> {
        let title = diagnostic.severity.level().primary_title(&diagnostic.message).id(diagnostic.code);
        let mut group = Group::with_title(title);
        group = match diagnostic.span {
            Some(span) => self.excerpts(span, diagnostic).into_iter().fold(group, Group::element),
            None => group.element(Origin::path(&self.name)),
        };
        let included = diagnostic.span.and_then(|span| self.sources.included(span));
        if let Some((name, Position { line, .. })) = included.and_then(|from| self.position(from)) {
            let text = format!("by line {line} of {name}");
            group = group.element(Level::NOTE.with_name("included").message(text));
        }
        for (level, text) in
            [(Level::NOTE.with_name("keepalived"), &diagnostic.keepalived), (Level::HELP, &diagnostic.help)]
        {
            if !text.is_empty() {
                group = group.element(level.message(text));
            }
        }
        group
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
        excerpts.extend(diagnostic.elsewhere.iter().map(foreign));
        excerpts
    }
}

/// A place of another configuration.
fn foreign(excerpt: &Excerpt) -> Snippet<'_, annotate_snippets::Annotation<'_>> {
    let Excerpt { file, extent: (start, _), text, range, label } = excerpt;
    let mark = AnnotationKind::Context.span(range.clone());
    let mark = if label.is_empty() { mark } else { mark.label(label.as_str()) };
    Snippet::source(text.as_str()).line_start(start.line).path(file.as_str()).annotation(mark)
}

/// A place as bytes of what is shown of its file, as far as it is shown.
fn within(span: Span, shown: &Range<usize>) -> Range<usize> {
    let clamp = |byte: usize| byte.clamp(shown.start, shown.end) - shown.start;
    clamp(span.range().start)..clamp(span.range().end)
}

/// Leads what stands in no file back to where it came from, and from where it was used.
fn trace(sources: &Sources, diagnostic: &mut Diagnostic) {
    let Some(traced) = diagnostic.span.and_then(|span| sources.trace(span)) else { return };
    let is_made = |span: &Span| span.file() == FileId::MADE;
    let line = diagnostic.span.filter(is_made).map_or("", |span| sources.made.line(span));
    if line.contains(veil::SECRET_FOLLOWS) {
        // The value of a definition is a secret as well: its use is shown, not the text.
        diagnostic.span = Some(traced.uses.last().copied().unwrap_or(traced.span));
        return;
    }
    let text = diagnostic.span.map_or("", |span| sources.read(span));
    if text != sources.read(traced.span) && diagnostic.label.is_empty() {
        diagnostic.label = format!("read as {}", quote(text));
    }
    for (span, _) in &mut diagnostic.related {
        *span = sources.trace(*span).map_or(*span, |traced| traced.span);
    }
    diagnostic.span = Some(traced.span);
    let uses = traced.uses.into_iter().take(MAX_USES).map(|span| (span, "used here".to_owned()));
    diagnostic.related.extend(uses);
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
    marks.iter().fold(
        Snippet::source(veil(text)).line_start(first + 1).path(source.name()),
        |snippet, (kind, span, label)| {
            let mark = kind.span(within(*span, &shown));
            snippet.annotation(if label.is_empty() { mark } else { mark.label(*label) })
        },
    )
}
