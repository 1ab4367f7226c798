//! Linearizable reads: a round that confirms the leader, then waiting until its index is here.

use std::collections::BTreeMap;

use shoal_types::PeerId;

use super::api::{Output, Unavailable};
use super::message::ServiceMessage;
use super::meta_service::MetaService;
use crate::log_store::LogStore;
use crate::raft::Fatal;
use crate::state::ClusterState;

/// Rounds that run at once at a leader.
const ROUNDS_MAX: usize = 4_096;

/// For whom a round confirms the leader.
#[derive(Debug)]
pub enum Purpose {
    Barrier { request: u64 },
    Remote { peer: PeerId, request: u64 },
    Renewals(Vec<(PeerId, u64)>),
}

#[derive(Debug)]
struct Barrier {
    token: u64,
    deadline_ms: u64,
    retry_ms: u64,
    /// Known once the leader answered.
    index: Option<u64>,
}

#[derive(Debug, Default)]
pub struct Reads {
    rounds: BTreeMap<u64, (u64, Purpose)>,
    next_round: u64,
    barriers: BTreeMap<u64, Barrier>,
    next_request: u64,
}

impl Reads {
    /// With leadership goes every round; whoever waits asks again.
    pub fn lose_rounds(&mut self) {
        self.rounds.clear();
    }

    pub fn renewal_round_runs(&self) -> bool {
        self.rounds.values().any(|(_, purpose)| matches!(purpose, Purpose::Renewals(_)))
    }

    #[cfg(test)]
    pub fn rounds_begun(&self) -> u64 {
        self.next_round
    }

    pub fn answered(&mut self, request: u64, index: u64) {
        if let Some(barrier) = self.barriers.get_mut(&request) {
            barrier.index = Some(index);
        }
    }
}

impl<S: LogStore> MetaService<S> {
    pub(super) fn add_barrier(&mut self, token: u64) -> Result<(), Fatal> {
        self.reads.next_request += 1;
        let request = self.reads.next_request;
        let deadline_ms = self.now.boot_ms + self.config.deadline_ms;
        let barrier = Barrier { token, deadline_ms, retry_ms: 0, index: None };
        self.reads.barriers.insert(request, barrier);
        self.ask(request)
    }

    pub(super) fn drive_reads(&mut self) -> Result<(), Fatal> {
        let now = self.now.boot_ms;
        let patience = self.config.deadline_ms;
        // A round that the library dropped never comes back.
        self.reads.rounds.retain(|_, (begun, _)| *begun + patience.min(1_000) > now);
        let late: Vec<u64> = self
            .reads
            .barriers
            .iter()
            .filter_map(|(request, b)| (b.deadline_ms <= now).then_some(*request))
            .collect();
        for request in late {
            let barrier = self.reads.barriers.remove(&request).expect("just found");
            let result = Err(Unavailable::NoLeader);
            self.outputs.push(Output::Barrier { token: barrier.token, result });
        }
        let due = |(request, b): (&u64, &Barrier)| {
            (b.index.is_none() && b.retry_ms <= now).then_some(*request)
        };
        let due: Vec<u64> = self.reads.barriers.iter().filter_map(due).collect();
        due.into_iter().try_for_each(|request| self.ask(request))
    }

    fn ask(&mut self, request: u64) -> Result<(), Fatal> {
        let retry_ms = self.now.boot_ms + self.config.retry_ms;
        if let Some(barrier) = self.reads.barriers.get_mut(&request) {
            barrier.retry_ms = retry_ms;
        }
        match self.ask_whom() {
            Some(leader) if leader == self.config.peer => {
                self.begin_round(Purpose::Barrier { request })
            }
            Some(leader) => {
                self.send(leader, ServiceMessage::Read { request });
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub(super) fn on_read(&mut self, from: PeerId, request: u64) -> Result<(), Fatal> {
        if !self.is_leader() {
            let leader = self.leader().map_or(0, |leader| leader.0);
            self.send(from, ServiceMessage::NotLeader { leader });
            return Ok(());
        }
        self.begin_round(Purpose::Remote { peer: from, request })
    }

    pub(super) fn begin_round(&mut self, purpose: Purpose) -> Result<(), Fatal> {
        let settled = self.is_leader() && self.reads.rounds.len() < ROUNDS_MAX;
        let Some(node) = self.node.as_mut().filter(|_| settled) else { return Ok(()) };
        self.reads.next_round += 1;
        let round = self.reads.next_round;
        if node.read_index(round)?.is_ok() {
            self.reads.rounds.insert(round, (self.now.boot_ms, purpose));
        }
        Ok(())
    }

    pub(super) fn on_read_confirmed(&mut self, round: u64) -> Result<(), Fatal> {
        let Some((_, purpose)) = self.reads.rounds.remove(&round) else { return Ok(()) };
        let index = self.state().map_or(0, ClusterState::index);
        match purpose {
            Purpose::Barrier { request } => self.reads.answered(request, index),
            Purpose::Remote { peer, request } => {
                self.send(peer, ServiceMessage::ReadAnswer { request, index });
            }
            Purpose::Renewals(renewals) => self.grant(renewals),
        }
        Ok(())
    }

    pub(super) fn finish_reads(&mut self) {
        let applied = self.state().map_or(0, ClusterState::index);
        let shown = |b: &Barrier| b.index.is_some_and(|index| index <= applied);
        let done: Vec<u64> =
            self.reads.barriers.iter().filter(|(_, b)| shown(b)).map(|(r, _)| *r).collect();
        for request in done {
            let barrier = self.reads.barriers.remove(&request).expect("just found");
            self.outputs.push(Output::Barrier { token: barrier.token, result: Ok(()) });
        }
    }
}
