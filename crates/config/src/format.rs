//! The normal form of a file's text: one statement a line, indented by its braces.
//!
//! It is the text that is formatted, as its author wrote it, and never its meaning: nothing is expanded, and no word, quote
//! or comment is lost, changed or put elsewhere in the order. What only looks like words and braces until it is
//! expanded is a line that is kept but for its indentation: definitions, sequences, includes, `@id` lines, and all with a `$`. What
//! must be known of the language first is in [`crate::lexer`] and [`mod@crate::expand`].

mod layout;

use std::collections::HashMap;
use std::path::Path;

use self::layout::Layout;
use crate::Report;
use crate::diagnostic::{Complaints, Diagnostic, Severity};
use crate::expand::{self, continuation, defined, is_plain, pieces, takes_braces};
use crate::files::Files;
use crate::lexer::{Token, tokens};
use crate::lines::{Line, lines};
use crate::source::{FileId, Sources};
use crate::tree;

/// What some editors put in front of a text, as bytes: the normal form has none.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What became of a text that was to be formatted.
#[derive(Clone, Debug)]
pub struct Formatted {
    /// What was read.
    pub original: Vec<u8>,
    /// Its normal form: there if, and only if, the report has no error.
    pub text: Option<Vec<u8>>,
    /// Why it can't be formatted. Whether the words mean anything is not looked at.
    pub report: Report,
}

/// Formats one file, without those that it includes. What prevents reading is a diagnostic like any other.
#[must_use]
pub fn format(path: &Path) -> Formatted {
    let name = path.display().to_string();
    match Files::default().read(path) {
        Ok(content) => format_text(&name, content.bytes),
        Err(unread) => {
            let mut complaints = Complaints::default();
            complaints.push(expand::refusal(&unread, None));
            let report = Report::new(&name, Sources::default(), complaints);
            Formatted { original: Vec::new(), text: None, report }
        }
    }
}

/// Formats a text; `name` stands for it in the diagnostics. Bytes that are no UTF-8 stay as they are in comments, and are
/// errors elsewhere.
#[must_use]
pub fn format_text(name: &str, original: Vec<u8>) -> Formatted {
    let mut sources = Sources::default();
    let mut complaints = Complaints::default();
    let file = expand::admit(name, &original, None, &mut sources, &mut complaints);
    let text = file.and_then(|file| laid_out(file, &original, &sources, &mut complaints));
    if let Some(text) = text.as_ref().filter(|_| complaints.errors() == 0) {
        guard(name, text, &mut complaints);
    }
    let text = text.filter(|_| complaints.errors() == 0);
    Formatted { original, text, report: Report::new(name, sources, complaints) }
}

/// The normal form; `None` after an error.
fn laid_out(
    file: FileId,
    original: &[u8],
    sources: &Sources,
    complaints: &mut Complaints,
) -> Option<Vec<u8>> {
    let text = sources.text_of(file);
    let lines = lines(file, &text, complaints);
    let rows = rows(&text, &lines);
    check_shape(&rows, complaints);
    if complaints.errors() > 0 {
        return None;
    }
    let source = sources.get(file)?;
    let mut by_number: HashMap<usize, &Row<'_>> =
        rows.iter().map(|row| (source.line_of(row.line.start), row)).collect();
    let (original, mut skipped) =
        original.strip_prefix(BYTE_ORDER_MARK).map_or((original, 0), |rest| (rest, BYTE_ORDER_MARK.len()));
    let mut layout = Layout::default();
    for (at, raw) in original.split(|byte| *byte == b'\n').enumerate() {
        let start = source.lines(at, at).start + std::mem::take(&mut skipped);
        match by_number.remove(&at) {
            // Up to its comment a line is UTF-8, so offsets in the text are offsets in the bytes.
            Some(row) => {
                let end = (row.line.start + row.line.text.len()).saturating_sub(start);
                layout.row(row, raw.get(end..).unwrap_or_default());
            }
            None => layout.bare(raw),
        }
    }
    Some(layout.render())
}

/// A line that says something, and how it is to be taken.
struct Row<'a> {
    line: Line<'a>,
    kind: Kind,
}

/// How a line is to be taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Words and braces.
    Plain,
    /// Kept as written, but its braces count.
    Kept,
    /// Kept as written, and its braces are none of this text.
    Opaque,
    /// The same, a further line of a definition.
    Continuation,
}

fn rows<'a>(text: &str, lines: &[Line<'a>]) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    let mut lines = lines;
    while let [line, rest @ ..] = lines {
        lines = rest;
        let own = line.from(after_conditions(line.text));
        let kind = match () {
            () if defined(own.text).is_some() || takes_braces(own.text) => Kind::Opaque,
            () if is_plain(line.text) => Kind::Plain,
            () => Kind::Kept,
        };
        rows.push(Row { line: *line, kind });
        if defined(own.text).is_some() {
            let (more, after) = rest.split_at_checked(continuation(text, line, rest)).unwrap_or((rest, &[]));
            rows.extend(more.iter().map(|line| Row { line: *line, kind: Kind::Continuation }));
            lines = after;
        }
    }
    rows
}

/// Where what the `@id` at the start of a line are for begins.
fn after_conditions(text: &str) -> usize {
    let mut own = text;
    while own.starts_with('@') {
        own = own.split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim_start());
    }
    text.len() - own.len()
}

/// Complains about quotes and braces that don't match in the text as it is written.
fn check_shape(rows: &[Row<'_>], complaints: &mut Complaints) {
    let mut shape = Vec::new();
    for row in rows {
        match row.kind {
            Kind::Plain => shape.extend(pieces(&row.line).filter(|piece| !takes_braces(piece.text))),
            Kind::Kept => shape.push(row.line),
            Kind::Opaque | Kind::Continuation => {}
        }
    }
    tree::parse(&shape, complaints);
}

/// Indentation makes lines longer, and a line has a bound: what couldn't be read again must not replace what can.
fn guard(name: &str, text: &[u8], complaints: &mut Complaints) {
    let mut sources = Sources::default();
    let mut found = Complaints::default();
    if let Some(file) = expand::admit(name, text, None, &mut sources, &mut found) {
        let text = sources.text_of(file);
        check_shape(&rows(&text, &lines(file, &text, &mut found)), &mut found);
    }
    if let Some(first) = found.kept.iter().find(|diagnostic| diagnostic.severity == Severity::Error) {
        let message = format!("its normal form would be no configuration: {}", first.message);
        complaints.push(Diagnostic::error("no-normal-form", None, message).help("shorten the longest lines"));
    }
}

/// How the braces of a line change the depth: the least on the way, and in the end.
fn depths(line: &Line<'_>) -> (isize, isize) {
    let (mut least, mut depth) = (0, 0);
    for token in tokens(line, &mut Complaints::default()) {
        match token {
            Token::Open(_) => depth += 1,
            Token::Close(_) => depth -= 1,
            Token::Word(_) => {}
        }
        least = least.min(depth);
    }
    (least, depth)
}
