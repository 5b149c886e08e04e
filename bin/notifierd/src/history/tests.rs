//! Real files, with the thread left out where a moment has to be chosen.

use std::fs;
use std::os::unix::fs::symlink;

use ipc::events::Event;
use ipc::json;
use model::{Cause, Evidence, Instant, Priority};

use super::*;

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("handover-history-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// What can be read of it.
    fn entries(&self) -> Vec<Entry> {
        self.text(FILE).lines().filter_map(|line| json::parse(line.as_bytes()).ok()).collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn subject(name: &str) -> Subject {
    Subject::Instance(InstanceName::new(name).unwrap())
}

fn event(name: &str, from: Told, to: Told) -> Occasion {
    Occasion::Instance(Event {
        sequence: 1,
        instance: InstanceName::new(name).unwrap(),
        from,
        to,
        priority: Priority(100),
        cause: Cause { code: "test".into(), text: "the test wants it".into() },
        evidence: Evidence::default(),
        at: "2026-01-01T00:00:00.000Z".into(),
        monotonic: 1,
    })
}

/// What each entry is, in short.
fn kinds(entries: &[Entry]) -> Vec<String> {
    let kind = |entry: &Entry| match entry {
        Entry::Event(event) => format!("{} {} -> {}", event.instance, event.from, event.to),
        Entry::GroupEvent(event) => format!("group {} {} -> {}", event.group, event.from, event.to),
        Entry::State(found) => format!("{} is {}", found.state.instance, found.state.state),
        Entry::GroupState(found) => format!("group {} is {}", found.state.group, found.state.state),
        Entry::Hook(ran) => format!("{} {}", ran.hook, ran.outcome),
        Entry::Skipped(skipped) => format!("skipped {}", skipped.state),
        Entry::Gap { .. } => "gap".to_owned(),
        Entry::Lost(lost) if lost.at_least => format!("lost at least {}", lost.entries),
        Entry::Lost(lost) => format!("lost {}", lost.entries),
        Entry::Started { .. } => "started".to_owned(),
        Entry::Stopped { .. } => "stopped".to_owned(),
    };
    entries.iter().map(kind).collect()
}

/// A writer without a thread, and what it knows of its troubles.
fn writer(scratch: &Scratch) -> (Writer, Arc<Plight>) {
    let plight = Arc::new(Plight::default());
    (Writer::new(&scratch.0, Arc::clone(&plight)), plight)
}

fn stopped(at: &str) -> Entry {
    Entry::Stopped { at: at.to_owned() }
}

const LATER: Instant = Instant::from_nanos(3_600_000_000_000);

#[test]
fn what_is_heard_is_written_once_and_what_is_only_found_is_no_transition() {
    let scratch = Scratch::new("heard");
    let mut history = History::begin(&scratch.0, [(subject("B"), Told::Backup)].into_iter());
    // A snapshot, of which only A is new; then events; then a snapshot after a gap.
    history.heard(&event("A", Told::Init, Told::Master));
    history.heard(&event("B", Told::Init, Told::Backup));
    history.heard(&event("C", Told::Init, Told::Init));
    history.heard(&event("A", Told::Master, Told::Fault));
    history.heard(&event("C", Told::Init, Told::Backup));
    history.heard(&event("B", Told::Init, Told::Master));
    history.heard(&event("C", Told::Init, Told::Backup));
    let output = format!("{}é{}", "x".repeat(10), "y".repeat(MAX_OUTPUT - 1));
    let entry = ledger::Entry { output, ..ledger::Entry::refused("notify", Told::Fault, "exit 1".into()) };
    history.ran(Some(&subject("A")), &entry);
    drop(history);
    let entries = scratch.entries();
    assert_eq!(
        kinds(&entries),
        [
            "started",
            "A is MASTER",
            "A MASTER -> FAULT",
            "C INIT -> BACKUP",
            "B is MASTER",
            "notify exit 1",
            "stopped"
        ]
    );
    let output = entries.iter().find_map(|entry| match entry {
        Entry::Hook(ran) => Some(ran.output.as_str()),
        _ => None,
    });
    assert_eq!(output, Some("y".repeat(MAX_OUTPUT - 1).as_str()), "half a character is none");
}

#[test]
fn it_is_one_old_generation_and_one_new_and_neither_grows_beyond_the_bound() {
    let scratch = Scratch::new("rotates");
    let (mut writer, plight) = writer(&scratch);
    writer.max_size = 200;
    for number in 0..50 {
        writer.write(&stopped(&number.to_string()), Instant::ZERO);
    }
    let (new, old) = (scratch.text(FILE), scratch.text(ipc::history::OLD_FILE));
    assert!(new.len() <= 200 && old.len() <= 200 && old.len() > 100, "{old}---\n{new}");
    assert!(new.ends_with("{\"type\":\"stopped\",\"at\":\"49\"}\n"), "{new}");
    let both = old + &new;
    let numbers: Vec<u32> =
        both.lines().map(|line| line.split('"').nth(7).unwrap().parse().unwrap()).collect();
    let first = numbers[0];
    assert_eq!(numbers, (first..50).collect::<Vec<_>>(), "none is missing between them");
    assert_eq!((plight.lost_in_all(), plight.trouble()), (0, None));
}

#[test]
fn a_line_that_was_torn_is_lost_alone() {
    let scratch = Scratch::new("torn");
    writer(&scratch).0.write(&stopped("1"), Instant::ZERO);
    let torn = scratch.text(FILE) + r#"{"type":"stopped","a"#;
    fs::write(scratch.path(FILE), torn).unwrap();
    writer(&scratch).0.write(&stopped("2"), Instant::ZERO);
    assert_eq!(scratch.entries(), [stopped("1"), stopped("2")]);
}

#[test]
fn what_is_not_ours_is_left_alone_and_told_and_made_up_for_by_a_count() {
    let scratch = Scratch::new("foreign");
    fs::write(scratch.path("passwd"), "root\n").unwrap();
    symlink(scratch.path("passwd"), scratch.path(FILE)).unwrap();
    let (mut writer, plight) = writer(&scratch);
    writer.write(&stopped("1"), Instant::ZERO);
    fs::remove_file(scratch.path(FILE)).unwrap();
    writer.write(&stopped("2"), Instant::ZERO);
    assert!(!scratch.path(FILE).exists(), "it isn't tried for each entry");
    let trouble = plight.trouble().unwrap();
    assert!(trouble.ends_with("history.jsonl: it is a symbolic link"), "{trouble}");
    writer.write(&stopped("3"), LATER);
    assert_eq!(scratch.text("passwd"), "root\n");
    let entries = scratch.entries();
    // What the one before had yet to write isn't known.
    assert_eq!(kinds(&entries), ["lost at least 2", "stopped"]);
    assert!(matches!(&entries[0], Entry::Lost(lost) if lost.reason == trouble), "{entries:?}");
    assert_eq!((plight.lost_in_all(), plight.trouble()), (2, None));

    fs::remove_file(scratch.path(FILE)).unwrap();
    symlink(scratch.path("passwd"), scratch.path(FILE)).unwrap();
    writer.write(&stopped("4"), LATER);
    fs::remove_file(scratch.path(FILE)).unwrap();
    writer.write(&stopped("5"), LATER + Duration::from_secs(60));
    assert_eq!(kinds(&scratch.entries()), ["lost 1", "stopped"], "and of its own it knows all");
}

#[test]
fn who_removes_it_gets_a_new_one() {
    let scratch = Scratch::new("removed");
    let (mut writer, plight) = writer(&scratch);
    writer.write(&stopped("1"), Instant::ZERO);
    fs::remove_file(scratch.path(FILE)).unwrap();
    writer.write(&stopped("2"), Instant::ZERO);
    assert_eq!((scratch.entries(), plight.lost_in_all()), (vec![stopped("2")], 0));
}

/// logrotate(8), or a copy before an upgrade; then a file of somebody else's making.
#[test]
fn who_renames_or_replaces_it_gets_a_new_one() {
    let scratch = Scratch::new("renamed");
    let (mut writer, plight) = writer(&scratch);
    writer.write(&stopped("1"), Instant::ZERO);
    fs::rename(scratch.path(FILE), scratch.path("kept")).unwrap();
    writer.write(&stopped("2"), Instant::ZERO);
    assert_eq!((scratch.entries(), plight.lost_in_all()), (vec![stopped("2")], 0));
    assert_eq!(fs::read_to_string(scratch.path("kept")).unwrap().lines().count(), 1);

    fs::remove_file(scratch.path(FILE)).unwrap();
    std::os::unix::fs::symlink(scratch.path("kept"), scratch.path(FILE)).unwrap();
    writer.write(&stopped("3"), Instant::ZERO);
    assert_eq!(plight.lost_in_all(), 1);
    assert!(plight.trouble().unwrap().contains("it is a symbolic link"), "{:?}", plight.trouble());
    assert_eq!(
        fs::read_to_string(scratch.path("kept")).unwrap().lines().count(),
        1,
        "what it names is let be"
    );
}

#[test]
fn without_a_directory_it_waits_for_one_by_itself() {
    let scratch = Scratch::new("directory");
    let directory = scratch.path("not yet");
    let history = History::begin(&directory, [].into_iter());
    // Waits for a condition, as the thread does: it notices without an entry.
    let until = |what: &str, is_so: &dyn Fn() -> bool| {
        let begin = sys::clock::now();
        while !is_so() {
            assert!(sys::clock::now().since(begin) < Duration::from_secs(60), "never came: {what}");
            sys::clock::sleep_until(sys::clock::now() + Duration::from_millis(5));
        }
    };
    until("the trouble", &|| history.view().trouble.is_some());
    fs::create_dir(&directory).unwrap();
    until("the end of it", &|| history.view().trouble.is_none());
    let text = fs::read_to_string(directory.join(FILE)).unwrap();
    assert!(text.contains(r#""type":"lost""#) && text.contains(r#""entries":1"#), "{text}");
    assert_eq!(history.view().lost, 1);
}

/// A disk that hangs: nobody takes anything out of the queue.
#[test]
fn a_disk_that_hangs_costs_entries_and_nothing_else() {
    let scratch = Scratch::new("hangs");
    let mut history = History::begin(&scratch.0, [].into_iter());
    let (sender, _stuck) = mpsc::channel();
    history.queue = Some(sender);
    // The thread has nothing more to do, and settles nothing.
    assert!(history.ended.recv().is_err());
    for _ in 0..MAX_QUEUED + 2 {
        history.skipped(&subject("A"), Told::Fault, "overtaken".into());
    }
    let view = history.view();
    assert_eq!(view.lost, 2);
    assert!(view.trouble.unwrap().contains("more than 10000 entries wait"));
}

#[test]
fn a_disk_that_hangs_is_told_before_anything_is_lost() {
    let scratch = Scratch::new("hanging");
    let mut history = History::begin(&scratch.0, [].into_iter());
    let (sender, _stuck) = mpsc::channel();
    history.queue = Some(sender);
    assert!(history.ended.recv().is_err());
    history.plight.begin(sys::clock::now());
    history.skipped(&subject("A"), Told::Fault, "overtaken".into());
    assert_eq!(history.view().trouble, None, "it may only be slow");
    history.plight.begin(Instant::from_nanos(1));
    history.skipped(&subject("A"), Told::Fault, "overtaken".into());
    let view = history.view();
    assert_eq!(view.lost, 0);
    assert!(view.trouble.unwrap().ends_with("the disk hangs, entries wait for it"));
}
