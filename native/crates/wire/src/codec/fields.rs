//! Fields that several messages share.

use shoal_types::message::{CopyEntry, Encoding, EntryInfo, EntryKind};
use shoal_types::{
    BLOCK_BYTES, BlockState, DiskId, HeadEpoch, LayerId, PgEpoch, PgId, Role, Seq, Version,
    VolumeId,
};

use super::{Blocks, CodecError};
use crate::cursor::{Malformed, Put, Reader};
use crate::frame::REPLY_META_BYTES_MAX;

pub const PG_BYTES: usize = 8;
pub const VERSION_BYTES: usize = 12;
pub const ENTRY_BYTES: usize = 16 + VERSION_BYTES + 4 + 1;
pub const COPY_ENTRY_BYTES: usize = 32;
/// Room for the fixed fields beside a list.
const FIXED_BYTES: usize = 64;

/// Most entries of one `Reply::Installed`; a member pages what is longer.
pub const INSTALLED_ENTRIES_MAX: usize =
    (REPLY_META_BYTES_MAX as usize - FIXED_BYTES) / ENTRY_BYTES;
/// Most entries of one `Reply::CopyList`.
pub const COPY_ENTRIES_MAX: usize =
    (REPLY_META_BYTES_MAX as usize - FIXED_BYTES) / COPY_ENTRY_BYTES;

pub const ABSENT: u8 = 0;
pub const ZERO: u8 = 1;
pub const DATA: u8 = 2;
/// Of a body alone: zeros that leave no trace where nothing was.
pub const CLEAR: u8 = 3;

/// Fields of the replication messages, as they are written.
pub trait PutFields: Put {
    fn put_pg(&mut self, pg: PgId) {
        self.put_u32(pg.policy.0);
        self.put_u32(pg.index);
    }

    fn put_version(&mut self, version: Version) {
        self.put_u32(version.head_epoch.0);
        self.put_u64(version.seq.0);
    }

    fn put_role(&mut self, role: Role) {
        match role {
            Role::InSync => {
                self.put_u8(0);
                self.put_u32(0);
            }
            Role::Joining { join_at } => {
                self.put_u8(1);
                self.put_u32(join_at.0);
            }
        }
    }

    /// Same size with and without a cursor, so that a page's size does not depend on it.
    fn put_cursor(&mut self, after: Option<(LayerId, u64)>) {
        let (layer, block) = after.unwrap_or_default();
        self.put_u8(after.is_some().into());
        self.put_u64(layer.0);
        self.put_u64(block);
    }

    fn put_encoding(&mut self, encoding: Encoding) {
        self.put_u8(encoding.codec);
        self.put_u8(encoding.cipher);
        self.put_u16(encoding.stored_len);
    }

    fn put_entry(&mut self, entry: &EntryInfo) {
        self.put_u64(entry.layer.0);
        self.put_u64(entry.block);
        self.put_version(entry.version);
        self.put_u32(entry.stamp.0);
        self.put_u8(match entry.kind {
            EntryKind::Absent => ABSENT,
            EntryKind::Zero => ZERO,
            EntryKind::Data => DATA,
        });
    }

    fn put_copy_entry(&mut self, entry: &CopyEntry) {
        self.put_u64(entry.volume.0);
        self.put_u64(entry.layer.0);
        self.put_u64(entry.block);
        self.put_u32(entry.mask);
        self.put_u32(entry.stamp.0);
    }

    fn put_state(&mut self, state: &BlockState) {
        match state {
            BlockState::Absent => self.put_u8(ABSENT),
            BlockState::Zero => self.put_u8(ZERO),
            BlockState::Data { crc, .. } => {
                self.put_u8(DATA);
                self.put_encoding(Encoding::PLAIN);
                self.put_u32(*crc);
            }
        }
    }
}

impl PutFields for Vec<u8> {}

impl Reader<'_> {
    pub fn pg(&mut self) -> Result<PgId, Malformed> {
        Ok(PgId::new(self.u32()?, self.u32()?))
    }

    pub fn version(&mut self) -> Result<Version, Malformed> {
        let (head_epoch, seq) = (self.u32()?, self.u64()?);
        if seq > Seq::MAX.0 {
            return Err(Malformed::Value { field: "seq", value: seq });
        }
        Ok(Version::new(head_epoch, seq))
    }

    pub fn head_epoch(&mut self) -> Result<HeadEpoch, Malformed> {
        self.u32().map(HeadEpoch)
    }

    pub fn pg_epoch(&mut self) -> Result<PgEpoch, Malformed> {
        self.u32().map(PgEpoch)
    }

    pub fn volume(&mut self) -> Result<VolumeId, Malformed> {
        self.u64().map(VolumeId)
    }

    pub fn layer(&mut self) -> Result<LayerId, Malformed> {
        self.u64().map(LayerId)
    }

    pub fn disk(&mut self) -> Result<DiskId, Malformed> {
        self.u64().map(DiskId)
    }

    pub fn role(&mut self) -> Result<Role, Malformed> {
        let joining = self.flag("role")?;
        match (joining, self.pg_epoch()?) {
            (true, join_at) => Ok(Role::Joining { join_at }),
            (false, PgEpoch(0)) => Ok(Role::InSync),
            (false, epoch) => Err(Malformed::Value { field: "join_at", value: epoch.0.into() }),
        }
    }

    pub fn cursor(&mut self) -> Result<Option<(LayerId, u64)>, Malformed> {
        let present = self.flag("cursor")?;
        match (present, self.layer()?, self.u64()?) {
            (true, layer, block) => Ok(Some((layer, block))),
            (false, LayerId(0), 0) => Ok(None),
            (false, _, block) => Err(Malformed::Value { field: "cursor", value: block }),
        }
    }

    /// A run of blocks that a message may name: at least one, at most `max`, without overflow.
    pub fn run(&mut self, max: u32) -> Result<(u64, u32), Malformed> {
        let (block, blocks) = (self.u64()?, self.u32()?);
        if blocks == 0 || blocks > max {
            return Err(Malformed::Value { field: "blocks", value: blocks.into() });
        }
        if block.checked_add(blocks.into()).is_none() {
            return Err(Malformed::Value { field: "block", value: block });
        }
        Ok((block, blocks))
    }

    /// Anything else is reserved, and refused.
    pub fn plain_encoding(&mut self) -> Result<Encoding, CodecError> {
        let encoding = Encoding { codec: self.u8()?, cipher: self.u8()?, stored_len: self.u16()? };
        if encoding == Encoding::PLAIN { Ok(encoding) } else { Err(CodecError::Encoding) }
    }

    pub fn entry(&mut self) -> Result<EntryInfo, Malformed> {
        Ok(EntryInfo {
            layer: self.layer()?,
            block: self.u64()?,
            version: self.version()?,
            stamp: self.pg_epoch()?,
            kind: match self.u8()? {
                ABSENT => EntryKind::Absent,
                ZERO => EntryKind::Zero,
                DATA => EntryKind::Data,
                value => return Err(Malformed::Value { field: "kind", value: value.into() }),
            },
        })
    }

    pub fn copy_entry(&mut self) -> Result<CopyEntry, Malformed> {
        Ok(CopyEntry {
            volume: self.volume()?,
            layer: self.layer()?,
            block: self.u64()?,
            mask: self.u32()?,
            stamp: self.pg_epoch()?,
        })
    }

    pub fn state(&mut self, blocks: &mut Blocks<'_>) -> Result<BlockState, CodecError> {
        match self.u8()? {
            ABSENT => Ok(BlockState::Absent),
            ZERO => Ok(BlockState::Zero),
            DATA => {
                self.plain_encoding()?;
                let crc = self.u32()?;
                Ok(BlockState::Data { data: blocks.take(BLOCK_BYTES)?, crc })
            }
            value => Err(Malformed::Value { field: "block state", value: value.into() }.into()),
        }
    }
}
