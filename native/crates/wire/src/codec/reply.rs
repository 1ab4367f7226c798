//! `shoal_types::Reply` <-> meta bytes: one byte that says which, then its fields in order.

use bytes::Bytes;
use shoal_types::geometry::MESSAGE_BLOCKS_MAX;
use shoal_types::message::CopyBlock;
use shoal_types::{BlockState, HeadEpoch, MapEpoch, PgEpoch, Refusal, Reply};

use super::fields::{COPY_ENTRY_BYTES, ENTRY_BYTES, PutFields, VERSION_BYTES};
use super::{Blocks, CodecError};
use crate::cursor::{Malformed, Put, Reader};
use crate::frame::Kind;

/// Numbers are part of the wire format and never reused.
mod number {
    pub const WRITTEN: u8 = 1;
    pub const BLOCKS: u8 = 2;
    pub const INSTALLED: u8 = 3;
    pub const ENTRY: u8 = 4;
    pub const CONFIRMED: u8 = 5;
    pub const SETTLED: u8 = 6;
    pub const JOIN_OPENED: u8 = 7;
    pub const COPY_LIST: u8 = 8;
    pub const COPY_BLOCKS: u8 = 9;
    pub const LAYER_OPENED: u8 = 10;
    pub const PONG: u8 = 11;
    pub const REFUSED: u8 = 12;
}

mod refusal {
    pub const STALE_HEAD: u8 = 1;
    pub const STALE_PG: u8 = 2;
    pub const NOT_INSTALLED: u8 = 3;
    pub const NO_SESSION: u8 = 4;
    pub const UNFIT: u8 = 5;
    pub const NOT_MEMBER: u8 = 6;
    pub const DELETED: u8 = 7;
    pub const NO_SPACE: u8 = 8;
    pub const FENCED: u8 = 9;
    pub const BAD_BLOCK: u8 = 10;
    pub const NOT_FOUND: u8 = 11;
}

/// The block data that goes with a reply, in the order in which meta names the blocks.
pub fn payload(reply: &Reply, mut push: impl FnMut(&Bytes)) {
    let mut state = |state: &BlockState| {
        if let BlockState::Data { data, .. } = state {
            assert_eq!(data.len(), shoal_types::BLOCK_BYTES, "a block's data is one block long");
            push(data);
        }
    };
    match reply {
        Reply::Blocks { blocks } => blocks.iter().for_each(state),
        Reply::Entry { state: block } => state(block),
        Reply::CopyBlocks { blocks } => blocks.iter().for_each(|block| state(&block.state)),
        _ => (),
    }
}

pub fn encode(out: &mut Vec<u8>, reply: &Reply) {
    match reply {
        Reply::Written { version, pg_epoch, free_blocks } => {
            out.put_u8(number::WRITTEN);
            out.put_version(*version);
            out.put_u32(pg_epoch.0);
            out.put_u32(*free_blocks);
        }
        Reply::Blocks { blocks } => {
            out.put_u8(number::BLOCKS);
            out.put_count(blocks.len());
            blocks.iter().for_each(|block| out.put_state(block));
        }
        Reply::Entry { state } => {
            out.put_u8(number::ENTRY);
            out.put_state(state);
        }
        Reply::Confirmed => out.put_u8(number::CONFIRMED),
        Reply::Settled => out.put_u8(number::SETTLED),
        Reply::LayerOpened => out.put_u8(number::LAYER_OPENED),
        Reply::Pong { map_epoch } => {
            out.put_u8(number::PONG);
            out.put_u64(map_epoch.0);
        }
        Reply::Refused(refusal) => {
            out.put_u8(number::REFUSED);
            encode_refusal(out, refusal);
        }
        _ => encode_lists(out, reply),
    }
}

fn encode_lists(out: &mut Vec<u8>, reply: &Reply) {
    match reply {
        Reply::Installed { entries, watermark, newest, more } => {
            out.put_u8(number::INSTALLED);
            out.put_version(*watermark);
            out.put_version(*newest);
            out.put_u8((*more).into());
            out.put_count(entries.len());
            entries.iter().for_each(|entry| out.put_entry(entry));
        }
        Reply::JoinOpened { heads, layers, marks, more } => {
            out.put_u8(number::JOIN_OPENED);
            out.put_u8((*more).into());
            out.put_count(heads.len());
            for (volume, epoch) in heads {
                out.put_u64(volume.0);
                out.put_u32(epoch.0);
            }
            out.put_count(layers.len());
            for (volume, layer) in layers {
                out.put_u64(volume.0);
                out.put_u64(layer.0);
            }
            out.put_count(marks.len());
            for (volume, watermark, newest) in marks {
                out.put_u64(volume.0);
                out.put_version(*watermark);
                out.put_version(*newest);
            }
        }
        Reply::CopyList { entries, more } => {
            out.put_u8(number::COPY_LIST);
            out.put_u8((*more).into());
            out.put_count(entries.len());
            entries.iter().for_each(|entry| out.put_copy_entry(entry));
        }
        Reply::CopyBlocks { blocks } => {
            out.put_u8(number::COPY_BLOCKS);
            out.put_count(blocks.len());
            for block in blocks {
                out.put_version(block.version);
                out.put_u32(block.stamp.0);
                out.put_state(&block.state);
            }
        }
        _ => unreachable!("only lists come here"),
    }
}

/// One shape for all: a byte that says which, and an epoch (zero where there is none).
fn encode_refusal(out: &mut Vec<u8>, refusal: &Refusal) {
    let (number, epoch) = match refusal {
        Refusal::StaleHead { installed } => (refusal::STALE_HEAD, installed.0),
        Refusal::StalePg { seen } => (refusal::STALE_PG, seen.0),
        Refusal::NotInstalled { installed } => (refusal::NOT_INSTALLED, installed.0),
        Refusal::NoSession => (refusal::NO_SESSION, 0),
        Refusal::Unfit => (refusal::UNFIT, 0),
        Refusal::NotMember => (refusal::NOT_MEMBER, 0),
        Refusal::Deleted => (refusal::DELETED, 0),
        Refusal::NoSpace => (refusal::NO_SPACE, 0),
        Refusal::Fenced => (refusal::FENCED, 0),
        Refusal::BadBlock => (refusal::BAD_BLOCK, 0),
        Refusal::NotFound => (refusal::NOT_FOUND, 0),
    };
    out.put_u8(number);
    out.put_u32(epoch);
}

pub fn decode(meta: &[u8], payload: &Bytes) -> Result<Reply, CodecError> {
    let mut reader = Reader::new(meta);
    let mut data = Blocks::new(payload);
    let reply = match reader.u8()? {
        number::BLOCKS => {
            let count = block_count(&mut reader, 1)?;
            let blocks = collect(count, || reader.state(&mut data))?;
            Reply::Blocks { blocks }
        }
        number::ENTRY => Reply::Entry { state: reader.state(&mut data)? },
        number::COPY_BLOCKS => {
            let count = block_count(&mut reader, VERSION_BYTES + 4 + 1)?;
            let blocks = collect(count, || {
                let (version, stamp) = (reader.version()?, reader.pg_epoch()?);
                Ok(CopyBlock { version, stamp, state: reader.state(&mut data)? })
            })?;
            Reply::CopyBlocks { blocks }
        }
        other => decode_plain(other, &mut reader)?,
    };
    reader.finish()?;
    data.finish()?;
    Ok(reply)
}

fn block_count(reader: &mut Reader<'_>, entry_bytes: usize) -> Result<usize, Malformed> {
    let count = reader.count("blocks", entry_bytes)?;
    if count > MESSAGE_BLOCKS_MAX as usize {
        return Err(Malformed::TooMany { field: "blocks", count: count as u64 });
    }
    Ok(count)
}

fn collect<T>(
    count: usize,
    mut next: impl FnMut() -> Result<T, CodecError>,
) -> Result<Vec<T>, CodecError> {
    let mut list = Vec::with_capacity(count);
    for _ in 0..count {
        list.push(next()?);
    }
    Ok(list)
}

fn decode_plain(number: u8, r: &mut Reader<'_>) -> Result<Reply, CodecError> {
    Ok(match number {
        number::WRITTEN => {
            let (version, pg_epoch, free_blocks) = (r.version()?, r.pg_epoch()?, r.u32()?);
            Reply::Written { version, pg_epoch, free_blocks }
        }
        number::INSTALLED => {
            let (watermark, newest, more) = (r.version()?, r.version()?, r.flag("more")?);
            let entries = r.list("entries", ENTRY_BYTES, Reader::entry)?;
            Reply::Installed { entries, watermark, newest, more }
        }
        number::CONFIRMED => Reply::Confirmed,
        number::SETTLED => Reply::Settled,
        number::JOIN_OPENED => Reply::JoinOpened {
            more: r.flag("more")?,
            heads: r.list("heads", 12, |r| Ok((r.volume()?, r.head_epoch()?)))?,
            layers: r.list("layers", 16, |r| Ok((r.volume()?, r.layer()?)))?,
            marks: r.list("marks", 32, |r| Ok((r.volume()?, r.version()?, r.version()?)))?,
        },
        number::COPY_LIST => {
            let more = r.flag("more")?;
            Reply::CopyList {
                entries: r.list("entries", COPY_ENTRY_BYTES, Reader::copy_entry)?,
                more,
            }
        }
        number::LAYER_OPENED => Reply::LayerOpened,
        number::PONG => Reply::Pong { map_epoch: MapEpoch(r.u64()?) },
        number::REFUSED => Reply::Refused(decode_refusal(r)?),
        number => return Err(CodecError::UnknownMessage { kind: Kind::Reply, number }),
    })
}

fn decode_refusal(r: &mut Reader<'_>) -> Result<Refusal, CodecError> {
    let (number, epoch) = (r.u8()?, r.u32()?);
    let without_epoch = match number {
        refusal::STALE_HEAD => return Ok(Refusal::StaleHead { installed: HeadEpoch(epoch) }),
        refusal::STALE_PG => return Ok(Refusal::StalePg { seen: PgEpoch(epoch) }),
        refusal::NOT_INSTALLED => return Ok(Refusal::NotInstalled { installed: HeadEpoch(epoch) }),
        refusal::NO_SESSION => Refusal::NoSession,
        refusal::UNFIT => Refusal::Unfit,
        refusal::NOT_MEMBER => Refusal::NotMember,
        refusal::DELETED => Refusal::Deleted,
        refusal::NO_SPACE => Refusal::NoSpace,
        refusal::FENCED => Refusal::Fenced,
        refusal::BAD_BLOCK => Refusal::BadBlock,
        refusal::NOT_FOUND => Refusal::NotFound,
        value => return Err(Malformed::Value { field: "refusal", value: value.into() }.into()),
    };
    if epoch != 0 {
        return Err(Malformed::Value { field: "epoch", value: epoch.into() }.into());
    }
    Ok(without_epoch)
}
