//! The texts that a configuration was read from, and places in them.
//!
//! A [`Span`] is only a file's number and a byte range, so that every noun can carry one; the texts stay
//! in [`Sources`]. Nothing here knows the language.

use std::ops::Range;
use std::sync::Arc;

use crate::made::{Made, Traced};

/// A place in a configuration: bytes `start..end` of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    file: FileId,
    start: u32,
    end: u32,
}

impl Span {
    /// Offsets beyond 4 GiB saturate; [`crate::MAX_FILE`] keeps real ones far below.
    pub(crate) fn new(file: FileId, range: Range<usize>) -> Self {
        Self { file, start: offset(range.start), end: offset(range.end.max(range.start)) }
    }

    /// The byte range within its file.
    #[must_use]
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    pub(crate) const fn file(self) -> FileId {
        self.file
    }

    /// From the start of `self` to the end of `other`, which stands later in the same file.
    pub(crate) fn to(self, other: Self) -> Self {
        Self { end: other.end.max(self.end), ..self }
    }

    /// The empty place just after `self`: where something is missing.
    pub(crate) const fn after(self) -> Self {
        Self { start: self.end, ..self }
    }
}

fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Which of the files that make up a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileId(u32);

impl FileId {
    /// No file at all: [`Made`].
    pub(crate) const MADE: Self = Self(u32::MAX);
}

/// Line and column as editors count them: from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// One file's name and text.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    name: String,
    text: Arc<str>,
    /// What made it be read; `None` for the file that was asked for.
    included: Option<Span>,
    /// Where each line begins; never empty, ascending.
    line_starts: Vec<usize>,
}

impl Source {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The number of the line that holds a byte, from 0.
    pub(crate) fn line_of(&self, byte: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= byte).saturating_sub(1)
    }

    /// The bytes of lines `first..=last` (from 0), without the last line's end.
    pub(crate) fn lines(&self, first: usize, last: usize) -> Range<usize> {
        let start = self.line_starts.get(first).copied().unwrap_or(self.text.len());
        let end = self.line_starts.get(last.saturating_add(1)).copied().unwrap_or(self.text.len());
        let length = self.text.get(start..end).map_or(0, |text| text.trim_end_matches(['\n', '\r']).len());
        start..start + length
    }

    fn position(&self, byte: usize) -> Position {
        let line = self.line_of(byte);
        let start = self.line_starts.get(line).copied().unwrap_or(0);
        let column = self.text.get(start..byte).map_or(0, |before| before.chars().count());
        Position { line: line + 1, column: column + 1 }
    }
}

/// Every file that a configuration was read from, and what was made of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    files: Vec<Source>,
    pub(crate) made: Made,
}

impl Sources {
    pub(crate) fn add(&mut self, name: &str, text: &str, included: Option<Span>) -> FileId {
        let id = FileId(offset(self.files.len()));
        let line_starts =
            std::iter::once(0).chain(text.match_indices('\n').map(|(newline, _)| newline + 1)).collect();
        self.files.push(Source { name: name.to_owned(), text: text.into(), included, line_starts });
        id
    }

    pub(crate) fn get(&self, id: FileId) -> Option<&Source> {
        self.files.get(id.0 as usize)
    }

    /// The whole text of a file, to be read while others are added.
    pub(crate) fn text_of(&self, id: FileId) -> Arc<str> {
        self.get(id).map_or_else(|| "".into(), |source| Arc::clone(&source.text))
    }

    /// The text of a span, in a file or made.
    pub(crate) fn read(&self, span: Span) -> &str {
        let text = if span.file == FileId::MADE {
            self.made.text()
        } else {
            self.get(span.file).map_or("", Source::text)
        };
        text.get(span.range()).unwrap_or_default()
    }

    /// The place in the files.
    pub(crate) fn trace(&self, span: Span) -> Option<Traced> {
        if span.file == FileId::MADE {
            return self.made.trace(span);
        }
        Some(Traced { span, uses: Vec::new() })
    }

    pub(crate) fn position(&self, span: Span) -> Option<(&str, Position)> {
        self.extent(span).map(|(name, start, _)| (name, start))
    }

    /// Where a span begins and where it has ended, in the file that has it.
    pub(crate) fn extent(&self, span: Span) -> Option<(&str, Position, Position)> {
        let span = self.trace(span)?.span;
        let source = self.get(span.file)?;
        let Range { start, end } = span.range();
        Some((source.name(), source.position(start), source.position(end)))
    }

    pub(crate) fn span(&self, file: &str, bytes: Range<usize>) -> Option<Span> {
        let place = self.files.iter().position(|source| source.name == file)?;
        (bytes.end <= self.files.get(place)?.text.len()).then(|| Span::new(FileId(offset(place)), bytes))
    }

    /// What puts places into the order in which they are read: offsets, from the file that was asked for inwards.
    pub(crate) fn order(&self, span: Span) -> Vec<u32> {
        let mut order = Vec::new();
        let mut next = self.trace(span).map(|traced| traced.span);
        while let Some(span) = next {
            order.push(span.start);
            next = self.included(span);
        }
        order.reverse();
        order
    }

    /// What made the file of this place be read.
    pub(crate) fn included(&self, span: Span) -> Option<Span> {
        let from = self.get(span.file)?.included?;
        self.trace(from).map(|traced| traced.span)
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &Source> {
        self.files.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_from_one() {
        let mut sources = Sources::default();
        let id = sources.add("a.conf", "héé x\n\ny", None);
        let at = |start| sources.position(Span::new(id, start..start)).unwrap().1;
        assert_eq!(at(6), Position { line: 1, column: 5 });
        assert_eq!(at(9), Position { line: 3, column: 1 });
        assert_eq!(at(10), Position { line: 3, column: 2 });
    }
}
