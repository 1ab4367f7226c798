//! Recovery: from what is on the disk to a store that serves.

mod load;
mod replay;
mod scan;

use bytes::Bytes;

use crate::batch::{BatchDraft, LogKind, LogPoint};
use crate::codec::Seal;
use crate::data_record::DataRecord;
use crate::error::{Damage, RecoveryError};
use crate::io::{DiskIo, IoError, IoId};
use crate::layout::CELL_BYTES;
use crate::map::KeptMap;
use crate::params::Params;
use crate::planted::planted;
use crate::ring::Ring;
use crate::stats::Figures;
use crate::store::{Recovered, Store};
use crate::superblock::{Parsed, Superblock};
use crate::task::{Disk, DiskTask};

use scan::Scan;

type Outcome = Result<(Box<Store>, Figures), RecoveryError>;

/// A recovery under way: drive `poll` and `on_io` until `take` gives the outcome.
pub struct Recovery(DiskTask<Outcome>);

impl Recovery {
    pub fn new(params: Params) -> Self {
        Self(DiskTask::new(|disk| async move { recover(disk, params).await }))
    }

    pub fn poll(&mut self) -> Option<DiskIo> {
        self.0.poll()
    }

    pub fn on_io(&mut self, id: IoId, result: Result<Option<Bytes>, IoError>) {
        self.0.on_io(id, result);
    }

    pub fn take(&mut self) -> Option<Outcome> {
        self.0.take()
    }
}

async fn recover(disk: Disk, params: Params) -> Outcome {
    shoal_types::checksum::self_test().map_err(|_| RecoveryError::SelfTest)?;
    // FIRST: what a killed predecessor left in a cache becomes stable, so that this start and the
    // next see the same bytes.
    if !planted!(NoSyncAtStart) {
        disk.sync().await?;
    }
    let (superblock, superblock_image) = find_superblock(&disk, &params).await?;
    let seal = Seal::new(&superblock.identity.store_uuid);
    let mut figures = Figures::default();
    let root = load::find_root(&disk, &superblock.layout, seal, &mut figures).await?;
    let mut replay = load::load_pages(&disk, &superblock, &params, &root, &mut figures).await?;
    let meta = scan_meta(&disk, &superblock, &root, &mut replay).await?;
    let data_tail = replay.data_tail;
    let data = scan_data(&disk, &superblock, data_tail, &mut replay).await?;
    check_other_ends(&meta, &data)?;
    figures.meta_log_bytes = (meta.end.lsn - root.meta.lsn) * CELL_BYTES;
    figures.data_log_bytes = (data.end.lsn - data_tail.lsn) * CELL_BYTES;
    figures.log_end = data.end.lsn;
    figures.replayed_batches = meta.batches + data.batches;
    let state = replay.finish(&mut figures)?;
    let mut data_log = Ring::new(superblock.layout.data_log, data_tail, data.end);
    let meta_log = Ring::new(superblock.layout.meta_log, root.meta, meta.end);
    // LAST: a record of this start overwrites whatever was torn behind the log's end, so that no
    // later start can take it for whole. One that a start left there already will do if the log
    // is full to the brim.
    if data_log.room() > 1 || !data.ends_in_open {
        append_open(&disk, &superblock, &params, &mut data_log, meta_log.head).await?;
    }
    let map = KeptMap::load(&disk, &superblock.layout, seal).await;
    let store = Store::new(Recovered {
        identity: superblock.identity,
        superblock: superblock_image,
        layout: superblock.layout,
        start_id: params.start_id,
        budget: params.budget,
        state,
        data_log,
        meta_log,
        root_generation: root.generation,
        root_len: root.encode(seal).len() as u64,
        map,
        next_io: disk.next_id(),
    });
    Ok((Box::new(store), figures))
}

/// The newest copy, and its bytes.
async fn find_superblock(
    disk: &Disk,
    params: &Params,
) -> Result<(Superblock, Bytes), RecoveryError> {
    let last = (params.device_bytes / CELL_BYTES).saturating_sub(1) * CELL_BYTES;
    let copies = disk.read_all(&[(0, CELL_BYTES), (last, CELL_BYTES)]).await;
    let mut best: Option<(Superblock, Bytes)> = None;
    let mut damaged = false;
    for copy in copies {
        let Ok(image) = copy else {
            damaged = true;
            continue;
        };
        match Superblock::parse(&image) {
            Parsed::Ours(sb) if best.as_ref().is_none_or(|b| b.0.generation < sb.generation) => {
                best = Some((sb, image));
            }
            Parsed::Newer { major, incompat } => {
                return Err(RecoveryError::Newer { incompat, major });
            }
            Parsed::Damaged => damaged = true,
            Parsed::Ours(_) | Parsed::None => {}
        }
    }
    let nothing = if damaged { RecoveryError::DamagedSuperblock } else { RecoveryError::NoStore };
    let (superblock, image) = best.ok_or(nothing)?;
    let identity = &superblock.identity;
    if identity.cluster_id != params.cluster_id {
        return Err(RecoveryError::ForeignCluster { found: identity.cluster_id });
    }
    if params.disk.is_some_and(|disk| disk != identity.disk) {
        return Err(RecoveryError::OtherDisk { found: identity.disk });
    }
    let need_bytes = superblock.layout.device_cells * CELL_BYTES;
    if params.device_bytes < need_bytes {
        return Err(RecoveryError::DeviceTooSmall { need_bytes });
    }
    Ok((superblock, image))
}

async fn scan_meta(
    disk: &Disk,
    superblock: &Superblock,
    root: &crate::root::Root,
    replay: &mut replay::Replay,
) -> Result<scan::Ended, RecoveryError> {
    let region = superblock.layout.meta_log;
    let mut scan = Scan::new(disk, LogKind::Meta, region, superblock, root.meta);
    while let Some(batch) = scan.next().await? {
        replay.meta_batch(&batch)?;
    }
    scan.finish().await
}

async fn scan_data(
    disk: &Disk,
    superblock: &Superblock,
    tail: LogPoint,
    replay: &mut replay::Replay,
) -> Result<scan::Ended, RecoveryError> {
    let region = superblock.layout.data_log;
    let mut scan = Scan::new(disk, LogKind::Data, region, superblock, tail);
    while let Some(batch) = scan.next().await? {
        replay.data_batch(&batch)?;
    }
    scan.finish().await
}

/// Each log says how long the other one was.
fn check_other_ends(meta: &scan::Ended, data: &scan::Ended) -> Result<(), RecoveryError> {
    let what = if data.end.lsn < meta.other_head {
        Damage::DataLogShort { end: data.end.lsn, seen: meta.other_head }
    } else if meta.end.lsn < data.other_head {
        Damage::MetaLogShort { end: meta.end.lsn, seen: data.other_head }
    } else {
        return Ok(());
    };
    Err(RecoveryError::Damaged { what })
}

async fn append_open(
    disk: &Disk,
    superblock: &Superblock,
    params: &Params,
    log: &mut Ring,
    meta_head: LogPoint,
) -> Result<(), RecoveryError> {
    let mut records = Vec::new();
    DataRecord::Open { start_id: params.start_id }.encode(&mut records);
    let batch = BatchDraft {
        kind: LogKind::Data,
        at: log.head,
        start_id: params.start_id,
        other_head: meta_head.lsn,
        store_uuid: &superblock.identity.store_uuid,
        data_cells: 0,
        record_count: 1,
        records: &records,
    };
    let (header, next) = batch.encode(Seal::new(&superblock.identity.store_uuid));
    for (offset, bufs) in log.split(log.head.lsn, vec![header]) {
        disk.write(offset, bufs, true).await?;
    }
    log.head = next;
    Ok(())
}

impl From<IoError> for RecoveryError {
    fn from(error: IoError) -> Self {
        Self::Io(error)
    }
}
