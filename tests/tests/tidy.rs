//! House rules that a machine can hold: who may use whom, how files open, which points have a proof.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A file longer than this holds two jobs.
const MAX_LINES: usize = 700;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace").to_owned()
}

/// Every file below `directory` with that ending, build output and version control aside.
fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display())) {
        let path = entry.expect("entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if path.is_dir() && !path.is_symlink() && name != "target" && name != ".git" {
            found.extend(files(&path, ending));
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
    found
}

/// The names under `[dependencies]` of a manifest.
fn dependencies(manifest: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(manifest).unwrap_or_else(|error| panic!("{}: {error}", manifest.display()));
    let section = text.split("\n[").find(|part| part.starts_with("dependencies]")).unwrap_or_default();
    let names = section.lines().skip(1).filter_map(|line| line.split(['.', ' ', '=']).next());
    names.filter(|name| !name.is_empty() && !name.starts_with('#')).map(str::to_owned).collect()
}

/// ARCHITECTURE.md, "Floors": a room may use rooms of lower floors only.
const FLOORS: [(&str, u8); 13] = [
    ("model", 0),
    ("vrrp", 1),
    ("checks", 1),
    ("config", 1),
    ("sys", 1),
    ("ipc", 2),
    ("reactor", 2),
    ("setup", 2),
    ("lint", 2),
    ("runner", 3),
    ("sim", 2),
    ("lab", 2),
    ("service", 3),
];
const PROGRAMS: [&str; 5] = ["vrrp-core", "checkerd", "notifierd", "ipmgr", "handover"];

#[test]
fn arrows_only_go_down() {
    let floors: BTreeMap<&str, u8> = FLOORS.into_iter().collect();
    let rooms: BTreeSet<String> = fs::read_dir(root().join("crates"))
        .expect("crates/")
        .map(|entry| entry.expect("entry").file_name().into_string().expect("UTF-8"))
        .collect();
    assert_eq!(rooms, FLOORS.iter().map(|(name, _)| (*name).to_owned()).collect(), "a room without a floor");
    for (room, floor) in FLOORS {
        for used in dependencies(&root().join("crates").join(room).join("Cargo.toml")) {
            if let Some(other) = floors.get(used.as_str()) {
                assert!(*other < floor, "crates/{room} (floor {floor}) uses {used} (floor {other})");
            }
            assert!(!PROGRAMS.contains(&used.as_str()), "crates/{room} uses the program {used}");
        }
    }
}

#[test]
fn only_those_who_need_it_know_a_protocol() {
    let users_of = |what: &str| -> BTreeSet<String> {
        let manifests = files(&root().join("crates"), "Cargo.toml")
            .into_iter()
            .chain(files(&root().join("bin"), "Cargo.toml"));
        let names = manifests.filter(|manifest| dependencies(manifest).contains(what));
        names.map(|path| path.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(users_of("vrrp"), set(&["lint", "setup", "sim", "vrrp-core"]), "who knows vrrp");
    assert!(users_of("checks").is_subset(&set(&["sim", "checkerd"])), "only checkerd and sim know checks");
    assert_eq!(users_of("bincode"), set(&["ipc"]), "only ipc knows bincode");
    assert!(users_of("libc").is_subset(&set(&["sys"])), "only sys knows libc");
    assert!(users_of("landlock").is_subset(&set(&["sys"])), "only sys knows landlock");
    assert!(users_of("mio").is_subset(&set(&["reactor"])), "only reactor knows mio");
}

#[test]
fn unsafe_code_is_in_sys_only() {
    for file in files(&root().join("crates"), ".rs").into_iter().chain(files(&root().join("bin"), ".rs")) {
        if file.starts_with(root().join("crates/sys")) {
            continue;
        }
        let text = fs::read_to_string(&file).expect("source");
        assert!(!text.contains("unsafe {") && !text.contains("unsafe fn"), "{}: unsafe", file.display());
    }
}

#[test]
fn every_file_says_what_it_is_and_holds_one_job() {
    for directory in ["crates", "bin", "tests"] {
        for file in files(&root().join(directory), ".rs") {
            let text = fs::read_to_string(&file).expect("source");
            let is_inner = file.ends_with("tests.rs");
            assert!(is_inner || text.starts_with("//!"), "{} doesn't open with what it is", file.display());
            let lines = text.lines().count();
            assert!(lines <= MAX_LINES, "{} has {lines} lines: it holds two jobs", file.display());
        }
    }
}

/// The IDs of a conformance table: `V3-RX-4`, `V2-TMR-1`, `TMR-3`, `X-1`.
fn is_point(word: &str) -> bool {
    let parts: Vec<&str> = word.split('-').collect();
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return false };
    (2..=3).contains(&parts.len())
        && ["V3", "V2", "TMR", "X"].contains(first)
        && last.chars().all(|c| c.is_ascii_digit())
        && !last.is_empty()
}

#[test]
fn every_point_that_is_said_to_be_held_has_a_test_that_names_it() {
    let table = fs::read_to_string(root().join("docs/conformance.md")).expect("docs/conformance.md");
    let mut sources = String::new();
    for directory in ["crates", "bin", "tests"] {
        for file in files(&root().join(directory), ".rs") {
            let text = fs::read_to_string(&file).expect("source");
            let is_test_file =
                file.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs");
            let tests = if is_test_file {
                Some(text.as_str())
            } else {
                text.split_once("#[cfg(test)]").map(|it| it.1)
            };
            sources.push_str(tests.unwrap_or_default());
        }
    }
    let named: BTreeSet<&str> = sources
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .filter(|word| is_point(word))
        .collect();
    let rows = table.lines().filter_map(|line| {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let point = cells.next().filter(|cell| is_point(cell))?;
        Some((point, cells.collect::<Vec<_>>().join(" ")))
    });
    let mut held = 0;
    for (point, rest) in rows {
        if rest.contains("not yet") {
            continue;
        }
        assert!(named.contains(point), "docs/conformance.md says that {point} is held, and no test names it");
        held += 1;
    }
    assert!(held > 30, "the table has only {held} points that are held");
}

#[test]
fn the_readme_begins_with_the_two_commands() {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    let (demo, test) = (readme.find("make demo"), readme.find("make test"));
    assert!(demo.is_some() && demo < test, "make demo, then make test");
    assert!(readme.lines().take(8).any(|line| line.starts_with("make demo")), "within the first lines");
}
