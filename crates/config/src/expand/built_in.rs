//! The definitions that exist without being made. A file may replace each by its own.

use super::Expander;
use super::definitions::Reference;
use crate::diagnostic::Diagnostic;
use crate::made::{Draft, Origin};

/// keepalived's `${_RANDOM}` is at most so large unless told otherwise.
const MAX_RANDOM: u64 = 32_767;

impl Expander<'_> {
    /// The value of a built-in definition, if this is one. `is_quoted`: double quotes protect it.
    pub(super) fn built_in(
        &mut self,
        site: &Reference<'_>,
        origin: Origin,
        is_quoted: bool,
    ) -> Option<Draft> {
        let value = match site.name {
            "_PWD" => self.directory(),
            "_INSTANCE" => {
                self.fingerprint = self.fingerprint.and(self.id.as_str().as_bytes());
                self.id.as_str().to_owned()
            }
            "_RANDOM" => self.random(site, origin)?,
            "_ENV" => self.variable(site, origin)?,
            "_HASH" => self.mark("#", origin, is_quoted),
            "_BANG" => self.mark("!", origin, is_quoted),
            _ => return None,
        };
        Some(Draft::standing_for(&value, origin))
    }

    /// Where the file is that is being read.
    fn directory(&self) -> String {
        let directory = self.open.last().map(|open| open.directory.clone()).unwrap_or_default();
        let directory = if directory.as_os_str().is_empty() { ".".into() } else { directory };
        let absolute = directory.canonicalize().unwrap_or(directory);
        absolute.display().to_string()
    }

    /// The same in every process that reads these files on this host, or the daemons would not agree.
    fn random(&mut self, site: &Reference<'_>, origin: Origin) -> Option<String> {
        let bounds: Vec<&str> = site.arguments.split_whitespace().collect();
        let number = |text: &&str| text.parse::<u64>().ok();
        let bounds = match bounds.as_slice() {
            [] => Some((0, MAX_RANDOM)),
            [least] => number(least).map(|least| (least, MAX_RANDOM)),
            [least, most] => number(least).zip(number(most)),
            _ => None,
        };
        let Some((least, most)) = bounds.filter(|(least, most)| least <= most) else {
            let diagnostic =
                Diagnostic::error("bad-definition", origin.span, "these are no bounds of a random number");
            self.complaints.push(diagnostic.help("write ${_RANDOM} or ${_RANDOM LEAST MOST}"));
            return None;
        };
        self.random += 1;
        self.fingerprint = self.fingerprint.and(self.id.as_str().as_bytes());
        let drawn = self.fingerprint.and(&self.random.to_le_bytes()).as_u64();
        Some((least + drawn.checked_rem((most - least).saturating_add(1)).unwrap_or(drawn)).to_string())
    }

    /// A variable of the environment; it counts in the fingerprint.
    fn variable(&mut self, site: &Reference<'_>, origin: Origin) -> Option<String> {
        let value = std::env::var(site.arguments).ok();
        if value.is_none() {
            let message = format!("there is no variable `{}` in the environment", site.arguments);
            let help = "every daemon that reads this file needs it: set it in all their units, or define a value here";
            self.complaints.push(Diagnostic::error("undefined-name", origin.span, message).help(help));
        }
        self.fingerprint = self.fingerprint.and(value.as_deref().unwrap_or_default().as_bytes());
        value
    }

    /// A character that would begin a comment.
    fn mark(&mut self, mark: &str, origin: Origin, is_quoted: bool) -> String {
        if !is_quoted {
            let message =
                format!("this gives `{mark}`, but only double quotes keep it from beginning a comment");
            self.complaints.push(
                Diagnostic::error("escaped-comment", origin.span, message)
                    .keepalived("cuts the line off here")
                    .help(format!("put the word in double quotes, then `{mark}` itself can stand there")),
            );
        }
        mark.to_owned()
    }
}
