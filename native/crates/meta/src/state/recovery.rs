//! A cluster that lost most of its voters for good goes on from what one survivor knows.
//!
//! WHAT THE LOST VOTERS DECIDED LAST MAY BE MISSING HERE. So that nothing they may have given out is
//! ever given out again, every number jumps: incarnation, index, epochs and ids.

use shoal_types::{HeadEpoch, MapEpoch, PeerId};

use super::change_log::ChangeLog;
use super::cluster::ClusterState;
use super::event::Severity;
use super::upkeep::Upkeep;
use super::voters::Voters;
use crate::hex::PublicKey;

/// Entries, ids and map epochs that the lost voters may have been ahead.
const JUMP: u64 = 1 << 32;
/// Epochs of one head that they may have been ahead.
const EPOCH_JUMP: u32 = 1 << 16;

impl ClusterState {
    /// The state with which `survivor`, its only voter, begins the next incarnation.
    pub fn recovered(mut self, survivor: PeerId, authority_key: PublicKey, time_ms: u64) -> Self {
        assert!(self.peers.contains_key(&survivor), "the survivor is a member");
        self.incarnation = self.incarnation.checked_add(1).expect("incarnations exhausted");
        self.authority_key = authority_key;
        self.index += JUMP;
        self.time_ms = self.time_ms.max(time_ms);
        self.map_epoch = MapEpoch(self.map_epoch.0 + JUMP);
        self.topology_epoch = self.map_epoch;
        self.voters = Voters { voters: [survivor].into(), learners: Default::default() };
        let Upkeep { voted, never_vote, .. } = &mut self.upkeep;
        voted.insert(survivor);
        never_vote.remove(&survivor);
        self.jump_ids();
        self.jump_epochs();
        let name = &self.peers[&survivor].name;
        let message = format!(
            "the cluster was recovered from what {name} knew, as incarnation {}",
            self.incarnation
        );
        self.note(Severity::Error, "cluster_recovered", message, "cluster".into());
        self.derived.touched.clear();
        self.derived.changes = ChangeLog::starting_at(self.map_epoch);
        self
    }

    pub(super) fn jump_ids(&mut self) {
        let ids = &mut self.counters;
        let wide =
            [&mut ids.peer, &mut ids.disk, &mut ids.volume, &mut ids.lineage, &mut ids.layer];
        wide.into_iter().for_each(|id| *id += JUMP);
        ids.export += JUMP;
        ids.policy = ids.policy.checked_add(EPOCH_JUMP).expect("policy ids exhausted");
    }

    fn jump_epochs(&mut self) {
        for record in self.tables.values_mut().flat_map(|table| table.records_mut()) {
            record.jump();
        }
        for volume in self.volumes.values_mut() {
            volume.generation += u64::from(EPOCH_JUMP);
            let jumped = volume.head.epoch.0.checked_add(EPOCH_JUMP);
            volume.head.epoch = HeadEpoch(jumped.expect("epochs exhausted"));
            if let Some(attachment) = &mut volume.attachment {
                attachment.generation = volume.generation;
            }
        }
    }
}
