//! A file's text as lines without comments.
//!
//! Only double quotes protect `#` and `!`, as in keepalived: neither single quotes nor a backslash do. Where
//! that cuts a word short, which nobody means, it is said.

use crate::diagnostic::{Complaints, Diagnostic};
use crate::source::{FileId, Sources, Span};

/// The longest line that is read, in bytes; keepalived gives up at 1023.
pub(crate) const MAX_LINE: usize = 64 << 10;

/// What some editors put in front of a text.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// A line that says something: no comment, no blanks around, not empty.
///
/// Most are pieces of a file. Those that definitions and sequences made are pieces of [`crate::made::Made`], and nothing
/// after [`mod@crate::expand`] needs to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    pub(crate) text: &'a str,
    pub(crate) file: FileId,
    /// Where the text begins, in bytes.
    pub(crate) start: usize,
}

impl<'a> Line<'a> {
    /// Where these bytes of the line stand.
    pub(crate) fn span(&self, from: usize, to: usize) -> Span {
        Span::new(self.file, self.start + from..self.start + to)
    }

    pub(crate) fn whole(&self) -> Span {
        self.span(0, self.text.len())
    }

    /// The line of that place.
    pub(crate) fn at(sources: &'a Sources, span: Span) -> Self {
        Self { text: sources.read(span), file: span.file(), start: span.range().start }
    }

    /// What follows, without the blanks around it.
    pub(crate) fn from(&self, at: usize) -> Self {
        self.trimmed(at, self.text.len())
    }

    /// The part `from..to`, without the blanks around it.
    pub(crate) fn trimmed(&self, from: usize, to: usize) -> Self {
        let text = self.text.get(from..to).unwrap_or_default();
        let blanks = text.len() - text.trim_start().len();
        Self { text: text.trim(), file: self.file, start: self.start + from + blanks }
    }
}

/// Every line of a file that says something.
pub(crate) fn lines<'a>(file: FileId, text: &'a str, complaints: &mut Complaints) -> Vec<Line<'a>> {
    let mut lines = Vec::new();
    let mut start = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len_utf8() } else { 0 };
    for text in text.get(start..).unwrap_or_default().split_inclusive('\n') {
        let line = Line { text, file, start };
        start += text.len();
        if let Some(refusal) = refusal(&line) {
            complaints.push(refusal);
            continue;
        }
        let end = comment_start(&line, complaints).unwrap_or(text.len());
        let line = line.trimmed(0, end);
        if let Some(at) = line.text.find(char::REPLACEMENT_CHARACTER) {
            complaints.push(not_utf8(line.span(at, at + char::REPLACEMENT_CHARACTER.len_utf8())));
        } else if !line.text.is_empty() {
            lines.push(line);
        }
    }
    lines
}

fn refusal(line: &Line<'_>) -> Option<Diagnostic> {
    if line.text.len() > MAX_LINE {
        let message = format!("this line is longer than {MAX_LINE} bytes");
        let first = line.text.chars().next().map_or(0, char::len_utf8);
        return Some(Diagnostic::error("long-line", line.span(0, first), message).help("break it up"));
    }
    let nul = line.text.find('\0')?;
    let message = "a NUL byte: is this a text file?";
    let diagnostic = Diagnostic::error("nul", line.span(nul, nul + 1), message);
    Some(diagnostic.keepalived("ignores such a line").help("remove the byte"))
}

/// Outside a comment.
fn not_utf8(span: Span) -> Diagnostic {
    Diagnostic::error("not-utf8", span, "this is not UTF-8 text")
        .help("convert the file, for example with: iconv -f latin1 -t utf-8")
}

/// Where the comment begins, if there is one.
fn comment_start(line: &Line<'_>, complaints: &mut Complaints) -> Option<usize> {
    let mut quoted = false;
    let mut word = None;
    for (at, c) in line.text.char_indices() {
        match c {
            '"' => (quoted, word) = (!quoted, None),
            '#' | '!' if !quoted => {
                let Some(start) = word else { return Some(at) };
                let (diagnostic, end) = cut_word(line, start, at);
                complaints.push(diagnostic);
                return Some(end);
            }
            '{' | '}' => word = None,
            c if c.is_whitespace() => word = None,
            _ => word = word.or(Some(at)),
        }
    }
    None
}

/// The word `start..at` is cut short by a comment: what to say, and where the word ends.
fn cut_word(line: &Line<'_>, start: usize, at: usize) -> (Diagnostic, usize) {
    let mark = line.span(at, at + 1);
    let word = line.text.get(start..at).unwrap_or_default();
    let help = "if it belongs to the word, put the word in double quotes; if not, put a blank before it";
    if let Some(word) = word.strip_suffix('\\') {
        let message = "`\\` doesn't protect here: the word would end before it";
        return (Diagnostic::error("escaped-comment", mark, message).help(help), start + word.len());
    }
    let message = "a comment begins in the middle of a word, which ends there";
    (Diagnostic::warning("comment-in-word", mark, message).help(help), at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> (Vec<String>, usize) {
        let file = Sources::default().add("t", "", None);
        let mut complaints = Complaints::default();
        let lines = lines(file, text, &mut complaints);
        for line in &lines {
            assert_eq!(&text[line.start..line.start + line.text.len()], line.text);
        }
        (lines.iter().map(|line| line.text.to_owned()).collect(), complaints.errors())
    }

    #[test]
    fn comments_end_lines_outside_double_quotes() {
        let (lines, errors) = texts("# ünïcode\r\n a \"b # !\" c # d\r\n\r\n! e\n'f # g'\n  h ! i");
        assert_eq!(lines, ["a \"b # !\" c", "'f", "h"]);
        assert_eq!(errors, 0);
    }

    #[test]
    fn a_backslash_before_a_comment_is_an_error() {
        assert_eq!(texts("auth_pass a\\#b\n").1, 1);
    }

    #[test]
    fn a_byte_order_mark_says_nothing() {
        assert_eq!(texts("\u{feff}a\nb").0, ["a", "b"]);
    }

    #[test]
    fn what_no_text_holds_is_refused_by_line() {
        assert_eq!(texts("a\nb\0c\nd\n"), (vec!["a".to_owned(), "d".to_owned()], 1));
        assert_eq!(texts(&"x".repeat(MAX_LINE + 1)), (vec![], 1));
    }
}
