//! Where data may lie, and how much of it moves at once. Placement itself follows from it later.

use std::collections::{BTreeMap, BTreeSet};

use shoal_types::{DiskId, PolicyId};

use super::super::change_log::Touched;
use super::super::cluster::ClusterState;
use super::super::command::Command;
use super::super::disk::Disk;
use super::super::fill::{FACTOR_MAX, FACTOR_MIN};
use super::super::outcome::{Applied, Fault, Kind, Outcome, Rejection};
use super::super::placing::{ClassRule, Movement, Rules, check_labels};
use super::super::policy::{FailureDomain, Policy, check_min_in_sync};

impl ClusterState {
    /// Not part of the map: nothing lies elsewhere because of it.
    pub(super) fn set_movement(&mut self, command: &Command) -> Outcome {
        let Command::SetMovement { paused, per_disk, per_peer, total } = command else {
            unreachable!("dispatched by variant");
        };
        let now = self.placing.movement;
        let movement = Movement {
            paused: paused.unwrap_or(now.paused),
            per_disk: per_disk.unwrap_or(now.per_disk),
            per_peer: per_peer.unwrap_or(now.per_peer),
            total: total.unwrap_or(now.total),
        };
        movement.check()?;
        self.placing.movement = movement;
        Ok(Applied::Done)
    }

    /// Rows that the new rules forbid stay until placement changed them.
    pub(super) fn set_policy_placement(&mut self, command: &Command) -> Outcome {
        let Command::SetPolicyPlacement {
            policy: id,
            redundancy,
            min_in_sync,
            failure_domain,
            class,
            rules,
        } = command
        else {
            unreachable!("dispatched by variant");
        };
        let mut policy = self.policy(*id)?.clone();
        policy.redundancy = redundancy.unwrap_or(policy.redundancy);
        policy.min_in_sync = min_in_sync.unwrap_or(policy.min_in_sync);
        policy.failure_domain = failure_domain.unwrap_or(policy.failure_domain);
        match class {
            None => {}
            Some(ClassRule::Any) => policy.class = None,
            Some(ClassRule::Only(class)) => policy.class = Some(*class),
        }
        check_policy(&policy).map_err(|fault| Rejection::Invalid { what: Kind::Policy, fault })?;
        if let Some(rules) = rules {
            rules.check()?;
        }
        self.commit_placement(policy, rules.as_ref());
        Ok(Applied::Done)
    }

    fn commit_placement(&mut self, policy: Policy, rules: Option<&Rules>) {
        let id = policy.id;
        let rules = rules.filter(|rules| **rules != self.rules(id)).cloned();
        if self.policies[&id] == policy && rules.is_none() {
            return;
        }
        self.policies.insert(id, policy);
        match rules {
            None => {}
            Some(rules) if rules.is_empty() => {
                self.placing.rules.remove(&id);
            }
            Some(rules) => {
                self.placing.rules.insert(id, rules);
            }
        }
        self.touch(Touched::Policy(id));
    }

    pub(super) fn set_disk_labels(&mut self, id: DiskId, labels: &BTreeSet<String>) -> Outcome {
        self.disk(id)?;
        check_labels(Kind::Disk, labels)?;
        if self.labels(id) == *labels {
            return Ok(Applied::Done);
        }
        if labels.is_empty() {
            self.placing.labels.remove(&id);
        } else {
            self.placing.labels.insert(id, labels.clone());
        }
        self.touch(Touched::Disk(id));
        Ok(Applied::Done)
    }

    /// All or nothing.
    pub(super) fn set_fill_factors(&mut self, factors: &[(DiskId, u16)]) -> Outcome {
        for (disk, factor) in factors {
            self.disk(*disk)?;
            if !(FACTOR_MIN..=FACTOR_MAX).contains(factor) {
                return Err(Rejection::Invalid { what: Kind::Disk, fault: Fault::Weight });
            }
        }
        for (disk, factor) in factors {
            if self.fill.of(*disk) != *factor {
                self.fill.set(*disk, *factor);
                self.touch(Touched::Disk(*disk));
            }
        }
        Ok(Applied::Done)
    }

    /// In 1/1024 of the share that the weight gives.
    pub fn fill_factor(&self, disk: DiskId) -> u16 {
        self.fill.of(disk)
    }

    pub fn movement(&self) -> Movement {
        self.placing.movement
    }

    pub fn rules(&self, policy: PolicyId) -> Rules {
        self.placing.rules.get(&policy).cloned().unwrap_or_default()
    }

    pub fn labels(&self, disk: DiskId) -> BTreeSet<String> {
        self.placing.labels.get(&disk).cloned().unwrap_or_default()
    }

    pub(super) fn lacks_label(&self, disk: DiskId, rules: &Rules) -> bool {
        let carried = self.placing.labels.get(&disk);
        let carries = |label: &String| carried.is_some_and(|labels| labels.contains(label));
        !rules.labels.iter().all(carries)
    }

    /// Whether more of them share a place than may.
    pub(super) fn breaks_bound(&self, policy: &Policy, rules: &Rules, disks: &[&Disk]) -> bool {
        let own = [(policy.failure_domain, 1)];
        let mut bounds: BTreeMap<FailureDomain, u8> = own.into();
        bounds.extend(&rules.max_per);
        bounds.iter().any(|(domain, most)| {
            let mut places: Vec<_> = disks.iter().map(|disk| self.domain(disk, *domain)).collect();
            places.sort_unstable();
            places.chunk_by(|a, b| a == b).any(|run| run.len() > usize::from(*most))
        })
    }
}

fn check_policy(policy: &Policy) -> Result<(), Fault> {
    policy.redundancy.check()?;
    check_min_in_sync(policy.min_in_sync, policy.redundancy)
}
