//! The orderly end: heads first (their I/O drains, their epochs are given back), then the place in
//! the groups, leadership and the lease, then the stores.

use serde_json::json;
use shoal_types::VolumeId;

use super::Supervisor;
use super::leave::Leaving;
use crate::clock;
use crate::control::Responder;
use crate::io_thread::IoMessage;
use crate::meta_thread::MetaMessage;

/// Kept back from the deadline for closing the stores.
const STORES_MS: u64 = 1_000;

pub struct Closing {
    responder: Option<Responder>,
    deadline_ms: u64,
    leaving: Leaving,
}

impl Supervisor {
    pub(super) fn shut_down(&mut self, deadline_ms: u64, responder: Responder) {
        if self.closing.is_some() {
            return responder.answer(Ok(json!({})));
        }
        let deadline_ms = clock::now_ms() + deadline_ms;
        let leaving = Leaving::NotYet;
        self.closing = Some(Closing { responder: Some(responder), deadline_ms, leaving });
        let left = self.devices_left();
        if !left.is_empty() {
            eprintln!("devices wait for the next start: {}", left.join(", "));
        }
        let left_ms = deadline_ms.saturating_sub(clock::now_ms() + STORES_MS);
        let volumes: Vec<VolumeId> = self.heads.keys().copied().collect();
        for volume in volumes {
            self.close_head(volume, left_ms, Box::new(|supervisor| supervisor.tick_closing()));
        }
        self.tick_closing();
    }

    /// Go on with the end once the heads are gone, or the time is up.
    pub(super) fn tick_closing(&mut self) {
        let Some(closing) = &self.closing else { return };
        let is_late = clock::now_ms() + STORES_MS >= closing.deadline_ms;
        if !is_late && !self.heads.is_empty() {
            return;
        }
        if !is_late && closing.leaving == Leaving::NotYet {
            let leaving = self.ask_to_leave();
            return self.set_leaving(leaving);
        }
        if !is_late && !closing.leaving.is_over(clock::now_ms()) {
            return;
        }
        let responder = self.closing.as_mut().and_then(|closing| closing.responder.take());
        let Some(responder) = responder else { return };
        for thread in &self.context.io_threads {
            thread.send(IoMessage::Stop);
        }
        let (answer, ended) = std::sync::mpsc::sync_channel(1);
        // THE LEASE IS GIVEN BACK AFTER the heads have stopped answering reads.
        self.context.meta.send(MetaMessage::Stop { answer });
        let _the_thread_may_be_gone =
            ended.recv_timeout(std::time::Duration::from_millis(STORES_MS / 2));
        self.close_stores();
        responder.answer(Ok(json!({})));
        self.exit = Some(0);
    }

    pub(super) fn set_leaving(&mut self, leaving: Leaving) {
        if let Some(closing) = &mut self.closing {
            closing.leaving = leaving;
        }
    }

    pub(super) fn on_lease(&mut self, valid_until_us: u64) {
        self.lease_until_us = valid_until_us;
        for thread in &self.context.io_threads {
            thread.send(IoMessage::Lease { valid_until_us });
        }
    }
}
