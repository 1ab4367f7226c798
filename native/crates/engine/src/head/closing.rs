//! Orderly release (rule 28): no new requests, what is in flight ends, then the head is over.

use super::Head;
use super::api::{ClientError, HeadCommand, HeadPhase};

impl Head {
    pub(super) fn on_close(&mut self, deadline_us: u64) {
        self.phase = HeadPhase::Closing;
        self.close_deadline_us = deadline_us;
    }

    /// READS STOP BEFORE `Released` IS SAID: whoever hears it may let the next head begin without
    /// waiting for the lease.
    pub(super) fn finish_closing(&mut self) {
        if self.phase != HeadPhase::Closing {
            return;
        }
        let late = self.now_us >= self.close_deadline_us;
        if self.ops.len() > 0 && !late {
            return;
        }
        if self.is_granted() {
            self.settle(true);
        }
        self.phase = HeadPhase::Released;
        self.fail_everything(ClientError::Closed);
        self.out.push(HeadCommand::Released);
    }
}
