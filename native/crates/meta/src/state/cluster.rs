//! The whole cluster state and its getters. What changes it: `apply`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use shoal_engine::insync::PgRecord;
use shoal_types::{DiskId, MapEpoch, PeerId, PgId, PolicyId, VolumeId};

use super::change_log::{ChangeLog, Touched};
use super::counters::Counters;
use super::dedupe::Answers;
use super::disk::Disk;
use super::event::Event;
use super::fill::FillFactors;
use super::following::Following;
use super::growth::Growth;
use super::leases::Leases;
use super::limits::LEVEL_NEWEST;
use super::outcome::Rejection;
use super::peer::{NewPeer, Peer, Standing};
use super::pg::PgTable;
use super::placing::Placing;
use super::policy::Policy;
use super::restored::Restored;
use super::token::Token;
use super::upkeep::Upkeep;
use super::volume::{Export, Volume};
use super::voters::Voters;
use crate::codec::{
    Codec, DecodeError, Envelope, Reader, codec_struct, decode, encode, open, seal,
};
use crate::hex::{ClusterId, PublicKey, TokenHash};

/// What a cluster begins with; drawn and named by whoever founds it.
#[derive(Clone, Debug)]
pub struct Genesis {
    pub cluster_id: ClusterId,
    pub name: String,
    /// Signs nothing here; join tokens carry its fingerprint.
    pub authority_key: PublicKey,
    pub time_ms: u64,
    /// Becomes peer 1, the first voter.
    pub peer: NewPeer,
}

/// Equal logs give equal states, byte for byte.
#[derive(Clone, Debug)]
pub struct ClusterState {
    pub(super) cluster_id: ClusterId,
    pub(super) name: String,
    pub(super) authority_key: PublicKey,
    pub(super) incarnation: u32,
    pub(super) level: u32,
    /// Log index of the newest applied entry.
    pub(super) index: u64,
    pub(super) time_ms: u64,
    pub(super) map_epoch: MapEpoch,
    /// Newest map epoch that changed peers, disks or policies: what placement reads.
    pub(super) topology_epoch: MapEpoch,
    pub(super) counters: Counters,
    pub(super) voters: Voters,
    pub(super) peers: BTreeMap<PeerId, Peer>,
    pub(super) disks: BTreeMap<DiskId, Disk>,
    pub(super) policies: BTreeMap<PolicyId, Policy>,
    pub(super) tables: BTreeMap<PolicyId, PgTable>,
    pub(super) volumes: BTreeMap<VolumeId, Volume>,
    pub(super) exports: BTreeMap<u64, Export>,
    pub(super) tokens: BTreeMap<TokenHash, Token>,
    pub(super) events: VecDeque<Event>,
    pub(super) answers: Answers,
    pub(super) placing: Placing,
    pub(super) upkeep: Upkeep,
    pub(super) fill: FillFactors,
    pub(super) growth: Growth,
    pub(super) restored: Restored,
    pub(super) following: Following,
    pub(super) leases: Leases,
    pub(super) derived: Derived,
}

/// Not part of the state's bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Derived {
    pub(super) changes: ChangeLog,
    /// By the command that is being applied.
    pub(super) touched: BTreeSet<Touched>,
}

impl ClusterState {
    /// Index of the snapshot with which a cluster begins.
    pub const GENESIS_INDEX: u64 = 1;

    pub fn genesis(genesis: Genesis) -> Result<Self, Rejection> {
        super::name::check_name(super::Kind::Cluster, &genesis.name)?;
        genesis.peer.check()?;
        let first = PeerId(1);
        let peer = genesis.peer.into_peer(first, genesis.time_ms);
        Ok(Self {
            cluster_id: genesis.cluster_id,
            name: genesis.name,
            authority_key: genesis.authority_key,
            incarnation: 1,
            level: LEVEL_NEWEST,
            index: Self::GENESIS_INDEX,
            time_ms: genesis.time_ms,
            map_epoch: MapEpoch(1),
            topology_epoch: MapEpoch(1),
            counters: Counters { peer: 1, ..Counters::default() },
            voters: Voters { voters: [first].into(), learners: BTreeSet::new() },
            peers: [(first, peer)].into(),
            disks: BTreeMap::new(),
            policies: BTreeMap::new(),
            tables: BTreeMap::new(),
            volumes: BTreeMap::new(),
            exports: BTreeMap::new(),
            tokens: BTreeMap::new(),
            events: VecDeque::new(),
            answers: Answers::default(),
            placing: Placing::default(),
            upkeep: Upkeep { voted: [first].into(), ..Upkeep::default() },
            fill: FillFactors::default(),
            growth: Growth::default(),
            restored: Restored::default(),
            following: Following::default(),
            leases: Leases::default(),
            derived: Derived { changes: ChangeLog::starting_at(MapEpoch(1)), ..Derived::default() },
        })
    }

    pub fn cluster_id(&self) -> ClusterId {
        self.cluster_id
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn authority_key(&self) -> PublicKey {
        self.authority_key
    }

    pub fn incarnation(&self) -> u32 {
        self.incarnation
    }

    pub fn level(&self) -> u32 {
        self.level
    }

    pub fn index(&self) -> u64 {
        self.index
    }

    /// Cluster time: the greatest wall clock that a proposer showed.
    pub fn time_ms(&self) -> u64 {
        self.time_ms
    }

    pub fn map_epoch(&self) -> MapEpoch {
        self.map_epoch
    }

    pub fn topology_epoch(&self) -> MapEpoch {
        self.topology_epoch
    }

    pub fn counters(&self) -> Counters {
        self.counters
    }

    pub fn voters(&self) -> &Voters {
        &self.voters
    }

    pub fn peers(&self) -> &BTreeMap<PeerId, Peer> {
        &self.peers
    }

    pub fn peer_by_key(&self, key: &PublicKey) -> Option<&Peer> {
        self.peers.values().find(|peer| peer.public_key == *key)
    }

    pub fn disks(&self) -> &BTreeMap<DiskId, Disk> {
        &self.disks
    }

    pub fn disks_of(&self, peer: PeerId) -> impl Iterator<Item = &Disk> {
        self.disks.values().filter(move |disk| disk.peer == peer)
    }

    pub fn policies(&self) -> &BTreeMap<PolicyId, Policy> {
        &self.policies
    }

    pub fn table(&self, policy: PolicyId) -> Option<&PgTable> {
        self.tables.get(&policy)
    }

    pub fn tables(&self) -> &BTreeMap<PolicyId, PgTable> {
        &self.tables
    }

    pub fn pg(&self, pg: PgId) -> Option<&PgRecord> {
        self.tables.get(&pg.policy)?.get(pg.index)
    }

    /// Its owner said so, and has not taken it back: also of one that was given up since.
    pub fn is_disk_down(&self, disk: DiskId) -> bool {
        let is_down = |disk: &Disk| disk.state == Standing::Down;
        self.disks.get(&disk).is_some_and(is_down) || self.is_given_up_alone(disk)
    }

    /// Given up because it was down while its peer was there.
    pub fn is_given_up_alone(&self, disk: DiskId) -> bool {
        self.upkeep.given_up.contains(&disk) && self.upkeep.disks_down.contains_key(&disk)
    }

    /// Active volumes and tombstones.
    pub fn volumes(&self) -> &BTreeMap<VolumeId, Volume> {
        &self.volumes
    }

    /// Active volumes only: a deleted one's name is free at once.
    pub fn volume_by_name(&self, name: &str) -> Option<&Volume> {
        self.volumes.values().find(|v| v.is_active() && v.name == name)
    }

    pub fn exports(&self) -> &BTreeMap<u64, Export> {
        &self.exports
    }

    pub fn tokens(&self) -> &BTreeMap<TokenHash, Token> {
        &self.tokens
    }

    pub fn upkeep(&self) -> &Upkeep {
        &self.upkeep
    }

    /// Oldest first.
    pub fn events(&self) -> &VecDeque<Event> {
        &self.events
    }

    /// What of the map changed after `epoch`; `None` when that is too long ago.
    pub fn changed_after(&self, epoch: MapEpoch) -> Option<BTreeSet<Touched>> {
        self.derived.changes.after(epoch)
    }

    /// The snapshot: equal on every replica at the same index.
    pub fn encode(&self) -> Vec<u8> {
        seal(SNAPSHOT, &encode(self))
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (body, _) = open(SNAPSHOT, bytes)?;
        let mut state: Self = decode(body)?;
        state.check_references()?;
        // Older snapshots do not say who voted: at least those who do.
        state.upkeep.voted.extend(&state.voters.voters);
        state.derived.changes = ChangeLog::starting_at(state.map_epoch);
        Ok(state)
    }

    /// A snapshot with a good checksum can still come from a broken writer: what `apply` relies
    /// on is checked before it is let in.
    fn check_references(&self) -> Result<(), DecodeError> {
        let tables = self.policies.len() == self.tables.len()
            && self.policies.values().all(|policy| {
                self.tables.get(&policy.id).is_some_and(|t| t.len() == policy.pg_count as usize)
            });
        let volumes = self
            .volumes
            .values()
            .all(|volume| !volume.layers.is_empty() && self.policies.contains_key(&volume.policy));
        let grains = self.growth.grains.iter().all(|(volume, grain)| {
            let policy = self.volumes.get(volume).and_then(|v| self.policies.get(&v.policy));
            grain.is_power_of_two() && policy.is_some_and(|policy| *grain < policy.pg_count)
        });
        let disks = self.disks.values().all(|disk| self.peers.contains_key(&disk.peer));
        let following = self.following.0.iter().all(|id| self.policies.contains_key(id));
        let heads = self.leases.confirmed.iter().all(|id| self.volumes.contains_key(id));
        let voters = self.voters.voters.iter().chain(&self.voters.learners);
        let known = voters.clone().all(|peer| self.peers.contains_key(peer));
        if tables
            && volumes
            && grains
            && following
            && heads
            && disks
            && known
            && !self.voters.voters.is_empty()
        {
            Ok(())
        } else {
            Err(DecodeError::Malformed { what: "references of a snapshot" })
        }
    }
}

/// Snapshots grow with placement groups and volumes; far above any cluster the limits allow.
/// Version 2 added `placing`, version 3 `upkeep`, version 4 `fill`, version 5 `growth`,
/// version 6 `restored`, version 7 `following`, version 8 `leases`.
const SNAPSHOT: Envelope = Envelope { magic: *b"SHST", version: 8, body_max: 1 << 30 };

/// Derived: no bytes of its own.
impl Codec for Derived {
    fn put(&self, _: &mut Vec<u8>) {}

    fn get(_: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self::default())
    }
}

codec_struct!(ClusterState {
    cluster_id,
    name,
    authority_key,
    incarnation,
    level,
    index,
    time_ms,
    map_epoch,
    topology_epoch,
    counters,
    voters,
    peers,
    disks,
    policies,
    tables,
    volumes,
    exports,
    tokens,
    events,
    answers,
    placing,
    upkeep,
    fill,
    growth,
    restored,
    following,
    leases,
    derived,
});
