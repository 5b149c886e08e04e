//! `~SEQ`, `~SEQx` and `~LST`: the rest of a line, once for each value.

use std::ops::Range;

use crate::made::Draft;

/// How many lines one sequence may make.
pub(super) const MAX_REPEATS: usize = 100_000;

/// A sequence at the start of a line.
pub(super) struct Sequence {
    /// The variables; more than one only with `~LST({A,B}, ...)`.
    pub(super) names: Vec<String>,
    /// For each line a value of each variable.
    pub(super) rows: Vec<Vec<Draft>>,
    /// Where the rest of the line begins.
    pub(super) end: usize,
}

/// What is wrong with a sequence, and what to do.
pub(super) struct Flaw(pub(super) &'static str, pub(super) &'static str);

const SHAPE: &str = "write ~SEQ(NAME, LAST), ~SEQ(NAME, FIRST, LAST) or ~SEQ(NAME, FIRST, STEP, LAST)";
const LIST_SHAPE: &str = "write ~LST(NAME, VALUE, ...) or ~LST({NAME, NAME}, {VALUE, VALUE}, ...)";

const NUMBERS: &str = "~SEQ(";
const HEXADECIMAL: &str = "~SEQx(";
const LIST: &str = "~LST(";

/// Whether a line begins with one.
pub(super) fn is_one(text: &str) -> bool {
    [NUMBERS, HEXADECIMAL, LIST].iter().any(|start| text.starts_with(start))
}

/// The variables of all sequences of a line: definitions of the same name don't count in it.
pub(super) fn variables(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for (at, _) in text.match_indices("~") {
        let rest = text.get(at..).unwrap_or_default();
        let Some(inside) = [NUMBERS, HEXADECIMAL, LIST].iter().find_map(|start| rest.strip_prefix(start))
        else {
            continue;
        };
        let head = match inside.trim_start().strip_prefix('{') {
            Some(list) => list.split('}').next(),
            None => inside.split([',', ')']).next(),
        };
        names.extend(head.unwrap_or_default().split(',').map(str::trim));
    }
    names
}

/// Reads the sequence that a line begins with.
pub(super) fn read(line: &Draft) -> Result<Sequence, Flaw> {
    let text = line.text.as_str();
    let open = text.find('(').unwrap_or(0);
    let close = text.find(')').ok_or(Flaw("this sequence has no `)`", "close the parenthesis"))?;
    let parts = parts(text, open + 1..close);
    let (names, rows) = if text.starts_with(LIST) {
        list(line, &parts)?
    } else {
        numbers(line, &parts, text.starts_with(HEXADECIMAL), close + 1)?
    };
    if names.iter().any(|name| !super::definitions::is_name(name)) {
        return Err(Flaw("the variable of a sequence has letters, digits and `_` only", SHAPE));
    }
    Ok(Sequence { names, rows, end: close + 1 })
}

/// The ranges between commas outside braces, without blanks around them.
fn parts(text: &str, inside: Range<usize>) -> Vec<Range<usize>> {
    let (mut depth, mut start, mut parts) = (0_usize, inside.start, Vec::new());
    for (at, c) in text.get(inside.clone()).unwrap_or_default().char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(trim(text, start..inside.start + at));
                start = inside.start + at + 1;
            }
            _ => {}
        }
    }
    parts.push(trim(text, start..inside.end));
    parts
}

fn trim(text: &str, range: Range<usize>) -> Range<usize> {
    let part = text.get(range.clone()).unwrap_or_default();
    let start = range.start + part.len() - part.trim_start().len();
    start..start + part.trim().len()
}

type Rows = (Vec<String>, Vec<Vec<Draft>>);

fn numbers(line: &Draft, parts: &[Range<usize>], hexadecimal: bool, end: usize) -> Result<Rows, Flaw> {
    let word = |range: &Range<usize>| line.text.get(range.clone()).unwrap_or_default();
    let (name, bounds) = parts.split_first().ok_or(Flaw("this sequence is empty", SHAPE))?;
    let bounds: Vec<i64> = bounds.iter().filter_map(|range| word(range).parse().ok()).collect();
    let towards = |first: i64, last: i64| if first <= last { 1 } else { -1 };
    let (first, step, last) = match (bounds.as_slice(), parts.len() - 1) {
        ([last], 1) => (1, towards(1, *last), *last),
        ([first, last], 2) => (*first, towards(*first, *last), *last),
        ([first, step, last], 3) => (*first, *step, *last),
        _ => return Err(Flaw("a sequence takes a name and one to three whole numbers", SHAPE)),
    };
    if step == 0 || (step > 0) != (first <= last) && first != last {
        return Err(Flaw("this sequence never reaches its end", SHAPE));
    }
    let count = last.abs_diff(first) / step.unsigned_abs();
    if usize::try_from(count).map_or(true, |count| count >= MAX_REPEATS) {
        return Err(Flaw(
            "this sequence makes more than 100000 lines",
            "make it shorter; an instance has 255 addresses at most",
        ));
    }
    let spec = line.origin(&(0..end)).map(|origin| origin.span);
    let values =
        (0..=i64::try_from(count).unwrap_or(0)).map(|n| first.saturating_add(n.saturating_mul(step)));
    let text = |value: i64| if hexadecimal { format!("{value:x}") } else { value.to_string() };
    let row = |value| vec![spec.map_or_else(Draft::default, |spec| Draft::value(&text(value), spec))];
    Ok((vec![word(name).to_owned()], values.map(row).collect()))
}

fn list(line: &Draft, parts: &[Range<usize>]) -> Result<Rows, Flaw> {
    let text = line.text.as_str();
    let word = |range: &Range<usize>| text.get(range.clone()).unwrap_or_default();
    let (head, values) = parts.split_first().ok_or(Flaw("this list is empty", LIST_SHAPE))?;
    let is_group = |range: &Range<usize>| word(range).starts_with('{') && word(range).ends_with('}');
    let group = |range: &Range<usize>| self::parts(text, range.start + 1..range.end.saturating_sub(1));
    let many = is_group(head);
    let names: Vec<String> = if many {
        group(head).iter().map(|range| word(range).to_owned()).collect()
    } else {
        vec![word(head).to_owned()]
    };
    let mut rows = Vec::with_capacity(values.len());
    for value in values {
        let fields = match (many, is_group(value)) {
            (true, true) => group(value),
            (false, false) => vec![value.clone()],
            _ => return Err(Flaw("names and values of this list don't have the same shape", LIST_SHAPE)),
        };
        if fields.len() > names.len()
            || fields.iter().any(|range| word(range).contains([' ', '\t', '{', '}']))
        {
            return Err(Flaw("a value of this list is one word for one name", LIST_SHAPE));
        }
        let mut row: Vec<Draft> = fields.iter().map(|range| line.slice(range.clone())).collect();
        row.resize(names.len(), Draft::default());
        rows.push(row);
    }
    Ok((names, rows))
}
