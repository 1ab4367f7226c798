//! Own little-endian binary encoding: fields in order, no padding, one encoding per value.
//!
//! Decoding is strict (every byte has one meaning, nothing may follow) and bounded: a count is
//! checked against the bytes that are left before anything is collected.

mod envelope;
mod macros;
mod primitive;
mod reader;

pub use envelope::{Envelope, Masks, open, seal};
pub(crate) use macros::{codec_enum, codec_struct};
pub use reader::{DecodeError, Reader};

/// A value with exactly one binary encoding.
pub trait Codec: Sized {
    fn put(&self, out: &mut Vec<u8>);
    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

/// The encoding of `value` alone.
pub fn encode<T: Codec>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    value.put(&mut out);
    out
}

/// Reads one value that fills `bytes` exactly.
pub fn decode<T: Codec>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut reader = Reader::new(bytes);
    let value = T::get(&mut reader)?;
    reader.finish()?;
    Ok(value)
}

#[cfg(test)]
mod tests;
