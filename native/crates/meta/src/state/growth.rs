//! What grew since: how fast data may move, and the volumes that are older than their policy's
//! count of placement groups.

use std::collections::BTreeMap;

use serde::Serialize;
use shoal_types::VolumeId;

use crate::codec::{Codec, DecodeError, Reader, codec_struct};

/// Bytes per second that groups with all their copies may move; 0: as fast as it goes. Groups that
/// lack copies are never held back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MoveRates {
    /// Into one disk.
    pub disk_rate: u64,
    /// Into all disks of one peer.
    pub peer_rate: u64,
}

/// Since snapshot version 5.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    pub rates: MoveRates,
    /// Groups over which a volume's extents are spread, where its policy has more by now. AN EXTENT
    /// NEVER CHANGES ITS GROUP: epochs, watermarks and the stores' indexes are kept by group.
    pub grains: BTreeMap<VolumeId, u32>,
}

codec_struct!(MoveRates { disk_rate, peer_rate });

/// An older snapshot ends before it.
impl Codec for Growth {
    fn put(&self, out: &mut Vec<u8>) {
        self.rates.put(out);
        self.grains.put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if reader.left() == 0 {
            return Ok(Self::default());
        }
        Ok(Self { rates: Codec::get(reader)?, grains: Codec::get(reader)? })
    }
}
