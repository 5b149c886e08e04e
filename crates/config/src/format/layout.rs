//! The lines of a normal form: what goes on which, how far in, and where an empty one may stand.
//!
//! An empty line may end a definition whose last line ends with `\`, so none is taken away behind such a line.

use super::{Kind, Row, depths};
use crate::diagnostic::Complaints;
use crate::expand::{is_plain, pieces, takes_command};
use crate::lexer::{Token, tokens};
use crate::lines::Line;

/// What a block is moved in by.
const INDENT: &str = "  ";
/// What stands between a statement and its comment.
const BEFORE_COMMENT: &str = "  ";

/// The lines so far.
#[derive(Default)]
pub(super) struct Layout<'a> {
    out: Vec<Out<'a>>,
    depth: usize,
    /// The last line with words ends with a `\`.
    is_open_ended: bool,
}

/// A line.
struct Out<'a> {
    depth: usize,
    shape: Shape,
    text: String,
    comment: &'a [u8],
    /// No blank stands before the comment: it may be part of a word that its author meant.
    is_glued: bool,
}

/// What a line is to the next one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Empty,
    Comment,
    Statement,
    Open,
    Close,
    Kept,
}

impl<'a> Layout<'a> {
    /// A line of the file without words.
    pub(super) fn bare(&mut self, raw: &'a [u8]) {
        let (comment, _) = comment(raw);
        if !comment.is_empty() {
            self.push(Shape::Comment, String::new());
            self.comment(self.out.len() - 1, comment, false);
            return;
        }
        let last = self.out.last().map_or(Shape::Empty, |last| last.shape);
        if last != Shape::Empty && (last != Shape::Open || self.is_open_ended) {
            self.push(Shape::Empty, String::new());
        }
    }

    /// A line of the file with words, and what follows them.
    pub(super) fn row(&mut self, row: &Row<'_>, after: &'a [u8]) {
        let first = self.out.len();
        match row.kind {
            Kind::Plain => pieces(&row.line).for_each(|piece| self.piece(&piece)),
            Kind::Kept => self.kept(&row.line),
            Kind::Opaque => self.push(Shape::Kept, row.line.text.to_owned()),
            Kind::Continuation => {
                self.push(Shape::Kept, row.line.text.to_owned());
                self.out.last_mut().into_iter().for_each(|out| out.depth += 1);
            }
        }
        self.is_open_ended = row.line.text.ends_with('\\');
        let (comment, is_glued) = comment(after);
        if comment.is_empty() {
            return;
        }
        // Beside what opens a block it speaks of that and of what is within, here and to `handover check`.
        let is_about = |out: &Out<'_>| out.shape != Shape::Close && out.shape != Shape::Empty;
        let end = self.out.len().saturating_sub(1);
        let first = first.min(end);
        let about = self.out.iter().skip(first).position(is_about).filter(|_| !is_glued);
        self.comment(about.map_or(end, |at| first + at), comment, is_glued);
    }

    fn comment(&mut self, at: usize, comment: &'a [u8], is_glued: bool) {
        if let Some(out) = self.out.get_mut(at) {
            (out.comment, out.is_glued) = (comment, is_glued);
        }
    }

    fn push(&mut self, shape: Shape, text: String) {
        self.out.push(Out { depth: self.depth, shape, text, comment: &[], is_glued: false });
    }

    fn kept(&mut self, line: &Line<'_>) {
        let (least, change) = depths(line);
        let depth = self.depth;
        self.depth = depth.saturating_add_signed(least);
        let shape = if line.text.ends_with('{') { Shape::Open } else { Shape::Kept };
        self.push(shape, line.text.to_owned());
        self.depth = depth.saturating_add_signed(change);
    }

    /// Words, and one brace at most, which is the last token.
    fn piece(&mut self, piece: &Line<'_>) {
        if !is_plain(piece.text) {
            self.push(Shape::Kept, piece.text.to_owned());
            return;
        }
        let last = tokens(piece, &mut Complaints::default()).pop();
        match last {
            Some(Token::Open(_)) => self.open(&piece.trimmed(0, piece.text.len() - 1)),
            Some(Token::Close(_)) => {
                self.statement(&piece.trimmed(0, piece.text.len() - 1));
                self.close();
            }
            Some(Token::Word(_)) | None => self.statement(piece),
        }
    }

    fn statement(&mut self, line: &Line<'_>) {
        if !line.text.is_empty() {
            self.push(Shape::Statement, spaced(line));
        }
    }

    fn open(&mut self, line: &Line<'_>) {
        self.statement(line);
        if line.text.is_empty() && self.out.last().is_some_and(|last| last.shape == Shape::Empty) {
            self.drop_empty();
        }
        let joins = |last: &&mut Out<'_>| last.shape == Shape::Statement && last.comment.is_empty();
        if let Some(last) = self.out.last_mut().filter(joins) {
            last.text.push_str(" {");
            last.shape = Shape::Open;
        } else {
            self.push(Shape::Open, "{".to_owned());
        }
        self.depth += 1;
    }

    fn close(&mut self) {
        self.drop_empty();
        self.depth = self.depth.saturating_sub(1);
        self.push(Shape::Close, "}".to_owned());
    }

    fn drop_empty(&mut self) {
        if !self.is_open_ended {
            self.out.pop_if(|last| last.shape == Shape::Empty);
        }
    }

    pub(super) fn render(mut self) -> Vec<u8> {
        self.out.pop_if(|last| last.shape == Shape::Empty);
        let mut text = Vec::new();
        for Out { depth, shape, text: words, comment, is_glued } in self.out {
            if shape != Shape::Empty {
                text.extend_from_slice(INDENT.repeat(depth).as_bytes());
            }
            text.extend_from_slice(words.as_bytes());
            if !words.is_empty() && !comment.is_empty() && !is_glued {
                text.extend_from_slice(BEFORE_COMMENT.as_bytes());
            }
            text.extend_from_slice(comment);
            text.push(b'\n');
        }
        text
    }
}

/// The comment in what follows a line's words, and whether it follows at once.
fn comment(after: &[u8]) -> (&[u8], bool) {
    let start = after.iter().position(|byte| matches!(byte, b'#' | b'!'));
    let comment = start.and_then(|start| after.get(start..)).unwrap_or_default();
    (comment.trim_ascii_end(), start == Some(0))
}

/// The words with one blank where there were some. A command is kept, and what may be one: `'` and `\` mean something there.
fn spaced(line: &Line<'_>) -> String {
    let keyword = line.text.split([' ', '\t', '"', '\'']).next().unwrap_or_default();
    if line.text.contains(['\'', '\\']) || takes_command(keyword) {
        return line.text.to_owned();
    }
    let mut text = String::new();
    let mut end = None;
    for token in tokens(line, &mut Complaints::default()) {
        let range = token.span().range();
        if end.is_some_and(|end| end < range.start) {
            text.push(' ');
        }
        text.push_str(line.text.get(range.start - line.start..range.end - line.start).unwrap_or_default());
        end = Some(range.end);
    }
    text
}
