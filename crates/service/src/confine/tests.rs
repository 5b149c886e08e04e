//! What a daemon may be in need of at its worst moment, under the filter that it has: reading files again, threads, a panic, an abort.
//!
//! Each test runs itself once more, as a child with an errand: a filter can't be taken off again.

use std::os::unix::net::{UnixDatagram, UnixStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::{env, fs, thread};

use super::*;

/// What the child of a test is to do.
const ERRAND: &str = "HANDOVER_CONFINE_ERRAND";
/// The status of a child whose errand is done: another one than that of a harness that found no such test.
const DONE: i32 = 42;
/// SIGABRT on every processor that we know.
const SIGABRT: i32 = 6;

/// Runs `act` in a child that is confined as a daemon without needs of its own, and gives how it ended.
#[expect(
    clippy::disallowed_methods,
    reason = "the harness once more, which must not run on after its errand"
)]
fn confined(test: &str, act: fn()) -> Option<Output> {
    if env::var_os(ERRAND).is_some_and(|errand| errand == test) {
        sys::privilege::restrict(&[], true).unwrap();
        forbid("tester", &[]);
        act();
        std::process::exit(DONE);
    }
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--nocapture", &format!("confine::tests::{test}")])
        .env(ERRAND, test)
        .env("RUST_BACKTRACE", "full")
        .stdin(Stdio::null())
        .output();
    Some(child.unwrap())
}

#[test]
fn what_a_daemon_does_now_and_then_passes() {
    let act = || {
        // As a reload: a thread, at an ordinary priority, files, directories, links, and what isn't there.
        let read = || {
            sys::schedule::ordinary().unwrap();
            assert!(fs::read_dir("/etc").unwrap().count() > 0);
            let _ = fs::read_to_string("/etc/hostname");
            let _ = fs::canonicalize("/proc/self/exe");
            assert!(!Path::new("/nonexistent").exists());
        };
        thread::Builder::new().name("reload".to_owned()).spawn(read).unwrap().join().unwrap();
        // As to the service manager, to a sibling, and to a sibling that isn't there.
        let manager = UnixDatagram::unbound().unwrap();
        let _ = manager.send_to(b"WATCHDOG=1", "/nonexistent");
        let _ = UnixStream::connect("/nonexistent").unwrap_err();
        UnixStream::pair().unwrap().0.set_nonblocking(true).unwrap();
        crate::log::start("tester");
        log::error!("a line");
        let _ = (sys::clock::now(), sys::clock::wall());
        // Memory that grows and goes, also beyond what malloc keeps.
        let mut much = vec![1_u8; 1 << 20];
        much.resize(64 << 20, 2);
        much.truncate(1);
        much.shrink_to_fit();
        // A panic in a thread is caught, after its message with every frame of it.
        assert!(thread::spawn(|| panic!("on purpose")).join().is_err());
    };
    let Some(output) = confined("what_a_daemon_does_now_and_then_passes", act) else { return };
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(DONE), "{}: {said}", output.status);
    assert!(said.contains("on purpose") && said.contains("stack backtrace"), "{said}");
}

/// The watchdog's signal and an abort end it as ever, and not by our hand.
#[test]
fn an_abort_is_an_abort() {
    let act = || std::process::abort();
    let Some(output) = confined("an_abort_is_an_abort", act) else { return };
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(SIGABRT), "{}: {said}", output.status);
}
