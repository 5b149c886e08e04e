//! keepalived.conf to meaning, with spans and diagnostics.
//!
//! The way of a text: `files` reads it, `source` keeps it, `lines` takes comments away, `expand` splices includes,
//! definitions and sequences in (`made` remembers where their text came from), `lexer` makes words and `tree` statements and blocks; `section`, `arguments` and `entries`
//! read a block by `directives`, the one table of the language; `build` makes the [`Config`].
//!
//! Beside that way, `format` lays a text out anew without asking for its meaning.
//!
//! Nothing here touches the network, and of the host only its name is asked: whether an interface, a user or a
//! script exists is for the daemon that needs it. Nothing that a file may hold makes it panic, and time and memory
//! are linear in the file's size.

mod arguments;
mod build;
mod command;
mod config_id;
mod diagnostic;
mod directives;
mod entries;
mod expand;
mod files;
mod fingerprint;
mod format;
mod glob;
mod identity;
mod lexer;
mod lines;
mod made;
mod model;
mod report;
mod section;
mod source;
mod suggest;
mod tree;

use std::path::{Path, PathBuf};

use ::model::LinkName;

use crate::diagnostic::Complaints;
use crate::expand::{Root, expand};
use crate::files::Files;
use crate::lines::Line;
use crate::source::Sources;

pub use self::config_id::ConfigId;
pub use self::diagnostic::{Diagnostic, Excerpt, MAX_DIAGNOSTICS, Severity};
pub use self::files::MAX_FILE;
pub use self::fingerprint::Fingerprint;
pub use self::format::{Formatted, format, format_text};
pub use self::identity::Renames;
pub use self::model::{
    Address, AddressOptions, Announcements, Check, Command, Config, Given, Global, Hook, Hooks, Instance,
    Manners, NotifyPipe, OuterScript, Pacing, Peer, Preludes, Role, RouteHop, RouteKind, RuleAction, Statics,
    SyncGroup, TrackedCheck, TrackedLink, UserSpec, VirtualMac, VirtualRoute, VirtualRule, Weight,
};
pub use self::model::{
    CommandLine, Delivery, Firewall, Fit, HttpGet, Initial, NumberFile, Probe, Processes, Queue, Target, Tls,
};
pub use self::model::{DnsQuery, Rcode, RecordKind};
pub use self::model::{MAX_RECIPIENTS, Mail, MailServer};
pub use self::report::Report;
pub use self::source::{Position, Span};

/// Our own place for the configuration.
const OWN_PATH: &str = "/etc/handover/handover.conf";
/// Where keepalived keeps its own, which is what we read until there is one of ours.
const KEEPALIVED_PATH: &str = "/etc/keepalived/keepalived.conf";

/// How often files that change meanwhile are read.
const MAX_ATTEMPTS: u32 = 3;

/// What became of a configuration.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Its meaning: there if, and only if, the report has no error.
    pub config: Option<Config>,
    /// What there is to say about it.
    pub report: Report,
    /// Of all that was read and decided the meaning; of nothing if nothing could be read.
    pub fingerprint: Fingerprint,
}

/// The configuration that is meant when none is named.
#[must_use]
pub fn default_path() -> PathBuf {
    let own = Path::new(OWN_PATH);
    if own.exists() { own.to_owned() } else { PathBuf::from(KEEPALIVED_PATH) }
}

/// Reads and parses a file as this host understands it. What prevents reading is a diagnostic like any other.
#[must_use]
pub fn load(path: &Path) -> Loaded {
    load_as(path, &ConfigId::of_this_host())
}

/// The same, as the host with this id understands it.
///
/// If a file changes while it is read, all are read again, and that it changed is an error only after
/// `MAX_ATTEMPTS` times.
#[must_use]
pub fn load_as(path: &Path, id: &ConfigId) -> Loaded {
    let mut attempt = 1;
    loop {
        let mut files = Files::default();
        let mut loaded = read(path, id, &mut files);
        let Some(changed) = files.changed() else { return loaded };
        if attempt == MAX_ATTEMPTS {
            let message = format!("{} changed while it was read, {attempt} times", changed.display());
            loaded
                .report
                .extend([Diagnostic::error("changed", None, message).help("try again when it is finished")]);
            loaded.config = None;
            return loaded;
        }
        attempt += 1;
    }
}

fn read(path: &Path, id: &ConfigId, files: &mut Files) -> Loaded {
    let name = path.display().to_string();
    let mut complaints = Complaints::default();
    match files.read(path) {
        Ok(content) => {
            if content.executable {
                let message = "the file has an execute bit";
                let diagnostic =
                    Diagnostic::warning("executable", None, message).help(format!("chmod a-x {name}"));
                complaints.push(diagnostic.keepalived("doesn't read it, and runs without a configuration"));
            }
            let text = Text { name: &name, bytes: &content.bytes, file: Some((path, content.stamp)) };
            understand(&text, id, files, complaints)
        }
        Err(unread) => {
            complaints.push(expand::refusal(&unread, None));
            let report = Report::new(&name, Sources::default(), complaints);
            Loaded { config: None, report, fingerprint: Fingerprint::of(&[]) }
        }
    }
}

/// Parses a text that is no file, and can't include any. `name` stands for it in the diagnostics.
#[must_use]
pub fn parse(name: &str, text: impl AsRef<[u8]>) -> Loaded {
    parse_as(name, text, &ConfigId::default())
}

/// The same, as the host with this id understands it.
#[must_use]
pub fn parse_as(name: &str, text: impl AsRef<[u8]>, id: &ConfigId) -> Loaded {
    let text = Text { name, bytes: text.as_ref(), file: None };
    understand(&text, id, &mut Files::default(), Complaints::default())
}

/// What is to be understood.
struct Text<'a> {
    name: &'a str,
    bytes: &'a [u8],
    /// Where it is from, if it is a file.
    file: Option<(&'a Path, files::Stamp)>,
}

fn understand(text: &Text<'_>, id: &ConfigId, files: &mut Files, mut complaints: Complaints) -> Loaded {
    let Text { name, bytes, file: from } = *text;
    let mut sources = Sources::default();
    let mut fingerprint = Fingerprint::of(bytes);
    let mut config = None;
    if let Some(file) = expand::admit(name, bytes, None, &mut sources, &mut complaints) {
        let root = Root { file, from, fingerprint };
        let expanded = expand(&root, id, files, &mut sources, &mut complaints);
        fingerprint = expanded.fingerprint;
        let lines: Vec<Line<'_>> = expanded.lines.iter().map(|span| Line::at(&sources, *span)).collect();
        config = Some(meaning(&lines, &mut complaints));
    }
    let config = config.filter(|_| complaints.errors() == 0);
    Loaded { config, report: Report::new(name, sources, complaints), fingerprint }
}

/// What the lines say, right only if nothing was complained about as an error.
fn meaning(lines: &[Line<'_>], complaints: &mut Complaints) -> Config {
    if lines.is_empty() && complaints.errors() == 0 {
        let message = "there is nothing in this file";
        let help = "write at least one `vrrp_instance NAME { ... }` into it";
        complaints.push(Diagnostic::error("empty", None, message).help(help));
    }
    build::config(&tree::parse(lines, complaints), complaints)
}

impl Config {
    /// Every interface that is named, once, in the order of their names.
    #[must_use]
    pub fn links(&self) -> Vec<&LinkName> {
        let addresses = self.instances.iter().flat_map(Instance::held);
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
