//! Text that no file holds as it is: lines that definitions and sequences made, and where each piece came from.
//!
//! The parser reads such lines like all others, with spans in this text. [`Made::trace`] leads a span back to the
//! files: to the piece's own text, and to every place from which it was used.

use std::ops::Range;

use crate::source::{FileId, Span};

/// Where a piece of text came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// What it was made from, in a file.
    pub(crate) span: Span,
    /// Byte by byte; otherwise as a whole.
    pub(crate) exact: bool,
    /// Who used it, if it is a value.
    pub(crate) used: Option<UseId>,
}

/// One place where a value was put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UseId(u32);

#[derive(Clone, Copy, Debug)]
struct Use {
    span: Span,
    /// The use that this one is within.
    within: Option<UseId>,
}

/// A line in the making.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) text: String,
    /// Where each piece begins, ascending.
    pieces: Vec<(usize, Origin)>,
}

impl Draft {
    /// The text of a file as it stands there.
    pub(crate) fn literal(text: &str, span: Span) -> Self {
        Self::piece(text, Origin { span, exact: true, used: None })
    }

    /// Text that stands for `span` as a whole.
    pub(crate) fn value(text: &str, span: Span) -> Self {
        Self::piece(text, Origin { span, exact: false, used: None })
    }

    /// Text that stands for what is there, and is used from where that is.
    pub(crate) fn standing_for(text: &str, origin: Origin) -> Self {
        Self::piece(text, Origin { exact: false, ..origin })
    }

    fn piece(text: &str, origin: Origin) -> Self {
        Self { text: text.to_owned(), pieces: vec![(0, origin)] }
    }

    /// A part of it.
    pub(crate) fn slice(&self, range: Range<usize>) -> Self {
        let mut part = Self::default();
        part.push(self, range);
        part
    }

    pub(crate) fn from(&self, start: usize) -> Self {
        self.slice(start..self.text.len())
    }

    /// Without the blanks around it.
    pub(crate) fn trimmed(&self) -> Self {
        let start = self.text.len() - self.text.trim_start().len();
        self.slice(start..start + self.text.trim().len())
    }

    /// Appends a part of another.
    pub(crate) fn push(&mut self, other: &Self, range: Range<usize>) {
        let Some(text) = other.text.get(range.clone()) else { return };
        let at = self.text.len();
        self.text.push_str(text);
        let first = other.pieces.partition_point(|(start, _)| *start <= range.start).saturating_sub(1);
        for (start, origin) in other.pieces.iter().skip(first).take_while(|(start, _)| *start < range.end) {
            let skipped = range.start.saturating_sub(*start);
            self.pieces.push((at + start.saturating_sub(range.start), origin.after(skipped)));
        }
    }

    /// The same text, as used from there.
    pub(crate) fn used(&self, by: UseId) -> Self {
        let used = |(start, origin): &(usize, Origin)| (*start, Origin { used: Some(by), ..*origin });
        Self { text: self.text.clone(), pieces: self.pieces.iter().map(used).collect() }
    }

    /// Where a part of it came from.
    pub(crate) fn origin(&self, range: &Range<usize>) -> Option<Origin> {
        let found = self.pieces.partition_point(|(start, _)| *start <= range.start).checked_sub(1)?;
        let (start, origin) = self.pieces.get(found)?;
        let end = self.pieces.get(found + 1).map_or(self.text.len(), |(next, _)| *next).min(range.end);
        Some(origin.part(range.start - start, end.saturating_sub(*start)))
    }

    /// The place in a file that is the whole of it, if that is so.
    pub(crate) fn place(&self) -> Option<Span> {
        match self.pieces.as_slice() {
            [(_, origin)] if origin.exact && origin.used.is_none() => {
                Some(origin.part(0, self.text.len()).span)
            }
            _ => None,
        }
    }
}

impl Origin {
    fn after(self, skipped: usize) -> Self {
        self.part(skipped, self.span.range().len())
    }

    fn part(self, from: usize, to: usize) -> Self {
        if !self.exact {
            return self;
        }
        let start = self.span.range().start;
        Self { span: Span::new(self.span.file(), start + from..start + to.max(from)), ..self }
    }
}

/// Where a span of made text came from.
pub(crate) struct Traced {
    /// In a file.
    pub(crate) span: Span,
    /// From where that was used: the nearest first.
    pub(crate) uses: Vec<Span>,
}

/// All lines that were made for one configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Made {
    text: String,
    pieces: Vec<(usize, Origin)>,
    uses: Vec<Use>,
}

impl Made {
    /// Keeps a line; its place in this text.
    pub(crate) fn add(&mut self, draft: &Draft) -> Span {
        let start = self.text.len();
        self.text.push_str(&draft.text);
        self.pieces.extend(draft.pieces.iter().map(|(at, origin)| (start + at, *origin)));
        let end = self.text.len();
        self.text.push('\n');
        Span::new(FileId::MADE, start..end)
    }

    /// The whole line that has this span.
    pub(crate) fn line(&self, span: Span) -> &str {
        let (before, after) = self.text.split_at_checked(span.range().start).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let end = before.len() + after.find('\n').unwrap_or(after.len());
        self.text.get(start..end).unwrap_or_default()
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Remembers that a value is put in there.
    pub(crate) fn use_at(&mut self, site: Origin) -> UseId {
        let id = UseId(u32::try_from(self.uses.len()).unwrap_or(u32::MAX));
        self.uses.push(Use { span: site.span, within: site.used });
        id
    }

    /// The place in the files of a span of this text.
    pub(crate) fn trace(&self, span: Span) -> Option<Traced> {
        let range = span.range();
        let first = self.origin(range.start, range.end)?;
        let last_byte = range.end.saturating_sub(1).max(range.start);
        let last = self.origin(last_byte, range.end).unwrap_or(first);
        let (outward, inward) = (self.chain(first), self.chain(last));
        // From the line that is read inwards, as far as both ends were used from the same place.
        let common = outward.iter().rev().zip(inward.iter().rev()).take_while(|(a, b)| a.1 == b.1).count();
        let level = |chain: &[(Span, Option<UseId>)]| {
            chain.len().checked_sub(common.max(1)).and_then(|at| chain.get(at)).map(|(span, _)| *span)
        };
        let (start, end) = (level(&outward)?, level(&inward)?);
        let uses = outward.iter().rev().take(common.max(1)).rev().skip(1).map(|(span, _)| *span).collect();
        Some(Traced { span: start.to(end), uses })
    }

    fn origin(&self, byte: usize, end: usize) -> Option<Origin> {
        let found = self.pieces.partition_point(|(start, _)| *start <= byte).checked_sub(1)?;
        let (start, origin) = self.pieces.get(found)?;
        let next = self.pieces.get(found + 1).map_or(self.text.len(), |(next, _)| *next);
        Some(origin.part(byte - start, end.min(next).saturating_sub(*start)))
    }

    /// A piece's own place, then the places it was used from, outwards; each with what it is used by.
    fn chain(&self, origin: Origin) -> Vec<(Span, Option<UseId>)> {
        let mut chain = vec![(origin.span, origin.used)];
        let mut next = origin.used;
        while let Some(used) = next.and_then(|UseId(id)| self.uses.get(id as usize)) {
            chain.push((used.span, used.within));
            next = used.within;
        }
        chain
    }
}
