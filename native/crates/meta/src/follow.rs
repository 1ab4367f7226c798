//! How a peer that does not vote holds the same state: it asks a voter for what was applied after
//! the index it has, and applies it with the same `apply`. Sans-IO.

use bytes::Bytes;

use crate::codec::{DecodeError, codec_enum, codec_struct};
use crate::log_store::{LogEntry, LogStore, Payload};
use crate::raft::{AppliedEntry, Fatal, RaftNode};
use crate::state::{ClusterState, Proposal};

/// Data of the entries in one answer; a follower further behind asks again.
pub const FOLLOW_BYTES_MAX: usize = 1 << 20;

/// "I have applied everything up to here"; 0: nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowRequest {
    pub applied: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FollowReply {
    /// The entries after the asker's index, in order; none: there is nothing new.
    Entries { entries: Vec<LogEntry> },
    /// The entries are gone, or the asker has nothing: the whole state.
    Snapshot { state: Bytes },
}

codec_struct!(FollowRequest { applied });
codec_enum!(FollowReply: u8 { 1 => Entries { entries }, 2 => Snapshot { state } });

/// Why an answer was not used; nothing was changed. Ask again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotFollowed {
    /// Entries that do not continue what is here: a late answer.
    Gap {
        applied: u64,
        first: u64,
    },
    /// The voter has seen less than the asker.
    Behind {
        applied: u64,
        theirs: u64,
    },
    OtherCluster,
    Malformed(DecodeError),
}

#[derive(Debug, Default)]
pub struct Followed {
    pub applied: Vec<AppliedEntry>,
    pub installed: bool,
}

/// The state of a peer that follows.
#[derive(Debug, Default)]
pub struct Follower {
    state: Option<ClusterState>,
}

/// A voter's side. WHO HAS SEEN MORE THAN THIS VOTER IS TOLD NOTHING: an older state would be of no use,
/// and asked for again at once.
pub fn answer<S: LogStore>(node: &RaftNode<S>, request: FollowRequest) -> Option<FollowReply> {
    let state = node.state()?;
    if request.applied > state.index() {
        return Some(FollowReply::Entries { entries: vec![] });
    }
    let known = request.applied > 0;
    let entries = known.then(|| node.applied_after(request.applied, FOLLOW_BYTES_MAX)).flatten();
    Some(match entries {
        Some(entries) => FollowReply::Entries { entries },
        None => FollowReply::Snapshot { state: state.encode().into() },
    })
}

impl Follower {
    pub fn new(state: Option<ClusterState>) -> Self {
        Self { state }
    }

    pub fn state(&self) -> Option<&ClusterState> {
        self.state.as_ref()
    }

    pub fn into_state(self) -> Option<ClusterState> {
        self.state
    }

    pub fn request(&self) -> FollowRequest {
        FollowRequest { applied: self.state.as_ref().map_or(0, ClusterState::index) }
    }

    pub fn receive(&mut self, reply: FollowReply) -> Result<Result<Followed, NotFollowed>, Fatal> {
        match reply {
            FollowReply::Snapshot { state } => Ok(self.install(&state)),
            FollowReply::Entries { entries } => self.apply(entries),
        }
    }

    fn install(&mut self, bytes: &[u8]) -> Result<Followed, NotFollowed> {
        let state = ClusterState::decode(bytes).map_err(NotFollowed::Malformed)?;
        if let Some(own) = &self.state {
            if own.cluster_id() != state.cluster_id() {
                return Err(NotFollowed::OtherCluster);
            }
            let (applied, theirs) = (own.index(), state.index());
            if applied > theirs {
                return Err(NotFollowed::Behind { applied, theirs });
            }
            if applied == theirs {
                return Ok(Followed::default());
            }
        }
        self.state = Some(state);
        Ok(Followed { applied: vec![], installed: true })
    }

    fn apply(&mut self, entries: Vec<LogEntry>) -> Result<Result<Followed, NotFollowed>, Fatal> {
        let Some(first) = entries.first().map(|entry| entry.index) else {
            return Ok(Ok(Followed::default()));
        };
        let consecutive = entries.iter().zip(first..).all(|(entry, index)| entry.index == index);
        let applied = self.state.as_ref().map_or(0, ClusterState::index);
        let Some(state) = self.state.as_mut().filter(|_| consecutive && first <= applied + 1)
        else {
            return Ok(Err(NotFollowed::Gap { applied, first }));
        };
        let mut followed = Followed::default();
        for entry in entries {
            if entry.index > state.index() {
                followed.applied.extend(apply_entry(state, entry)?);
            }
        }
        Ok(Ok(followed))
    }
}

fn apply_entry(state: &mut ClusterState, entry: LogEntry) -> Result<Option<AppliedEntry>, Fatal> {
    let index = entry.index;
    match entry.payload {
        Payload::Empty => state.apply_empty(index),
        Payload::Conf { change } => {
            state.apply_conf_change(index, change);
        }
        Payload::Proposal { bytes } => {
            let proposal = Proposal::decode(&bytes.0)
                .map_err(|error| Fatal::UnknownCommand { index, error })?;
            let outcome = state.apply(index, &proposal);
            return Ok(Some(AppliedEntry { index, proposal: proposal.id, outcome }));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::test_world::World;
    use crate::state::{Command, Severity};

    fn event(world: &mut World) {
        let (code, message, subject) = ("x".into(), "y".into(), "z".into());
        let severity = Severity::Info;
        world.propose_on(1, Command::RecordEvent { severity, code, message, subject }).unwrap();
        world.run(1);
    }

    fn catch_up(world: &World, follower: &mut Follower) -> Followed {
        let reply = answer(world.node(1), follower.request()).unwrap();
        follower.receive(reply).unwrap().unwrap()
    }

    #[test]
    fn a_follower_holds_the_same_bytes() {
        let mut world = World::new(1, 3);
        let mut follower = Follower::default();
        assert!(catch_up(&world, &mut follower).installed);
        for _ in 0..30 {
            event(&mut world);
        }
        world.add_voter(2);
        let followed = catch_up(&world, &mut follower);
        assert!(!followed.installed && followed.applied.len() == 30);
        assert_eq!(follower.state().unwrap().encode(), world.state(1).encode());
        assert!(catch_up(&world, &mut follower).applied.is_empty());
    }

    #[test]
    fn one_that_is_too_far_behind_gets_the_whole_state() {
        let mut world = World::new(1, 1);
        let mut follower = Follower::default();
        catch_up(&world, &mut follower);
        for _ in 0..200 {
            event(&mut world);
        }
        assert!(catch_up(&world, &mut follower).installed);
        assert_eq!(follower.state().unwrap().encode(), world.state(1).encode());
    }

    #[test]
    fn one_that_has_seen_more_than_its_voter_is_not_sent_the_state_again_and_again() {
        let world = World::new(1, 1);
        let ahead = FollowRequest { applied: world.state(1).index() + 1 };
        let reply = answer(world.node(1), ahead).unwrap();
        assert_eq!(reply, FollowReply::Entries { entries: vec![] });
    }

    #[test]
    fn late_and_foreign_answers_change_nothing() {
        let mut world = World::new(1, 1);
        let (mut follower, mut behind) = (Follower::default(), Follower::default());
        catch_up(&world, &mut follower);
        catch_up(&world, &mut behind);
        let old = answer(world.node(1), FollowRequest { applied: 0 }).unwrap();
        event(&mut world);
        let first = answer(world.node(1), follower.request()).unwrap();
        catch_up(&world, &mut follower);
        event(&mut world);
        let second = answer(world.node(1), follower.request()).unwrap();
        let gap = behind.receive(second).unwrap();
        assert!(matches!(gap, Err(NotFollowed::Gap { .. })));
        catch_up(&world, &mut follower);
        let before = follower.state().unwrap().encode();
        let late = follower.receive(old).unwrap();
        assert!(matches!(late, Err(NotFollowed::Behind { .. })));
        assert!(follower.receive(first).unwrap().unwrap().applied.is_empty());
        let mut genesis = crate::state::fixture::genesis();
        genesis.cluster_id = crate::hex::Hex([8; 16]);
        let state = ClusterState::genesis(genesis).unwrap().encode().into();
        let foreign = follower.receive(FollowReply::Snapshot { state }).unwrap();
        assert_eq!(foreign.unwrap_err(), NotFollowed::OtherCluster);
        assert_eq!(follower.state().unwrap().encode(), before);
    }
}
