//! What two hellos agree on. Pure: the same hellos always end the same way.

use shoal_types::PeerId;

use super::{ClusterId, Hello, HelloRefusal, HelloReply, Purpose};
use super::{FEATURES_KNOWN, PROTOCOL_HIGHEST, PROTOCOL_LOWEST};
use crate::trust::PeerClass;

/// One side's part of every hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Greeter {
    pub protocol_lowest: u16,
    pub protocol_highest: u16,
    pub features_required: u64,
    /// All features spoken, the required ones among them.
    pub features_known: u64,
    pub cluster: ClusterId,
    pub incarnation: u64,
    pub peer: PeerId,
    pub nonce: u64,
}

/// What a connection runs under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Greeting {
    pub protocol: u16,
    pub features: u64,
    /// The other side; 0 if it is a stranger.
    pub peer: PeerId,
    pub nonce: u64,
    pub purpose: Purpose,
    /// As the dialling side gave it; of who answers it is taken to be the own.
    pub incarnation: u64,
}

impl Greeter {
    /// As this build greets.
    pub fn new(cluster: ClusterId, incarnation: u64, peer: PeerId, nonce: u64) -> Self {
        Self {
            protocol_lowest: PROTOCOL_LOWEST,
            protocol_highest: PROTOCOL_HIGHEST,
            features_required: 0,
            features_known: FEATURES_KNOWN,
            cluster,
            incarnation,
            peer,
            nonce,
        }
    }

    pub fn hello(&self, purpose: Purpose) -> Hello {
        Hello {
            protocol_lowest: self.protocol_lowest,
            protocol_highest: self.protocol_highest,
            features_required: self.features_required,
            features_optional: self.features_known & !self.features_required,
            cluster: self.cluster,
            incarnation: self.incarnation,
            peer: self.peer,
            purpose,
            nonce: self.nonce,
        }
    }

    /// The answer that goes with what `negotiate` returned.
    pub fn reply(
        &self,
        outcome: &Result<Greeting, HelloRefusal>,
        credential: Vec<u8>,
    ) -> HelloReply {
        match *outcome {
            Ok(Greeting { protocol, features, .. }) => {
                let (peer, nonce) = (self.peer, self.nonce);
                HelloReply::Accepted { protocol, features, peer, nonce, credential }
            }
            Err(refusal) => HelloReply::Refused(refusal),
        }
    }
}

/// Judges a hello that arrived on a connection of `class`. WHO ASKS IS SETTLED BEFORE ANYTHING
/// ELSE, so that a stranger learns nothing but that it is one.
pub fn negotiate(
    own: &Greeter,
    hello: &Hello,
    class: &PeerClass,
) -> Result<Greeting, HelloRefusal> {
    match (class, hello.purpose) {
        (PeerClass::Stranger(_), Purpose::Join) if hello.peer == PeerId(0) => {}
        (PeerClass::Stranger(_), _) | (PeerClass::Member(_), Purpose::Join) => {
            return Err(HelloRefusal::Stranger);
        }
        (PeerClass::Member(peer), _) if *peer != hello.peer => return Err(HelloRefusal::WrongPeer),
        (PeerClass::Member(_), _) => {}
    }
    if hello.cluster != own.cluster {
        return Err(HelloRefusal::WrongCluster);
    }
    // A stranger has a token, not a map: it cannot know the incarnation. A member that missed a
    // recovery may ask for the state, and for nothing else.
    let asks = hello.purpose == Purpose::Meta && hello.incarnation < own.incarnation;
    if hello.purpose != Purpose::Join && hello.incarnation != own.incarnation && !asks {
        return Err(HelloRefusal::WrongIncarnation);
    }
    let (lowest, highest) = (own.protocol_lowest, own.protocol_highest);
    let protocol = highest.min(hello.protocol_highest);
    if protocol < lowest.max(hello.protocol_lowest) {
        return Err(HelloRefusal::NoCommonProtocol { lowest, highest });
    }
    let offered = hello.features_required | hello.features_optional;
    let unknown = hello.features_required & !own.features_known;
    if unknown != 0 {
        return Err(HelloRefusal::FeaturesUnknown { bits: unknown });
    }
    let missing = own.features_required & !offered;
    if missing != 0 {
        return Err(HelloRefusal::FeaturesRequired { bits: missing });
    }
    let (features, purpose) = (own.features_known & offered, hello.purpose);
    let Hello { peer, nonce, incarnation, .. } = *hello;
    Ok(Greeting { protocol, features, peer, nonce, purpose, incarnation })
}

/// The dialling side's check of an accepted reply: what was agreed must lie within what was
/// offered, and the answer must come from the peer that was dialled.
pub fn check_reply(
    own: &Greeter,
    hello: &Hello,
    reply: &HelloReply,
    class: &PeerClass,
) -> Result<Greeting, HelloRefusal> {
    let (protocol, features, peer, nonce) = match reply {
        HelloReply::Refused(refusal) => return Err(*refusal),
        HelloReply::Accepted { protocol, features, peer, nonce, .. } => {
            (*protocol, *features, *peer, *nonce)
        }
    };
    let (lowest, highest) = (own.protocol_lowest, own.protocol_highest);
    if !(lowest..=highest).contains(&protocol) {
        return Err(HelloRefusal::NoCommonProtocol { lowest, highest });
    }
    let unknown = features & !own.features_known;
    if unknown != 0 {
        return Err(HelloRefusal::FeaturesRequired { bits: unknown });
    }
    let missing = own.features_required & !features;
    if missing != 0 {
        return Err(HelloRefusal::FeaturesUnknown { bits: missing });
    }
    if let PeerClass::Member(expected) = class
        && *expected != peer
    {
        return Err(HelloRefusal::WrongPeer);
    }
    let Hello { purpose, incarnation, .. } = *hello;
    Ok(Greeting { protocol, features, peer, nonce, purpose, incarnation })
}
