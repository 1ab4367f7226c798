//! How the shares of disks are corrected by how full they got: groups are equal in number, not in
//! what users write to them.

use std::collections::BTreeMap;

use shoal_types::DiskId;

use crate::codec::{Codec, DecodeError, Reader};

/// A share as the weight says; factors are parts of it.
pub const FACTOR_ONE: u16 = 1024;
/// Half the share, and twice as much.
pub const FACTOR_MIN: u16 = 512;
pub const FACTOR_MAX: u16 = 2048;

/// Since snapshot version 4. Only disks that are corrected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FillFactors(pub BTreeMap<DiskId, u16>);

impl FillFactors {
    pub fn of(&self, disk: DiskId) -> u16 {
        self.0.get(&disk).copied().unwrap_or(FACTOR_ONE)
    }

    pub(super) fn set(&mut self, disk: DiskId, factor: u16) {
        if factor == FACTOR_ONE {
            self.0.remove(&disk);
        } else {
            self.0.insert(disk, factor);
        }
    }
}

/// A late part of a snapshot; one of an older version ends before it.
impl Codec for FillFactors {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if reader.left() == 0 {
            return Ok(Self::default());
        }
        Codec::get(reader).map(Self)
    }
}
