//! `include` and its variants: other files, read in place of the line.

use std::path::{Path, PathBuf};

use super::{Expander, Open};
use crate::diagnostic::{Complaints, Diagnostic, quote};
use crate::directives::{self, Place};
use crate::files::{MAX_FILE, Unread};
use crate::glob::{self, Found};
use crate::made::Draft;
use crate::source::{FileId, Sources, Span};

/// How many files may include each other.
const MAX_DEPTH: usize = 64;

/// What a variant of `include` calls an error.
#[derive(Clone, Copy)]
struct Demands {
    /// `includem`: nothing is found at all.
    any: bool,
    /// `includew`: a wildcard finds nothing.
    wildcard: bool,
    /// `includeb`: one of the `{}` alternatives finds nothing.
    alternative: bool,
}

impl Demands {
    fn of(keyword: &str) -> Self {
        let all = keyword.ends_with('a');
        Self {
            any: all || keyword.ends_with('m'),
            wildcard: all || keyword.ends_with('w'),
            alternative: all || keyword.ends_with('b'),
        }
    }
}

/// The keyword of a line that includes files, and where its pattern begins.
pub(super) fn asked(text: &str) -> Option<(&'static str, usize)> {
    // No other word of the language begins so; the table is asked only of those that do.
    let word = text.starts_with("include").then(|| text.split([' ', '\t', '"']).next())??;
    directives::find(Place::Anywhere, word).map(|row| (row.name, word.len()))
}

impl Expander<'_> {
    pub(super) fn include(&mut self, keyword: &'static str, draft: &Draft, pattern: usize) {
        let word = draft.from(pattern).trimmed();
        let Some(span) = draft.origin(&(0..draft.text.len())).map(|origin| origin.span) else { return };
        let span = word.origin(&(0..word.text.len())).map_or(span, |origin| origin.span);
        if word.text.is_empty() {
            let diagnostic =
                Diagnostic::error("missing-value", span, format!("`{keyword}` needs the name of a file"));
            self.complaints.push(diagnostic.help("relative names are relative to this file"));
            return;
        }
        if !self.is_file {
            let diagnostic =
                Diagnostic::error("no-include", span, "a text that is no file can't include any");
            self.complaints.push(diagnostic.help("write it into a file"));
            return;
        }
        if self.open.len() > MAX_DEPTH {
            let message = format!("files include each other more than {MAX_DEPTH} deep");
            let diagnostic = Diagnostic::error("too-deep", span, message);
            self.complaints.push(diagnostic.help("the file is not read; include it from one further up"));
            return;
        }
        let name = self.unquoted(&word.text, span);
        let directory = self.open.last().map(|open| open.directory.clone()).unwrap_or_default();
        let here = if directory.as_os_str().is_empty() { Path::new(".") } else { &directory };
        let Some(found) = glob::find(here, name) else {
            let diagnostic =
                Diagnostic::error("too-much", span, "the braces of this name stand for too many names");
            self.complaints.push(diagnostic.help("use fewer, or a wildcard"));
            return;
        };
        self.tell_missing(keyword, name, &found, span);
        for path in found.iter().flat_map(|found| &found.paths) {
            let path = path.strip_prefix(".").unwrap_or(path);
            if !self.exhausted {
                self.read(path, span);
            }
        }
    }

    fn unquoted<'t>(&mut self, text: &'t str, span: Span) -> &'t str {
        let Some(name) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else { return text };
        let diagnostic =
            Diagnostic::warning("quoted-include", span, "the name of a file stands here without quotes");
        let keepalived = "takes the quotes as part of the name, and finds nothing";
        self.complaints.push(diagnostic.keepalived(keepalived).help(format!("write {name}")));
        name
    }

    fn tell_missing(&mut self, keyword: &str, name: &str, found: &[Found], span: Span) {
        let demands = Demands::of(keyword);
        let is_empty = |found: &&Found| found.paths.is_empty();
        let Some(missing) = found.iter().find(is_empty) else { return };
        let nothing = found.iter().all(|found| found.paths.is_empty());
        let wild = found.iter().filter(is_empty).any(Found::has_wildcard);
        let is_demanded = (demands.any && nothing)
            || (demands.wildcard && wild)
            || (demands.alternative && found.len() > 1);
        let message = format!("there is no file {}", quote(&missing.pattern));
        let keyword = format!("`{keyword}` demands it; `include` doesn't");
        let diagnostic = if is_demanded {
            Diagnostic::error("nothing-included", span, message).help(keyword)
        } else if missing.has_wildcard() {
            Diagnostic::note("nothing-included", span, format!("nothing matches {}", quote(name)))
                .help("nothing is included; that may be meant")
        } else {
            Diagnostic::warning("nothing-included", span, message)
                .keepalived("goes on without it, and without a word in `keepalived -t`")
                .help("relative names are relative to the file that has the line")
        };
        self.complaints.push(diagnostic);
    }

    fn read(&mut self, path: &Path, span: Span) {
        let name = path.display().to_string();
        let content = match self.files.read(path) {
            Ok(content) => content,
            Err(unread) => {
                self.complaints.push(refusal(&unread, Some((&name, span))));
                self.exhausted |= matches!(unread, Unread::TooMuch);
                return;
            }
        };
        if content.executable {
            let message = format!("{} has an execute bit, and is not read", quote(&name));
            let diagnostic = Diagnostic::warning("executable", span, message);
            let help = format!("chmod a-x {name}");
            self.complaints.push(diagnostic.keepalived("skips it silently").help(help));
            return;
        }
        let is_open = |open: &Open| open.stamp.is_some_and(|stamp| stamp.is_same_file(&content.stamp));
        if let Some(at) = self.open.iter().position(is_open) {
            let mut diagnostic =
                Diagnostic::error("include-loop", span, format!("{} includes itself", quote(&name)));
            for from in self.open.iter().skip(at + 1).filter_map(|open| open.from) {
                diagnostic = diagnostic.related(from, "by way of this");
            }
            self.complaints.push(diagnostic.keepalived("never ends").help("remove one of these lines"));
            return;
        }
        self.fingerprint = self.fingerprint.and(&content.bytes);
        let Some(file) = admit(&name, &content.bytes, Some(span), self.sources, self.complaints) else {
            return;
        };
        let directory = path.parent().map(PathBuf::from).unwrap_or_default();
        self.open.push(Open { stamp: Some(content.stamp), directory, from: Some(span) });
        self.file(file);
        self.open.pop();
    }
}

/// What can't be read. `included`: its name and who asks for it, if it isn't the first file.
pub(crate) fn refusal(unread: &Unread, included: Option<(&str, Span)>) -> Diagnostic {
    let (name, span) =
        included.map_or((String::new(), None), |(name, span)| (format!("{} ", quote(name)), Some(span)));
    match unread {
        Unread::Io(error) => {
            let diagnostic = Diagnostic::error("unreadable", span, format!("{name}can't be read: {error}"));
            match included {
                None => diagnostic.help("name another file with -f, or check its path and permissions"),
                Some(_) => diagnostic
                    .keepalived("goes on without it")
                    .help("give the daemons' users the right to read it, or remove the line"),
            }
        }
        Unread::NotAFile(kind) => {
            Diagnostic::error("unreadable", span, format!("{name}is {kind}, not a file"))
                .help("name a configuration file")
        }
        Unread::TooMuch => {
            let message = format!("{name}would be too much: more than 10000 files, or more than 64 MiB");
            Diagnostic::error("too-large", span, message)
                .help("nothing more is read; is it a configuration at all?")
        }
    }
}

/// Takes a file's bytes in as text; complains if they are too many. Bytes that are no UTF-8 become U+FFFD, which
/// [`crate::lines`] lets pass in comments alone.
pub(crate) fn admit(
    name: &str,
    bytes: &[u8],
    included: Option<Span>,
    sources: &mut Sources,
    complaints: &mut Complaints,
) -> Option<FileId> {
    if bytes.len() > MAX_FILE {
        let message = format!("{name} is larger than {} MiB", MAX_FILE >> 20);
        complaints
            .push(Diagnostic::error("too-large", included, message).help("is it a configuration at all?"));
        return None;
    }
    Some(sources.add(name, &String::from_utf8_lossy(bytes), included))
}
