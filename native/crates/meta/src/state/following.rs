//! Policies whose count of placement groups follows the number of disks.

use std::collections::BTreeSet;

use shoal_types::PolicyId;

use crate::codec::{Codec, DecodeError, Reader};

/// Since snapshot version 7. The others keep the count that somebody gave them: also those of an
/// older snapshot, which does not say whether somebody did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Following(pub BTreeSet<PolicyId>);

/// A late part of a snapshot; one of an older version ends before it.
impl Codec for Following {
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
