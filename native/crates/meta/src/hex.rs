//! Fixed-size random ids, keys and hashes: lower-case hex in JSON, plain bytes in binary.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// `N` opaque bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hex<const N: usize>(pub [u8; N]);

/// Names a cluster for ever.
pub type ClusterId = Hex<16>;
/// Written into a store's superblock when it is made.
pub type StoreUuid = Hex<16>;
/// Drawn anew by each data process; two processes of one peer never share it.
pub type ProcessNonce = Hex<16>;
/// Names a proposal, so that a retry is applied once.
pub type ProposalId = Hex<16>;
/// An Ed25519 public key.
pub type PublicKey = Hex<32>;
/// SHA-256 of a join token's secret.
pub type TokenHash = Hex<32>;

impl<const N: usize> Hex<N> {
    /// Reads exactly `2 * N` lower-case hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 2 * N {
            return None;
        }
        let mut bytes = [0u8; N];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = digit(digits[2 * i])? << 4 | digit(digits[2 * i + 1])?;
        }
        Some(Self(bytes))
    }
}

impl Hex<16> {
    pub const fn from_u128(value: u128) -> Self {
        Self(value.to_be_bytes())
    }
}

fn digit(ascii: u8) -> Option<u8> {
    match ascii {
        b'0'..=b'9' => Some(ascii - b'0'),
        b'a'..=b'f' => Some(ascii - b'a' + 10),
        _ => None,
    }
}

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<const N: usize> fmt::Debug for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(format!("want {} hex digits", 2 * N)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_refusals() {
        let id = Hex::<4>([0, 0x1f, 0xab, 0xff]);
        assert_eq!(id.to_string(), "001fabff");
        assert_eq!(Hex::<4>::parse("001fabff"), Some(id));
        for bad in ["", "001fabf", "001fabff0", "001FABFF", "001fabfg", "+01fabff"] {
            assert_eq!(Hex::<4>::parse(bad), None, "{bad}");
        }
    }
}
