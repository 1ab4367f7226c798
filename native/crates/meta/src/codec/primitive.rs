//! Integers, text, options and collections.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use shoal_types::{
    DiskId, HeadEpoch, LayerId, LineageId, MapEpoch, PeerId, PgEpoch, PgId, PolicyId, VolumeId,
};

use super::{Codec, DecodeError, Reader};
use crate::hex::Hex;

macro_rules! integer {
    ($($name:ident),*) => {$(
        impl Codec for $name {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(Self::from_le_bytes(reader.array()?))
            }
        }
    )*};
}

integer!(u8, u16, u32, u64);

macro_rules! newtype {
    ($($name:ident),*) => {$(
        impl Codec for $name {
            fn put(&self, out: &mut Vec<u8>) {
                self.0.put(out);
            }

            fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Codec::get(reader).map(Self)
            }
        }
    )*};
}

newtype!(PeerId, DiskId, VolumeId, LineageId, LayerId, PolicyId, MapEpoch, HeadEpoch, PgEpoch);

impl Codec for PgId {
    fn put(&self, out: &mut Vec<u8>) {
        self.policy.put(out);
        self.index.put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { policy: Codec::get(reader)?, index: Codec::get(reader)? })
    }
}

impl<const N: usize> Codec for Hex<N> {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array().map(Self)
    }
}

impl Codec for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match u8::get(reader)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Malformed { what: "bool" }),
        }
    }
}

/// u32 length, then bytes.
impl Codec for Bytes {
    fn put(&self, out: &mut Vec<u8>) {
        put_count(self.len(), out);
        out.extend_from_slice(self);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let len = reader.count()?;
        Ok(Bytes::copy_from_slice(reader.take(len)?))
    }
}

/// u32 length, then UTF-8.
impl Codec for String {
    fn put(&self, out: &mut Vec<u8>) {
        put_count(self.len(), out);
        out.extend_from_slice(self.as_bytes());
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let len = reader.count()?;
        let text = std::str::from_utf8(reader.take(len)?);
        text.map(str::to_owned).map_err(|_| DecodeError::Malformed { what: "text" })
    }
}

impl<T: Codec> Codec for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if bool::get(reader)? { T::get(reader).map(Some) } else { Ok(None) }
    }
}

impl<A: Codec, B: Codec> Codec for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok((A::get(reader)?, B::get(reader)?))
    }
}

impl<T: Codec> Codec for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        put_count(self.len(), out);
        self.iter().for_each(|item| item.put(out));
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = reader.count()?;
        (0..count).map(|_| T::get(reader)).collect()
    }
}

impl<T: Codec> Codec for VecDeque<T> {
    fn put(&self, out: &mut Vec<u8>) {
        put_count(self.len(), out);
        self.iter().for_each(|item| item.put(out));
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Vec::get(reader).map(Self::from)
    }
}

/// Keys strictly ascending, so that a set has one encoding.
impl<K: Codec + Ord, V: Codec> Codec for BTreeMap<K, V> {
    fn put(&self, out: &mut Vec<u8>) {
        put_count(self.len(), out);
        for (key, value) in self {
            key.put(out);
            value.put(out);
        }
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = reader.count()?;
        let mut map = Self::new();
        for _ in 0..count {
            let key = K::get(reader)?;
            if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return Err(DecodeError::Malformed { what: "order of keys" });
            }
            map.insert(key, V::get(reader)?);
        }
        Ok(map)
    }
}

impl<K: Codec + Ord> Codec for BTreeSet<K> {
    fn put(&self, out: &mut Vec<u8>) {
        put_count(self.len(), out);
        self.iter().for_each(|key| key.put(out));
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = reader.count()?;
        let mut set = Self::new();
        for _ in 0..count {
            let key = K::get(reader)?;
            if set.last().is_some_and(|last| *last >= key) {
                return Err(DecodeError::Malformed { what: "order of keys" });
            }
            set.insert(key);
        }
        Ok(set)
    }
}

fn put_count(count: usize, out: &mut Vec<u8>) {
    u32::try_from(count).expect("collections stay below 2^32 elements").put(out);
}
