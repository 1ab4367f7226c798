//! What decides when a head may be given away: how long leases may run, and which heads need none.

use std::collections::BTreeSet;

use shoal_types::VolumeId;

use super::limits::LEASE_MS_MAX;
use crate::codec::{Codec, DecodeError, Reader};

/// Since snapshot version 8.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leases {
    /// NO LEASE THAT MAY STILL RUN IS LONGER, in milliseconds; 0: none was ever granted. Peers may be set
    /// to other lengths than the leader before, which a new leader has to wait out.
    pub longest_ms: u64,
    /// Volumes whose head was taken to confirm its reads. A head keeps to that as long as it lives,
    /// whatever its policy says by now.
    pub confirmed: BTreeSet<VolumeId>,
}

/// An older snapshot ends before it: leases may run as long as any, and heads may rest on them.
impl Codec for Leases {
    fn put(&self, out: &mut Vec<u8>) {
        self.longest_ms.put(out);
        self.confirmed.put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if reader.left() == 0 {
            return Ok(Self { longest_ms: LEASE_MS_MAX, ..Self::default() });
        }
        Ok(Self { longest_ms: Codec::get(reader)?, confirmed: Codec::get(reader)? })
    }
}
