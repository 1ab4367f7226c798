//! What the service said, dealt with in order.

use shoal_engine::head::HeadEvent;
use shoal_engine::planted::{Bug, is_planted};
use shoal_meta::local;
use shoal_meta::service::Unavailable;
use shoal_meta::state::{Command, InSyncItem, Outcome};
use shoal_types::{DiskId, LayerId, PgEpoch, PgId, VolumeId};

use super::station::{After, Inward, Look};
use crate::world::World;

impl World {
    pub(super) fn take_inlet(&mut self, peer: u64) {
        self.process(peer).inlet_due = false;
        let mut all = std::mem::take(&mut self.process(peer).inlet);
        while let Some(what) = all.pop_front() {
            match what {
                Inward::StateChanged => self.sync_state(peer),
                Inward::Lease { until_ms } => {
                    self.each_head(peer, HeadEvent::Lease { valid_until_us: until_ms * 1000 });
                }
                Inward::Answered { after, result } => self.go_on(peer, after, result),
                Inward::Looked { look, is_newest } => self.on_looked(peer, look, is_newest),
            }
        }
    }

    fn go_on(&mut self, peer: u64, after: After, result: Result<Outcome, Unavailable>) {
        match after {
            After::Nothing => {}
            After::Taken { volume, key } => self.on_taken(peer, volume, key, result),
            After::Joined(item) => self.on_joined(peer, item, result),
            After::Announced { disk, life } => self.on_announced(disk, life, result),
            After::Unfit { disk, life } => self.on_unfit(disk, life, result),
            After::Purged { disk, volume, layer } => self.on_purged(peer, disk, volume, layer),
            After::Orphan => {
                self.process(peer).giving_back -= 1;
                self.give_back_orphans(peer);
            }
            After::Standing { disk } => {
                self.process(peer).standings_told.remove(&disk);
                if result.is_err() {
                    self.sync_standings(peer);
                }
            }
            After::Restarted { .. } if is_planted(Bug::JoinRestartedOnce) => {}
            After::Restarted { disk, pg, join_at } => self.restart_join(peer, disk, pg, join_at),
            After::Cancelled { disk, pg, join_at } => self.cancel_join(peer, disk, pg, join_at),
        }
    }

    fn on_looked(&mut self, peer: u64, look: Look, is_newest: bool) {
        match look {
            Look::First => self.end_first_look(peer, is_newest),
            Look::View { head, pg, asked } => {
                let view = self.read(peer, |state| state.pg(pg).map(|record| record.view()));
                if let (true, Some(Some(view))) = (is_newest, view) {
                    self.head_event(head, HeadEvent::Newest { view, asked });
                }
            }
        }
    }

    /// Rule 26: repeated until the cluster has answered; a session that it refuses begins anew.
    fn on_joined(&mut self, peer: u64, item: InSyncItem, result: Result<Outcome, Unavailable>) {
        match result {
            Ok(Ok(_)) => self.restart_join(peer, item.disk, item.pg, item.join_at),
            Ok(Err(_)) => {}
            Err(_) if self.read(peer, |s| local::is_joining(s, &item)) == Some(true) => {
                let items = vec![item];
                self.propose(peer, Command::PgInSync { items }, After::Joined(item));
            }
            Err(_) => {}
        }
    }

    /// Rule 25. Repeated until the session is over: the group may have changed meanwhile.
    pub(super) fn restart_join(&mut self, peer: u64, disk: DiskId, pg: PgId, join_at: PgEpoch) {
        let again = self.read(peer, |state| local::restart_join(state, disk, pg, join_at));
        if let Some(Some(command)) = again {
            self.propose(peer, command, After::Restarted { disk, pg, join_at });
        }
    }

    pub(super) fn begin_rejoins(&mut self, peer: u64) {
        let now_ms = self.now_of(peer).boot_ms;
        for (disk, pg, join_at) in self.process(peer).rejoins.take_due(now_ms) {
            self.restart_join(peer, disk, pg, join_at);
        }
    }

    fn on_purged(&mut self, peer: u64, disk: DiskId, volume: VolumeId, layer: LayerId) {
        if self.read(peer, |state| !state.volumes().contains_key(&volume)) == Some(true) {
            self.forget_layer(peer, layer);
        } else if self.read(peer, |state| local::is_doomed(state, disk, layer)) == Some(true) {
            self.purged(peer, disk, volume);
        }
    }
}
