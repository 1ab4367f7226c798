//! What a command did. Part of the determinism: equal on every replica, kept for retries.

use std::fmt;

use serde::Serialize;
use shoal_engine::insync::InsyncError;
use shoal_types::{
    DiskId, HeadEpoch, LayerId, LineageId, PeerId, PgEpoch, PgId, PolicyId, VolumeId,
};

use crate::codec::{Codec, DecodeError, Reader, codec_enum, codec_struct};

pub type Outcome = Result<Applied, Rejection>;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Applied {
    Done,
    Peer {
        peer: PeerId,
    },
    Disk {
        disk: DiskId,
    },
    Policy {
        policy: PolicyId,
    },
    Volume {
        volume: VolumeId,
        lineage: LineageId,
        layer: LayerId,
    },
    Head {
        head_epoch: HeadEpoch,
    },
    Attached {
        generation: u64,
    },
    Export {
        export: u64,
        generation: u64,
    },
    /// One result per placement group asked for (or touched), in ascending order.
    Pgs {
        results: Vec<PgResult>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PgResult {
    pub pg: PgId,
    #[serde(flatten)]
    pub outcome: PgOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum PgOutcome {
    Changed { epoch: PgEpoch },
    Refused { reason: PgRefused },
}

/// Why one placement group did not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum PgRefused {
    /// No such placement group, or it has no members yet.
    Unknown,
    /// It changed since; look again.
    Stale {
        current: PgEpoch,
    },
    NotMember,
    NotInSync,
    /// The disk is the last that holds every acknowledged write: the group blocks instead.
    LastInSync,
    AlreadyInSync,
    /// Another disk is joining.
    Busy {
        disk: DiskId,
    },
    /// The disk is not joining under this epoch.
    NoSession,
    /// The source is not in sync, or worth nothing itself.
    BadSource,
    BadMembers,
}

impl From<InsyncError> for PgRefused {
    fn from(error: InsyncError) -> Self {
        match error {
            InsyncError::Stale { epoch } => Self::Stale { current: epoch },
            InsyncError::NotMember => Self::NotMember,
            InsyncError::NotInSync => Self::NotInSync,
            InsyncError::LastInSync => Self::LastInSync,
            InsyncError::AlreadyInSync => Self::AlreadyInSync,
            InsyncError::Busy { joining } => Self::Busy { disk: joining },
            InsyncError::NoSession => Self::NoSession,
            InsyncError::BadSource => Self::BadSource,
            InsyncError::BadMembers => Self::BadMembers,
        }
    }
}

/// Why a command changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Rejection {
    NotFound {
        what: Kind,
        id: u64,
    },
    /// The name, key or path is taken by `id`.
    Exists {
        what: Kind,
        id: u64,
    },
    /// Compare-and-set: it changed since the asker looked.
    Stale {
        what: Kind,
        expected: u64,
        current: u64,
    },
    /// Something still needs it.
    InUse {
        what: Kind,
        id: u64,
        by: Kind,
        by_id: u64,
    },
    Invalid {
        what: Kind,
        fault: Fault,
    },
    Limit {
        what: Kind,
        max: u64,
    },
    /// Attached by another peer; detach it there, or take it over.
    Attached {
        volume: VolumeId,
        peer: PeerId,
        generation: u64,
    },
    /// Not attached by this peer under this generation.
    NotAttached {
        volume: VolumeId,
        generation: u64,
    },
    /// The head's owner may still hold its lease.
    HeadHeld {
        volume: VolumeId,
        peer: PeerId,
        head_epoch: HeadEpoch,
    },
    TokenUsed {
        peer: PeerId,
    },
    TokenExpired {
        expires_ms: u64,
    },
    /// The cluster level does not allow it yet: `cluster upgrade`.
    Level {
        needed: u32,
        level: u32,
    },
    /// One placement group's new members break a rule; nothing was changed.
    Placement {
        pg: PgId,
        fault: Fault,
    },
    /// The group goes on from nothing older: `disk` is in sync, and its owner is there.
    Served {
        pg: PgId,
        disk: DiskId,
        peer: PeerId,
    },
}

/// What a rejection is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Cluster,
    Peer,
    Disk,
    Policy,
    Pg,
    Volume,
    Head,
    Attachment,
    Export,
    Token,
    Voter,
    Map,
    Event,
}

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    Name,
    Text,
    Address,
    Size,
    BlockSize,
    Shrink,
    Weight,
    Redundancy,
    MinInSync,
    PgCount,
    ExtentBlocks,
    Count,
    Duplicate,
    UnknownDisk,
    DiskOut,
    WrongClass,
    WrongLabel,
    SameDomain,
    LosesInSync,
    Algorithm,
    Order,
    Basis,
    Deleting,
    State,
    Unsupported,
    Witness,
    Lease,
}

impl Fault {
    /// The rule, for people.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Name => "a name is [a-z0-9][a-z0-9._-]{0,62}",
            Self::Text => "text is printable and at most 255 bytes",
            Self::Address => "1 to 16 addresses, each not empty",
            Self::Size => "a size is a multiple of 4 KiB, above 0 and at most 64 TiB",
            Self::BlockSize => "the block size is 512 or 4096",
            Self::Shrink => "a volume only grows",
            Self::Weight => "the weight is at most 2^31",
            Self::Redundancy => "1 to 7 replicas",
            Self::MinInSync => "min_in_sync lies between 1 and the number of replicas",
            Self::PgCount => "pg_count is a power of two, at most 262144",
            Self::ExtentBlocks => "blocks_per_extent is a multiple of 32, at most 65536",
            Self::Count => "too many or no members",
            Self::Duplicate => "the same twice",
            Self::UnknownDisk => "a member is not a disk of this cluster",
            Self::DiskOut => "a new member is not in",
            Self::WrongClass => "a member is of another class",
            Self::WrongLabel => "a member lacks a label",
            Self::SameDomain => "two members share a failure domain",
            Self::LosesInSync => "a member may leave only after its successor is in sync",
            Self::Algorithm => "an older placement algorithm",
            Self::Order => "it must grow",
            Self::Basis => "the judgement does not fit the head's owner",
            Self::Deleting => "it is being deleted",
            Self::State => "not in this state",
            Self::Unsupported => "this version does not do it",
            Self::Witness => "a witness votes and stores nothing",
            Self::Lease => "a lease lasts 1 to 60000 ms",
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { what, id } => write!(f, "no {what} {id}"),
            Self::Exists { what, id } => write!(f, "already taken by {what} {id}"),
            Self::Stale { what, expected, current } => {
                write!(f, "{what} changed: {expected} expected, {current} now")
            }
            Self::InUse { what, id, by, by_id } => {
                write!(f, "{what} {id} is in use by {by} {by_id}")
            }
            Self::Invalid { what, fault } => write!(f, "{what}: {}", fault.rule()),
            Self::Limit { what, max } => write!(f, "at most {max} of {what}"),
            Self::Attached { volume, peer, generation } => {
                write!(f, "volume {volume} is attached by peer {peer} (generation {generation})")
            }
            Self::NotAttached { volume, generation } => {
                write!(f, "volume {volume} is not attached so (generation now {generation})")
            }
            Self::HeadHeld { volume, peer, head_epoch } => {
                write!(f, "peer {peer} may still serve volume {volume} ({head_epoch:?})")
            }
            Self::TokenUsed { peer } => write!(f, "the token was used by peer {peer}"),
            Self::TokenExpired { .. } => write!(f, "the token has expired"),
            Self::Level { needed, level } => {
                write!(f, "needs cluster level {needed}, the cluster is at {level}")
            }
            Self::Placement { pg, fault } => write!(f, "{pg}: {}", fault.rule()),
            Self::Served { pg, disk, peer } => write!(
                f,
                "{pg} has a copy in sync on disk {}, which peer {peer} is there to serve",
                disk.0
            ),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cluster => "cluster",
            Self::Peer => "peer",
            Self::Disk => "disk",
            Self::Policy => "policy",
            Self::Pg => "placement group",
            Self::Volume => "volume",
            Self::Head => "head",
            Self::Attachment => "attachment",
            Self::Export => "export",
            Self::Token => "token",
            Self::Voter => "voter",
            Self::Map => "topology map",
            Self::Event => "event",
        })
    }
}

/// `{"applied": {...}}` or `{"rejected": {"code", "message", ...}}`.
pub fn outcome_json(outcome: &Outcome) -> serde_json::Value {
    match outcome {
        Ok(applied) => serde_json::json!({ "applied": applied }),
        Err(rejection) => {
            let mut value = serde_json::json!(rejection);
            value["message"] = rejection.to_string().into();
            serde_json::json!({ "rejected": value })
        }
    }
}

codec_enum!(Applied: u8 {
    1 => Done,
    2 => Peer { peer },
    3 => Disk { disk },
    4 => Policy { policy },
    5 => Volume { volume, lineage, layer },
    6 => Head { head_epoch },
    7 => Attached { generation },
    8 => Export { export, generation },
    9 => Pgs { results },
});
codec_struct!(PgResult { pg, outcome });
codec_enum!(PgOutcome: u8 { 1 => Changed { epoch }, 2 => Refused { reason } });
codec_enum!(PgRefused: u8 {
    1 => Unknown, 2 => Stale { current }, 3 => NotMember, 4 => NotInSync, 5 => LastInSync,
    6 => AlreadyInSync, 7 => Busy { disk }, 8 => NoSession, 9 => BadSource, 10 => BadMembers,
});
codec_enum!(Rejection: u8 {
    1 => NotFound { what, id },
    2 => Exists { what, id },
    3 => Stale { what, expected, current },
    4 => InUse { what, id, by, by_id },
    5 => Invalid { what, fault },
    6 => Limit { what, max },
    7 => Attached { volume, peer, generation },
    8 => NotAttached { volume, generation },
    9 => HeadHeld { volume, peer, head_epoch },
    10 => TokenUsed { peer },
    11 => TokenExpired { expires_ms },
    12 => Level { needed, level },
    13 => Placement { pg, fault },
    14 => Served { pg, disk, peer },
});
codec_enum!(Kind: u8 {
    1 => Cluster, 2 => Peer, 3 => Disk, 4 => Policy, 5 => Pg, 6 => Volume, 7 => Head,
    8 => Attachment, 9 => Export, 10 => Token, 11 => Voter, 12 => Map, 13 => Event,
});
codec_enum!(Fault: u8 {
    1 => Name, 2 => Text, 3 => Address, 4 => Size, 5 => BlockSize, 6 => Shrink, 7 => Weight,
    8 => Redundancy, 9 => MinInSync, 10 => PgCount, 11 => ExtentBlocks, 12 => Count,
    13 => Duplicate, 14 => UnknownDisk, 15 => DiskOut, 16 => WrongClass, 17 => SameDomain,
    18 => LosesInSync, 19 => Algorithm, 20 => Order, 21 => Basis, 22 => Deleting, 23 => State,
    24 => Unsupported, 25 => WrongLabel, 26 => Witness, 27 => Lease,
});

impl Codec for Outcome {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Ok(applied) => {
                out.push(1);
                applied.put(out);
            }
            Err(rejection) => {
                out.push(2);
                rejection.put(out);
            }
        }
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match u8::get(reader)? {
            1 => Applied::get(reader).map(Ok),
            2 => Rejection::get(reader).map(Err),
            tag => {
                let tag = u32::from(tag);
                Err(DecodeError::UnknownTag { what: "Outcome", tag })
            }
        }
    }
}
