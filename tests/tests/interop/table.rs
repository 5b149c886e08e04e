//! The table in docs/interop.md: which stories were told, with whom, and who was master in each virtual router, as the
//! observer saw it.
//!
//! `UPDATE_INTEROP=1` writes it anew from the stories of that run that came to a good end. Any other run compares: a
//! story that ends another way than the table says fails, and so does a table that lists a story which isn't there
//! or lacks one. Nothing here must make up a row: all of them come from [`crate::scene::Scene::row`].

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::routers;

/// Stands in the document before the table.
const BEGIN: &str = "<!-- the table, written by UPDATE_INTEROP=1 -->\n";
/// Stands after it.
const END: &str = "<!-- the end of the table -->\n";
/// Where the stories are in this program.
const STORIES: &str = "stories::";

/// What this run has written so far.
static WRITTEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/interop.md")
}

/// The document: before its table, the table, after it.
fn read() -> (String, String, String) {
    let text = fs::read_to_string(path()).expect("docs/interop.md");
    let (before, rest) = text.split_once(BEGIN).expect("the table begins");
    let (table, after) = rest.split_once(END).expect("the table ends");
    (before.to_owned(), table.to_owned(), after.to_owned())
}

fn is_updating() -> bool {
    std::env::var_os("UPDATE_INTEROP").is_some()
}

/// The story that a line of the table is about; `None` for its head.
fn story_of(line: &str) -> Option<&str> {
    line.strip_prefix("| `")?.split('`').next()
}

/// The head of the table: a column for each virtual router.
fn head() -> String {
    let names: Vec<String> = routers::observed().iter().map(|it| format!("`{}`", it.name)).collect();
    format!("| story | cast | {} |\n|---|---|{}\n", names.join(" | "), "---|".repeat(names.len()))
}

/// A story came to a good end; a row for each cast: its name, and a cell for each virtual router.
pub fn record(story: &str, rows: &[(String, Vec<String>)]) {
    let line =
        |(cast, cells): &(String, Vec<String>)| format!("| `{story}` | {cast} | {} |", cells.join(" | "));
    let told: BTreeSet<String> = rows.iter().map(line).collect();
    // One at a time, also in reading: another story may be writing.
    let mut written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    let (before, table, after) = read();
    if is_updating() {
        written.extend(told);
        let body: String = written.iter().map(|line| format!("{line}\n")).collect();
        fs::write(path(), [before, BEGIN.to_owned(), head(), body, END.to_owned(), after].concat())
            .expect("write docs/interop.md");
        return;
    }
    let listed: BTreeSet<String> =
        table.lines().filter(|line| story_of(line) == Some(story)).map(str::to_owned).collect();
    assert_eq!(told, listed, "docs/interop.md tells {story} otherwise; UPDATE_INTEROP=1 writes it anew");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a program that ends by itself needs no supervision")]
fn the_table_lists_the_stories_that_exist() {
    if is_updating() {
        return;
    }
    let own = std::env::current_exe().expect("our own path");
    let output = Command::new(own).arg("--list").output().expect("list the tests");
    let listing = String::from_utf8(output.stdout).expect("UTF-8");
    let existing: BTreeSet<&str> =
        listing.lines().filter_map(|line| line.strip_prefix(STORIES)?.strip_suffix(": test")).collect();
    let (_, table, _) = read();
    assert!(table.starts_with(&head()), "docs/interop.md has other columns; UPDATE_INTEROP=1 writes it anew");
    let listed: BTreeSet<&str> = table.lines().filter_map(story_of).collect();
    assert_eq!(listed, existing, "docs/interop.md lists other stories; UPDATE_INTEROP=1 writes it anew");
}
