//! Ids are counters handed out by the cluster state and never used twice (DESIGN 10).

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $raw:ty, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(transparent))]
        pub struct $name(pub $raw);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self, f)
            }
        }
    };
}

id!(
    /// One running daemon.
    PeerId, u64, "p"
);
id!(
    /// One disk, and the store on it; a PG's members are disks.
    DiskId, u64, "d"
);
id!(VolumeId, u64, "v");
id!(
    /// The layers of one volume; placement hashes it, so a clone (a new lineage) spreads anew.
    LineageId, u64, "n"
);
id!(
    /// The blocks written between two snapshots; index, CRC and wire name it instead of the volume.
    LayerId, u64, "l"
);
id!(PolicyId, u32, "y");

/// A placement group: the extents that share one ordered member list, within one policy.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PgId {
    pub policy: PolicyId,
    pub index: u32,
}

impl PgId {
    pub const fn new(policy: u32, index: u32) -> Self {
        Self { policy: PolicyId(policy), index }
    }
}

impl fmt::Debug for PgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pg{}.{}", self.policy.0, self.index)
    }
}

impl fmt::Display for PgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
