//! One request of the kernel, decoded and checked against the device.

use crate::uapi::{self, IoDescriptor, SECTOR_BYTES};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    Read,
    Write,
    /// Never sent to a device without volatile cache; answered when it comes all the same.
    Flush,
    Discard,
    /// The blocks read as zeros afterwards; unless `may_free`, their space stays reserved.
    WriteZeroes {
        may_free: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    pub tag: u16,
    pub op: Op,
    pub offset: u64,
    pub len: u64,
}

/// The limits that a request must keep: the driver's own checks are not relied on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Limits {
    pub size_bytes: u64,
    pub block_bytes: u32,
    pub max_io_bytes: u32,
    pub read_only: bool,
}

impl Request {
    /// The request in `descriptor`, or the errno to refuse it with.
    pub(crate) fn decode(
        tag: u16,
        descriptor: &IoDescriptor,
        limits: &Limits,
    ) -> Result<Self, i32> {
        let op = match descriptor.op_flags & 0xff {
            uapi::op::READ => Op::Read,
            uapi::op::WRITE => Op::Write,
            uapi::op::FLUSH => Op::Flush,
            uapi::op::DISCARD => Op::Discard,
            uapi::op::WRITE_ZEROES => {
                let may_free = descriptor.op_flags & uapi::IO_FLAG_NO_UNMAP == 0;
                Op::WriteZeroes { may_free }
            }
            _ => return Err(libc::EOPNOTSUPP),
        };
        if op == Op::Flush {
            return Ok(Self { tag, op, offset: 0, len: 0 });
        }
        let offset = descriptor.start_sector.checked_mul(SECTOR_BYTES).ok_or(libc::EINVAL)?;
        let request = Self { tag, op, offset, len: u64::from(descriptor.sectors) * SECTOR_BYTES };
        request.check(limits).map(|()| request)
    }

    /// Does the request carry data, and so a user copy?
    pub fn has_data(&self) -> bool {
        matches!(self.op, Op::Read | Op::Write)
    }

    fn check(&self, limits: &Limits) -> Result<(), i32> {
        let block = u64::from(limits.block_bytes);
        let end = self.offset.checked_add(self.len).ok_or(libc::EINVAL)?;
        let aligned = self.offset.is_multiple_of(block) && self.len.is_multiple_of(block);
        if self.len == 0 || !aligned || end > limits.size_bytes {
            return Err(libc::EINVAL);
        }
        if self.has_data() && self.len > u64::from(limits.max_io_bytes) {
            return Err(libc::EINVAL);
        }
        if limits.read_only && self.op != Op::Read {
            return Err(libc::EROFS);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { size_bytes: 1 << 20, block_bytes: 4096, max_io_bytes: 65536, read_only: false };

    fn decode(op_flags: u32, start_sector: u64, sectors: u32, limits: &Limits) -> Result<Op, i32> {
        let descriptor = IoDescriptor { op_flags, sectors, start_sector, address: 0 };
        Request::decode(5, &descriptor, limits).map(|request| request.op)
    }

    #[test]
    fn requests_are_decoded() {
        let descriptor =
            IoDescriptor { op_flags: 1 | 1 << 13, sectors: 16, start_sector: 8, address: 9 };
        let request = Request::decode(5, &descriptor, &LIMITS).unwrap();
        assert_eq!(request, Request { tag: 5, op: Op::Write, offset: 4096, len: 8192 });
        assert_eq!(decode(2, 99, 99, &LIMITS), Ok(Op::Flush));
        assert_eq!(decode(5, 0, 8, &LIMITS), Ok(Op::WriteZeroes { may_free: true }));
        assert_eq!(decode(5 | 1 << 15, 0, 8, &LIMITS), Ok(Op::WriteZeroes { may_free: false }));
        assert_eq!(decode(3, 0, 2048, &LIMITS), Ok(Op::Discard), "discards may be large");
    }

    #[test]
    fn what_leaves_the_device_is_refused() {
        assert_eq!(decode(0, 2040, 8, &LIMITS), Ok(Op::Read), "the last block");
        assert_eq!(decode(0, 2048, 8, &LIMITS), Err(libc::EINVAL));
        assert_eq!(decode(0, 2040, 16, &LIMITS), Err(libc::EINVAL));
        assert_eq!(decode(3, u64::MAX / 512, u32::MAX, &LIMITS), Err(libc::EINVAL));
        assert_eq!(decode(0, u64::MAX, 8, &LIMITS), Err(libc::EINVAL));
        assert_eq!(decode(1, 0, 136, &LIMITS), Err(libc::EINVAL), "over the largest I/O");
        assert_eq!(decode(1, 0, 0, &LIMITS), Err(libc::EINVAL));
    }

    #[test]
    fn odd_sectors_are_refused_by_block_size() {
        assert_eq!(decode(0, 1, 8, &LIMITS), Err(libc::EINVAL));
        assert_eq!(decode(0, 8, 1, &LIMITS), Err(libc::EINVAL));
        let small = Limits { block_bytes: 512, ..LIMITS };
        assert_eq!(decode(0, 1, 1, &small), Ok(Op::Read));
    }

    #[test]
    fn read_only_and_unknown_operations_are_refused() {
        let read_only = Limits { read_only: true, ..LIMITS };
        assert_eq!(decode(0, 0, 8, &read_only), Ok(Op::Read));
        for op in [1, 3, 5] {
            assert_eq!(decode(op, 0, 8, &read_only), Err(libc::EROFS));
        }
        for op in [4, 6, 10, 18, 255] {
            assert_eq!(decode(op, 0, 8, &LIMITS), Err(libc::EOPNOTSUPP));
        }
    }

    /// Whatever the descriptor holds: no panic, and nothing beyond the limits comes out.
    #[test]
    fn random_descriptors_stay_within_the_limits() {
        let mut state = 1u64;
        let mut random = move || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            state >> 20
        };
        let mut passed = 0;
        for _ in 0..100_000 {
            let descriptor = IoDescriptor {
                op_flags: random() as u32 & 0x87,
                sectors: random() as u32 >> (random() % 32),
                start_sector: random() >> (random() % 44),
                address: random(),
            };
            if let Ok(request) = Request::decode(0, &descriptor, &LIMITS) {
                assert!(request.offset + request.len <= LIMITS.size_bytes);
                assert!(!request.has_data() || request.len <= 65536);
                passed += 1;
            }
        }
        assert!(passed > 100, "{passed}");
    }
}
