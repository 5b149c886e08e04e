//! What the kernel refused, in words that a person can act on.

use std::fmt;
use std::io;

/// The numbers that rtnetlink answers with, by the names that manual pages use.
const NAMES: [(i32, &str); 20] = [
    (libc::EPERM, "EPERM"),
    (libc::ENOENT, "ENOENT"),
    (libc::ESRCH, "ESRCH"),
    (libc::ENXIO, "ENXIO"),
    (libc::EAGAIN, "EAGAIN"),
    (libc::ENOMEM, "ENOMEM"),
    (libc::EACCES, "EACCES"),
    (libc::EBUSY, "EBUSY"),
    (libc::EEXIST, "EEXIST"),
    (libc::ENODEV, "ENODEV"),
    (libc::EINVAL, "EINVAL"),
    (libc::ERANGE, "ERANGE"),
    (libc::EBADMSG, "EBADMSG"),
    (libc::EOPNOTSUPP, "EOPNOTSUPP"),
    (libc::EAFNOSUPPORT, "EAFNOSUPPORT"),
    (libc::EADDRNOTAVAIL, "EADDRNOTAVAIL"),
    (libc::ENETDOWN, "ENETDOWN"),
    (libc::ENETUNREACH, "ENETUNREACH"),
    (libc::ENOBUFS, "ENOBUFS"),
    (libc::EHOSTUNREACH, "EHOSTUNREACH"),
];

/// One request that the kernel refused. Prints as `add 10.0.0.5/24 on eth0: EEXIST (File exists): ` and the kernel's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelError {
    /// What we were doing.
    pub op: &'static str,
    /// To what.
    pub target: String,
    /// The error number (errno(3)).
    pub errno: i32,
    /// What the kernel said beside the number, or our own explanation where the number is ours.
    pub kernel_words: Option<String>,
}

impl KernelError {
    pub(super) fn new(op: &'static str, target: String, refusal: Refusal) -> Self {
        Self { op, target, errno: refusal.errno, kernel_words: refusal.words }
    }

    /// Whether the thing that was to be changed isn't there: no such address, interface, route or rule.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        matches!(self.errno, libc::EADDRNOTAVAIL | libc::ENODEV | libc::ESRCH | libc::ENOENT)
    }

    /// Whether the same may succeed in a moment: the kernel was short of something, or its answer was lost.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self.errno, libc::ENOBUFS | libc::ENOMEM | libc::EAGAIN | libc::EBUSY)
    }
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = io::Error::from_raw_os_error(self.errno).to_string();
        let text = text.split(" (os error").next().unwrap_or_default();
        write!(f, "{} {}: ", self.op, self.target)?;
        match NAMES.iter().find(|(number, _)| *number == self.errno) {
            Some((_, name)) => write!(f, "{name} ({text})")?,
            None => write!(f, "error {} ({text})", self.errno)?,
        }
        match &self.kernel_words {
            Some(words) => write!(f, ": {words}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for KernelError {}

/// An answer that is not a yes, before it is known what it was about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) errno: i32,
    pub(super) words: Option<String>,
}

impl Refusal {
    /// The answer got lost in a full receive buffer: whether the change was made only a new list can tell.
    pub(super) fn lost() -> Self {
        Self { errno: libc::ENOBUFS, words: Some("the kernel's answer was lost".into()) }
    }

    /// What came isn't what linux/rtnetlink.h describes.
    pub(super) fn unreadable(error: &netlink_packet_core::DecodeError) -> Self {
        Self { errno: libc::EBADMSG, words: Some(format!("the kernel's answer can't be read: {error}")) }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self { errno: error.raw_os_error().unwrap_or(libc::EIO), words: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_to_what_and_why() {
        let words = Some("ipv4: Address already assigned".to_owned());
        let refusal = Refusal { errno: libc::EEXIST, words };
        let error = KernelError::new("add", "10.0.0.5/24 on eth0".into(), refusal);
        assert_eq!(
            error.to_string(),
            "add 10.0.0.5/24 on eth0: EEXIST (File exists): ipv4: Address already assigned"
        );
        let nameless = KernelError { errno: libc::EXFULL, kernel_words: None, ..error };
        assert_eq!(nameless.to_string(), "add 10.0.0.5/24 on eth0: error 54 (Exchange full)");
        assert!(!nameless.is_absent() && !nameless.is_passing());
        assert!(KernelError { errno: libc::ENOBUFS, ..nameless }.is_passing());
    }
}
