//! Between lines and words: where one line of a file becomes several, or none.
//!
//! Includes, definitions (`$NAME=`), conditionals (`@id`) and sequences (`~SEQ`) all work on lines, before
//! there are words or blocks. None is supported yet. Each is an error rather than a warning: a file read
//! without them would mean something else.

use crate::diagnostic::{Complaints, Diagnostic};
use crate::directives::{self, Place};
use crate::lines::Line;

/// keepalived's definitions that exist without being made.
const BUILT_IN: [&str; 6] = ["_PWD", "_INSTANCE", "_RANDOM", "_HASH", "_BANG", "_ENV"];

/// The lines that are left; those that need expansion are complained about.
pub(crate) fn expand<'a>(lines: Vec<Line<'a>>, complaints: &mut Complaints) -> Vec<Line<'a>> {
    let mut expanded = Vec::with_capacity(lines.len());
    let mut in_definition = false;
    for line in lines {
        if in_definition {
            in_definition = line.text.ends_with('\\');
            continue;
        }
        match refused(line.text) {
            Some((length, what, help)) => {
                in_definition = line.text.starts_with('$') && line.text.ends_with('\\');
                let message = format!("{what} are not supported yet");
                let diagnostic = Diagnostic::error("not-supported", line.span(0, length), message);
                complaints.push(diagnostic.help(help));
            }
            None => {
                refuse_built_ins(&line, complaints);
                expanded.push(line);
            }
        }
    }
    expanded
}

/// The length of the word that needs expansion, what it is, and what to do instead.
fn refused(text: &str) -> Option<(usize, &'static str, &'static str)> {
    let word = text.split([' ', '\t', '"']).next().unwrap_or_default();
    if text.starts_with('$') {
        let (name, _) = text.split_once('=')?;
        let is_name = name.len() > 1 && name.bytes().skip(1).all(|b| b.is_ascii_alphanumeric() || b == b'_');
        return is_name.then_some((name.len(), "definitions", "write the value where it is used"));
    }
    if text.starts_with('@') {
        return Some((word.len(), "conditional lines", "keep a file for each host"));
    }
    if ["~SEQ(", "~SEQx(", "~LST("].iter().any(|sequence| text.starts_with(sequence)) {
        return Some((word.len(), "sequences", "write the lines out"));
    }
    directives::find(Place::Anywhere, word)
        .map(|row| (row.name.len(), "includes", "paste the file's text here"))
}

/// A built-in definition would silently stay as it is written.
fn refuse_built_ins(line: &Line<'_>, complaints: &mut Complaints) {
    for (at, _) in line.text.match_indices('$') {
        let rest = line.text.get(at + 1..).unwrap_or_default();
        let name = rest.strip_prefix('{').unwrap_or(rest);
        let length = name.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        if BUILT_IN.iter().any(|built_in| name.get(..length) == Some(*built_in)) {
            let end = at + 1 + (rest.len() - name.len()) + length;
            complaints.push(
                Diagnostic::error("not-supported", line.span(at, end), "definitions are not supported yet")
                    .help("write the value here"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::lines;
    use crate::source::Sources;

    fn expanded(text: &str) -> (Vec<String>, usize) {
        let file = Sources::default().add("t", String::new());
        let mut complaints = Complaints::default();
        let lines = lines(file, text, &mut complaints);
        let lines = expand(lines, &mut complaints);
        (lines.iter().map(|line| line.text.to_owned()).collect(), complaints.errors())
    }

    #[test]
    fn what_would_change_the_meaning_is_refused() {
        for text in [
            "$A=b",
            "include a.conf",
            "includer a.conf",
            "@node1 priority 3",
            "@^node1 priority 3",
            "~SEQ(I, 3) x ${I}",
            "~SEQx(I, 3) x ${I}",
            "~LST(I, a, b) x ${I}",
        ] {
            assert_eq!(expanded(text), (vec![], 1), "{text}");
        }
        assert_eq!(expanded("script \"/x ${_PWD}\"").1, 1);
    }

    #[test]
    fn a_definition_of_several_lines_is_one_error() {
        assert_eq!(expanded("$A= \\\n b \\\n c\nd\n"), (vec!["d".to_owned()], 1));
    }

    #[test]
    fn a_dollar_alone_is_text() {
        // keepalived leaves unknown names as they are.
        assert_eq!(expanded("script \"/x $HOME ${B}\"").1, 0);
        assert_eq!(expanded("$B = x").1, 0);
    }
}
