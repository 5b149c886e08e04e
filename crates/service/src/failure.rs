//! Why a program ends, and the exit status that tells systemd what to do about it.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

/// Exit statuses, few and documented in each man page. Those from sysexits.h mean "don't restart me".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 1: something went wrong that may be gone after a restart.
    Failed,
    /// 64 (`EX_USAGE`): the command line.
    Usage,
    /// 77 (`EX_NOPERM`): a right is missing that a restart won't bring.
    Rights,
    /// 78 (`EX_CONFIG`): the configuration.
    Configuration,
}

impl Exit {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 64,
            Self::Rights => 77,
            Self::Configuration => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// An error that ends the program.
#[derive(Debug)]
pub struct Failure {
    /// The status to end with.
    pub exit: Exit,
    message: String,
}

impl Failure {
    /// With a sentence that says what we were doing, to what, and what went wrong.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// An error of the kernel while `doing` something; a missing right ends with [`Exit::Rights`].
    pub fn io(doing: impl fmt::Display, error: &std::io::Error) -> Self {
        let exit =
            if error.kind() == std::io::ErrorKind::PermissionDenied { Exit::Rights } else { Exit::Failed };
        Self::new(exit, format!("{doing}: {error}"))
    }

    /// A socket that couldn't be made there.
    pub fn listen(path: &Path, error: &std::io::Error) -> Self {
        let cure = match (error.kind(), path.parent()) {
            (std::io::ErrorKind::NotFound, Some(directory)) => {
                format!(
                    " (make the directory, mkdir {}, or name another by --runtime-dir)",
                    directory.display()
                )
            }
            (std::io::ErrorKind::PermissionDenied, _) => {
                " (a directory of your own can be named by --runtime-dir)".to_owned()
            }
            _ => String::new(),
        };
        let failure = Self::io(format!("listen on {}", path.display()), error);
        Self { message: failure.message + &cure, ..failure }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_is_told_apart() {
        let error = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let failure = Failure::io("open a raw socket on eth0", &error);
        assert_eq!(failure.exit.code(), 77);
        assert!(failure.to_string().starts_with("open a raw socket on eth0: "));
    }
}
