//! Resyncs that begin anew, each time later.

use shoal_types::{DiskId, PgEpoch, PgId};

use super::Supervisor;
use crate::clock;

impl Supervisor {
    pub(super) fn on_join_failed(&mut self, disk: DiskId, pg: PgId, join_at: PgEpoch) {
        if self.rejoins.failed((disk, pg), join_at, clock::now_ms()) {
            self.restart_join(disk, pg, join_at);
        }
    }

    pub(super) fn tick_rejoins(&mut self) {
        for (disk, pg, join_at) in self.rejoins.take_due(clock::now_ms()) {
            self.restart_join(disk, pg, join_at);
        }
    }
}
