//! Building the library's part from what is durable: at the start, and after it panicked.

use std::panic::{AssertUnwindSafe, catch_unwind};

use raft::eraftpb::{MessageType, SnapshotMetadata};
use raft::{Config, RawNode, ReadOnlyOption, SnapshotStatus};
use slog::{Discard, Logger, o};

use super::log_cache::LogCache;
use super::node::{Fatal, RaftConfig, RaftNode};
use crate::log_store::{LogStore, Recovered};
use crate::state::{ClusterState, Voters};

/// Bytes of entries in one message, and of entries that wait for a majority.
const MESSAGE_ENTRIES_BYTES_MAX: u64 = 1 << 20;
const UNCOMMITTED_BYTES_MAX: u64 = 64 << 20;
const INFLIGHT_MESSAGES_MAX: usize = 64;
/// Elections' worth of ticks after which an unanswered snapshot is sent again.
const SNAPSHOT_RETRY_ELECTIONS: u64 = 4;

/// `state` is what was applied already: the library must not apply it again, and must begin with
/// the membership as of then.
pub fn library(
    config: &RaftConfig,
    recovered: &Recovered,
    state: Option<&ClusterState>,
) -> Result<RawNode<LogCache>, Fatal> {
    let voters = state.map_or_else(Voters::default, |state| state.voters().clone());
    let applied = state.map_or(0, ClusterState::index);
    let mut hard_state = recovered.hard_state;
    hard_state.commit = hard_state.commit.max(applied);
    let cache = LogCache::new(hard_state, voters, recovered.start, &recovered.entries);
    if cache.last() < applied {
        return Err(Fatal::Library("the log ends before what was applied".into()));
    }
    let settings = Config {
        election_tick: config.election_ticks,
        heartbeat_tick: config.heartbeat_ticks,
        applied,
        max_size_per_msg: MESSAGE_ENTRIES_BYTES_MAX,
        max_inflight_msgs: INFLIGHT_MESSAGES_MAX,
        check_quorum: true,
        pre_vote: true,
        read_only_option: ReadOnlyOption::Safe,
        max_uncommitted_size: UNCOMMITTED_BYTES_MAX,
        max_committed_size_per_ready: MESSAGE_ENTRIES_BYTES_MAX,
        ..Config::new(config.peer.0)
    };
    let logger = Logger::root(Discard, o!());
    let built = catch_unwind(AssertUnwindSafe(|| RawNode::new(&settings, cache, &logger)));
    match built {
        Ok(Ok(raw)) => Ok(raw),
        Ok(Err(error)) => Err(Fatal::Library(error.to_string())),
        Err(_) => Err(Fatal::Library("it panics on the durable log".into())),
    }
}

impl<S: LogStore> RaftNode<S> {
    /// Runs the library. If it panics, what it held in memory is worth nothing: it is built anew
    /// from the durable log, and `None` is given. The state was never inside it.
    pub(super) fn call<T>(
        &mut self,
        act: impl FnOnce(&mut RawNode<LogCache>) -> T,
    ) -> Result<Option<T>, Fatal> {
        let done = catch_unwind(AssertUnwindSafe(|| act(&mut self.raw)));
        if done.is_err() {
            self.panics += 1;
            let recovered = self.durable()?;
            self.raw = library(&self.config, &recovered, self.state.as_ref())?;
            self.snapshots_sent.clear();
        }
        self.set_election_timeout();
        Ok(done.ok())
    }

    /// The library waits for ever for the receiver of a lost snapshot.
    pub(super) fn retry_snapshots(&mut self) -> Result<(), Fatal> {
        let patience = SNAPSHOT_RETRY_ELECTIONS * self.config.election_ticks as u64;
        let now = self.ticks;
        let (late, waiting): (Vec<_>, Vec<_>) =
            self.snapshots_sent.iter().partition(|(_, sent)| now - sent >= patience);
        self.snapshots_sent = waiting;
        for (peer, _) in late {
            self.call(|raw| raw.report_snapshot(peer, SnapshotStatus::Failure))?;
        }
        Ok(())
    }

    pub(super) fn note_snapshot_sent(&mut self, kind: MessageType, to: u64) {
        if kind == MessageType::MsgSnapshot {
            self.snapshots_sent.retain(|(peer, _)| *peer != to);
            self.snapshots_sent.push((to, self.ticks));
        }
    }
}

/// Where a library snapshot stands; an empty one stands nowhere.
pub fn is_some(metadata: &SnapshotMetadata) -> bool {
    metadata.index != 0
}
