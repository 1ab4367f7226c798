//! What is known of each disk, and what was sent to it and not answered yet.

use shoal_types::{DiskId, LayerId, Request};

use super::Head;
use super::api::{HeadCommand, ReportReason};
use super::pg::Slot;
use crate::common::Key;

#[derive(Clone, Debug)]
pub(super) struct Disk {
    pub(super) connected: bool,
    /// Sent to it, or to be sent once it is connected, and not answered.
    pub(super) owed: u32,
    pub(super) layer: LayerState,
    /// Its last word on free space, in blocks.
    pub(super) free_blocks: Option<u32>,
    /// When it last refused a write for space.
    pub(super) refused_at_us: u64,
    /// Blocks of data sent to it since, not acknowledged.
    pub(super) promised_blocks: u32,
    pub(super) reported_at_us: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LayerState {
    Unknown,
    Asked,
    Open,
    /// Its store has no room for one more layer, so it holds nothing of it. As of then.
    NoRoom {
        at_us: u64,
    },
}

impl Default for Disk {
    fn default() -> Self {
        Self {
            connected: true,
            owed: 0,
            layer: LayerState::Unknown,
            free_blocks: None,
            refused_at_us: 0,
            promised_blocks: 0,
            reported_at_us: None,
        }
    }
}

/// A request under way.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) disk: DiskId,
    pub(super) what: What,
    pub(super) sent_us: u64,
    /// Blocks of data in it that its disk has not acknowledged.
    pub(super) promised_blocks: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Write { piece: Key, target: u8 },
    Fetch { piece: Key },
    Install { pg: Slot, after: Option<(LayerId, u64)> },
    OpenLayer,
    Confirm { ask: u32 },
    Settle,
}

impl Head {
    pub(super) fn disk(&mut self, disk: DiskId) -> &mut Disk {
        self.disks.entry(disk).or_default()
    }

    pub(super) fn is_connected(&self, disk: DiskId) -> bool {
        self.disks.get(&disk).is_none_or(|d| d.connected)
    }

    /// Sends now, or when the disk is connected again.
    pub(super) fn send(&mut self, disk: DiskId, what: What, request: Request) -> Key {
        let key = self.sent.insert(Sent { disk, what, sent_us: self.now_us, promised_blocks: 0 });
        let link = self.disk(disk);
        link.owed += 1;
        if link.connected {
            self.out.push(HeadCommand::Send { disk, request_id: key.0, request });
        }
        key
    }

    pub(super) fn forget_sent(&mut self, key: Key) -> Option<Sent> {
        let sent = self.sent.remove(key)?;
        let link = self.disk(sent.disk);
        link.owed -= 1;
        link.promised_blocks -= sent.promised_blocks;
        Some(sent)
    }

    /// Drops every request of a kind; their answers will be ignored.
    pub(super) fn forget_sent_where(&mut self, gone: impl Fn(&Sent) -> bool) {
        let keys: Vec<Key> = self.sent.iter().filter(|(_, s)| gone(s)).map(|(k, _)| k).collect();
        for key in keys {
            self.forget_sent(key);
        }
    }

    /// Writes and installs stay owed and are sent again on `Connected`; reads go elsewhere.
    pub(super) fn on_disconnected(&mut self, disk: DiskId) {
        let link = self.disk(disk);
        link.connected = false;
        link.reported_at_us = None;
        let lost: Vec<(Key, What)> = self.sent_to(disk);
        for (key, what) in lost {
            match what {
                What::Write { .. } | What::Install { .. } | What::OpenLayer => {}
                What::Fetch { piece } => {
                    self.forget_sent(key);
                    self.refetch(piece, disk);
                }
                What::Confirm { ask } => {
                    self.forget_sent(key);
                    self.confirm_failed(ask);
                }
                What::Settle => {
                    self.forget_sent(key);
                }
            }
        }
        self.report_if_owed(disk, ReportReason::Disconnected);
    }

    pub(super) fn on_connected(&mut self, disk: DiskId) {
        let link = self.disk(disk);
        if std::mem::replace(&mut link.connected, true) {
            return;
        }
        link.reported_at_us = None;
        for (key, what) in self.sent_to(disk) {
            let request = match what {
                What::Write { piece, target } => {
                    if let Some(piece) = self.pieces.get_mut(piece) {
                        piece.write.sent_again();
                    }
                    self.write_request(piece, target)
                }
                What::Install { pg, after } => Some(self.install_request(pg, disk, after)),
                What::OpenLayer => Some(self.layer_request()),
                What::Fetch { .. } | What::Confirm { .. } | What::Settle => None,
            };
            match request {
                Some(request) => {
                    let sent = self.sent.get_mut(key).expect("listed just now");
                    sent.sent_us = self.now_us;
                    self.out.push(HeadCommand::Send { disk, request_id: key.0, request });
                }
                None => {
                    self.forget_sent(key);
                }
            }
        }
        self.resettle(disk);
        self.wake_starved();
    }

    fn sent_to(&self, disk: DiskId) -> Vec<(Key, What)> {
        self.sent.iter().filter(|(_, s)| s.disk == disk).map(|(k, s)| (k, s.what)).collect()
    }

    /// Asks for a judgement, at most once per patience.
    pub(super) fn report(&mut self, disk: DiskId, reason: ReportReason) {
        let (now, patience) = (self.now_us, self.config.timing.report_after_us);
        let link = self.disk(disk);
        if link.reported_at_us.is_some_and(|at| now < at + patience) {
            return;
        }
        link.reported_at_us = Some(now);
        self.out.push(HeadCommand::ReportUnreachable { disk, reason });
    }

    /// Only what somebody waits for is worth a report.
    pub(super) fn report_if_owed(&mut self, disk: DiskId, reason: ReportReason) {
        if self.disk(disk).owed > 0 {
            self.report(disk, reason);
        }
    }

    fn layer_request(&self) -> Request {
        Request::OpenLayer {
            volume: self.config.volume,
            layer: self.config.layer,
            head_epoch: self.head_epoch,
        }
    }

    pub(super) fn has_no_layer(&self, disk: DiskId) -> bool {
        let layer = self.disks.get(&disk).map(|d| d.layer);
        matches!(layer, Some(LayerState::NoRoom { .. }))
    }

    /// A disk without room for the layer is asked again now and then.
    pub(super) fn reopen_layer(&mut self, disk: DiskId) {
        let (now, patience) = (self.now_us, self.config.timing.report_after_us);
        let link = self.disk(disk);
        if matches!(link.layer, LayerState::NoRoom { at_us } if now >= at_us + patience) {
            link.layer = LayerState::Unknown;
            self.open_layer(disk);
        }
    }

    /// Makes the layer known at a disk before its first write (idempotent).
    pub(super) fn open_layer(&mut self, disk: DiskId) {
        if self.disk(disk).layer != LayerState::Unknown {
            return;
        }
        self.disk(disk).layer = LayerState::Asked;
        let request = self.layer_request();
        self.send(disk, What::OpenLayer, request);
    }
}
