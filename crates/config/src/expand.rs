//! Between lines and words: where one line of a file becomes several, or none.
//!
//! Conditionals (`@id`), definitions (`$NAME=`), sequences (`~SEQ`, `~LST`) and includes all work on lines, before there
//! are words or blocks, as in keepalived (found by running 2.2.7): a line's condition is judged, definitions are put in,
//! then its sequence is unrolled, and each line that this gives is looked at again. What a file may demand is bounded:
//! in lines, in bytes, in replacements and in depth.

mod built_in;
mod definitions;
mod includes;
mod sequences;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use self::definitions::{Definition, Definitions, references};
use crate::ConfigId;
use crate::diagnostic::{Complaints, Diagnostic, quote};
use crate::directives::{self, Argument};
use crate::files::{Files, Stamp};
use crate::fingerprint::Fingerprint;
use crate::lines::{Line, lines};
use crate::made::Draft;
use crate::source::{FileId, Sources, Span};
use crate::suggest::nearest;

pub(crate) use self::definitions::defined;
pub(crate) use self::includes::{admit, refusal};

/// How many times anything may be put in anywhere, and lines be made.
const MAX_REPLACEMENTS: usize = 500_000;
/// How many bytes all lines may have that stand in no file.
const MAX_MADE: usize = 32 << 20;
/// How many bytes one line may become, several lines of a definition together.
const MAX_GROWN: usize = 1 << 20;
/// How deep definitions may be nested.
const MAX_NESTED: usize = 64;
/// How many names without a definition are remembered until the end.
const MAX_UNKNOWN: usize = 1000;

/// What is left to be parsed.
pub(crate) struct Expanded {
    /// Each line's place, in a file or made.
    pub(crate) lines: Vec<Span>,
    /// Of everything that decided what they are.
    pub(crate) fingerprint: Fingerprint,
}

/// A file that is being read, and what its includes are relative to.
struct Open {
    stamp: Option<Stamp>,
    directory: PathBuf,
    /// What includes it.
    from: Option<Span>,
}

/// The first file of a configuration, which has been read.
pub(crate) struct Root<'a> {
    pub(crate) file: FileId,
    /// `None` for a text that is no file: it can't include any.
    pub(crate) from: Option<(&'a Path, Stamp)>,
    pub(crate) fingerprint: Fingerprint,
}

/// A name that stood for nothing when it was met.
struct Unknown {
    name: String,
    span: Span,
    in_command: bool,
    is_glued: bool,
}

/// Every line of a configuration; what is wrong is complained about.
pub(crate) fn expand(
    root: &Root<'_>,
    id: &ConfigId,
    files: &mut Files,
    sources: &mut Sources,
    complaints: &mut Complaints,
) -> Expanded {
    let directory = root.from.and_then(|(path, _)| path.parent()).unwrap_or(Path::new("")).to_owned();
    let mut expander = Expander {
        id,
        is_file: root.from.is_some(),
        files,
        sources,
        complaints,
        definitions: HashMap::new(),
        unknown: Vec::new(),
        open: vec![Open { stamp: root.from.map(|(_, stamp)| stamp), directory, from: None }],
        lines: Vec::new(),
        made: 0,
        replacements: 0,
        exhausted: false,
        random: 0,
        fingerprint: root.fingerprint,
    };
    expander.file(root.file);
    expander.tell_unknown();
    Expanded { lines: expander.lines, fingerprint: expander.fingerprint }
}

struct Expander<'e> {
    id: &'e ConfigId,
    is_file: bool,
    files: &'e mut Files,
    sources: &'e mut Sources,
    complaints: &'e mut Complaints,
    definitions: Definitions,
    unknown: Vec<Unknown>,
    /// From the first file to the one that is being read.
    open: Vec<Open>,
    lines: Vec<Span>,
    /// Bytes of lines that stand in no file.
    made: usize,
    replacements: usize,
    /// A bound was met and told: nothing more is read.
    exhausted: bool,
    /// How many random numbers there were.
    random: u64,
    fingerprint: Fingerprint,
}

impl Expander<'_> {
    fn file(&mut self, file: FileId) {
        let text = self.sources.text_of(file);
        let lines = lines(file, &text, self.complaints);
        let mut lines = lines.as_slice();
        while let ([line, rest @ ..], false) = (lines, self.exhausted) {
            lines = rest;
            let (at, is_ours) = self.condition(line.text, line.whole());
            let own = line.from(at);
            // What belongs to a definition goes with it, whether or not this host has it.
            if let Some(head) = definitions::defined(own.text) {
                let (more, after) =
                    rest.split_at_checked(continuation(&text, line, rest)).unwrap_or((rest, &[]));
                lines = after;
                if is_ours {
                    self.define(&own, head, more);
                }
            } else if is_ours {
                self.own(&own);
            }
        }
    }

    /// A line that this host has.
    fn own(&mut self, line: &Line<'_>) {
        for line in pieces(line) {
            if self.exhausted {
                return;
            }
            if is_plain(line.text) {
                self.lines.push(line.whole());
            } else {
                self.line(&Draft::literal(line.text, line.whole()));
            }
        }
    }

    /// Where the line begins that `@id` and `@^id` are for, and whether they let it through.
    fn condition(&mut self, text: &str, span: Span) -> (usize, bool) {
        let (mut at, mut is_ours) = (0, true);
        while let Some(word) = text.get(at..).and_then(|rest| rest.strip_prefix('@')) {
            let end = word.find(char::is_whitespace).unwrap_or(word.len());
            let id = word.get(..end).unwrap_or_default();
            let (unless, id) = id.strip_prefix('^').map_or((false, id), |id| (true, id));
            if id.is_empty() {
                let diagnostic = Diagnostic::error("bad-condition", span, "this `@` names no host");
                self.complaints.push(diagnostic.help("write `@NAME` or `@^NAME`, and a blank after it"));
                return (text.len(), false);
            }
            self.fingerprint = self.fingerprint.and(self.id.as_str().as_bytes());
            is_ours &= unless != (id == self.id.as_str());
            let rest = word.get(end..).unwrap_or_default();
            at = text.len() - rest.trim_start().len();
        }
        (at, is_ours)
    }

    fn define(&mut self, line: &Line<'_>, (length, is_blank): (usize, bool), more: &[Line<'_>]) {
        let name = line.text.get(1..length).unwrap_or_default();
        let span = line.span(0, length);
        if is_blank {
            let diagnostic = Diagnostic::error("bad-definition", span, "a blank stands before the `=`");
            let help = format!("write ${name}=VALUE");
            self.complaints
                .push(diagnostic.keepalived("takes this as a word that it doesn't know").help(help));
            return;
        }
        let own = Draft::literal(line.text, line.whole()).from(length + 1);
        let parts = more.iter().map(|line| Draft::literal(line.text, line.whole()));
        let mut value = Draft::default();
        for (part, place) in std::iter::once(own).chain(parts).zip(std::iter::once(line).chain(more)) {
            let end = part.text.strip_suffix('\\').map_or(part.text.len(), str::len);
            if !value.text.is_empty() {
                let newline = Draft::value("\n", place.span(0, 0));
                value.push(&newline, 0..1);
            }
            let part = part.slice(0..end).trimmed();
            value.push(&part, 0..part.text.len());
        }
        self.definitions.insert(name.to_owned(), Definition { value, span });
    }

    /// A line that isn't read as it stands.
    fn line(&mut self, draft: &Draft) {
        let filled = self.fill(draft);
        let mut start = 0;
        for text in filled.text.split('\n') {
            self.filled(&filled.slice(start..start + text.len()).trimmed());
            start += text.len() + 1;
        }
    }

    /// A line whose definitions are put in.
    fn filled(&mut self, draft: &Draft) {
        if draft.text.is_empty() || !self.may_replace() {
            return;
        }
        let span = draft.origin(&(0..draft.text.len())).map(|origin| origin.span);
        let Some(span) = span else { return };
        let (at, is_ours) = self.condition(&draft.text, span);
        let draft = draft.from(at);
        if draft.text.is_empty() || !is_ours {
            return;
        }
        if sequences::is_one(&draft.text) {
            self.repeat(&draft, span);
        } else if let Some((keyword, pattern)) = includes::asked(&draft.text) {
            self.include(keyword, &draft, pattern);
        } else {
            self.keep(&draft);
        }
    }

    fn repeat(&mut self, draft: &Draft, span: Span) {
        let sequence = match sequences::read(draft) {
            Ok(sequence) => sequence,
            Err(sequences::Flaw(message, help)) => {
                self.complaints.push(Diagnostic::error("bad-sequence", span, message).help(help));
                return;
            }
        };
        let rest = draft.from(sequence.end).trimmed();
        let sites = references(&rest.text);
        for row in &sequence.rows {
            let mut line = Draft::default();
            let mut copied = 0;
            for site in sites.iter().filter(|site| !site.is_glued) {
                let value =
                    sequence.names.iter().position(|name| name == site.name).and_then(|at| row.get(at));
                let (Some(value), Some(origin)) = (value, rest.origin(&site.range)) else { continue };
                line.push(&rest, copied..site.range.start);
                let value = value.used(self.sources.made.use_at(origin));
                line.push(&value, 0..value.text.len());
                copied = site.range.end;
            }
            line.push(&rest, copied..rest.text.len());
            self.filled(&line);
            if self.exhausted {
                return;
            }
        }
    }

    /// A line for the parser.
    fn keep(&mut self, draft: &Draft) {
        self.remember_unknown(draft);
        if let Some(place) = draft.place() {
            self.lines.push(place);
            return;
        }
        self.made += draft.text.len() + 1;
        if self.made > MAX_MADE {
            let message = format!("definitions and sequences make more than {} MiB of text", MAX_MADE >> 20);
            self.exhaust(message);
            return;
        }
        self.lines.push(self.sources.made.add(draft));
    }

    fn may_replace(&mut self) -> bool {
        self.replacements += 1;
        if self.replacements == MAX_REPLACEMENTS {
            let message = format!("definitions and sequences make more than {MAX_REPLACEMENTS} replacements");
            self.exhaust(message);
        }
        !self.exhausted
    }

    fn exhaust(&mut self, message: String) {
        self.exhausted = true;
        let help =
            "nothing after this is read; do definitions double each other, or sequences follow each other?";
        self.complaints.push(Diagnostic::error("too-much", None, message).help(help));
    }

    /// With every definition put in, and those within them.
    fn fill(&mut self, draft: &Draft) -> Draft {
        if !draft.text.contains('$') {
            return draft.clone();
        }
        let bound: Vec<String> = sequences::variables(&draft.text).into_iter().map(str::to_owned).collect();
        let mut filled = Draft::default();
        self.fill_into(&mut filled, draft, &bound, &mut Vec::new());
        filled
    }

    fn fill_into(&mut self, filled: &mut Draft, draft: &Draft, bound: &[String], within: &mut Vec<String>) {
        let mut copied = 0;
        for site in references(&draft.text) {
            if site.is_glued || bound.iter().any(|name| name == site.name) || !self.may_replace() {
                continue;
            }
            let Some(origin) = draft.origin(&site.range) else { continue };
            let definition = self.definitions.get(site.name).map(|definition| definition.value.clone());
            filled.push(draft, copied..site.range.start);
            copied = site.range.start;
            match definition {
                Some(_) if within.iter().any(|name| name == site.name) => {
                    self.tell_loop(site.name, origin.span);
                    copied = site.range.end;
                }
                Some(_) if within.len() >= MAX_NESTED || filled.text.len() > MAX_GROWN => {
                    self.exhaust(
                        "definitions make a line of more than 1 MiB, or are nested too deep".to_owned(),
                    );
                }
                Some(value) => {
                    let value = value.used(self.sources.made.use_at(origin));
                    within.push(site.name.to_owned());
                    self.fill_into(filled, &value, bound, within);
                    within.pop();
                    copied = site.range.end;
                }
                None => {
                    let is_quoted = is_quoted(&draft.text, site.range.start) || !within.is_empty();
                    if let Some(value) = self.built_in(&site, origin, is_quoted) {
                        filled.push(&value, 0..value.text.len());
                        copied = site.range.end;
                    }
                }
            }
        }
        filled.push(draft, copied..draft.text.len());
    }

    fn tell_loop(&mut self, name: &str, span: Span) {
        let message = format!("{} stands for itself, by way of its own value", quote(name));
        let mut diagnostic =
            Diagnostic::error("definition-loop", span, message).help("give it a value without itself");
        if let Some(definition) = self.definitions.get(name) {
            diagnostic = diagnostic.related(definition.span, "defined here");
        }
        self.complaints.push(diagnostic.keepalived("never ends"));
    }

    fn remember_unknown(&mut self, draft: &Draft) {
        if !draft.text.contains('$') {
            return;
        }
        let word = draft.text.split([' ', '\t', '"', '\'']).next().unwrap_or_default();
        let in_command = takes_command(word);
        for site in references(&draft.text) {
            let Some(origin) = draft.origin(&site.range) else { continue };
            let is_meant = !site.is_glued || self.definitions.contains_key(site.name);
            if is_meant && self.unknown.len() < MAX_UNKNOWN {
                let (name, span) = (site.name.to_owned(), origin.span);
                self.unknown.push(Unknown { name, span, in_command, is_glued: site.is_glued });
            }
        }
    }

    /// What stayed as it is written, and why.
    fn tell_unknown(&mut self) {
        for unknown in std::mem::take(&mut self.unknown) {
            let Unknown { name, span, in_command, is_glued } = unknown;
            let definition = self.definitions.get(&name).map(|definition| definition.span);
            let diagnostic = match definition {
                Some(defined) if is_glued => {
                    let message = format!("`${name}` stays as it is written: no blank follows");
                    Diagnostic::warning("glued-name", span, message)
                        .related(defined, "defined here")
                        .help(format!("write ${{{name}}}"))
                }
                Some(defined) => {
                    let message = format!("`{name}` is used before it is defined");
                    Diagnostic::error("undefined-name", span, message)
                        .related(defined, "defined here")
                        .keepalived("leaves it as it is written")
                        .help("define it above its first use")
                }
                None if in_command => continue,
                None => {
                    let names = self.definitions.keys().map(String::as_str);
                    let near = if self.complaints.is_full() { None } else { nearest(&name, names) };
                    let help = near.map_or_else(
                        || format!("define it above: ${name}=VALUE"),
                        |near| format!("did you mean `{near}`?"),
                    );
                    let message = format!("`{name}` is not defined, so this stays as it is written");
                    Diagnostic::error("undefined-name", span, message).help(help)
                }
            };
            self.complaints.push(diagnostic);
        }
    }
}

/// What is read as a line of its own: what follows a brace is.
pub(crate) fn pieces<'a>(line: &Line<'a>) -> impl Iterator<Item = Line<'a>> + use<'a> {
    let mut rest = *line;
    std::iter::from_fn(move || {
        let text = Some(rest.text).filter(|text| !text.is_empty())?;
        let end = if takes_braces(text) { text.len() } else { after_brace(text) };
        let piece = rest.trimmed(0, end);
        rest = rest.from(end);
        Some(piece)
    })
}

/// Whether what follows this word may be a command, which has rules of its own.
pub(crate) fn takes_command(word: &str) -> bool {
    let is_command = |it| matches!(it, Argument::Command | Argument::Hook | Argument::OptionalHook);
    directives::everywhere(word).any(|row| is_command(row.argument))
}

/// Whether a line is for the parser as it stands.
pub(crate) fn is_plain(text: &str) -> bool {
    !text.contains('$') && !text.starts_with('@') && !takes_braces(text)
}

/// Whether braces in a line are its own: in patterns and lists.
pub(crate) fn takes_braces(text: &str) -> bool {
    sequences::is_one(text) || includes::asked(text).is_some()
}

/// Where a line goes on after its first brace: not one in quotes, nor one of `${NAME}`.
fn after_brace(text: &str) -> usize {
    let (mut is_quoted, mut in_name, mut before) = (false, false, ' ');
    for (at, c) in text.char_indices() {
        match c {
            '"' => is_quoted = !is_quoted,
            '{' if before == '$' => in_name = true,
            '}' if in_name => in_name = false,
            '{' | '}' if !is_quoted => return at + 1,
            _ => {}
        }
        before = c;
    }
    text.len()
}

/// How many of the lines that follow belong to the definition in this one: those after a `\`, up to an empty line.
pub(crate) fn continuation(text: &str, line: &Line<'_>, rest: &[Line<'_>]) -> usize {
    let mut last = *line;
    for (count, next) in rest.iter().enumerate() {
        let gap = text.get(last.start + last.text.len()..next.start).unwrap_or_default();
        let between = gap.split('\n').count().saturating_sub(2);
        let is_next = gap.split('\n').skip(1).take(between).all(|line| !line.trim().is_empty());
        if !last.text.ends_with('\\') || !is_next {
            return count;
        }
        last = *next;
    }
    rest.len()
}

/// Whether a place of a line is within double quotes.
fn is_quoted(text: &str, at: usize) -> bool {
    text.get(..at).unwrap_or_default().matches('"').count() % 2 == 1
}
