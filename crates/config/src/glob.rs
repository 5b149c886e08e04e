//! File name patterns as `include` takes them: `*`, `?`, `[a-z]` and `{one,other}`, as in glob(7).
//!
//! A leading dot has to be written out. What can't be listed matches nothing.

use std::fs;
use std::path::{Path, PathBuf};

/// How many patterns the braces of one may stand for.
const MAX_ALTERNATIVES: usize = 1000;
/// How many files one pattern may find.
const MAX_MATCHES: usize = 10_000;

/// One pattern without braces, and what it finds.
pub(crate) struct Found {
    pub(crate) pattern: String,
    /// In the order of their names.
    pub(crate) paths: Vec<PathBuf>,
}

impl Found {
    pub(crate) fn has_wildcard(&self) -> bool {
        is_wild(&self.pattern)
    }
}

/// What a pattern finds from a directory; `None` if its braces stand for too many.
pub(crate) fn find(directory: &Path, pattern: &str) -> Option<Vec<Found>> {
    let mut patterns = Vec::new();
    alternatives(pattern, &mut patterns)?;
    let found = |pattern: String| Found { paths: matches(directory, &pattern), pattern };
    Some(patterns.into_iter().map(found).collect())
}

fn is_wild(pattern: &str) -> bool {
    pattern.contains(['*', '?', '['])
}

/// Takes the first pair of braces apart, then those of what that gives.
fn alternatives(pattern: &str, into: &mut Vec<String>) -> Option<()> {
    let braces = pattern.find('{').and_then(|open| Some((open, closing(pattern, open)?)));
    let Some((open, close)) = braces else {
        into.push(pattern.to_owned());
        return (into.len() <= MAX_ALTERNATIVES).then_some(());
    };
    let (head, tail) = (pattern.get(..open)?, pattern.get(close + 1..)?);
    for choice in choices(pattern.get(open + 1..close)?) {
        alternatives(&format!("{head}{choice}{tail}"), into)?;
    }
    Some(())
}

fn closing(pattern: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in pattern.char_indices().skip_while(|(at, _)| *at < open) {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return Some(at),
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// The parts between commas that are in no braces of their own.
fn choices(inside: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_usize, 0, Vec::new());
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.extend(inside.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(inside.get(start..));
    parts
}

fn matches(directory: &Path, pattern: &str) -> Vec<PathBuf> {
    let start = if pattern.starts_with('/') { PathBuf::from("/") } else { directory.to_owned() };
    let mut paths = vec![start];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        paths = paths.iter().flat_map(|path| step(path, part)).take(MAX_MATCHES).collect();
    }
    paths.retain(|path| path.symlink_metadata().is_ok());
    paths
}

fn step(path: &Path, part: &str) -> Vec<PathBuf> {
    if !is_wild(part) {
        return vec![path.join(part)];
    }
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| is_match(part, name)).take(MAX_MATCHES).collect();
    names.sort();
    names.into_iter().map(|name| path.join(name)).collect()
}

fn is_match(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    if name.first() == Some(&'.') && pattern.first() != Some(&'.') {
        return false;
    }
    // Where to go on if what follows the last `*` doesn't match: quadratic at worst, and names are short.
    let (mut p, mut n, mut retry) = (0, 0, None);
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            retry = Some((p, n + 1));
            p += 1;
        } else if let Some(next) = one(&pattern, p, name.get(n).copied()) {
            (p, n) = (next, n + 1);
        } else if let Some((star, from)) = retry {
            (p, n, retry) = (star + 1, from, Some((star, from + 1)));
        } else {
            return false;
        }
    }
    pattern.get(p..).is_none_or(|rest| rest.iter().all(|c| *c == '*'))
}

/// Whether the pattern at `p` takes this character, and where it goes on.
fn one(pattern: &[char], p: usize, c: Option<char>) -> Option<usize> {
    let c = c?;
    match pattern.get(p)? {
        '?' => Some(p + 1),
        '[' => class(pattern, p, c),
        '\\' => (pattern.get(p + 1) == Some(&c)).then_some(p + 2),
        own => (*own == c).then_some(p + 1),
    }
}

/// `[abc]`, `[a-z]`, `[!a]`; one that isn't closed stands for itself.
fn class(pattern: &[char], open: usize, c: char) -> Option<usize> {
    let length = pattern.iter().skip(open + 2).position(|c| *c == ']');
    let Some(close) = length.map(|length| open + 2 + length) else {
        return (c == '[').then_some(open + 1);
    };
    let inside = pattern.get(open + 1..close)?;
    let (negated, inside) = match inside {
        ['!' | '^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut rest = inside;
    let mut found = false;
    while let [first, tail @ ..] = rest {
        (found, rest) = match tail {
            ['-', last, tail @ ..] => (found || (*first..=*last).contains(&c), tail),
            _ => (found || *first == c, tail),
        };
    }
    (found != negated).then_some(close + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("*", "a.conf", true),
            ("*", ".hidden", false),
            (".*", ".hidden", true),
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf~", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("?.conf", "ü.conf", true),
            ("[a-c]1", "b1", true),
            ("[a-c]1", "d1", false),
            ("[!a-c]1", "d1", true),
            ("[]]", "]", true),
            ("[a", "[a", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
        ] {
            assert_eq!(is_match(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn braces_are_alternatives() {
        let all = |pattern: &str| {
            let mut all = Vec::new();
            alternatives(pattern, &mut all).map(|()| all)
        };
        assert_eq!(all("a{b,c}{d,}").unwrap(), ["abd", "ab", "acd", "ac"]);
        assert_eq!(all("{a,{b,c}d}").unwrap(), ["a", "bd", "cd"]);
        assert_eq!(all("a{b").unwrap(), ["a{b"]);
        assert!(all(&"{a,b}".repeat(40)).is_none());
    }

    #[test]
    fn nothing_takes_exponential_time() {
        assert!(!is_match(&"*a".repeat(100), &"a".repeat(99)));
    }
}
