//! One named pipe into which transitions are written, as keepalived writes them (`notify_fifo` in keepalived.conf(5)).
//!
//! What it must never do: wait for a reader, or grow. Lines go into the kernel's buffer (64 KiB, pipe(7)), where they stay
//! until somebody reads them. When it is full, each instance and group has at most one line that waits, of its newest
//! state, so that a reader who comes back gets a fresh picture. fifo(7) tells why we open it for reading, too: so
//! it has a reader at any time, and its content outlives each of them.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::Path;
use std::time::Duration;

use config::{NotifyPipe, UserSpec};
use ipc::events::Told;
use ipc::hooks::PipeView;
use model::Instant;
use reactor::{Interest, Reactor, Token};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use service::Trouble;

use crate::occasion::{Occasion, Subject};

/// Only its owner reads and writes, as with keepalived.
const MODE: u32 = 0o600;
/// From one attempt to open it to the next.
const RETRY: Duration = Duration::from_secs(10);

/// One of them, open or not.
#[derive(Debug)]
pub(crate) struct Pipe {
    config: NotifyPipe,
    token: Token,
    file: Option<File>,
    /// Device and inode of what we made, and remove in the end.
    made: Option<(u64, u64)>,
    /// What was written or waits, of each.
    told: HashMap<Subject, Told>,
    /// At most one of each, the oldest first.
    waiting: VecDeque<(Subject, Vec<u8>)>,
    overtaken: u64,
    trouble: Trouble,
    retry_at: Instant,
}

impl Pipe {
    /// Opens it, and makes it if it isn't there.
    pub(crate) fn new(config: &NotifyPipe, token: Token, reactor: &Reactor, now: Instant) -> Self {
        let mut trouble = Trouble::new(config.word);
        trouble.settle();
        let mut pipe = Self {
            config: config.clone(),
            token,
            file: None,
            made: None,
            told: HashMap::new(),
            waiting: VecDeque::new(),
            overtaken: 0,
            trouble,
            retry_at: now,
        };
        pipe.on_time(now, reactor);
        pipe
    }

    /// What is configured.
    pub(crate) const fn config(&self) -> &NotifyPipe {
        &self.config
    }

    /// Whose readiness is ours.
    pub(crate) const fn token(&self) -> Token {
        self.token
    }

    /// Whether there is something that can be read from.
    pub(crate) const fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// When to try again to open it.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.file.is_none().then_some(self.retry_at)
    }

    /// Opens it when it is time to.
    pub(crate) fn on_time(&mut self, now: Instant, reactor: &Reactor) {
        if self.file.is_some() || self.retry_at > now {
            return;
        }
        self.retry_at = now + RETRY;
        match self.open(reactor) {
            Ok(file) => {
                self.file = Some(file);
                self.trouble.settle();
                self.flush();
            }
            Err(why) => self.trouble.complain(format!("{}: {why}", self.config.path.display())),
        }
    }

    fn open(&mut self, reactor: &Reactor) -> Result<File, String> {
        let made = make(&self.config.path).map_err(|error| format!("make the pipe: {error}"))?;
        let file = open(&self.config.path).map_err(|error| format!("open: {error}"))?;
        let metadata = file.metadata().map_err(|error| format!("look at it: {error}"))?;
        if !metadata.file_type().is_fifo() {
            return Err(
                "there is something else than a named pipe; remove it, or choose another path".to_owned()
            );
        }
        if made {
            self.made = Some((metadata.dev(), metadata.ino()));
            if let Err(why) = self.config.owner.as_ref().map_or(Ok(()), |owner| give(&file, owner)) {
                self.remove();
                return Err(why);
            }
        }
        reactor
            .register(self.token, &file, Interest::WRITABLE)
            .map_err(|error| format!("watch it: {error}"))?;
        Ok(file)
    }

    /// Somebody is in a state; says nothing if that was the last that was said. What happened within a state is said only
    /// where there is room, since nothing follows from it that isn't so later.
    pub(crate) fn tell(&mut self, occasion: &Occasion) {
        let (subject, state) = (occasion.subject(), occasion.to());
        if !occasion.is_state() {
            if self.waiting.is_empty() {
                self.waiting.push_back((subject, line(occasion)));
                self.flush();
            } else {
                self.overtaken = self.overtaken.saturating_add(1);
            }
            return;
        }
        if self.told.insert(subject.clone(), state) == Some(state) {
            return;
        }
        let before = self.waiting.len();
        self.waiting.retain(|(other, _)| *other != subject);
        let overtaken = before.saturating_sub(self.waiting.len());
        self.overtaken = self.overtaken.saturating_add(u64::try_from(overtaken).unwrap_or(u64::MAX));
        self.waiting.push_back((subject, line(occasion)));
        self.flush();
    }

    /// Writes what there is room for. To be called when it is ready, too.
    pub(crate) fn flush(&mut self) {
        let Some(file) = &mut self.file else { return };
        while let Some((_, line)) = self.waiting.front() {
            // Less than PIPE_BUF: all of a line is written, or nothing.
            match file.write(line) {
                Ok(_) => {
                    self.waiting.pop_front();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let path = self.config.path.display();
                    self.trouble
                        .complain(format!("{path}: full, since nobody reads; the newest states wait"));
                    return;
                }
                Err(error) => {
                    self.trouble.complain(format!("{}: write: {error}", self.config.path.display()));
                    self.file = None;
                    return;
                }
            }
        }
        if self.trouble.settle() {
            log::info!("{}: {}: it is read again", self.config.word, self.config.path.display());
        }
    }

    /// The state of each that is told next is said, whatever was said last.
    pub(crate) fn repeat(&mut self) {
        self.told.clear();
    }

    /// Other names, and nobody who is no more.
    pub(crate) fn rename(&mut self, renamed: &HashMap<Subject, Subject>, is_kept: impl Fn(&Subject) -> bool) {
        let told = std::mem::take(&mut self.told).into_iter();
        let told = told.map(|(subject, state)| (renamed.get(&subject).cloned().unwrap_or(subject), state));
        self.told = told.filter(|(subject, _)| is_kept(subject)).collect();
    }

    /// Our end is closed: who has read everything sees the end of the file.
    pub(crate) fn close(&mut self, reactor: &Reactor) {
        if let Some(file) = self.file.take()
            && let Err(error) = reactor.deregister(&file)
        {
            log::debug!("{}: forget: {error}", self.config.path.display());
        }
    }

    /// Removes what we made, unless there is something else by now.
    pub(crate) fn remove(&mut self) {
        let Some(made) = self.made.take() else { return };
        let path = &self.config.path;
        let is_ours = fs::symlink_metadata(path).is_ok_and(|it| (it.dev(), it.ino()) == made);
        if is_ours && let Err(error) = fs::remove_file(path) {
            log::warn!("{}: remove {}: {error}", self.config.word, path.display());
        }
    }

    /// How it is, and how its reader is.
    pub(crate) fn view(&self, reader: Option<String>) -> PipeView {
        PipeView {
            path: self.config.path.display().to_string(),
            waiting: u64::try_from(self.waiting.len()).unwrap_or(u64::MAX),
            overtaken: self.overtaken,
            trouble: self.trouble.text().map(str::to_owned),
            reader,
        }
    }
}

/// `INSTANCE "NAME" STATE PRIORITY` or `GROUP "NAME" STATE 0`.
fn line(occasion: &Occasion) -> Vec<u8> {
    let [kind, name, state, priority] = occasion.arguments();
    format!("{kind} \"{name}\" {state} {priority}\n").into_bytes()
}

/// Whether it had to be made.
fn make(path: &Path) -> io::Result<bool> {
    match rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(MODE), 0) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::EXIST) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn open(path: &Path) -> io::Result<File> {
    // Whatever is there must not be waited for, and a link may lead anywhere.
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY).bits();
    File::options().read(true).write(true).custom_flags(flags.cast_signed()).open(path)
}

/// Makes it belong to whom the configuration names.
fn give(file: &File, owner: &UserSpec) -> Result<(), String> {
    let user = sys::user::lookup(&owner.user).map_err(|error| format!("look up {}: {error}", owner.user))?;
    let user = user.ok_or_else(|| format!("no such user: {}", owner.user))?;
    let group = match &owner.group {
        None => user.gid,
        Some(name) => sys::user::group(name)
            .map_err(|error| format!("look up {name}: {error}"))?
            .ok_or_else(|| format!("no such group: {name}"))?,
    };
    fchown(file, Some(user.uid), Some(group)).map_err(|error| {
        format!(
            "give it to {}: {error}; make it beforehand (tmpfiles.d(5)), readable and writable for this process",
            owner.user
        )
    })
}

#[cfg(test)]
mod tests;
