//! keepalived.conf to meaning, with spans and diagnostics.
//!
//! The way of a text: `source` keeps it, `lines` takes comments away, `expand` will splice includes and
//! definitions in, `lexer` makes words and `tree` statements and blocks; `section`, `arguments` and `entries`
//! read a block by `directives`, the one table of the language; `build` makes the [`Config`].
//!
//! Nothing here touches the network, and nothing asks the host: whether an interface, a user or a script
//! exists is for the daemon that needs it. Nothing that a file may hold makes it panic, and time and memory
//! are linear in the file's size.

mod arguments;
mod build;
mod command;
mod diagnostic;
mod directives;
mod entries;
mod expand;
mod lexer;
mod lines;
mod model;
mod report;
mod section;
mod source;
mod suggest;
mod tree;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use ::model::LinkName;

use crate::diagnostic::Complaints;
use crate::source::Sources;

pub use self::diagnostic::{Diagnostic, Excerpt, MAX_DIAGNOSTICS, Severity};
pub use self::model::{
    Address, Announcements, Check, Command, Config, Given, Global, Hook, Hooks, Instance, Manners, Pacing,
    Peer, Role, SyncGroup, TrackedCheck, TrackedLink, UserSpec, Weight,
};
pub use self::report::Report;
pub use self::source::{Fingerprint, MAX_FILE, Position, Span};

/// Our own place for the configuration.
const OWN_PATH: &str = "/etc/handover/handover.conf";
/// Where keepalived keeps its own, which is what we read until there is one of ours.
const KEEPALIVED_PATH: &str = "/etc/keepalived/keepalived.conf";

/// What became of a configuration.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Its meaning: there if, and only if, the report has no error.
    pub config: Option<Config>,
    /// What there is to say about it.
    pub report: Report,
    /// Of the bytes that were read; of none if nothing could be read.
    pub fingerprint: Fingerprint,
}

/// The configuration that is meant when none is named.
#[must_use]
pub fn default_path() -> PathBuf {
    let own = Path::new(OWN_PATH);
    if own.exists() { own.to_owned() } else { PathBuf::from(KEEPALIVED_PATH) }
}

/// Reads and parses a file. What prevents reading is a diagnostic like any other.
#[must_use]
pub fn load(path: &Path) -> Loaded {
    let name = path.display().to_string();
    match read(path) {
        Ok(bytes) => parse(&name, &bytes),
        Err(diagnostic) => {
            let mut complaints = Complaints::default();
            complaints.push(*diagnostic);
            let report = Report::new(&name, Sources::default(), complaints);
            Loaded { config: None, report, fingerprint: Fingerprint::of(&[]) }
        }
    }
}

/// At most one byte more than [`MAX_FILE`], by which [`parse`] sees that it is too large.
fn read(path: &Path) -> Result<Vec<u8>, Box<Diagnostic>> {
    let unreadable = |error: std::io::Error| {
        let diagnostic = Diagnostic::error("unreadable", None, format!("can't be read: {error}"));
        Box::new(diagnostic.help("name another file with -f, or check its path and permissions"))
    };
    let file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        let diagnostic = Diagnostic::error("unreadable", None, "is a directory, not a file");
        return Err(Box::new(diagnostic.help("name the configuration file itself with -f")));
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_FILE).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// Parses a configuration. `name` stands for the file in the diagnostics.
#[must_use]
pub fn parse(name: &str, text: impl AsRef<[u8]>) -> Loaded {
    let bytes = text.as_ref();
    let fingerprint = Fingerprint::of(bytes);
    let mut sources = Sources::default();
    let mut complaints = Complaints::default();
    let config = meaning(name, bytes, &mut sources, &mut complaints);
    let config = config.filter(|_| complaints.errors() == 0);
    Loaded { config, report: Report::new(name, sources, complaints), fingerprint }
}

/// What the bytes say, right only if nothing was complained about as an error.
fn meaning(name: &str, bytes: &[u8], sources: &mut Sources, complaints: &mut Complaints) -> Option<Config> {
    if bytes.len() > MAX_FILE {
        let message = format!("the file is larger than {} MiB", MAX_FILE >> 20);
        complaints.push(Diagnostic::error("too-large", None, message).help("is it a configuration at all?"));
        return None;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            complaints.push(not_utf8(name, bytes, error.valid_up_to(), sources));
            return None;
        }
    };
    let file = sources.add(name, text.to_owned());
    let lines = expand::expand(lines::lines(file, text, complaints), complaints);
    if lines.is_empty() && complaints.errors() == 0 {
        let message = "there is nothing in this file";
        let help = "write at least one `vrrp_instance NAME { ... }` into it";
        complaints.push(Diagnostic::error("empty", None, message).help(help));
    }
    Some(build::config(&tree::parse(&lines, complaints), complaints))
}

/// Keeps the text as far as it is one, and shows the line where it ends to be.
fn not_utf8(name: &str, bytes: &[u8], valid: usize, sources: &mut Sources) -> Diagnostic {
    let end =
        bytes.iter().skip(valid).position(|byte| *byte == b'\n').map_or(bytes.len(), |line| valid + line);
    let text = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned();
    let file = sources.add(name, text);
    let span = Span::new(file, valid..valid + char::REPLACEMENT_CHARACTER.len_utf8());
    Diagnostic::error("not-utf8", span, "this is not UTF-8 text")
        .help("convert it, for example with: iconv -f latin1 -t utf-8")
}

impl Config {
    /// Every interface that is named, once, in the order of their names.
    #[must_use]
    pub fn links(&self) -> Vec<&LinkName> {
        let addresses = self.instances.iter().flat_map(|instance| &instance.addresses);
        let of_groups = self.groups.iter().flat_map(|group| &group.links);
        let tracked = self.instances.iter().flat_map(|instance| &instance.links).chain(of_groups);
        let links: std::collections::BTreeSet<&LinkName> = self
            .instances
            .iter()
            .map(|instance| &instance.link)
            .chain(addresses.map(|address| &address.link))
            .chain(tracked.map(|tracked| &tracked.link))
            .collect();
        links.into_iter().collect()
    }
}
