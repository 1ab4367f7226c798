//! Carries out a store's disk commands on the thread's ring.

use std::os::fd::RawFd;

use bytes::Bytes;
use io_uring::{opcode, squeue, types};
use shoal_store::{DiskIo, IoError, IoId, IoKind};
use shoal_types::buffer::{AlignedBuf, BufferPool, is_aligned};

use super::DiskFile;

/// More parts than this are joined into one buffer (the kernel's limit is 1024).
const WRITE_PARTS_MAX: usize = 512;

/// A command in flight; owns the memory that the kernel works on.
pub enum DiskOp {
    Read { id: IoId, buffer: AlignedBuf, length: usize },
    Write { id: IoId, bufs: Vec<Bytes>, parts: Box<[libc::iovec]>, length: usize },
    Sync { id: IoId },
}

/// What a finished command gives back to the store.
pub type DiskDone = (IoId, Result<Option<Bytes>, IoError>);

/// The ring entry for `io`, or the answer where nothing is to be done: `Discard` is a hint which
/// would turn written extents of a file into unwritten ones, and slow their next write down.
/// `pool`: memory of reads.
pub fn prepare(
    disk: &DiskFile,
    pool: &BufferPool,
    io: DiskIo,
) -> Result<(squeue::Entry, DiskOp), DiskDone> {
    let (id, fd) = (io.id, disk.fd());
    match io.kind {
        IoKind::Read { offset, len } => Ok(read(fd, pool, id, offset, len as usize)),
        IoKind::Write { offset, bufs, durable } => {
            let bufs = if disk.direct { aligned(bufs) } else { bufs };
            Ok(write(fd, id, offset, bufs, durable))
        }
        IoKind::Sync => {
            let entry =
                opcode::Fsync::new(types::Fd(fd)).flags(types::FsyncFlags::DATASYNC).build();
            Ok((entry, DiskOp::Sync { id }))
        }
        IoKind::Discard { .. } => Err((id, Ok(None))),
    }
}

fn read(
    fd: RawFd,
    pool: &BufferPool,
    id: IoId,
    offset: u64,
    length: usize,
) -> (squeue::Entry, DiskOp) {
    let mut buffer = pool.take(length);
    let start = buffer.spare_mut().as_mut_ptr().cast::<u8>();
    let entry = opcode::Read::new(types::Fd(fd), start, length as u32).offset(offset).build();
    (entry, DiskOp::Read { id, buffer, length })
}

fn write(
    fd: RawFd,
    id: IoId,
    offset: u64,
    bufs: Vec<Bytes>,
    durable: bool,
) -> (squeue::Entry, DiskOp) {
    let flags = if durable { libc::RWF_DSYNC } else { 0 };
    let parts: Box<[libc::iovec]> = bufs
        .iter()
        .map(|buf| libc::iovec { iov_base: buf.as_ptr().cast_mut().cast(), iov_len: buf.len() })
        .collect();
    let length = bufs.iter().map(Bytes::len).sum();
    let entry = opcode::Writev::new(types::Fd(fd), parts.as_ptr().cast(), parts.len() as u32)
        .offset(offset)
        .rw_flags(flags)
        .build();
    (entry, DiskOp::Write { id, bufs, parts, length })
}

/// O_DIRECT takes only whole aligned parts: copy what is not, keep what is.
fn aligned(bufs: Vec<Bytes>) -> Vec<Bytes> {
    if bufs.len() > WRITE_PARTS_MAX {
        let mut joined = AlignedBuf::with_capacity(bufs.iter().map(Bytes::len).sum());
        bufs.iter().for_each(|buf| joined.extend_from_slice(buf));
        return vec![joined.freeze()];
    }
    bufs.into_iter()
        .map(|buf| if is_aligned(&buf) { buf } else { AlignedBuf::from_slice(&buf).freeze() })
        .collect()
}

/// Turn the kernel's result into the store's. A short transfer is an error: the store asked for
/// bytes that exist.
pub fn finish(op: DiskOp, result: i32) -> DiskDone {
    let failed = |code: i32| Err(IoError { code });
    match op {
        DiskOp::Sync { id } if result < 0 => (id, failed(-result)),
        DiskOp::Sync { id } => (id, Ok(None)),
        DiskOp::Read { id, .. } | DiskOp::Write { id, .. } if result < 0 => (id, failed(-result)),
        DiskOp::Read { id, length, .. } | DiskOp::Write { id, length, .. }
            if result as usize != length =>
        {
            (id, failed(libc::EIO))
        }
        DiskOp::Write { id, .. } => (id, Ok(None)),
        DiskOp::Read { id, mut buffer, length } => {
            // SAFETY: the kernel filled exactly `length` bytes, as checked above.
            unsafe { buffer.set_len(length) };
            (id, Ok(Some(buffer.freeze())))
        }
    }
}
