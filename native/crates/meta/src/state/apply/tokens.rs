//! Join tokens: single use, short-lived.

use super::super::cluster::ClusterState;
use super::super::limits::TOKENS_MAX;
use super::super::outcome::{Applied, Fault, Kind, Outcome, Rejection};
use super::super::peer::NewPeer;
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
        if let Some(peer) = token.used_by {
            return Err(Rejection::TokenUsed { peer });
        }
        if token.expires_ms <= self.time_ms {
            return Err(Rejection::TokenExpired { expires_ms: token.expires_ms });
        }
        if token.witness && !peer.witness {
            return Err(Rejection::Invalid { what: Kind::Token, fault: Fault::State });
        }
        let applied = self.add_peer(peer)?;
        let Applied::Peer { peer } = applied else { unreachable!("add_peer gives a peer") };
        self.tokens.get_mut(&hash).expect("found above").used_by = Some(peer);
        Ok(applied)
    }

    pub(super) fn revoke_token(&mut self, hash: TokenHash) -> Outcome {
        match self.tokens.remove(&hash) {
            Some(_) => Ok(Applied::Done),
            None => Err(Rejection::NotFound { what: Kind::Token, id: 0 }),
        }
    }
}
