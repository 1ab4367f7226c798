//! Who is away, who left in order, who votes: what the cluster remembers to look after itself.

use std::collections::BTreeSet;

use shoal_types::{DiskId, PeerId};

use super::super::change_log::Touched;
use super::super::cluster::ClusterState;
use super::super::event::Severity;
use super::super::outcome::{Applied, Kind, Outcome, PgOutcome, PgResult, Rejection};
use super::super::peer::Standing;
use super::super::upkeep::Settings;
use super::super::voters::ConfChange;
use crate::hex::ProcessNonce;

impl ClusterState {
    pub(super) fn set_settings(&mut self, settings: Settings) -> Outcome {
        self.upkeep.settings = settings;
        Ok(Applied::Done)
    }

    /// A removed peer's id, and one that forgot its votes, never votes (again).
    pub(super) fn may_vote(&self, peer: PeerId) -> bool {
        self.peers.contains_key(&peer) && !self.upkeep.never_vote.contains(&peer)
    }

    pub(super) fn note_voter(&mut self, change: ConfChange) {
        let peer = change.peer();
        let name = self.peers.get(&peer).map_or_else(|| peer.to_string(), |p| p.name.clone());
        let (code, message) = match change {
            ConfChange::AddLearner { .. } => return,
            ConfChange::AddVoter { .. } => {
                self.upkeep.voted.insert(peer);
                ("voter_added", format!("{name} votes"))
            }
            ConfChange::Remove { .. } => {
                ("voter_removed", format!("{name} does not vote any more"))
            }
        };
        self.note(Severity::Info, code, message, format!("peer {}", peer.0));
    }

    pub(super) fn never_vote(&mut self, id: PeerId) -> Outcome {
        let name = self.peer(id)?.name.clone();
        if self.upkeep.never_vote.insert(id) {
            let message =
                format!("{name} lost its consensus log: under this id it never votes again");
            self.note(Severity::Error, "voter_lost_log", message, format!("peer {}", id.0));
        }
        Ok(Applied::Done)
    }

    pub(super) fn note_standing(&mut self, id: PeerId, standing: Standing) {
        let (down, now_ms) = (&mut self.upkeep.peers_down, self.time_ms);
        match standing {
            Standing::Down => drop(down.entry(id).or_insert(now_ms)),
            Standing::In | Standing::Draining | Standing::Out => drop(down.remove(&id)),
        }
    }

    /// Whatever was decided about the disk by hand ends what was decided by time.
    pub(super) fn note_disk_standing(&mut self, id: DiskId, standing: Standing) {
        self.upkeep.given_up.remove(&id);
        let (down, now_ms) = (&mut self.upkeep.disks_down, self.time_ms);
        match standing {
            Standing::Down => drop(down.entry(id).or_insert(now_ms)),
            Standing::In | Standing::Draining | Standing::Out => drop(down.remove(&id)),
        }
    }

    /// Groups that would have fewer copies than their policy asks for keep the member: writes wait
    /// for its return either way, and a cluster that stops as a whole keeps `min_in_sync` holders.
    pub(super) fn leave_peer(&mut self, id: PeerId, process: ProcessNonce) -> Outcome {
        let name = self.peer(id)?.name.clone();
        let disks: BTreeSet<DiskId> = self.disks_of(id).map(|disk| disk.id).collect();
        let mut results = Vec::new();
        for (policy, table) in &mut self.tables {
            let needed = usize::from(self.policies[policy].min_in_sync);
            for record in table.records_mut() {
                let before = record.epoch;
                let joiner = record.joining.map(|j| j.disk).filter(|disk| disks.contains(disk));
                if let Some(disk) = joiner {
                    record.cancel_join(disk, None).expect("it is joining");
                }
                let own: Vec<DiskId> =
                    record.in_sync.iter().copied().filter(|d| disks.contains(d)).collect();
                for disk in own {
                    if record.in_sync.len() > needed.max(1) {
                        record.remove(disk, None).expect("in sync, and not the last one");
                    }
                }
                if record.epoch != before {
                    let outcome = PgOutcome::Changed { epoch: record.epoch };
                    results.push(PgResult { pg: record.pg, outcome });
                }
            }
        }
        self.touch_pgs(results.iter().map(|r| r.pg));
        self.upkeep.left.insert(id, process);
        self.set_standing(id, Standing::In, Standing::Down);
        let message = format!("{name} stopped in order");
        self.note(Severity::Info, "peer_left", message, format!("peer {}", id.0));
        Ok(Applied::Pgs { results })
    }

    pub(super) fn return_peer(&mut self, id: PeerId) -> Outcome {
        let name = self.peer(id)?.name.clone();
        if self.upkeep.left.remove(&id).is_some() {
            self.set_standing(id, Standing::Down, Standing::In);
            let message = format!("{name} is back");
            self.note(Severity::Info, "peer_returned", message, format!("peer {}", id.0));
        }
        Ok(Applied::Done)
    }

    fn set_standing(&mut self, id: PeerId, from: Standing, to: Standing) {
        let peer = self.peers.get_mut(&id).expect("looked up by the same command");
        if peer.state == from {
            peer.state = to;
            self.note_standing(id, to);
            self.touch(Touched::Peer(id));
        }
    }

    pub(super) fn give_up_disks(&mut self, disks: &[DiskId]) -> Outcome {
        self.check_disks(disks)?;
        for id in disks {
            let disk = self.disks.get_mut(id).expect("checked above");
            // One that has still to come back may hold the only newest copy: people decide.
            let is_missing = self.restored.missing.contains(id);
            if is_missing || !matches!(disk.state, Standing::In | Standing::Down) {
                continue;
            }
            disk.state = Standing::Out;
            let path = disk.path.clone();
            self.upkeep.given_up.insert(*id);
            self.touch(Touched::Disk(*id));
            let message =
                format!("disk {} ({path}) is gone for too long: its data is made anew", id.0);
            self.note(Severity::Warn, "disk_given_up", message, format!("disk {}", id.0));
        }
        Ok(Applied::Done)
    }

    pub(super) fn take_back_disks(&mut self, disks: &[DiskId]) -> Outcome {
        self.check_disks(disks)?;
        for id in disks {
            if !self.upkeep.given_up.remove(id) {
                continue;
            }
            self.upkeep.disks_down.remove(id);
            self.disks.get_mut(id).expect("checked above").state = Standing::In;
            self.touch(Touched::Disk(*id));
            let message = format!("disk {} is back", id.0);
            self.note(Severity::Info, "disk_returned", message, format!("disk {}", id.0));
        }
        Ok(Applied::Done)
    }

    fn check_disks(&self, disks: &[DiskId]) -> Result<(), Rejection> {
        let missing = disks.iter().find(|id| !self.disks.contains_key(id));
        missing.map_or(Ok(()), |id| Err(Rejection::NotFound { what: Kind::Disk, id: id.0 }))
    }
}
