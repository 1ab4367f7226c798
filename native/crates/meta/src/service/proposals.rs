//! Proposals on their way to the leader and back.

use std::collections::BTreeMap;

use shoal_types::{DiskId, HeadEpoch, PeerId, VolumeId};

use super::api::{Output, Unavailable};
use super::message::{ProposeRefused, ServiceMessage};
use super::meta_service::MetaService;
use crate::hex::{Hex, ProcessNonce, ProposalId};
use crate::log_store::LogStore;
use crate::raft::{Fatal, NotProposed};
use crate::state::{Command, Kind, Outcome, Proposal, ReadMode, Rejection, TakeBasis};

/// Proposals that wait at one peer.
const PENDING_MAX: usize = 16_384;

#[derive(Clone, Debug)]
pub enum Pending {
    Command(Command),
    TakeHead { volume: VolumeId, generation: u64, expected: HeadEpoch },
}

#[derive(Debug)]
struct Waiting {
    pending: Pending,
    deadline_ms: u64,
    retry_ms: u64,
}

#[derive(Debug)]
pub struct Proposals {
    waiting: BTreeMap<ProposalId, Waiting>,
    process: ProcessNonce,
    own: u64,
}

impl Proposals {
    pub fn new(process: ProcessNonce) -> Self {
        Self { waiting: BTreeMap::new(), process, own: 0 }
    }

    /// For the leader's own judgements: the process's nonce makes it unlike any other's.
    pub fn fresh_id(&mut self) -> ProposalId {
        self.own += 1;
        let mut id = self.process.0;
        for (byte, own) in id.iter_mut().zip(self.own.to_le_bytes()) {
            *byte ^= own;
        }
        id[15] ^= 0xff;
        Hex(id)
    }
}

impl<S: LogStore> MetaService<S> {
    pub(super) fn add_pending(&mut self, id: ProposalId, pending: Pending) -> Result<(), Fatal> {
        if matches!(&pending, Pending::Command(command) if command.is_judged()) {
            return self.give_up(id, Unavailable::Judged);
        }
        if self.proposals.waiting.len() >= PENDING_MAX {
            return self.give_up(id, Unavailable::NoLeader);
        }
        let deadline_ms = self.now.boot_ms + self.config.deadline_ms;
        let waiting = Waiting { pending, deadline_ms, retry_ms: 0 };
        self.proposals.waiting.insert(id, waiting);
        self.try_pending(id)
    }

    pub(super) fn drive_proposals(&mut self) -> Result<(), Fatal> {
        let now = self.now.boot_ms;
        let due = |(id, w): (&ProposalId, &Waiting)| {
            (w.retry_ms <= now || w.deadline_ms <= now).then_some((*id, w.deadline_ms <= now))
        };
        let due: Vec<_> = self.proposals.waiting.iter().filter_map(due).collect();
        for (id, late) in due {
            if late {
                self.give_up(id, Unavailable::NoLeader)?;
            } else {
                self.try_pending(id)?;
            }
        }
        Ok(())
    }

    fn give_up(&mut self, id: ProposalId, why: Unavailable) -> Result<(), Fatal> {
        self.proposals.waiting.remove(&id);
        self.outputs.push(Output::Proposed { id, result: Err(why) });
        Ok(())
    }

    /// Here if this peer leads, else to the leader; nowhere while there is none.
    fn try_pending(&mut self, id: ProposalId) -> Result<(), Fatal> {
        if let Some(outcome) = self.state().and_then(|state| state.answer(id)) {
            let index = self.state().map_or(0, |state| state.index());
            self.finish_proposal(id, index, outcome);
            return Ok(());
        }
        let (peer, leader) = (self.config.peer, self.ask_whom());
        let retry_ms = self.now.boot_ms + self.config.retry_ms;
        let Some(waiting) = self.proposals.waiting.get_mut(&id) else { return Ok(()) };
        waiting.retry_ms = retry_ms;
        let pending = waiting.pending.clone();
        match (leader, pending) {
            (None, _) => Ok(()),
            (Some(leader), Pending::Command(command)) => {
                let proposal = Proposal { id, time_ms: self.now.wall_ms, command };
                match leader == peer {
                    true => self.on_propose(peer, proposal),
                    false => {
                        self.send(leader, ServiceMessage::Propose { proposal });
                        Ok(())
                    }
                }
            }
            (Some(leader), Pending::TakeHead { volume, generation, expected }) => {
                let process = self.config.process;
                if leader == peer {
                    return self.on_take_head(peer, id, volume, process, generation, expected);
                }
                let message =
                    ServiceMessage::TakeHead { id, volume, process, generation, expected };
                self.send(leader, message);
                Ok(())
            }
        }
    }

    /// As the leader. Its own clock stamps the command: one peer's wrong clock ages no token.
    pub(super) fn on_propose(&mut self, from: PeerId, mut proposal: Proposal) -> Result<(), Fatal> {
        let id = proposal.id;
        if proposal.command.is_judged() {
            return self.refuse(from, id, ProposeRefused::Judged);
        }
        if let Some(rejection) = self.judge_promotion(&proposal) {
            let why = ProposeRefused::Rejected { outcome: Err(rejection) };
            return self.refuse(from, id, why);
        }
        proposal.time_ms = self.now.wall_ms;
        self.free_if_over(&mut proposal.command);
        self.propose_as_leader(from, proposal)
    }

    pub(super) fn propose_as_leader(
        &mut self,
        from: PeerId,
        proposal: Proposal,
    ) -> Result<(), Fatal> {
        let leader = self.leader().map_or(0, |leader| leader.0);
        let settled = self.is_leader();
        let Some(node) = self.node.as_mut().filter(|_| settled) else {
            return self.refuse(from, proposal.id, ProposeRefused::NotLeader { leader });
        };
        // Answered before: whoever asked finds it in the log.
        if node.state().is_some_and(|state| state.answer(proposal.id).is_some()) {
            self.sessions.take_over_decided(proposal.id);
            return Ok(());
        }
        match node.propose(&proposal)? {
            Ok(()) => Ok(()),
            Err(NotProposed::TooLarge { .. }) => {
                self.refuse(from, proposal.id, ProposeRefused::TooLarge)
            }
            Err(_) => self.refuse(from, proposal.id, ProposeRefused::Busy),
        }
    }

    fn refuse(&mut self, to: PeerId, id: ProposalId, why: ProposeRefused) -> Result<(), Fatal> {
        // Not in the log, and so never decided there.
        self.sessions.take_over_decided(id);
        self.judge.not_proposed(id);
        if to == self.config.peer {
            return self.on_not_proposed(id, why);
        }
        self.send(to, ServiceMessage::NotProposed { id, why });
        Ok(())
    }

    pub(super) fn on_not_proposed(
        &mut self,
        id: ProposalId,
        why: ProposeRefused,
    ) -> Result<(), Fatal> {
        if !self.proposals.waiting.contains_key(&id) {
            return Ok(());
        }
        match why {
            ProposeRefused::NotLeader { leader } => {
                // Asked again at the next retry, there.
                self.hint_leader(leader);
                Ok(())
            }
            ProposeRefused::Busy => Ok(()),
            ProposeRefused::TooLarge => self.give_up(id, Unavailable::TooLarge),
            ProposeRefused::Judged => self.give_up(id, Unavailable::Judged),
            ProposeRefused::Rejected { outcome } => {
                let index = self.state().map_or(0, |state| state.index());
                self.finish_proposal(id, index, outcome);
                Ok(())
            }
        }
    }

    pub(super) fn hint_leader(&mut self, leader: u64) {
        self.leader_hint = Some(PeerId(leader)).filter(|l| l.0 != 0 && *l != self.config.peer);
    }

    pub(super) fn finish_proposal(&mut self, id: ProposalId, index: u64, outcome: Outcome) {
        if self.proposals.waiting.remove(&id).is_some() {
            self.outputs.push(Output::Proposed { id, result: Ok((index, outcome)) });
        }
        self.sessions.take_over_decided(id);
        self.judge.decided(id);
    }

    /// A snapshot may have carried the state past their entries.
    pub(super) fn finish_known_proposals(&mut self) {
        let ids: Vec<ProposalId> = self.proposals.waiting.keys().copied().collect();
        for id in ids {
            let known = self.state().and_then(|s| s.answer(id).map(|outcome| (s.index(), outcome)));
            if let Some((index, outcome)) = known {
                self.finish_proposal(id, index, outcome);
            }
        }
    }

    /// As the leader: may the old owner's lease still run?
    pub(super) fn on_take_head(
        &mut self,
        from: PeerId,
        id: ProposalId,
        volume: VolumeId,
        process: ProcessNonce,
        generation: u64,
        expected: HeadEpoch,
    ) -> Result<(), Fatal> {
        if !self.is_leader() {
            let leader = self.leader().map_or(0, |leader| leader.0);
            return self.refuse(from, id, ProposeRefused::NotLeader { leader });
        }
        let basis = match self.judge_head(from, volume) {
            Ok(basis) => basis,
            Err(rejection) => {
                let why = ProposeRefused::Rejected { outcome: Err(rejection) };
                return self.refuse(from, id, why);
            }
        };
        if basis == TakeBasis::LeaseOver {
            let owner = self.state().and_then(|s| s.volumes()[&volume].head.owner);
            self.sessions.take_over_begins(id, owner.expect("a lease has an owner").peer);
        }
        let peer = from;
        let command = Command::TakeHead { volume, peer, process, generation, expected, basis };
        self.propose_as_leader(from, Proposal { id, time_ms: self.now.wall_ms, command })
    }

    /// An attachment whose peer has no lease any more is no obstacle: it is fenced as if that had
    /// been asked for. Only the leader knows; the generation is compared where it is applied.
    fn free_if_over(&self, command: &mut Command) {
        let Command::Attach { volume, peer, takeover: takeover @ None, .. } = command else {
            return;
        };
        let held = self.state().and_then(|s| s.volumes().get(volume)).and_then(|v| v.attachment);
        let held = held.filter(|a| a.peer != *peer && self.is_leader());
        *takeover =
            held.filter(|a| self.sessions.is_over(a.peer, self.now.boot_ms)).map(|a| a.generation);
    }

    /// A promotion throws away what every member in sync has: not while one of them may be served. WHAT
    /// THE STATE SAYS OF ITS PEER IS NO PROOF that it is gone: it may be draining, out, or just back.
    fn judge_promotion(&self, proposal: &Proposal) -> Option<Rejection> {
        let Command::PgPromote { pg, .. } = proposal.command else { return None };
        let state = self.state().filter(|_| self.is_leader())?;
        // One that was applied is answered from the log: the promoted member is served by now.
        if state.answer(proposal.id).is_some() {
            return None;
        }
        let record = state.pg(pg)?;
        let is_worthless = |disk: &DiskId| record.member(*disk).is_some_and(|m| m.full);
        let copies = record.in_sync.iter().filter(|disk| !is_worthless(disk));
        let (disk, peer) = copies
            .filter(|disk| !state.is_disk_down(**disk))
            .filter_map(|disk| Some((*disk, state.disks().get(disk)?.peer)))
            .find(|(_, peer)| self.is_there(*peer))?;
        Some(Rejection::Served { pg, disk, peer })
    }

    /// It holds a session, or may hold one of an earlier leader.
    fn is_there(&self, peer: PeerId) -> bool {
        !self.sessions.is_over(peer, self.now.boot_ms) && !self.sessions.is_gone(peer)
    }

    fn judge_head(&self, from: PeerId, volume: VolumeId) -> Result<TakeBasis, Rejection> {
        let state = self.state().expect("a leader has a state");
        let missing = Rejection::NotFound { what: Kind::Volume, id: volume.0 };
        let volume = state.volumes().get(&volume).ok_or(missing)?;
        let Some(owner) = volume.head.owner else { return Ok(TakeBasis::Free) };
        if owner.peer == from {
            Ok(TakeBasis::Own)
        } else if state.head_reads(volume.id) == ReadMode::Confirmed {
            Ok(TakeBasis::Confirmed)
        } else if self.sessions.is_over(owner.peer, self.now.boot_ms) {
            Ok(TakeBasis::LeaseOver)
        } else {
            let (peer, head_epoch) = (owner.peer, volume.head.epoch);
            Err(Rejection::HeadHeld { volume: volume.id, peer, head_epoch })
        }
    }
}
