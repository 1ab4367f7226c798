//! What the cluster remembers so that it can look after itself: who is away since when, who left in
//! order, who may never vote again, and how patient it is.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use shoal_types::{DiskId, PeerId};

use crate::codec::{Codec, DecodeError, Reader, codec_struct};
use crate::hex::ProcessNonce;

/// Set for the whole cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// A peer or disk gone for so long has its data made anew elsewhere.
    pub rebuild_after_ms: u64,
    /// A voter gone for so long is replaced, if there is a peer to replace it.
    pub replace_voter_after_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { rebuild_after_ms: 600_000, replace_voter_after_ms: 120_000 }
    }
}

/// Since snapshot version 3.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upkeep {
    pub settings: Settings,
    /// Peers that are down, and since when (cluster time).
    pub peers_down: BTreeMap<PeerId, u64>,
    /// Disks that are down while their peer is there.
    pub disks_down: BTreeMap<DiskId, u64>,
    /// Peers that stopped in order, by the process that did; not up again before the next one.
    pub left: BTreeMap<PeerId, ProcessNonce>,
    /// Disks taken out because they were gone for too long: in again when they come back.
    pub given_up: BTreeSet<DiskId>,
    /// Has been a voter: a vote that it does not remember may have been cast.
    pub voted: BTreeSet<PeerId>,
    /// Lost its consensus log after it had voted: under this id it never votes again.
    pub never_vote: BTreeSet<PeerId>,
}

impl Upkeep {
    pub(super) fn forget_peer(&mut self, peer: PeerId) {
        self.peers_down.remove(&peer);
        self.left.remove(&peer);
        self.voted.remove(&peer);
        self.never_vote.remove(&peer);
    }

    pub(super) fn forget_disk(&mut self, disk: DiskId) {
        self.disks_down.remove(&disk);
        self.given_up.remove(&disk);
    }
}

codec_struct!(Settings { rebuild_after_ms, replace_voter_after_ms });

/// The last part of a snapshot; an older one ends before it.
impl Codec for Upkeep {
    fn put(&self, out: &mut Vec<u8>) {
        self.settings.put(out);
        self.peers_down.put(out);
        self.disks_down.put(out);
        self.left.put(out);
        self.given_up.put(out);
        self.voted.put(out);
        self.never_vote.put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if reader.left() == 0 {
            return Ok(Self::default());
        }
        Ok(Self {
            settings: Codec::get(reader)?,
            peers_down: Codec::get(reader)?,
            disks_down: Codec::get(reader)?,
            left: Codec::get(reader)?,
            given_up: Codec::get(reader)?,
            voted: Codec::get(reader)?,
            never_vote: Codec::get(reader)?,
        })
    }
}
