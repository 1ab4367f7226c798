//! Why a store cannot be made or opened.

use shoal_types::DiskId;

use crate::io::IoError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormatError {
    /// The disk is smaller than the smallest store.
    TooSmall {
        least_bytes: u64,
    },
    /// The disk is larger than cell addresses reach.
    TooLarge {
        most_bytes: u64,
    },
    Io(IoError),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecoveryError {
    Io(IoError),
    /// Neither superblock copy is one of ours.
    NoStore,
    /// Both superblock copies are damaged.
    DamagedSuperblock,
    /// Written by a newer version: these feature bits or this format are unknown.
    Newer {
        incompat: u64,
        major: u16,
    },
    /// A store of another cluster.
    ForeignCluster {
        found: [u8; 16],
    },
    /// Another disk's store.
    OtherDisk {
        found: DiskId,
    },
    /// The disk has shrunk below what the store was made for.
    DeviceTooSmall {
        need_bytes: u64,
    },
    /// Metadata is damaged or missing: the store takes part in nothing until it is rebuilt.
    Damaged {
        what: Damage,
    },
    /// This machine computes wrong checksums.
    SelfTest,
}

/// Which part of the metadata is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// No root is whole.
    Root,
    /// A batch lies behind the end of the log's chain: the middle is damaged.
    DataLogMiddle {
        end: u64,
        found: u64,
    },
    MetaLogMiddle {
        end: u64,
        found: u64,
    },
    /// The other log saw this log longer than it is.
    DataLogShort {
        end: u64,
        seen: u64,
    },
    MetaLogShort {
        end: u64,
        seen: u64,
    },
    /// A record of a valid batch makes no sense.
    Record {
        lsn: u64,
    },
    /// An index page fails its checks.
    IndexPage {
        cell: u64,
    },
    /// The index pages of a PG do not tile the hash range.
    IndexTiling {
        pg: u32,
    },
    /// Two owners for one cell.
    CellShared {
        cell: u64,
    },
    /// A cell outside of the disk.
    CellRange {
        cell: u64,
    },
}
