//! A process that holds, and empties, the pipes of what scripts left running, so that it outlives the daemon that ran them.
//!
//! A hook may start a service (`agent &`) that still writes to the hook's output. With the daemon's end that pipe would have no
//! reader any more, and the agent's next line would end it by SIGPIPE: a restart or an upgrade of the daemon would stop
//! the services of its hooks. So a second process, started when first needed, reads with the daemon, and alone once that is gone. It ends
//! when nobody writes any more. What it must never do: anything else. It has no rights, no environment and no files.
//! Read unix(7) on `SCM_RIGHTS`, and pipe(7), first.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use sys::process::{Child, Rights, Spec, Stdio, spawn};
use sys::seqpacket::{Connection, Received};

/// Our own program, also where it has been removed (proc_pid_exe(5)). Its name tells nobody whose process that is.
const OWN_PROGRAM: &str = "/proc/self/exe";
/// What `ps` calls it.
const NAME: &CStr = c"keep-pipes";
/// Pipes that one process keeps; no daemon has as many.
const MAX_KEPT: usize = 4096;
/// How much is read at once, in bytes: all that a pipe holds (pipe(7)).
const READ_SIZE: usize = 64 << 10;
/// What a frame says; the descriptor is what matters.
const FRAME: &[u8] = b"keep";

/// The daemon's side.
#[derive(Debug)]
pub struct Keeper {
    /// The argument by which the daemon's program knows that it is to [`Keeper::serve`].
    command: &'static str,
    process: Option<(Connection, Child)>,
    /// That it can't be had was told.
    told: bool,
}

impl Keeper {
    /// Nothing is started yet.
    #[must_use]
    pub const fn new(command: &'static str) -> Self {
        Self { command, process: None, told: false }
    }

    /// Has the pipe kept as long as anybody writes to it. Where that fails (told once) its writers end with us.
    pub(crate) fn keep(&mut self, pipe: BorrowedFd<'_>) {
        match self.pass(pipe) {
            Ok(()) => self.told = false,
            Err(error) if !self.told => {
                self.told = true;
                log::warn!("what a script left running will not outlive this daemon: {error}");
            }
            Err(_) => {}
        }
    }

    /// Reaps it, if somebody has ended it.
    pub(crate) fn tidy(&mut self) {
        let has_ended = |process: &mut Child| !matches!(process.try_wait(), Ok(None));
        let _ = self.process.take_if(|(_, process)| has_ended(process));
    }

    fn pass(&mut self, pipe: BorrowedFd<'_>) -> io::Result<()> {
        if let Some((link, _)) = &self.process {
            match link.send(FRAME, Some(pipe)) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                // Somebody has ended it: another one is started.
                Err(_) => self.tidy(),
            }
        }
        let (ours, theirs) = Connection::pair()?;
        let program = std::env::current_exe().ok().filter(|path| path.exists());
        let spec = Spec::new(program.unwrap_or_else(|| OWN_PROGRAM.into()))
            .argument(self.command)
            .clear_environment()
            .directory("/")
            .own_group()
            .rights(Rights::None)
            .stdin(Stdio::Fd(theirs.into()));
        let process = spawn(&spec).map_err(io::Error::other)?;
        ours.send(FRAME, Some(pipe))?;
        self.process = Some((ours, process));
        Ok(())
    }

    /// The whole life of the other side: standard input is the connection to the daemon.
    ///
    /// # Errors
    /// dup(2) of standard input, or poll(2).
    pub fn serve() -> io::Result<()> {
        // Whoever looks for the daemon by its name means the other one.
        rustix::thread::set_name(NAME)?;
        let mut link = Some(Connection::from(io::stdin().as_fd().try_clone_to_owned()?));
        // Or the first one would hold the connection, whatever becomes of the second.
        let null = File::open("/dev/null")?;
        rustix::stdio::dup2_stdin(&null)?;
        let mut pipes: Vec<File> = Vec::new();
        let mut buffer = vec![0; READ_SIZE];
        while link.is_some() || !pipes.is_empty() {
            let (has_news, readable) = wait(link.as_ref(), &pipes)?;
            let mut readable = readable.into_iter();
            pipes.retain_mut(|pipe| !readable.next().unwrap_or_default() || empties(pipe, &mut buffer));
            if has_news && let Some(open) = &link {
                match open.receive(&mut buffer) {
                    Ok(Some(Received::Frame(frame))) => {
                        pipes.extend(frame.fd.map(File::from).filter(|_| pipes.len() < MAX_KEPT));
                    }
                    Ok(None) => {}
                    // It has gone, and has left to us what it had.
                    Ok(Some(Received::Closed)) | Err(_) => link = None,
                }
            }
        }
        Ok(())
    }
}

/// Which of them have something to say.
fn wait(link: Option<&Connection>, pipes: &[File]) -> io::Result<(bool, Vec<bool>)> {
    let link = link.map(|link| PollFd::new(link, PollFlags::IN));
    let has_link = link.is_some();
    let pipes = pipes.iter().map(|pipe| PollFd::new(pipe, PollFlags::IN));
    let mut all: Vec<_> = link.into_iter().chain(pipes).collect();
    while let Err(error) = poll(&mut all, None) {
        if error != Errno::INTR {
            return Err(error.into());
        }
    }
    let mut ready = all.iter().map(|fd| !fd.revents().is_empty());
    let has_news = has_link && ready.next().unwrap_or_default();
    Ok((has_news, ready.collect()))
}

/// One read, of whatever is there; false once nobody will write any more.
fn empties(pipe: &mut File, buffer: &mut [u8]) -> bool {
    match pipe.read(buffer) {
        Ok(length) => length > 0,
        Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
    }
}
