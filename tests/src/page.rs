//! What pages of the documentation show, for tests that do as they say.

use std::fs;
use std::path::Path;

/// What stands in the first block that is fenced so, after a heading of docs/checkerd.md.
///
/// # Panics
/// The page has no such block.
#[must_use]
pub fn block(heading: &str, fence: &str) -> String {
    block_of("checkerd.md", heading, fence)
}

/// The same, of any page in docs/.
///
/// # Panics
/// There is no such page, or it has no such block.
#[must_use]
pub fn block_of(page: &str, heading: &str, fence: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
    let page = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let after = page.split_once(heading).expect("the heading").1;
    let block = after.split_once(&format!("```{fence}\n")).expect("a block").1;
    block.split_once("```").expect("its end").0.to_owned()
}
