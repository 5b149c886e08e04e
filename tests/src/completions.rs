//! Completions for three shells, from what the programs say with `--help`.

use std::fmt::Write as _;

use crate::helptext::{self, Entry, Help};
use crate::manual::commands;

const MADE: &str =
    "# Made from --help; UPDATE_MAN=1 cargo test -p handover-tests --test manuals writes it anew.\n";
/// The programs that a person types.
const TYPED: [&str; 2] = ["handover", "checkerd"];

/// What an option's value or an argument is, as far as a shell can complete it.
enum Kind {
    File,
    Directory,
    Other,
}

fn kind(value: &str) -> Kind {
    match value.to_lowercase().as_str() {
        "file" => Kind::File,
        "dir" => Kind::Directory,
        _ => Kind::Other,
    }
}

/// A program's own options, then each command's.
fn scopes(program: &str) -> Vec<(Option<String>, Help)> {
    let own = std::iter::once((None, helptext::of(&[program])));
    own.chain(commands(program).into_iter().map(|(name, help)| (Some(name), help))).collect()
}

fn words(help: &Help) -> Vec<String> {
    let mut words: Vec<String> = vec!["-h".to_owned(), "--help".to_owned()];
    for option in &help.options {
        words.extend(option.short().map(|c| format!("-{c}")));
        words.push(option.long().to_owned());
    }
    words
}

/// For bash-completion; one file for both programs.
#[must_use]
pub fn bash() -> String {
    let mut text = format!("# shellcheck shell=bash disable=SC2207\n{MADE}");
    for program in TYPED {
        let scopes = scopes(program);
        let names: Vec<&str> = scopes.iter().filter_map(|(name, _)| name.as_deref()).collect();
        let _ = writeln!(
            text,
            "_{program}() {{\n    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD - 1]}} words"
        );
        let _ = writeln!(text, "    case $prev in");
        for (pattern, compgen) in [("file", "-f"), ("dir", "-d")] {
            let options = values(&scopes, pattern);
            if !options.is_empty() {
                let _ = writeln!(
                    text,
                    "        {}) COMPREPLY=($(compgen {compgen} -- \"$cur\")); return ;;",
                    options.join(" | ")
                );
            }
        }
        let _ = writeln!(text, "    esac\n    case ${{COMP_WORDS[1]}} in");
        for (name, help) in &scopes {
            if let Some(name) = name {
                let _ = writeln!(text, "        {name}) words='{}' ;;", words(help).join(" "));
            }
        }
        let own: Vec<String> =
            scopes.iter().filter(|(name, _)| name.is_none()).flat_map(|(_, help)| words(help)).collect();
        let _ = writeln!(text, "        *) words='{} {}' ;;\n    esac", names.join(" "), own.join(" "));
        let _ = writeln!(text, "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))");
        let _ =
            writeln!(text, "    if [[ $cur != -* ]]; then COMPREPLY+=($(compgen -f -- \"$cur\")); fi\n}}");
        let _ = writeln!(text, "complete -o filenames -F _{program} {program}");
    }
    text
}

/// The options of all scopes whose value is of this kind, each once.
fn values(scopes: &[(Option<String>, Help)], wanted: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (_, help) in scopes {
        for option in
            help.options.iter().filter(|it| help.value(it).is_some_and(|it| it.eq_ignore_ascii_case(wanted)))
        {
            found.extend(option.short().map(|c| format!("-{c}")));
            found.push(option.long().to_owned());
        }
    }
    found.sort();
    found.dedup();
    found
}

/// For zsh; one file for both programs.
#[must_use]
pub fn zsh() -> String {
    let mut text = format!("#compdef {}\n{MADE}", TYPED.join(" "));
    let _ = writeln!(text, "case $service in");
    for program in TYPED {
        let scopes = scopes(program);
        let _ = writeln!(text, "{program})\n    case ${{words[2]}} in");
        for (name, help) in &scopes {
            let Some(name) = name else { continue };
            let _ = writeln!(text, "    {name})\n        shift words\n        (( CURRENT-- ))");
            let _ = writeln!(text, "        _arguments -s {}", zsh_arguments(help));
            let _ = writeln!(text, "        ;;");
        }
        let _ = writeln!(text, "    *)");
        for (name, help) in &scopes {
            if name.is_none() {
                let names: Vec<&str> = scopes.iter().filter_map(|(name, _)| name.as_deref()).collect();
                let _ = writeln!(
                    text,
                    "        _arguments -s {} '1:command:({})'",
                    zsh_options(help),
                    names.join(" ")
                );
            }
        }
        let _ = writeln!(text, "        ;;\n    esac\n    ;;");
    }
    text.push_str("esac\n");
    text
}

fn zsh_arguments(help: &Help) -> String {
    let arguments = help.arguments.iter().map(|argument| {
        let action = match kind(&argument.name) {
            Kind::File => "_files",
            Kind::Directory => "_files -/",
            Kind::Other => " ",
        };
        format!("'*:{}:{action}'", argument.name)
    });
    let arguments: Vec<String> = arguments.collect();
    format!("{} {}", zsh_options(help), arguments.join(" ")).trim_end().to_owned()
}

fn zsh_options(help: &Help) -> String {
    let mut options: Vec<String> = vec!["'(- *)'{-h,--help}'[help]'".to_owned()];
    for option in &help.options {
        let action = help.value(option).map(|value| match kind(&value) {
            Kind::File => ":file:_files".to_owned(),
            Kind::Directory => ":directory:_files -/".to_owned(),
            Kind::Other => format!(":{}: ", value.to_lowercase().replace(':', " ")),
        });
        let rest = format!("[{}]{}", zsh_text(option), action.unwrap_or_default());
        options.push(match option.short() {
            Some(c) => format!("{{-{c},{}}}'{rest}'", option.long()),
            None => format!("'{}{rest}'", option.long()),
        });
    }
    options.join(" ")
}

fn zsh_text(option: &Entry) -> String {
    option.text.replace('\'', "'\\''").replace('[', "\\[").replace(']', "\\]").replace(':', "\\:")
}

/// For fish, which wants a file for each program.
#[must_use]
pub fn fish(program: &str) -> String {
    let mut text = MADE.to_owned();
    let scopes = scopes(program);
    let names: Vec<&str> = scopes.iter().filter_map(|(name, _)| name.as_deref()).collect();
    for (name, help) in &scopes {
        let condition = match name {
            Some(name) => format!("__fish_seen_subcommand_from {name}"),
            None => format!("not __fish_seen_subcommand_from {}", names.join(" ")),
        };
        if let Some(name) = name {
            let _ = writeln!(
                text,
                "complete -c {program} -n __fish_use_subcommand -f -a {name} -d '{}'",
                fish_text(help.description.split_once(". ").map_or(help.description.as_str(), |it| it.0))
            );
        }
        let _ = writeln!(text, "complete -c {program} -n '{condition}' -s h -l help -d 'help'");
        for option in &help.options {
            let short = option.short().map(|c| format!(" -s {c}")).unwrap_or_default();
            let value = match help.value(option).map(|value| kind(&value)) {
                None => "",
                Some(Kind::File) => " -r -F",
                Some(Kind::Directory) => " -x -a '(__fish_complete_directories)'",
                Some(Kind::Other) => " -x",
            };
            let _ = writeln!(
                text,
                "complete -c {program} -n '{condition}'{short} -l {}{value} -d '{}'",
                option.long().trim_start_matches('-'),
                fish_text(&option.text)
            );
        }
    }
    text
}

fn fish_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}
