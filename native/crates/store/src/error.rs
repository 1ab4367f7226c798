//! Why a store cannot be made or opened.

use std::fmt;

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
    /// Written by a newer version: these feature bits (incompatible ones, or ones that forbid writing)
    /// or this format are unknown.
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

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSmall { least_bytes } => {
                write!(f, "too small for a store: {} MiB are the least", least_bytes >> 20)
            }
            Self::TooLarge { most_bytes } => {
                write!(f, "too large for a store: {} TiB are the most", most_bytes >> 40)
            }
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for RecoveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::NoStore => f.write_str("no store is on it"),
            Self::DamagedSuperblock => f.write_str("both copies of its superblock are damaged"),
            Self::Newer { incompat, major } => write!(
                f,
                "its store was written by a newer version of Shoal (format {major}, features \
                 {incompat:#x})"
            ),
            Self::ForeignCluster { found } => {
                f.write_str("its store belongs to another cluster: ")?;
                found.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::OtherDisk { found } => write!(f, "it holds the store of disk {found}"),
            Self::DeviceTooSmall { need_bytes } => {
                write!(f, "it has become smaller than its store, which needs {need_bytes} bytes")
            }
            Self::Damaged { what } => write!(f, "its store is damaged: {what}"),
            Self::SelfTest => f.write_str("this machine computes wrong checksums"),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("no root is whole"),
            Self::DataLogMiddle { end, found } => {
                write!(f, "the data log ends at {end} and goes on at {found}")
            }
            Self::MetaLogMiddle { end, found } => {
                write!(f, "the metadata log ends at {end} and goes on at {found}")
            }
            Self::DataLogShort { end, seen } => {
                write!(f, "the data log ends at {end}, and had come to {seen}")
            }
            Self::MetaLogShort { end, seen } => {
                write!(f, "the metadata log ends at {end}, and had come to {seen}")
            }
            Self::Record { lsn } => write!(f, "a record at {lsn} of a log makes no sense"),
            Self::IndexPage { cell } => write!(f, "the index page in cell {cell} fails its checks"),
            Self::IndexTiling { pg } => write!(f, "the index of group {pg} has gaps"),
            Self::CellShared { cell } => write!(f, "cell {cell} has two owners"),
            Self::CellRange { cell } => write!(f, "cell {cell} is outside of the disk"),
        }
    }
}
