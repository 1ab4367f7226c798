//! Making a file fit to be a disk, and looking at what is on a disk before it is touched.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use shoal_types::buffer::AlignedBuf;

use super::DiskFile;

/// One write while a file is filled, in bytes.
const FILL_BYTES: usize = 4 << 20;
const FILE_MODE: u32 = 0o600;

/// Makes `path` `size` bytes long, ALL OF IT ALLOCATED: the file system must not be found full later, after
/// we acknowledged. The first `filled` bytes are written with zeros, for what was only allocated costs a
/// journal commit of the file system with every first write (measured: 1.4 to 3.8 times slower).
/// What the file already holds is kept. NOBODY BUT ITS OWNER MAY OPEN IT, whatever the umask and whoever made
/// it: all volumes' blocks are in it. `progress(done, total)` in bytes.
pub fn prepare_file(
    path: &Path,
    size: u64,
    filled: u64,
    mut progress: impl FnMut(u64, u64),
) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(FILE_MODE);
    let mut open = |flags| options.custom_flags(flags).open(path);
    let file = match open(libc::O_DIRECT) {
        Ok(file) => file,
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => open(0)?,
        Err(error) => return Err(error),
    };
    file.set_permissions(Permissions::from_mode(FILE_MODE))?;
    let zeros = AlignedBuf::zeroed(FILL_BYTES);
    let mut at = file.metadata()?.len().next_multiple_of(4096);
    let filled = if filled < size && allocate(&file, size)? { filled } else { size };
    while at < filled {
        let length = (filled - at).min(FILL_BYTES as u64) as usize;
        file.write_all_at(&zeros[..length], at)?;
        at += length as u64;
        progress(at, filled);
    }
    file.sync_all()
}

/// False where the file system cannot.
fn allocate(file: &File, size: u64) -> io::Result<bool> {
    // SAFETY: an open file and plain numbers.
    match unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, size as libc::off_t) } {
        0 => Ok(true),
        _ => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(false),
            error => Err(error),
        },
    }
}

/// The first and the last `bytes` of a disk: enough to tell what is on it.
pub fn read_edges(disk: &DiskFile, bytes: usize) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let length = bytes.min(disk.size as usize) & !4095;
    let read = |offset| -> io::Result<Vec<u8>> {
        let mut buffer = AlignedBuf::zeroed(length);
        disk.file().read_exact_at(&mut buffer, offset)?;
        Ok(buffer.to_vec())
    };
    Ok((read(0)?, read(disk.size - length as u64)?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::path::PathBuf;

    use super::*;

    fn fresh(name: &str) -> PathBuf {
        let path =
            std::env::temp_dir().join(format!("shoal-prepare-{name}-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        path
    }

    #[test]
    fn a_file_is_allocated_whole_and_filled_as_far_as_asked() {
        for filled in [0, 1 << 20, 8 << 20] {
            let path = fresh(&filled.to_string());
            let mut told = Vec::new();
            prepare_file(&path, 8 << 20, filled, |done, _| told.push(done)).unwrap();
            let found = std::fs::metadata(&path).unwrap();
            assert_eq!(found.len(), 8 << 20);
            assert!(found.blocks() * 512 >= 8 << 20, "{} blocks", found.blocks());
            assert_eq!(told.last().copied().unwrap_or(0), filled);
            std::fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn what_a_file_holds_is_kept() {
        let path = fresh("kept");
        std::fs::write(&path, [7; 4096]).unwrap();
        prepare_file(&path, 1 << 20, 1 << 20, |_, _| {}).unwrap();
        let found = std::fs::read(&path).unwrap();
        assert_eq!((found.len(), &found[..4096], found[4096]), (1 << 20, &[7; 4096][..], 0));
        std::fs::remove_file(path).unwrap();
    }

    fn mode_of(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn nobody_else_may_open_a_file_that_is_a_disk() {
        let path = fresh("mode");
        prepare_file(&path, 1 << 20, 0, |_, _| {}).unwrap();
        assert_eq!(mode_of(&path), 0o600, "one that is made");
        for before in [0o644, 0o666] {
            std::fs::set_permissions(&path, Permissions::from_mode(before)).unwrap();
            prepare_file(&path, 1 << 20, 0, |_, _| {}).unwrap();
            assert_eq!(mode_of(&path), 0o600, "one that was there as {before:o}");
        }
        std::fs::remove_file(path).unwrap();
    }
}
