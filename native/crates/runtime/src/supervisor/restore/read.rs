//! What a disk keeps of its cluster, read without its store. Changes nothing.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use shoal_meta::state::ClusterState;
use shoal_store::layout::{CELL_BYTES, Layout};
use shoal_store::{Identity, MapHeader, MapOrder, PROBE_BYTES, Probe, SlotHeader, probe};
use shoal_types::buffer::AlignedBuf;

use super::super::disks::describe;
use super::super::kept_map::order_of;
use crate::disk::{DiskFile, read_edges};

/// A disk with a store on it.
#[derive(Clone, Debug)]
pub struct Found {
    pub path: PathBuf,
    pub identity: Identity,
    /// The newest cluster state that is whole, or why there is none.
    pub kept: Result<Box<ClusterState>, String>,
}

/// Why this disk is of no use.
pub fn read(path: &Path) -> Result<Found, String> {
    let named = |error: io::Error| format!("{}: {error}", path.display());
    let disk = DiskFile::open_when_free(path).map_err(named)?;
    let (first, last) = read_edges(&disk, PROBE_BYTES).map_err(named)?;
    match probe(&first, &last) {
        Probe::Shoal(superblock) => {
            let identity = superblock.identity;
            let kept = newest(&disk, &superblock.layout, &identity);
            Ok(Found { path: path.to_owned(), identity, kept })
        }
        other => Err(format!("{}: it holds {}", path.display(), describe(&other))),
    }
}

fn newest(
    disk: &DiskFile,
    layout: &Layout,
    identity: &Identity,
) -> Result<Box<ClusterState>, String> {
    if layout.map.cells == 0 {
        return Err("it has no room for the cluster state".into());
    }
    let slots = (0..2).map(|slot| read_slot(disk, layout, slot, identity));
    let mut best: Result<Box<ClusterState>, String> = Err("it keeps no cluster state yet".into());
    for slot in slots {
        best = match (best, slot) {
            (best, Ok(None)) => best,
            (Ok(best), Ok(Some(state))) if order_of(&best) >= order_of(&state) => Ok(best),
            (_, Ok(Some(state))) => Ok(state),
            (Ok(best), Err(_)) => Ok(best),
            (Err(_), Err(why)) => Err(why),
        };
    }
    best
}

/// `None`: nothing was ever written there, or its write was torn.
fn read_slot(
    disk: &DiskFile,
    layout: &Layout,
    slot: u64,
    identity: &Identity,
) -> Result<Option<Box<ClusterState>>, String> {
    let region = layout.map_slot(slot);
    let failed = |error: io::Error| format!("its cluster state cannot be read: {error}");
    let cell = read_at(disk, region.offset(), CELL_BYTES).map_err(failed)?;
    let room = (region.cells - 1) * CELL_BYTES;
    let header = match MapHeader::parse(&cell, &identity.store_uuid, room) {
        SlotHeader::Empty => return Ok(None),
        SlotHeader::Newer { version } => {
            return Err(format!("its cluster state is of the newer format {version}"));
        }
        SlotHeader::Ours(header) => header,
    };
    let length = header.body_bytes.next_multiple_of(CELL_BYTES);
    let body = read_at(disk, region.offset() + CELL_BYTES, length).map_err(failed)?;
    let body = &body[..header.body_bytes as usize];
    if !header.is_of(body, &identity.store_uuid) {
        return Ok(None);
    }
    decode(body, header.order, identity).map(Some)
}

fn decode(body: &[u8], order: MapOrder, identity: &Identity) -> Result<Box<ClusterState>, String> {
    let state =
        ClusterState::decode(body).map_err(|error| format!("its cluster state: {error}"))?;
    if state.cluster_id().0 != identity.cluster_id || order_of(&state) != order {
        return Err("its cluster state is not the one that was written there".into());
    }
    Ok(Box::new(state))
}

fn read_at(disk: &DiskFile, offset: u64, length: u64) -> io::Result<AlignedBuf> {
    let mut buffer = AlignedBuf::zeroed(length as usize);
    disk.file().read_exact_at(&mut buffer, offset)?;
    Ok(buffer)
}
