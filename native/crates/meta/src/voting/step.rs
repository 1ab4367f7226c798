//! From the voters there are to those there should be, one change at a time.

use std::collections::BTreeSet;

use shoal_types::PeerId;

use crate::state::{ConfChange, Voters};

/// Whether a voter answers, the least useful first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answers {
    /// It lost its log: never again.
    Never,
    /// It is away, and may come back.
    NotNow,
    Now,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Change(ConfChange),
    /// The leader itself is to go: somebody else leads first, and then removes it.
    HandOver {
        to: PeerId,
    },
}

/// NEW VOTERS COME BEFORE OLD ONES GO, and all new ones learn before the first of them votes: with
/// one voter more than half must answer of a larger number, and a learner has nothing to answer.
pub fn next_step(
    voters: &Voters,
    wanted: &BTreeSet<PeerId>,
    leader: PeerId,
    has_caught_up: impl Fn(PeerId) -> bool,
    answers: impl Fn(PeerId) -> Answers,
) -> Option<Step> {
    let change = |change| Some(Step::Change(change));
    let mut superfluous = voters.learners.iter().filter(|peer| !wanted.contains(peer));
    if let Some(peer) = superfluous.next() {
        return change(ConfChange::Remove { peer: *peer });
    }
    let missing: Vec<PeerId> = wanted.difference(&voters.voters).copied().collect();
    if let Some(peer) = missing.iter().find(|peer| !voters.learners.contains(peer)) {
        return change(ConfChange::AddLearner { peer: *peer });
    }
    if let Some(peer) = missing.first() {
        let all = missing.iter().all(|peer| has_caught_up(*peer));
        return all.then_some(Step::Change(ConfChange::AddVoter { peer: *peer }));
    }
    let mut extra: Vec<PeerId> = voters.voters.difference(wanted).copied().collect();
    // WHO NEVER ANSWERS GOES FIRST, then who does not now: were another one removed before it, those that
    // are left might have no majority any more, whoever comes back.
    extra.sort_by_key(|peer| (answers(*peer), *peer == leader, *peer));
    match extra.first() {
        Some(peer) if *peer != leader => change(ConfChange::Remove { peer: *peer }),
        Some(_) => {
            let to = wanted.iter().copied().find(|peer| answers(*peer) == Answers::Now);
            to.map(|to| Step::HandOver { to })
        }
        None => None,
    }
}
