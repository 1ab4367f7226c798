//! One record of the log file.
//!
//! ```text
//! 0   u32  magic "SHLR"        8   u64  sequence: 0, 1, 2... within the file
//! 4   u32  length of the body  16  u32  CRC-32C of bytes 0..16, then of the body
//!                              20       body
//! ```
//! EACH RECORD IS SYNCED BEFORE THE NEXT ONE IS WRITTEN. So a bad record with a good one after it
//! is damage; a bad one at the end is an append that a crash cut off.

use shoal_types::checksum::{crc32c, crc32c_seeded};

pub const HEADER_BYTES: usize = 20;
const MAGIC: [u8; 4] = *b"SHLR";

pub fn put(sequence: u64, body: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(body.len()).expect("an append stays below 4 GiB");
    let mut header = [0u8; HEADER_BYTES];
    header[..4].copy_from_slice(&MAGIC);
    header[4..8].copy_from_slice(&length.to_le_bytes());
    header[8..16].copy_from_slice(&sequence.to_le_bytes());
    let crc = crc32c_seeded(crc32c(&header[..16]), body);
    header[16..].copy_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&header);
    out.extend_from_slice(body);
}

/// The good record at the beginning of `bytes`: its sequence and body.
pub fn get(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (header, rest) = bytes.split_at_checked(HEADER_BYTES)?;
    if header[..4] != MAGIC {
        return None;
    }
    let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| header[at + i]));
    let body = rest.get(..word(4) as usize)?;
    let sequence = u64::from(word(8)) | u64::from(word(12)) << 32;
    let good = crc32c_seeded(crc32c(&header[..16]), body) == word(16);
    good.then_some((sequence, body))
}

/// Is there a good record anywhere in `bytes` that belongs after `sequence`?
pub fn any_after(bytes: &[u8], sequence: u64) -> bool {
    let starts = bytes.windows(MAGIC.len()).enumerate().filter(|(_, window)| *window == MAGIC);
    starts.map(|(at, _)| at).any(|at| get(&bytes[at..]).is_some_and(|(found, _)| found > sequence))
}
