//! Going on without the voters that are lost for good, and following a cluster that did.

use shoal_meta::hex::Hex;
use shoal_meta::log_store::{DirLog, FsDir};
use shoal_meta::raft::refound;
use shoal_meta::state::ClusterState;
use shoal_wire::identity::{Membership, SecretKey};

use super::membership::{become_member, hex, no_cluster};
use super::{Supervisor, params};
use crate::clock;
use crate::control::{ControlError, Responder};
use crate::meta_thread::MetaMessage;
use crate::peer;

impl Supervisor {
    /// Refused while anybody decides; only a person knows that the others are gone for good.
    pub(super) fn recover(&mut self, recover: params::Recover, responder: Responder) {
        let Some(name) = self.context.meta.read(|state| state.name().to_owned()) else {
            return responder.answer(Err(no_cluster()));
        };
        if name != recover.name {
            let message = format!("this cluster is named {name}");
            return responder.answer(Err(ControlError::bad_request(message)));
        }
        let inlet = self.context.inlet.clone();
        self.context.meta.barrier(move |led| {
            inlet.go_on(move |supervisor| match led {
                Ok(()) => {
                    let message = "a majority of the voters answers: there is nothing to recover";
                    responder.answer(Err(ControlError::new("conflict", message)));
                }
                Err(_) => supervisor.recover_alone(responder),
            });
        });
    }

    /// THE STATE COMES FIRST: durable, it makes the next start of this peer one of the new
    /// incarnation. The process ends, and is started again as that.
    fn recover_alone(&mut self, responder: Responder) {
        let volumes: Vec<_> = self.heads.keys().copied().collect();
        volumes.into_iter().for_each(|volume| self.on_fenced(volume));
        let legacy = self.context.meta.shared().legacy();
        let (answer, ended) = std::sync::mpsc::sync_channel(1);
        self.context.meta.send(MetaMessage::Stop { answer });
        let _the_thread_may_be_gone = ended.recv();
        self.close_stores();
        // The process does not wait for the thread that writes answers.
        responder.answer_last(match legacy {
            None => Err(no_cluster()),
            Some((state, term)) => self
                .begin_incarnation(state, term)
                .map(|incarnation| serde_json::json!({ "incarnation": incarnation }))
                .map_err(|error| ControlError::new("io", error)),
        });
        self.exit = Some(0);
    }

    fn begin_incarnation(&mut self, state: ClusterState, term: u64) -> Result<u32, String> {
        let me = self.peer_id().ok_or("this peer is in no cluster")?;
        let authority = self.authority_of(&state)?;
        let state = state.recovered(me, Hex(authority.public().0), clock::wall_ms());
        let named = |error: &dyn std::fmt::Display| format!("the new state: {error}");
        let dir = FsDir::open(self.context.files.meta_dir()).map_err(|error| named(&error))?;
        let mut log = DirLog::open(dir, state.cluster_id(), me.0);
        refound(&mut log, &state, term).map_err(|error| named(&error))?;
        self.sign_membership(&state, &authority)?;
        Ok(state.incarnation())
    }

    /// The key of the authority, or a new one in place of one that went with the lost voters.
    fn authority_of(&self, state: &ClusterState) -> Result<SecretKey, String> {
        let files = &self.context.files;
        if let Some(key) = files.authority()?
            && key.public().0 == state.authority_key().0
        {
            return Ok(key);
        }
        let key = SecretKey::generate().map_err(|_| "the system gives no randomness")?;
        files.replace_authority(&key)?;
        Ok(key)
    }

    /// What joiners are shown: that this peer is a member of this incarnation.
    pub(super) fn sign_membership(
        &mut self,
        state: &ClusterState,
        authority: &SecretKey,
    ) -> Result<(), String> {
        let mut file = self.context.files.cluster()?.ok_or("cluster.json is missing")?;
        let identity = self.context.files.identity()?;
        let record = Membership {
            cluster: state.cluster_id().0,
            incarnation: u64::from(state.incarnation()),
            peer: file.peer(),
            key: identity.public(),
        };
        file.authority_key = Hex(authority.public().0);
        file.membership = hex(&record.sign(authority));
        self.context.files.set_cluster(&file).map_err(|e| format!("cluster.json: {e}"))?;
        become_member(&self.context.trust, &file, self.context.process)
    }

    /// The state is of a newer incarnation than this peer greets with: greet anew, everywhere.
    pub(super) fn sync_incarnation(&mut self) {
        let Some(incarnation) = self.context.meta.read(ClusterState::incarnation) else { return };
        let Some(membership) = self.context.trust.membership() else { return };
        let (mut greeter, credential) = (membership.greeter, membership.credential);
        if greeter.incarnation >= u64::from(incarnation) {
            return;
        }
        greeter.incarnation = u64::from(incarnation);
        self.context.trust.set_membership(Some(peer::Membership { greeter, credential }));
        self.context.meta.send(MetaMessage::Reconnect);
    }
}
