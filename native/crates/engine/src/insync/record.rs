//! One PG in the cluster record.

use shoal_types::pg::Joining;
use shoal_types::{DiskId, PgEpoch, PgId, PgView};

use crate::planted::{Bug, is_planted};

/// Epochs of one PG that lost voters may have given out beyond what a survivor knows.
const RECOVERY_JUMP: u32 = 1 << 16;

/// A PG as the cluster state keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PgRecord {
    pub pg: PgId,
    pub epoch: PgEpoch,
    /// The ordered member list with each member's history.
    pub members: Vec<MemberRecord>,
    /// Holders of every acknowledged write, in member order. Never empty.
    pub in_sync: Vec<DiskId>,
    pub joining: Option<JoiningRecord>,
    /// Newest epoch whose in-sync set was the whole member list.
    pub last_full: PgEpoch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemberRecord {
    pub disk: DiskId,
    /// Last epoch in which it was in sync; `ZERO` if it never was. While in sync it only tells
    /// whether a recovery came in between (`jump`).
    pub out_at: PgEpoch,
    /// What it holds is worth nothing: the next join drops it and copies everything.
    pub full: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JoiningRecord {
    pub disk: DiskId,
    /// Epoch of the joining commit: the session's name.
    pub join_at: PgEpoch,
}

/// Why a change was not made. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InsyncError {
    /// The record moved on: read it again.
    Stale {
        epoch: PgEpoch,
    },
    NotMember,
    NotInSync,
    /// The last of the in-sync set is never removed (rule 18); the PG blocks instead.
    LastInSync,
    AlreadyInSync,
    /// Another member is joining: one at a time.
    Busy {
        joining: DiskId,
    },
    /// Not joining, or under another session (rule 25).
    NoSession,
    /// The source left the in-sync set, or is itself worth nothing (rule 26).
    BadSource,
    /// A new member list must keep at least one in-sync member, and name none twice.
    BadMembers,
}

impl MemberRecord {
    /// Of one in sync: the newest epoch up to which all that it holds is of this history.
    fn sure_until(&self, epoch: PgEpoch) -> PgEpoch {
        let is_jumped = epoch.0 - self.out_at.0 >= RECOVERY_JUMP;
        if is_jumped && self.out_at != PgEpoch::ZERO { self.out_at } else { epoch }
    }
}

impl PgRecord {
    /// A PG that was never written: all members hold the same nothing.
    pub fn new(pg: PgId, members: &[DiskId]) -> Self {
        assert!(!members.is_empty(), "a PG has at least one member");
        let fresh =
            |disk: &DiskId| MemberRecord { disk: *disk, out_at: PgEpoch::ZERO, full: false };
        Self {
            pg,
            epoch: PgEpoch(1),
            members: members.iter().map(fresh).collect(),
            in_sync: members.to_vec(),
            joining: None,
            last_full: PgEpoch(1),
        }
    }

    /// What heads and members are told.
    pub fn view(&self) -> PgView {
        PgView {
            pg: self.pg,
            epoch: self.epoch,
            in_sync: self.in_sync.clone(),
            joining: self.joining.map(|j| {
                let member = self.member(j.disk).expect("joiner is a member");
                Joining {
                    disk: j.disk,
                    join_at: j.join_at,
                    out_at: member.out_at,
                    full: member.full,
                }
            }),
            members: self.members.iter().map(|m| m.disk).collect(),
        }
    }

    pub fn is_in_sync(&self, disk: DiskId) -> bool {
        self.in_sync.contains(&disk)
    }

    pub fn member(&self, disk: DiskId) -> Option<&MemberRecord> {
        self.members.iter().find(|m| m.disk == disk)
    }

    /// Rule 18. `expected`: the epoch the asker knew, or `None` when the removal was judged for
    /// the disk as a whole (one command takes it out of all its PGs).
    pub fn remove(&mut self, disk: DiskId, expected: Option<PgEpoch>) -> Result<(), InsyncError> {
        self.check_epoch(expected)?;
        if self.joining.is_some_and(|j| j.disk == disk) {
            return self.cancel_join(disk, None);
        }
        if !self.is_in_sync(disk) {
            return Err(InsyncError::NotInSync);
        }
        if self.in_sync.len() == 1 {
            return Err(InsyncError::LastInSync);
        }
        let epoch = self.epoch;
        self.in_sync.retain(|d| *d != disk);
        let member = self.member_mut(disk).expect("in sync is a member");
        member.out_at = member.sure_until(epoch);
        if is_planted(Bug::RemovalWithoutEpoch) {
            return Ok(());
        }
        self.advance();
        Ok(())
    }

    /// Rules 19 and 25: begins a session, or a new one for the same joiner. Gives its `join_at`.
    pub fn join(&mut self, disk: DiskId, expected: PgEpoch) -> Result<PgEpoch, InsyncError> {
        self.check_epoch(Some(expected))?;
        if self.member(disk).is_none() {
            return Err(InsyncError::NotMember);
        }
        if self.is_in_sync(disk) {
            return Err(InsyncError::AlreadyInSync);
        }
        if let Some(other) = self.joining.filter(|j| j.disk != disk) {
            return Err(InsyncError::Busy { joining: other.disk });
        }
        let join_at = self.epoch.next();
        self.joining = Some(JoiningRecord { disk, join_at });
        self.advance();
        Ok(join_at)
    }

    /// Rule 26: all is copied. The source was in sync continuously since `join_at` iff it is in
    /// sync now, for nobody else can have joined while this session was the PG's only one.
    pub fn mark_in_sync(
        &mut self,
        disk: DiskId,
        join_at: PgEpoch,
        source: DiskId,
    ) -> Result<(), InsyncError> {
        if self.joining != Some(JoiningRecord { disk, join_at }) {
            return Err(InsyncError::NoSession);
        }
        let any_source = is_planted(Bug::H10SourceLeaves) || is_planted(Bug::SourceByPresence);
        let source_left = !self.is_in_sync(source) && !any_source;
        if source_left || self.member(source).is_none_or(|m| m.full) {
            return Err(InsyncError::BadSource);
        }
        self.joining = None;
        let epoch = self.epoch;
        let member = self.member_mut(disk).expect("joiner is a member");
        member.full = false;
        if member.sure_until(epoch) != epoch {
            // Whatever it had of another history is gone.
            member.out_at = epoch;
        }
        self.in_sync.push(disk);
        self.sort_in_sync();
        self.advance();
        Ok(())
    }

    /// The joiner is gone or must start over. Never raises its `out_at`: it was not in sync.
    pub fn cancel_join(
        &mut self,
        disk: DiskId,
        expected: Option<PgEpoch>,
    ) -> Result<(), InsyncError> {
        self.check_epoch(expected)?;
        if self.joining.is_none_or(|j| j.disk != disk) {
            return Err(InsyncError::NoSession);
        }
        self.joining = None;
        if is_planted(Bug::H15OutAtOfJoiner) {
            let epoch = self.epoch;
            self.member_mut(disk).expect("joiner is a member").out_at = epoch;
        }
        self.advance();
        Ok(())
    }

    /// Rule 30: its store lost writes. It leaves the in-sync set unless it is the last one, which
    /// stays, marked, and serves nothing: the PG blocks. Says whether it left.
    pub fn mark_full(&mut self, disk: DiskId) -> Result<bool, InsyncError> {
        self.member_mut(disk).ok_or(InsyncError::NotMember)?.full = true;
        match self.remove(disk, None) {
            Ok(()) => Ok(true),
            Err(InsyncError::NotInSync) => Ok(false),
            Err(InsyncError::LastInSync) => {
                self.advance();
                Ok(false)
            }
            Err(other) => unreachable!("removal without an expected epoch: {other:?}"),
        }
    }

    /// ACKNOWLEDGED WRITES MAY BE LOST, and a person took that on: every holder of the newest is gone
    /// for good, and the group goes on from `disk`, which is not in sync. What the others hold is
    /// of another history from now on, and worth nothing.
    pub fn promote(&mut self, disk: DiskId, expected: PgEpoch) -> Result<(), InsyncError> {
        self.check_epoch(Some(expected))?;
        if self.is_in_sync(disk) {
            return Err(InsyncError::AlreadyInSync);
        }
        let member = self.member(disk).ok_or(InsyncError::NotMember)?;
        if member.full {
            return Err(InsyncError::BadSource);
        }
        let epoch = self.epoch;
        for member in self.members.iter_mut().filter(|m| m.disk != disk) {
            member.full = true;
            if self.in_sync.contains(&member.disk) {
                member.out_at = epoch;
            }
        }
        self.in_sync = vec![disk];
        self.joining = None;
        self.advance();
        Ok(())
    }

    /// The cluster goes on from what one survivor knew, and skips what others may have given out.
    /// Members in sync may have gone on without the survivor, and do so until they hear of this: WHAT
    /// THEY TOOK BEYOND THE EPOCH KNOWN HERE IS OF ANOTHER HISTORY, and its stamps look old beside
    /// those that come now. So, once out, they are brought up to date from this epoch on (rule 21).
    pub fn jump(&mut self) {
        let epoch = self.epoch;
        for member in self.members.iter_mut().filter(|m| self.in_sync.contains(&m.disk)) {
            member.out_at = member.sure_until(epoch);
        }
        self.joining = None;
        self.epoch = PgEpoch(epoch.0.checked_add(RECOVERY_JUMP).expect("epochs exhausted"));
    }

    /// Placement changed the member list. Members that stay keep their history; a new one is to
    /// be filled whole, and so is one that comes back after it left the list. At least one in-sync
    /// member stays: the planner moves a member out only after its successor is in sync.
    pub fn set_members(
        &mut self,
        members: &[DiskId],
        expected: PgEpoch,
    ) -> Result<(), InsyncError> {
        self.check_epoch(Some(expected))?;
        let twice = members.iter().enumerate().any(|(i, d)| members[..i].contains(d));
        let keeps = |d: &DiskId| members.contains(d) && self.member(*d).is_some_and(|m| !m.full);
        if twice || !self.in_sync.iter().any(keeps) {
            return Err(InsyncError::BadMembers);
        }
        let of = |disk: &DiskId| {
            let new = MemberRecord { disk: *disk, out_at: PgEpoch::ZERO, full: true };
            self.member(*disk).copied().unwrap_or(new)
        };
        self.members = members.iter().map(of).collect();
        self.in_sync.retain(|d| members.contains(d));
        self.joining = self.joining.filter(|j| members.contains(&j.disk));
        self.sort_in_sync();
        self.advance();
        Ok(())
    }

    /// Whether a tombstone with this stamp may go (rule 31; that it is settled is for the store to
    /// know): some epoch ≥ `stamp` had every member in sync.
    pub fn tombstone_may_go(&self, stamp: PgEpoch) -> bool {
        self.last_full >= stamp
    }

    fn check_epoch(&self, expected: Option<PgEpoch>) -> Result<(), InsyncError> {
        match expected {
            Some(epoch) if epoch != self.epoch => Err(InsyncError::Stale { epoch: self.epoch }),
            _ => Ok(()),
        }
    }

    fn member_mut(&mut self, disk: DiskId) -> Option<&mut MemberRecord> {
        self.members.iter_mut().find(|m| m.disk == disk)
    }

    fn sort_in_sync(&mut self) {
        let place = |d: &DiskId| self.members.iter().position(|m| m.disk == *d);
        self.in_sync.sort_by_key(place);
    }

    fn advance(&mut self) {
        self.epoch = self.epoch.next();
        if self.in_sync.len() == self.members.len() {
            self.last_full = self.epoch;
        }
        self.check();
    }

    /// The invariants of rule 1; broken means a bug, so the process stops.
    fn check(&self) {
        assert!(!self.in_sync.is_empty(), "{}: empty in-sync set", self.pg);
        assert!(self.in_sync.iter().all(|d| self.member(*d).is_some()), "{}: stranger", self.pg);
        if let Some(joining) = self.joining {
            assert!(!self.is_in_sync(joining.disk), "{}: joiner is in sync", self.pg);
            assert!(self.member(joining.disk).is_some(), "{}: joiner is a stranger", self.pg);
            assert!(joining.join_at <= self.epoch, "{}: session of the future", self.pg);
        }
    }
}
