//! Loads what the newest root names.

use crate::codec::Seal;
use crate::crc_table::CrcTable;
use crate::dirty::Dirty;
use crate::error::{Damage, RecoveryError};
use crate::index::{Index, Page};
use crate::layout::{CELL_BYTES, Layout};
use crate::params::Params;
use crate::recovery::replay::Replay;
use crate::root::{IndexRef, Root, RootHeader};
use crate::space::Space;
use crate::state::State;
use crate::stats::Figures;
use crate::superblock::Superblock;
use crate::tables::Tables;
use crate::task::Disk;
use crate::unsettled::Unsettled;

/// Index pages read at once.
const PAGE_READS: usize = 64;

/// Newest root that is whole. An older one serves while a newer was being written; nothing that
/// it names is reused before the newer one is durable.
pub(super) async fn find_root(
    disk: &Disk,
    layout: &Layout,
    seal: Seal,
    figures: &mut Figures,
) -> Result<Root, RecoveryError> {
    let room = layout.root_bytes() - CELL_BYTES;
    let places: Vec<u64> = (0..4).map(|i| layout.root_copy(i / 2, i % 2).offset()).collect();
    let wanted: Vec<(u64, u64)> = places.iter().map(|offset| (*offset, CELL_BYTES)).collect();
    let headers = disk.read_all(&wanted).await;
    let mut found: Vec<(RootHeader, u64)> = headers
        .iter()
        .zip(places)
        .filter_map(|(h, place)| Some((RootHeader::parse(h.as_ref().ok()?, seal, room)?, place)))
        .collect();
    found.sort_by_key(|(header, _)| std::cmp::Reverse(header.generation));
    for (header, place) in found {
        let len = (header.body_bytes as u64).next_multiple_of(CELL_BYTES);
        let body = match len {
            0 => bytes::Bytes::new(),
            _ => match disk.read(place + CELL_BYTES, len).await {
                Ok(body) => body,
                Err(_) => continue,
            },
        };
        figures.root_bytes += CELL_BYTES + len;
        if let Some(root) = Root::decode(&header, &body, seal) {
            return Ok(root);
        }
    }
    Err(RecoveryError::Damaged { what: Damage::Root })
}

/// Index pages into memory; checksum pages stay where they are.
pub(super) async fn load_pages(
    disk: &Disk,
    superblock: &Superblock,
    params: &Params,
    root: &Root,
    figures: &mut Figures,
) -> Result<Replay, RecoveryError> {
    let seal = Seal::new(&superblock.identity.store_uuid);
    let space = Space::new(superblock.layout.cells);
    let mut index = Index::new(&superblock.identity.store_uuid);
    for refs in root.index.chunks(PAGE_READS) {
        if let Some(bad) = refs.iter().find(|r| !space.contains(r.cell)) {
            return Err(damaged(Damage::CellRange { cell: bad.cell }));
        }
        let wanted: Vec<(u64, u64)> =
            refs.iter().map(|r| (r.cell * CELL_BYTES, CELL_BYTES)).collect();
        let images = disk.read_all(&wanted).await;
        for (page, image) in refs.iter().zip(images) {
            let loaded = image.ok().and_then(|i| load_page(page, &i, seal));
            let loaded = loaded.ok_or(damaged(Damage::IndexPage { cell: page.cell }))?;
            figures.index_entries += loaded.len() as u64;
            figures.index_bytes += CELL_BYTES;
            index.load(loaded, page.cell, page.crc);
        }
    }
    if let Some(pg) = index.untiled_pg() {
        return Err(damaged(Damage::IndexTiling { pg }));
    }
    let mut crcs = CrcTable::new(params.budget.crc_cache_bytes);
    for page in &root.crcs {
        crcs.load(page.number, page.cell, page.crc);
    }
    let mut tables = Tables::default();
    root.tables.iter().for_each(|item| tables.apply(*item));
    tables.forget_changes();
    let state = State {
        tables,
        index,
        crcs,
        space,
        dirty: Dirty::default(),
        unsettled: Unsettled::default(),
        layer_blocks: Default::default(),
        retired: Vec::new(),
    };
    Ok(Replay::new(state, root.data))
}

fn load_page(known: &IndexRef, image: &[u8], seal: Seal) -> Option<Page> {
    let page = Page::load(image, seal)?;
    let same = page.pg() == known.pg
        && page.start() == known.start
        && page.depth() == known.depth
        && page.image(seal).1 == known.crc;
    same.then_some(page)
}

pub(super) fn damaged(what: Damage) -> RecoveryError {
    RecoveryError::Damaged { what }
}
