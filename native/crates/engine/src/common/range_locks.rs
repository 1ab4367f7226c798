//! Who may touch which blocks (rule 9): writes hold their blocks alone, reads share them; whoever
//! came first goes first, so nobody starves.
//!
//! Blocks are grouped by 32; a group lists its locks, held and waiting, in order of arrival. A
//! lock counts the earlier ones that conflict with it, over all its groups; at zero it is held.
//! All groups see the same order of arrival, so there is no deadlock.

use super::{FastMap, Key};

const GROUP_BLOCKS: u64 = 32;

/// The owner of a lock, as the head knows it.
pub(crate) type LockId = Key;

#[derive(Clone, Debug)]
struct Entry {
    id: LockId,
    mask: u32,
    exclusive: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct RangeLocks {
    groups: FastMap<u64, Vec<Entry>>,
    /// Emptied lists, kept for reuse.
    spare: Vec<Vec<Entry>>,
    /// Conflicts that each waiting lock still waits for.
    blocked: FastMap<LockId, u32>,
}

/// Emptied lists kept at most.
const SPARE_MAX: usize = 1024;

impl RangeLocks {
    /// Queues for `blocks` from `block`; says whether it is held at once.
    pub(crate) fn acquire(&mut self, id: LockId, block: u64, blocks: u32, exclusive: bool) -> bool {
        let mut conflicts = 0;
        for (group, mask) in groups_of(block, blocks) {
            let spare = &mut self.spare;
            let list = self.groups.entry(group).or_insert_with(|| spare.pop().unwrap_or_default());
            conflicts += list.iter().filter(|e| conflict(e, mask, exclusive)).count() as u32;
            list.push(Entry { id, mask, exclusive });
        }
        if conflicts > 0 {
            self.blocked.insert(id, conflicts);
        }
        conflicts == 0
    }

    /// Gives up a lock; those that are held because of it are appended to `freed`.
    pub(crate) fn release(&mut self, id: LockId, block: u64, blocks: u32, freed: &mut Vec<LockId>) {
        self.blocked.remove(&id);
        for (group, _) in groups_of(block, blocks) {
            let list = self.groups.get_mut(&group).expect("a lock's groups exist");
            let at = list.iter().position(|e| e.id == id).expect("a lock is in its groups");
            let gone = list.remove(at);
            for later in list[at..].iter().filter(|e| conflict(e, gone.mask, gone.exclusive)) {
                let count = self.blocked.get_mut(&later.id).expect("a waiting lock is counted");
                *count -= 1;
                if *count == 0 {
                    self.blocked.remove(&later.id);
                    freed.push(later.id);
                }
            }
            if list.is_empty() {
                let empty = self.groups.remove(&group).expect("just seen");
                if self.spare.len() < SPARE_MAX {
                    self.spare.push(empty);
                }
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        self.groups.clear();
        self.blocked.clear();
    }
}

fn conflict(entry: &Entry, mask: u32, exclusive: bool) -> bool {
    entry.mask & mask != 0 && (entry.exclusive || exclusive)
}

/// The groups that a run touches, each with the mask of its blocks in there.
fn groups_of(block: u64, blocks: u32) -> impl Iterator<Item = (u64, u32)> {
    let end = block + u64::from(blocks);
    (block / GROUP_BLOCKS..end.div_ceil(GROUP_BLOCKS)).map(move |group| {
        let start = group * GROUP_BLOCKS;
        let from = block.saturating_sub(start);
        let to = (end - start).min(GROUP_BLOCKS);
        (group, (((1u64 << to) - 1) & !((1u64 << from) - 1)) as u32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(locks: &mut RangeLocks, id: u64, block: u64, blocks: u32) -> Vec<u64> {
        let mut freed = Vec::new();
        locks.release(Key(id), block, blocks, &mut freed);
        freed.into_iter().map(|k| k.0).collect()
    }

    #[test]
    fn readers_share_and_writers_take_turns() {
        let mut locks = RangeLocks::default();
        assert!(locks.acquire(Key(1), 0, 8, false));
        assert!(locks.acquire(Key(2), 4, 8, false));
        assert!(!locks.acquire(Key(3), 7, 60, true));
        assert!(!locks.acquire(Key(4), 7, 1, false), "behind the writer that came first");
        assert!(locks.acquire(Key(5), 100, 1, true));
        assert!(release(&mut locks, 1, 0, 8).is_empty());
        assert_eq!(release(&mut locks, 2, 4, 8), [3]);
        assert_eq!(release(&mut locks, 3, 7, 60), [4]);
        release(&mut locks, 4, 7, 1);
        release(&mut locks, 5, 100, 1);
        assert!(locks.groups.is_empty() && locks.blocked.is_empty());
    }

    #[test]
    fn a_run_over_several_groups_waits_for_each() {
        let mut locks = RangeLocks::default();
        assert!(locks.acquire(Key(1), 31, 1, true));
        assert!(locks.acquire(Key(2), 64, 1, true));
        assert!(!locks.acquire(Key(3), 0, 96, true));
        assert!(release(&mut locks, 2, 64, 1).is_empty());
        assert_eq!(release(&mut locks, 1, 31, 1), [3]);
    }

    #[test]
    fn a_waiting_lock_may_give_up() {
        let mut locks = RangeLocks::default();
        assert!(locks.acquire(Key(1), 0, 1, true));
        assert!(!locks.acquire(Key(2), 0, 2, true));
        assert!(!locks.acquire(Key(3), 1, 1, true));
        assert_eq!(release(&mut locks, 2, 0, 2), [3]);
        assert!(release(&mut locks, 1, 0, 1).is_empty());
    }

    #[test]
    fn masks_cover_whole_groups() {
        let all: Vec<_> = groups_of(30, 40).collect();
        assert_eq!(all, [(0, 0xC000_0000), (1, u32::MAX), (2, 0x3F)]);
    }
}
