//! What is on a disk already? Pure: the caller reads both ends, we look for marks. A disk that
//! holds anything known is taken only when the operator says so.

use crate::superblock::{FORMATTING, Parsed, Superblock};

/// How much of either end `probe` wants to see, in bytes; a shorter disk gives all it has.
pub const PROBE_BYTES: usize = 1 << 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Zeros.
    Empty,
    /// A format of ours that was cut short.
    Unfinished,
    Shoal(Box<Superblock>),
    /// Somebody else's: a file system, a partition table, a member of an array, or bytes of which
    /// nobody here knows what they are.
    Foreign {
        what: &'static str,
    },
    /// A store's mark, but neither superblock copy is whole.
    Damaged,
    /// A store of a version or with features that this program does not know.
    Newer {
        major: u16,
        incompat: u64,
    },
}

/// A database on the bare disk, an archive, an encrypted volume without a header: no mark, and yet
/// somebody's.
const UNKNOWN: &str = "data that is not known to Shoal";

/// A mark at a fixed place from the start of the disk.
struct Mark {
    at: usize,
    bytes: &'static [u8],
    what: &'static str,
}

const fn mark(at: usize, bytes: &'static [u8], what: &'static str) -> Mark {
    Mark { at, bytes, what }
}

/// Little- and big-endian forms of a magic are marks of their own. Order: what tells more first.
const MARKS: &[Mark] = &[
    mark(0, b"XFSB", "XFS"),
    mark(0x10040, b"_BHRfS_M", "btrfs"),
    mark(0, b"LUKS\xba\xbe", "LUKS"),
    mark(0x4000, b"SKUL\xba\xbe", "LUKS"),
    mark(512, b"LABELONE", "LVM physical volume"),
    mark(0, b"LABELONE", "LVM physical volume"),
    mark(1024, b"LABELONE", "LVM physical volume"),
    mark(1536, b"LABELONE", "LVM physical volume"),
    mark(4086, b"SWAPSPACE2", "swap"),
    mark(4086, b"SWAP-SPACE", "swap"),
    mark(16374, b"SWAPSPACE2", "swap"),
    mark(65526, b"SWAPSPACE2", "swap"),
    mark(0x1018, b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81", "bcache"),
    mark(0x1018, b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef", "bcachefs"),
    mark(0, b"\xfc\x4e\x2b\xa9", "md array member"),
    mark(4096, b"\xfc\x4e\x2b\xa9", "md array member"),
    mark(0x8001, b"CD001", "ISO 9660"),
    mark(0x8001, b"BEA01", "UDF"),
    mark(0x10034, b"ReIsErFs", "reiserfs"),
    mark(0x10034, b"ReIsEr2Fs", "reiserfs"),
    mark(0x10034, b"ReIsEr3Fs", "reiserfs"),
    mark(1024, b"\x10\x20\xf5\xf2", "F2FS"),
    mark(0x8000, b"JFS1", "JFS"),
    mark(3, b"NTFS    ", "NTFS"),
    mark(3, b"EXFAT   ", "exFAT"),
    mark(82, b"FAT32   ", "FAT"),
    mark(54, b"FAT16   ", "FAT"),
    mark(54, b"FAT12   ", "FAT"),
    mark(0, b"hsqs", "squashfs"),
    mark(0, b"bluestore block device", "a BlueStore disk"),
    mark(0, b"QFI\xfb", "a qcow2 image"),
    mark(512, b"EFI PART", "a GPT partition table"),
    mark(4096, b"EFI PART", "a GPT partition table"),
];

/// `first`, `last`: up to `PROBE_BYTES` from either end of the disk.
pub fn probe(first: &[u8], last: &[u8]) -> Probe {
    let tail = last.len().saturating_sub(last.len() % 4096);
    let tail = last.get(tail.saturating_sub(4096)..tail).unwrap_or_default();
    let copies = [Superblock::parse(first), Superblock::parse(tail)];
    // Our mark at the end alone may be a leftover under somebody else's new file system.
    if copies[0] == Parsed::None
        && let Some(what) = foreign(first, last)
    {
        return Probe::Foreign { what };
    }
    if let Some(known) = best(&copies) {
        return known;
    }
    if copies.contains(&Parsed::Damaged) {
        return Probe::Damaged;
    }
    if first.starts_with(&FORMATTING) {
        return Probe::Unfinished;
    }
    match [first, last].iter().all(|end| end.iter().all(|byte| *byte == 0)) {
        true => Probe::Empty,
        false => Probe::Foreign { what: UNKNOWN },
    }
}

/// One whole copy is enough; the newer generation of two.
fn best(copies: &[Parsed; 2]) -> Option<Probe> {
    let newer = copies.iter().find_map(|copy| match copy {
        Parsed::Newer { major, incompat } => {
            Some(Probe::Newer { major: *major, incompat: *incompat })
        }
        _ => None,
    });
    let ours = copies.iter().filter_map(|copy| match copy {
        Parsed::Ours(superblock) => Some(*superblock),
        _ => None,
    });
    newer.or(ours.max_by_key(|sb| sb.generation).map(|sb| Probe::Shoal(Box::new(sb))))
}

fn foreign(first: &[u8], last: &[u8]) -> Option<&'static str> {
    let at = |at: usize, bytes: &[u8]| first.get(at..at + bytes.len()) == Some(bytes);
    let marked = MARKS.iter().find(|m| at(m.at, m.bytes)).map(|m| m.what);
    marked
        .or_else(|| is_ext(first).then_some("ext2, ext3 or ext4"))
        .or_else(|| has_zfs_label(first, last).then_some("ZFS"))
        .or_else(|| foreign_end(last))
        // Boot code and partition tables share this mark with file systems: asked last.
        .or_else(|| at(510, b"\x55\xaa").then_some("an MBR partition table or boot sector"))
}

/// Two bytes of magic are few: the superblock must also make sense.
fn is_ext(first: &[u8]) -> bool {
    let word = |at: usize| {
        first.get(at..at + 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    };
    let magic = first.get(1024 + 0x38..1024 + 0x3a) == Some(b"\x53\xef");
    let (inodes, blocks, log_size) = (word(1024), word(1024 + 4), word(1024 + 0x18));
    magic && inodes > 0 && blocks > 0 && log_size <= 6
}

/// Four labels of 256 KiB, two at either end; their uberblock rings begin 128 KiB in, and a slot
/// of a ring is 1 KiB at least.
fn has_zfs_label(first: &[u8], last: &[u8]) -> bool {
    const MAGIC: u64 = 0x00ba_b10c;
    let is_uberblock = |slot: &[u8]| {
        let word = u64::from_le_bytes(std::array::from_fn(|i| slot[i]));
        word == MAGIC || word.swap_bytes() == MAGIC
    };
    let ring = |label: &[u8]| {
        label.get(128 << 10..256 << 10).is_some_and(|r| r.chunks_exact(1024).any(is_uberblock))
    };
    let labels = |end: &[u8]| end.chunks(256 << 10).any(ring);
    let aligned = last.len() - last.len() % (256 << 10);
    let tail = &last[last.len() - aligned..];
    labels(&first[..first.len().min(512 << 10)])
        || labels(&tail[aligned.saturating_sub(512 << 10)..])
}

/// Marks near the end of the disk.
fn foreign_end(last: &[u8]) -> Option<&'static str> {
    let from_end = |back: usize, bytes: &[u8]| {
        let at = last.len().checked_sub(back);
        at.and_then(|at| last.get(at..at + bytes.len())) == Some(bytes)
    };
    if from_end(512, b"EFI PART") || from_end(4096, b"EFI PART") {
        return Some("a GPT partition table");
    }
    // Version 0.90 lies in the last whole 64 KiB but one, version 1.0 in the last 8 KiB.
    let md = b"\xfc\x4e\x2b\xa9";
    let md_at = |back: usize| from_end(back, md);
    let spans = (64 << 10..=128 << 10).step_by(4096);
    let array = md_at(8 << 10) || md_at(12 << 10) || spans.into_iter().any(md_at);
    if array {
        return Some("md array member");
    }
    from_end(512, b"\x12SCSI").then_some("a RAID member")
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;
