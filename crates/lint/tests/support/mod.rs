//! What the tests of lints share: nodes from texts, and what is said of them.

#![allow(clippy::panic, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "not every file of tests needs all of it")]

use handover_lint as lint;

/// What `...` stands for where an example doesn't say it itself.
const REST: [(&str, &str); 4] = [
    ("interface", "  interface eth0\n"),
    ("virtual_router_id", "  virtual_router_id 51\n"),
    ("priority", "  priority 100\n"),
    ("virtual_ipaddress", "  virtual_ipaddress {\n    192.0.2.10/24\n  }\n"),
];

/// An example with all that it leaves out. A comment behind `...` stays, on the line of its block.
pub(crate) fn complete(example: &str) -> String {
    let mut text = String::new();
    for block in example.split_inclusive("\n}") {
        let Some((before, after)) = block.split_once("  ...") else {
            text += block;
            continue;
        };
        let given = |word: &str| block.lines().any(|line| line.split_whitespace().next() == Some(word));
        // `state MASTER` without a priority means something of its own.
        let rest = REST.iter().filter(|(word, _)| !(given(word) || *word == "priority" && given("state")));
        let rest: String = rest.map(|(_, lines)| *lines).collect();
        text += &format!("{before}{}{after}", rest.trim_end());
    }
    text
}

/// Nodes, as they are read.
pub(crate) struct Nodes {
    pub(crate) names: Vec<String>,
    pub(crate) loaded: Vec<config::Loaded>,
    pub(crate) host: Option<lint::Host>,
}

impl Nodes {
    /// `(file, text)` each; nothing may be invalid.
    pub(crate) fn new(files: &[(&str, String)]) -> Self {
        let names = files.iter().map(|(file, _)| file.trim_end_matches(".conf").to_owned()).collect();
        let loaded: Vec<_> = files.iter().map(|(file, text)| config::parse(file, text)).collect();
        for loaded in &loaded {
            assert!(loaded.config.is_some(), "{}", loaded.report.render(false));
        }
        Self { names, loaded, host: None }
    }

    /// The reports after all lints have been looked for, but for whether keepalived knows all words.
    pub(crate) fn judged(self) -> Vec<config::Report> {
        self.judged_as(lint::Asked::default())
    }

    pub(crate) fn judged_as(mut self, asked: lint::Asked) -> Vec<config::Report> {
        let nodes: Vec<lint::Node<'_>> = self
            .names
            .iter()
            .zip(&self.loaded)
            .map(|(name, loaded)| lint::Node {
                name,
                config: loaded.config.as_ref().expect("valid"),
                report: &loaded.report,
                host: self.host.as_ref(),
            })
            .collect();
        let told = lint::judge(&nodes, asked);
        for (loaded, told) in self.loaded.iter_mut().zip(told) {
            loaded.report.silence(&told.silenced);
            loaded.report.extend(told.added);
        }
        self.loaded.into_iter().map(|loaded| loaded.report).collect()
    }
}

/// `FILE:LINE ID` of everything that is no mere note.
pub(crate) fn said(reports: &[config::Report]) -> Vec<String> {
    let one = |report: &config::Report| -> Vec<String> {
        let diagnostics = report.diagnostics().iter().filter(|it| it.severity != config::Severity::Note);
        diagnostics
            .map(|it| {
                let at = it.span.and_then(|span| report.position(span));
                let (file, line) = at.map_or(("?", 0), |(file, at)| (file, at.line));
                format!("{file}:{line} {}", it.code)
            })
            .collect()
    };
    reports.iter().flat_map(one).collect()
}

/// Two nodes with these instance lines, otherwise as they should be.
pub(crate) fn pair(a: &str, b: &str) -> Vec<config::Report> {
    let text = |lines: &str, priority: &str| {
        let priority = if lines.contains("priority") { "" } else { priority };
        complete(&format!("vrrp_instance web {{\n{priority}{lines}\n  ...\n}}"))
    };
    Nodes::new(&[("a.conf", text(a, "priority 100\n")), ("b.conf", text(b, "priority 90\n"))]).judged()
}

/// All of it, as a terminal without colours shows it.
pub(crate) fn rendered(reports: &[config::Report]) -> String {
    reports.iter().map(|report| report.render(false)).collect()
}
