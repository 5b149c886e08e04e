//! Manual pages for the programs: what each says with `--help`, and a description from `packaging/man/parts`.

use std::fmt::Write as _;

use crate::helptext::{self, Entry, Help};

/// The five programs.
pub const PROGRAMS: [&str; 5] = ["handover", "ipmgr", "vrrp-core", "checkerd", "notifierd"];

/// The commands of a program, by name.
#[must_use]
pub fn commands(program: &str) -> Vec<(String, Help)> {
    let names: Vec<String> = match program {
        "handover" => helptext::of(&[program]).commands.into_iter().map(|entry| entry.name).collect(),
        // They have some that argh doesn't know of.
        "checkerd" => vec!["run".to_owned(), "watch".to_owned()],
        "notifierd" => vec!["mail".to_owned()],
        _ => Vec::new(),
    };
    names.into_iter().map(|name| (name.clone(), helptext::of(&[program, &name]))).collect()
}

/// The page of a program, section 8; `description` is roff.
///
/// # Panics
/// The program can't be asked.
#[must_use]
pub fn page(program: &str, description: &str) -> String {
    let help = helptext::of(&[program]);
    let commands = commands(program);
    let mut page = ".\\\" Made from --help and packaging/man/parts; UPDATE_MAN=1 cargo test -p handover-tests --test manuals writes it anew.\n".to_owned();
    let summary = help.description.trim_end_matches('.');
    let _ = writeln!(page, ".TH {} 8 \"\" \"Handover\" \"Handover\"", program.to_uppercase());
    let _ = writeln!(page, ".SH NAME\n{} \\- {}", escape(program), escape(&lower_first(summary)));
    let _ = writeln!(page, ".SH SYNOPSIS\n.B {}", synopsis(&help.usage));
    for (_, command) in &commands {
        let _ = writeln!(page, ".br\n.B {}", synopsis(&command.usage));
    }
    let _ = write!(page, ".SH DESCRIPTION\n{description}");
    let _ = writeln!(page, ".SH OPTIONS");
    entries(&mut page, &help, &help.options);
    if !commands.is_empty() {
        let _ = writeln!(page, ".SH COMMANDS");
    }
    for (name, command) in &commands {
        let _ = writeln!(page, ".SS {} {}\n{}", escape(program), escape(name), escape(&command.description));
        entries(&mut page, command, &command.arguments);
        entries(&mut page, command, &command.options);
        if !command.notes.is_empty() {
            let _ = writeln!(page, ".PP\n{}", escape(&command.notes));
        }
        examples(&mut page, &command.examples);
    }
    page.push_str(COMMON);
    let others = PROGRAMS.iter().filter(|other| **other != program);
    let others: Vec<String> = others.map(|other| format!("{}(8)", escape(other))).collect();
    let _ = writeln!(page, ".SH SEE ALSO\nhandover.conf(5), {}", others.join(", "));
    page
}

/// What all five have in common.
const COMMON: &str = r".SH EXIT STATUS
.TP
0
Done, or stopped as asked.
.TP
1
Something went wrong that may be gone after a restart; of a question, the answer no.
.TP
64
The command line is wrong.
.TP
77
A right is missing.
.TP
78
The configuration is not valid.
.PP
A daemon that ends with 64, 77 or 78 is not started again.
.SH SIGNALS
.TP
SIGTERM, SIGINT
Stop, with a goodbye: another router takes over.
.TP
SIGHUP
All daemons read the configuration again, as after
.BR handover\ reload .
.TP
SIGUSR1
To a daemon: make room for a successor, which goes on where this one was.
.SH ENVIRONMENT
.TP
HANDOVER_LOG
What is logged, in the syntax of env_logger: error, warn, info (the default), debug.
.TP
HANDOVER_SECCOMP
Of vrrp-core and ipmgr: log has the kernel log the system calls that aren't on their lists; without it such a call ends them.
.TP
RUNTIME_DIRECTORY, STATE_DIRECTORY
Defaults of the options of that name.
.SH FILES
.TP
/etc/handover/handover.conf, else /etc/keepalived/keepalived.conf
The configuration; see handover.conf(5).
.TP
/run/handover
The sockets, one for each daemon.
.TP
/var/lib/handover
What is remembered across restarts.
";

fn entries(page: &mut String, help: &Help, entries: &[Entry]) {
    for entry in entries {
        let value = help.value(entry).map(|value| format!(" \\fI{}\\fR", escape(&value))).unwrap_or_default();
        let _ = writeln!(
            page,
            ".TP\n\\fB{}\\fR{value}\n{}.",
            escape(&entry.name),
            escape(&upper_first(&entry.text))
        );
    }
}

fn examples(page: &mut String, examples: &[String]) {
    if !examples.is_empty() {
        let lines: Vec<String> = examples.iter().map(|example| escape(example)).collect();
        let _ = writeln!(page, ".PP\n.nf\n{}\n.fi", lines.join("\n"));
    }
}

/// The usage as the argument of a macro: its quotes and spaces are kept.
fn synopsis(usage: &str) -> String {
    format!("\"{}\"", escape(usage).replace('"', "\\(dq"))
}

/// Roff's own characters; a leading dot or quote would be a request.
fn escape(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

fn upper_first(text: &str) -> String {
    with_first(text, |first| first.to_uppercase().to_string())
}

fn lower_first(text: &str) -> String {
    with_first(text, |first| first.to_lowercase().to_string())
}

fn with_first(text: &str, change: impl Fn(char) -> String) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| change(first) + characters.as_str()).unwrap_or_default()
}
