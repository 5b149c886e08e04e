//! The documents say what is so: their examples are those that run, their links lead somewhere.

use std::fs;
use std::path::{Path, PathBuf};

use handover_tests::node::{Node, eventually, start_lab};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace").to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What stands between the fences of a Markdown text.
fn blocks(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines() {
        if line.starts_with("```") {
            match open.take() {
                Some(block) => blocks.push(block),
                None => open = Some(String::new()),
            }
        } else if let Some(block) = &mut open {
            block.push_str(line);
            block.push('\n');
        }
    }
    blocks
}

fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for directory in
        ["", "docs", "examples/haproxy-pair", "examples/haproxy-on-master-only", "examples/site-notifier"]
    {
        for entry in fs::read_dir(root().join(directory)).expect("a directory") {
            let path = entry.expect("entry").path();
            if path.extension().is_some_and(|it| it == "md") {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn the_walk_through_shows_the_example_that_runs() {
    let shown = blocks(&read("README.md")).into_iter().find(|block| block.contains("vrrp_instance"));
    let shown = shown.expect("README.md shows a configuration");
    let meaning = |text: &str| {
        let loaded = config::parse("shown.conf", text);
        assert_eq!(
            loaded.report.diagnostics(),
            &[],
            "the walk-through's configuration has nothing to complain about"
        );
        loaded.config.expect("valid")
    };
    meaning(&shown);
    let words = |text: &str| -> Vec<String> {
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
        lines.flat_map(str::split_whitespace).map(str::to_owned).collect()
    };
    assert_eq!(
        words(&shown),
        words(&read("examples/haproxy-pair/node-a.conf")),
        "README.md and node-a.conf differ"
    );
    let b = words(&shown)
        .join(" ")
        .replace("state MASTER", "state BACKUP")
        .replace("priority 100", "priority 90");
    assert_eq!(
        b,
        words(&read("examples/haproxy-pair/node-b.conf")).join(" "),
        "README.md and node-b.conf differ"
    );
}

#[test]
fn links_between_documents_lead_somewhere() {
    for document in documents() {
        let text = fs::read_to_string(&document).expect("a document");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let path = document.parent().expect("a directory").join(target);
            assert!(path.exists(), "{} links to {target}, which isn't there", document.display());
        }
    }
}

#[test]
fn every_cause_is_documented() {
    let table = read("docs/events.md");
    let source = read("crates/vrrp/src/cause.rs");
    // A code is the literal in front of its sentence: `("code", ...)`.
    let pieces: Vec<&str> = source.split('"').collect();
    let literals = pieces.windows(2).filter(|pair| pair[1].starts_with(',')).map(|pair| pair[0]);
    let codes = literals.filter(|it| it.len() > 3 && it.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
    let mut count = 0;
    for code in codes {
        assert!(table.contains(&format!("`{code}`")), "docs/events.md doesn't know the cause {code}");
        count += 1;
    }
    assert!(count > 5, "found only {count} causes in the source");
}

#[test]
fn the_feed_answers_as_its_page_says() {
    let lab = start_lab();
    let config = "vrrp_instance api_vip {\n interface eth0\n virtual_router_id 5\n virtual_ipaddress {\n 10.0.0.1/32\n }\n}\n";
    let node = Node::new(&lab, "a", &["10.0.0.11/24"], config);
    if node.sh("command -v socat").is_empty() {
        eprintln!("SKIPPED: socat is not installed");
        assert!(std::env::var_os("CI").is_none(), "CI installs socat");
        return;
    }
    node.start();
    eventually(&lab, &[&node], "it is up", || !node.state().is_empty());
    let page = read("docs/events.md");
    let command = page.split('`').find(|it| it.starts_with("echo ")).expect("a command to try");
    let said = node.sh(command);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{command} said {said:?}");
    assert!(lines[0].starts_with(r#"{"type":"hello","protocol":1,"program":"vrrp-core""#), "{said}");
    assert!(lines[1].starts_with(r#"{"type":"status""#), "{said}");
}

#[test]
fn every_bug_trap_and_trouble_has_a_test_that_exists() {
    let mut sources = String::new();
    for directory in ["crates", "bin", "tests"] {
        collect(&root().join(directory), &mut sources);
    }
    for page in ["docs/prior-bugs.md", "docs/traps.md", "docs/troubleshooting.md"] {
        let text = read(page);
        // The last column of the table.
        let cells = text.lines().filter_map(|line| line.strip_suffix(" |")?.rsplit_once(" | "));
        let names: Vec<&str> = cells.flat_map(|(_, cell)| cell.split('`').skip(1).step_by(2)).collect();
        assert!(names.len() > 20, "{page}: found only {} names", names.len());
        for name in names {
            let golden = root().join(format!("crates/config/tests/golden/{name}.txt"));
            assert!(
                sources.contains(&format!("fn {name}(")) || golden.exists(),
                "{page} names {name}, which is no test"
            );
        }
    }
}

fn collect(directory: &Path, sources: &mut String) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|it| it == "rs") {
            sources.push_str(&fs::read_to_string(&path).expect("source"));
        }
    }
}
