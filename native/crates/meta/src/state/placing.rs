//! What people say about where data lies and how it moves, beyond the policies' own fields: finer
//! rules, labels of disks, and how much may move at once.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use shoal_types::{DiskId, PeerId, PolicyId};

use super::disk::DiskClass;
use super::limits::{LABELS_MAX, MOVES_MAX, SHARDS_MAX};
use super::name::{check_text, is_name};
use super::outcome::{Fault, Kind, Rejection};
use super::policy::FailureDomain;
use crate::codec::{Codec, DecodeError, Reader, codec_enum, codec_struct};

/// How data moves when placement changes. Members that have to be made anew are never held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Movement {
    /// What is begun is finished; nothing else moves.
    pub paused: bool,
    /// Members that fill up at the same time.
    pub per_disk: u32,
    pub per_peer: u32,
    pub total: u32,
}

impl Default for Movement {
    fn default() -> Self {
        Self { paused: false, per_disk: 4, per_peer: 8, total: 64 }
    }
}

/// Beside the failure domain and the class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Most members of one group in one of these; one for the failure domain replaces its 1.
    pub max_per: BTreeMap<FailureDomain, u8>,
    /// Only disks that carry all of these.
    pub labels: BTreeSet<String>,
    pub localize: Option<Localize>,
}

/// One member of every group lies here, where the topology allows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Localize {
    Peer(PeerId),
    Zone(String),
}

/// A change of a policy's class: a plain option could not say "any" and "as it is".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassRule {
    Any,
    Only(DiskClass),
}

/// Since snapshot version 2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placing {
    pub movement: Movement,
    /// Only policies that have some.
    pub rules: BTreeMap<PolicyId, Rules>,
    /// Only disks that have some.
    pub labels: BTreeMap<DiskId, BTreeSet<String>>,
}

impl Movement {
    pub(super) fn check(&self) -> Result<(), Rejection> {
        let fits = [self.per_disk, self.per_peer, self.total].iter().all(|n| *n <= MOVES_MAX);
        if fits { Ok(()) } else { Err(invalid(Kind::Cluster, Fault::Count)) }
    }
}

impl Rules {
    pub(super) fn check(&self) -> Result<(), Rejection> {
        check_labels(Kind::Policy, &self.labels)?;
        if let Some(Localize::Zone(zone)) = &self.localize {
            check_text(Kind::Policy, zone)?;
        }
        let fits = |count: &u8| (1..=SHARDS_MAX).contains(count);
        let one_per_disk = self.max_per.get(&FailureDomain::Disk).is_none_or(|count| *count == 1);
        if !one_per_disk || !self.max_per.values().all(fits) {
            return Err(invalid(Kind::Policy, Fault::Count));
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

pub(super) fn check_labels(what: Kind, labels: &BTreeSet<String>) -> Result<(), Rejection> {
    if labels.len() > LABELS_MAX {
        return Err(invalid(what, Fault::Count));
    }
    if labels.iter().all(|label| is_name(label)) { Ok(()) } else { Err(invalid(what, Fault::Name)) }
}

fn invalid(what: Kind, fault: Fault) -> Rejection {
    Rejection::Invalid { what, fault }
}

codec_struct!(Movement { paused, per_disk, per_peer, total });
codec_struct!(Rules { max_per, labels, localize });
codec_enum!(Localize: u8 { 1 => Peer(peer), 2 => Zone(zone) });
codec_enum!(ClassRule: u8 { 1 => Any, 2 => Only(class) });

/// The last part of a snapshot; one of version 1 ends before it.
impl Codec for Placing {
    fn put(&self, out: &mut Vec<u8>) {
        self.movement.put(out);
        self.rules.put(out);
        self.labels.put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if reader.left() == 0 {
            return Ok(Self::default());
        }
        Ok(Self {
            movement: Codec::get(reader)?,
            rules: Codec::get(reader)?,
            labels: Codec::get(reader)?,
        })
    }
}
