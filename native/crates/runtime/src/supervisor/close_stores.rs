//! Stores end: when the process does, when their disk is removed, when this peer is.

use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use shoal_types::DiskId;

use super::Supervisor;
use crate::clock;
use crate::store_thread::StoreMessage;

/// Longest wait for the threads of stores that are closed.
const ENDS_MAX_MS: u64 = 3_000;

impl Supervisor {
    /// Nobody is served by it any more; its thread finishes what is under way, and says when it has ended.
    pub(super) fn begin_close(&mut self, disk: DiskId) -> Option<Receiver<()>> {
        let mut entry = self.stores.remove(&disk)?;
        self.context.stores.remove(disk);
        self.tell_local(disk, None);
        self.share_memory();
        let (answer, ended) = sync_channel(1);
        entry.sender.take()?.send(StoreMessage::Stop(answer));
        Some(ended)
    }

    /// Blocks until its thread has ended, or stands still.
    pub(super) fn close_store(&mut self, disk: DiskId) {
        let ended = self.begin_close(disk);
        wait_for_ends(ended);
        self.log_watch.end(disk);
    }

    pub(super) fn close_stores(&mut self) {
        self.keep_map();
        let disks: Vec<DiskId> = self.stores.keys().copied().collect();
        let ends: Vec<_> = disks.iter().filter_map(|disk| self.begin_close(*disk)).collect();
        wait_for_ends(ends);
        disks.into_iter().for_each(|disk| self.log_watch.end(disk));
    }
}

/// Of a disk that answers nothing any more nobody waits for the end: what it had not written was never
/// acknowledged.
fn wait_for_ends(ends: impl IntoIterator<Item = Receiver<()>>) {
    let deadline_ms = clock::now_ms() + ENDS_MAX_MS;
    for ended in ends {
        let left = Duration::from_millis(deadline_ms.saturating_sub(clock::now_ms()));
        let _a_thread_may_be_gone = ended.recv_timeout(left);
    }
}
