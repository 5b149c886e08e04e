//! A line's words and braces.
//!
//! Words are split at blanks; `"..."` is one word without escapes; a brace outside double quotes is a token of
//! its own wherever it stands, except in `${NAME}`. Commands are split differently, later: see
//! [`crate::command`].

use crate::diagnostic::{Complaints, Diagnostic};
use crate::lines::Line;
use crate::source::Span;

/// A word and where it stands (with its quotes, if it has them).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word<'a> {
    pub(crate) text: &'a str,
    pub(crate) span: Span,
}

/// What a line is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Token<'a> {
    Word(Word<'a>),
    Open(Span),
    Close(Span),
}

impl Token<'_> {
    pub(crate) const fn span(&self) -> Span {
        match self {
            Self::Word(word) => word.span,
            Self::Open(span) | Self::Close(span) => *span,
        }
    }
}

/// The tokens of a line.
pub(crate) fn tokens<'a>(line: &Line<'a>, complaints: &mut Complaints) -> Vec<Token<'a>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = line.text.get(at..).filter(|rest| !rest.is_empty()) {
        let blanks = rest.len() - rest.trim_start().len();
        if blanks > 0 {
            at += blanks;
            continue;
        }
        let (token, length) = match rest.as_bytes().first() {
            Some(b'{') => (Token::Open(line.span(at, at + 1)), 1),
            Some(b'}') => (Token::Close(line.span(at, at + 1)), 1),
            Some(b'"') => quoted(line, at, rest, complaints),
            Some(_) | None => bare(line, at, rest, complaints),
        };
        tokens.push(token);
        at += length;
    }
    tokens
}

fn quoted<'a>(line: &Line<'a>, at: usize, rest: &'a str, complaints: &mut Complaints) -> (Token<'a>, usize) {
    let inside = rest.get(1..).unwrap_or_default();
    let (text, length) = if let Some(end) = inside.find('"') {
        (inside.get(..end).unwrap_or_default(), end + 2)
    } else {
        let diagnostic =
            Diagnostic::error("unclosed-quote", line.span(at, at + 1), "this quote is never closed");
        complaints
            .push(diagnostic.help("a quoted word ends on its own line, and no `\\` protects a quote in it"));
        (inside, rest.len())
    };
    (Token::Word(Word { text, span: line.span(at, at + length) }), length)
}

fn bare<'a>(line: &Line<'a>, at: usize, rest: &'a str, complaints: &mut Complaints) -> (Token<'a>, usize) {
    let mut in_name = false;
    let mut before = ' ';
    let end = rest.find(|c: char| {
        let ends = match c {
            '{' if before == '$' => {
                in_name = true;
                false
            }
            '}' if in_name => {
                in_name = false;
                false
            }
            '{' | '}' | '"' => true,
            c => c.is_whitespace(),
        };
        before = c;
        ends
    });
    let length = end.unwrap_or(rest.len());
    let text = rest.get(..length).unwrap_or_default();
    if end.is_none() && text.ends_with('\\') {
        let span = line.span(at + length - 1, at + length);
        let diagnostic = Diagnostic::error("continued-line", span, "a line can't be continued with `\\`");
        complaints.push(
            diagnostic.keepalived("glues the `\\` to the word").help("write the statement on one line"),
        );
    }
    (Token::Word(Word { text, span: line.span(at, at + length) }), length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::lines;
    use crate::source::Sources;

    fn shape(text: &str) -> (Vec<String>, usize) {
        let file = Sources::default().add("t", "", None);
        let mut complaints = Complaints::default();
        let lines = lines(file, text, &mut complaints);
        let tokens = lines.iter().flat_map(|line| tokens(line, &mut complaints)).collect::<Vec<_>>();
        let shape = tokens.iter().map(|token| match token {
            Token::Word(word) if word.span.range().len() > word.text.len() => format!("<{}>", word.text),
            Token::Word(word) => word.text.to_owned(),
            Token::Open(_) => "{".to_owned(),
            Token::Close(_) => "}".to_owned(),
        });
        (shape.collect(), complaints.errors())
    }

    #[test]
    fn braces_may_be_glued() {
        assert_eq!(shape("a{b c}").0, ["a", "{", "b", "c", "}"]);
        assert_eq!(shape("a ${b}c{").0, ["a", "${b}c", "{"]);
    }

    #[test]
    fn a_quoted_word_stands_alone() {
        assert_eq!(shape("a K6\"K6b\"c \"\" \"x { y\"").0, ["a", "K6", "<K6b>", "c", "<>", "<x { y>"]);
    }

    #[test]
    fn unfinished_lines_are_errors() {
        assert_eq!(shape("a \"b c"), (vec!["a".to_owned(), "<b c>".to_owned()], 1));
        assert_eq!(shape("a b \\").1, 1);
    }
}
