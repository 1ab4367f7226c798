//! A format that a power cut ended: the disk is blank, unfinished, or a whole store, and never taken
//! for somebody's data.

use super::disk::{Disk, Image};
use super::rig::{DISK_BYTES, identity};
use super::rng::Rng;
use crate::params::FormatParams;
use crate::{Format, PROBE_BYTES, Probe, probe};

fn probed(image: &Image) -> Probe {
    let length = (PROBE_BYTES as u64).min(image.bytes());
    probe(&image.read(0, length), &image.read(image.bytes() - length, length))
}

#[test]
fn cut_short_it_is_ours_to_begin_again() {
    let mut seen = [0; 3];
    for seed in 0..20 {
        let params = FormatParams { identity: identity(), device_bytes: DISK_BYTES, log_beyond: 0 };
        let mut format = Format::new(params).expect("large enough");
        let (mut disk, mut rng) = (Disk::new(Image::blank(DISK_BYTES)), Rng::new(seed));
        while format.take().is_none() {
            while let Some(io) = format.poll() {
                disk.issue(io);
            }
            match probed(&disk.power_cut(&mut rng)) {
                Probe::Empty => seen[0] += 1,
                Probe::Unfinished => seen[1] += 1,
                Probe::Shoal(_) | Probe::Damaged => seen[2] += 1,
                other => panic!("seed {seed}: {other:?}"),
            }
            let Some((id, bytes)) = disk.answer_one(&mut rng) else { break };
            format.on_io(id, Ok(bytes));
        }
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
}
