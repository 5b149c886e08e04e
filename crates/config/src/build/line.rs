//! A line of iproute2's kind: words and values in any order, from the first to the last.
//!
//! It must never leave a word unread: what isn't understood is told, and the line then means nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use model::{Family, LinkName};

use super::addresses::host_prefix;
use super::bad_name;
use crate::arguments;
use crate::diagnostic::{Complaints, Diagnostic, quote};
use crate::directives::{self, Argument, Directive, Place, Standing};
use crate::lexer::Word;
use crate::section::{not_done, unknown};
use crate::source::Span;
use crate::tree::{Block, Statement};

/// Tables by name (rtnetlink(7)); the files of names that iproute2 has are not read.
const TABLES: [(&str, u32); 3] = [("main", 254), ("default", 253), ("local", 255)];

/// A line that is being read, word by word.
pub(super) struct Line<'a, 'c> {
    words: std::vec::IntoIter<Word<'a>>,
    place: Place,
    pub(super) span: Span,
    /// What its words have said so far, each with the first word that did.
    said: Vec<(&'static str, &'static str)>,
    pub(super) complaints: &'c mut Complaints,
}

/// The next word of a line.
pub(super) enum Next<'a> {
    /// One of the table's, with what follows it.
    Option(&'static Directive, Word<'a>),
    /// Another.
    Plain(Word<'a>),
}

/// A word or its value is wrong; it has been told.
#[derive(Debug)]
pub(super) struct Wrong;

/// The lines of these blocks, each through `read`; without those that had to be complained about.
pub(super) fn lines<'a, T>(
    place: Place,
    blocks: &[&Block<'a>],
    complaints: &mut Complaints,
    read: impl Fn(&mut Line<'a, '_>) -> Result<T, Wrong>,
) -> Vec<T> {
    let mut items = Vec::new();
    for statement in blocks.iter().flat_map(|block| &block.statements) {
        items.extend(Line::new(place, statement, complaints).and_then(|mut line| read(&mut line).ok()));
    }
    items
}

/// What each next hop of a route has for itself.
const HOP: [&str; 4] = ["via", "dev", "onlink", "weight"];

/// Where a route leads to.
const DESTINATION: &str = "to";

/// The first of the words that say the same.
fn meaning(place: Place, name: &'static str) -> &'static str {
    match (place, name) {
        (_, "gw") => "via",
        (Place::RouteEntry, "oif") => "dev",
        (Place::RuleEntry, "iif") => "dev",
        (_, "dsfield") => "tos",
        (_, "priority" | "preference" | "order") => "metric",
        (_, "inet6") => "inet",
        (_, "sup_pl") => "suppress_prefixlength",
        (Place::RouteEntry, "default" | "default6") => DESTINATION,
        // What a rule does; the kinds of a route.
        (Place::RuleEntry, "table" | "lookup") | (_, "unreachable" | "prohibit") => "blackhole",
        (_, other) => other,
    }
}

impl<'a, 'c> Line<'a, 'c> {
    fn new(place: Place, statement: &Statement<'a>, complaints: &'c mut Complaints) -> Option<Self> {
        let head = statement.keyword;
        if let Some(block) = &statement.block {
            let message = format!("a block can't stand in this list, but {} has one", quote(head.text));
            let help = "is the `}` of the list missing?";
            complaints.push(Diagnostic::error("stray-block", block.open, message).help(help));
            return None;
        }
        let span = statement.arguments.last().map_or(head.span, |last| head.span.to(last.span));
        let words: Vec<Word<'a>> = [head].into_iter().chain(statement.arguments.iter().copied()).collect();
        Some(Self { words: words.into_iter(), place, span, said: Vec::new(), complaints })
    }

    /// The next word; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Next<'a>>, Wrong> {
        let Some(word) = self.words.next() else { return Ok(None) };
        let Some(row) = directives::find(self.place, word.text) else { return Ok(Some(Next::Plain(word))) };
        self.complaints.note(row, word.span);
        if row.standing != Standing::Used {
            self.complaints.push(not_done(row, word.span));
            return Err(Wrong);
        }
        self.note_once(row, word.span);
        if row.argument == Argument::Nothing {
            return Ok(Some(Next::Option(row, word)));
        }
        match self.words.next() {
            Some(value) => Ok(Some(Next::Option(row, value))),
            None => {
                let message = format!("`{}` needs a value", row.name);
                let help = format!("it {}", row.help);
                Err(self.wrong(Diagnostic::error("missing-value", word.span, message).help(help)))
            }
        }
    }

    /// The last of two that say the same counts, as with keepalived; whoever wrote both may have meant the first.
    fn note_once(&mut self, row: &'static Directive, span: Span) {
        if row.name == "nexthop" {
            self.said.retain(|(what, _)| !HOP.contains(what));
            return;
        }
        let what = meaning(self.place, row.name);
        if let Some((_, first)) = self.said.iter().find(|(other, _)| *other == what) {
            let message = if *first == row.name {
                format!("`{first}` is given twice")
            } else {
                format!("`{}` and `{first}` exclude each other", row.name)
            };
            self.complaints.push(
                Diagnostic::warning("given-twice", span, message)
                    .help("the last one counts; remove the other"),
            );
        }
        self.said.push((what, row.name));
    }

    /// The next word is the destination, which has a word of its own, too.
    pub(super) fn note_destination(&mut self) {
        self.said.push((DESTINATION, DESTINATION));
    }

    /// The address of the other family may have a word before it: `via inet6 fe80::1`.
    pub(super) fn after_family(&mut self, word: Word<'a>) -> Word<'a> {
        if matches!(word.text, "inet" | "inet6") { self.words.next().unwrap_or(word) } else { word }
    }

    pub(super) fn wrong(&mut self, diagnostic: Diagnostic) -> Wrong {
        self.complaints.push(diagnostic);
        Wrong
    }

    pub(super) fn stray(&mut self, word: &Word<'_>) -> Wrong {
        self.wrong(unknown(self.place, word))
    }

    pub(super) fn number(
        &mut self,
        row: &Directive,
        word: &Word<'_>,
        min: u32,
        max: u32,
    ) -> Result<u32, Wrong> {
        let digits = word.text.strip_prefix("0x");
        let number = match digits {
            Some(digits) => u32::from_str_radix(digits, 16).ok().filter(|it| (min..=max).contains(it)),
            None => {
                arguments::number(word.text, min.into(), max.into()).and_then(|it| u32::try_from(it).ok())
            }
        };
        number.ok_or_else(|| {
            let message = format!("{} can't be the value of `{}`", quote(word.text), row.name);
            let help = format!("write a number from {min} to {max}");
            self.wrong(Diagnostic::error("out-of-range", word.span, message).help(help))
        })
    }

    pub(super) fn byte(&mut self, row: &Directive, word: &Word<'_>) -> Result<u8, Wrong> {
        let number = self.number(row, word, 0, u8::MAX.into())?;
        Ok(u8::try_from(number).unwrap_or(u8::MAX))
    }

    pub(super) fn table(&mut self, word: &Word<'_>) -> Result<u32, Wrong> {
        let named = TABLES.iter().find(|(name, _)| *name == word.text).map(|(_, number)| *number);
        let number =
            || arguments::number(word.text, 1, u32::MAX.into()).and_then(|it| u32::try_from(it).ok());
        named.or_else(number).ok_or_else(|| {
            let message = format!("{} is no routing table", quote(word.text));
            let help =
                "write its number, or `main`, `default` or `local`; /etc/iproute2/rt_tables is not read";
            self.wrong(Diagnostic::error("bad-value", word.span, message).help(help))
        })
    }

    pub(super) fn link(&mut self, word: &Word<'_>) -> Result<LinkName, Wrong> {
        LinkName::new(word.text).map_err(|error| self.wrong(bad_name(word.span, &error)))
    }

    pub(super) fn address(&mut self, word: &Word<'_>) -> Result<IpAddr, Wrong> {
        word.text.parse().map_err(|_| {
            let message = format!("{} is not an IPv4 or IPv6 address", quote(word.text));
            self.wrong(Diagnostic::error("bad-address", word.span, message).help("write it in numbers"))
        })
    }

    /// `ADDRESS[/LENGTH]`, or a word for everything of that family. No bit is set beyond the prefix.
    pub(super) fn network(&mut self, word: &Word<'_>, family: Option<Family>) -> Result<(IpAddr, u8), Wrong> {
        if matches!(word.text, "default" | "all" | "any" | "default6") {
            return Ok(match (word.text, family) {
                ("default6", _) | (_, Some(Family::V6)) => (IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0),
                (_, Some(Family::V4) | None) => (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
            });
        }
        let (text, length) = word.text.split_once('/').map_or((word.text, None), |(a, b)| (a, Some(b)));
        let Ok(address) = text.parse::<IpAddr>() else {
            return Err(self.stray(word));
        };
        let most = host_prefix(address);
        let prefix = match length {
            None => Some(most),
            Some(length) => arguments::number(length, 0, most.into()).and_then(|it| u8::try_from(it).ok()),
        };
        match prefix {
            Some(prefix) if trimmed(address, prefix) == address => Ok((address, prefix)),
            Some(prefix) => {
                let message = format!("{address} is no network of prefix length {prefix}");
                let help = format!("write {}/{prefix}", trimmed(address, prefix));
                Err(self.wrong(Diagnostic::error("bad-prefix", word.span, message).help(help)))
            }
            None => {
                let message =
                    format!("{} is not a prefix length from 0 to {most}", quote(length.unwrap_or("")));
                let help = "write the prefix length of the network, or none for a host";
                Err(self.wrong(Diagnostic::error("bad-prefix", word.span, message).help(help)))
            }
        }
    }
}

/// The address without its host's bits.
fn trimmed(address: IpAddr, prefix: u8) -> IpAddr {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(address) => {
            let hosts = u32::MAX.checked_shr(prefix).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & !hosts))
        }
        IpAddr::V6(address) => {
            let hosts = u128::MAX.checked_shr(prefix).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !hosts))
        }
    }
}
