use std::collections::{BTreeMap, BTreeSet};

use shoal_types::PeerId;

use super::*;
use crate::seeded::{Seeded, seeds};
use crate::state::fixture::{Cluster, new_peer};
use crate::state::{Command, ConfChange, Domains, NewPeer, Standing, Voters};

/// A cluster of peers in these zones ("" for none), and who is there.
struct Scene {
    cluster: Cluster,
    seen: BTreeMap<u64, Attendance>,
}

impl Scene {
    fn new(zones: &[&str]) -> Self {
        let mut scene = Self { cluster: Cluster::empty(), seen: BTreeMap::new() };
        scene.place(1, zones[0]);
        for (i, zone) in zones.iter().enumerate().skip(1) {
            scene.join(i as u64 + 1, zone);
        }
        scene
    }

    fn join(&mut self, n: u64, zone: &str) {
        self.cluster.ok(Command::AddPeer { peer: new_peer(n) });
        self.place(n, zone);
    }

    fn place(&mut self, n: u64, zone: &str) {
        let domains = Domains { rack: String::new(), zone: zone.to_owned() };
        self.update(n, Some(domains), None);
    }

    fn stand(&mut self, n: u64, state: Standing) {
        self.update(n, None, Some(state));
    }

    fn update(&mut self, n: u64, domains: Option<Domains>, state: Option<Standing>) {
        let (peer, name, addresses, maintenance_until_ms) = (PeerId(n), None, None, None);
        let command =
            Command::UpdatePeer { peer, name, addresses, domains, state, maintenance_until_ms };
        self.cluster.ok(command);
    }

    fn see(&self, peer: PeerId) -> Attendance {
        self.seen.get(&peer.0).copied().unwrap_or(Attendance::Present)
    }

    fn wanted(&self, leader: u64) -> Vec<u64> {
        let wanted = wanted_voters(&self.cluster.state, PeerId(leader), |peer| self.see(peer));
        wanted.into_iter().map(|peer| peer.0).collect()
    }

    /// Steps until nothing is to be done; gives the changes, and who leads in the end.
    fn settle(&mut self, mut leader: u64) -> (Vec<ConfChange>, u64) {
        let mut changes = Vec::new();
        for _ in 0..40 {
            let state = &self.cluster.state;
            let wanted = wanted_voters(state, PeerId(leader), |peer| self.see(peer));
            let answers = |peer| match self.see(peer) {
                Attendance::Gone => Answers::NotNow,
                _ => Answers::Now,
            };
            match next_step(state.voters(), &wanted, PeerId(leader), |_| true, answers) {
                None => return (changes, leader),
                Some(Step::HandOver { to }) => leader = to.0,
                Some(Step::Change(change)) => {
                    assert_ne!(change, ConfChange::Remove { peer: PeerId(leader) });
                    let index = self.cluster.state.index() + 1;
                    assert!(self.cluster.state.apply_conf_change(index, change), "{change:?}");
                    changes.push(change);
                }
            }
        }
        panic!("it never settles");
    }

    fn voters(&self) -> Vec<u64> {
        self.cluster.state.voters().voters.iter().map(|peer| peer.0).collect()
    }
}

#[test]
fn one_three_and_five_as_peers_join() {
    let mut scene = Scene::new(&[""]);
    let mut sizes = vec![];
    for n in 2..=8 {
        scene.settle(1);
        sizes.push(scene.voters().len());
        scene.join(n, "");
    }
    assert_eq!(sizes, [1, 1, 3, 3, 5, 5, 5]);
}

#[test]
fn new_voters_learn_before_the_first_of_them_votes() {
    let mut scene = Scene::new(&["", "", ""]);
    let kinds: Vec<u8> = scene
        .settle(1)
        .0
        .into_iter()
        .map(|change| match change {
            ConfChange::AddLearner { .. } => 1,
            ConfChange::AddVoter { .. } => 2,
            ConfChange::Remove { .. } => 3,
        })
        .collect();
    assert_eq!(kinds, [1, 1, 2, 2]);
}

#[test]
fn a_learner_that_does_not_catch_up_is_waited_for() {
    let scene = Scene::new(&["", "", ""]);
    let mut voters = scene.cluster.state.voters().clone();
    voters.learners = [PeerId(2), PeerId(3)].into();
    let wanted: BTreeSet<PeerId> = [PeerId(1), PeerId(2), PeerId(3)].into();
    let step = next_step(&voters, &wanted, PeerId(1), |peer| peer == PeerId(2), |_| Answers::Now);
    assert_eq!(step, None);
}

/// Two of three are to go, and the third leads: without the one that is away and comes back, it would be
/// left with one that never answers.
#[test]
fn who_lost_its_log_goes_before_who_is_away() {
    let voters = Voters { voters: [1, 2, 3].map(PeerId).into(), learners: BTreeSet::new() };
    let wanted: BTreeSet<PeerId> = [PeerId(3)].into();
    let answers = |peer: PeerId| match peer.0 {
        1 => Answers::NotNow,
        2 => Answers::Never,
        _ => Answers::Now,
    };
    let step = next_step(&voters, &wanted, PeerId(3), |_| true, answers);
    assert_eq!(step, Some(Step::Change(ConfChange::Remove { peer: PeerId(2) })));
}

#[test]
fn voters_spread_over_zones_and_move_when_that_gets_better() {
    let mut scene = Scene::new(&["a", "a", "a", "b", "c"]);
    scene.seen = [(4, Attendance::Absent), (5, Attendance::Absent)].into();
    scene.settle(1);
    assert_eq!(scene.voters(), [1, 2, 3], "nobody is made a voter while away");
    scene.seen.clear();
    scene.stand(2, Standing::Out);
    scene.settle(1);
    assert_eq!(scene.voters(), [1, 4, 5], "one of each zone");
}

#[test]
fn a_voter_that_is_gone_is_replaced_if_there_is_somebody() {
    let mut scene = Scene::new(&["", "", "", ""]);
    scene.settle(1);
    assert_eq!(scene.voters(), [1, 2, 3]);
    scene.seen = [(3, Attendance::Absent)].into();
    assert_eq!(scene.wanted(1), [1, 2, 3], "not for a short while");
    scene.seen = [(3, Attendance::Gone)].into();
    let (changes, _) = scene.settle(1);
    assert_eq!(scene.voters(), [1, 2, 4]);
    assert_eq!(changes.last(), Some(&ConfChange::Remove { peer: PeerId(3) }), "old ones go last");
    scene.seen = [(3, Attendance::Gone), (4, Attendance::Gone)].into();
    assert_eq!(scene.wanted(1), [1, 2, 4], "nobody is left to replace it");
}

#[test]
fn two_peers_have_one_voter_and_a_witness_makes_three() {
    let mut scene = Scene::new(&["", ""]);
    assert_eq!(scene.wanted(1), [1]);
    scene.cluster.ok(Command::AddPeer { peer: NewPeer { witness: true, ..new_peer(3) } });
    scene.settle(1);
    assert_eq!(scene.voters(), [1, 2, 3]);
}

#[test]
fn a_leader_that_is_taken_out_hands_over_first() {
    let mut scene = Scene::new(&["", "", "", ""]);
    scene.settle(1);
    scene.stand(1, Standing::Out);
    let (_, leader) = scene.settle(1);
    assert_ne!(leader, 1);
    assert_eq!(scene.voters(), [2, 3, 4]);
    let mut scene = Scene::new(&["", "", ""]);
    scene.settle(1);
    scene.stand(1, Standing::Out);
    let (_, leader) = scene.settle(1);
    assert_eq!(scene.voters(), [leader]);
}

#[test]
fn a_voter_that_forgot_its_votes_is_left_out_for_good() {
    let mut scene = Scene::new(&["", "", "", ""]);
    scene.settle(1);
    scene.cluster.ok(Command::NeverVote { peer: PeerId(2) });
    scene.settle(1);
    assert_eq!(scene.voters(), [1, 3, 4]);
    let index = scene.cluster.state.index() + 1;
    let again = ConfChange::AddLearner { peer: PeerId(2) };
    assert!(!scene.cluster.state.apply_conf_change(index, again), "not even by mistake");
}

#[test]
fn whatever_happens_it_settles_and_a_majority_stays() {
    for seed in seeds(200) {
        let mut random = Seeded::new(seed);
        let zones = ["", "a", "b", "c"];
        let count = 1 + random.below(8) as usize;
        let zones: Vec<&str> = (0..count).map(|_| *random.pick(&zones)).collect();
        let mut scene = Scene::new(&zones);
        let mut leader = 1;
        for _ in 0..12 {
            let peer = 1 + random.below(count as u64);
            match random.below(4) {
                0 => drop(scene.seen.insert(peer, Attendance::Absent)),
                1 if peer != leader => drop(scene.seen.insert(peer, Attendance::Gone)),
                2 => drop(scene.seen.remove(&peer)),
                _ => scene.stand(peer, *random.pick(&[Standing::In, Standing::Out])),
            }
            scene.seen.remove(&leader);
            (_, leader) = scene.settle(leader);
            let voters = scene.voters();
            assert!(!voters.is_empty() && voters.len() <= VOTERS_WANTED_MAX);
            assert!(scene.cluster.state.voters().learners.is_empty());
            assert_eq!(scene.settle(leader).0, [], "settled is settled");
            leader = if voters.contains(&leader) { leader } else { voters[0] };
            scene.seen.remove(&leader);
        }
    }
}
