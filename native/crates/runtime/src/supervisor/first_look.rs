//! What this peer kept of the cluster's state may be old when it starts: it may lack what the peer
//! itself did shortly before. NOTHING HERE IS MADE TO AGREE WITH AN OLD STATE. So the cluster is
//! asked first, again and again until it answers; whoever only wants to see is shown what is known.

use shoal_types::LayerId;

use super::Supervisor;
use super::params::StateQuery;
use crate::clock;
use crate::control::{ControlError, Responder};
use crate::ring::Sender;
use crate::store_thread::StoreMessage;

/// How long somebody who asks for the state waits for the newest: enough for an election.
const PATIENCE_MS: u64 = 4_000;

#[derive(Default)]
pub(super) struct FirstLook {
    /// The state is at least as new as the cluster's at some time since the start.
    is_current: bool,
    is_asking: bool,
    /// Who asked for the state, and when.
    waiting: Vec<(u64, StateQuery, Responder)>,
    /// Layers that stores had purged when they were opened.
    purged: Vec<(Sender<StoreMessage>, Vec<LayerId>)>,
}

impl Supervisor {
    /// Whether the state may be acted on. If not, the cluster is asked.
    pub(super) fn is_current(&mut self) -> bool {
        let look = &mut self.first_look;
        if !look.is_current && !look.is_asking && self.context.trust.membership().is_some() {
            look.is_asking = true;
            let inlet = self.context.inlet.clone();
            self.context.meta.barrier(move |result| {
                inlet.go_on(move |supervisor| supervisor.end_first_look(result.is_ok()));
            });
        }
        self.first_look.is_current
    }

    fn end_first_look(&mut self, has_answered: bool) {
        self.first_look.is_asking = false;
        if has_answered {
            self.first_look.is_current = true;
            self.strike_off_removed_disks();
            self.list_added_disks();
            self.sync();
            for (store, layers) in std::mem::take(&mut self.first_look.purged) {
                self.forget_purged(&store, layers);
            }
            self.show_state(u64::MAX);
        }
    }

    /// Which of them may be forgotten, only the newest state can tell.
    pub(super) fn forget_once_current(
        &mut self,
        store: Sender<StoreMessage>,
        layers: Vec<LayerId>,
    ) {
        self.first_look.purged.push((store, layers));
    }

    pub(super) fn state_for(&mut self, query: StateQuery, responder: Responder) {
        if self.peer_id().is_none() || self.is_current() {
            return responder.answer(self.state(&query));
        }
        self.first_look.waiting.push((clock::now_ms(), query, responder));
    }

    pub(super) fn tick_first_look(&mut self) {
        if !self.is_current() {
            self.show_state(clock::now_ms().saturating_sub(PATIENCE_MS));
        }
    }

    /// Answer those who have asked up to `asked_ms`.
    fn show_state(&mut self, asked_ms: u64) {
        let waiting = std::mem::take(&mut self.first_look.waiting);
        let (due, rest): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|(at, ..)| *at <= asked_ms);
        self.first_look.waiting = rest;
        for (_, query, responder) in due {
            responder.answer(self.state(&query).map_err(|_| unavailable()));
        }
    }
}

fn unavailable() -> ControlError {
    ControlError::new("unavailable", "no voter of the cluster can be reached")
}
