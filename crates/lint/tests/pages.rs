//! Every lint has a page, fires on its page's example, can be silenced there, and is in docs/lints.md as it is here.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;

use handover_lint as lint;

use support::{Nodes, complete, rendered, said};

/// The example's files, with all that they leave out.
fn example(page: &lint::Page) -> Vec<(&'static str, String)> {
    page.example.iter().map(|(file, text)| (*file, complete(text))).collect()
}

/// What is said where everything is looked for that this lint needs.
fn judged(page: &lint::Page, files: &[(&str, String)]) -> Vec<config::Report> {
    Nodes::new(files).judged_as(lint::Asked { portable: page.when == lint::When::Portable })
}

#[test]
fn every_lint_fires_on_the_example_of_its_page() {
    // What only a machine has is tested in lints.rs.
    for page in lint::PAGES.iter().filter(|page| !page.example.is_empty()) {
        let reports = judged(page, &example(page));
        let said = said(&reports);
        assert!(said.iter().any(|it| it.ends_with(&format!(" {}", page.id))), "{}: {said:?}", page.id);
    }
}

/// A comment above the line that is pointed at, or at the end of the line that opens its block.
#[test]
fn every_lint_can_be_silenced_at_its_place() {
    let silenceable = |page: &&&lint::Page| !["unknown-lint", "unused-allow"].contains(&page.id);
    for page in lint::PAGES.iter().filter(silenceable) {
        let before = said(&judged(page, &example(page)));
        let mut files = example(page);
        let places = before.iter().filter(|it| it.ends_with(&format!(" {}", page.id)));
        let mut places: Vec<(String, usize)> = places
            .map(|it| {
                let (file, rest) = it.split_once(':').unwrap();
                (file.to_owned(), rest.split(' ').next().unwrap().parse().unwrap())
            })
            .collect();
        places.sort();
        for (file, line) in places.iter().rev() {
            let (_, text) = files.iter_mut().find(|(name, _)| name == file).unwrap();
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.insert(line - 1, format!("# handover: allow({})", page.id));
            *text = lines.join("\n");
        }
        let reports = judged(page, &files);
        let after = said(&reports);
        assert!(
            !after.iter().any(|it| it.ends_with(&format!(" {}", page.id)) || it.ends_with("unused-allow")),
            "{}: {after:?}\n{}",
            page.id,
            rendered(&reports)
        );
    }
}

#[test]
fn ids_are_words_and_used_once() {
    let mut ids: Vec<&str> = lint::PAGES.iter().map(|page| page.id).collect();
    assert!(ids.iter().all(|id| id.chars().all(|c| c.is_ascii_lowercase() || c == '-')), "{ids:?}");
    ids.sort_unstable();
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count);
}

#[test]
fn the_document_holds_every_page() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/lints.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, lint::markdown()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == lint::markdown(),
        "docs/lints.md isn't what the pages say; UPDATE_GOLDEN=1 writes it anew"
    );
}
