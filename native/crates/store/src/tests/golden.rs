//! The bytes of every format, as they were released: the code must still read and write exactly
//! these. A change needs a new format version. `SHOAL_WRITE_GOLDEN=1` writes new files.

use std::path::PathBuf;

use shoal_types::{DiskId, HeadEpoch, LayerId, PgEpoch, PgId, Version, VolumeId};

use crate::batch::{BatchDraft, FIXED_BYTES, LogKind, LogPoint, crc_ok, parse_fixed};
use crate::codec::{Reader, Seal};
use crate::data_record::{DataRecord, Run, RunBody};
use crate::index::page::Marks;
use crate::index::{ChunkKey, Entry, Group, Page, Place, Stamp};
use crate::layout::{Layout, Region};
use crate::map::{MapHeader, MapOrder, SlotHeader};
use crate::meta_record::{MetaRecord, TableItem};
use crate::params::Identity;
use crate::root::{CrcRef, IndexRef, Root, RootHeader};
use crate::superblock::{Parsed, Superblock};

const UUID: [u8; 16] = *b"golden-store-id!";

fn path(name: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.join("../../../test/golden").join(format!("store-{name}.bin"))
}

/// Compares with the file; returns the file's bytes.
fn golden(name: &str, bytes: &[u8]) -> Vec<u8> {
    if std::env::var_os("SHOAL_WRITE_GOLDEN").is_some() {
        std::fs::write(path(name), bytes).expect("test/golden can be written");
    }
    let kept = std::fs::read(path(name)).expect("a golden file for every format");
    assert!(kept == bytes, "{name}: the format has changed");
    kept
}

fn stamp(head: u32, seq: u64, epoch: u32) -> Stamp {
    Stamp { version: Version::new(head, seq), epoch: PgEpoch(epoch) }
}

fn entry() -> Entry {
    let mut entry = Entry::new(ChunkKey { layer: 3, chunk: 77 });
    entry.base = stamp(2, 1 << 40, 5);
    entry.places[0] = Place::Zero;
    entry.places[3] = Place::Cell(0xab_cdef_0123);
    entry.places[17] = Place::Cell(0xab_cdef_0124);
    entry.places[29] = Place::Cell(9000);
    entry.groups.push(Group { mask: 1 << 17 | 1, stamp: stamp(2, (1 << 40) + 9, 6) });
    entry
}

fn data_records() -> Vec<DataRecord> {
    let run = |block, count, body| {
        let layer = LayerId(0x1122_3344_5566);
        DataRecord::Run(Run { layer, pg: 4, block, count, stamp: stamp(7, 99, 8), body })
    };
    vec![
        run(5, 2, RunBody::Inline { crcs: vec![0xdead_beef, 1] }),
        run(64, 3, RunBody::Direct { cell: 0xff_0000_0001, crcs: vec![1, 2, 3] }),
        run(100, 256, RunBody::Zero),
        run(1 << 36, 1, RunBody::Absent),
        DataRecord::Volume { volume: VolumeId(12), epoch: HeadEpoch(13) },
        DataRecord::Pg { local: 4, pg: PgId::new(1, 2), epoch: PgEpoch(3) },
        DataRecord::Watermark { volume: VolumeId(12), pg: 4, watermark: Version::new(7, 98) },
        DataRecord::Newest { volume: VolumeId(12), pg: 4, newest: Version::new(7, 102) },
        DataRecord::NewLayer { local: 1, layer: LayerId(2), volume: VolumeId(3) },
        DataRecord::DeleteLayer { local: 1 },
        DataRecord::ForgetLayer { local: 1 },
        DataRecord::Open { start_id: 0x0102_0304_0506_0708 },
    ]
}

fn table_items() -> Vec<TableItem> {
    let (volume, pg) = (VolumeId(12), 4);
    vec![
        TableItem::Volume { volume, epoch: HeadEpoch(13) },
        TableItem::Pg { local: pg, pg: PgId::new(1, 2), epoch: PgEpoch(3) },
        TableItem::PgGone { local: 3 },
        TableItem::Layer { local: 1, layer: LayerId(2), volume, deleted: true, forget: false },
        TableItem::LayerGone { local: 0 },
        TableItem::VolumeGone { volume },
        TableItem::Watermark {
            volume,
            pg,
            watermark: Version::new(7, 98),
            newest: Version::new(7, 101),
        },
        TableItem::Next { layer: 2, pg: 5 },
    ]
}

fn meta_records() -> Vec<MetaRecord> {
    let mut records = vec![
        MetaRecord::Set { pg: 4, entry: entry(), crcs: vec![(0xab_cdef_0123, 7), (9000, 8)] },
        MetaRecord::Delete { pg: 4, key: ChunkKey { layer: 3, chunk: 78 } },
        MetaRecord::DropIndex { pg: 3 },
        MetaRecord::Tail(LogPoint { lsn: 1 << 50, chain: 0x5555_aaaa }),
    ];
    records.extend(table_items().into_iter().map(MetaRecord::Table));
    records
}

fn batch(kind: LogKind, records: &[u8], count: u32) -> Vec<u8> {
    let draft = BatchDraft {
        kind,
        at: LogPoint { lsn: 0x1234_5678, chain: 0x9abc_def0 },
        start_id: 42,
        other_head: 0x777,
        store_uuid: &UUID,
        data_cells: if kind == LogKind::Data { 2 } else { 0 },
        record_count: count,
        records,
    };
    draft.encode(Seal::new(&UUID)).0.to_vec()
}

#[test]
fn superblock() {
    let identity = Identity {
        cluster_id: *b"golden-cluster-1",
        disk: DiskId(0x0123_4567_89ab_cdef),
        store_uuid: UUID,
        incarnation: 3,
    };
    // As stores of 2 GiB were laid out once: what a superblock says holds, whatever is chosen today.
    let region = |first, cells| Region { first, cells };
    let layout = Layout {
        device_cells: 524_288,
        roots: region(1, 256),
        data_log: region(257, 32_768),
        meta_log: region(33_025, 8_192),
        map: region(41_217, 256),
        cells: region(41_504, 482_783),
    };
    let ours = Superblock::new(identity, layout);
    let kept = golden("superblock", &ours.encode());
    assert_eq!(Superblock::parse(&kept), Parsed::Ours(ours));
}

/// Version 1.0: no region for the cluster state.
#[test]
fn superblock_of_the_first_version() {
    let kept = std::fs::read(path("superblock-1")).expect("a golden file");
    let Parsed::Ours(old) = Superblock::parse(&kept) else { panic!("it is ours") };
    assert_eq!(old.layout.map, Region { first: 0, cells: 0 });
    assert_eq!(old.identity.disk, DiskId(0x0123_4567_89ab_cdef));
}

#[test]
fn map_slot() {
    let (order, body) = (MapOrder { incarnation: 3, index: 0x0102_0304 }, b"a cluster state");
    let kept = golden("map", &crate::map::encode(order, body, Seal::new(&UUID)));
    let SlotHeader::Ours(header) = MapHeader::parse(&kept, &UUID, 4096) else { panic!("ours") };
    assert_eq!((header.order, header.body_bytes), (order, 15));
    assert!(header.is_of(&kept[4096..4096 + 15], &UUID));
}

#[test]
fn data_batch() {
    let mut records = Vec::new();
    data_records().iter().for_each(|r| r.encode(&mut records));
    let kept = golden("data-batch", &batch(LogKind::Data, &records, 11));
    let header = parse_fixed(&kept, &UUID).expect("a batch");
    assert!(crc_ok(&kept, Seal::new(&UUID)).is_some());
    assert_eq!((header.cells, header.records, header.other_head), (3, 11, 0x777));
    let mut r = Reader::new(&kept[FIXED_BYTES..FIXED_BYTES + header.record_bytes as usize]);
    for record in data_records() {
        assert_eq!(DataRecord::decode(&mut r), Some(record));
    }
    assert!(r.is_empty());
}

#[test]
fn meta_batch() {
    let mut records = Vec::new();
    meta_records().iter().for_each(|r| r.encode(&mut records));
    let kept = golden("meta-batch", &batch(LogKind::Meta, &records, 11));
    let header = parse_fixed(&kept, &UUID).expect("a batch");
    assert!(crc_ok(&kept, Seal::new(&UUID)).is_some());
    let mut r = Reader::new(&kept[FIXED_BYTES..FIXED_BYTES + header.record_bytes as usize]);
    for record in meta_records() {
        assert_eq!(MetaRecord::decode(&mut r), Some(record));
    }
    assert!(r.is_empty());
}

#[test]
fn index_page() {
    let mut page = Page::new(4, 1 << 63, 1);
    let mut record = Vec::new();
    entry().encode(&mut record);
    page.set(entry().key, 0xa5, &record, Marks::of(&entry())).expect("an empty page has room");
    let seal = Seal::new(&UUID);
    let kept = golden("index-page", &page.image(seal).0);
    let page = Page::load(&kept, seal).expect("a page");
    assert_eq!(page.entry(entry().key, 0xa5), Some(entry()));
    assert_eq!((page.pg(), page.start(), page.depth()), (4, 1 << 63, 1));
    assert_eq!((page.epoch_max(), page.maybe_unsettled()), (PgEpoch(6), true));
}

#[test]
fn root() {
    let root = Root {
        generation: 6,
        meta: LogPoint { lsn: 1000, chain: 1 },
        data: LogPoint { lsn: 2000, chain: 2 },
        index: vec![IndexRef { pg: 4, start: 1 << 63, depth: 1, cell: 0xab_cdef_0123, crc: 9 }],
        crcs: vec![CrcRef { number: 17, cell: 5000, crc: 10 }],
        tables: table_items(),
    };
    let seal = Seal::new(&UUID);
    let kept = golden("root", &root.encode(seal));
    let header = RootHeader::parse(&kept, seal, 1 << 20).expect("a root");
    assert_eq!(Root::decode(&header, &kept[4096..], seal), Some(root));
}

/// Whatever a mutated record says, decoding ends in a value or in nothing.
#[test]
fn mutated_formats_never_panic() {
    let mut rng = super::rng::Rng::new(11);
    let seal = Seal::new(&UUID);
    let files = ["superblock", "data-batch", "meta-batch", "index-page", "root", "map"];
    let kept: Vec<Vec<u8>> =
        files.iter().map(|f| std::fs::read(path(f)).expect("a golden file")).collect();
    for _ in 0..40_000 {
        let mut bytes = kept[rng.below(6) as usize].clone();
        for _ in 0..1 + rng.below(4) {
            let at = rng.below(400.min(bytes.len() as u64)) as usize;
            bytes[at] = rng.next() as u8;
        }
        bytes.truncate(if rng.one_in(8) { rng.below(4096) as usize } else { bytes.len() });
        Superblock::parse(&bytes);
        Page::load(&bytes, seal);
        MapHeader::parse(&bytes, &UUID, 4096);
        parse_fixed(&bytes, &UUID);
        if let Some(header) = RootHeader::parse(&bytes, seal, 1 << 20) {
            Root::decode(&header, &bytes, seal);
        }
        // Past the checksums: what a right sum over wrong records would give.
        let records = bytes.get(FIXED_BYTES..).unwrap_or_default();
        let mut r = Reader::new(records);
        while DataRecord::decode(&mut r).is_some() {}
        let mut r = Reader::new(records);
        while MetaRecord::decode(&mut r).is_some() {}
    }
}
