//! Policies: created whole, changed little, deleted when nothing uses them.

use shoal_types::PolicyId;

use super::super::change_log::Touched;
use super::super::cluster::ClusterState;
use super::super::limits::{PGS_TOTAL_MAX, POLICIES_MAX};
use super::super::name::check_name;
use super::super::outcome::{Applied, Kind, Outcome, Rejection};
use super::super::pg::PgTable;
use super::super::policy::{NewPolicy, Policy, ReadMode, check_min_in_sync};

impl ClusterState {
    pub(super) fn policy(&self, id: PolicyId) -> Result<&Policy, Rejection> {
        let missing = Rejection::NotFound { what: Kind::Policy, id: u64::from(id.0) };
        self.policies.get(&id).ok_or(missing)
    }

    fn check_policy_name(&self, name: &str, own: Option<PolicyId>) -> Result<(), Rejection> {
        check_name(Kind::Policy, name)?;
        match self.policies.values().find(|p| p.name == name && Some(p.id) != own) {
            Some(other) => Err(Rejection::Exists { what: Kind::Policy, id: u64::from(other.id.0) }),
            None => Ok(()),
        }
    }

    pub(super) fn create_policy(&mut self, policy: &NewPolicy) -> Outcome {
        policy.check()?;
        self.check_policy_name(&policy.name, None)?;
        let pgs: usize = self.tables.values().map(PgTable::len).sum();
        if self.policies.len() >= POLICIES_MAX {
            return Err(Rejection::Limit { what: Kind::Policy, max: POLICIES_MAX as u64 });
        }
        if pgs + policy.pg_count as usize > PGS_TOTAL_MAX {
            return Err(Rejection::Limit { what: Kind::Pg, max: PGS_TOTAL_MAX as u64 });
        }
        self.counters.policy += 1;
        let id = PolicyId(self.counters.policy);
        let epoch = self.touch(Touched::Policy(id));
        self.tables.insert(id, PgTable::new(id, policy.pg_count));
        self.policies.insert(id, policy.clone().into_policy(id, epoch));
        Ok(Applied::Policy { policy: id })
    }

    pub(super) fn set_policy(
        &mut self,
        id: PolicyId,
        name: Option<&str>,
        min_in_sync: Option<u8>,
        reads: Option<ReadMode>,
    ) -> Outcome {
        let mut policy = self.policy(id)?.clone();
        if let Some(name) = name {
            self.check_policy_name(name, Some(id))?;
            name.clone_into(&mut policy.name);
        }
        policy.min_in_sync = min_in_sync.unwrap_or(policy.min_in_sync);
        check_min_in_sync(policy.min_in_sync, policy.redundancy)
            .map_err(|fault| Rejection::Invalid { what: Kind::Policy, fault })?;
        policy.reads = reads.unwrap_or(policy.reads);
        if self.policies[&id] != policy {
            self.policies.insert(id, policy);
            self.touch(Touched::Policy(id));
        }
        Ok(Applied::Done)
    }

    pub(super) fn delete_policy(&mut self, id: PolicyId) -> Outcome {
        self.policy(id)?;
        if let Some(volume) = self.volumes.values().find(|v| v.policy == id) {
            let (by, by_id) = (Kind::Volume, volume.id.0);
            return Err(Rejection::InUse { what: Kind::Policy, id: u64::from(id.0), by, by_id });
        }
        self.policies.remove(&id);
        self.tables.remove(&id);
        self.placing.rules.remove(&id);
        self.following.0.remove(&id);
        self.touch(Touched::Policy(id));
        Ok(Applied::Done)
    }
}
