//! What tells two configurations apart: FNV-1a, 64 bits, over the bytes read.
//!
//! It guards against daemons that read different versions of a file, not against an attacker: the file is root's. What
//! else decides the meaning (further files, the name of this host, variables of the environment) is mixed in where it
//! is used, so that two daemons with the same fingerprint do understand the same.

use std::fmt;

/// What tells two configurations apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    /// Between two texts: a byte that UTF-8 doesn't have.
    const SEPARATOR: u8 = 0xff;

    /// Of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Self::OFFSET_BASIS).with(bytes)
    }

    /// Of what came before, and another text.
    pub(crate) fn and(self, bytes: &[u8]) -> Self {
        self.with(&[Self::SEPARATOR]).with(bytes)
    }

    fn with(self, bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(self.0, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(Self::PRIME)))
    }

    /// One that a sibling told by its number.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// The number, for frames and JSON.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_fnv_1a() {
        // The published test vectors of FNV-1a, 64 bits.
        assert_eq!(Fingerprint::of(b"").to_string(), "cbf29ce484222325");
        assert_eq!(Fingerprint::of(b"foobar").as_u64(), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn where_one_text_ends_counts() {
        assert_ne!(Fingerprint::of(b"ab").and(b"c"), Fingerprint::of(b"a").and(b"bc"));
        assert_ne!(Fingerprint::of(b"a").and(b""), Fingerprint::of(b"a"));
    }
}
