//! What the kernel says that a process may do, as a row of the table in docs/threat-model.md: so the page is measured.
//!
//! It must never know what should be: it says what is, and whether the page says the same.

use std::collections::HashMap;
use std::path::Path;

/// The bits of linux/capability.h that somebody here may have.
const NAMES: [(u32, &str); 5] =
    [(5, "KILL"), (6, "SETGID"), (7, "SETUID"), (12, "NET_ADMIN"), (13, "NET_RAW")];

/// A row: who started it, the process, its user, and the sets and locks of its `/proc/PID/status`.
#[must_use]
pub fn row(starter: &str, process: &str, user: &str, status: &str) -> String {
    let fields: HashMap<&str, &str> = status
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(key, value)| (key, value.trim()))
        .collect();
    let field = |name: &str| fields.get(name).copied().unwrap_or("?");
    let sets = ["CapEff", "CapPrm", "CapAmb", "CapInh", "CapBnd"].map(|name| set(field(name)));
    let locks = format!("{} | {}", field("NoNewPrivs"), field("Seccomp"));
    format!("| {starter} | `{process}` | `{user}` | {} | {locks} |", sets.join(" | "))
}

/// A set by its names; one with more than these is whoever's it was inherited from.
fn set(hexadecimal: &str) -> String {
    let Ok(bits) = u64::from_str_radix(hexadecimal, 16) else { return "?".to_owned() };
    if NAMES.iter().fold(bits, |bits, (bit, _)| bits & !(1 << bit)) != 0 {
        return "as its parent".to_owned();
    }
    let known = NAMES.iter().filter(|(bit, _)| bits & (1 << bit) != 0);
    let names: Vec<&str> = known.map(|(_, name)| *name).collect();
    if names.is_empty() { "-".to_owned() } else { names.join(" ") }
}

/// Whether the page has that row.
///
/// # Panics
/// There is no page.
#[must_use]
pub fn documents(row: &str) -> bool {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/threat-model.md");
    let page = std::fs::read_to_string(path).expect("docs/threat-model.md");
    page.lines().any(|line| line == row)
}
