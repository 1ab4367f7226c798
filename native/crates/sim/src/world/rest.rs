//! What must be bounded all the time, and gone once the world rests.

use shoal_engine::member::JoinPhase;
use shoal_types::LayerId;

use super::World;

/// Requests of one member that are not answered: heads, resyncs and doubles of both.
const UNANSWERED_MAX: usize = 2_000;
/// Pieces of one head per request under way.
const PIECES_PER_REQUEST: u32 = 40;
/// Of a head: blocks that are rolled at once, in each of its groups.
const PIECES_OF_ROLL: u32 = 32;

impl World {
    /// Nothing grows without end, whatever goes wrong.
    pub fn check_bounds(&mut self) {
        for (id, disk) in &self.disks {
            if disk.unanswered() > UNANSWERED_MAX {
                let why = format!("{id} owes {} answers", disk.unanswered());
                return self.fail(why);
            }
        }
        for head in self.heads.values() {
            let status = head.head.status();
            let most =
                PIECES_PER_REQUEST * status.ops_in_flight + PIECES_OF_ROLL * self.plan.pg_count;
            if status.pieces_in_flight > most {
                return self.fail(format!("a head keeps too much: {status:?}"));
            }
        }
    }

    /// After a rest: no request, no resync, no block of a deleted volume, no cell and no log space
    /// that nothing needs.
    pub fn check_nothing_leaks(&mut self) {
        for head in self.heads.values() {
            let status = head.head.status();
            if status.ops_in_flight + status.pieces_in_flight > 0 {
                return self.fail(format!("a head at rest keeps something: {status:?}"));
            }
        }
        for id in self.disks.keys().copied().collect::<Vec<_>>() {
            if let Some(why) = self.leak_of(id) {
                return self.fail(format!("{id} at rest: {why}"));
            }
        }
    }

    fn leak_of(&mut self, id: shoal_types::DiskId) -> Option<String> {
        let live: Vec<LayerId> =
            self.cluster.volumes.keys().map(|v| self.plan.layer_of(*v)).collect();
        let tight = self.plan.is_tight();
        let all_gone = self.cluster.deleted.all_forgotten();
        let disk = self.disk(id);
        let member = disk.member.as_ref()?;
        // A full disk may never take its share back, and tries again and again.
        let goes_on = member.progress().into_iter().find(|p| p.phase != JoinPhase::Done);
        if let Some(progress) = goes_on.filter(|_| !tight) {
            return Some(format!("resyncs {progress:?}"));
        }
        if let Some(image) = disk.store.durable() {
            let stray = image.blocks.keys().find(|(_, layer, _)| !live.contains(layer));
            if let Some(stray) = stray.filter(|_| all_gone) {
                return Some(format!("holds {stray:?}, which was deleted"));
            }
        }
        disk.store.leak()
    }
}
