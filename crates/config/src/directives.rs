//! The one table of the language: every word of keepalived.conf, where it is legal, what it takes, and
//! whether Handover does it.
//!
//! The parser, the diagnostics and their suggestions all read this table; a word is declared nowhere else.
//! keepalived.conf(5) is the reference for what the words mean there.

mod absent;
mod entries;
mod global;
mod instance;
#[cfg(test)]
mod manual;
mod root;
mod trackers;

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

/// Where a word may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// On any line at all.
    Anywhere,
    /// Outside all blocks.
    Root,
    /// `global_defs`.
    Global,
    /// `vrrp_script`.
    Script,
    /// `vrrp_track_process`.
    Process,
    /// `track_file`.
    File,
    /// `bfd_instance`.
    Bfd,
    /// `vrrp_sync_group`.
    SyncGroup,
    /// `garp_group`.
    GarpGroup,
    /// `track_group`.
    TrackGroup,
    /// `vrrp_instance`.
    Instance,
    /// `authentication`.
    Authentication,
    /// `auth_hmac`.
    AuthHmac,
    /// After an address of `virtual_ipaddress` and its like.
    AddressEntry,
    /// After an address of `unicast_peer`.
    PeerEntry,
    /// After the name in a `track_*` block.
    TrackEntry,
    /// In a line of `virtual_routes` and `static_routes`.
    RouteEntry,
    /// In a line of `virtual_rules` and `static_rules`.
    RuleEntry,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anywhere => "any place",
            Self::Root => "the top level of the file",
            Self::Global => "`global_defs`",
            Self::Script => "`vrrp_script`",
            Self::Process => "`vrrp_track_process`",
            Self::File => "`track_file`",
            Self::Bfd => "`bfd_instance`",
            Self::SyncGroup => "`vrrp_sync_group`",
            Self::GarpGroup => "`garp_group`",
            Self::TrackGroup => "`track_group`",
            Self::Instance => "`vrrp_instance`",
            Self::Authentication => "`authentication`",
            Self::AuthHmac => "`auth_hmac`",
            Self::AddressEntry => "an address entry",
            Self::PeerEntry => "an entry of `unicast_peer`",
            Self::TrackEntry => "an entry of a `track_*` block",
            Self::RouteEntry => "a route",
            Self::RuleEntry => "a rule",
        })
    }
}

/// What follows a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Argument {
    /// Nothing: it is a flag, or only its block counts.
    Nothing,
    /// `on|true|yes|off|false|no`; nothing is `on`.
    Bool,
    /// Nothing, or one of these.
    Flag(&'static [&'static str]),
    /// A decimal number within these bounds.
    Number(i64, i64),
    /// Seconds with up to six decimals, within these bounds in microseconds.
    Seconds(u64, u64),
    /// A number from `-limit` to `limit` and perhaps `reverse`.
    Weight(i16),
    /// One of these.
    OneOf(&'static [&'static str]),
    /// An IPv4 or IPv6 address.
    Address,
    /// The name of an interface.
    Link,
    /// `USER [GROUP]`.
    User,
    /// A command line that is split as keepalived splits it, and nothing else.
    Command,
    /// The same, and perhaps `USER [GROUP]` after it.
    Hook,
    /// The same, or nothing.
    OptionalHook,
    /// One word; what it is, for people.
    Text(&'static str),
    /// One word or more, or none if what they are begins with a bracket; what they are, for people.
    Words(&'static str),
    /// Any words. Only for what isn't used.
    Free,
}

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// No block is allowed.
    None,
    /// Statements, whose words are those of this place.
    Statements(Place),
    /// A list of lines that each begin with a value, with options of this place.
    Entries(Place),
    /// A list of names, as many on a line as one likes.
    Names,
}

/// Whether Handover does what a word asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It does.
    Used,
    /// Not yet, and nothing is harmed by that: a warning, and its block is skipped.
    NotYet,
    /// Not yet, and addresses, elections or checks would be others without it: an error.
    Missed,
    /// It belongs to LVS or to nothing at all any more: a warning, and its block is skipped.
    NotOurs,
}

impl Standing {
    /// Whether the word's value is read.
    pub(crate) const fn is_read(self) -> bool {
        match self {
            Self::Used => true,
            Self::NotYet | Self::Missed | Self::NotOurs => false,
        }
    }
}

/// What a second one means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// It replaces the first.
    LastWins,
    /// It is ignored.
    FirstWins,
    /// It adds to the first.
    Adds,
}

/// One word at one kind of place. The same word may have other rows for other places.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Directive {
    pub(crate) name: &'static str,
    pub(crate) places: &'static [Place],
    pub(crate) argument: Argument,
    pub(crate) body: Body,
    /// As it would be written; empty if there is none.
    pub(crate) default: &'static str,
    pub(crate) standing: Standing,
    pub(crate) again: Again,
    /// Whether it is Handover's own, and keepalived doesn't know it.
    pub(crate) own: bool,
    /// What it is, in a phrase that goes on from its name.
    pub(crate) help: &'static str,
    /// What is so while nothing is done with it; may be empty.
    pub(crate) without: &'static str,
    /// The release of keepalived that brought it; empty for those before 2.2.8.
    pub(crate) since: &'static str,
}

impl Directive {
    const fn new(
        standing: Standing,
        name: &'static str,
        places: &'static [Place],
        argument: Argument,
        help: &'static str,
    ) -> Self {
        let (body, again) = (Body::None, Again::LastWins);
        let (default, without, since) = ("", "", "");
        Self { name, places, argument, body, default, standing, again, own: false, help, without, since }
    }

    /// What is so while nothing is done with it.
    const fn without(self, without: &'static str) -> Self {
        Self { without, ..self }
    }

    /// The same, where that is not what the file's author can want.
    const fn harms(self, without: &'static str) -> Self {
        Self { standing: Standing::Missed, without, ..self }
    }

    const fn since(self, since: &'static str) -> Self {
        Self { since, ..self }
    }

    const fn default(self, default: &'static str) -> Self {
        Self { default, ..self }
    }

    /// keepalived doesn't know it.
    const fn own(self) -> Self {
        Self { own: true, ..self }
    }

    const fn again(self, again: Again) -> Self {
        Self { again, ..self }
    }

    /// A list; a second one adds to it.
    const fn entries(self, place: Place) -> Self {
        Self { body: Body::Entries(place), again: Again::Adds, ..self }
    }

    /// A list of names; a second one adds to it.
    const fn names(self) -> Self {
        Self { body: Body::Names, again: Again::Adds, ..self }
    }

    /// A block of statements; a second one adds to it.
    const fn statements(self, place: Place) -> Self {
        Self { body: Body::Statements(place), again: Again::Adds, ..self }
    }
}

const fn used(
    name: &'static str,
    places: &'static [Place],
    argument: Argument,
    help: &'static str,
) -> Directive {
    Directive::new(Standing::Used, name, places, argument, help)
}

const fn not_yet(
    name: &'static str,
    places: &'static [Place],
    argument: Argument,
    help: &'static str,
) -> Directive {
    Directive::new(Standing::NotYet, name, places, argument, help)
}

const fn not_ours(name: &'static str, places: &'static [Place], help: &'static str) -> Directive {
    Directive::new(Standing::NotOurs, name, places, Argument::Free, help)
}

/// The whole table.
pub(crate) fn all() -> impl Iterator<Item = &'static Directive> {
    [root::ROWS, global::ROWS, trackers::ROWS, instance::ROWS, entries::ROWS].into_iter().flatten()
}

type Index = HashMap<(Place, &'static str), &'static Directive>;

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    all().flat_map(|row| row.places.iter().map(move |place| ((*place, row.name), row))).collect()
});

/// The row of a word at exactly this place.
pub(crate) fn find(place: Place, word: &str) -> Option<&'static Directive> {
    INDEX.get(&(place, word)).copied()
}

/// Every word of this place, in the order of the table.
pub(crate) fn words_at(place: Place) -> impl Iterator<Item = &'static str> {
    all().filter(move |row| row.places.contains(&place)).map(|row| row.name)
}

/// Every row of a word, wherever it is legal.
pub(crate) fn everywhere(word: &str) -> impl Iterator<Item = &'static Directive> {
    all().filter(move |row| row.name == word)
}

/// Every place where a word is legal, in the order of the table.
pub(crate) fn places_of(word: &str) -> Vec<Place> {
    all().filter(|row| row.name == word).flat_map(|row| row.places).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments;

    #[test]
    fn a_word_is_declared_once_for_a_place() {
        let mut seen = std::collections::HashSet::new();
        for row in all() {
            assert!(!row.places.is_empty(), "{} is legal nowhere", row.name);
            for place in row.places {
                assert!(seen.insert((*place, row.name)), "{} is declared twice at {place}", row.name);
            }
        }
    }

    #[test]
    fn every_row_says_what_it_is() {
        for row in all() {
            assert!(!row.help.is_empty() && !row.help.ends_with('.'), "{}", row.name);
        }
    }

    #[test]
    fn defaults_of_used_words_are_values() {
        for row in all().filter(|row| row.standing.is_read() && !row.default.is_empty()) {
            let valid = match row.argument {
                Argument::Number(min, max) => arguments::number(row.default, min, max).is_some(),
                Argument::Seconds(min, max) => arguments::seconds(row.default, min, max).is_some(),
                Argument::OneOf(choices) => choices.contains(&row.default),
                Argument::Bool => arguments::boolean(row.default).is_some(),
                Argument::Address => row.default.parse::<std::net::IpAddr>().is_ok(),
                other => panic!("{} can't have a default: {other:?}", row.name),
            };
            assert!(valid, "the default of {} is no value of it", row.name);
        }
    }

    /// Only here may a word be that keepalived has not.
    #[test]
    fn own_words_are_these() {
        let own: Vec<&str> = all().filter(|row| row.own).map(|row| row.name).collect();
        let known = [
            "vrrp_keep_until_taken_over",
            "vrrp_link_patience",
            "notify_timeout",
            "notify_queue",
            "notify_queue_limit",
            "tcp_connect",
            "http_get",
            "http_status",
            "http_body",
            "http_host",
            "tls_verify",
            "tls_ca",
            "dns_query",
            "dns_address",
            "dns_rcode",
            "systemd_unit",
            "unix_connect",
            "process",
            "file",
            "ping",
            "source",
            "interface",
            "while",
            "grace",
            "penalty",
            "pre_master",
            "pre_backup",
            "pre_timeout",
            "notify_timeout",
            "notify_queue",
            "notify_queue_limit",
            "keep_until_taken_over",
            "link_patience",
        ];
        assert_eq!(own, known, "also in docs/checking.md");
    }

    #[test]
    fn used_words_say_exactly_what_they_take() {
        for row in all().filter(|row| row.standing.is_read()) {
            assert_ne!(row.argument, Argument::Free, "{}", row.name);
        }
    }
}
