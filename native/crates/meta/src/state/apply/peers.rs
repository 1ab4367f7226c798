//! Peers come, change and go.

use shoal_types::PeerId;

use super::super::change_log::Touched;
use super::super::cluster::ClusterState;
use super::super::command::Command;
use super::super::event::Severity;
use super::super::limits::PEERS_MAX;
use super::super::name::check_name;
use super::super::outcome::{Applied, Kind, Outcome, Rejection};
use super::super::peer::{NewPeer, Peer, check_addresses};

impl ClusterState {
    pub(super) fn apply_peer(&mut self, command: &Command) -> Outcome {
        match command {
            Command::AddPeer { peer } => self.add_peer(peer),
            Command::UpdatePeer { peer, .. } => self.update_peer(*peer, command),
            Command::RemovePeer { peer } => self.remove_peer(*peer),
            other => unreachable!("not about a peer: {other:?}"),
        }
    }

    pub(super) fn peer(&self, id: PeerId) -> Result<&Peer, Rejection> {
        self.peers.get(&id).ok_or(Rejection::NotFound { what: Kind::Peer, id: id.0 })
    }

    pub(super) fn check_new_peer(&self, peer: &NewPeer) -> Result<(), Rejection> {
        peer.check()?;
        let taken = |p: &&Peer| p.name == peer.name || p.public_key == peer.public_key;
        if let Some(other) = self.peers.values().find(taken) {
            return Err(Rejection::Exists { what: Kind::Peer, id: other.id.0 });
        }
        if self.peers.len() >= PEERS_MAX {
            return Err(Rejection::Limit { what: Kind::Peer, max: PEERS_MAX as u64 });
        }
        Ok(())
    }

    pub(super) fn add_peer(&mut self, peer: &NewPeer) -> Outcome {
        self.check_new_peer(peer)?;
        self.counters.peer += 1;
        let id = PeerId(self.counters.peer);
        self.peers.insert(id, peer.clone().into_peer(id, self.time_ms));
        self.touch(Touched::Peer(id));
        let message = format!("{} joined the cluster", peer.name);
        self.note(Severity::Info, "peer_added", message, format!("peer {}", id.0));
        Ok(Applied::Peer { peer: id })
    }

    fn update_peer(&mut self, id: PeerId, command: &Command) -> Outcome {
        let Command::UpdatePeer { name, addresses, domains, state, maintenance_until_ms, .. } =
            command
        else {
            unreachable!("dispatched by variant");
        };
        let mut peer = self.peer(id)?.clone();
        if let Some(name) = name {
            check_name(Kind::Peer, name)?;
            if let Some(other) = self.peers.values().find(|p| p.name == *name && p.id != id) {
                return Err(Rejection::Exists { what: Kind::Peer, id: other.id.0 });
            }
            peer.name.clone_from(name);
        }
        if let Some(addresses) = addresses {
            check_addresses(addresses)?;
            peer.addresses.clone_from(addresses);
        }
        if let Some(domains) = domains {
            domains.check()?;
            peer.domains.clone_from(domains);
        }
        peer.state = state.unwrap_or(peer.state);
        peer.maintenance_until_ms = maintenance_until_ms.unwrap_or(peer.maintenance_until_ms);
        if self.peers[&id] != peer {
            self.note_standing(id, peer.state);
            self.peers.insert(id, peer);
            self.touch(Touched::Peer(id));
        }
        Ok(Applied::Done)
    }

    fn remove_peer(&mut self, id: PeerId) -> Outcome {
        let name = self.peer(id)?.name.clone();
        if let Some((by, by_id)) = self.needs_peer(id) {
            return Err(Rejection::InUse { what: Kind::Peer, id: id.0, by, by_id });
        }
        self.peers.remove(&id);
        self.upkeep.forget_peer(id);
        self.restored.lost.remove(&id);
        for volume in self.volumes.values_mut() {
            volume.fenced.retain(|fenced| fenced.peer != id);
        }
        self.touch(Touched::Peer(id));
        let message = format!("{name} was removed from the cluster");
        self.note(Severity::Info, "peer_removed", message, format!("peer {}", id.0));
        Ok(Applied::Done)
    }

    fn needs_peer(&self, id: PeerId) -> Option<(Kind, u64)> {
        if self.voters.contains(id) {
            return Some((Kind::Voter, id.0));
        }
        if let Some(disk) = self.disks_of(id).next() {
            return Some((Kind::Disk, disk.id.0));
        }
        let holds = |v: &&super::super::Volume| v.attachment.is_some_and(|a| a.peer == id);
        self.volumes.values().find(holds).map(|volume| (Kind::Volume, volume.id.0))
    }
}
