//! Join tokens: single use, short-lived.

use shoal_types::PeerId;

use super::super::cluster::ClusterState;
use super::super::limits::TOKENS_MAX;
use super::super::outcome::{Applied, Fault, Kind, Outcome, Rejection};
use super::super::peer::{NewPeer, Peer, Standing};
use super::super::token::Token;
use crate::hex::TokenHash;

impl ClusterState {
    pub(super) fn create_token(
        &mut self,
        hash: TokenHash,
        expires_ms: u64,
        witness: bool,
    ) -> Outcome {
        if expires_ms <= self.time_ms {
            return Err(Rejection::TokenExpired { expires_ms });
        }
        if self.tokens.contains_key(&hash) {
            return Err(Rejection::Exists { what: Kind::Token, id: 0 });
        }
        let now_ms = self.time_ms;
        if self.tokens.values().filter(|t| t.expires_ms > now_ms).count() >= TOKENS_MAX {
            return Err(Rejection::Limit { what: Kind::Token, max: TOKENS_MAX as u64 });
        }
        self.tokens.retain(|_, token| token.expires_ms > now_ms);
        self.tokens.insert(hash, Token { hash, expires_ms, used_by: None, witness });
        Ok(Applied::Done)
    }

    /// Two that race for one token are ordered by the log: the first one is admitted.
    pub(super) fn use_token(&mut self, hash: TokenHash, peer: &NewPeer) -> Outcome {
        let missing = Rejection::NotFound { what: Kind::Token, id: 0 };
        let token = self.tokens.get(&hash).ok_or(missing)?;
        if let Some(by) = token.used_by {
            return match self.admitted_before(peer) {
                Some(id) if id == by => Ok(Applied::Peer { peer: id }),
                _ => Err(Rejection::TokenUsed { peer: by }),
            };
        }
        if token.expires_ms <= self.time_ms {
            return Err(Rejection::TokenExpired { expires_ms: token.expires_ms });
        }
        if token.witness && !peer.witness {
            return Err(Rejection::Invalid { what: Kind::Token, fault: Fault::State });
        }
        let id = match self.admitted_before(peer) {
            Some(id) => id,
            None => match self.add_peer(peer)? {
                Applied::Peer { peer } => peer,
                other => unreachable!("add_peer gives a peer, not {other:?}"),
            },
        };
        self.tokens.get_mut(&hash).expect("found above").used_by = Some(id);
        Ok(Applied::Peer { peer: id })
    }

    /// A peer that ended while it was being admitted never learned its id. Who comes again with the
    /// same key is the same one. ONLY IF IT NEVER VOTED and has no disk: what it did is not forgotten.
    fn admitted_before(&self, wanted: &NewPeer) -> Option<PeerId> {
        let same = |peer: &&Peer| {
            peer.public_key == wanted.public_key
                && peer.name == wanted.name
                && peer.addresses == wanted.addresses
                && peer.domains == wanted.domains
                && peer.witness == wanted.witness
                && peer.state != Standing::Out
        };
        let id = self.peers.values().find(same)?.id;
        let has_begun = self.upkeep.voted.contains(&id) || self.disks_of(id).next().is_some();
        (!has_begun).then_some(id)
    }

    pub(super) fn revoke_token(&mut self, hash: TokenHash) -> Outcome {
        match self.tokens.remove(&hash) {
            Some(_) => Ok(Applied::Done),
            None => Err(Rejection::NotFound { what: Kind::Token, id: 0 }),
        }
    }
}
