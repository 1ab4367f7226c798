//! After the faults: the world is healed, must become whole, and is checked.

use std::collections::BTreeSet;

use shoal_types::{BlockState, LayerId, VolumeId};

use super::World;
use crate::check::is_linearizable;

impl World {
    pub fn heal(&mut self) {
        self.note(|| "healing".to_owned());
        self.healing = true;
        self.net.unblock_all();
        for peer in 0..self.plan.peers {
            self.peers[peer as usize].paused_until_us = 0;
            self.restart_peer(peer);
        }
    }

    /// Everything answered, everyone in sync, and everything read once more. Called after each
    /// event, it also takes the steps that lead there.
    pub fn is_whole(&mut self) -> bool {
        if !self.clients.rest {
            self.clients.rest = true;
        }
        if !self.clients.is_idle() || !self.is_in_sync() || !self.has_heads() {
            return false;
        }
        let volumes: Vec<VolumeId> = self.cluster.volumes.keys().copied().collect();
        let mut whole = true;
        for volume in volumes {
            match self.clients.final_reads.get(&volume) {
                Some(true) => {}
                Some(false) => {
                    // It failed (a head ended): again.
                    self.clients.final_reads.remove(&volume);
                    whole = false;
                }
                None => {
                    self.read_all(volume);
                    whole = false;
                }
            }
        }
        whole
    }

    fn is_in_sync(&self) -> bool {
        // A full disk cannot take its share back.
        let tight = self.plan.is_tight();
        tight || self.cluster.records.values().all(|r| r.in_sync.len() == r.members.len())
    }

    fn has_heads(&self) -> bool {
        self.cluster.volumes.iter().all(|(volume, record)| {
            let serves = |h: &super::HeadProcess| {
                h.volume == *volume && h.head_epoch == record.head_epoch && h.active
            };
            self.heads.values().any(serves)
        })
    }

    pub fn not_whole(&self) -> String {
        let out = |r: &&shoal_engine::insync::PgRecord| r.in_sync.len() < r.members.len();
        let records: Vec<_> = self.cluster.records.values().filter(out).collect();
        let status: Vec<_> = self.heads.values().map(|h| (h.volume, h.head.status())).collect();
        let progress: Vec<_> =
            self.disks.values().filter_map(|d| d.member.as_ref()).map(|m| m.progress()).collect();
        format!(
            "oldest request {}, out of sync {records:?}, heads {status:?}, resyncs {progress:?}",
            self.clients.oldest()
        )
    }

    pub fn check_end(&mut self) {
        let histories = std::mem::take(&mut self.clients.histories);
        for ((volume, sector), register) in &histories {
            if !is_linearizable(register) {
                let lines = register.lines().join("\n  ");
                return self.fail(format!(
                    "volume {volume} sector {sector} is not linearizable:\n  {lines}"
                ));
            }
        }
        self.check_members_agree();
    }

    fn check_members_agree(&mut self) {
        for record in self.cluster.records.clone().into_values() {
            let images: Vec<_> =
                record.in_sync.iter().map(|d| (*d, self.disks[d].store.durable())).collect();
            let keys: BTreeSet<(LayerId, u64)> = images
                .iter()
                .flat_map(|(_, image)| image.blocks.keys())
                .filter(|key| key.0 == record.pg)
                .map(|key| (key.1, key.2))
                .collect();
            for (layer, block) in keys {
                let content = |image: &crate::model_store::Image| {
                    let entry = image.blocks.get(&(record.pg, layer, block));
                    match entry.map(|e| &e.state) {
                        Some(BlockState::Data { data, .. }) => Some(data.clone()),
                        _ => None,
                    }
                };
                let first = content(images[0].1);
                if let Some((disk, _)) = images.iter().find(|(_, i)| content(i) != first) {
                    let other = images[0].0;
                    return self.fail(format!(
                        "{}: {disk} and {other} differ at {layer} block {block}",
                        record.pg
                    ));
                }
            }
        }
    }
}
