//! The moment of birth: a child that borrows our memory until it executes its program.
//!
//! fork(2) copies the page tables of the parent, which takes the longer the more memory that has: 0.5 ms at 8 MiB, 25 ms at
//! 512 MiB. A child that is made by `CLONE_VM | CLONE_VFORK` copies nothing, at the price that it runs in its parent's
//! memory, on a stack of its own, while the thread that made it stands still. What it must never do there: allocate, take a lock,
//! panic, run a signal handler of ours, or return. Read clone(2), vfork(2) ("Caveats") and signal-safety(7) first.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr;
use std::sync::{Mutex, PoisonError};

use libc::{c_char, c_int, c_void};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    DumpableBehavior, Pid, WaitId, WaitIdOptions, dumpable_behavior, set_dumpable_behavior, setpgid, waitid,
};

use super::prepare::{Failure, Prepared};
use super::{Spec, Stdio, Step};

/// The stack that a child has until it executes its program, in bytes: what [`Prepared`] does takes less than a tenth.
const STACK: usize = 64 * 1024;
/// Below it: whoever needs more dies here instead of writing over our memory. The largest page size of Linux's machines.
const GUARD: usize = 64 * 1024;
/// The first descriptor that isn't a standard one.
const FIRST_OTHER: RawFd = 3;
/// Signals are numbered from 1 to this (signal(7)).
const LAST_SIGNAL: c_int = 64;
/// Where a bare name is looked for by a child that has no PATH, as exec(3) does.
const DEFAULT_PATH: &str = "/bin:/usr/bin";
/// Runs what the kernel can't: a script without a `#!` line, as exec(3) does.
const SHELL: &std::ffi::CStr = c"/bin/sh";

/// What came of it.
pub(super) struct Born {
    pub(super) pid: Pid,
    pub(super) pidfd: OwnedFd,
}

/// A program, its arguments and its environment, as execve(2) wants them. Pointers lead into the strings beside them, whose
/// bytes stay where they are when this is moved.
struct Image {
    /// Where the program may be, in the order in which it is tried.
    paths: Vec<CString>,
    /// The shell, then the argument vector proper, then null.
    arguments: Vec<*const c_char>,
    environment: Vec<*const c_char>,
    _strings: Vec<CString>,
}

impl Image {
    fn new(spec: &Spec) -> io::Result<Self> {
        let mut variables: BTreeMap<OsString, OsString> = BTreeMap::new();
        if spec.inherit_environment {
            variables.extend(std::env::vars_os());
        }
        variables.extend(spec.variables.iter().cloned());
        let paths = candidates(&spec.program, variables.get(OsStr::new("PATH")).map(OsString::as_os_str))?;

        let mut strings = Vec::with_capacity(1 + spec.arguments.len() + variables.len());
        strings.push(CString::new(spec.program.as_os_str().as_bytes())?);
        for argument in &spec.arguments {
            strings.push(CString::new(argument.as_bytes())?);
        }
        let arguments = [SHELL.as_ptr()].into_iter().chain(pointers(&strings)).collect();
        let first_variable = strings.len();
        for (name, value) in &variables {
            strings.push(CString::new([name.as_bytes(), b"=", value.as_bytes()].concat())?);
        }
        let environment = pointers(strings.get(first_variable..).unwrap_or_default()).collect();
        Ok(Self { paths, arguments, environment, _strings: strings })
    }

    /// Returns only if it failed.
    fn execute(&mut self) -> Errno {
        let mut seen = Errno::NOENT;
        for path in &self.paths {
            // SAFETY: the strings end in 0 and the vectors in null; the first argument, the shell, is skipped.
            unsafe { libc::execve(path.as_ptr(), self.arguments.as_ptr().add(1), self.environment.as_ptr()) };
            match last_error() {
                Errno::NOENT | Errno::NOTDIR => {}
                Errno::ACCESS => seen = Errno::ACCESS,
                Errno::NOEXEC => {
                    if let Some(script) = self.arguments.get_mut(1) {
                        *script = path.as_ptr();
                    }
                    // SAFETY: as above, from the shell on.
                    unsafe {
                        libc::execve(SHELL.as_ptr(), self.arguments.as_ptr(), self.environment.as_ptr())
                    };
                    return last_error();
                }
                other => return other,
            }
        }
        seen
    }
}

fn pointers(strings: &[CString]) -> impl Iterator<Item = *const c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()])
}

/// A path is itself; a bare name is in one of PATH's directories.
fn candidates(program: &Path, path: Option<&OsStr>) -> io::Result<Vec<CString>> {
    let name = program.as_os_str().as_bytes();
    if name.contains(&b'/') {
        return Ok(vec![CString::new(name)?]);
    }
    let directories = path.unwrap_or_else(|| OsStr::new(DEFAULT_PATH));
    std::env::split_paths(directories)
        .map(|directory| Ok(CString::new(directory.join(program).as_os_str().as_bytes())?))
        .collect()
}

fn last_error() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// The three standard descriptors: what the child gets, and what of it stays here.
pub(super) struct Standard {
    /// Where each one leads; `None` is our own. None of these is a standard descriptor itself, so that the order in which they
    /// are put in place doesn't matter.
    sources: [Option<RawFd>; 3],
    /// What of it is open only for this.
    held: Vec<OwnedFd>,
    /// Our ends of the pipes.
    pub(super) ours: [Option<OwnedFd>; 3],
}

impl Standard {
    pub(super) fn new(spec: &Spec) -> io::Result<Self> {
        let mut this = Self { sources: [None; 3], held: Vec::new(), ours: [None, None, None] };
        let [stdin, stdout, stderr] = &mut this.ours;
        let held = &mut this.held;
        this.sources = [
            source(&spec.stdin, held, || pipe().map(|(reader, writer)| (writer, reader)), stdin)?,
            source(&spec.stdout, held, pipe, stdout)?,
            source(&spec.stderr, held, pipe, stderr)?,
        ];
        Ok(this)
    }

    /// In the child.
    fn put_in_place(&self) -> Result<(), Errno> {
        for (source, place) in self.sources.iter().zip(0..) {
            let Some(source) = source else { continue };
            // SAFETY: in the child nobody owns these three numbers as objects of Rust's.
            if unsafe { libc::dup2(*source, place) } < 0 {
                return Err(last_error());
            }
        }
        Ok(())
    }
}

/// Where one of the three leads; `pipe` gives our end of a pipe and the child's.
fn source(
    kind: &Stdio,
    held: &mut Vec<OwnedFd>,
    pipe: impl FnOnce() -> io::Result<(OwnedFd, OwnedFd)>,
    ours: &mut Option<OwnedFd>,
) -> io::Result<Option<RawFd>> {
    let theirs = match kind {
        Stdio::Inherit => return Ok(None),
        Stdio::Fd(descriptor) if descriptor.as_raw_fd() >= FIRST_OTHER => {
            return Ok(Some(descriptor.as_raw_fd()));
        }
        Stdio::Fd(descriptor) => fcntl_dupfd_cloexec(descriptor, FIRST_OTHER)?,
        Stdio::Null => open(c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?,
        Stdio::Pipe => {
            let (mine, theirs) = pipe()?;
            *ours = Some(mine);
            theirs
        }
    };
    let theirs = above_standard(theirs)?;
    let number = theirs.as_raw_fd();
    held.push(theirs);
    Ok(Some(number))
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe_with(PipeFlags::CLOEXEC)?)
}

fn above_standard(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    if descriptor.as_raw_fd() >= FIRST_OTHER {
        return Ok(descriptor);
    }
    Ok(fcntl_dupfd_cloexec(&descriptor, FIRST_OTHER)?)
}

/// All that the child needs, and the place where it says what it failed at.
struct Task<'a> {
    image: Image,
    standard: &'a Standard,
    prepared: &'a Prepared,
    own_group: bool,
}

impl Task<'_> {
    /// In the child. Returns only if it failed.
    fn run(&mut self) -> Failure {
        default_signals();
        if let Err(error) = self.standard.put_in_place() {
            return (Step::Descriptors, error);
        }
        if self.own_group
            && let Err(error) = setpgid(None, None)
        {
            return (Step::Start, error);
        }
        if let Err(failure) = self.prepared.run() {
            return failure;
        }
        (Step::Execute, self.image.execute())
    }
}

/// Every signal that is caught here has no handler any more, and none is held back. SIGPIPE, which programs of Rust ignore,
/// ends a process again, as every program expects of it.
fn default_signals() {
    for signal in 1..=LAST_SIGNAL {
        let mut action = MaybeUninit::<libc::sigaction>::uninit();
        // SAFETY: the pointers are to one live structure, which the first call fills before it is read. The child has a table
        // of handlers of its own.
        unsafe {
            if libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) != 0 {
                continue;
            }
            let mut action = action.assume_init();
            let ignored = action.sa_sigaction == libc::SIG_IGN && signal != libc::SIGPIPE;
            if action.sa_sigaction != libc::SIG_DFL && !ignored {
                action.sa_sigaction = libc::SIG_DFL;
                libc::sigaction(signal, &raw const action, ptr::null_mut());
            }
        }
    }
    // SAFETY: an empty set is made before it is used.
    unsafe {
        let mut none = MaybeUninit::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
    }
}

/// While it lives, this thread takes no signal: a handler of ours must not run in a child that borrows our memory.
struct NoSignals {
    before: libc::sigset_t,
}

impl NoSignals {
    fn new() -> Self {
        let mut all = MaybeUninit::uninit();
        let mut before = MaybeUninit::uninit();
        // SAFETY: both sets are filled before they are read; these calls fail only for a first argument that isn't known.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
            Self { before: before.assume_init() }
        }
    }
}

impl Drop for NoSignals {
    fn drop(&mut self) {
        // SAFETY: the set is the one that the kernel gave us.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, ptr::null_mut()) };
    }
}

/// A guard, the child's stack, and at its end the place for what it failed at. Shared, so that a child that has its own
/// memory can tell, too.
struct Stack {
    bottom: *mut c_void,
}

// SAFETY: it is memory that nobody else points to, and not of any thread.
unsafe impl Send for Stack {}

/// One that was used before: new memory for each child would cost more than the rest of what is done for it here. A thread
/// that finds none makes its own.
static USED: Mutex<Option<Stack>> = Mutex::new(None);

/// What a child failed at: zero in a new [`Stack`], which means nothing.
#[repr(C, align(16))]
struct Report {
    failed: bool,
    step: u8,
    error: i32,
}

impl Stack {
    const SIZE: usize = GUARD + STACK;

    fn new() -> io::Result<Self> {
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_STACK;
        // SAFETY: new memory, at an address that the kernel chooses.
        let bottom = unsafe {
            libc::mmap(ptr::null_mut(), Self::SIZE, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0)
        };
        if bottom == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let this = Self { bottom };
        // SAFETY: the lower part of what was mapped, to which nothing points.
        if unsafe { libc::mprotect(this.bottom, GUARD, libc::PROT_NONE) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(this)
    }

    /// For one child: nothing has failed yet. Given back by [`Self::put_by`].
    fn take() -> io::Result<Self> {
        let used = USED.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(this) = used else { return Self::new() };
        // SAFETY: within the mapping, which nobody else uses now.
        unsafe { this.report().write(Report { failed: false, step: 0, error: 0 }) };
        Ok(this)
    }

    /// For the next child. The last one has executed its program, has ended, or has memory of its own.
    fn put_by(self) {
        *USED.lock().unwrap_or_else(PoisonError::into_inner) = Some(self);
    }

    /// At the end of the mapping; the stack grows down from it.
    const fn report(&self) -> *mut Report {
        // SAFETY: within the mapping, whose size and start are multiples of a Report's alignment.
        unsafe { self.bottom.byte_add(Self::SIZE - size_of::<Report>()).cast() }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this size; the child has left it, or has a copy.
        unsafe { libc::munmap(self.bottom, Self::SIZE) };
    }
}

/// The child's side of [`launch`].
extern "C" fn begin(argument: *mut c_void) -> c_int {
    // SAFETY: `launch` passes exactly this, keeps it alive, and stands still meanwhile.
    let (task, report) = unsafe { &mut *argument.cast::<(Task<'_>, *mut Report)>() };
    let (step, error) = task.run();
    // SAFETY: as above. Volatile: to the compiler nobody of this process reads it.
    unsafe {
        report.write_volatile(Report { failed: true, step: step as u8, error: error.raw_os_error() });
        libc::_exit(127)
    }
}

/// Makes the child, and returns when it has executed its program or failed.
pub(super) fn launch(
    spec: &Spec,
    prepared: &Prepared,
    standard: &Standard,
) -> Result<Born, (Step, io::Error)> {
    let at_start = |error: io::Error| (Step::Start, error);
    let image = Image::new(spec).map_err(at_start)?;
    let stack = Stack::take().map_err(at_start)?;
    let mut argument = (Task { image, standard, prepared, own_group: spec.own_group }, stack.report());
    let mut pidfd: c_int = -1;
    // Who shares its memory can't enter a user namespace (unshare(2)); such children are rare enough to be forked.
    let borrow = if spec.unshare.is_empty() && spec.enter.is_empty() { libc::CLONE_VM } else { 0 };
    let flags = borrow | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    let dumpable = dumpable_behavior();
    let no_signals = NoSignals::new();
    // SAFETY: `begin` never returns; the stack is its own and large enough for it; its argument and everything in that
    // outlives the call, during which (CLONE_VFORK) this thread stands still. The pidfd's place is one c_int, as clone(2) says.
    let pid = unsafe {
        libc::clone(begin, stack.report().cast(), flags, (&raw mut argument).cast(), &raw mut pidfd)
    };
    let error = io::Error::last_os_error();
    drop(no_signals);
    let Some(pid) = Pid::from_raw(pid).filter(|_| pid > 0) else { return Err(at_start(error)) };
    // SAFETY: the kernel made it for us just now.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    // A child that changed its user while it shared our memory made that undumpable, which kept its new user out of it. Now it
    // is ours alone again, and our own files in /proc should be ours.
    if let Ok(DumpableBehavior::Dumpable) = dumpable {
        let _ = set_dumpable_behavior(DumpableBehavior::Dumpable);
    }
    // SAFETY: the mapping lives, and the child is done with it.
    let report = unsafe { stack.report().read_volatile() };
    stack.put_by();
    if report.failed {
        reap(pidfd.as_fd());
        let step = Step::from_number(report.step);
        return Err((step, io::Error::from_raw_os_error(report.error)));
    }
    Ok(Born { pid, pidfd })
}

/// A child that has failed has ended, or will in this moment.
fn reap(pidfd: BorrowedFd<'_>) {
    while let Err(Errno::INTR) = waitid(WaitId::PidFd(pidfd), WaitIdOptions::EXITED) {}
}
