//! Statements and blocks, by braces alone.
//!
//! The shape of a file does not depend on what its words mean, so an unknown or unsupported block is skipped
//! as a whole and nothing after it is lost (keepalived goes on reading it in the enclosing block).

use crate::diagnostic::{Complaints, Diagnostic, quote};
use crate::lexer::{Token, Word, tokens};
use crate::lines::Line;
use crate::source::Span;

/// How deep blocks may be nested; the language needs four levels.
pub(crate) const MAX_DEPTH: usize = 16;

/// A keyword, its words, and its block if it has one.
#[derive(Debug)]
pub(crate) struct Statement<'a> {
    pub(crate) keyword: Word<'a>,
    pub(crate) arguments: Vec<Word<'a>>,
    /// Everything between the keyword and the brace or the end of the line, quotes and all.
    pub(crate) tail: Word<'a>,
    pub(crate) block: Option<Block<'a>>,
}

/// What stands between two braces.
#[derive(Debug)]
pub(crate) struct Block<'a> {
    pub(crate) open: Span,
    pub(crate) statements: Vec<Statement<'a>>,
}

/// The statements of the whole file.
pub(crate) fn parse<'a>(lines: &[Line<'a>], complaints: &mut Complaints) -> Vec<Statement<'a>> {
    let mut tree = Tree { top: Vec::new(), open: Vec::new() };
    for line in lines {
        if tree.read(line, complaints).is_err() {
            break;
        }
    }
    tree.finish(complaints)
}

/// A block that is not closed yet.
struct Frame<'a> {
    /// Whose block it is; `None` for a brace that belongs to nothing, whose content is dropped.
    owner: Option<Statement<'a>>,
    block: Block<'a>,
}

struct Tree<'a> {
    top: Vec<Statement<'a>>,
    open: Vec<Frame<'a>>,
}

/// Nested deeper than [`MAX_DEPTH`].
struct TooDeep;

impl<'a> Tree<'a> {
    fn read(&mut self, line: &Line<'a>, complaints: &mut Complaints) -> Result<(), TooDeep> {
        let mut words = Vec::new();
        for token in tokens(line, complaints) {
            match token {
                Token::Word(word) => words.push(word),
                Token::Open(span) => {
                    self.state(line, &mut words, token.span());
                    self.open(span, complaints)?;
                }
                Token::Close(span) => {
                    self.state(line, &mut words, token.span());
                    self.close(span, complaints);
                }
            }
        }
        self.state(line, &mut words, line.whole().after());
        Ok(())
    }

    fn current(&mut self) -> &mut Vec<Statement<'a>> {
        self.open.last_mut().map_or(&mut self.top, |frame| &mut frame.block.statements)
    }

    /// Ends the statement that these words are, before `end`; none is none.
    fn state(&mut self, line: &Line<'a>, words: &mut Vec<Word<'a>>, end: Span) {
        let mut arguments = std::mem::take(words);
        if arguments.is_empty() {
            return;
        }
        let keyword = arguments.remove(0);
        let (from, to) = (keyword.span.range().end - line.start, end.range().start - line.start);
        let text = line.text.get(from..to).unwrap_or_default();
        let tail = Word { text, span: line.span(from, to) };
        self.current().push(Statement { keyword, arguments, tail, block: None });
    }

    fn open(&mut self, span: Span, complaints: &mut Complaints) -> Result<(), TooDeep> {
        if self.open.len() >= MAX_DEPTH {
            let message = format!("blocks are nested more than {MAX_DEPTH} deep");
            let help = "nothing after this is read; is a `}` missing above?";
            complaints.push(Diagnostic::error("too-deep", span, message).help(help));
            return Err(TooDeep);
        }
        let owner = self.current().pop_if(|statement| statement.block.is_none());
        if owner.is_none() {
            let diagnostic = Diagnostic::error("stray-brace", span, "this `{` belongs to no word");
            complaints.push(diagnostic.help("a block begins on the line of its word or alone on the next"));
        }
        self.open.push(Frame { owner, block: Block { open: span, statements: Vec::new() } });
        Ok(())
    }

    fn close(&mut self, span: Span, complaints: &mut Complaints) {
        let Some(Frame { owner, block }) = self.open.pop() else {
            let diagnostic = Diagnostic::error("stray-brace", span, "this `}` closes nothing");
            complaints
                .push(diagnostic.help("remove it, or look for a block above that was closed too early"));
            return;
        };
        if let Some(owner) = owner {
            self.current().push(Statement { block: Some(block), ..owner });
        }
    }

    fn finish(mut self, complaints: &mut Complaints) -> Vec<Statement<'a>> {
        while let Some(Frame { owner, block }) = self.open.pop() {
            let name = owner.as_ref().map_or("{", |owner| owner.keyword.text);
            let message = format!("the block of {} is never closed", quote(name));
            let mut diagnostic = Diagnostic::error("unclosed-brace", block.open, message)
                .label("opened here")
                .help("add the missing `}`; it may be the one of a block within");
            if let Some(last) = block.statements.last() {
                diagnostic = diagnostic.related(last.keyword.span, "the last thing read in it");
            }
            complaints.push(diagnostic);
            if let Some(owner) = owner {
                self.current().push(Statement { block: Some(block), ..owner });
            }
        }
        self.top
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::lines;
    use crate::source::Sources;

    fn show(statements: &[Statement<'_>]) -> String {
        let one = |statement: &Statement<'_>| {
            let mut text = statement.keyword.text.to_owned();
            for word in &statement.arguments {
                text = format!("{text} {}", word.text);
            }
            statement
                .block
                .as_ref()
                .map_or(text.clone(), |block| format!("{text}[{}]", show(&block.statements)))
        };
        statements.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    fn shape(text: &str) -> (String, usize) {
        let file = Sources::default().add("t", "", None);
        let mut complaints = Complaints::default();
        let lines = lines(file, text, &mut complaints);
        (show(&parse(&lines, &mut complaints)), complaints.errors())
    }

    #[test]
    fn braces_stand_where_they_like() {
        let expected = ("a x[b c, d[e]], f".to_owned(), 0);
        assert_eq!(shape("a x {\nb c\nd {\ne\n}\n}\nf"), expected);
        assert_eq!(shape("a x{b c\nd{e}}f"), expected);
        assert_eq!(shape("a x\n{\nb c\nd\n\n# comment\n{ e } }\nf\n"), expected);
    }

    #[test]
    fn braces_that_match_nothing_are_told_and_survived() {
        assert_eq!(shape("a { b"), ("a[b]".to_owned(), 1));
        assert_eq!(shape("a } b"), ("a, b".to_owned(), 1));
        assert_eq!(shape("a { } { b\n } c"), ("a[], c".to_owned(), 1));
        assert_eq!(shape(&"a {".repeat(10_000)).1, 1 + MAX_DEPTH);
    }

    #[test]
    fn the_tail_keeps_what_was_written() {
        let file = Sources::default().add("t", "", None);
        let mut complaints = Complaints::default();
        let lines = lines(file, "s { script 'a  b'\"c\" d # e\n}", &mut complaints);
        let tree = parse(&lines, &mut complaints);
        assert_eq!(tree[0].block.as_ref().unwrap().statements[0].tail.text, " 'a  b'\"c\" d");
    }
}
