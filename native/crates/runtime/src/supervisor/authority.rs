//! The authority's key on this peer: only voters have it, and any of them admits peers
//! (docs/decisions/0004-voters-share-the-authority.md).

use shoal_meta::hex::Hex;
use shoal_meta::state::ClusterState;
use shoal_types::PeerId;
use shoal_wire::identity::SecretKey;

use super::Supervisor;
use crate::clock;
use crate::meta_thread::MetaMessage;

/// Between two questions for the key.
const ASK_MS: u64 = 2_000;

/// What is known of the key here.
#[derive(Default)]
pub struct AuthorityKey {
    is_here: bool,
    next_ms: u64,
}

impl Supervisor {
    pub(super) fn tick_authority(&mut self) {
        let now_ms = clock::now_ms();
        if self.authority.is_here || self.authority.next_ms > now_ms {
            return;
        }
        self.authority.next_ms = now_ms + ASK_MS;
        let Some(me) = self.peer_id() else { return };
        let votes = |state: &ClusterState| state.voters().voters.contains(&me);
        if self.context.meta.read(votes) != Some(true) {
            return;
        }
        match self.context.files.authority() {
            Ok(Some(key)) if self.is_authority(&key) => self.have_authority(&key),
            Ok(_) => self.context.meta.send(MetaMessage::WantKey),
            Err(error) => eprintln!("the authority's key cannot be read: {error}"),
        }
    }

    /// Another voter asks. What is here must be the key that the cluster goes by.
    pub(super) fn on_key_wanted(&self, to: PeerId) {
        let Ok(Some(key)) = self.context.files.authority() else { return };
        if self.is_authority(&key) {
            self.context.meta.send(MetaMessage::GiveKey { to, seed: Hex(*key.seed()) });
        }
    }

    pub(super) fn on_key(&mut self, seed: &Hex<32>) {
        let key = SecretKey::from_seed(&seed.0);
        if !self.is_authority(&key) {
            return eprintln!("a voter sent a key that is not the authority's; it is not kept");
        }
        match self.context.files.replace_authority(&key) {
            Ok(()) => self.have_authority(&key),
            Err(error) => eprintln!("the authority's key cannot be kept: {error}"),
        }
    }

    /// After a recovery the membership that joiners are shown is signed anew.
    fn have_authority(&mut self, key: &SecretKey) {
        self.authority.is_here = true;
        let Some(state) = self.context.meta.read(Clone::clone) else { return };
        let signed = self.context.files.cluster().ok().flatten();
        if signed.is_some_and(|file| file.authority_key != state.authority_key())
            && let Err(error) = self.sign_membership(&state, key)
        {
            eprintln!("the membership of this peer could not be signed: {error}");
        }
    }

    fn is_authority(&self, key: &SecretKey) -> bool {
        let expected = self.context.meta.read(ClusterState::authority_key);
        expected.is_some_and(|expected| expected.0 == key.public().0)
    }
}
