//! Why a script can't be run, said so that a person can put it right.

use std::fmt;
use std::io;
use std::path::PathBuf;

use sys::process::{SpawnError, Step};

/// Why a script can't be run.
#[derive(Debug)]
pub enum Refusal {
    /// No file there, or nothing of that name in PATH.
    NotFound(PathBuf),
    /// Neither an absolute path nor a bare name.
    Relative(PathBuf),
    /// Not a regular file.
    NotAFile(PathBuf),
    /// Nobody has the right to execute it; its mode.
    NotExecutable(PathBuf, u32),
    /// Root would run it, and somebody else could change it.
    Untrusted {
        /// The program.
        program: PathBuf,
        /// The part of its path that isn't safe.
        component: PathBuf,
        /// Whom that belongs to.
        owner: u32,
        /// Its mode (chmod(1)).
        mode: u32,
    },
    /// Its user may not enter that directory, or execute that file; its mode.
    Forbidden {
        /// The part of its path.
        component: PathBuf,
        /// Its mode (chmod(1)).
        mode: u32,
        /// Whom it would be run as.
        user: String,
    },
    /// A part of its path can't be looked at, so nobody can say whether root may run it.
    Unreadable(PathBuf, io::Error),
    /// A script whose first line names something that isn't there.
    Interpreter(PathBuf, PathBuf),
    /// More symbolic links than an honest path has.
    Links(PathBuf),
    /// The configuration names a user who doesn't exist.
    NoSuchUser(String),
    /// The configuration names a group that doesn't exist.
    NoSuchGroup(String),
    /// The system's users can't be looked up.
    NameService(String, io::Error),
    /// This process may not become that user.
    CannotBecome(String),
    /// The kernel refused.
    Spawn {
        /// What it said.
        error: SpawnError,
        /// Who was to run it.
        user: String,
    },
    /// No descriptors or memory left for one more script.
    Resources(io::Error),
}

impl Refusal {
    /// Whether another attempt a moment later may do better: somebody is writing the program (ETXTBSY, execve(2)).
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Spawn { error, .. } if error.error.kind() == io::ErrorKind::ExecutableFileBusy)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(path) => write!(f, "{}: no such program", path.display()),
            Self::Relative(path) => {
                write!(f, "{}: give an absolute path, or a bare name to be found in PATH", path.display())
            }
            Self::NotAFile(path) => write!(f, "{}: not a regular file", path.display()),
            Self::NotExecutable(path, mode) => {
                write!(f, "{}: not executable (mode {mode:04o})", path.display())
            }
            Self::Untrusted { program, component, owner, mode } => write!(
                f,
                "{}: not run as root, since others could change it: {} belongs to user {owner} and has mode {mode:04o}",
                program.display(),
                component.display()
            ),
            Self::Forbidden { component, mode, user } => write!(
                f,
                "{}: user {user} has no right to {} it (mode {mode:04o})",
                component.display(),
                if component.is_dir() { "enter" } else { "execute" }
            ),
            Self::Unreadable(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Interpreter(path, interpreter) => {
                let name = interpreter.display().to_string();
                let (name, ends) = match name.strip_suffix('\r') {
                    Some(name) => (name, " with a carriage return (the lines of the file end as on Windows)"),
                    None => (name.as_str(), ""),
                };
                write!(f, "{}: its first line names {name}{ends}, which does not exist", path.display())
            }
            Self::Links(path) => write!(f, "{}: too many symbolic links", path.display()),
            Self::NoSuchUser(name) => write!(f, "no such user: {name}"),
            Self::NoSuchGroup(name) => write!(f, "no such group: {name}"),
            Self::NameService(name, error) => write!(f, "look up {name}: {error}"),
            Self::CannotBecome(name) => {
                write!(
                    f,
                    "cannot run as user {name}: this process has no right to change its user (CAP_SETUID)"
                )
            }
            // The program itself has been found: what isn't there is what it names.
            Self::Spawn { error, user }
                if error.step == Step::Execute && error.error.kind() == io::ErrorKind::NotFound =>
            {
                let program = error.program.display();
                write!(
                    f,
                    "{program}: the interpreter in its first line, or its loader, does not exist (as user {user})"
                )
            }
            Self::Spawn { error, user } => write!(f, "{error} (as user {user})"),
            Self::Resources(error) => write!(f, "no resources for one more script: {error}"),
        }
    }
}

impl std::error::Error for Refusal {}
