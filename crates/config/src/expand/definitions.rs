//! `$NAME=value`, and where `$NAME` or `${NAME}` stands for it.

use std::collections::HashMap;
use std::ops::Range;

use crate::made::Draft;
use crate::source::Span;

/// What stands behind a name.
pub(super) struct Definition {
    pub(super) value: Draft,
    pub(super) span: Span,
}

/// Everything that is defined so far; a later definition of the same name replaces the earlier one.
pub(super) type Definitions = HashMap<String, Definition>;

/// Whether this may be the name of a definition.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.bytes().all(is_in_name)
}

const fn is_in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The length of `$NAME` at the start of a line that defines it, and whether blanks stand before its `=`.
pub(crate) fn defined(text: &str) -> Option<(usize, bool)> {
    let rest = text.strip_prefix('$')?;
    let length = rest.bytes().take_while(|byte| is_in_name(*byte)).count();
    let after = rest.get(length..)?;
    let is_blank = !after.starts_with('=');
    (is_name(rest.get(..length)?) && after.trim_start().starts_with('=')).then_some((length + 1, is_blank))
}

/// `$NAME` or `${NAME ARGUMENTS}`.
pub(super) struct Reference<'a> {
    pub(super) range: Range<usize>,
    pub(super) name: &'a str,
    /// What follows the name within braces.
    pub(super) arguments: &'a str,
    /// Without braces, and what follows makes it none.
    pub(super) is_glued: bool,
}

/// What in a text may stand for something else.
pub(super) fn references(text: &str) -> Vec<Reference<'_>> {
    let mut found: Vec<Reference<'_>> = Vec::new();
    for (at, _) in text.match_indices('$') {
        let rest = text.get(at + 1..).unwrap_or_default();
        let reference = match rest.strip_prefix('{') {
            Some(inside) => braced(at, inside),
            None => bare(at, rest),
        };
        found.extend(reference);
    }
    found
}

fn braced(at: usize, inside: &str) -> Option<Reference<'_>> {
    let inside = inside.split_once('}')?.0;
    let (name, arguments) = inside.split_once(' ').unwrap_or((inside, ""));
    let range = at..at + inside.len() + "${}".len();
    let reference = Reference { range, name, arguments: arguments.trim(), is_glued: false };
    is_name(name).then_some(reference)
}

fn bare(at: usize, rest: &str) -> Option<Reference<'_>> {
    let length = rest.bytes().take_while(|byte| is_in_name(*byte)).count();
    let name = rest.get(..length).filter(|name| is_name(name))?;
    let after = rest.get(length..)?.chars().next();
    let is_glued = after.is_some_and(|c| !c.is_whitespace() && c != ')');
    Some(Reference { range: at..at + 1 + length, name, arguments: "", is_glued })
}
