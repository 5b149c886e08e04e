//! What holds for every text: a comment, wherever it stands, takes nothing back but what it names, and breaks nothing.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use handover_lint as lint;
use proptest::prelude::*;

use support::{Nodes, complete, rendered, said};

/// Comments and things that look like them.
const PIECES: [&str; 12] = [
    " # handover: allow(equal-priorities)",
    " ! handover:allow( two-masters,, equal-priorities )",
    " # handover: allow(",
    " # handover: allow()",
    " # handover: allow(\u{e9}\u{1f980})",
    " # handover: deny(equal-priorities)",
    " handover: allow(equal-priorities)",
    " # plain",
    " # x # handover: allow(equal-priorities",
    "\n# handover: allow(equal-priorities)",
    "\n\n#handover:allow(no-such-lint)",
    "\r",
];

/// A node whose lines end in these pieces; those that would be words of the language stand behind a mark.
fn node(pieces: &[(usize, usize)]) -> String {
    let text = complete("vrrp_instance web {\n  state MASTER\n  priority 100\n  ...\n}");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (line, piece) in pieces {
        let at = line % lines.len();
        let piece = PIECES[piece % PIECES.len()];
        let mark = if lines[at].contains('#') || piece.contains(['#', '!', '\r']) { "" } else { " #" };
        lines[at] = format!("{}{mark}{piece}", lines[at]);
    }
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn comments_take_back_what_they_name_and_nothing_else(
        a in prop::collection::vec((0..20_usize, 0..20_usize), 0..6),
        b in prop::collection::vec((0..20_usize, 0..20_usize), 0..6),
    ) {
        let reports = Nodes::new(&[("a.conf", node(&a)), ("b.conf", node(&b))]).judged();
        prop_assert!(!rendered(&reports).is_empty());
        let plain = ["equal-priorities", "two-masters", "unknown-lint", "unused-allow"];
        for line in said(&reports) {
            let id = line.split(' ').next_back().unwrap();
            prop_assert!(plain.contains(&id), "{line}");
            prop_assert!(lint::page(id).is_some());
        }
    }
}
