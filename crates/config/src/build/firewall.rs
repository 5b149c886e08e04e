//! `nftables` and its like: how the table is made that shuts addresses; and iptables, which is never used.
//!
//! It must never let a name through that nft(8) couldn't be asked about.

use crate::diagnostic::{Complaints, Diagnostic, quote};
use crate::lexer::Word;
use crate::model::Firewall;
use crate::section::Section;
use crate::source::Span;

/// The table's name where nobody gives another.
const TABLE: &str = "handover";
/// What a name may take, in bytes: `NFT_NAME_MAXLEN` of linux/netfilter/nf_tables.h, and the zero after it.
const MAX_TABLE_NAME: usize = 255;
/// What a name may have besides letters and digits (nft(8), "identifiers").
const MARKS: [char; 5] = ['/', '\\', '_', '.', '-'];

/// The table that `global_defs` asks for.
pub(super) fn firewall(global: &Section<'_>, complaints: &mut Complaints) -> Firewall {
    tell_what_is_otherwise(global, complaints);
    let priority = global.number("nftables_priority").and_then(|number| i32::try_from(number).ok());
    Firewall {
        table: table(global, complaints).unwrap_or(TABLE).to_owned(),
        priority: priority.unwrap_or_default(),
        counters: global.given("nftables_counters").is_some(),
    }
}

fn table<'a>(global: &Section<'a>, complaints: &mut Complaints) -> Option<&'a str> {
    let span = global.given("nftables")?;
    match global.texts("nftables") {
        [] => {
            let message =
                format!("`nftables` asks for what is always so: there is a table of its own, `inet {TABLE}`");
            complaints.push(as_usual(span, message).keepalived("calls it `keepalived`"));
            None
        }
        [name] if is_name(name.text) => Some(name.text),
        [name] => {
            complaints.push(unfit(name));
            None
        }
        [_, second, ..] => {
            let message = "`nftables` takes one name";
            complaints.push(
                Diagnostic::error("extra-words", second.span, message)
                    .keepalived("silently ignores this")
                    .help("remove what follows the name"),
            );
            None
        }
    }
}

fn is_name(text: &str) -> bool {
    text.len() <= MAX_TABLE_NAME
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|it| it.is_ascii_alphanumeric() || MARKS.contains(&it))
}

fn unfit(name: &Word<'_>) -> Diagnostic {
    let message = format!("{} is no name of a table of nftables", quote(name.text));
    let help = format!(
        "a letter, then letters, digits and any of {}, at most {MAX_TABLE_NAME} in all",
        MARKS.map(String::from).join(" ")
    );
    Diagnostic::error("bad-value", name.span, message).help(help)
}

fn tell_what_is_otherwise(global: &Section<'_>, complaints: &mut Complaints) {
    for word in ["vrrp_iptables", "vrrp_ipsets"] {
        if let Some(span) = global.given(word) {
            let message = format!(
                "`{word}` names what is iptables': addresses are shut in a table of nftables that is our own, and no other \
                 is touched"
            );
            let help = "remove the line, and the chains or sets that were made for it; `nftables NAME` names our table";
            complaints.push(
                Diagnostic::note("nftables-instead", span, message)
                    .keepalived("uses nftables, too, where `nftables` is given or iptables is not installed")
                    .help(help),
            );
        }
    }
    if let Some(span) = global.given("nftables_ifindex") {
        let message =
            "`nftables_ifindex` asks for what is always so: interfaces are matched by their numbers";
        complaints.push(as_usual(span, message.to_owned()));
    }
}

fn as_usual(span: Span, message: String) -> Diagnostic {
    Diagnostic::note("as-usual", span, message).help("the line may be removed")
}
