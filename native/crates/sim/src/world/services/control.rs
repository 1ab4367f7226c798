//! The control plane of whoever leads, played: it marks peers down and up, and has members that are
//! out of sync brought up to date. It may be late, ask twice or be gone: every command is a
//! compare-and-set.

use std::collections::BTreeSet;

use shoal_meta::service::MetaService;
use shoal_meta::state::{ClusterState, Command, JoinItem, Standing};
use shoal_types::{DiskId, PeerId};

use super::station::After;
use crate::world::World;

impl World {
    pub fn record_turn(&mut self) {
        for peer in 0..self.plan.peers {
            let lazy = !self.healing && self.rng.percent(70);
            let gone = self.services().control_gone_until_us > self.now_us;
            let awake = self.peers[peer as usize].alive && self.pause_left(peer).is_none();
            if awake && !lazy && !gone && self.station(peer).is_leader() {
                self.decide(peer);
            }
        }
        self.users_turn();
    }

    fn decide(&mut self, peer: u64) {
        let now_ms = self.now_of(peer).boot_ms;
        let process = self.process(peer);
        let Some(service) = &process.service else { return };
        let sessions = MetaService::sessions(service);
        let is_away = |peer: PeerId, until_ms: u64| until_ms <= now_ms || service.is_gone(peer);
        let over = sessions.iter().filter(|(peer, until_ms)| is_away(**peer, **until_ms));
        let absent: BTreeSet<PeerId> = over.map(|(peer, _)| *peer).collect();
        let Some(state) = service.state() else { return };
        let mut commands = standings(state, &absent);
        if commands.is_empty() {
            let present = present_disks(state, &absent);
            commands.extend(cancels(state, &present));
            commands.extend(joins(state, &present));
        }
        for command in commands {
            self.propose(peer, command, After::Nothing);
        }
    }
}

fn standings(state: &ClusterState, absent: &BTreeSet<PeerId>) -> Vec<Command> {
    let wrong = state.peers().values().filter_map(|peer| {
        let to = match (peer.state, absent.contains(&peer.id)) {
            (Standing::In, true) => Standing::Down,
            (Standing::Down, false) if !state.upkeep().left.contains_key(&peer.id) => Standing::In,
            _ => return None,
        };
        Some(Command::UpdatePeer {
            peer: peer.id,
            name: None,
            addresses: None,
            domains: None,
            state: Some(to),
            maintenance_until_ms: None,
        })
    });
    wrong.collect()
}

fn present_disks(state: &ClusterState, absent: &BTreeSet<PeerId>) -> BTreeSet<DiskId> {
    let is_in = |peer: &PeerId| {
        !absent.contains(peer) && state.peers().get(peer).is_some_and(|p| p.state == Standing::In)
    };
    let disks = state.disks().values().filter(|d| d.state != Standing::Down && is_in(&d.peer));
    disks.map(|disk| disk.id).collect()
}

fn cancels(state: &ClusterState, present: &BTreeSet<DiskId>) -> Vec<Command> {
    let records = state.tables().values().flat_map(|table| table.records());
    let away = records.filter_map(|record| {
        let joining = record.joining.filter(|j| !present.contains(&j.disk))?;
        let (pg, disk, expected) = (record.pg, joining.disk, record.epoch);
        Some(Command::PgCancelJoin { pg, disk, expected })
    });
    away.collect()
}

/// One at a time in each group, where there is a source.
fn joins(state: &ClusterState, present: &BTreeSet<DiskId>) -> Option<Command> {
    let records = state.tables().values().flat_map(|table| table.records());
    let items = records.filter_map(|record| {
        let has_source = record.in_sync.iter().any(|disk| present.contains(disk));
        let may = record.joining.is_none() && has_source;
        let out = |m: &&shoal_engine::insync::MemberRecord| {
            !record.is_in_sync(m.disk) && present.contains(&m.disk)
        };
        let disk = record.members.iter().filter(|_| may).find(out)?.disk;
        Some(JoinItem { pg: record.pg, disk, expected: record.epoch })
    });
    let items: Vec<JoinItem> = items.collect();
    (!items.is_empty()).then_some(Command::PgJoin { items })
}
