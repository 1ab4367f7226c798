//! The newest cluster state of a peer that does not vote, kept beside the consensus log: with it
//! the peer knows where it belongs after a restart, also while no voter can be reached.
//!
//! `known` in the directory of the cluster state is a snapshot (docs/formats/meta.md), replaced
//! whole. It may be old, and nothing rests on its age: what may be served is governed by epochs and
//! leases. One that cannot be read is as good as none.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread;

use shoal_meta::hex::ClusterId;
use shoal_meta::log_store::{Dir, FsDir};
use shoal_meta::state::ClusterState;

const NAME: &str = "known";
/// Longest time that a change waits to be kept.
const KEEP_MS: u64 = 2_000;

/// Writes on a thread of its own: consensus never waits for these bytes.
pub struct Keeper {
    /// None: the state is not kept (its thread could not be started).
    states: Option<SyncSender<Vec<u8>>>,
    kept_index: u64,
    next_ms: u64,
}

impl Keeper {
    pub fn start(dir: PathBuf) -> Self {
        let (sender, states) = sync_channel::<Vec<u8>>(1);
        let started = thread::Builder::new().name("state-keeper".into()).spawn(move || {
            for bytes in states {
                if let Err(error) = write(&dir, &bytes) {
                    eprintln!("the cluster state could not be kept in {}: {error}", dir.display());
                }
            }
        });
        Self { states: started.is_ok().then_some(sender), kept_index: 0, next_ms: 0 }
    }

    /// Keep `state` if it is newer, and the last one is old enough.
    pub fn offer(&mut self, state: &ClusterState, now_ms: u64) {
        if state.index() <= self.kept_index || now_ms < self.next_ms {
            return;
        }
        let Some(states) = &self.states else { return };
        match states.try_send(state.encode()) {
            Ok(()) => self.kept_index = state.index(),
            // The one before is still being written.
            Err(TrySendError::Full(_)) => {}
            Err(TrySendError::Disconnected(_)) => self.states = None,
        }
        self.next_ms = now_ms + KEEP_MS;
    }

    /// At the end of the process, and before anything rests on it.
    pub fn keep_now(dir: &Path, state: &ClusterState) -> std::io::Result<()> {
        write(dir, &state.encode())
    }
}

fn write(dir: &Path, bytes: &[u8]) -> std::io::Result<()> {
    FsDir::open(dir)?.replace(NAME, bytes)
}

/// What was kept of this cluster.
pub fn known(dir: &Path, cluster: ClusterId) -> Option<ClusterState> {
    let bytes = FsDir::open(dir).and_then(|mut dir| dir.read(NAME)).ok().flatten()?;
    match ClusterState::decode(&bytes) {
        Ok(state) if state.cluster_id() == cluster => Some(state),
        Ok(_) => None,
        Err(error) => {
            eprintln!("{}: the cluster state kept there is not used: {error}", dir.display());
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use shoal_meta::hex::Hex;
    use shoal_meta::state::{Address, AddressRole, Domains, Genesis, NewPeer};

    use super::*;

    fn state() -> ClusterState {
        let address = Address { role: AddressRole::Data, address: "10.0.0.1:1".into() };
        let peer = NewPeer {
            name: "p1".into(),
            public_key: Hex([1; 32]),
            addresses: vec![address],
            domains: Domains::default(),
            witness: false,
        };
        let (cluster_id, authority_key) = (Hex([7; 16]), Hex([2; 32]));
        let name = "test".into();
        ClusterState::genesis(Genesis { cluster_id, name, authority_key, time_ms: 1, peer })
            .unwrap()
    }

    #[test]
    fn what_was_kept_is_known_again_and_damage_is_as_good_as_nothing() {
        let dir = std::env::temp_dir().join(format!("shoal-known-{}", std::process::id()));
        let state = state();
        assert!(known(&dir, state.cluster_id()).is_none());
        Keeper::keep_now(&dir, &state).unwrap();
        let again = known(&dir, state.cluster_id()).unwrap();
        assert_eq!(again.encode(), state.encode());
        assert!(known(&dir, Hex([8; 16])).is_none(), "of another cluster");
        let mut bytes = state.encode();
        bytes[40] ^= 1;
        write(&dir, &bytes).unwrap();
        assert!(known(&dir, state.cluster_id()).is_none());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
