//! What authenticates VRRPv2 adverts.
//!
//! It must never show itself: not in a log, nor in a status, nor in what `{:?}` makes of a configuration. RFC 2338 5.3.10
//! has its length.

use std::fmt;

/// A password or key as VRRPv2 has them: eight bytes, zero padded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub [u8; Secret::LENGTH]);

impl Secret {
    /// In bytes.
    pub const LENGTH: usize = 8;

    /// What counts of a text: its first eight bytes.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        let mut bytes = [0; Self::LENGTH];
        bytes.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
        Self(bytes)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// How a VRRPv2 instance authenticates (`authentication`; V2-PKT-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// `auth_type PASS`: sent in clear text.
    Password(Secret),
    /// `auth_type AH`: the key of the check value in an authentication header.
    AhKey(Secret),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bytes_count_and_none_is_shown() {
        assert_eq!(Secret::of(b"123456789"), Secret(*b"12345678"));
        assert_eq!(Secret::of(b"abc"), Secret(*b"abc\0\0\0\0\0"));
        assert_eq!(format!("{:?}", Credential::AhKey(Secret::of(b"abc"))), "AhKey(Secret(..))");
    }
}
