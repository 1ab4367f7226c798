use super::*;
use crate::layout::Layout;
use crate::params::Identity;

static ZEROS: [u8; PROBE_BYTES] = [0; PROBE_BYTES];

fn superblock() -> Superblock {
    let identity = Identity {
        cluster_id: [1; 16],
        disk: shoal_types::DiskId(3),
        store_uuid: [2; 16],
        incarnation: 4,
    };
    Superblock::new(identity, Layout::choose(64 << 20).unwrap())
}

fn with(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut disk = ZEROS.to_vec();
    disk[at..at + bytes.len()].copy_from_slice(bytes);
    disk
}

#[test]
fn every_mark_is_known() {
    for mark in MARKS {
        let first = with(mark.at, mark.bytes);
        assert_eq!(probe(&first, &ZEROS), Probe::Foreign { what: mark.what });
    }
    assert_eq!(probe(&ZEROS, &ZEROS), Probe::Empty);
    assert_eq!(probe(&[], &[]), Probe::Empty);
}

#[test]
fn ext_and_boot_sectors_and_both_ends() {
    let mut ext = with(1024 + 0x38, b"\x53\xef");
    assert_eq!(probe(&ext, &ZEROS), Probe::Foreign { what: UNKNOWN }, "no file system");
    ext[1024] = 1;
    ext[1028] = 1;
    assert!(matches!(probe(&ext, &ZEROS), Probe::Foreign { what } if what.starts_with("ext")));
    let mbr = with(510, b"\x55\xaa");
    assert!(matches!(probe(&mbr, &ZEROS), Probe::Foreign { what } if what.contains("MBR")));
    let gpt = with(PROBE_BYTES - 512, b"EFI PART");
    assert!(matches!(probe(&ZEROS, &gpt), Probe::Foreign { what } if what.contains("GPT")));
    let md = with(PROBE_BYTES - (64 << 10), b"\xfc\x4e\x2b\xa9");
    assert!(matches!(probe(&ZEROS, &md), Probe::Foreign { what: "md array member" }));
    for at in [(128 << 10) + 3072, (384 << 10) + 1024] {
        let zfs = with(at, &0x00ba_b10c_u64.to_le_bytes());
        assert_eq!(probe(&zfs, &ZEROS), Probe::Foreign { what: "ZFS" });
        let zfs = with(PROBE_BYTES - (512 << 10) + at, &0x00ba_b10c_u64.to_be_bytes());
        assert_eq!(probe(&ZEROS, &zfs), Probe::Foreign { what: "ZFS" });
    }
}

#[test]
fn one_whole_superblock_is_enough() {
    let ours = superblock();
    let whole = ours.encode();
    let (first, last) = (with(0, &whole), with(PROBE_BYTES - 4096, &whole));
    let found = Probe::Shoal(Box::new(ours));
    assert_eq!(probe(&first, &last), found);
    let mut torn = first.clone();
    torn[100] ^= 1;
    assert_eq!(probe(&torn, &last), found);
    assert_eq!(probe(&ZEROS, &last), found);
    assert_eq!(probe(&torn, &ZEROS), Probe::Damaged);
    assert_eq!(probe(&with(0, &FORMATTING), &ZEROS), Probe::Unfinished);
    assert_eq!(probe(&with(0, &FORMATTING), &last), found, "it was whole before it began");
    let overwritten = with(0, b"XFSB");
    assert_eq!(probe(&overwritten, &last), Probe::Foreign { what: "XFS" });
}

#[test]
fn what_nobody_knows_is_still_somebodys() {
    for byte in [0, 4096, PROBE_BYTES - 1] {
        let some = with(byte, &[1]);
        assert_eq!(probe(&some, &ZEROS), Probe::Foreign { what: UNKNOWN });
        assert_eq!(probe(&ZEROS, &some), Probe::Foreign { what: UNKNOWN });
    }
}

#[test]
fn a_newer_format_is_told_apart_from_damage() {
    let newer = |major, incompat| Probe::Newer { major, incompat };
    for (at, newer) in [(12, newer(3, 0)), (16, newer(1, 2)), (24, newer(1, 2))] {
        let mut bytes = superblock().encode().to_vec();
        bytes[at] ^= 2;
        bytes[8..12].fill(0);
        let crc = shoal_types::checksum::crc32c(&bytes);
        bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(probe(&with(0, &bytes), &ZEROS), newer);
    }
}

/// A single flipped bit never passes for a whole superblock.
#[test]
fn every_flipped_bit_is_seen() {
    let whole = superblock().encode();
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(!matches!(Superblock::parse(&bytes), Parsed::Ours(_)), "bit {bit}");
    }
}
