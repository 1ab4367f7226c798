//! Attachments whose device was taken down while no daemon ran: an empty file
//! `detached-VOLUME-GENERATION` beside the device files, until the daemon has told the cluster.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use shoal_types::VolumeId;

const PREFIX: &str = "detached-";

pub fn note(dir: &Path, volume: VolumeId, generation: u64) -> io::Result<()> {
    fs::write(file(dir, volume, generation), b"")
}

pub fn list(dir: &Path) -> Vec<(VolumeId, u64)> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let noted = entries.flatten().filter_map(|entry| {
        let name = entry.file_name();
        let (volume, generation) = name.to_str()?.strip_prefix(PREFIX)?.split_once('-')?;
        Some((VolumeId(volume.parse().ok()?), generation.parse().ok()?))
    });
    noted.collect()
}

/// The cluster knows.
pub fn forget(dir: &Path, volume: VolumeId, generation: u64) -> io::Result<()> {
    match fs::remove_file(file(dir, volume, generation)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn file(dir: &Path, volume: VolumeId, generation: u64) -> PathBuf {
    dir.join(format!("{PREFIX}{}-{generation}", volume.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_kept_until_they_are_told() {
        let dir = std::env::temp_dir().join(format!("shoal-detached-{}", std::process::id()));
        assert_eq!(list(&dir), []);
        fs::create_dir(&dir).unwrap();
        note(&dir, VolumeId(7), 12).unwrap();
        fs::write(dir.join("3"), b"a device file").unwrap();
        fs::write(dir.join("detached-x-1"), b"").unwrap();
        assert_eq!(list(&dir), [(VolumeId(7), 12)]);
        forget(&dir, VolumeId(7), 12).unwrap();
        forget(&dir, VolumeId(7), 12).unwrap();
        assert_eq!(list(&dir), []);
        fs::remove_dir_all(&dir).unwrap();
    }
}
