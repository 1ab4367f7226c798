//! What the cluster has decided: the newest state that any service applied, in the form in which the
//! checkers and the fault atlas read it.

use shoal_engine::insync::PgRecord;
use shoal_meta::local;
use shoal_meta::state::{ClusterState, Volume, VolumeState};
use shoal_types::{DiskId, HeadEpoch, MapEpoch, VolumeId};

use super::number_of;
use crate::world::World;
use crate::world::cluster::VolumeRecord;

/// Who has the head of a volume, and the newest of its attachments.
struct Grant {
    volume: VolumeId,
    head_epoch: HeadEpoch,
    granted_to: Option<u64>,
    generation: u64,
}

impl Grant {
    fn of(volume: &Volume) -> Self {
        let granted_to = volume.head.owner.map(|owner| owner.generation);
        let (head_epoch, generation) = (volume.head.epoch, volume.generation);
        Self { volume: volume.id, head_epoch, granted_to, generation }
    }
}

struct News {
    index: u64,
    map_epoch: MapEpoch,
    records: Vec<PgRecord>,
    volumes: Vec<(VolumeId, HeadEpoch, Option<u64>, u64)>,
    grants: Vec<Grant>,
    deleting: Vec<VolumeId>,
    positions: Vec<(DiskId, u64)>,
}

impl News {
    fn of(state: &ClusterState, told: Option<MapEpoch>) -> Self {
        let changed = local::changed_views(state, told);
        let active = state.volumes().values().filter(|v| v.is_active());
        let deleting = |v: &&Volume| v.state != VolumeState::Active;
        let owner = |v: &Volume| v.head.owner.map(|o| number_of(o.peer));
        Self {
            index: state.index(),
            map_epoch: state.map_epoch(),
            records: changed.iter().filter_map(|view| state.pg(view.pg).cloned()).collect(),
            volumes: active.map(|v| (v.id, v.head.epoch, owner(v), v.size_bytes)).collect(),
            grants: state.volumes().values().map(Grant::of).collect(),
            deleting: state.volumes().values().filter(deleting).map(|v| v.id).collect(),
            positions: state.disks().values().map(|d| (d.id, d.store_session)).collect(),
        }
    }
}

impl World {
    /// The newest state of all, for people who look.
    pub(super) fn newest<R>(&self, read: impl FnOnce(&ClusterState) -> R) -> Option<R> {
        let services = self.record.services()?;
        let states = services.stations.iter().filter_map(|station| station.state());
        states.max_by_key(|state| state.index()).map(read)
    }

    pub(super) fn learn(&mut self, peer: u64) {
        let services = self.record.services().expect("one of them speaks");
        let (index, told) = (services.index, services.map_epoch);
        let state = services.stations[peer as usize].state();
        let Some(state) = state.filter(|state| state.index() > index) else { return };
        let news = News::of(state, told);
        let services = self.services();
        (services.index, services.map_epoch) = (news.index, Some(news.map_epoch));
        self.counts.commands += news.index - index;
        for record in news.records {
            self.learn_record(record);
        }
        self.cluster.positions.extend(news.positions);
        news.grants.into_iter().for_each(|grant| self.check_grant(grant));
        self.learn_volumes(&news.volumes, &news.deleting);
    }

    fn learn_record(&mut self, record: PgRecord) {
        let pg = record.pg;
        self.note(|| format!("view {:?}", record.view()));
        if let Some(old) = self.cluster.records.insert(pg, record) {
            let new = &self.cluster.records[&pg];
            let left = old.in_sync.iter().filter(|d| !new.is_in_sync(**d)).count();
            let came = new.in_sync.iter().filter(|d| !old.is_in_sync(**d)).count();
            self.counts.removals += left as u64;
            self.counts.joins += came as u64;
        }
        if self.disks.len() as u64 == self.plan.disks() {
            self.keep_a_good_copy(pg);
        }
    }

    /// THE PROMISE: once an attachment was fenced, no head is given to it.
    fn check_grant(&mut self, grant: Grant) {
        let Grant { volume, head_epoch, granted_to, generation } = grant;
        let before = self.services().attached.insert(volume, (head_epoch, generation));
        let (Some(before), Some(granted_to)) = (before, granted_to) else { return };
        if head_epoch > before.0 && granted_to < before.1 {
            let why = format!(
                "the head of volume {volume} was given to attachment {granted_to}, fenced by {}",
                before.1
            );
            self.fail(why);
        }
    }

    fn learn_volumes(
        &mut self,
        volumes: &[(VolumeId, HeadEpoch, Option<u64>, u64)],
        deleting: &[VolumeId],
    ) {
        let gone: Vec<VolumeId> = self.cluster.volumes.keys().copied().collect();
        for volume in gone.into_iter().filter(|v| volumes.iter().all(|(id, ..)| id != v)) {
            self.cluster.volumes.remove(&volume);
            self.cluster.deleted.begin(volume);
        }
        self.cluster.deleted.forget_all_but(deleting);
        for (volume, head_epoch, owner, size_bytes) in volumes {
            let used = self.used_of(*size_bytes);
            let is_new = !self.cluster.volumes.contains_key(volume);
            let record =
                self.cluster.volumes.entry(*volume).or_insert_with(|| VolumeRecord::new(used));
            self.counts.take_overs += u64::from(record.head_epoch != *head_epoch);
            record.head_epoch = *head_epoch;
            record.owner = owner.map(|peer| (peer, 0));
            record.used = used;
            if is_new {
                self.start_clients(*volume);
            }
        }
    }

    /// For whoever looks why a world does not become whole.
    pub fn services_shown(&self) -> String {
        let Some(services) = self.record.services() else { return String::new() };
        let mut text = String::new();
        for (peer, station) in services.stations.iter().enumerate() {
            let Some(service) = &station.process.service else { continue };
            let node =
                service.node().map(|n| (n.term(), n.committed(), n.is_voter(), n.incidents()));
            let state = service.state().map(|s| (s.index(), s.voters().clone()));
            let (leader, heads) = (service.leader(), &station.process.heads);
            let lost = service.lost_log();
            text += &format!(
                "\n  peer {peer}: leader {leader:?}, node {node:?}, state {state:?}, \
                 lost log {lost}, heads {heads:?}"
            );
        }
        text
    }

    /// Whoever has applied as much holds the same bytes.
    pub fn check_states_agree(&mut self) {
        let Some(services) = self.record.services() else { return };
        let mut seen: Vec<(u64, Vec<u8>)> = Vec::new();
        for state in services.stations.iter().filter_map(|station| station.state()) {
            let bytes = state.encode();
            match seen.iter().find(|(index, _)| *index == state.index()) {
                Some((index, other)) if *other != bytes => {
                    let why = format!("two peers hold different states at index {index}");
                    return self.fail(why);
                }
                Some(_) => {}
                None => seen.push((state.index(), bytes)),
            }
        }
    }
}
