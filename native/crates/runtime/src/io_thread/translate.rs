//! Between a front end's words and the head's.

use shoal_engine::head::{ClientError, ClientOp, Segment};
use shoal_nbd::{Command, Errno, Extent, ReadPart, Request};
use shoal_types::BLOCK_BYTES;

/// Most bytes that one block status query looks at; the client asks again for the rest.
const STATUS_BYTES_MAX: u32 = 1 << 20;

/// How a request is measured and traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpKind {
    Read,
    Write,
    Zero,
    Flush,
    Status,
}

impl OpKind {
    pub const ALL: [Self; 5] = [Self::Read, Self::Write, Self::Zero, Self::Flush, Self::Status];

    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Zero => "zero",
            Self::Flush => "flush",
            Self::Status => "status",
        }
    }
}

/// What the head is asked for an NBD request; `None`: nothing is to be done.
pub fn client_op(request: &Request) -> Option<(OpKind, ClientOp)> {
    let (offset, len) = (request.offset, request.length);
    match &request.command {
        Command::Read => Some((OpKind::Read, ClientOp::Read { offset, len })),
        Command::Write { data, .. } => {
            Some((OpKind::Write, ClientOp::Write { offset, data: data.clone() }))
        }
        Command::Flush => Some((OpKind::Flush, ClientOp::Flush)),
        Command::Trim { .. } => whole_blocks(offset, u64::from(len))
            .map(|(offset, len)| (OpKind::Zero, ClientOp::Zero { offset, len })),
        Command::WriteZeroes { .. } => {
            Some((OpKind::Zero, ClientOp::Zero { offset, len: u64::from(len) }))
        }
        Command::BlockStatus => {
            let len = len.min(STATUS_BYTES_MAX);
            Some((OpKind::Status, ClientOp::Read { offset, len }))
        }
        Command::Cache => None,
    }
}

/// A discard is a hint: its parts of blocks are left alone, so that it never reads.
pub fn whole_blocks(offset: u64, len: u64) -> Option<(u64, u64)> {
    let block = BLOCK_BYTES as u64;
    let first = offset.next_multiple_of(block);
    let end = (offset + len) / block * block;
    (first < end).then(|| (first, end - first))
}

pub fn read_parts(segments: Vec<Segment>) -> Vec<ReadPart> {
    let part = |segment| match segment {
        Segment::Data(data) => ReadPart::Data(data),
        Segment::Zeros(len) => ReadPart::Hole(len as u32),
    };
    segments.into_iter().map(part).collect()
}

/// Allocation as a read shows it: what is not stored reads as zeros.
pub fn extents(segments: &[Segment]) -> Vec<Extent> {
    let extent = |segment: &Segment| {
        let zero = matches!(segment, Segment::Zeros(_));
        Extent { length: segment.len() as u64, hole: zero, zero }
    };
    segments.iter().map(extent).collect()
}

pub fn errno(error: ClientError) -> Errno {
    match error {
        ClientError::NoSpace => Errno::NoSpace,
        ClientError::OutOfRange => Errno::Invalid,
        ClientError::Closed => Errno::Shutdown,
        ClientError::BadBlock { .. } | ClientError::Fenced | ClientError::Deleted => Errno::Io,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_discard_keeps_the_parts_of_blocks_at_its_edges() {
        assert_eq!(whole_blocks(0, 4096), Some((0, 4096)));
        assert_eq!(whole_blocks(1, 8191), Some((4096, 4096)));
        assert_eq!(whole_blocks(512, 4096), None);
        assert_eq!(whole_blocks(4095, 4098), Some((4096, 4096)));
    }
}
