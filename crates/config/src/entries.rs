//! Blocks that are lists: each line a value, then options of the table.

use crate::diagnostic::{Complaints, Diagnostic, quote};
use crate::directives::{self, Argument, Directive, Place, Standing};
use crate::lexer::Word;
use crate::section::{not_done, unknown};
use crate::source::Span;
use crate::tree::{Block, Statement};

/// One line of a list.
pub(crate) struct Entry<'a> {
    /// Its first word.
    pub(crate) head: Word<'a>,
    /// All of it.
    pub(crate) span: Span,
    /// The options that are used, with their value if they take one.
    pub(crate) options: Vec<(&'static Directive, Option<Word<'a>>)>,
}

/// The lines of these blocks, without those that had to be complained about.
pub(crate) fn entries<'a>(
    place: Place,
    blocks: &[&Block<'a>],
    complaints: &mut Complaints,
) -> Vec<Entry<'a>> {
    let statements = blocks.iter().flat_map(|block| &block.statements);
    statements.filter_map(|statement| entry(place, statement, complaints)).collect()
}

fn entry<'a>(place: Place, statement: &Statement<'a>, complaints: &mut Complaints) -> Option<Entry<'a>> {
    let head = statement.keyword;
    if let Some(block) = &statement.block {
        let message = format!("a block can't stand in this list, but {} has one", quote(head.text));
        let help = "is the `}` of the list missing?";
        complaints
            .push(Diagnostic::error("stray-block", block.open, message).label("begins here").help(help));
        return None;
    }
    let span = statement.arguments.last().map_or(head.span, |last| head.span.to(last.span));
    let mut options = Vec::new();
    let mut words = statement.arguments.iter();
    while let Some(word) = words.next() {
        let Some(row) = directives::find(place, word.text) else {
            complaints.push(stray(place, word));
            return None;
        };
        complaints.note(row, word.span);
        let value = if row.argument == Argument::Nothing { None } else { words.next().copied() };
        if row.argument != Argument::Nothing && value.is_none() {
            let message = format!("`{}` needs a value", row.name);
            let help = format!("it {}", row.help);
            complaints.push(Diagnostic::error("missing-value", word.span, message).help(help));
            return None;
        }
        if row.standing == Standing::Used {
            options.push((row, value));
        } else {
            complaints.push(not_done(row, word.span));
        }
    }
    Some(Entry { head, span, options })
}

/// A word that is no option. The most frequent one is the next entry.
fn stray(place: Place, word: &Word<'_>) -> Diagnostic {
    let address = word.text.split('/').next().unwrap_or_default();
    if address.parse::<std::net::IpAddr>().is_ok() {
        let message = format!("{} stands on the line of another entry", quote(word.text));
        return Diagnostic::error("extra-words", word.span, message)
            .keepalived("silently ignores this")
            .help("one entry a line");
    }
    unknown(place, word)
}
