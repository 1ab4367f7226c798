//! Between the kernel's requests and the head's.

use std::io::{self, IoSlice};

use shoal_engine::head::{ClientError, ClientOp, Segment};
use shoal_types::BLOCK_BYTES;
use shoal_types::buffer::BufferPool;
use shoal_ublk::{Op, Queue, Request};

use super::super::translate::{OpKind, whole_blocks};

/// Zeros that holes are read from.
static ZEROS: [u8; 128 << 10] = [0; 128 << 10];

pub fn kind(request: &Request) -> OpKind {
    match request.op {
        Op::Read => OpKind::Read,
        Op::Write => OpKind::Write,
        Op::Flush => OpKind::Flush,
        Op::Discard | Op::WriteZeroes { .. } => OpKind::Zero,
    }
}

/// What the head is asked; `None`: nothing is to be done. A write's data is taken from the kernel
/// here, into memory that goes to sockets and O_DIRECT files as it is.
pub fn client_op(
    queue: &Queue,
    request: &Request,
    pool: &BufferPool,
) -> io::Result<Option<ClientOp>> {
    let (offset, len) = (request.offset, request.len);
    Ok(match request.op {
        Op::Read => Some(ClientOp::Read { offset, len: data_bytes(request) }),
        Op::Write => Some(write(queue, request, pool)?),
        Op::Flush => Some(ClientOp::Flush),
        Op::Discard => {
            whole_blocks(offset, len).map(|(offset, len)| ClientOp::Zero { offset, len })
        }
        Op::WriteZeroes { .. } => Some(ClientOp::Zero { offset, len }),
    })
}

/// The data lies in memory as on the volume: block boundaries are aligned.
fn write(queue: &Queue, request: &Request, pool: &BufferPool) -> io::Result<ClientOp> {
    let lead = (request.offset % BLOCK_BYTES as u64) as usize;
    let end = lead + data_bytes(request) as usize;
    let mut buffer = pool.take(end);
    buffer.extend_zeros(lead);
    queue.take_uninit(request.tag, &mut buffer.spare_mut()[..end - lead])?;
    // SAFETY: `lead` zeros, and behind them what the kernel has just given.
    unsafe { buffer.set_len(end) };
    Ok(ClientOp::Write { offset: request.offset, data: buffer.freeze().slice(lead..) })
}

/// Hands a read's result to the kernel: all of it, or the request fails.
pub fn give(queue: &mut Queue, request: &Request, segments: &[Segment]) -> Result<u32, i32> {
    let total: usize = segments.iter().map(Segment::len).sum();
    assert_eq!(total as u64, request.len, "a read is answered whole");
    let given = match segments {
        [Segment::Data(data)] => queue.give(request.tag, 0, data),
        segments => queue.give_pieces(request.tag, 0, &pieces(segments)),
    };
    given.map(|()| total as u32).map_err(|error| error.raw_os_error().unwrap_or(libc::EIO))
}

fn pieces(segments: &[Segment]) -> Vec<IoSlice<'_>> {
    let mut pieces = Vec::with_capacity(segments.len());
    for segment in segments {
        match segment {
            Segment::Data(data) => pieces.push(IoSlice::new(data)),
            Segment::Zeros(len) => {
                let mut left = *len;
                while left > 0 {
                    let part = left.min(ZEROS.len());
                    pieces.push(IoSlice::new(&ZEROS[..part]));
                    left -= part;
                }
            }
        }
    }
    pieces
}

/// Bytes done, as the kernel wants to hear it of a request that succeeded without data.
pub fn done_bytes(request: &Request) -> u32 {
    if request.has_data() { data_bytes(request) } else { 0 }
}

/// Reads and writes are at most the device's largest I/O.
fn data_bytes(request: &Request) -> u32 {
    u32::try_from(request.len).expect("checked against the largest I/O")
}

pub fn errno(error: ClientError) -> i32 {
    match error {
        ClientError::NoSpace => libc::ENOSPC,
        ClientError::OutOfRange => libc::EINVAL,
        ClientError::BadBlock { .. }
        | ClientError::Fenced
        | ClientError::Deleted
        | ClientError::Closed => libc::EIO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_become_zeros_of_the_same_length() {
        let data = bytes::Bytes::from_static(b"abc");
        let segments =
            [Segment::Zeros(300 << 10), Segment::Data(data), Segment::Zeros(1), Segment::Zeros(0)];
        let pieces = pieces(&segments);
        let lengths: Vec<usize> = pieces.iter().map(|piece| piece.len()).collect();
        assert_eq!(lengths, [128 << 10, 128 << 10, 44 << 10, 3, 1]);
        assert_eq!(&*pieces[3], b"abc");
        let zeros = pieces.iter().enumerate().filter(|(i, _)| *i != 3);
        assert!(zeros.flat_map(|(_, piece)| piece.iter()).all(|byte| *byte == 0));
    }

    #[test]
    fn only_a_full_pool_of_space_is_told_as_such() {
        assert_eq!(errno(ClientError::NoSpace), libc::ENOSPC);
        assert_eq!(errno(ClientError::Fenced), libc::EIO);
        assert_eq!(errno(ClientError::Deleted), libc::EIO);
    }
}
