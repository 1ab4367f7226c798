//! The authority's key goes from voter to voter, so that each of them can admit peers. Who gets it is
//! decided here; what it is, the runtime knows.

use shoal_types::PeerId;

use super::api::{Now, Output};
use super::message::ServiceMessage;
use super::meta_service::MetaService;
use crate::hex::Hex;
use crate::log_store::LogStore;
use crate::raft::Fatal;

impl<S: LogStore> MetaService<S> {
    /// This peer votes and has no key: every other voter is asked.
    pub fn want_key(&mut self, now: Now) -> Result<(), Fatal> {
        self.see(now);
        let (own, voters) = (self.config.peer, self.voters());
        self.wants_key = voters.contains(&own);
        if self.wants_key {
            let others = voters.into_iter().filter(|peer| *peer != own);
            others.for_each(|peer| self.send(peer, ServiceMessage::KeyWanted {}));
        }
        self.settle()
    }

    /// ONLY TO A VOTER, as the state here says it is one now.
    pub fn give_key(&mut self, to: PeerId, seed: Hex<32>, now: Now) -> Result<(), Fatal> {
        self.see(now);
        if self.voters().contains(&to) {
            self.send(to, ServiceMessage::Key { seed });
        }
        self.settle()
    }

    pub(super) fn on_key_wanted(&mut self, from: PeerId) {
        if self.voters().contains(&from) {
            self.outputs.push(Output::KeyWanted { from });
        }
    }

    /// One that nobody asked for, or that comes from a peer which has none to give, is dropped.
    pub(super) fn on_key(&mut self, from: PeerId, seed: Hex<32>) {
        if self.wants_key && self.voters().contains(&from) {
            self.wants_key = false;
            self.outputs.push(Output::Key { seed });
        }
    }

    fn voters(&self) -> Vec<PeerId> {
        let voters = self.state().map(|state| state.voters().voters.iter().copied().collect());
        voters.unwrap_or_default()
    }
}
