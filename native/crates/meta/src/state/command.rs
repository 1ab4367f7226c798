//! Everything that can change the cluster state. Plain data; JSON has `"type"` and snake_case.
//!
//! A variant's number is its place in the log for ever: a changed meaning or layout is a new
//! variant, gated by a cluster level.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use shoal_types::{DiskId, HeadEpoch, MapEpoch, PeerId, PgEpoch, PgId, PolicyId, VolumeId};

use super::disk::NewDisk;
use super::event::Severity;
use super::peer::{Address, Domains, NewPeer, Standing};
use super::placing::{ClassRule, Rules};
use super::policy::{FailureDomain, NewPolicy, ReadMode, Redundancy};
use super::upkeep::Settings;
use super::volume::{ExportKind, Via};
use crate::codec::{Codec, DecodeError, Reader, codec_enum, codec_struct};
use crate::hex::{ProcessNonce, StoreUuid, TokenHash};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    SetClusterLevel {
        level: u32,
    },
    /// After a recovery or an import; raised by one.
    RaiseIncarnation {
        expected: u32,
    },
    AddPeer {
        peer: NewPeer,
    },
    /// `None`: as it is.
    UpdatePeer {
        peer: PeerId,
        name: Option<String>,
        addresses: Option<Vec<Address>>,
        domains: Option<Domains>,
        state: Option<Standing>,
        maintenance_until_ms: Option<u64>,
    },
    /// Refused while it votes, owns disks, or has volumes attached.
    RemovePeer {
        peer: PeerId,
    },
    AddDisk {
        disk: NewDisk,
    },
    SetDisk {
        disk: DiskId,
        state: Option<Standing>,
        weight: Option<u32>,
        size_bytes: Option<u64>,
        reserve_bytes: Option<u64>,
        path: Option<String>,
        /// The disk was plugged in at another peer.
        peer: Option<PeerId>,
    },
    /// A store started: its number of starts grew. One that did not grow was rolled back.
    AnnounceStore {
        disk: DiskId,
        store: StoreUuid,
        session: u64,
    },
    /// The store lost writes: out of all its groups, and to be filled anew (rule 30).
    MarkStoreUnfit {
        disk: DiskId,
    },
    /// Refused while a placement group names it.
    RemoveDisk {
        disk: DiskId,
    },
    CreatePolicy {
        policy: NewPolicy,
    },
    SetPolicy {
        policy: PolicyId,
        name: Option<String>,
        min_in_sync: Option<u8>,
        reads: Option<ReadMode>,
    },
    DeletePolicy {
        policy: PolicyId,
    },
    /// Placement's next table, as far as it differs. Refused if peers, disks, policies or this
    /// table changed after the map epoch that it was computed from. All or nothing.
    SetPgTable {
        policy: PolicyId,
        expected_map_epoch: MapEpoch,
        algorithm_version: u32,
        changes: TableDelta,
    },
    /// Rule 18, for every group at once. Judged by the leader.
    PgRemove {
        target: Target,
        reason: RemovalReason,
        /// Only these groups, each only if it is still at this epoch; `None`: all of them.
        only: Option<Vec<(PgId, PgEpoch)>>,
    },
    /// Rules 19 and 25.
    PgJoin {
        items: Vec<JoinItem>,
    },
    /// Rule 26.
    PgInSync {
        items: Vec<InSyncItem>,
    },
    PgCancelJoin {
        pg: PgId,
        disk: DiskId,
        expected: PgEpoch,
    },
    CreateVolume {
        name: String,
        size_bytes: u64,
        block_size: u32,
        policy: PolicyId,
    },
    ResizeVolume {
        volume: VolumeId,
        size_bytes: u64,
        expected: u64,
    },
    RenameVolume {
        volume: VolumeId,
        name: String,
    },
    /// Leaves a tombstone until every member purged it.
    DeleteVolume {
        volume: VolumeId,
    },
    /// These disks hold nothing of the volume any more.
    PurgeDone {
        volume: VolumeId,
        disks: Vec<DiskId>,
    },
    /// Rule 11: always a new epoch. Judged by the leader.
    TakeHead {
        volume: VolumeId,
        peer: PeerId,
        process: ProcessNonce,
        generation: u64,
        expected: HeadEpoch,
        basis: TakeBasis,
    },
    /// The owner stopped answering BEFORE it asks.
    ReleaseHead {
        volume: VolumeId,
        peer: PeerId,
        process: ProcessNonce,
        head_epoch: HeadEpoch,
    },
    Attach {
        volume: VolumeId,
        peer: PeerId,
        via: Via,
        read_only: bool,
        queues: u16,
        /// Fence the attachment of this generation, whoever has it.
        takeover: Option<u64>,
    },
    /// Ends an attachment, or forgets a fenced one.
    Detach {
        volume: VolumeId,
        peer: PeerId,
        generation: u64,
    },
    CreateExport {
        volume: VolumeId,
        peer: PeerId,
        kind: ExportKind,
        path: String,
    },
    DeleteExport {
        export: u64,
    },
    CreateToken {
        hash: TokenHash,
        expires_ms: u64,
        witness: bool,
    },
    /// Admits a peer, once.
    UseToken {
        hash: TokenHash,
        peer: NewPeer,
    },
    RevokeToken {
        hash: TokenHash,
    },
    RecordEvent {
        severity: Severity,
        code: String,
        message: String,
        subject: String,
    },
    /// How much moves at once; `None`: as it is.
    SetMovement {
        paused: Option<bool>,
        per_disk: Option<u32>,
        per_peer: Option<u32>,
        total: Option<u32>,
    },
    /// Where a policy's members may lie; `None`: as it is.
    SetPolicyPlacement {
        policy: PolicyId,
        redundancy: Option<Redundancy>,
        min_in_sync: Option<u8>,
        failure_domain: Option<FailureDomain>,
        class: Option<ClassRule>,
        rules: Option<Rules>,
    },
    SetDiskLabels {
        disk: DiskId,
        labels: BTreeSet<String>,
    },
    SetSettings {
        settings: Settings,
    },
    /// The voter lost its log: it must never vote again under this id. Only the leader says so.
    NeverVote {
        peer: PeerId,
    },
    /// The peer stops in order: its disks leave the groups that have enough copies without them,
    /// and it counts as down until it returns.
    LeavePeer {
        peer: PeerId,
        process: ProcessNonce,
    },
    /// Another process of a peer that had left serves again.
    ReturnPeer {
        peer: PeerId,
    },
    /// Gone for too long: out, until they come back.
    GiveUpDisks {
        disks: Vec<DiskId>,
    },
    /// Back before anything else took their place, or after: in again.
    TakeBackDisks {
        disks: Vec<DiskId>,
    },
    /// DATA MAY BE LOST: a member that is not in sync becomes the only one that is, for every
    /// holder of newer writes is gone for good. Only a person orders it.
    PgPromote {
        pg: PgId,
        disk: DiskId,
        expected: PgEpoch,
    },
    /// Corrections of shares by measured fill, in 1/1024; disks that are not named keep theirs.
    SetFillFactors {
        factors: Vec<(DiskId, u16)>,
    },
    /// How fast data moves, in bytes per second, 0: as it goes; `None`: as it is.
    SetMoveRates {
        disk_rate: Option<u64>,
        peer_rate: Option<u64>,
    },
    /// More placement groups, a power of two. Volumes that are there keep to the old ones.
    GrowPolicy {
        policy: PolicyId,
        expected: u32,
        pg_count: u32,
    },
    /// After the cluster was restored from what its disks keep: a peer has this one, with this
    /// store, which had installed these epochs.
    ReturnDisk {
        disk: DiskId,
        store: StoreUuid,
        peer: PeerId,
        path: String,
        epochs: Vec<(PgId, PgEpoch)>,
    },
    /// Whether the leader grows its count of groups with the disks, or leaves it as it is.
    SetPolicyGrowth {
        policy: PolicyId,
        follows_disks: bool,
    },
    /// How long leases may run from now on. Judged by the leader.
    SetLongestLease {
        lease_ms: u64,
        expected: u64,
    },
}

/// What is taken out of its placement groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    Disk(DiskId),
    /// All its disks.
    Peer(PeerId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemovalReason {
    SessionLapsed,
    StoreOut,
    IndependentReports,
    LeaderProbe,
    /// A person, or the control plane on a person's behalf.
    Ordered,
}

/// Why the leader holds that no other head can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TakeBasis {
    /// Nobody owns it.
    Free,
    /// The owner is this peer: an earlier take of its own.
    Own,
    /// The owner's lease is over on the leader's clock.
    LeaseOver,
    /// The owner's head confirms its reads: no lease to wait for.
    Confirmed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinItem {
    pub pg: PgId,
    pub disk: DiskId,
    pub expected: PgEpoch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InSyncItem {
    pub pg: PgId,
    pub disk: DiskId,
    pub join_at: PgEpoch,
    pub source: DiskId,
}

/// Changed rows of a policy's table, in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TableDelta(pub Vec<PgMembers>);

/// The members of one group: those that shall stay, then those that leave once their successors
/// are in sync (they keep serving until a later change drops them).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PgMembers {
    pub index: u32,
    pub members: Vec<DiskId>,
    #[serde(default)]
    pub leaving: Vec<DiskId>,
}

impl Command {
    /// The cluster level from which on it may be committed.
    pub const fn level(&self) -> u32 {
        1
    }

    /// Rests on what only the leader can know (leases, probes): proposed by its service alone.
    pub const fn is_judged(&self) -> bool {
        matches!(
            self,
            Self::TakeHead { .. }
                | Self::PgRemove { .. }
                | Self::NeverVote { .. }
                | Self::SetLongestLease { .. }
        ) && !matches!(self, Self::PgRemove { reason: RemovalReason::Ordered, .. })
    }
}

impl From<shoal_engine::insync::RemovalReason> for RemovalReason {
    fn from(reason: shoal_engine::insync::RemovalReason) -> Self {
        use shoal_engine::insync::RemovalReason as Judged;
        match reason {
            Judged::SessionLapsed => Self::SessionLapsed,
            Judged::StoreOut => Self::StoreOut,
            Judged::IndependentReports => Self::IndependentReports,
            Judged::LeaderProbe => Self::LeaderProbe,
        }
    }
}

/// Two bytes per member: `disks u32 x id u64 (ascending) | rows u32 x (index u32, members u8,
/// leaving u8, position u16 each)`.
impl Codec for TableDelta {
    fn put(&self, out: &mut Vec<u8>) {
        let named = self.0.iter().flat_map(|row| row.members.iter().chain(&row.leaving));
        let mut disks: Vec<DiskId> = named.copied().collect();
        disks.sort_unstable();
        disks.dedup();
        disks.put(out);
        (self.0.len() as u32).put(out);
        for row in &self.0 {
            row.index.put(out);
            out.push(row.members.len() as u8);
            out.push(row.leaving.len() as u8);
            for disk in row.members.iter().chain(&row.leaving) {
                let position = disks.binary_search(disk).expect("collected above");
                (position as u16).put(out);
            }
        }
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let disks: Vec<DiskId> = Codec::get(reader)?;
        if disks.len() > super::limits::DISKS_MAX || !disks.is_sorted_by(|a, b| a < b) {
            return Err(DecodeError::Malformed { what: "disks of a table" });
        }
        let rows = reader.count()?;
        let mut delta = Vec::new();
        for _ in 0..rows {
            let index = u32::get(reader)?;
            let counts = (u8::get(reader)?, u8::get(reader)?);
            let mut list = |count: u8| -> Result<Vec<DiskId>, DecodeError> {
                (0..count).map(|_| get_disk(&disks, reader)).collect()
            };
            let (members, leaving) = (list(counts.0)?, list(counts.1)?);
            delta.push(PgMembers { index, members, leaving });
        }
        Ok(Self(delta))
    }
}

fn get_disk(disks: &[DiskId], reader: &mut Reader<'_>) -> Result<DiskId, DecodeError> {
    let position = u16::get(reader)? as usize;
    disks.get(position).copied().ok_or(DecodeError::Malformed { what: "member of a table" })
}

codec_enum!(Command: u16 {
    1 => SetClusterLevel { level },
    2 => RaiseIncarnation { expected },
    3 => AddPeer { peer },
    4 => UpdatePeer { peer, name, addresses, domains, state, maintenance_until_ms },
    5 => RemovePeer { peer },
    6 => AddDisk { disk },
    7 => SetDisk { disk, state, weight, size_bytes, reserve_bytes, path, peer },
    8 => AnnounceStore { disk, store, session },
    9 => MarkStoreUnfit { disk },
    10 => RemoveDisk { disk },
    11 => CreatePolicy { policy },
    12 => SetPolicy { policy, name, min_in_sync, reads },
    13 => DeletePolicy { policy },
    14 => SetPgTable { policy, expected_map_epoch, algorithm_version, changes },
    15 => PgRemove { target, reason, only },
    16 => PgJoin { items },
    17 => PgInSync { items },
    18 => PgCancelJoin { pg, disk, expected },
    19 => CreateVolume { name, size_bytes, block_size, policy },
    20 => ResizeVolume { volume, size_bytes, expected },
    21 => RenameVolume { volume, name },
    22 => DeleteVolume { volume },
    23 => PurgeDone { volume, disks },
    24 => TakeHead { volume, peer, process, generation, expected, basis },
    25 => ReleaseHead { volume, peer, process, head_epoch },
    26 => Attach { volume, peer, via, read_only, queues, takeover },
    27 => Detach { volume, peer, generation },
    28 => CreateExport { volume, peer, kind, path },
    29 => DeleteExport { export },
    30 => CreateToken { hash, expires_ms, witness },
    31 => UseToken { hash, peer },
    32 => RevokeToken { hash },
    33 => RecordEvent { severity, code, message, subject },
    34 => SetMovement { paused, per_disk, per_peer, total },
    35 => SetPolicyPlacement { policy, redundancy, min_in_sync, failure_domain, class, rules },
    36 => SetDiskLabels { disk, labels },
    37 => SetSettings { settings },
    38 => NeverVote { peer },
    39 => LeavePeer { peer, process },
    40 => ReturnPeer { peer },
    41 => GiveUpDisks { disks },
    42 => TakeBackDisks { disks },
    43 => PgPromote { pg, disk, expected },
    44 => SetFillFactors { factors },
    45 => SetMoveRates { disk_rate, peer_rate },
    46 => GrowPolicy { policy, expected, pg_count },
    47 => ReturnDisk { disk, store, peer, path, epochs },
    48 => SetPolicyGrowth { policy, follows_disks },
    49 => SetLongestLease { lease_ms, expected },
});
codec_enum!(Target: u8 { 1 => Disk(disk), 2 => Peer(peer) });
codec_enum!(RemovalReason: u8 {
    1 => SessionLapsed, 2 => StoreOut, 3 => IndependentReports, 4 => LeaderProbe, 5 => Ordered,
});
codec_enum!(TakeBasis: u8 { 1 => Free, 2 => Own, 3 => LeaseOver, 4 => Confirmed });
codec_struct!(JoinItem { pg, disk, expected });
codec_struct!(InSyncItem { pg, disk, join_at, source });
