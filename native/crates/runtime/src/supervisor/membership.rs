//! Founding a cluster, joining one, admitting others, being removed.

use std::sync::mpsc::SyncSender;
use std::thread;

use serde_json::{Value, json};
use shoal_meta::hex::{Hex, PublicKey as MetaKey};
use shoal_meta::local;
use shoal_meta::service::Unavailable;
use shoal_meta::state::{
    AddressRole, Applied, ClusterState, Command, Genesis, NewPeer, Outcome, Rejection,
};
use shoal_types::PeerId;
use shoal_wire::frame::Kind;
use shoal_wire::hello::{Greeter, Purpose};
use shoal_wire::identity::join::{JoinRefusal, JoinReply, JoinRequest};
use shoal_wire::identity::{JoinToken, Membership, PublicKey, SecretKey, TokenSecret};
use shoal_wire::trust::Dial;

use super::peer_files::{ClusterFile, Contact};
use super::{Supervisor, params};
use crate::clock;
use crate::control::{ControlError, Responder};
use crate::meta_thread::{MetaError, MetaMessage};
use crate::peer::{self, Handshake};

/// Random, the same for one process: the hello's nonce.
fn nonce(process: [u8; 16]) -> u64 {
    u64::from_le_bytes(process[..8].try_into().expect("eight of sixteen bytes"))
}

/// What a new peer and its cluster tell each other beside keys and proofs.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Welcome {
    authority_key: MetaKey,
    contacts: Vec<Contact>,
}

impl Supervisor {
    /// This peer's id, once it is in a cluster.
    pub(super) fn peer_id(&self) -> Option<PeerId> {
        self.context.trust.membership().map(|membership| membership.greeter.peer)
    }

    pub(super) fn init(&mut self, init: params::Init, responder: Responder) {
        let founded = self.found(init);
        self.enter_with(founded, responder);
    }

    fn found(&mut self, init: params::Init) -> Result<ClusterFile, ControlError> {
        if self.peer_id().is_some() {
            return Err(ControlError::new("exists", "this peer already belongs to a cluster"));
        }
        let internal = |error: String| ControlError::new("internal", error);
        let identity = self.context.files.identity().map_err(internal)?;
        let authority = match self.context.files.authority().map_err(internal)? {
            Some(left_over) => left_over,
            None => {
                let key = SecretKey::generate()
                    .map_err(|_| internal("the system gives no randomness".to_owned()))?;
                self.context.files.create_authority(&key).map_err(internal)?;
                key
            }
        };
        let cluster_id: [u8; 16] = crate::random::bytes();
        let genesis = Genesis {
            cluster_id: Hex(cluster_id),
            name: init.name,
            authority_key: Hex(authority.public().0),
            time_ms: clock::wall_ms(),
            peer: NewPeer {
                name: init.peer_name,
                public_key: Hex(identity.public().0),
                addresses: init.addresses,
                domains: init.domains,
                witness: false,
            },
        };
        let state = ClusterState::genesis(genesis).map_err(|rejection| rejected(&rejection))?;
        let peer = PeerId(1);
        let membership =
            Membership { cluster: cluster_id, incarnation: 1, peer, key: identity.public() };
        let file = ClusterFile {
            version: ClusterFile::VERSION,
            cluster_id: Hex(cluster_id),
            peer_id: peer.0,
            authority_key: Hex(authority.public().0),
            membership: hex(&membership.sign(&authority)),
            contacts: Vec::new(),
        };
        // The log comes first: a cluster file without a log would be a peer without a cluster.
        let (answer, founded) = std::sync::mpsc::sync_channel(1);
        self.context.meta.send(MetaMessage::Found { state: Box::new(state), answer });
        founded
            .recv()
            .map_err(|_| internal("the cluster state's thread is gone".to_owned()))?
            .map_err(|error| ControlError::new("io", error))?;
        Ok(file)
    }

    /// Be a member from now on, over restarts.
    pub(super) fn enter(&mut self, file: &ClusterFile) -> Result<(), String> {
        self.context.files.set_cluster(file).map_err(|error| format!("cluster.json: {error}"))?;
        become_member(&self.context.trust, file, self.context.process)?;
        self.context.meta.send(MetaMessage::Entered { file: Box::new(file.clone()) });
        self.sync();
        Ok(())
    }

    pub(super) fn token(&mut self, token: params::Token, responder: Responder) {
        match self.new_token(token) {
            Err(error) => responder.answer(Err(error)),
            Ok((token, command)) => self.propose(command, move |_, result| {
                let answer = json!({
                    "token": *token.encode(),
                    "expires_at_ms": token.expires_unix_s * 1_000,
                });
                responder.answer(settled(result).map(|_| answer));
            }),
        }
    }

    fn new_token(&self, token: params::Token) -> Result<(JoinToken, Command), ControlError> {
        let secret = TokenSecret::generate()
            .map_err(|_| ControlError::new("internal", "the system gives no randomness"))?;
        let hash = token_hash(&secret.key().public());
        let read = |state: &ClusterState| {
            let expires_ms = local::token_expiry_ms(state, clock::wall_ms(), token.ttl_ms);
            // Voters first: they can admit.
            let voters = state.voters().voters.iter().filter_map(|id| state.peers().get(id));
            let mut addresses: Vec<String> = voters
                .flat_map(|peer| peer.addresses.iter())
                .filter(|address| address.role == AddressRole::Data)
                .map(|address| address.address.clone())
                .collect();
            let own = token.addresses.iter().filter(|a| a.role == AddressRole::Data);
            addresses.extend(own.map(|address| address.address.clone()));
            addresses.dedup();
            addresses.truncate(shoal_wire::identity::TOKEN_ADDRESSES_MAX);
            let token = JoinToken {
                cluster: state.cluster_id().0,
                authority: PublicKey(state.authority_key().0),
                secret,
                expires_unix_s: expires_ms.div_ceil(1_000),
                addresses,
            };
            (token, expires_ms)
        };
        let (token, expires_ms) = self.context.meta.read(read).ok_or_else(no_cluster)?;
        Ok((token, Command::CreateToken { hash, expires_ms, witness: false }))
    }

    pub(super) fn join(&mut self, join: params::Join, responder: Responder) {
        if self.peer_id().is_some() {
            let error = ControlError::new("exists", "this peer already belongs to a cluster");
            return responder.answer(Err(error));
        }
        let token = match JoinToken::parse(&join.token, clock::wall_ms() / 1_000) {
            Ok(token) => token,
            Err(error) => {
                return responder.answer(Err(ControlError::bad_request(error.to_string())));
            }
        };
        let (trust, inlet) = (self.context.trust.clone(), self.context.inlet.clone());
        let process = self.context.process;
        let identity = match self.context.files.identity() {
            Ok(identity) => identity,
            Err(error) => return responder.answer(Err(ControlError::new("internal", error))),
        };
        // Dialling blocks: on a thread of its own.
        thread::spawn(move || {
            let outcome = join_by(&token, &trust, &identity, process, &join);
            inlet.go_on(move |supervisor| supervisor.enter_joined(outcome, responder));
        });
    }

    /// What a founding that was cut short left here is of another cluster.
    fn enter_joined(&mut self, file: Result<ClusterFile, ControlError>, responder: Responder) {
        if self.peer_id().is_some() {
            let error = ControlError::new("exists", "this peer belongs to a cluster meanwhile");
            return responder.answer(Err(error));
        }
        let clean = |file| match self.context.files.forget_cluster() {
            Ok(()) => Ok(file),
            Err(error) => Err(ControlError::io("forgetting what was begun", &error)),
        };
        self.enter_with(file.and_then(clean), responder);
    }

    /// Answered once the cluster's state is known here: whoever asks next must find a member.
    fn enter_with(&mut self, member: Result<ClusterFile, ControlError>, responder: Responder) {
        let entered = member.and_then(|file| {
            self.enter(&file).map_err(|error| ControlError::new("internal", error))?;
            Ok(json!({ "cluster_id": file.cluster_id, "peer_id": file.peer_id }))
        });
        let inlet = self.context.inlet.clone();
        match entered {
            Err(error) => responder.answer(Err(error)),
            Ok(answer) => self.context.meta.barrier(move |result| {
                inlet.go_on(move |supervisor| {
                    supervisor.sync();
                    responder.answer(result.map(|()| answer).map_err(|error| meta_error(&error)));
                });
            }),
        }
    }

    /// A stranger showed a token here. Only a peer that has the authority's key can admit it.
    pub(super) fn admit(
        &mut self,
        request: &JoinRequest,
        joiner: PublicKey,
        answer: SyncSender<JoinReply>,
    ) {
        let refuse = |refusal| drop(answer.send(JoinReply::Refused(refusal)));
        let Ok(Some(authority)) = self.context.files.authority() else {
            return refuse(JoinRefusal::Unavailable);
        };
        let Some(cluster) = self.context.meta.read(|state| state.cluster_id()) else {
            return refuse(JoinRefusal::Unavailable);
        };
        let details: Option<NewPeer> = serde_json::from_slice(&request.details).ok();
        let Some(peer) = details.filter(|peer| peer.public_key.0 == joiner.0) else {
            return refuse(JoinRefusal::Version);
        };
        if !request.is_proven(&cluster.0, &joiner) {
            return refuse(JoinRefusal::Unknown);
        }
        let command = Command::UseToken { hash: token_hash(&request.token), peer };
        self.propose(command, move |supervisor, result| {
            let reply = match result {
                Ok(Ok(Applied::Peer { peer })) => supervisor.welcome(peer, joiner, &authority),
                Ok(Ok(_)) | Err(_) => JoinReply::Refused(JoinRefusal::Unavailable),
                Ok(Err(Rejection::TokenUsed { .. })) => JoinReply::Refused(JoinRefusal::Used),
                Ok(Err(Rejection::TokenExpired { .. })) => JoinReply::Refused(JoinRefusal::Expired),
                Ok(Err(rejection)) => {
                    eprintln!("a peer with a good token was not admitted: {rejection:?}");
                    JoinReply::Refused(JoinRefusal::Unknown)
                }
            };
            supervisor.sync();
            let _it_gave_up = answer.send(reply);
        });
    }

    fn welcome(&self, peer: PeerId, key: PublicKey, authority: &SecretKey) -> JoinReply {
        let read = |state: &ClusterState| {
            let contacts = state.voters().voters.iter().filter_map(|id| state.peers().get(id));
            let record = Membership {
                cluster: state.cluster_id().0,
                incarnation: u64::from(state.incarnation()),
                peer,
                key,
            };
            (record, contacts.map(contact).collect::<Vec<_>>())
        };
        let Some((record, contacts)) = self.context.meta.read(read) else {
            return JoinReply::Refused(JoinRefusal::Unavailable);
        };
        let welcome = Welcome { authority_key: Hex(authority.public().0), contacts };
        match serde_json::to_vec(&welcome) {
            Ok(details) => JoinReply::Welcome { membership: record.sign(authority), details },
            Err(_) => JoinReply::Refused(JoinRefusal::Unavailable),
        }
    }

    /// The cluster does not know this peer any more. Its stores stop; its files stay until a
    /// person says `cluster leave`.
    pub(super) fn on_removed(&mut self) {
        if self.stores.is_empty() && self.heads.is_empty() {
            return;
        }
        eprintln!("this peer was removed from the cluster; it serves nothing any more");
        self.context.meta.send(MetaMessage::Removed);
        let volumes: Vec<_> = self.heads.keys().copied().collect();
        volumes.into_iter().for_each(|volume| self.on_fenced(volume));
        self.close_stores();
    }

    pub(super) fn leave(&mut self) -> Result<Value, ControlError> {
        let me = self.peer_id().ok_or_else(no_cluster)?;
        if self.context.meta.read(|state| state.peers().contains_key(&me)) == Some(true) {
            let message = "this peer is still a member: remove it with 'shoal peer remove' first";
            return Err(ControlError::new("conflict", message));
        }
        self.close_stores();
        self.context
            .files
            .forget_cluster()
            .map_err(|error| ControlError::io("forgetting the cluster", &error))?;
        self.context.trust.set_membership(None);
        Ok(json!({}))
    }
}

/// Show membership in every hello from now on.
pub fn become_member(
    trust: &peer::TrustRoot,
    file: &ClusterFile,
    process: [u8; 16],
) -> Result<(), String> {
    let credential = unhex(&file.membership).ok_or("cluster.json: membership is not hex")?;
    let authority = PublicKey(file.authority_key.0);
    let record = Membership::verify(&credential, &authority).map_err(|error| {
        format!("cluster.json: the membership record is worth nothing: {error:?}")
    })?;
    let peer = file.peer();
    let greeter = Greeter::new(file.cluster_id.0, record.incarnation, peer, nonce(process));
    trust.set_membership(Some(peer::Membership { greeter, credential }));
    // Until the cluster state is known, these are the members that are believed.
    let contacts = file.contacts.iter();
    trust.keys.replace(contacts.map(|c| (PublicKey(c.public_key.0), PeerId(c.peer_id))));
    Ok(())
}

/// Dial the token's addresses until one admits us. Blocks.
fn join_by(
    token: &JoinToken,
    trust: &peer::TrustRoot,
    identity: &SecretKey,
    process: [u8; 16],
    join: &params::Join,
) -> Result<ClusterFile, ControlError> {
    let mut last = ControlError::unavailable("the token names no address");
    for address in &token.addresses {
        match join_at(address, token, trust, identity, process, join) {
            Ok(file) => return Ok(file),
            // Used and expired are the cluster's word: another address says the same.
            Err(error) if error.code == "refused" => return Err(error),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn join_at(
    address: &str,
    token: &JoinToken,
    trust: &peer::TrustRoot,
    identity: &SecretKey,
    process: [u8; 16],
    join: &params::Join,
) -> Result<ClusterFile, ControlError> {
    let failed =
        |error: &dyn std::fmt::Display| ControlError::unavailable(format!("{address}: {error}"));
    let socket = peer::connect(address).map_err(|error| failed(&error))?;
    let greeter = Greeter::new(token.cluster, 0, PeerId(0), nonce(process));
    let stranger = peer::Membership { greeter, credential: Vec::new() };
    let mut handshake = Handshake::dial(socket, trust, Dial::Join, &stranger, Purpose::Join)
        .map_err(|error| failed(&error))?;
    // WHO ANSWERS IS CHECKED before it is told anything.
    let answered = handshake.link.peer().map(|peer| peer.key);
    let credential = handshake.link.credential();
    if answered.is_none_or(|key| token.vouches_for(credential, &key).is_none()) {
        return Err(failed(&"it cannot show that it belongs to the token's cluster"));
    }
    let peer = NewPeer {
        name: join.peer_name.clone(),
        public_key: Hex(identity.public().0),
        addresses: join.addresses.clone(),
        domains: join.domains.clone(),
        witness: join.witness,
    };
    let details = serde_json::to_vec(&peer).map_err(|error| failed(&error))?;
    let request = JoinRequest::new(&token.cluster, &token.secret, &identity.public(), details);
    handshake.send(Kind::Join, &request.encode()).map_err(|error| failed(&error))?;
    let meta = handshake.receive(Kind::JoinReply).map_err(|error| failed(&error))?;
    let reply = JoinReply::decode(&meta).map_err(|error| failed(&error))?;
    match reply {
        JoinReply::Refused(JoinRefusal::Unavailable) => {
            Err(failed(&"it cannot admit a peer now; try again"))
        }
        JoinReply::Refused(refusal) => Err(ControlError::new("refused", why_refused(refusal))),
        JoinReply::Welcome { membership, details } => {
            let mine = token.welcomes(&membership, &identity.public());
            let record = mine.ok_or_else(|| failed(&"the membership it gave is not ours"))?;
            let welcome: Welcome =
                serde_json::from_slice(&details).map_err(|error| failed(&error))?;
            Ok(ClusterFile {
                version: ClusterFile::VERSION,
                cluster_id: Hex(token.cluster),
                peer_id: record.peer.0,
                authority_key: Hex(token.authority.0),
                membership: hex(&membership),
                contacts: welcome.contacts,
            })
        }
    }
}

fn why_refused(refusal: JoinRefusal) -> &'static str {
    match refusal {
        JoinRefusal::Unknown => "the cluster does not know this token, or the peer's name is taken",
        JoinRefusal::Used => "the token was used before: make a new one with 'shoal cluster token'",
        JoinRefusal::Expired => "the token has expired: make a new one with 'shoal cluster token'",
        JoinRefusal::Unavailable => "the cluster cannot admit a peer now: try again",
        JoinRefusal::Version => "the cluster does not take peers of this version",
        JoinRefusal::Removed => "this peer was removed: give it a new identity first",
    }
}

fn contact(peer: &shoal_meta::state::Peer) -> Contact {
    let data = peer.addresses.iter().filter(|a| a.role == AddressRole::Data);
    Contact {
        peer_id: peer.id.0,
        public_key: peer.public_key,
        addresses: data.map(|a| a.address.clone()).collect(),
    }
}

/// Names a token in the cluster state: its public key. The secret cannot be found from it.
fn token_hash(key: &PublicKey) -> shoal_meta::hex::TokenHash {
    Hex(key.0)
}

pub fn no_cluster() -> ControlError {
    ControlError::new(
        "unavailable",
        "this peer is in no cluster: 'shoal cluster init' or 'shoal cluster join TOKEN' first",
    )
}

pub fn rejected(rejection: &Rejection) -> ControlError {
    let code = match rejection {
        Rejection::NotFound { .. } => "not_found",
        Rejection::Exists { .. } => "exists",
        Rejection::Invalid { .. } | Rejection::Limit { .. } => "bad_request",
        _ => "conflict",
    };
    ControlError::new(code, rejection.to_string()).with(json!(rejection))
}

/// What control is told of a proposal.
pub fn settled(result: Result<Outcome, MetaError>) -> Result<Applied, ControlError> {
    match result {
        Ok(Ok(applied)) => Ok(applied),
        Ok(Err(rejection)) => Err(rejected(&rejection)),
        Err(error) => Err(meta_error(&error)),
    }
}

pub fn meta_error(error: &MetaError) -> ControlError {
    match error {
        MetaError::NoCluster => no_cluster(),
        MetaError::Unavailable(Unavailable::NoLeader) => ControlError::unavailable(
            "no leader of the cluster answered in time; whether it was done is unknown",
        ),
        MetaError::Unavailable(Unavailable::TooLarge) => {
            ControlError::bad_request("the command is too large")
        }
        MetaError::Unavailable(Unavailable::Judged) => {
            ControlError::bad_request("only the leader itself proposes this")
        }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            let text = std::str::from_utf8(pair).ok().filter(|text| text.len() == 2)?;
            u8::from_str_radix(text, 16).ok()
        })
        .collect()
}
