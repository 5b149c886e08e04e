//! Real pipes, full and empty.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use ipc::events::{Event, Notice};
use model::{Cause, Evidence, InstanceName, Priority};

use super::*;

/// More than the kernel's buffer holds, in lines of 24 bytes and more.
const TOO_MANY: usize = 4096;

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("handover-pipe-{name}-{}", std::process::id()))
}

fn occasion(name: &str, to: Told) -> Occasion {
    Occasion::Instance(Event {
        sequence: 1,
        instance: InstanceName::new(name).unwrap(),
        from: Told::Init,
        to,
        priority: Priority(100),
        cause: Cause { code: "test".into(), text: "test".into() },
        evidence: Evidence::default(),
        at: String::new(),
        monotonic: 0,
    })
}

fn pipe(path: &Path, reactor: &Reactor) -> Pipe {
    let text = format!("global_defs {{\n notify_fifo {}\n}}\n", path.display());
    let config = config::parse("test.conf", text).config.unwrap();
    Pipe::new(config.global.pipes.first().unwrap(), Token(3), reactor, Instant::ZERO)
}

/// What the next `read` gives.
fn read(file: &mut File) -> String {
    let mut buffer = vec![0; 1 << 17];
    let length = file.read(&mut buffer).unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

#[test]
fn it_is_made_for_its_owner_alone_and_removed_again() {
    let (path, reactor) = (path("made"), Reactor::new().unwrap());
    let mut pipe = pipe(&path, &reactor);
    pipe.tell(&occasion("a", Told::Backup));
    pipe.tell(&occasion("a", Told::Backup));
    let metadata = fs::symlink_metadata(&path).unwrap();
    assert!(metadata.file_type().is_fifo());
    assert_eq!(metadata.permissions().mode() & 0o777, MODE);
    assert_eq!(read(&mut open(&path).unwrap()), "INSTANCE \"a\" BACKUP 100\n", "once");
    pipe.close(&reactor);
    pipe.remove();
    assert!(!path.exists());
}

#[test]
fn what_was_there_stays_and_what_is_no_pipe_is_told() {
    let (path, reactor) = (path("there"), Reactor::new().unwrap());
    make(&path).unwrap();
    let mut known = pipe(&path, &reactor);
    known.close(&reactor);
    known.remove();
    assert!(path.exists(), "it isn't ours");
    fs::remove_file(&path).unwrap();
    fs::write(&path, "mine").unwrap();
    let mut refused = pipe(&path, &reactor);
    refused.tell(&occasion("a", Told::Backup));
    let view = refused.view(None);
    assert!(view.trouble.unwrap().contains("something else than a named pipe"));
    assert_eq!((view.waiting, fs::read_to_string(&path).unwrap().as_str()), (1, "mine"));
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_pipe_that_nobody_reads_holds_the_newest_states_and_tells_them_later() {
    let (path, reactor) = (path("full"), Reactor::new().unwrap());
    let mut pipe = pipe(&path, &reactor);
    for turn in 0..TOO_MANY {
        let state = if turn % 2 == 0 { Told::Backup } else { Told::Master };
        pipe.tell(&occasion("a", state));
        pipe.tell(&occasion("b", state));
    }
    pipe.tell(&occasion("a", Told::Fault));
    let view = pipe.view(None);
    assert!(view.trouble.unwrap().contains("nobody reads"));
    assert_eq!(view.waiting, 2, "one of each");
    assert!(view.overtaken > 0);
    let mut file = open(&path).unwrap();
    assert!(read(&mut file).ends_with('\n'), "only whole lines");
    pipe.flush();
    assert_eq!(read(&mut file), "INSTANCE \"b\" MASTER 100\nINSTANCE \"a\" FAULT 100\n");
    assert_eq!((pipe.view(None).waiting, pipe.view(None).trouble), (0, None));
    pipe.remove();
}

#[test]
fn what_happens_within_a_state_is_written_where_there_is_room_and_a_state_again_when_asked() {
    let (path, reactor) = (path("notices"), Reactor::new().unwrap());
    let mut pipe = pipe(&path, &reactor);
    let notice = |state| Notice {
        sequence: 1,
        instance: InstanceName::new("a").unwrap(),
        state,
        priority: Priority(107),
        cause: Cause { code: "test".into(), text: "test".into() },
        evidence: Evidence::default(),
        at: String::new(),
        monotonic: 0,
    };
    pipe.tell(&occasion("a", Told::Master));
    pipe.tell(&Occasion::LowerMaster(notice(Told::Master)));
    pipe.tell(&Occasion::Priority(notice(Told::Backup)));
    pipe.tell(&occasion("a", Told::Master));
    pipe.repeat();
    pipe.tell(&occasion("a", Told::Master));
    let mut file = open(&path).unwrap();
    let expected = "INSTANCE \"a\" MASTER 100\nINSTANCE \"a\" MASTER_RX_LOWER_PRI 107\nINSTANCE \"a\" BACKUP_PRIORITY 107\nINSTANCE \"a\" MASTER 100\n";
    assert_eq!(read(&mut file), expected);
    while pipe.view(None).trouble.is_none() {
        pipe.tell(&Occasion::LowerMaster(notice(Told::Master)));
    }
    for _ in 0..TOO_MANY {
        pipe.tell(&Occasion::LowerMaster(notice(Told::Master)));
    }
    assert_eq!(pipe.view(None).waiting, 1, "nothing grows");
    pipe.remove();
}
