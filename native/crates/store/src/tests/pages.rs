//! The index alone against a map: inserts, updates of every size, removals, splits, reloads.

use std::collections::BTreeMap;

use shoal_types::{PgEpoch, Version};

use super::rng::Rng;
use crate::codec::Seal;
use crate::index::{ChunkKey, Entry, Group, Index, Page, Place, Stamp};

const UUID: [u8; 16] = [3; 16];

fn random_entry(key: ChunkKey, rng: &mut Rng) -> Entry {
    let mut entry = Entry::new(key);
    let stamp = |rng: &mut Rng| Stamp {
        version: Version::new(rng.below(5) as u32, rng.below(1 << 48)),
        epoch: PgEpoch(rng.below(100) as u32),
    };
    entry.base = stamp(rng);
    entry.exact = rng.one_in(4);
    let wild = rng.one_in(4);
    let mut next = rng.below(1 << 30);
    for bit in 0..32 {
        if wild {
            next += rng.below(3);
        }
        entry.places[bit] = match rng.below(8) {
            0 => Place::Absent,
            1 => Place::Zero,
            _ => {
                next += 1;
                Place::Cell(next)
            }
        };
        if wild && entry.places[bit] != Place::Absent && rng.one_in(2) {
            entry.groups.push(Group { mask: 1 << bit, stamp: stamp(rng) });
        }
    }
    entry
}

#[test]
fn the_index_agrees_with_a_map() {
    for seed in 0..6 {
        let mut rng = Rng::new(seed);
        let mut index = Index::new(&UUID);
        let mut map: BTreeMap<(u32, ChunkKey), Entry> = BTreeMap::new();
        for _ in 0..6000 {
            let key = ChunkKey { layer: rng.below(3) as u32, chunk: rng.below(400) as u32 };
            let pg = rng.below(2) as u32;
            if rng.one_in(4) {
                index.remove(pg, key);
                map.remove(&(pg, key));
            } else {
                let entry = random_entry(key, &mut rng);
                index.set(pg, &entry);
                if entry.is_empty() {
                    map.remove(&(pg, key));
                } else {
                    map.insert((pg, key), entry);
                }
            }
        }
        compare(&index, &map);
        compare(&reloaded(&index), &map);
        index.drop_pg(1);
        map.retain(|(pg, _), _| *pg != 1);
        compare(&index, &map);
    }
}

fn reloaded(index: &Index) -> Index {
    let seal = Seal::new(&UUID);
    let mut again = Index::new(&UUID);
    for (id, page) in index.all() {
        let (image, crc) = page.page.image(seal);
        let page = Page::load(&image, seal).expect("its own image");
        again.load(page, u64::from(id), crc);
        let mut torn = image;
        torn[1000] ^= 1;
        assert!(Page::load(&torn, seal).is_none());
    }
    assert_eq!(again.untiled_pg(), None);
    again
}

fn compare(index: &Index, map: &BTreeMap<(u32, ChunkKey), Entry>) {
    let listed: usize = index.all().map(|(_, page)| page.page.len()).sum();
    assert_eq!(listed, map.len());
    for ((pg, key), entry) in map {
        assert_eq!(index.entry(*pg, *key).as_ref(), Some(entry));
        for bit in 0..32 {
            let block = u64::from(key.chunk) * 32 + bit as u64;
            assert_eq!(index.find(*pg, key.layer, block), Some(entry.found(bit)));
        }
    }
}

/// A page that is missing, or there twice, is noticed.
#[test]
fn gaps_between_pages_are_seen() {
    let mut rng = Rng::new(1);
    let mut index = Index::new(&UUID);
    for chunk in 0..2000 {
        index.set(0, &random_entry(ChunkKey { layer: 1, chunk }, &mut rng));
    }
    let seal = Seal::new(&UUID);
    let count = index.page_count();
    assert!(count > 20);
    for missing in 0..count {
        let mut again = Index::new(&UUID);
        for (id, page) in index.all().filter(|(id, _)| u64::from(*id) != missing) {
            let (image, crc) = page.page.image(seal);
            again.load(Page::load(&image, seal).expect("its own image"), u64::from(id), crc);
        }
        assert_eq!(again.untiled_pg(), Some(0), "page {missing} is missing");
    }
}
