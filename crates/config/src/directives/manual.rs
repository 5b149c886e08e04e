//! The table as a manual page: `packaging/man/handover.conf.5` is what this makes of it. `UPDATE_MAN=1` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use super::{Argument, Body, Directive, Place, Standing, all};
use crate::arguments;

const HEAD: &str = include_str!("manual-head.5");
const TAIL: &str = include_str!("manual-tail.5");

/// The order of reading, which is not that of the table.
const PLACES: [(Place, &str); 17] = [
    (Place::Root, "Outside all blocks"),
    (Place::Global, "global_defs"),
    (Place::Instance, "vrrp_instance NAME"),
    (Place::Authentication, "authentication"),
    (Place::AddressEntry, "Addresses: ADDRESS[/LENGTH] and"),
    (Place::PeerEntry, "Peers: ADDRESS and"),
    (Place::TrackEntry, "Trackers: NAME and"),
    (Place::SyncGroup, "vrrp_sync_group NAME"),
    (Place::Script, "vrrp_script NAME"),
    (Place::Process, "vrrp_track_process NAME"),
    (Place::File, "track_file NAME"),
    (Place::Bfd, "bfd_instance NAME"),
    (Place::GarpGroup, "garp_group"),
    (Place::TrackGroup, "track_group NAME"),
    (Place::AuthHmac, "auth_hmac"),
    (Place::RouteEntry, "Routes"),
    (Place::RuleEntry, "Rules"),
];

fn manual() -> String {
    let mut page = HEAD.to_owned();
    page.push_str(".SH WORDS\n");
    for (place, title) in PLACES {
        writeln!(page, ".SS {}", escape(title)).unwrap();
        let rows: Vec<_> = all().filter(|row| row.places.contains(&place)).collect();
        for row in rows.iter().filter(|row| row.standing != Standing::NotOurs && !row.help.contains("ip-r")) {
            word(&mut page, row);
        }
        let names = |standing: fn(&Directive) -> bool| {
            let names: Vec<_> = rows.iter().filter(|row| standing(row)).map(|row| escape(row.name)).collect();
            names.join(", ")
        };
        let parts = names(|row| row.help.contains("ip-r"));
        if !parts.is_empty() {
            write!(page, ".PP\nAs in ip\\-route(8) and ip\\-rule(8), and not done yet: {parts}.\n").unwrap();
        }
        let lvs = names(|row| row.standing == Standing::NotOurs);
        if !lvs.is_empty() {
            write!(page, ".PP\nKnown, skipped with a warning, and keepalived's to do: {lvs}.\n").unwrap();
        }
    }
    page.push_str(TAIL);
    page
}

fn word(page: &mut String, row: &Directive) {
    let value = match (row.argument, row.body) {
        (_, Body::Statements(_) | Body::Entries(_) | Body::Names) => "{ ... }".to_owned(),
        (Argument::Nothing, Body::None) => String::new(),
        (argument, Body::None) => metavariable(argument),
    };
    let value = if value.is_empty() { value } else { format!(" \\fI{}\\fR", escape(&value)) };
    write!(page, ".TP\n\\fB{}\\fR{value}\n", escape(row.name)).unwrap();
    let mut text = format!("It {}.", row.help);
    if !row.default.is_empty() {
        write!(text, " Default: {}.", row.default).unwrap();
    }
    if row.own {
        text.push_str(" Handover's own: keepalived doesn't know it.");
    }
    if !row.since.is_empty() {
        write!(text, " In keepalived since {}.", row.since).unwrap();
    }
    let verdict = match row.standing {
        Standing::Used | Standing::NotOurs => "",
        Standing::NotYet => "Not done yet, a warning",
        Standing::Missed => "Not done yet, an error",
    };
    if !verdict.is_empty() {
        let without = if row.without.is_empty() { String::new() } else { format!(": {}", row.without) };
        write!(text, " {verdict}{without}.").unwrap();
    }
    page.push_str(&escape(&text));
    page.push('\n');
}

/// What follows a word, for those who write one.
fn metavariable(argument: Argument) -> String {
    match argument {
        Argument::Nothing => String::new(),
        Argument::Bool => "[on|off]".to_owned(),
        Argument::Flag(words) => format!("[{}]", words.join("|")),
        Argument::Number(least, i64::MAX) => format!("NUMBER, at least {least}"),
        Argument::Number(least, most) => format!("{least}..{most}"),
        Argument::Seconds(..) => {
            arguments::wanted(argument).replace("seconds from ", "SECONDS ").replace(" to ", "..")
        }
        Argument::Weight(limit) => format!("-{limit}..{limit} [reverse]"),
        Argument::OneOf(words) => words.join("|"),
        Argument::Address => "ADDRESS".to_owned(),
        Argument::Link => "INTERFACE".to_owned(),
        Argument::User => "USER [GROUP]".to_owned(),
        Argument::Command => "\"COMMAND ...\"".to_owned(),
        Argument::Hook => "\"COMMAND ...\" [USER [GROUP]]".to_owned(),
        Argument::OptionalHook => "[\"COMMAND ...\" [USER [GROUP]]]".to_owned(),
        Argument::Text(what) | Argument::Words(what) => what.to_owned(),
        Argument::Free => "...".to_owned(),
    }
}

/// groff(7): a hyphen is written so, and nothing else in our texts means anything to it but a backslash.
fn escape(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('`', "");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

#[test]
fn the_manual_page_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/man/handover.conf.5");
    let page = manual();
    if std::env::var_os("UPDATE_MAN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == page, "packaging/man/handover.conf.5 is not the table's; UPDATE_MAN=1 writes it anew");
}

#[test]
fn every_place_has_its_section() {
    for row in all() {
        for place in row.places.iter().filter(|place| **place != Place::Anywhere) {
            assert!(PLACES.iter().any(|(known, _)| known == place), "{} at {place}", row.name);
        }
    }
}
