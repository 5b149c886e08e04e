//! The pages: one for each lint, and the document that they make.

use config::Severity;

use crate::{addresses, agree, allow, elect, groups, host, portable, reach, service, signal, single, weigh};

/// When a lint is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Whenever a file is checked.
    Always,
    /// When several nodes are compared.
    Compared,
    /// When the machine itself is looked at, too.
    OnHost,
    /// When it is asked whether keepalived understands the file.
    Portable,
}

impl When {
    const fn words(self) -> &'static str {
        match self {
            Self::Always => "",
            Self::Compared => ", when nodes are compared",
            Self::OnHost => ", with `--host`",
            Self::Portable => ", with `--portable`",
        }
    }
}

/// What there is to know about one lint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its ID, which never changes its meaning.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// When it is looked for.
    pub when: When,
    /// What it is, in a sentence.
    pub summary: &'static str,
    /// Why it hurts.
    pub why: &'static str,
    /// Files that have it, by name; `...` stands for what is of no matter. None for what only a machine has.
    pub example: &'static [(&'static str, &'static str)],
    /// What to do.
    pub cure: &'static str,
}

/// Every page.
pub const PAGES: &[&Page] = &[
    &agree::VRID,
    &agree::VERSION,
    &agree::INTERVAL,
    &agree::AUTHENTICATION,
    &addresses::ADDRESSES,
    &addresses::NOBODY_ELSE,
    &elect::EQUAL_PRIORITIES,
    &elect::TWO_OWNERS,
    &elect::TWO_MASTERS,
    &elect::NOPREEMPT_IN_VAIN,
    &weigh::NEVER_MOVES,
    &service::ONLY_ON_MASTER,
    &single::NOPREEMPT_IGNORED,
    &single::NOPREEMPT_WEIGHT,
    &single::OWNER_WEIGHT,
    &single::LONG_PASSWORD,
    &reach::VRID_SHARED,
    &reach::MIXED_REACH,
    &reach::PEER_MISSING,
    &groups::GROUPS_DIFFER,
    &host::MISSING,
    &host::DOWN,
    &host::NO_SOURCE,
    &host::NO_MULTICAST,
    &host::CANNOT_RUN,
    &signal::FORBIDDEN,
    &host::NO_PIPE,
    &host::ADDRESS_TAKEN,
    &host::FIREWALL,
    &host::LACKS,
    &host::TABLE_TAKEN,
    &host::KEEPALIVED,
    &host::UNSEEN,
    &portable::OWN_WORD,
    &allow::UNKNOWN,
    &allow::UNUSED,
];

/// The page of this ID.
#[must_use]
pub fn page(id: &str) -> Option<&'static Page> {
    PAGES.iter().copied().find(|page| page.id == id)
}

impl Page {
    /// As Markdown, with headings below `level`.
    #[must_use]
    pub fn markdown(&self, level: usize) -> String {
        let heading = "#".repeat(level);
        let mut text = format!(
            "{heading} {}\n\n{}. ({}{})\n\n{}\n",
            self.id,
            self.summary,
            self.severity.as_str(),
            self.when.words(),
            self.why
        );
        for (file, example) in self.example {
            text += &format!("\n```\n# {file}\n{}\n```\n", example.trim());
        }
        text + &format!("\n**Cure.** {}\n", self.cure)
    }
}

/// docs/lints.md, all of it.
#[must_use]
pub fn markdown() -> String {
    let mut text = INTRODUCTION.to_owned();
    for page in PAGES {
        text += &format!("| [{0}](#{0}) | {1} | {2} |\n", page.id, page.severity.as_str(), page.summary);
    }
    for page in PAGES {
        text.push('\n');
        text += &page.markdown(2);
    }
    text
}

const INTRODUCTION: &str = "\
# Lints

What is valid and still won't do what its author means. `handover check A.conf B.conf` compares the nodes of a cluster,
`handover explain ID` prints one of these pages. This document is made from the same source: `UPDATE_GOLDEN=1 cargo test
-p handover-lint` writes it anew.

A comment silences a lint: `# handover: allow(ID)` at the end of the line that it points at, of the line that opens the block around
it, or alone on the line above either; several IDs are separated by commas. In `...` stands what is of no matter.

| ID | severity | what it is |
|---|---|---|
";
