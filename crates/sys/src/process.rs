//! Children: how a process is started with just the rights it is meant to have, watched, signalled and reaped.
//!
//! What it must never do: search for a policy (who may run what is the caller's), use a shell, leave a descriptor
//! open in a child that wasn't given to it, or leave a zombie that its caller can't reap by the descriptor.
//! Read pidfd_open(2), waitid(2), fork(2) (what may be called after it) and, for namespaces, setns(2) first.

mod files;
mod launch;
mod prepare;
mod register;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use rustix::process::{
    Pid, WaitId, WaitIdOptions, kill_process_group, pidfd_send_signal, set_parent_process_death_signal,
    waitid,
};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

pub use files::raise_open_files;
pub use prepare::Step;
pub use register::{end_registered, runs_registered};
pub use rustix::process::Signal;

use crate::privilege::Capability;
use launch::{Born, Standard, launch};
use prepare::{Identity, Prepared};

/// Whom a child runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Real, effective and saved user.
    pub uid: u32,
    /// Real, effective and saved group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

/// What a child may do beyond what its user may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Rights {
    /// As the kernel hands them on: what is ambient here is ambient there.
    #[default]
    Inherit,
    /// Nothing of ours. Set-user-ID programs and file capabilities still work for it, and root is still root.
    None,
    /// These are ambient, so it has them as any user; what it runs in its turn as root, or by its file, may have more.
    Ambient(Vec<Capability>),
    /// Exactly these, for root and for any other user, and for everything that it runs in its turn: they are
    /// ambient, and nothing else is in the bounding set (where `CAP_SETPCAP` permits to drop it).
    Exactly(Vec<Capability>),
}

/// Where one of the three standard descriptors leads.
#[derive(Debug, Default)]
pub enum Stdio {
    /// `/dev/null`.
    #[default]
    Null,
    /// The parent's own.
    Inherit,
    /// A pipe, whose other end is in the [`Child`].
    Pipe,
    /// This descriptor.
    Fd(OwnedFd),
}

/// The kinds of namespaces that hosts of a lab are made of (namespaces(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// Interfaces, addresses, routes, sockets.
    Net,
    /// Mount points; a new one is made private first, so that nothing mounted in it is seen outside.
    Mount,
    /// Process numbers: the child becomes number 1 in a new one. Together with a new [`Namespace::Mount`] a fresh
    /// `/proc` is mounted. Not together with a new [`Namespace::User`].
    Pid,
    /// The host's name.
    Uts,
    /// Users: in a new one the caller's user and group become root, and nobody else exists.
    User,
}

impl Namespace {
    const fn flag(self) -> UnshareFlags {
        match self {
            Self::Net => UnshareFlags::NEWNET,
            Self::Mount => UnshareFlags::NEWNS,
            Self::Pid => UnshareFlags::NEWPID,
            Self::Uts => UnshareFlags::NEWUTS,
            Self::User => UnshareFlags::NEWUSER,
        }
    }
}

/// What to start and how. Without further words: the parent's environment, directory, user, process group and
/// namespaces, the standard descriptors on `/dev/null`, and no other descriptor.
#[derive(Debug)]
pub struct Spec {
    program: PathBuf,
    arguments: Vec<OsString>,
    inherit_environment: bool,
    variables: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
    identity: Identity,
    own_group: bool,
    reaper: bool,
    register: Option<OwnedFd>,
    death_signal: Option<Signal>,
    stdin: Stdio,
    stdout: Stdio,
    stderr: Stdio,
    passed: Vec<OwnedFd>,
    unshare: Vec<Namespace>,
    enter: Vec<(Namespace, OwnedFd)>,
}

impl Spec {
    /// A program: a path, or a bare name that is looked for in the child's PATH.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            inherit_environment: true,
            variables: Vec::new(),
            directory: None,
            identity: Identity::default(),
            own_group: false,
            reaper: false,
            register: None,
            death_signal: None,
            stdin: Stdio::Null,
            stdout: Stdio::Null,
            stderr: Stdio::Null,
            passed: Vec::new(),
            unshare: Vec::new(),
            enter: Vec::new(),
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn arguments<I: IntoIterator<Item: Into<OsString>>>(mut self, arguments: I) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// The child sees only the variables that are set here.
    #[must_use]
    pub const fn clear_environment(mut self) -> Self {
        self.inherit_environment = false;
        self
    }

    /// Sets one variable.
    #[must_use]
    pub fn variable(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.variables.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// The working directory, as seen after all namespaces are entered.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Whom the child runs as.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.identity.credentials = Some(credentials);
        self
    }

    /// What the child may do.
    #[must_use]
    pub fn rights(mut self, rights: Rights) -> Self {
        self.identity.rights = rights;
        self
    }

    /// The child has this real-time priority and may lock its memory ([`crate::schedule`]), as far as that is ours to give.
    /// What we can't give it has to do without; it sees when it asks.
    #[must_use]
    pub const fn real_time(mut self, priority: u8) -> Self {
        self.identity.real_time = Some(priority);
        self
    }

    /// Neither the child nor what it runs can gain rights by running a file (PR_SET_NO_NEW_PRIVS).
    #[must_use]
    pub const fn no_new_privs(mut self) -> Self {
        self.identity.no_new_privs = true;
        self
    }

    /// The child leads a process group of its own, for [`Child::signal_group`].
    #[must_use]
    pub const fn own_group(mut self) -> Self {
        self.own_group = true;
        self
    }

    /// What the child's descendants leave behind when they end becomes its own child (PR_SET_CHILD_SUBREAPER), so that
    /// all that it started is below it as long as it lives.
    #[must_use]
    pub const fn reaper_of_orphans(mut self) -> Self {
        self.reaper = true;
        self
    }

    /// The child appends its line of `/proc/self/stat` to this file, which is opened to append, before it executes anything: for
    /// [`end_registered`].
    #[must_use]
    pub fn register(mut self, file: OwnedFd) -> Self {
        self.register = Some(file);
        self
    }

    /// The child gets this signal when the thread that started it ends (PR_SET_PDEATHSIG). It doesn't reach
    /// grandchildren, and a program that changes its user loses it.
    #[must_use]
    pub const fn die_with_parent(mut self, signal: Signal) -> Self {
        self.death_signal = Some(signal);
        self
    }

    /// Standard input.
    #[must_use]
    pub fn stdin(mut self, stdio: Stdio) -> Self {
        self.stdin = stdio;
        self
    }

    /// Standard output.
    #[must_use]
    pub fn stdout(mut self, stdio: Stdio) -> Self {
        self.stdout = stdio;
        self
    }

    /// Standard error.
    #[must_use]
    pub fn stderr(mut self, stdio: Stdio) -> Self {
        self.stderr = stdio;
        self
    }

    /// Hands a descriptor to the child, which finds it under the number that is returned: tell it by an argument
    /// or a variable. (Its number here is its number there, so nothing can be overwritten.)
    pub fn pass(&mut self, descriptor: OwnedFd) -> RawFd {
        let number = descriptor.as_raw_fd();
        self.passed.push(descriptor);
        number
    }

    /// The child gets a new namespace of that kind.
    #[must_use]
    pub fn unshare(mut self, namespace: Namespace) -> Self {
        self.unshare.push(namespace);
        self
    }

    /// The child enters that namespace, before any new one is made; several in the order given.
    #[must_use]
    pub fn enter(mut self, namespace: Namespace, descriptor: OwnedFd) -> Self {
        self.enter.push((namespace, descriptor));
        self
    }

    /// What is started.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }
}

/// Has the calling process get `signal` when its parent ends (PR_SET_PDEATHSIG). For a program that gained rights when
/// it was executed: then the kernel has forgotten what [`Spec::die_with_parent`] asked for.
///
/// # Errors
/// `ESRCH` if `parent` isn't its parent any more: it has ended already, and the signal would never come.
pub fn die_with(parent: u32, signal: Signal) -> io::Result<()> {
    set_parent_process_death_signal(Some(signal))?;
    let now = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    if now == Some(parent) { Ok(()) } else { Err(rustix::io::Errno::SRCH.into()) }
}

/// Why a child couldn't be started: the kernel's error and at what it came.
#[derive(Debug)]
pub struct SpawnError {
    /// The program that was to be started.
    pub program: PathBuf,
    /// What was being done.
    pub step: Step,
    /// The kernel's words.
    pub error: io::Error,
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot run {}: {}: {}", self.program.display(), self.step, self.error)
    }
}

impl std::error::Error for SpawnError {}

impl From<SpawnError> for io::Error {
    fn from(error: SpawnError) -> Self {
        Self::new(error.error.kind(), error)
    }
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    /// Whether it ended by itself with status 0.
    #[must_use]
    pub const fn success(self) -> bool {
        matches!(self, Self::Code(0))
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit status {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// A child that was started. Dropping it neither ends nor reaps it.
///
/// Its descriptor ([`AsFd`]) becomes readable when it has ended; then [`Child::try_wait`] reaps it.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    pidfd: OwnedFd,
    own_group: bool,
    exit: Option<Exit>,
    /// The writing end, with [`Stdio::Pipe`].
    pub stdin: Option<OwnedFd>,
    /// The reading end, with [`Stdio::Pipe`].
    pub stdout: Option<OwnedFd>,
    /// The reading end, with [`Stdio::Pipe`].
    pub stderr: Option<OwnedFd>,
}

impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Child {
    /// Its process id, in the caller's namespace.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid.as_raw_pid().unsigned_abs()
    }

    /// How it ended, without reaping it: until then its number and that of its group can't be given to others.
    ///
    /// # Errors
    /// As waitid(2): ECHILD if something else in this process reaped it.
    pub fn peek(&self) -> io::Result<Option<Exit>> {
        match self.exit {
            Some(exit) => Ok(Some(exit)),
            None => self.wait(WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT),
        }
    }

    /// How it ended, and reaps it; `None` while it runs. May be asked again afterwards.
    ///
    /// # Errors
    /// As [`Child::peek`].
    pub fn try_wait(&mut self) -> io::Result<Option<Exit>> {
        if self.exit.is_none() {
            self.exit = self.wait(WaitIdOptions::EXITED | WaitIdOptions::NOHANG)?;
        }
        Ok(self.exit)
    }

    fn wait(&self, options: WaitIdOptions) -> io::Result<Option<Exit>> {
        let status = waitid(WaitId::PidFd(self.pidfd.as_fd()), options)?;
        Ok(status.and_then(|status| {
            let code = status.exit_status().map(Exit::Code);
            code.or_else(|| status.terminating_signal().map(Exit::Signal))
        }))
    }

    /// Sends it a signal. One that has ended takes it without effect.
    ///
    /// # Errors
    /// EPERM: it runs as another user, and we lack `CAP_KILL`.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        ended_is_fine(pidfd_send_signal(&self.pidfd, signal))
    }

    /// Sends a signal to its process group, so to all that it started and that didn't leave the group. Only before
    /// it is reaped: afterwards the number may be somebody else's, and nothing is sent.
    ///
    /// # Errors
    /// EPERM: nobody in the group may be signalled by us. EINVAL: it has no group of its own.
    pub fn signal_group(&self, signal: Signal) -> io::Result<()> {
        if !self.own_group {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        if self.exit.is_some() {
            return Ok(());
        }
        ended_is_fine(kill_process_group(self.pid, signal))
    }
}

fn ended_is_fine(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Err(rustix::io::Errno::SRCH) => Ok(()),
        other => Ok(other?),
    }
}

/// Starts a child.
///
/// # Errors
/// [`SpawnError`] tells what couldn't be done; no process is left behind then.
pub fn spawn(spec: &Spec) -> Result<Child, SpawnError> {
    let failed =
        |step: Step| move |error: io::Error| SpawnError { program: spec.program.clone(), step, error };
    let prepared = Prepared::new(spec).map_err(failed(Step::Start))?;
    let mut standard = Standard::new(spec).map_err(failed(Step::Start))?;
    let pid_namespace = PidNamespace::for_children(spec).map_err(failed(Step::Namespace))?;
    let born = launch(spec, &prepared, &standard);
    drop(pid_namespace);
    let Born { pid, pidfd } = born.map_err(|(step, error)| failed(step)(error))?;
    let [stdin, stdout, stderr] = mem::take(&mut standard.ours);
    Ok(Child { pid, pidfd, own_group: spec.own_group, exit: None, stdin, stdout, stderr })
}

/// While it lives, this thread's next children are born in another PID namespace: the kernel has no way to move a
/// process that exists (pid_namespaces(7)).
struct PidNamespace {
    before: File,
}

impl PidNamespace {
    fn for_children(spec: &Spec) -> io::Result<Option<Self>> {
        let enter = spec.enter.iter().find(|(namespace, _)| *namespace == Namespace::Pid);
        let unshare = spec.unshare.contains(&Namespace::Pid);
        if enter.is_none() && !unshare {
            return Ok(None);
        }
        if unshare && spec.unshare.contains(&Namespace::User) {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        let guard = Self { before: File::open("/proc/thread-self/ns/pid_for_children")? };
        if let Some((_, descriptor)) = enter {
            move_into_link_name_space(descriptor.as_fd(), Some(LinkNameSpaceType::ProcessID))?;
        }
        if unshare {
            // SAFETY: no descriptor table is unshared.
            unsafe { unshare_unsafe(UnshareFlags::NEWPID) }?;
        }
        Ok(Some(guard))
    }
}

impl Drop for PidNamespace {
    fn drop(&mut self) {
        // Returning to a namespace that we came from needs no right that leaving it didn't need.
        let _ = move_into_link_name_space(self.before.as_fd(), Some(LinkNameSpaceType::ProcessID));
    }
}
