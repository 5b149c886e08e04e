//! What a program says with `--help`, taken apart: manual pages and completions are made from it.
//!
//! The layout is argh's, with what `service` puts before it. Anything it doesn't expect is a panic: a page with a hole would
//! go unnoticed.

#![allow(
    clippy::disallowed_methods,
    reason = "a test asks the tools of the machine, and they are to be as a person has them"
)]

use std::process::Command;

use crate::programs::program;

/// An option, a command or an argument and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `-f, --config`, `--json`, `status`.
    pub name: String,
    /// In one line.
    pub text: String,
}

impl Entry {
    /// The long form of an option, with its dashes.
    #[must_use]
    pub fn long(&self) -> &str {
        self.name.rsplit(' ').next().unwrap_or_default()
    }

    /// Its letter, if it has one.
    #[must_use]
    pub fn short(&self) -> Option<char> {
        self.name.strip_prefix('-').and_then(|rest| rest.chars().next()).filter(|c| *c != '-')
    }
}

/// A help text.
#[derive(Clone, Debug, Default)]
pub struct Help {
    /// `handover check [-f <FILE>] ...`
    pub usage: String,
    /// What it is for.
    pub description: String,
    /// What follows the options.
    pub arguments: Vec<Entry>,
    /// Without `--help`.
    pub options: Vec<Entry>,
    /// Of `handover` alone.
    pub commands: Vec<Entry>,
    /// Command lines.
    pub examples: Vec<String>,
    /// Further remarks, in one line.
    pub notes: String,
}

/// What `words` (a program and perhaps a command) say with `--help`.
///
/// # Panics
/// The program isn't there, or says something that we don't understand.
#[must_use]
pub fn of(words: &[&str]) -> Help {
    let (name, command) = words.split_first().expect("a program");
    let output = Command::new(program(name)).args(command).arg("--help").output().expect("run it");
    assert!(output.status.success(), "{words:?} --help: {}", output.status);
    parse(&String::from_utf8(output.stdout).expect("UTF-8"))
}

fn parse(text: &str) -> Help {
    let mut help = Help::default();
    let mut section = "";
    for line in text.lines() {
        match line {
            "Positional Arguments:" | "Options:" | "Commands:" | "Examples:" | "Notes:" => section = line,
            _ if line.starts_with("Usage: ") => line["Usage: ".len()..].clone_into(&mut help.usage),
            "All four daemons have these options." => {}
            _ => match section {
                "Positional Arguments:" => entry(&mut help.arguments, line),
                "Options:" => entry(&mut help.options, line),
                "Commands:" => entry(&mut help.commands, line),
                "Examples:" if !line.trim().is_empty() => help.examples.push(line.trim().to_owned()),
                "Notes:" => append(&mut help.notes, line),
                // The switch and the commands that daemons tell of before argh speaks.
                _ if line.starts_with("  --") => entry(&mut help.options, line),
                _ if line.starts_with("  ") => {}
                _ => append(&mut help.description, line),
            },
        }
    }
    help.options.retain(|option| option.long() != "--help");
    assert!(!help.usage.is_empty() && !help.description.is_empty(), "no help text: {text}");
    help
}

fn entry(entries: &mut Vec<Entry>, line: &str) {
    let Some(rest) = line.strip_prefix("  ") else { return };
    if rest.starts_with(' ') {
        let last = entries.last_mut().expect("an entry before its second line");
        append(&mut last.text, rest);
        return;
    }
    // A name that is too long for its column has a line of its own.
    let (name, text) = rest.split_once("  ").unwrap_or((rest, ""));
    entries.push(Entry { name: name.trim().to_owned(), text: text.trim().to_owned() });
}

fn append(text: &mut String, line: &str) {
    let line = line.trim();
    if !line.is_empty() {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(line);
    }
}

impl Help {
    /// What an option's value is called in the usage (`FILE`), if it takes one.
    #[must_use]
    pub fn value(&self, option: &Entry) -> Option<String> {
        let forms = [Some(option.long().to_owned()), option.short().map(|c| format!("-{c}"))];
        forms.into_iter().flatten().find_map(|form| {
            let (_, rest) = self.usage.split_once(&format!("[{form} <"))?;
            Some(rest.split('>').next()?.trim_end_matches("...").to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_help_text_comes_apart() {
        let help = parse(
            "Usage: x y [-f <FILE>] [--every-single-failure] [--] [<file...>]\n\nDoes\nit.\n\nPositional Arguments:\n  \
             file              which\n\nOptions:\n  -f, --config      the file (default:\n                    none)\n  \
             --every-single-failure\n                    all\n  -h, --help        display\n\nNotes:\n  Mind.\n",
        );
        assert_eq!(help.description, "Does it.");
        let names: Vec<&str> = help.options.iter().map(Entry::long).collect();
        assert_eq!(names, ["--config", "--every-single-failure"]);
        assert_eq!(help.options[0].text, "the file (default: none)");
        assert_eq!(help.options[0].short(), Some('f'));
        assert_eq!(help.value(&help.options[0]).as_deref(), Some("FILE"));
        assert_eq!(help.value(&help.options[1]), None);
        assert_eq!((help.arguments[0].name.as_str(), help.notes.as_str()), ("file", "Mind."));
    }
}
