//! A daemon as a real process, in a directory of its own, and a client of its socket.
//!
//! Used by the tests of checkerd and notifierd. What a test started ends with it, by process id.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipc::json;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::de::DeserializeOwned;
use sys::clock::now;
use sys::process::{Child, Exit, Signal, Spec, Stdio, spawn};

/// Longer than any healthy machine needs for anything here.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// From one look at a condition to the next, in nanoseconds.
const LOOK_AGAIN: i64 = 5_000_000;

/// A directory that is gone afterwards.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("handover-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        // Under another name first: a file that is being written can't be executed.
        let (draft, path) = (self.path("draft"), self.path(name));
        fs::write(&draft, text).unwrap();
        fs::set_permissions(&draft, fs::Permissions::from_mode(mode)).unwrap();
        fs::rename(draft, &path).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A daemon that runs.
pub(crate) struct Daemon {
    child: Child,
    socket: PathBuf,
    log: PathBuf,
}

impl Daemon {
    /// Starts it with that configuration; its socket and log are in the same directory.
    pub(crate) fn start(executable: &str, scratch: &Scratch, config: &str) -> Self {
        let name = Path::new(executable).file_name().unwrap().to_str().unwrap();
        // As whom we run already, if that has a name; else whoever stands in.
        let us = sys::user::by_id(rustix::process::geteuid().as_raw()).unwrap();
        let user = us.map(|us| format!("global_defs {{\n script_user {}\n}}\n", us.name)).unwrap_or_default();
        let config = format!("{user}{config}");
        let config = scratch.write("daemon.conf", &config, 0o644);
        let log = scratch.path("log");
        let stderr = File::options().create(true).append(true).open(&log).unwrap();
        let spec = Spec::new(executable)
            .argument("--config")
            .argument(&config)
            .argument("--runtime-dir")
            .argument(&scratch.0)
            .argument("--state-dir")
            .argument(&scratch.0)
            .die_with_parent(Signal::KILL)
            .stderr(Stdio::Fd(OwnedFd::from(stderr)));
        Self { child: spawn(&spec).unwrap(), socket: scratch.path(&format!("{name}.sock")), log }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.pid()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Looks until it is so. Fails when it takes too long, or when the daemon has ended.
    pub(crate) fn until<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        self.until_within(PATIENCE, what, look)
    }

    /// The same, for what takes longer.
    pub(crate) fn until_within<T>(
        &self,
        limit: Duration,
        what: &str,
        mut look: impl FnMut() -> Option<T>,
    ) -> T {
        let start = now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(now().since(start) < limit, "never came: {what}\n{}", self.log());
            let short = Timespec { tv_sec: 0, tv_nsec: LOOK_AGAIN };
            let ended = poll(&mut [PollFd::new(&self.child, PollFlags::IN)], Some(&short)).unwrap();
            assert_eq!(ended, 0, "it has ended before {what}\n{}", self.log());
        }
    }

    pub(crate) fn connect(&self) -> Client {
        let stream = self.until("a connection", || UnixStream::connect(&self.socket).ok());
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Client { stream: BufReader::new(stream) }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.child.signal(signal).unwrap();
    }

    /// Waits until it has ended by itself.
    pub(crate) fn ended(mut self) -> (Exit, String) {
        let limit = Timespec { tv_sec: PATIENCE.as_secs().try_into().unwrap(), tv_nsec: 0 };
        let ended = poll(&mut [PollFd::new(&self.child, PollFlags::IN)], Some(&limit)).unwrap();
        assert_eq!(ended, 1, "it doesn't end\n{}", self.log());
        (self.child.try_wait().unwrap().unwrap(), self.log())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.signal(Signal::KILL);
        let limit = Timespec { tv_sec: PATIENCE.as_secs().try_into().unwrap(), tv_nsec: 0 };
        let _ = poll(&mut [PollFd::new(&self.child, PollFlags::IN)], Some(&limit));
        let _ = self.child.try_wait();
    }
}

/// A client of a daemon's socket.
pub(crate) struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// The next message; `None` when the daemon has closed the connection.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> Option<T> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(json::parse(line.as_bytes()).unwrap_or_else(|error| panic!("{error}: {line}"))),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) => panic!("no line: {error}"),
        }
    }

    /// Reads on until a message is what was looked for.
    pub(crate) fn find<T: DeserializeOwned, U>(&mut self, mut look: impl FnMut(T) -> Option<U>) -> U {
        loop {
            if let Some(found) = look(self.next().expect("the daemon closed the connection")) {
                return found;
            }
        }
    }

    pub(crate) fn send(&mut self, line: &str) -> std::io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(line.as_bytes())?;
        stream.write_all(b"\n")
    }
}
