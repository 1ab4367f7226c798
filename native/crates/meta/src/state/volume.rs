//! Volumes, who has them attached, and who orders their I/O.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use shoal_types::{DiskId, HeadEpoch, LayerId, LineageId, PeerId, PolicyId, VolumeId};

use crate::codec::{codec_enum, codec_struct};
use crate::hex::ProcessNonce;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Volume {
    pub id: VolumeId,
    pub name: String,
    pub size_bytes: u64,
    /// Logical block size of every front end: 512 or 4096.
    pub block_size: u32,
    pub policy: PolicyId,
    pub lineage: LineageId,
    /// Oldest first; the last one takes the writes.
    pub layers: Vec<LayerId>,
    pub state: VolumeState,
    pub created_ms: u64,
    pub head: Head,
    /// Number of the newest attachment, running or over. A head is taken only under it.
    pub generation: u64,
    pub attachment: Option<Attachment>,
    /// Attachments that were taken over: their devices answer EIO until their peer detaches them.
    pub fenced: Vec<Fenced>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VolumeState {
    Active,
    /// A tombstone: kept until each of these disks has dropped what it holds of the volume.
    Deleting {
        purge: BTreeSet<DiskId>,
    },
}

/// Rule 1 of docs/protocol.md. The epoch outlives owners; it is never used twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Head {
    pub epoch: HeadEpoch,
    /// None: released, or never taken.
    pub owner: Option<HeadOwner>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HeadOwner {
    pub peer: PeerId,
    pub process: ProcessNonce,
    pub generation: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Attachment {
    pub peer: PeerId,
    pub generation: u64,
    pub via: Via,
    pub read_only: bool,
    /// Queues of the device; 0: as many as the peer likes.
    pub queues: u16,
}

/// By what the peer shows the volume, beside its exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    Ublk,
    /// The kernel's NBD client.
    Nbd,
    /// Exports alone; no device.
    Export,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Fenced {
    pub peer: PeerId,
    pub generation: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Export {
    pub id: u64,
    pub volume: VolumeId,
    pub peer: PeerId,
    pub kind: ExportKind,
    /// The socket.
    pub path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportKind {
    Nbd,
}

impl Volume {
    pub fn is_active(&self) -> bool {
        self.state == VolumeState::Active
    }

    /// The layer that takes the writes.
    pub fn top_layer(&self) -> LayerId {
        *self.layers.last().expect("a volume has a layer from its creation")
    }
}

codec_struct!(Volume {
    id,
    name,
    size_bytes,
    block_size,
    policy,
    lineage,
    layers,
    state,
    created_ms,
    head,
    generation,
    attachment,
    fenced,
});
codec_enum!(VolumeState: u8 { 1 => Active, 2 => Deleting { purge } });
codec_struct!(Head { epoch, owner });
codec_struct!(HeadOwner { peer, process, generation });
codec_struct!(Attachment { peer, generation, via, read_only, queues });
codec_enum!(Via: u8 { 1 => Ublk, 2 => Nbd, 3 => Export });
codec_struct!(Fenced { peer, generation });
codec_struct!(Export { id, volume, peer, kind, path });
codec_enum!(ExportKind: u8 { 1 => Nbd });
