//! The set of voters that the cluster should have.

use std::collections::{BTreeMap, BTreeSet};

use shoal_types::PeerId;

use crate::state::{ClusterState, Peer, Standing};

pub const VOTERS_WANTED_MAX: usize = 5;

/// Whether a peer is there, as its leader sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attendance {
    Present,
    /// Without a session, not for long yet (or planned): a voter stays, a new one is not made of it.
    Absent,
    /// Away for so long that a voter is replaced, if there is somebody to replace it.
    Gone,
}

struct Candidate<'a> {
    peer: &'a Peer,
    is_gone: bool,
    votes: bool,
}

/// Never empty: the leader itself always qualifies, or else the voters stay as they are.
pub fn wanted_voters(
    state: &ClusterState,
    leader: PeerId,
    attendance: impl Fn(PeerId) -> Attendance,
) -> BTreeSet<PeerId> {
    let voters = &state.voters().voters;
    let candidates: Vec<Candidate<'_>> =
        state.peers().values().filter_map(|peer| candidate(state, peer, &attendance)).collect();
    let count = wanted_count(candidates.len());
    let best = choose(&candidates, count, leader);
    let kept: Vec<&Candidate<'_>> = candidates.iter().filter(|c| c.votes).collect();
    let is_whole = kept.len() == count && kept.len() == voters.len();
    let has_replacement = kept.iter().any(|c| c.is_gone) && best.iter().all(|c| !c.is_gone);
    if best.is_empty() || is_whole && !has_replacement && crowding(&kept) <= crowding(&best) {
        return voters.clone();
    }
    best.iter().map(|candidate| candidate.peer.id).collect()
}

fn candidate<'a>(
    state: &ClusterState,
    peer: &'a Peer,
    attendance: &impl Fn(PeerId) -> Attendance,
) -> Option<Candidate<'a>> {
    let leaves = matches!(peer.state, Standing::Out | Standing::Draining);
    if leaves || state.upkeep().never_vote.contains(&peer.id) {
        return None;
    }
    let votes = state.voters().voters.contains(&peer.id);
    let seen = attendance(peer.id);
    let takes_part = votes || seen == Attendance::Present;
    takes_part.then_some(Candidate { peer, is_gone: seen == Attendance::Gone, votes })
}

/// An even number tolerates no more than the odd one below it.
fn wanted_count(candidates: usize) -> usize {
    match candidates {
        0 => 0,
        1 | 2 => 1,
        3 | 4 => 3,
        _ => VOTERS_WANTED_MAX,
    }
}

/// One after the other: whoever is there before whoever is gone, then the emptiest zone, the
/// emptiest rack, who votes already, the leader, the oldest.
fn choose<'a>(
    candidates: &'a [Candidate<'a>],
    count: usize,
    leader: PeerId,
) -> Vec<&'a Candidate<'a>> {
    let mut chosen: Vec<&Candidate<'_>> = Vec::new();
    let mut left: Vec<&Candidate<'_>> = candidates.iter().collect();
    while chosen.len() < count {
        let (zones, racks) = (zones_of(&chosen), racks_of(&chosen));
        let rank = |c: &&Candidate<'_>| {
            let zone = zones.get(&zone(c.peer)).copied().unwrap_or(0);
            let rack = racks.get(&rack(c.peer)).copied().unwrap_or(0);
            (c.is_gone, zone, rack, !c.votes, c.peer.id != leader, c.peer.id)
        };
        let Some(at) = (0..left.len()).min_by_key(|at| rank(&left[*at])) else { break };
        chosen.push(left.swap_remove(at));
    }
    chosen
}

/// Voters in the fullest zone, and in the fullest rack: what one failure could take.
fn crowding(chosen: &[&Candidate<'_>]) -> (usize, usize) {
    let fullest = |counts: BTreeMap<Place<'_>, usize>| counts.into_values().max().unwrap_or(0);
    (fullest(zones_of(chosen)), fullest(racks_of(chosen)))
}

/// Zone and rack; a peer that names none stands for itself.
type Place<'a> = (&'a str, &'a str, u64);

fn zones_of<'a>(chosen: &[&Candidate<'a>]) -> BTreeMap<Place<'a>, usize> {
    count(chosen.iter().map(|c| zone(c.peer)))
}

fn racks_of<'a>(chosen: &[&Candidate<'a>]) -> BTreeMap<Place<'a>, usize> {
    count(chosen.iter().map(|c| rack(c.peer)))
}

fn count<'a>(places: impl Iterator<Item = Place<'a>>) -> BTreeMap<Place<'a>, usize> {
    let mut counts = BTreeMap::new();
    places.for_each(|place| *counts.entry(place).or_insert(0) += 1);
    counts
}

fn zone(peer: &Peer) -> Place<'_> {
    match peer.domains.zone.as_str() {
        "" => ("", "", peer.id.0),
        zone => (zone, "", 0),
    }
}

fn rack(peer: &Peer) -> Place<'_> {
    match peer.domains.rack.as_str() {
        "" => ("", "", peer.id.0),
        rack => (&peer.domains.zone, rack, 0),
    }
}
