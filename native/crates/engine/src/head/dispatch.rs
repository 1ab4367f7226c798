//! From an event to what handles it.

use shoal_types::{DiskId, HeadEpoch, PgView, Reply};

use super::Head;
use super::api::{ClientError, HeadCommand, HeadEvent, HeadPhase, OpTrace, ReadMode};
use super::links::What;
use super::pg::PgPhase;
use crate::common::Key;
use crate::cover::cover;

impl Head {
    pub(super) fn dispatch(&mut self, event: HeadEvent) {
        match event {
            HeadEvent::Granted { head_epoch, reads, views } => {
                self.on_granted(head_epoch, reads, views);
            }
            HeadEvent::Revoked => self.fence(HeadEpoch::ZERO),
            HeadEvent::View(view) => self.on_view(view),
            HeadEvent::Newest { view, asked } => self.on_newest(view, asked),
            HeadEvent::Lease { valid_until_us } => self.lease_until_us = valid_until_us,
            HeadEvent::Request { op_id, op } => self.on_request(op_id, op),
            HeadEvent::Reply { disk, request_id, reply } => self.on_reply(disk, request_id, reply),
            HeadEvent::Disconnected { disk } => self.on_disconnected(disk),
            HeadEvent::Connected { disk } => self.on_connected(disk),
            HeadEvent::Tick => self.on_tick(),
            HeadEvent::Resize { size_bytes } => self.on_resize(size_bytes),
            HeadEvent::MinInSync { count } => self.on_min_in_sync(count),
            HeadEvent::Close { deadline_us } => self.on_close(deadline_us),
        }
    }

    /// Works off what became possible: pieces that got their blocks, a confirmation round, the
    /// end of closing.
    pub(super) fn pump(&mut self) {
        while let Some(key) = self.ready.pop_front() {
            self.start_piece(key);
        }
        if self.is_over() {
            return;
        }
        self.start_confirm_round();
        self.announce_active();
        self.finish_closing();
    }

    fn on_granted(&mut self, head_epoch: HeadEpoch, reads: ReadMode, views: Vec<PgView>) {
        assert!(!self.is_granted(), "one head lives through one grant");
        assert!(head_epoch != HeadEpoch::ZERO, "head epochs start at 1");
        self.head_epoch = head_epoch;
        self.reads = reads;
        if self.phase == HeadPhase::Waiting {
            self.phase = HeadPhase::TakingOver;
        }
        for view in views {
            self.on_view(view);
        }
        for slot in self.pgs.slots() {
            let pg = &self.pgs[slot];
            match pg.phase {
                _ if pg.view.is_none() => self.refresh_view(slot),
                // Its view was told before the grant and is still the newest: it came as no news.
                PgPhase::Waiting => self.start_collect(slot),
                PgPhase::Collecting(_) | PgPhase::Rolling(_) | PgPhase::Active => {}
            }
        }
    }

    fn on_reply(&mut self, disk: DiskId, request_id: u64, reply: Reply) {
        let key = Key(request_id);
        if self.sent.get(key).is_none_or(|s| s.disk != disk) {
            cover!("answer of a round that is over");
            return;
        }
        let sent = self.forget_sent(key).expect("just seen");
        match sent.what {
            What::Write { piece, target } => self.on_write_reply(piece, target, disk, reply),
            What::Fetch { piece } => self.on_fetch_reply(piece, disk, reply),
            What::Install { pg, .. } => self.on_install_reply(pg, disk, reply),
            What::OpenLayer => self.on_layer_reply(disk, reply),
            What::Confirm { ask } => self.on_confirm_reply(ask, disk, reply),
            What::Settle => self.on_settle_reply(reply),
        }
    }

    /// What still comes in after the end: requests are answered, the rest is nothing to us.
    pub(super) fn refuse_after_the_end(&mut self, event: HeadEvent) {
        if let HeadEvent::Request { op_id, .. } = event {
            let error = match self.phase {
                HeadPhase::Fenced => ClientError::Fenced,
                _ => ClientError::Closed,
            };
            let trace = OpTrace { arrived_us: self.now_us, ..OpTrace::default() };
            self.out.push(HeadCommand::Complete { op_id, result: Err(error), trace });
        }
    }

    fn announce_active(&mut self) {
        if self.announced || !self.is_granted() || !self.pgs.iter().all(|pg| pg.is_active()) {
            return;
        }
        self.announced = true;
        if self.phase == HeadPhase::TakingOver {
            self.phase = HeadPhase::Active;
        }
        self.out.push(HeadCommand::Active { head_epoch: self.head_epoch });
    }
}
