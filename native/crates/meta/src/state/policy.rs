//! How volumes are protected and where they may live. Fixed at creation unless said otherwise:
//! `blocks_per_extent` decides where every byte lies.

use serde::{Deserialize, Serialize};
use shoal_types::{MapEpoch, PolicyId};

use super::disk::DiskClass;
use super::limits::{EXTENT_BLOCKS_MAX, PG_COUNT_MAX, REPLICAS_MAX};
use super::name::check_name;
use super::outcome::{Fault, Kind, Rejection};
use crate::codec::{codec_enum, codec_struct};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Policy {
    pub id: PolicyId,
    pub name: String,
    pub redundancy: Redundancy,
    pub failure_domain: FailureDomain,
    /// Members are of this class only.
    pub class: Option<DiskClass>,
    /// Fewer in-sync members than this, and writes wait.
    pub min_in_sync: u8,
    pub reads: ReadMode,
    pub blocks_per_extent: u32,
    pub pg_count: u32,
    /// Of the placement function that made the table.
    pub algorithm_version: u32,
    /// Map epoch of the newest change of its table.
    pub table_epoch: MapEpoch,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPolicy {
    pub name: String,
    pub redundancy: Redundancy,
    pub failure_domain: FailureDomain,
    pub class: Option<DiskClass>,
    pub min_in_sync: u8,
    #[serde(default)]
    pub reads: ReadMode,
    pub blocks_per_extent: u32,
    pub pg_count: u32,
    pub algorithm_version: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Redundancy {
    Replicas {
        copies: u8,
    },
    /// Reserved in formats; refused until there is erasure code.
    Erasure {
        data: u8,
        parity: u8,
    },
}

/// What may hold at most one member of a placement group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureDomain {
    Disk,
    Peer,
    Rack,
    Zone,
}

/// How reads stay linearizable when a head was taken over (docs/protocol.md rules 28, 29).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadMode {
    #[default]
    Lease,
    Confirmed,
}

impl Redundancy {
    /// Members of a whole placement group.
    pub const fn width(self) -> u8 {
        match self {
            Self::Replicas { copies } => copies,
            Self::Erasure { data, parity } => data.saturating_add(parity),
        }
    }

    pub(super) fn check(self) -> Result<(), Fault> {
        match self {
            Self::Replicas { copies } if (1..=REPLICAS_MAX).contains(&copies) => Ok(()),
            Self::Replicas { .. } => Err(Fault::Redundancy),
            Self::Erasure { .. } => Err(Fault::Unsupported),
        }
    }
}

impl NewPolicy {
    pub(super) fn check(&self) -> Result<(), Rejection> {
        check_name(Kind::Policy, &self.name)?;
        self.faults().map_err(|fault| Rejection::Invalid { what: Kind::Policy, fault })
    }

    fn faults(&self) -> Result<(), Fault> {
        self.redundancy.check()?;
        check_min_in_sync(self.min_in_sync, self.redundancy)?;
        if !self.pg_count.is_power_of_two() || self.pg_count > PG_COUNT_MAX {
            return Err(Fault::PgCount);
        }
        let blocks = self.blocks_per_extent;
        if blocks == 0 || !blocks.is_multiple_of(32) || blocks > EXTENT_BLOCKS_MAX {
            return Err(Fault::ExtentBlocks);
        }
        Ok(())
    }

    pub(super) fn into_policy(self, id: PolicyId, epoch: MapEpoch) -> Policy {
        Policy {
            id,
            name: self.name,
            redundancy: self.redundancy,
            failure_domain: self.failure_domain,
            class: self.class,
            min_in_sync: self.min_in_sync,
            reads: self.reads,
            blocks_per_extent: self.blocks_per_extent,
            pg_count: self.pg_count,
            algorithm_version: self.algorithm_version,
            table_epoch: epoch,
        }
    }
}

pub(super) fn check_min_in_sync(count: u8, redundancy: Redundancy) -> Result<(), Fault> {
    if (1..=redundancy.width()).contains(&count) { Ok(()) } else { Err(Fault::MinInSync) }
}

codec_struct!(Policy {
    id,
    name,
    redundancy,
    failure_domain,
    class,
    min_in_sync,
    reads,
    blocks_per_extent,
    pg_count,
    algorithm_version,
    table_epoch,
});
codec_struct!(NewPolicy {
    name,
    redundancy,
    failure_domain,
    class,
    min_in_sync,
    reads,
    blocks_per_extent,
    pg_count,
    algorithm_version,
});
codec_enum!(Redundancy: u8 { 1 => Replicas { copies }, 2 => Erasure { data, parity } });
codec_enum!(FailureDomain: u8 { 1 => Disk, 2 => Peer, 3 => Rack, 4 => Zone });
codec_enum!(ReadMode: u8 { 1 => Lease, 2 => Confirmed });
