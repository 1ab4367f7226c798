//! Values that tell who wrote them: each 512-byte sector repeats one 64-bit number; 0 is zeros.

use bytes::{Bytes, BytesMut};

pub const SECTOR_BYTES: usize = 512;
pub const SECTORS: u64 = 8;

pub fn fill(value: u64, sectors: u64) -> Bytes {
    let mut bytes = BytesMut::with_capacity(sectors as usize * SECTOR_BYTES);
    for _ in 0..sectors as usize * SECTOR_BYTES / 8 {
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    bytes.freeze()
}

/// The value of one sector; `None` if it is a mixture: wrong data, whoever wrote it.
pub fn value_of(sector: &[u8]) -> Option<u64> {
    let first: [u8; 8] = sector[..8].try_into().expect("a sector is longer");
    let same = sector.chunks_exact(8).all(|word| word == first);
    same.then_some(u64::from_le_bytes(first))
}
