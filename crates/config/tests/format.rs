//! The normal form: the same meaning, words and comments as before, and its own normal form.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;

use handover_config as config;
use proptest::prelude::*;

use support::PIECES;

const VALID: &str = include_str!("golden/everything.conf");

/// Without places: where things stand is what a formatter changes.
fn meaning(text: &[u8]) -> (Vec<&'static str>, String) {
    let loaded = config::parse("t.conf", text);
    let codes = loaded.report.diagnostics().iter().map(|diagnostic| diagnostic.code).collect();
    let config = format!("{:?}", loaded.config);
    let (mut rest, mut stripped) = (config.as_str(), String::new());
    while let Some((before, after)) = rest.split_once("Span {") {
        stripped.push_str(before);
        rest = after.split_once('}').unwrap().1;
    }
    (codes, stripped + rest)
}

/// The visible bytes, ordered: braces may be moved from one line to another, past a comment.
fn words(text: &[u8]) -> Vec<Vec<u8>> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let separate = |byte: &u8| match byte {
        b'{' | b'}' => vec![b' ', *byte, b' '],
        _ => vec![*byte],
    };
    let text: Vec<u8> = text.iter().flat_map(separate).collect();
    let mut words: Vec<Vec<u8>> =
        text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).map(<[u8]>::to_vec).collect();
    words.sort();
    words
}

/// The normal form, after everything that is promised of it has been looked at; `None` if it is refused.
fn formatted(text: &[u8]) -> Option<Vec<u8>> {
    let once = config::format_text("t.conf", text.to_vec());
    assert_eq!(once.text.is_some(), !once.report.has_errors());
    assert_eq!(once.original, text);
    let normal = once.text?;
    let shown = String::from_utf8_lossy(&normal).into_owned();
    let twice = config::format_text("t.conf", normal.clone()).text;
    assert_eq!(twice.as_deref().map(String::from_utf8_lossy).as_deref(), Some(shown.as_str()), "twice");
    assert_eq!(meaning(&normal), meaning(text), "{shown}");
    assert_eq!(words(&normal), words(text), "{shown}");
    Some(normal)
}

fn check(text: &str, expected: &str) {
    let normal = formatted(text.as_bytes());
    let normal =
        normal.unwrap_or_else(|| panic!("{}", config::format_text("t", text.into()).report.render(false)));
    assert_eq!(String::from_utf8_lossy(&normal), expected);
}

fn refused(text: &[u8]) -> &'static str {
    let formatted = config::format_text("t.conf", text.to_vec());
    assert_eq!(formatted.text, None);
    formatted.report.diagnostics()[0].code
}

#[test]
fn every_golden_file_keeps_its_meaning() {
    let mut count = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "conf") {
            count += usize::from(formatted(&fs::read(&path).unwrap()).is_some());
        }
    }
    assert!(count > 20, "only {count} could be formatted");
}

#[test]
fn braces_and_blanks_have_their_places() {
    check("\n\na  x{b\tc\n\n\nd{e}}f", "a x {\n  b c\n\n  d {\n    e\n  }\n}\nf\n");
    check("a x\n\n{\n\n b\n\n}\n\n", "a x {\n  b\n}\n");
    check("a x # c\n{\nb } # d\n}}".replacen("}}", "", 1).as_str(), "a x  # c\n{\n  b  # d\n}\n");
}

#[test]
fn quotes_and_commands_stay_as_they_are() {
    check("a  \"b  c\"   K6\"K6b\"  c", "a \"b  c\" K6\"K6b\" c\n");
    check(
        "s {\n script  'x  y'   z\n notify  \"/x  a\"  root\n}",
        "s {\n  script  'x  y'   z\n  notify  \"/x  a\"  root\n}\n",
    );
}

#[test]
fn what_is_expanded_later_stays_as_it_is() {
    check("$A=b   c \\\n  d {  e } \\\n\n   }".trim_end_matches(" }"), "$A=b   c \\\n  d {  e } \\\n");
    check(
        "g {\n@a  x   { y  }\n$B  z\n~LST({a,b}, {c, d})  ${a}   b\ninclude  {x,y}\n}",
        "g {\n  @a  x   { y  }\n  $B  z\n  ~LST({a,b}, {c, d})  ${a}   b\n  include  {x,y}\n}\n",
    );
    // The empty line ends the definition.
    check("g {\n$A=b \\\n\n}\n", "g {\n  $A=b \\\n\n}\n");
}

#[test]
fn comments_stay_beside_what_they_are_about() {
    check("# a\n  ! b\nc {   # d\n   # e\n f#g\n}! h\n", "# a\n! b\nc {  # d\n  # e\n  f#g\n}! h\n");
    check("a { b } # handover: allow(x)", "a {  # handover: allow(x)\n  b\n}\n");
    // It may be part of a word that its author meant, and that is told.
    check("a { b} c#d", "a {\n  b\n}\nc#d\n");
    check("a\n{ b#d\n}", "a {\n  b#d\n}\n");
}

#[test]
fn bytes_of_other_programs_are_no_trouble() {
    let normal =
        formatted(b"\xef\xbb\xbfa { # caf\xe9 \xff\r\n\r\n\r\n b   c\r\n # \xe4\xf6\xfc\t\r\n}").unwrap();
    assert_eq!(normal, b"a {  # caf\xe9 \xff\n  b c\n  # \xe4\xf6\xfc\n}\n");
    assert_eq!(formatted(b"").unwrap(), b"");
}

#[test]
fn what_has_no_shape_is_refused() {
    assert_eq!(refused(b"a {\nb"), "unclosed-brace");
    assert_eq!(refused(b"a }"), "stray-brace");
    assert_eq!(refused(b"a \"b"), "unclosed-quote");
    assert_eq!(refused(b"a b \\\n c"), "continued-line");
    assert_eq!(refused(b"a caf\xe9"), "not-utf8");
    assert_eq!(refused(b"a\0"), "nul");
    // Its line would become too long.
    assert_eq!(refused(format!("a {{\n{}\n}}", "b".repeat((64 << 10) - 1)).as_bytes()), "no-normal-form");
}

proptest! {
    #[test]
    fn any_mixture_of_the_language_keeps_its_meaning(
        pieces in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..40),
    ) {
        formatted(pieces.concat().as_bytes());
        // The same with braces that match, and without what no text may hold: few others are formatted.
        let (mut text, mut depth) = (String::new(), 0_usize);
        for piece in pieces.into_iter().filter(|piece| !["\0", "\"", "\\", "\u{fffd}"].contains(piece)) {
            match piece {
                "{" => (text, depth) = (text + "\nb {", depth + 1),
                "}" if depth == 0 => {}
                "}" => (text, depth) = (text + "}", depth - 1),
                piece => text += piece,
            }
        }
        formatted((text + &"\n}".repeat(depth)).as_bytes());
    }

    /// Of a valid file each blank, newline and brace may look otherwise; comments and blank lines are put in.
    #[test]
    fn a_valid_file_keeps_its_meaning_however_it_is_laid_out(seeds in proptest::collection::vec(0..12u8, 600)) {
        let mut seeds = seeds.iter().cycle();
        let mut text = String::new();
        for line in VALID.lines() {
            let code = line.trim();
            let pad = ["", " ", "\t", "      "][usize::from(*seeds.next().unwrap() % 4)];
            let end = ["\n", "\r\n", "\n\n\n", " # c\n", "\n# d\n", " \t\n"][usize::from(*seeds.next().unwrap() % 6)];
            let is_plain = !code.contains(['#', '!', '"', '\'', '$', '~', '@', '\\']);
            match seeds.next().unwrap() % 3 {
                0 if is_plain && code.ends_with('{') => text += &format!("{pad}{}{end}{{ ", code.trim_end_matches('{')),
                1 if is_plain && code == "}" => text += &format!("{pad}}} "),
                _ => text += &format!("{pad}{code}{end}"),
            }
        }
        prop_assume!(config::parse("t.conf", &text).config.is_some());
        prop_assert!(formatted(text.as_bytes()).is_some());
    }
}
