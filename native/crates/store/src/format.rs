//! Makes an empty store on a disk. Whatever was there is lost; asking first is the caller's part
//! (`probe`).

use bytes::Bytes;

use crate::codec::Seal;
use crate::error::FormatError;
use crate::io::{DiskIo, IoError, IoId};
use crate::layout::{CELL_BYTES, Layout, Region};
use crate::params::FormatParams;
use crate::ring::Ring;
use crate::root::Root;
use crate::superblock::{FORMATTING, Superblock};
use crate::task::{Disk, DiskTask};

/// Zeros written at once, in cells.
const ZERO_CELLS: u64 = 256;

/// A format under way: drive `poll` and `on_io` until `take` gives the outcome.
pub struct Format(DiskTask<Result<(), FormatError>>);

impl Format {
    pub fn new(params: FormatParams) -> Result<Self, FormatError> {
        let layout = Layout::choose(params.device_bytes)?;
        let superblock = Superblock::new(params.identity, layout);
        Ok(Self(DiskTask::new(|disk| async move {
            write_all(&disk, &superblock, params.log_beyond).await.map_err(FormatError::Io)
        })))
    }

    pub fn poll(&mut self) -> Option<DiskIo> {
        self.0.poll()
    }

    pub fn on_io(&mut self, id: IoId, result: Result<Option<Bytes>, IoError>) {
        self.0.on_io(id, result);
    }

    pub fn take(&mut self) -> Option<Result<(), FormatError>> {
        self.0.take()
    }
}

/// ORDER: no superblock while anything else is missing, so that a format that was cut short is
/// no store at all.
async fn write_all(disk: &Disk, superblock: &Superblock, log_beyond: u64) -> Result<(), IoError> {
    let layout = &superblock.layout;
    let blank = Bytes::from(vec![0; CELL_BYTES as usize]);
    disk.write(layout.last_superblock_offset(), vec![blank], false).await?;
    // Who is cut short is told from a disk with somebody's data by this.
    let mut mark = vec![0; CELL_BYTES as usize];
    mark[..FORMATTING.len()].copy_from_slice(&FORMATTING);
    disk.write(0, vec![Bytes::from(mark)], false).await?;
    disk.sync().await?;
    // Zeros, not holes: an append to a log never has to allocate below us.
    for region in [layout.roots, layout.data_log, layout.meta_log, layout.map] {
        zero(disk, region).await?;
    }
    let seal = Seal::new(&superblock.identity.store_uuid);
    let root = Root {
        generation: 1,
        meta: Ring::first_point(layout.meta_log, 0),
        data: Ring::first_point(layout.data_log, log_beyond),
        ..Root::default()
    };
    let root = root.encode(seal);
    for copy in 0..2 {
        disk.write(layout.root_copy(1, copy).offset(), vec![root.clone()], false).await?;
    }
    disk.sync().await?;
    let superblock = superblock.encode();
    disk.write(0, vec![superblock.clone()], false).await?;
    disk.sync().await?;
    disk.write(layout.last_superblock_offset(), vec![superblock], false).await?;
    disk.sync().await
}

async fn zero(disk: &Disk, region: Region) -> Result<(), IoError> {
    let zeros = Bytes::from(vec![0; (ZERO_CELLS * CELL_BYTES) as usize]);
    let mut at = region.first;
    while at < region.end() {
        let cells = ZERO_CELLS.min(region.end() - at);
        let part = zeros.slice(..(cells * CELL_BYTES) as usize);
        disk.write(at * CELL_BYTES, vec![part], false).await?;
        at += cells;
    }
    Ok(())
}
