//! The one checksum of the data path: CRC-32C over a block's stored bytes, then its address.
//!
//! The address (layer, block) is part of the sum, so a misdirected write shows; the sum is kept
//! apart from the bytes, so a lost write shows (DESIGN 1, promise 3).

use crc_fast::{CrcAlgorithm, Digest};

use crate::LayerId;

/// CRC-32C of `bytes`, started from `seed` (as if `seed`'s 4 little-endian bytes came first).
pub fn crc32c_seeded(seed: u32, bytes: &[u8]) -> u32 {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    digest.update(&seed.to_le_bytes());
    digest.update(bytes);
    digest.finalize() as u32
}

/// Plain CRC-32C of `bytes`.
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

/// Checksum of one block as stored: CRC-32C(bytes | layer u64 LE | block u64 LE).
pub fn block_crc(layer: LayerId, block: u64, stored: &[u8]) -> u32 {
    let mut address = [0u8; 16];
    address[..8].copy_from_slice(&layer.0.to_le_bytes());
    address[8..].copy_from_slice(&block.to_le_bytes());
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    digest.update(stored);
    digest.update(&address);
    digest.finalize() as u32
}

/// Known-answer test, run at every start: a CPU or build that sums wrongly must not serve.
pub fn self_test() -> Result<(), &'static str> {
    let mut block = [0u8; crate::BLOCK_BYTES];
    for (i, byte) in block.iter_mut().enumerate() {
        *byte = (i * 31 + i / 251) as u8;
    }
    let right = crc32c(b"123456789") == 0xE306_9283
        && crc32c(&block) == bitwise(&block)
        && crc32c(&block[1..777]) == bitwise(&block[1..777]);
    if right { Ok(()) } else { Err("CRC-32C gives wrong sums on this machine") }
}

/// The definition of CRC-32C, bit by bit; the reference for the fast kernel.
fn bitwise(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82F6_3B78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_agrees_with_definition() {
        self_test().unwrap();
    }

    #[test]
    fn address_is_part_of_the_sum() {
        let block = [7u8; crate::BLOCK_BYTES];
        let sum = block_crc(LayerId(1), 2, &block);
        assert_ne!(sum, block_crc(LayerId(1), 3, &block));
        assert_ne!(sum, block_crc(LayerId(2), 2, &block));
        let mut joined = block.to_vec();
        joined.extend_from_slice(&1u64.to_le_bytes());
        joined.extend_from_slice(&2u64.to_le_bytes());
        assert_eq!(sum, crc32c(&joined));
    }
}
