//! Who is there, as the leader sees it, is no part of the cluster state. Control acts on it, so it is told
//! when something about it changed, instead of asking every second.

use serde_json::{Value, json};
use shoal_types::PeerId;

use super::Supervisor;
use crate::meta_thread::SessionState;

/// As told last; `None` while somebody else leads.
#[derive(Default)]
pub(super) struct SessionNews(Option<Vec<(PeerId, SessionState)>>);

impl Supervisor {
    pub(super) fn sessions(&self) -> Value {
        let line = |(peer, state, left_ms): (PeerId, SessionState, u64)| json!({ "peer": peer.0, "state": state.name(), "left_ms": left_ms });
        let sessions = self.context.meta.sessions();
        sessions.map_or(Value::Null, |sessions| sessions.into_iter().map(line).collect())
    }

    pub(super) fn tell_sessions(&mut self) {
        let sessions = self.context.meta.sessions();
        let seen =
            sessions.map(|all| all.into_iter().map(|(peer, state, _)| (peer, state)).collect());
        if seen != self.session_news.0 {
            self.session_news.0 = seen;
            self.broadcast("sessions.changed", json!({}));
        }
    }
}
