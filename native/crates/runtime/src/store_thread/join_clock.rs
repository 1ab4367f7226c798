//! Since when each member of this store fills up: without it nobody can say when it is done.

use std::collections::BTreeMap;

use shoal_engine::member::JoinProgress;
use shoal_types::{DiskId, PgEpoch, PgId, PgView};

/// A join that runs.
#[derive(Clone, Debug)]
pub struct RunningJoin {
    pub progress: JoinProgress,
    /// Since this process knows of it, in milliseconds.
    pub running_ms: u64,
}

#[derive(Default)]
pub struct JoinClock {
    begun: BTreeMap<PgId, (PgEpoch, u64)>,
}

impl JoinClock {
    pub fn note(&mut self, own: DiskId, views: &[PgView], now_ms: u64) {
        for view in views {
            let Some(joining) = view.joining.filter(|joining| joining.disk == own) else {
                self.begun.remove(&view.pg);
                continue;
            };
            let begun = self.begun.entry(view.pg).or_insert((joining.join_at, now_ms));
            if begun.0 != joining.join_at {
                *begun = (joining.join_at, now_ms);
            }
        }
    }

    pub fn running(&self, joins: Vec<JoinProgress>, now_ms: u64) -> Vec<RunningJoin> {
        let since = |pg: &PgId| self.begun.get(pg).map_or(now_ms, |(_, at_ms)| *at_ms);
        let of = |progress: JoinProgress| {
            let running_ms = now_ms.saturating_sub(since(&progress.pg));
            RunningJoin { progress, running_ms }
        };
        joins.into_iter().map(of).collect()
    }
}
