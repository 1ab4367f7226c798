//! How the peer's memory is divided among its stores.

use std::collections::BTreeMap;

use shoal_store::Budget;
use shoal_types::DiskId;

use super::Supervisor;
use crate::store_thread::StoreMessage;

/// Of an equal part for each store, what its dirty blocks and its checksum cache take.
const DIRTY_SHARE: u64 = 4;
const CRC_CACHE_SHARE: u64 = 16;

impl Supervisor {
    /// Whenever a store comes or goes: all of them together never have more than the peer.
    pub(super) fn share_memory(&self) {
        let budgets = self.budgets();
        for (disk, entry) in &self.stores {
            if let (Some(sender), Some(budget)) = (&entry.sender, budgets.get(disk)) {
                sender.send(StoreMessage::Budget(*budget));
            }
        }
    }

    /// Of the disks that are listed, be they open yet or not, and of those that are being added.
    pub(super) fn budgets(&self) -> BTreeMap<DiskId, Budget> {
        let sizes = self.disk_sizes();
        divide(self.memory_of(sizes.values().sum()), &sizes)
    }

    fn disk_sizes(&self) -> BTreeMap<DiskId, u64> {
        let listed = self.context.files.disks().unwrap_or_default();
        let listed = listed.iter().map(|line| DiskId(line.disk_id));
        let disks: Vec<DiskId> = listed.chain(self.stores.keys().copied()).collect();
        let sizes = self.context.meta.read(|state| {
            let size = |disk: &DiskId| state.disks().get(disk).map_or(0, |known| known.size_bytes);
            disks.iter().map(|disk| (*disk, size(disk))).collect()
        });
        sizes.unwrap_or_else(|| disks.iter().map(|disk| (*disk, 0)).collect())
    }

    /// For the index of full disks, in bytes: with less it may be full before they are.
    pub(super) fn memory_wanted(&self) -> u64 {
        self.disk_sizes().values().sum::<u64>() / DISK_BYTES_PER_BYTE
    }

    /// Of all stores together, in bytes.
    pub(super) fn memory(&self) -> u64 {
        let bytes =
            |budget: &Budget| budget.dirty_bytes + budget.crc_cache_bytes + budget.index_bytes;
        self.budgets().values().map(bytes).sum()
    }

    fn memory_of(&self, disk_bytes: u64) -> u64 {
        let configured = self.context.config.memory_budget_bytes;
        configured.unwrap_or_else(|| wanted(disk_bytes, self.context.machine_memory))
    }
}

/// Of a peer that was not told how much to take.
pub const MEMORY_LEAST: u64 = 512 << 20;
/// For the index of a full disk and what goes with it: 0.75 GiB for each TiB.
const DISK_BYTES_PER_BYTE: u64 = 4096 / 3;
/// Of the machine's memory, where the disks would have more.
const MACHINE_SHARE: u64 = 2;

fn wanted(disk_bytes: u64, machine: Option<u64>) -> u64 {
    let most = machine.map_or(u64::MAX, |bytes| bytes / MACHINE_SHARE);
    (disk_bytes / DISK_BYTES_PER_BYTE).min(most).max(MEMORY_LEAST)
}

/// `sizes`: of each disk, in bytes. Dirty blocks and checksums have equal parts, as they depend on what
/// is done; the index grows with what is stored.
fn divide(memory: u64, sizes: &BTreeMap<DiskId, u64>) -> BTreeMap<DiskId, Budget> {
    let part = memory / sizes.len().max(1) as u64;
    let (dirty_bytes, crc_cache_bytes) = (part / DIRTY_SHARE, part / CRC_CACHE_SHARE);
    let left = u128::from(part - dirty_bytes - crc_cache_bytes) * sizes.len() as u128;
    let all: u128 = sizes.values().map(|size| u128::from(*size).max(1)).sum();
    let index_of = |size: u64| (left * u128::from(size).max(1) / all) as u64;
    let budget = |size: u64| Budget {
        dirty_bytes,
        crc_cache_bytes,
        index_bytes: index_of(size),
        ..Budget::default()
    };
    sizes.iter().map(|(disk, size)| (*disk, budget(*size))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_stores_together_stay_within_the_peers_memory() {
        for sizes in [vec![], vec![0], vec![7, 7, 7], vec![1 << 30, 1 << 40, 16 << 40, 0]] {
            let disks = (1..).map(DiskId).zip(sizes).collect();
            let budgets = divide(512 << 20, &disks);
            assert_eq!(budgets.len(), disks.len());
            let bytes = |b: &Budget| b.dirty_bytes + b.crc_cache_bytes + b.index_bytes;
            let sum: u64 = budgets.values().map(bytes).sum();
            assert!(sum <= 512 << 20 && (sum > 511 << 20 || disks.is_empty()), "{sum}");
        }
    }

    #[test]
    fn a_peer_that_was_told_nothing_goes_by_its_disks_and_its_machine() {
        let gib = |count: u64| count << 30;
        assert_eq!(wanted(gib(100), Some(gib(64))), MEMORY_LEAST);
        assert!((gib(3)..gib(3) + gib(1) / 100).contains(&wanted(4 << 40, Some(gib(64)))));
        assert_eq!(wanted(100 << 40, Some(gib(64))), gib(32));
        assert_eq!(wanted(gib(100), Some(gib(1) / 4)), MEMORY_LEAST, "less would not work");
    }

    #[test]
    fn a_larger_disk_has_the_larger_index() {
        let disks = [(DiskId(1), 1 << 40), (DiskId(2), 3 << 40)].into();
        let budgets = divide(1 << 30, &disks);
        let (small, large) = (budgets[&DiskId(1)], budgets[&DiskId(2)]);
        assert_eq!(small.dirty_bytes, large.dirty_bytes);
        assert_eq!(small.index_bytes * 3, large.index_bytes);
    }
}
