//! The cluster state on this peer's disks: after a change, not more often than every few seconds,
//! and at an orderly end. It holds no secret: of keys only the public ones.

use std::collections::HashMap;

use bytes::Bytes;
use shoal_meta::state::{ClusterState, Severity};
use shoal_store::{MapOrder, MapRefused};
use shoal_types::DiskId;

use super::Supervisor;
use crate::clock;
use crate::store_thread::StoreMessage;

/// Shortest time between two states that are written.
const KEEP_MS: u64 = 2_000;
/// A large state is written less often: so many bytes per millisecond and disk, on average.
const BYTES_PER_MS: u64 = 1_024;
/// Offered again unchanged: a disk where it was damaged writes it anew.
const AGAIN_MS: u64 = 600_000;

#[derive(Default)]
pub struct KeptMap {
    told: MapOrder,
    next_ms: u64,
    again_ms: u64,
    /// People were told.
    refused: HashMap<DiskId, MapRefused>,
}

impl KeptMap {
    /// A store came: it is told with the next tick.
    pub fn tell_again(&mut self) {
        self.told = MapOrder::default();
    }
}

pub fn order_of(state: &ClusterState) -> MapOrder {
    MapOrder { incarnation: u64::from(state.incarnation()), index: state.index() }
}

impl Supervisor {
    pub(super) fn tick_kept_map(&mut self) {
        let now_ms = clock::now_ms();
        if now_ms < self.kept_map.next_ms || self.stores.is_empty() {
            return;
        }
        let Some(order) = self.context.meta.read(order_of) else { return };
        if order > self.kept_map.told || now_ms >= self.kept_map.again_ms {
            self.keep_map();
        }
    }

    pub(super) fn keep_map(&mut self) {
        let read = |state: &ClusterState| (order_of(state), state.encode_for_disk());
        let Some((order, body)) = self.context.meta.read(read) else { return };
        let (now_ms, body) = (clock::now_ms(), Bytes::from(body));
        self.kept_map.told = order;
        self.kept_map.next_ms = now_ms + KEEP_MS.max(body.len() as u64 / BYTES_PER_MS);
        self.kept_map.again_ms = now_ms + AGAIN_MS;
        for sender in self.stores.values().filter_map(|entry| entry.sender.as_ref()) {
            sender.send(StoreMessage::KeepMap { order, body: body.clone() });
        }
    }

    pub(super) fn on_map_refused(&mut self, disk: DiskId, refused: MapRefused) {
        let known = self.kept_map.refused.insert(disk, refused);
        match (known, refused) {
            (None, MapRefused::NoRegion) => {
                eprintln!("{disk} has no room for the cluster state, and keeps none");
            }
            (None | Some(MapRefused::NoRegion), MapRefused::TooLarge { bytes, most_bytes }) => {
                let message = format!(
                    "{disk} does not keep the cluster state any more: it takes {bytes} bytes, \
                     the disk has room for {most_bytes}"
                );
                self.note(Severity::Warn, "map_not_kept", message, format!("disk:{}", disk.0));
            }
            (Some(_), _) => {}
        }
    }
}
