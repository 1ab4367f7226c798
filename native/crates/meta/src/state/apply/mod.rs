//! The one way in which the state changes. Validates first, then changes: a refused command
//! leaves nothing behind but its answer.

mod attachments;
mod disks;
mod events;
mod growth;
mod heads;
mod in_sync;
mod leases;
mod peers;
mod placing;
mod policies;
mod restoring;
mod table;
mod tokens;
mod upkeep;
mod volumes;

use shoal_types::MapEpoch;

use super::change_log::Touched;
use super::cluster::ClusterState;
use super::command::Command;
use super::event::Severity;
use super::limits::LEVEL_NEWEST;
use super::outcome::{Applied, Fault, Kind, Outcome, Rejection};
use super::proposal::Proposal;
use super::voters::ConfChange;

impl ClusterState {
    /// Applies the committed entry at `index`, which must be the next one.
    pub fn apply(&mut self, index: u64, proposal: &Proposal) -> Outcome {
        self.step_to(index);
        self.time_ms = self.time_ms.max(proposal.time_ms);
        if let Some(answer) = self.answers.get(proposal.id) {
            return answer;
        }
        let outcome = self.run(&proposal.command);
        self.close_epoch();
        self.answers.remember(proposal.id, &outcome);
        outcome
    }

    /// The answer given to a proposal that was applied before.
    pub fn answer(&self, id: crate::hex::ProposalId) -> Option<Outcome> {
        self.answers.get(id)
    }

    /// An entry without content: a new leader's first.
    pub fn apply_empty(&mut self, index: u64) {
        self.step_to(index);
    }

    /// Membership of the voters. Says whether it was carried out; equal on every replica.
    pub fn apply_conf_change(&mut self, index: u64, change: ConfChange) -> bool {
        self.step_to(index);
        let adds = !matches!(change, ConfChange::Remove { .. });
        let allowed = self.voters.allows(change) && (!adds || self.may_vote(change.peer()));
        if allowed {
            self.voters.change(change);
            self.note_voter(change);
        }
        allowed
    }

    fn step_to(&mut self, index: u64) {
        assert_eq!(index, self.index + 1, "entries are applied in order, each once");
        self.index = index;
    }

    fn run(&mut self, command: &Command) -> Outcome {
        let needed = command.level();
        if needed > self.level {
            return Err(Rejection::Level { needed, level: self.level });
        }
        let outcome = self.dispatch(command);
        assert!(
            outcome.is_ok() || self.derived.touched.is_empty(),
            "a refused command changed the map: {command:?}"
        );
        outcome
    }

    #[rustfmt::skip] // One line per command: a table, not a program.
    fn dispatch(&mut self, command: &Command) -> Outcome {
        use Command as C;
        match command {
            C::SetClusterLevel { level } => self.set_cluster_level(*level),
            C::RaiseIncarnation { expected } => self.raise_incarnation(*expected),
            C::AddPeer { .. } | C::UpdatePeer { .. } | C::RemovePeer { .. } => self.apply_peer(command),
            C::AddDisk { disk } => self.add_disk(disk),
            C::SetDisk { .. } => self.set_disk(command),
            C::AnnounceStore { disk, store, session } => self.announce_store(*disk, *store, *session),
            C::MarkStoreUnfit { disk } => self.mark_store_unfit(*disk),
            C::RemoveDisk { disk } => self.remove_disk(*disk),
            C::CreatePolicy { policy } => self.create_policy(policy),
            C::SetPolicy { policy, name, min_in_sync, reads } =>
                self.set_policy(*policy, name.as_deref(), *min_in_sync, *reads),
            C::DeletePolicy { policy } => self.delete_policy(*policy),
            C::SetPgTable { policy, expected_map_epoch, algorithm_version, changes } =>
                self.set_pg_table(*policy, *expected_map_epoch, *algorithm_version, changes),
            C::PgRemove { target, reason, only } => self.pg_remove(*target, *reason, only.as_deref()),
            C::PgJoin { items } => self.pg_join(items),
            C::PgInSync { items } => self.pg_in_sync(items),
            C::PgCancelJoin { pg, disk, expected } => self.pg_cancel_join(*pg, *disk, *expected),
            C::CreateVolume { name, size_bytes, block_size, policy } =>
                self.create_volume(name, *size_bytes, *block_size, *policy),
            C::ResizeVolume { volume, size_bytes, expected } =>
                self.resize_volume(*volume, *size_bytes, *expected),
            C::RenameVolume { volume, name } => self.rename_volume(*volume, name),
            C::DeleteVolume { volume } => self.delete_volume(*volume),
            C::PurgeDone { volume, disks } => self.purge_done(*volume, disks),
            C::TakeHead { .. } => self.take_head(command),
            C::ReleaseHead { volume, peer, process, head_epoch } =>
                self.release_head(*volume, *peer, *process, *head_epoch),
            C::Attach { .. } => self.attach(command),
            C::Detach { volume, peer, generation } => self.detach(*volume, *peer, *generation),
            C::CreateExport { volume, peer, kind, path } =>
                self.create_export(*volume, *peer, *kind, path),
            C::DeleteExport { export } => self.delete_export(*export),
            C::CreateToken { hash, expires_ms, witness } =>
                self.create_token(*hash, *expires_ms, *witness),
            C::UseToken { hash, peer } => self.use_token(*hash, peer),
            C::RevokeToken { hash } => self.revoke_token(*hash),
            C::RecordEvent { severity, code, message, subject } =>
                self.record_event(*severity, code, message, subject),
            C::SetMovement { .. } => self.set_movement(command),
            C::SetPolicyPlacement { .. } => self.set_policy_placement(command),
            C::SetDiskLabels { disk, labels } => self.set_disk_labels(*disk, labels),
            C::SetSettings { settings } => self.set_settings(*settings),
            C::NeverVote { peer } => self.never_vote(*peer),
            C::LeavePeer { peer, process } => self.leave_peer(*peer, *process),
            C::ReturnPeer { peer } => self.return_peer(*peer),
            C::GiveUpDisks { disks } => self.give_up_disks(disks),
            C::TakeBackDisks { disks } => self.take_back_disks(disks),
            C::PgPromote { pg, disk, expected } => self.pg_promote(*pg, *disk, *expected),
            C::SetFillFactors { factors } => self.set_fill_factors(factors),
            C::SetMoveRates { disk_rate, peer_rate } => self.set_move_rates(*disk_rate, *peer_rate),
            C::ReturnDisk { disk, store, peer, path, epochs } =>
                self.return_disk(*disk, *store, *peer, path, epochs),
            C::GrowPolicy { policy, expected, pg_count } =>
                self.grow_policy(*policy, *expected, *pg_count),
            C::SetPolicyGrowth { policy, follows_disks } =>
                self.set_policy_growth(*policy, *follows_disks),
            C::SetLongestLease { lease_ms, expected } =>
                self.set_longest_lease(*lease_ms, *expected),
        }
    }

    fn set_cluster_level(&mut self, level: u32) -> Outcome {
        if level <= self.level {
            let (expected, current) = (u64::from(level), u64::from(self.level));
            return Err(Rejection::Stale { what: Kind::Cluster, expected, current });
        }
        if level > LEVEL_NEWEST {
            return Err(Rejection::Invalid { what: Kind::Cluster, fault: Fault::Unsupported });
        }
        self.level = level;
        self.touch(Touched::Cluster);
        let message = format!("cluster level is now {level}");
        self.note(Severity::Info, "cluster_level_raised", message, "cluster".into());
        Ok(Applied::Done)
    }

    fn raise_incarnation(&mut self, expected: u32) -> Outcome {
        if expected != self.incarnation {
            let (expected, current) = (u64::from(expected), u64::from(self.incarnation));
            return Err(Rejection::Stale { what: Kind::Cluster, expected, current });
        }
        self.incarnation = self.incarnation.checked_add(1).expect("incarnations exhausted");
        self.touch(Touched::Cluster);
        let message = format!("incarnation is now {}", self.incarnation);
        self.note(Severity::Warn, "incarnation_raised", message, "cluster".into());
        Ok(Applied::Done)
    }

    /// Something of the map changes under the next map epoch, which closes with this command.
    pub(super) fn touch(&mut self, touched: Touched) -> MapEpoch {
        self.derived.touched.insert(touched);
        self.map_epoch.next()
    }

    fn close_epoch(&mut self) {
        let touched = std::mem::take(&mut self.derived.touched);
        if touched.is_empty() {
            return;
        }
        self.map_epoch = self.map_epoch.next();
        if touched.iter().any(|t| !matches!(t, Touched::Pg(_))) {
            self.topology_epoch = self.map_epoch;
        }
        self.derived.changes.record(self.map_epoch, touched);
    }
}
