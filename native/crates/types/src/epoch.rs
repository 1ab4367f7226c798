//! Numbers that only grow. Whoever shows an older one is refused.

use std::fmt;

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident, $raw:ty, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(transparent))]
        pub struct $name(pub $raw);

        impl $name {
            pub const ZERO: Self = Self(0);

            /// The following number. Panics at the end of the range: a number is never reused.
            pub fn next(self) -> Self {
                Self(self.0.checked_add(1).expect("epoch exhausted"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

counter!(
    /// Epoch of the topology map.
    MapEpoch, u64, "me"
);
counter!(
    /// `he`: one per take of a volume's head, also by the same process (protocol.md rule 11).
    HeadEpoch, u32, "he"
);
counter!(
    /// `pe`: one per change of a PG's in-sync set or joiner (protocol.md rule 1).
    PgEpoch, u32, "pe"
);
counter!(
    /// Number of a write within one head epoch, across all PGs of the volume. 48 bits on disk.
    Seq, u64, "s"
);

impl Seq {
    pub const MAX: Self = Self((1 << 48) - 1);
}

/// Version of a block: which head wrote it, and as which of its writes. Ordered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Version {
    pub head_epoch: HeadEpoch,
    pub seq: Seq,
}

impl Version {
    pub const ZERO: Self = Self::new(0, 0);

    pub const fn new(head_epoch: u32, seq: u64) -> Self {
        Self { head_epoch: HeadEpoch(head_epoch), seq: Seq(seq) }
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.head_epoch.0, self.seq.0)
    }
}
