//! What surrounds everything that outlives a process: magic, version, feature masks, checksum.
//!
//! ```text
//! 0   u32  magic            16  u32  incompat mask
//! 4   u16  version          20  u64  body length
//! 6   u16  0                28  u32  CRC-32C of bytes 0..28, then of the body
//! 8   u32  compat mask      32       body
//! 12  u32  ro-compat mask
//! ```
//! An unknown compat bit is ignored, an unknown ro-compat bit forbids writing, an unknown incompat
//! bit (or a newer version) forbids reading.

use shoal_types::checksum::{crc32c, crc32c_seeded};

use super::{DecodeError, Reader};

/// Bytes before the body.
pub const HEADER_BYTES: usize = 32;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Masks {
    pub compat: u32,
    pub ro_compat: u32,
    pub incompat: u32,
}

/// One kind of enveloped body, and the newest version of it that this program reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct Envelope {
    pub magic: [u8; 4],
    pub version: u16,
    /// Largest body, in bytes.
    pub body_max: u64,
}

/// Wraps `body`.
pub fn seal(kind: Envelope, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + body.len());
    out.extend_from_slice(&kind.magic);
    out.extend_from_slice(&kind.version.to_le_bytes());
    out.extend_from_slice(&[0; 14]);
    out.extend_from_slice(&(body.len() as u64).to_le_bytes());
    let crc = crc32c_seeded(crc32c(&out), body);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(body);
    out
}

/// Checks the envelope and gives its body. No feature bit is defined yet: an unknown incompat or
/// ro-compat bit is refused (whoever reads a snapshot goes on to write one).
pub fn open(kind: Envelope, bytes: &[u8]) -> Result<(&[u8], Masks), DecodeError> {
    let mut reader = Reader::new(bytes);
    let header = reader.take(HEADER_BYTES)?;
    let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| header[at + i]));
    if header[..4] != kind.magic {
        return Err(DecodeError::Incompatible { what: "magic", found: u64::from(word(0)) });
    }
    let masks = Masks { compat: word(8), ro_compat: word(12), incompat: word(16) };
    check_version(kind, word(4), masks)?;
    let length = u64::from(word(20)) | u64::from(word(24)) << 32;
    if length > kind.body_max {
        return Err(DecodeError::TooLong { what: "body", value: length, max: kind.body_max });
    }
    let body = reader.take(length as usize)?;
    reader.finish()?;
    let computed = crc32c_seeded(crc32c(&header[..28]), body);
    if computed != word(28) {
        return Err(DecodeError::Checksum { stored: word(28), computed });
    }
    Ok((body, masks))
}

fn check_version(kind: Envelope, word: u32, masks: Masks) -> Result<(), DecodeError> {
    let (version, zero) = (word as u16, word >> 16);
    if version == 0 || version > kind.version || zero != 0 {
        return Err(DecodeError::Incompatible { what: "version", found: u64::from(word) });
    }
    if masks.incompat != 0 {
        let found = u64::from(masks.incompat);
        return Err(DecodeError::Incompatible { what: "incompat mask", found });
    }
    if masks.ro_compat != 0 {
        let found = u64::from(masks.ro_compat);
        return Err(DecodeError::Incompatible { what: "ro-compat mask", found });
    }
    Ok(())
}
