//! `shoal_types::Request` <-> meta bytes: one byte that says which, then its fields in order.

use bytes::Bytes;
use shoal_types::geometry::MESSAGE_BLOCKS_MAX;
use shoal_types::message::WriteRequest;
use shoal_types::{BLOCK_BYTES, Body, Request};

use super::fields::{CLEAR, DATA, PG_BYTES, PutFields, VERSION_BYTES, ZERO};
use super::{Blocks, CodecError};
use crate::cursor::{Malformed, Put, Reader};
use crate::frame::Kind;

/// Numbers are part of the wire format and never reused.
mod number {
    pub const WRITE: u8 = 1;
    pub const READ: u8 = 2;
    pub const INSTALL: u8 = 3;
    pub const READ_ENTRY: u8 = 4;
    pub const CONFIRM: u8 = 5;
    pub const SETTLE: u8 = 6;
    pub const JOIN_OPEN: u8 = 7;
    pub const COPY_LIST: u8 = 8;
    pub const COPY_READ: u8 = 9;
    pub const OPEN_LAYER: u8 = 10;
    pub const PING: u8 = 11;
}

const PG_EPOCH_BYTES: usize = PG_BYTES + 4;
const WATERMARK_BYTES: usize = PG_EPOCH_BYTES + VERSION_BYTES;

/// The block data that goes with a request.
pub fn payload(request: &Request) -> Option<&Bytes> {
    match request {
        Request::Write(WriteRequest { body: Body::Data { data, .. }, .. }) => Some(data),
        _ => None,
    }
}

pub fn encode(out: &mut Vec<u8>, request: &Request) {
    match request {
        Request::Write(write) => encode_write(out, write),
        Request::Read { volume, pg, layer, block, blocks, head_epoch, pg_epoch } => {
            out.put_u8(number::READ);
            out.put_u64(volume.0);
            out.put_pg(*pg);
            out.put_u64(layer.0);
            out.put_u64(*block);
            out.put_u32(*blocks);
            out.put_u32(head_epoch.0);
            out.put_u32(pg_epoch.0);
        }
        Request::Install { volume, pg, head_epoch, pg_epoch, role, after } => {
            out.put_u8(number::INSTALL);
            out.put_u64(volume.0);
            out.put_pg(*pg);
            out.put_u32(head_epoch.0);
            out.put_u32(pg_epoch.0);
            out.put_role(*role);
            out.put_cursor(*after);
        }
        Request::ReadEntry { volume, pg, head_epoch, entry } => {
            out.put_u8(number::READ_ENTRY);
            out.put_u64(volume.0);
            out.put_pg(*pg);
            out.put_u32(head_epoch.0);
            out.put_entry(entry);
        }
        Request::Confirm { .. } | Request::Settle { .. } => encode_rounds(out, request),
        Request::OpenLayer { volume, layer, head_epoch } => {
            out.put_u8(number::OPEN_LAYER);
            out.put_u64(volume.0);
            out.put_u64(layer.0);
            out.put_u32(head_epoch.0);
        }
        Request::Ping => out.put_u8(number::PING),
        _ => encode_resync(out, request),
    }
}

fn encode_write(out: &mut Vec<u8>, write: &WriteRequest) {
    out.put_u8(number::WRITE);
    out.put_u64(write.volume.0);
    out.put_pg(write.pg);
    out.put_u64(write.layer.0);
    out.put_u64(write.block);
    out.put_u32(write.body.blocks());
    out.put_version(write.version);
    out.put_u32(write.pg_epoch.0);
    out.put_version(write.watermark);
    out.put_role(write.role);
    match &write.body {
        Body::Zero { .. } => out.put_u8(ZERO),
        Body::Clear { .. } => out.put_u8(CLEAR),
        Body::Data { data, crcs, encoding } => {
            assert_eq!(data.len(), crcs.len() * BLOCK_BYTES, "one CRC for each block");
            out.put_u8(DATA);
            out.put_encoding(*encoding);
            for crc in crcs {
                out.put_u32(*crc);
            }
        }
    }
}

fn encode_rounds(out: &mut Vec<u8>, request: &Request) {
    match request {
        Request::Confirm { volume, head_epoch, pgs } => {
            out.put_u8(number::CONFIRM);
            out.put_u64(volume.0);
            out.put_u32(head_epoch.0);
            out.put_count(pgs.len());
            for (pg, epoch) in pgs {
                out.put_pg(*pg);
                out.put_u32(epoch.0);
            }
        }
        Request::Settle { volume, head_epoch, pgs } => {
            out.put_u8(number::SETTLE);
            out.put_u64(volume.0);
            out.put_u32(head_epoch.0);
            out.put_count(pgs.len());
            for (pg, epoch, watermark) in pgs {
                out.put_pg(*pg);
                out.put_u32(epoch.0);
                out.put_version(*watermark);
            }
        }
        _ => unreachable!("only rounds come here"),
    }
}

fn encode_resync(out: &mut Vec<u8>, request: &Request) {
    match request {
        Request::JoinOpen { pg, join_at, joiner, after } => {
            out.put_u8(number::JOIN_OPEN);
            out.put_pg(*pg);
            out.put_u32(join_at.0);
            out.put_u64(joiner.0);
            out.put_u8(after.is_some().into());
            after.iter().for_each(|volume| out.put_u64(volume.0));
        }
        Request::CopyList { pg, join_at, since, after } => {
            out.put_u8(number::COPY_LIST);
            out.put_pg(*pg);
            out.put_u32(join_at.0);
            out.put_u32(since.0);
            out.put_cursor(*after);
        }
        Request::CopyRead { pg, join_at, layer, block, blocks } => {
            out.put_u8(number::COPY_READ);
            out.put_pg(*pg);
            out.put_u32(join_at.0);
            out.put_u64(layer.0);
            out.put_u64(*block);
            out.put_u32(*blocks);
        }
        _ => unreachable!("only resync requests come here"),
    }
}

pub fn decode(meta: &[u8], payload: &Bytes) -> Result<Request, CodecError> {
    let mut reader = Reader::new(meta);
    let mut data = Blocks::new(payload);
    let request = match reader.u8()? {
        number::WRITE => Request::Write(decode_write(&mut reader, &mut data)?),
        other => decode_plain(other, &mut reader)?,
    };
    reader.finish()?;
    data.finish()?;
    Ok(request)
}

fn decode_write(r: &mut Reader<'_>, data: &mut Blocks<'_>) -> Result<WriteRequest, CodecError> {
    let (volume, pg, layer) = (r.volume()?, r.pg()?, r.layer()?);
    let (block, blocks) = r.run(u32::MAX)?;
    Ok(WriteRequest {
        volume,
        pg,
        layer,
        block,
        version: r.version()?,
        pg_epoch: r.pg_epoch()?,
        watermark: r.version()?,
        role: r.role()?,
        body: decode_body(blocks, r, data)?,
    })
}

fn decode_body(
    blocks: u32,
    reader: &mut Reader<'_>,
    data: &mut Blocks<'_>,
) -> Result<Body, CodecError> {
    match reader.u8()? {
        ZERO => Ok(Body::Zero { blocks }),
        CLEAR => Ok(Body::Clear { blocks }),
        DATA => {
            if blocks > MESSAGE_BLOCKS_MAX {
                return Err(Malformed::TooMany { field: "blocks", count: blocks.into() }.into());
            }
            let encoding = reader.plain_encoding()?;
            let data = data.take(blocks as usize * BLOCK_BYTES)?;
            let crcs = (0..blocks).map(|_| reader.u32()).collect::<Result<_, _>>()?;
            Ok(Body::Data { data, crcs, encoding })
        }
        value => Err(Malformed::Value { field: "body", value: value.into() }.into()),
    }
}

fn decode_plain(number: u8, r: &mut Reader<'_>) -> Result<Request, CodecError> {
    Ok(match number {
        number::READ => {
            let (volume, pg, layer) = (r.volume()?, r.pg()?, r.layer()?);
            let (block, blocks) = r.run(MESSAGE_BLOCKS_MAX)?;
            let (head_epoch, pg_epoch) = (r.head_epoch()?, r.pg_epoch()?);
            Request::Read { volume, pg, layer, block, blocks, head_epoch, pg_epoch }
        }
        number::INSTALL => Request::Install {
            volume: r.volume()?,
            pg: r.pg()?,
            head_epoch: r.head_epoch()?,
            pg_epoch: r.pg_epoch()?,
            role: r.role()?,
            after: r.cursor()?,
        },
        number::READ_ENTRY => Request::ReadEntry {
            volume: r.volume()?,
            pg: r.pg()?,
            head_epoch: r.head_epoch()?,
            entry: r.entry()?,
        },
        number::CONFIRM => Request::Confirm {
            volume: r.volume()?,
            head_epoch: r.head_epoch()?,
            pgs: r.list("pgs", PG_EPOCH_BYTES, |r| Ok((r.pg()?, r.pg_epoch()?)))?,
        },
        number::SETTLE => Request::Settle {
            volume: r.volume()?,
            head_epoch: r.head_epoch()?,
            pgs: r.list("pgs", WATERMARK_BYTES, |r| Ok((r.pg()?, r.pg_epoch()?, r.version()?)))?,
        },
        number::OPEN_LAYER => Request::OpenLayer {
            volume: r.volume()?,
            layer: r.layer()?,
            head_epoch: r.head_epoch()?,
        },
        number::PING => Request::Ping,
        other => decode_resync(other, r)?,
    })
}

fn decode_resync(number: u8, r: &mut Reader<'_>) -> Result<Request, CodecError> {
    Ok(match number {
        number::JOIN_OPEN => {
            let (pg, join_at, joiner) = (r.pg()?, r.pg_epoch()?, r.disk()?);
            let after = if r.flag("after")? { Some(r.volume()?) } else { None };
            Request::JoinOpen { pg, join_at, joiner, after }
        }
        number::COPY_LIST => Request::CopyList {
            pg: r.pg()?,
            join_at: r.pg_epoch()?,
            since: r.pg_epoch()?,
            after: r.cursor()?,
        },
        number::COPY_READ => {
            let (pg, join_at, layer) = (r.pg()?, r.pg_epoch()?, r.layer()?);
            let (block, blocks) = r.run(MESSAGE_BLOCKS_MAX)?;
            Request::CopyRead { pg, join_at, layer, block, blocks }
        }
        number => return Err(CodecError::UnknownMessage { kind: Kind::Request, number }),
    })
}
