//! What was told last, in a file: so that a notifierd that was killed, and comes back, runs hooks only for what differs.
//!
//! A journal of JSON Lines. Before the first hook of a state is started, the state is *begun*; when the last one has ended it
//! is *told*. Whoever was begun and not told may have been half told, so that its next state, whichever, is told once more:
//! the last hook that ran always was for the final state, at the price that after a kill in the middle of a hook that hook may
//! run twice. The journal counts for one boot of the machine (with it goes what hooks started), and so has to survive our death
//! but no power cut: it is in the runtime directory, where no disk can be full or hang, and nothing is synced. What it must never
//! do: keep a hook from running because of itself.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipc::events::Told;
use ipc::json;
use model::{GroupName, InstanceName, Instant};
use serde::{Deserialize, Serialize};
use sys::own_file::Durability;

use crate::occasion::Subject;

/// The file's name in the runtime directory.
const FILE: &str = "told.jsonl";
/// The version of these lines.
const VERSION: u32 = 1;
/// A larger journal isn't one of ours, in bytes.
const MAX_SIZE: usize = 64 << 20;
/// The journal is written anew when it has grown by this many bytes: more than all lines of 4,000 instances take.
const REWRITE_AFTER: u64 = 1 << 20;
/// How long after a failure it is tried again, at the earliest.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// How far the telling of a state has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Its first hook is about to be started.
    Begun {
        /// Which.
        state: Told,
        /// The one that hooks were begun for before it; `None` where an older notifierd has written it.
        after: Option<Told>,
    },
    /// Its last hook has ended, or it has none.
    Told(Told),
}

/// The first line.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    version: u32,
    boot: String,
}

/// Every other line.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    instance: Option<InstanceName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<GroupName>,
    state: Told,
    told: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<Told>,
}

impl Line {
    fn new(subject: &Subject, mark: Mark) -> Self {
        let (instance, group) = match subject.clone() {
            Subject::Instance(name) => (Some(name), None),
            Subject::Group(name) => (None, Some(name)),
        };
        let (state, told, after) = match mark {
            Mark::Begun { state, after } => (state, false, after),
            Mark::Told(state) => (state, true, None),
        };
        Self { instance, group, state, told, after }
    }

    fn read(self) -> Option<(Subject, Mark)> {
        let subject = match (self.instance, self.group) {
            (Some(name), None) => Subject::Instance(name),
            (None, Some(name)) => Subject::Group(name),
            (Some(_), Some(_)) | (None, None) => return None,
        };
        let begun = Mark::Begun { state: self.state, after: self.after };
        Some((subject, if self.told { Mark::Told(self.state) } else { begun }))
    }
}

/// The journal.
#[derive(Debug)]
pub(crate) struct Cursor {
    path: PathBuf,
    boot: String,
    marks: HashMap<Subject, Mark>,
    /// `None` while it can't be written.
    file: Option<File>,
    grown: u64,
    trouble: Option<String>,
    try_again: Instant,
}

impl Cursor {
    /// What this boot's journal says; nothing if there is none, or none that can be read: then every first state is told.
    pub(crate) fn load(runtime_dir: &Path, boot: String, now: Instant) -> Self {
        let path = runtime_dir.join(FILE);
        let (marks, trouble) = match read(&path, &boot) {
            Ok(marks) => (marks, None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (HashMap::new(), None),
            Err(error) => (HashMap::new(), Some(format!("{}: {error}", path.display()))),
        };
        if let Some(trouble) = &trouble {
            log::warn!("what was told before isn't known, so that each first state is told: {trouble}");
        }
        let mut this = Self { path, boot, marks, file: None, grown: 0, trouble: None, try_again: now };
        this.rewrite(now);
        this
    }

    /// What is known of somebody.
    pub(crate) fn mark(&self, subject: &Subject) -> Option<Mark> {
        self.marks.get(subject).copied()
    }

    /// The state of everybody who is known.
    pub(crate) fn states(&self) -> impl Iterator<Item = (Subject, Told)> {
        self.marks.iter().map(|(subject, mark)| {
            let (Mark::Begun { state, .. } | Mark::Told(state)) = *mark;
            (subject.clone(), state)
        })
    }

    /// Why it can't be written, if so.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Remembers it, before anything follows from it.
    pub(crate) fn record(&mut self, subject: Subject, mark: Mark, now: Instant) {
        let line = json::line(&Line::new(&subject, mark));
        self.marks.insert(subject, mark);
        let Some(file) = &mut self.file else {
            if self.try_again <= now {
                self.rewrite(now);
            }
            return;
        };
        let written = line.map_err(|error| io::Error::other(error.to_string())).and_then(|line| {
            file.write_all(&line)?;
            Ok(u64::try_from(line.len()).unwrap_or(u64::MAX))
        });
        match written {
            Ok(length) => {
                self.grown = self.grown.saturating_add(length);
                if self.grown > REWRITE_AFTER {
                    self.rewrite(now);
                }
            }
            Err(error) => self.fail(&error, now),
        }
    }

    /// Others go by other names now, and whoever isn't `known` is forgotten.
    pub(crate) fn reconfigure(
        &mut self,
        renamed: &HashMap<Subject, Subject>,
        known: impl Fn(&Subject) -> bool,
        now: Instant,
    ) {
        let marks = std::mem::take(&mut self.marks).into_iter();
        let marks = marks.map(|(subject, mark)| (renamed.get(&subject).cloned().unwrap_or(subject), mark));
        self.marks = marks.filter(|(subject, _)| known(subject)).collect();
        self.rewrite(now);
    }

    /// A new journal with what is so now, in place of the old one.
    fn rewrite(&mut self, now: Instant) {
        match self.write_anew() {
            Ok(file) => {
                self.file = Some(file);
                self.grown = 0;
                if self.trouble.take().is_some() {
                    log::info!("{} can be written again", self.path.display());
                }
            }
            Err(error) => self.fail(&error, now),
        }
    }

    fn write_anew(&self) -> io::Result<File> {
        let encoded = |line: Result<Vec<u8>, _>| {
            line.map_err(|error: json::LineError| io::Error::other(error.to_string()))
        };
        let mut bytes = encoded(json::line(&Head { version: VERSION, boot: self.boot.clone() }))?;
        let lines: BTreeMap<String, Line> = self
            .marks
            .iter()
            .map(|(subject, mark)| (subject.to_string(), Line::new(subject, *mark)))
            .collect();
        for line in lines.values() {
            bytes.extend(encoded(json::line(line))?);
        }
        sys::own_file::replace(&self.path, &bytes, Durability::Process)
    }

    /// A journal that misses something would keep hooks from running one day: better none. There is always room for less.
    fn fail(&mut self, error: &io::Error, now: Instant) {
        self.file = None;
        self.try_again = now + TRY_AGAIN;
        let removed = fs::remove_file(&self.path);
        let text = match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                format!("{} can't be removed either: {error}", self.path.display())
            }
            Ok(()) | Err(_) => "a restarted notifierd will tell each state once more".to_owned(),
        };
        let trouble = format!("write {}: {error}; {text}", self.path.display());
        if self.trouble.as_ref() != Some(&trouble) {
            log::error!("{trouble}");
            self.trouble = Some(trouble);
        }
    }
}

/// The last mark of everybody. What was torn off by a kill is the end of the last line: it was about to be begun, or is told
/// once more.
fn read(path: &Path, boot: &str) -> io::Result<HashMap<Subject, Mark>> {
    let bytes = sys::own_file::read(path, MAX_SIZE)?.ok_or(io::ErrorKind::NotFound)?;
    let strange = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    let head = lines.next().ok_or_else(|| strange("it is empty"))?;
    let head: Head = json::parse(head).map_err(|error| strange(&error.to_string()))?;
    if head.version != VERSION {
        return Err(strange("another version wrote it"));
    }
    if head.boot != boot {
        return Ok(HashMap::new());
    }
    let parsed = |line| json::parse::<Line>(line).ok().and_then(Line::read);
    lines.map(|line| parsed(line).ok_or_else(|| strange("it is damaged"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::ZERO;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("handover-cursor-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn load(&self) -> Cursor {
            Cursor::load(&self.0, "this".into(), NOW)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn instance(name: &str) -> Subject {
        Subject::Instance(InstanceName::new(name).unwrap())
    }

    fn group(name: &str) -> Subject {
        Subject::Group(GroupName::new(name).unwrap())
    }

    #[test]
    fn what_was_recorded_last_is_known_after_a_kill() {
        let scratch = Scratch::new("known");
        let mut cursor = scratch.load();
        cursor.record(instance("A"), Mark::Begun { state: Told::Backup, after: Some(Told::Backup) }, NOW);
        cursor.record(instance("A"), Mark::Told(Told::Backup), NOW);
        cursor.record(group("A"), Mark::Begun { state: Told::Master, after: Some(Told::Backup) }, NOW);
        // No goodbye: it is simply read by the next one.
        let next = scratch.load();
        assert_eq!(next.mark(&instance("A")), Some(Mark::Told(Told::Backup)));
        assert_eq!(
            next.mark(&group("A")),
            Some(Mark::Begun { state: Told::Master, after: Some(Told::Backup) })
        );
        assert_eq!(next.mark(&instance("B")), None);
        assert_eq!(next.trouble(), None);
    }

    #[test]
    fn another_boot_has_told_nothing() {
        let scratch = Scratch::new("boot");
        scratch.load().record(instance("A"), Mark::Told(Told::Master), NOW);
        assert_eq!(Cursor::load(&scratch.0, "the next".into(), NOW).mark(&instance("A")), None);
        assert_eq!(scratch.load().mark(&instance("A")), None, "and neither does the boot before count again");
    }

    #[test]
    fn a_torn_line_is_as_if_it_had_not_been_written() {
        let scratch = Scratch::new("torn");
        scratch.load().record(
            instance("A"),
            Mark::Begun { state: Told::Master, after: Some(Told::Backup) },
            NOW,
        );
        let path = scratch.0.join(FILE);
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend(br#"{"instance":"A","state":"MASTER","to"#);
        fs::write(&path, bytes).unwrap();
        assert_eq!(
            scratch.load().mark(&instance("A")),
            Some(Mark::Begun { state: Told::Master, after: Some(Told::Backup) })
        );
    }

    #[test]
    fn a_file_that_is_not_ours_costs_no_hook() {
        let scratch = Scratch::new("damaged");
        let path = scratch.0.join(FILE);
        for content in [
            "",
            "garbage\n",
            "{\"version\":9,\"boot\":\"this\"}\n",
            "{\"version\":1,\"boot\":\"this\"}\n[]\n",
        ] {
            fs::write(&path, content).unwrap();
            let cursor = scratch.load();
            assert_eq!((cursor.marks.len(), cursor.trouble()), (0, None), "{content}");
        }
        scratch.load().record(instance("A"), Mark::Told(Told::Master), NOW);
        assert!(scratch.load().mark(&instance("A")).is_some(), "it is written anew");
    }

    #[test]
    fn a_journal_that_cannot_be_written_is_told_and_not_believed_later() {
        let scratch = Scratch::new("unwritable");
        let mut cursor = scratch.load();
        cursor.record(instance("A"), Mark::Told(Told::Backup), NOW);
        // Every write to it fails as on a full disk.
        cursor.file = Some(File::options().write(true).open("/dev/full").unwrap());
        cursor.record(instance("A"), Mark::Begun { state: Told::Master, after: Some(Told::Backup) }, NOW);
        assert!(cursor.trouble().unwrap().contains("a restarted notifierd will tell each state once more"));
        assert!(!scratch.0.join(FILE).exists(), "BACKUP would be a lie");
        cursor.record(instance("A"), Mark::Told(Told::Master), NOW);
        assert!(cursor.trouble().is_some(), "it isn't tried for each line");
        cursor.record(instance("A"), Mark::Told(Told::Master), NOW + TRY_AGAIN);
        assert_eq!(cursor.trouble(), None);
        assert_eq!(scratch.load().mark(&instance("A")), Some(Mark::Told(Told::Master)));
    }

    #[test]
    fn it_does_not_grow() {
        let scratch = Scratch::new("grows");
        let mut cursor = scratch.load();
        for _ in 0..40_000 {
            cursor.record(instance("A"), Mark::Told(Told::Master), NOW);
        }
        let size = fs::metadata(scratch.0.join(FILE)).unwrap().len();
        assert!(size < REWRITE_AFTER + 1000, "{size}");
        cursor.reconfigure(&HashMap::from([(instance("A"), instance("B"))]), |_| true, NOW);
        assert_eq!(scratch.load().mark(&instance("B")), Some(Mark::Told(Told::Master)));
        cursor.reconfigure(&HashMap::new(), |_| false, NOW);
        assert_eq!(scratch.load().marks.len(), 0);
    }
}
