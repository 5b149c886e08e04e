//! Who reads: the name that `@NAME` lines are for.

/// The name that lines with `@NAME` and `@^NAME` are compared with, and that `${_INSTANCE}` stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigId(String);

impl ConfigId {
    /// As given with `-i`.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The name of this host up to the first dot, as keepalived has it.
    #[must_use]
    pub fn of_this_host() -> Self {
        let system = rustix::system::uname();
        let name = system.nodename().to_string_lossy();
        Self(name.split('.').next().unwrap_or_default().to_owned())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
