//! What follows from a new cluster state: keys, addresses, views, heads, exports, deletions.

use std::collections::HashSet;

use serde_json::json;
use shoal_meta::local;
use shoal_meta::state::{AddressRole, ClusterState, Command};
use shoal_types::{DiskId, LayerId, PeerId, VolumeId};
use shoal_wire::identity::PublicKey;

use super::Supervisor;
use super::heads::HeadEntry;
use crate::io_thread::{IoMessage, Served};
use crate::meta_thread::MetaMessage;
use crate::peer::PeerAddress;
use crate::store_thread::StoreMessage;

/// How long a head that is not wanted any more may finish its I/O.
const CLOSE_MS: u64 = 2_000;

/// What the state says of volumes, copied out so that its lock is not held.
struct Wanted {
    /// Attached here, active.
    attached: Vec<(VolumeId, u64)>,
    exports: Vec<VolumeId>,
}

impl Wanted {
    /// Only by the head of the attachment as it is now: one of an older attachment answers nothing.
    fn exports_head(&self, volume: VolumeId, head: &HeadEntry) -> bool {
        self.exports.contains(&volume) && self.attached.contains(&(volume, head.generation))
    }
}

impl Supervisor {
    /// Make everything here agree with the cluster state. Idempotent.
    pub(super) fn sync(&mut self) {
        let told = self.context.meta.read(|state| (state.index(), state.map_epoch()));
        let Some((index, map_epoch)) = told else { return };
        self.sync_incarnation();
        let is_current = self.is_current();
        self.sync_trust(is_current);
        if !is_current {
            return;
        }
        self.open_known_disks();
        self.sync_pace();
        self.sync_views();
        self.sync_volumes();
        self.sync_devices();
        self.sync_deletions();
        self.sync_scrubs();
        self.sync_standings();
        self.told_epoch = Some(map_epoch);
        let data = json!({ "index": index, "map_epoch": map_epoch.0 });
        self.broadcast("state.changed", data);
    }

    /// Also from an old state: without it the way to the newest may not be found.
    fn sync_trust(&mut self, is_current: bool) {
        let (keys, book) = (&self.context.trust.keys, &self.context.book);
        let me = self.context.trust.membership().map(|m| m.greeter.peer);
        let is_member = self.context.meta.read(|state| {
            let peers = state.peers().values();
            keys.replace(peers.clone().map(|p| (PublicKey(p.public_key.0), p.id)));
            keys.set_joins_open(state.tokens().values().any(|token| token.used_by.is_none()));
            let owners = state.disks().values().map(|disk| (disk.id, disk.peer));
            book.replace(peers.map(address_of), owners);
            me.is_none_or(|me| state.peers().contains_key(&me))
        });
        for entry in self.stores.values() {
            if let Some(sender) = &entry.sender {
                sender.send(StoreMessage::MembersChanged);
            }
        }
        self.context.meta.send(MetaMessage::MembersChanged);
        if is_current && is_member == Some(false) {
            self.on_removed();
        }
    }

    /// Changed views since the last time, to stores and heads.
    fn sync_views(&mut self) {
        let since = self.told_epoch;
        let views = self.context.meta.read(|state| local::changed_views(state, since));
        let views = views.unwrap_or_default();
        if views.is_empty() {
            return;
        }
        let disks: Vec<DiskId> = self.stores.keys().copied().collect();
        disks.into_iter().for_each(|disk| self.tell_store_views(disk, &views));
        self.tell_heads(&views);
    }

    fn sync_volumes(&mut self) {
        let Some(me) = self.peer_id() else { return };
        let Some(wanted) = self.context.meta.read(|state| wanted(state, me)) else { return };
        for (volume, generation) in &wanted.attached {
            self.end_stale_head(*volume, *generation);
            self.want_head(*volume);
            let record = self.context.meta.read(|state| state.volumes().get(volume).cloned());
            if let Some(Some(record)) = record {
                self.sync_name(&record);
                self.sync_size(&record);
            }
            self.sync_min_in_sync(*volume);
        }
        let unwanted: Vec<VolumeId> = self
            .heads
            .keys()
            .filter(|id| !wanted.attached.iter().any(|(wanted, _)| wanted == *id))
            .copied()
            .collect();
        for volume in unwanted {
            if self.is_taken_over(volume) {
                self.on_taken_over(volume);
            } else {
                self.close_head(volume, CLOSE_MS, Box::new(|_| {}));
            }
        }
        self.give_back_orphans();
        self.take_free_heads();
        self.sync_exports(&wanted);
    }

    fn sync_exports(&mut self, wanted: &Wanted) {
        // Names become free before others take them.
        for (_, entry) in self.heads.iter().filter(|(v, entry)| !wanted.exports_head(**v, entry)) {
            if self.context.directory.remove(entry.key) {
                let message = IoMessage::CloseClients { key: entry.key };
                self.context.io_threads[entry.thread].send(message);
            }
        }
        for (volume, entry) in self.heads.iter().filter(|(v, e)| wanted.exports_head(**v, e)) {
            if let Some(export) = self.export_of(*volume) {
                let (thread, head) = (entry.thread, entry.key);
                self.context.directory.insert(Served { export, thread, head });
            }
        }
    }

    pub(super) fn export_of(&self, id: VolumeId) -> Option<shoal_nbd::Export> {
        let export = |state: &ClusterState| {
            let volume = state.volumes().get(&id)?;
            let blocks = match volume.block_size {
                512 => shoal_nbd::BlockSizes::BYTES,
                _ => shoal_nbd::BlockSizes::BLOCKS,
            };
            Some(shoal_nbd::Export {
                name: volume.name.clone(),
                description: String::new(),
                size: volume.size_bytes,
                blocks,
                read_only: volume.attachment.is_some_and(|a| a.read_only),
            })
        };
        self.context.meta.read(export).flatten()
    }

    /// Layers of deleted volumes vanish from the stores here.
    pub(super) fn sync_deletions(&mut self) {
        for (disks, layers) in self.context.meta.read(local::doomed_layers).unwrap_or_default() {
            for disk in disks {
                let Some(entry) = self.stores.get_mut(&disk) else { continue };
                let Some(sender) = &entry.sender else { continue };
                for layer in &layers {
                    if entry.deleting.insert(*layer) {
                        sender.send(StoreMessage::DeleteLayer(*layer));
                    }
                }
            }
        }
        self.forget_deleted();
    }

    /// All disks have dropped them, and the cluster has forgotten their volumes.
    fn forget_deleted(&mut self) {
        let mut layers: HashSet<LayerId> =
            self.stores.values().flat_map(|entry| entry.deleting.iter().copied()).collect();
        if layers.is_empty() {
            return;
        }
        let known = self.context.meta.read(local::known_layers).unwrap_or_else(|| layers.clone());
        layers.retain(|layer| !known.contains(layer));
        layers.into_iter().for_each(|layer| self.forget_layer(layer));
    }

    /// A store dropped a layer for good: the volume's tombstone may go once all have.
    pub(super) fn on_layer_deleted(&mut self, disk: DiskId, layer: LayerId) {
        let owner = self.context.meta.read(|state| local::owner_of_layer(state, layer));
        let Some(Some(volume)) = owner else { return };
        let command = Command::PurgeDone { volume, disks: vec![disk] };
        self.propose(command, move |supervisor, _| {
            let read = &supervisor.context.meta;
            if read.read(|s| !s.volumes().contains_key(&volume)) == Some(true) {
                supervisor.forget_layer(layer);
            } else if read.read(|s| local::is_doomed(s, disk, layer)) == Some(true) {
                // Not said yet: the store says it only once.
                supervisor.on_layer_deleted(disk, layer);
            }
        });
    }

    fn forget_layer(&mut self, layer: LayerId) {
        for entry in self.stores.values_mut() {
            if let Some(sender) = &entry.sender {
                sender.send(StoreMessage::ForgetLayer(layer));
            }
            entry.deleting.remove(&layer);
        }
    }
}

fn wanted(state: &ClusterState, me: PeerId) -> Wanted {
    let exports =
        state.exports().values().filter(|e| e.peer == me).map(|export| export.volume).collect();
    Wanted { attached: local::attached_to(state, me), exports }
}

fn address_of(peer: &shoal_meta::state::Peer) -> PeerAddress {
    let data = peer.addresses.iter().filter(|a| a.role == AddressRole::Data);
    PeerAddress {
        peer: peer.id,
        key: PublicKey(peer.public_key.0),
        addresses: data.map(|a| a.address.clone()).collect(),
    }
}
