//! The ready loop. THE ORDER IS THE SAFETY ARGUMENT: a snapshot is durable and installed before
//! later entries are applied; entries and votes are durable before the messages that promise them
//! are handed out; nothing is applied that is not durable here.

use raft::eraftpb::{Entry, Message};
use raft::{Ready, StateRole};
use shoal_types::PeerId;

use super::conf_change::to_library;
use super::message::{RaftMessage, conf_state, entry_from_library, snapshot_from_library};
use super::node::{AppliedEntry, Effects, Fatal, RaftNode};
use super::rebuild::is_some;
use crate::log_store::{LogEntry, LogStore, Payload, Position, Snapshot};
use crate::state::{ClusterState, ConfChange, Proposal};

impl<S: LogStore> RaftNode<S> {
    /// Call after every tick, step, proposal and read; then act on what it gives.
    pub fn ready(&mut self) -> Result<Effects, Fatal> {
        while self.call(|raw| raw.has_ready())? == Some(true) {
            let Some(ready) = self.call(|raw| raw.ready())? else { continue };
            self.process(ready)?;
        }
        self.step_down_if_removed()?;
        self.make_wanted_snapshot();
        self.compact()?;
        let applied = self.state.as_ref().map_or(0, ClusterState::index);
        self.effects.reads = self.reads.ready(applied);
        Ok(std::mem::take(&mut self.effects))
    }

    fn process(&mut self, mut ready: Ready) -> Result<(), Fatal> {
        let panics = self.panics;
        self.send(ready.take_messages());
        if is_some(ready.snapshot().get_metadata()) {
            self.install(snapshot_from_library(ready.snapshot()))?;
        }
        self.apply(ready.take_committed_entries())?;
        if self.panics != panics {
            return Ok(());
        }
        self.persist(&mut ready)?;
        self.send(ready.take_persisted_messages());
        for read in ready.take_read_states() {
            self.reads.confirmed(read.index, &read.request_ctx);
        }
        let Some(mut light) = self.call(|raw| raw.advance(ready))? else { return Ok(()) };
        if let Some(commit) = light.commit_index() {
            self.raw.mut_store().hard_state.commit = commit;
        }
        self.send(light.take_messages());
        self.apply(light.take_committed_entries())?;
        if self.panics == panics {
            self.call(|raw| raw.advance_apply())?;
        }
        Ok(())
    }

    fn send(&mut self, messages: Vec<Message>) {
        for message in messages {
            self.note_snapshot_sent(message.get_msg_type(), message.to);
            if let Some(own) = RaftMessage::from_library(&message) {
                self.effects.send.push((PeerId(own.to), own.encode()));
            }
        }
    }

    fn persist(&mut self, ready: &mut Ready) -> Result<(), Fatal> {
        let entries = ready.take_entries();
        let mut hard_state = self.raw.store().hard_state;
        if let Some(changed) = ready.hs() {
            hard_state.term = changed.term;
            hard_state.vote = changed.vote;
            hard_state.commit = changed.commit;
        }
        // A commit index alone is not worth a sync: it is found again.
        if ready.must_sync() || !entries.is_empty() {
            let own: Vec<LogEntry> = entries.iter().map(entry_from_library).collect();
            self.log.append(hard_state, &own)?;
        }
        let store = self.raw.mut_store();
        store.hard_state = hard_state;
        store.append(entries);
        Ok(())
    }

    fn install(&mut self, snapshot: Snapshot) -> Result<(), Fatal> {
        let state = ClusterState::decode(&snapshot.state).map_err(Fatal::Snapshot)?;
        let at = snapshot.at;
        let store = self.raw.mut_store();
        store.hard_state.commit = store.hard_state.commit.max(at.index);
        store.hard_state.term = store.hard_state.term.max(at.term);
        let hard_state = store.hard_state;
        store.reset(at, snapshot.voters.clone());
        self.log.replace(&snapshot, hard_state, at, &[])?;
        self.begins_anew = false;
        self.snapshot_index = at.index;
        self.state = Some(state);
        self.effects.installed = true;
        Ok(())
    }

    fn apply(&mut self, entries: Vec<Entry>) -> Result<(), Fatal> {
        for entry in entries {
            let LogEntry { index, payload, .. } = entry_from_library(&entry);
            let state = self.state.as_mut().expect("entries follow a snapshot");
            // A library built anew may show again what is applied.
            if index <= state.index() {
                continue;
            }
            match payload {
                Payload::Empty => state.apply_empty(index),
                Payload::Conf { change } => self.apply_conf_change(index, change)?,
                Payload::Proposal { bytes } => {
                    let proposal = Proposal::decode(&bytes.0)
                        .map_err(|error| Fatal::UnknownCommand { index, error })?;
                    let outcome = state.apply(index, &proposal);
                    let proposal = proposal.id;
                    self.effects.applied.push(AppliedEntry { index, proposal, outcome });
                }
            }
        }
        Ok(())
    }

    fn apply_conf_change(&mut self, index: u64, change: ConfChange) -> Result<(), Fatal> {
        self.keep_commit(index)?;
        let state = self.state.as_mut().expect("entries follow a snapshot");
        if !state.apply_conf_change(index, change) {
            return Ok(());
        }
        let library = to_library(change);
        let expected = conf_state(state.voters());
        let made = self.call(|raw| raw.apply_conf_change(&library))?;
        if let Some(Ok(made)) = made {
            let mut found = (made.get_voters().to_vec(), made.get_learners().to_vec());
            found.0.sort_unstable();
            found.1.sort_unstable();
            let expected = (expected.get_voters().to_vec(), expected.get_learners().to_vec());
            assert_eq!(found, expected, "library and state agree on who votes");
        }
        Ok(())
    }

    /// WHO VOTES IS DURABLE BEFORE ANYBODY HEARS OF IT. The last of two voters would else ask the other
    /// one's vote after a restart, and that one has put its log aside by then.
    fn keep_commit(&mut self, index: u64) -> Result<(), Fatal> {
        let mut hard_state = self.raw.store().hard_state;
        hard_state.commit = hard_state.commit.max(index);
        self.log.append(hard_state, &[])?;
        self.raw.mut_store().hard_state = hard_state;
        Ok(())
    }

    /// A leader that an earlier leader's entry removed: it would go on without counting itself.
    fn step_down_if_removed(&mut self) -> Result<(), Fatal> {
        if self.raw.raft.state == StateRole::Leader && !self.raw.raft.promotable() {
            self.call(|raw| {
                let term = raw.raft.term;
                raw.raft.become_follower(term, 0);
                raw.raft.msgs.clear();
            })?;
        }
        Ok(())
    }

    /// Of the state as it is now, so that it names every member that needs one.
    fn make_wanted_snapshot(&mut self) {
        if self.raw.store().wants_snapshot()
            && let Some(snapshot) = self.snapshot_now()
        {
            self.raw.mut_store().offer(snapshot);
        }
    }

    /// The state as of now, for a follower or a learner.
    pub fn snapshot_now(&self) -> Option<Snapshot> {
        let state = self.state.as_ref()?;
        let at = self.raw.store().position(state.index())?;
        Some(Snapshot { at, voters: state.voters().clone(), state: state.encode().into() })
    }

    fn compact(&mut self) -> Result<(), Fatal> {
        let Some(applied) = self.state.as_ref().map(ClusterState::index) else { return Ok(()) };
        let store = self.raw.store();
        let grown = applied - self.snapshot_index >= self.config.compact_entries;
        if !grown && store.bytes() < self.config.compact_bytes || applied == self.snapshot_index {
            return Ok(());
        }
        let snapshot = self.snapshot_now().expect("an applied entry is in the log");
        let by_count = applied.saturating_sub(self.config.keep_entries);
        let until = if grown { by_count.max(store.start().index) } else { applied };
        let start: Position = store.position(until).expect("between start and applied");
        let kept = store.after(until, u64::MAX, usize::MAX).expect("after the start");
        self.log.replace(&snapshot, store.hard_state, start, &kept)?;
        self.snapshot_index = applied;
        self.raw.mut_store().drop_until(until);
        Ok(())
    }
}
