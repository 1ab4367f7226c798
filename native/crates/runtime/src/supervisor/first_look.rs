//! The first look at the cluster's state after a start. What this peer kept may be old, and lack
//! what it did itself shortly before: so it asks the cluster, once, and goes on with what it knows
//! if no leader answers soon.

use super::Supervisor;
use super::membership::meta_error;
use crate::clock;
use crate::control::Responder;
use crate::meta_thread::MetaError;

/// Long enough for an election.
const PATIENCE_MS: u64 = 4_000;

#[derive(Default)]
pub(super) enum FirstLook {
    #[default]
    Ahead,
    Waiting {
        since_ms: u64,
        responders: Vec<Responder>,
    },
    Over,
}

impl Supervisor {
    pub(super) fn state_for(&mut self, responder: Responder) {
        if self.peer_id().is_none() {
            return responder.answer(self.state());
        }
        match &mut self.first_look {
            FirstLook::Over => responder.answer(self.state()),
            FirstLook::Waiting { responders, .. } => responders.push(responder),
            FirstLook::Ahead => {
                let (since_ms, responders) = (clock::now_ms(), vec![responder]);
                self.first_look = FirstLook::Waiting { since_ms, responders };
                let inlet = self.context.inlet.clone();
                self.context.meta.barrier(move |result| {
                    inlet.go_on(move |supervisor| supervisor.end_first_look(result.err()));
                });
            }
        }
    }

    pub(super) fn tick_first_look(&mut self, now_ms: u64) {
        let FirstLook::Waiting { since_ms, .. } = &self.first_look else { return };
        let is_known = self.context.meta.read(|_| ()).is_some();
        if is_known && now_ms >= since_ms + PATIENCE_MS {
            self.end_first_look(None);
        }
    }

    fn end_first_look(&mut self, error: Option<MetaError>) {
        let FirstLook::Waiting { responders, .. } = std::mem::take(&mut self.first_look) else {
            // Patience ended before.
            self.first_look = FirstLook::Over;
            return;
        };
        let is_known = self.context.meta.read(|_| ()).is_some();
        let answer = match error {
            Some(error) if !is_known => Err(meta_error(&error)),
            _ => {
                self.first_look = FirstLook::Over;
                self.state()
            }
        };
        responders.into_iter().for_each(|responder| responder.answer(answer.clone()));
    }
}
