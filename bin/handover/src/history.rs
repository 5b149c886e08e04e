//! `handover history`: what happened here, why, and what the hooks made of it, from the file that notifierd keeps.
//!
//! It reads the file and not the daemon, so that it says what is known also when notifierd is down; the daemon is only asked
//! where the file is and what is missing in it. What it must never do: believe a torn line, follow a link that somebody put in
//! the file's place, or let what a hook wrote command the terminal. Read `ipc::history` first.

mod pick;
mod words;

use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use argh::FromArgs;
use ipc::history::{FILE, MAX_SIZE, OLD_FILE};
use serde_json::Value;
use service::client::status_of;
use service::{Exit, Failure};

use pick::{Pick, Record};

/// How many entries are shown unless somebody says how many.
const SHOWN: usize = 40;

/// Show what happened and why, and what the hooks made of it; the newest is last.
#[derive(Debug, FromArgs)]
#[argh(
    subcommand,
    name = "history",
    help_triggers("-h", "--help"),
    example = "handover history api_vip --since 2h",
    example = "handover history --since '2026-01-31 03:00' --json"
)]
pub(crate) struct HistoryArguments {
    /// which instance or sync group (default: all)
    #[argh(positional)]
    name: Option<String>,

    /// how many entries, the newest (default: 40; all with --since or --json)
    #[argh(option, short = 'n', arg_name = "COUNT")]
    count: Option<usize>,

    /// no older ones: a time in UTC, or how long ago, such as 90min
    #[argh(option, arg_name = "TIME")]
    since: Option<String>,

    /// as JSON Lines, just as they are in the file
    #[argh(switch)]
    json: bool,

    /// where the file is (default: where notifierd says, else $STATE_DIRECTORY, else /var/lib/handover)
    #[argh(option, arg_name = "DIR")]
    state_dir: Option<PathBuf>,

    /// where the sockets are (default: $RUNTIME_DIRECTORY, else /run/handover)
    #[argh(option, arg_name = "DIR")]
    runtime_dir: Option<PathBuf>,
}

/// Prints the history.
///
/// # Errors
/// [`Exit::Usage`] for a time that isn't understood, [`Exit::Failed`] when there is no history, or none that may be read.
pub(crate) fn run(arguments: &HistoryArguments) -> Result<(), Failure> {
    let since = arguments.since.as_deref().map(|text| pick::time(text, sys::clock::wall())).transpose();
    let since: Option<SystemTime> = since.map_err(|error| Failure::new(Exit::Usage, error))?;
    let is_bounded = since.is_none() && !arguments.json;
    let count = arguments.count.unwrap_or(if is_bounded { SHOWN } else { usize::MAX });
    let daemon = status_of(&service::runtime_dir(arguments.runtime_dir.clone()), "notifierd");
    let files = Files::find(arguments, daemon.as_ref().ok());
    let lines = files.read().map_err(|error| {
        Failure::new(Exit::Failed, explain(&files.new, &error, trouble_of(daemon.as_ref().ok())))
    })?;
    let pick = Pick { name: arguments.name.as_deref(), since, count };
    let picked = pick.from(&lines.text);
    let stranger = arguments.name.as_deref().filter(|name| !picked.names.contains(*name));
    if let Some(name) = stranger
        && let Some(known) = daemon.as_ref().ok().map(names).filter(|known| !known.contains(&name))
    {
        let known = known.join(", ");
        return Err(Failure::new(
            Exit::Usage,
            format!("there is no instance or group {name:?}, and the history knows none; there are: {known}"),
        ));
    }
    let mut text = String::new();
    if !arguments.json && picked.older > 0 {
        let _ = writeln!(text, "({} older entries: -n {})", picked.older, count.saturating_add(picked.older));
    }
    for Record { line, entry, is_resurrection } in &picked.records {
        text += &match (arguments.json, is_resurrection) {
            (true, _) => format!("{line}\n"),
            (false, false) => words::entry(entry),
            (false, true) => words::resurrection(entry),
        };
    }
    crate::say(&text);
    let mut missing = lines.missing;
    if let Some(name) = stranger {
        missing.push(format!("none of this is about {name} alone"));
    } else if picked.records.is_empty() && !arguments.json {
        missing.push(format!("{} holds nothing about that", files.new.display()));
    }
    match picked.unknown {
        0 => {}
        1 => missing.push("a line was torn, or is of another version".to_owned()),
        unknown => missing.push(format!("{unknown} lines were torn, or are of another version")),
    }
    match &daemon {
        Ok(status) => {
            missing.extend(trouble_of(Some(status)).map(|it| format!("not written now: {it}")));
            if status.get("connected") == Some(&Value::Bool(false)) {
                missing.push("vrrp-core isn't heard now: what happens meanwhile isn't known".to_owned());
            }
        }
        Err(trouble) => missing.push(format!("what happens now isn't written: {trouble}")),
    }
    missing.iter().for_each(|it| crate::complain(&format!("handover: {it}\n")));
    Ok(())
}

/// Of the instances and groups that notifierd knows.
fn names(status: &Value) -> Vec<&str> {
    let all = [("instances", "instance"), ("groups", "group")];
    all.into_iter()
        .flat_map(|(list, name)| {
            status.get(list).and_then(Value::as_array).into_iter().flatten().map(move |it| (it, name))
        })
        .filter_map(|(it, name)| it.get(name)?.as_str())
        .collect()
}

fn trouble_of(status: Option<&Value>) -> Option<&str> {
    status?.pointer("/history/trouble")?.as_str()
}

/// The two generations.
#[derive(Debug)]
struct Files {
    new: PathBuf,
    old: PathBuf,
}

/// All that could be read.
#[derive(Debug, Default)]
struct Lines {
    text: Vec<u8>,
    /// In words, one each.
    missing: Vec<String>,
}

impl Files {
    fn find(arguments: &HistoryArguments, status: Option<&Value>) -> Self {
        let told = || Some(Path::new(status?.pointer("/history/path")?.as_str()?).parent()?.to_owned());
        let directory = arguments.state_dir.clone().or_else(told);
        let directory = directory.unwrap_or_else(|| service::state_dir(None));
        Self { new: directory.join(FILE), old: directory.join(OLD_FILE) }
    }

    /// The older generation first. The newer has to be there.
    fn read(&self) -> io::Result<Lines> {
        let (mut new, owner) = sys::own_file::open_of_anybody(&self.new)?;
        let mut lines = Lines::default();
        match sys::own_file::open_of_anybody(&self.old) {
            Ok((_, other)) if other != owner => {
                lines.missing.push(format!("{}: left out, it has another owner", self.old.display()));
            }
            Ok((old, _)) => {
                if (old.metadata()?.dev(), old.metadata()?.ino())
                    == (new.metadata()?.dev(), new.metadata()?.ino())
                {
                    // It became the old one between two looks.
                    new = sys::own_file::open_of_anybody(&self.new)?.0;
                }
                take(old, &mut lines.text)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => lines.missing.push(format!("{}: left out, {error}", self.old.display())),
        }
        take(new, &mut lines.text)?;
        Ok(lines)
    }
}

/// No more than notifierd ever writes.
fn take(file: std::fs::File, text: &mut Vec<u8>) -> io::Result<()> {
    file.take(MAX_SIZE).read_to_end(text)?;
    text.push(b'\n');
    Ok(())
}

fn explain(path: &Path, error: &io::Error, trouble: Option<&str>) -> String {
    let path = path.display();
    match (error.kind(), trouble) {
        (_, Some(trouble)) => format!("no history: {trouble}"),
        (io::ErrorKind::NotFound, None) => {
            format!(
                "no history: {path} isn't there; notifierd begins it when it starts (--state-dir names another place)"
            )
        }
        (io::ErrorKind::PermissionDenied, None) => {
            format!("{path} may not be read by you: root and members of its group may (_handover)")
        }
        (_, None) => format!("{path}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Scratch(PathBuf);

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn scratch(name: &str) -> (Scratch, Files) {
        let path =
            std::env::temp_dir().join(format!("handover-command-history-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let files = Files { new: path.join(FILE), old: path.join(OLD_FILE) };
        (Scratch(path), files)
    }

    #[test]
    fn both_generations_are_read_in_order_and_the_older_may_be_absent() {
        let (_scratch, files) = scratch("both");
        fs::write(&files.new, "2\n").unwrap();
        let read = || String::from_utf8(files.read().unwrap().text).unwrap();
        assert_eq!(read(), "2\n\n");
        fs::write(&files.old, "1\n").unwrap();
        assert_eq!(read(), "1\n\n2\n\n");
    }

    #[test]
    fn a_link_in_its_place_leads_nowhere_and_what_cannot_be_read_is_explained() {
        let (_scratch, files) = scratch("link");
        let error = files.read().unwrap_err();
        assert!(explain(&files.new, &error, None).contains("isn't there; notifierd begins it"), "{error}");
        assert!(explain(&files.new, &error, Some("read-only")).ends_with("no history: read-only"));
        std::os::unix::fs::symlink("/etc/passwd", &files.new).unwrap();
        let error = files.read().unwrap_err();
        assert!(explain(&files.new, &error, None).ends_with("history.jsonl: it is a symbolic link"));
        let error = io::Error::from(io::ErrorKind::PermissionDenied);
        assert!(explain(&files.new, &error, None).contains("root and members of its group"));
    }
}
