//! A diagnostic as an object of JSON. What the fields mean is said at [`super::Report::json_lines`]; a field that was
//! there once keeps its name and its meaning.

use serde::Serialize;

use crate::Span;
use crate::diagnostic::{Diagnostic, Severity};
use crate::source::{Position, Sources};

#[derive(Serialize)]
struct Object<'a> {
    severity: &'static str,
    id: &'static str,
    message: &'a str,
    #[serde(flatten)]
    place: Place<'a>,
    #[serde(skip_serializing_if = "str::is_empty")]
    label: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related: Vec<Related<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    included_from: Option<Place<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    keepalived: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    help: &'a str,
}

#[derive(Serialize)]
struct Place<'a> {
    file: &'a str,
    #[serde(flatten)]
    extent: Option<Extent>,
}

#[derive(Serialize)]
struct Extent {
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

#[derive(Serialize)]
struct Related<'a> {
    #[serde(flatten)]
    place: Place<'a>,
    message: &'a str,
}

/// `name` is the file's whose report it is: it stands where a diagnostic has no place.
pub(super) fn line(name: &str, sources: &Sources, diagnostic: &Diagnostic) -> String {
    let related = diagnostic.related.iter();
    let related =
        related.map(|(span, message)| Related { place: place(name, sources, Some(*span)), message });
    let elsewhere = diagnostic.elsewhere.iter();
    let elsewhere = elsewhere.map(|it| Related { place: located(&it.file, it.extent), message: &it.label });
    let related = related.chain(elsewhere).collect();
    write(&Object {
        severity: diagnostic.severity.as_str(),
        id: diagnostic.code,
        message: &diagnostic.message,
        place: place(name, sources, diagnostic.span),
        label: &diagnostic.label,
        related,
        included_from: diagnostic
            .span
            .and_then(|span| sources.included(span))
            .map(|span| place(name, sources, Some(span))),
        keepalived: &diagnostic.keepalived,
        help: &diagnostic.help,
    })
}

/// What stands for those that were only counted.
pub(super) fn rest(name: &str, count: usize) -> String {
    write(&Object {
        severity: Severity::Note.as_str(),
        id: "more",
        message: &format!("{count} more like these"),
        place: Place { file: name, extent: None },
        label: "",
        related: Vec::new(),
        included_from: None,
        keepalived: "",
        help: "",
    })
}

fn place<'a>(name: &'a str, sources: &'a Sources, span: Option<Span>) -> Place<'a> {
    match span.and_then(|span| sources.extent(span)) {
        Some((file, start, end)) => located(file, (start, end)),
        None => Place { file: name, extent: None },
    }
}

fn located(file: &str, (start, end): (Position, Position)) -> Place<'_> {
    let extent =
        Extent { line: start.line, column: start.column, end_line: end.line, end_column: end.column };
    Place { file, extent: Some(extent) }
}

/// Strings and numbers alone can't fail to become JSON.
fn write(object: &Object<'_>) -> String {
    serde_json::to_string(object).unwrap_or_default()
}
