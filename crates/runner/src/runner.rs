//! From a line of the configuration to a running process.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::UserSpec;
use model::Instant;
use rustix::fs::Mode;
use rustix::pipe::{PipeFlags, pipe_with};
use sys::process::{Rights, Spec, Stdio, Step, spawn};

use crate::account::{Account, Accounts};
use crate::{Refusal, Run, access, interpreter, trust};

/// PATH where the daemon itself has none.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The most that a script can be given on standard input, in bytes: what any pipe takes at once (pipe(7)).
pub const MAX_INPUT: usize = 4096;

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// An absolute path, or a bare name to be found in PATH.
    pub program: &'a Path,
    /// Its arguments. No shell looks at them.
    pub arguments: &'a [String],
    /// Its `user`, if it has one.
    pub user: Option<&'a UserSpec>,
    /// What the script is told by variables.
    pub variables: &'a [(&'static str, String)],
    /// What the script finds on standard input; more than [`MAX_INPUT`] is left out altogether.
    pub input: Option<&'a [u8]>,
    /// Where it writes itself down ([`Spec::register`]), if anywhere.
    pub register: Option<BorrowedFd<'a>>,
    /// How long it may take.
    pub timeout: Duration,
}

/// Starts scripts for one daemon.
#[derive(Debug)]
pub struct Runner {
    accounts: Accounts,
    path: OsString,
    /// This very program: whoever could put another in its place could have done so before it was started.
    own: Option<PathBuf>,
}

impl Runner {
    /// With `script_user` of the configuration, if it has one.
    #[must_use]
    pub fn new(script_user: Option<UserSpec>) -> Self {
        let path = std::env::var_os("PATH").filter(|path| !path.is_empty());
        Self {
            accounts: Accounts::new(script_user),
            path: path.unwrap_or_else(|| PATH.into()),
            own: std::env::current_exe().ok(),
        }
    }

    /// Programs are looked for in the usual places, whatever PATH says here.
    #[must_use]
    pub fn with_usual_path(self) -> Self {
        Self { path: PATH.into(), ..self }
    }

    /// Starts a script.
    ///
    /// # Errors
    /// [`Refusal`] says what a person has to put right; nothing runs then.
    pub fn start(&mut self, now: Instant, job: &Job<'_>) -> Result<Run, Refusal> {
        let account = self.accounts.resolve(job.user)?;
        let program = trust::find(job.program, &self.path)?;
        if (account.uid == 0 || account.gid == 0) && self.own.as_ref() != Some(&program) {
            trust::check(&program)?;
        }
        let (reader, writer) = output_pipe().map_err(Refusal::Resources)?;
        let again = writer.try_clone().map_err(Refusal::Resources)?;
        let ours = writer.try_clone().map_err(Refusal::Resources)?;
        let stdin = input_pipe(job.input).map_err(Refusal::Resources)?;
        let spec = Spec::new(program)
            .arguments(job.arguments)
            .directory("/")
            .own_group()
            .reaper_of_orphans()
            .rights(Rights::None)
            .stdin(stdin.map_or(Stdio::Null, Stdio::Fd))
            .stdout(Stdio::Fd(writer))
            .stderr(Stdio::Fd(again));
        let spec = match job.register {
            Some(file) => spec.register(file.try_clone_to_owned().map_err(Refusal::Resources)?),
            None => spec,
        };
        let spec = self.environment(spec, &account, job);
        let spec = match account.credentials {
            Some(credentials) => spec.credentials(credentials),
            None => spec,
        };
        match spawn(&spec) {
            Ok(child) => Ok(Run::new((child, account.name), (reader, ours), now, job.timeout)),
            Err(error) => {
                // The program itself has been found: what it names isn't there.
                if error.step == Step::Execute && error.error.kind() == io::ErrorKind::NotFound {
                    interpreter::check(&error.program)?;
                }
                Err(Refusal::Spawn { error, user: account.name })
            }
        }
    }

    /// Whether a script could be started, as far as looking tells; nothing is run. What the script itself runs, access
    /// control lists and security modules decide on their own.
    ///
    /// # Errors
    /// As [`Self::start`], and [`Refusal::Forbidden`] where its user has no right to it.
    pub fn inspect(&mut self, program: &Path, user: Option<&UserSpec>) -> Result<(), Refusal> {
        let account = self.accounts.resolve(user)?;
        let program = trust::find(program, &self.path)?;
        if !self.accounts.is_chosen(user) && account.credentials.is_none() {
            // Nobody says who it will be: this process is another one than the daemon.
            return interpreter::check(&program);
        }
        if account.uid == 0 || account.gid == 0 {
            trust::check(&program)?;
        }
        access::check(&program, &account)?;
        interpreter::check(&program)
    }

    /// Documented at the top of this crate; nothing is inherited but PATH.
    fn environment(&self, spec: Spec, account: &Account, job: &Job<'_>) -> Spec {
        let spec = spec
            .clear_environment()
            .variable("PATH", &self.path)
            .variable("HOME", &account.home)
            .variable("USER", &account.name)
            .variable("LOGNAME", &account.name)
            .variable("SHELL", "/bin/sh")
            .variable("LANG", "C.UTF-8");
        job.variables.iter().fold(spec, |spec, (name, value)| spec.variable(name, value))
    }
}

/// Our end never blocks; the script's does, as it expects.
fn output_pipe() -> io::Result<(File, OwnedFd)> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&reader, true)?;
    // So that `echo ... > /dev/stderr` works for a script that runs as another user: that opens the pipe anew.
    rustix::fs::fchmod(&writer, Mode::from_raw_mode(0o666))?;
    Ok((reader.into(), writer))
}

/// A pipe that is filled before the script starts, so that nobody has to wait for it to read.
fn input_pipe(input: Option<&[u8]>) -> io::Result<Option<OwnedFd>> {
    let Some(input) = input.filter(|input| input.len() <= MAX_INPUT) else { return Ok(None) };
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    File::from(writer).write_all(input)?;
    Ok(Some(reader))
}
