//! How hard the background writes: gently while there is room, so that a commit finds the disk
//! nearly idle; with all it may have before writes must wait for it.

use crate::store::Store;

/// Fill of log or memory, per mille: gentle below the first, at full depth from the second on.
/// A fold starts at one half.
const GENTLE_BELOW: u64 = 625;
const FULL_FROM: u64 = 875;

impl Store {
    /// Writes that the running job may have in flight now.
    pub(crate) fn background_depth(&self) -> u32 {
        let most = self.budget.background_depth.max(1);
        if self.commits.waits_for_space() || !self.meta_has_room() {
            return most;
        }
        depth_at(self.fill(), self.budget.gentle_depth.clamp(1, most), most)
    }

    /// The fuller of log and memory, per mille.
    fn fill(&self) -> u64 {
        let log = self.data_log.used() * 1000 / self.data_log.cells().max(1);
        let dirty = self.state.dirty.bytes() * 1000 / self.budget.dirty_bytes.max(1);
        log.max(dirty)
    }
}

fn depth_at(fill: u64, gentle: u32, most: u32) -> u32 {
    let above = fill.clamp(GENTLE_BELOW, FULL_FROM) - GENTLE_BELOW;
    let more = u64::from(most - gentle) * above / (FULL_FROM - GENTLE_BELOW);
    gentle + more as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_depth_grows_with_the_fill_and_ends_at_its_bound() {
        let depths: Vec<u32> = (0..=1100).map(|fill| depth_at(fill, 2, 16)).collect();
        assert!(depths.is_sorted());
        assert_eq!((depths[0], depths[500], depths[875], depths[1100]), (2, 2, 16, 16));
        assert!((3..16).contains(&depths[750]), "neither gentle nor full in the middle");
        assert_eq!(depth_at(750, 4, 4), 4);
    }
}
