//! Names: the only thing that one process may send another as an order (promise 1).

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest name of an instance or check, in bytes.
pub const MAX_NAME: usize = 255;
/// The longest name of an interface, in bytes (`IFNAMSIZ` - 1, linux/if.h).
pub const MAX_LINK_NAME: usize = 15;

/// Why a string can't be a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Nothing in it.
    Empty,
    /// Longer than the limit (given, in bytes).
    TooLong(usize),
    /// A character that no name may hold: control characters everywhere, also `/` and blanks in an interface's.
    Character(char),
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a name can't be empty"),
            Self::TooLong(limit) => write!(f, "a name may have at most {limit} bytes here"),
            Self::Character(c) => write!(f, "a name can't hold {c:?} here"),
        }
    }
}

impl std::error::Error for NameError {}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $limit:expr, $forbidden:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks length and characters.
            ///
            /// # Errors
            /// [`NameError`] says which rule the text breaks.
            pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
                let text = text.into();
                if text.is_empty() {
                    return Err(NameError::Empty);
                }
                if text.len() > $limit {
                    return Err(NameError::TooLong($limit));
                }
                let forbidden: fn(char) -> bool = $forbidden;
                match text.chars().find(|c| forbidden(*c)) {
                    Some(c) => Err(NameError::Character(c)),
                    None => Ok(Self(text)),
                }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The name of a `vrrp_instance`.
    InstanceName,
    MAX_NAME,
    char::is_control
);
name!(
    /// The name of a `vrrp_sync_group`.
    GroupName,
    MAX_NAME,
    char::is_control
);
name!(
    /// The name of a `vrrp_script` or other check.
    CheckName,
    MAX_NAME,
    char::is_control
);
name!(
    /// The name of a network interface, as the kernel allows it (`dev_valid_name`, net/core/dev.c).
    LinkName,
    MAX_LINK_NAME,
    |c| c.is_control() || c.is_whitespace() || c == '/' || c == ':'
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded() {
        assert_eq!(InstanceName::new(""), Err(NameError::Empty));
        assert_eq!(LinkName::new("sixteen-letters!"), Err(NameError::TooLong(15)));
        assert_eq!(LinkName::new("a/b"), Err(NameError::Character('/')));
        assert!(InstanceName::new("VI_1 with blanks").is_ok());
        assert!(CheckName::new("x".repeat(256)).is_err());
    }

    #[test]
    fn a_bad_name_in_flight_is_refused() {
        assert!(serde_json::from_str::<LinkName>("\"a b\"").is_err());
        assert!(serde_json::from_str::<InstanceName>("\"a\\u0000\"").is_err());
    }
}
