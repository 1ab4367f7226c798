//! Making a file fit to be a disk, and looking at what is on a disk before it is touched.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use shoal_types::buffer::AlignedBuf;

use super::DiskFile;

/// One write while a file is filled, in bytes.
const FILL_BYTES: usize = 4 << 20;

/// Write `path` with zeros up to `size` bytes, whole. A file that was only allocated or is sparse
/// costs a journal commit of its file system with every first write (measured: 1.4 to 3.8 times
/// slower), and may find the file system full later, after we acknowledged.
/// What the file already holds is kept. `progress(done, total)` in bytes.
pub fn prepare_file(path: &Path, size: u64, mut progress: impl FnMut(u64, u64)) -> io::Result<()> {
    let open = |flags| {
        OpenOptions::new().create(true).truncate(false).write(true).custom_flags(flags).open(path)
    };
    let file = match open(libc::O_DIRECT) {
        Ok(file) => file,
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => open(0)?,
        Err(error) => return Err(error),
    };
    let zeros = AlignedBuf::zeroed(FILL_BYTES);
    let mut at = file.metadata()?.len().next_multiple_of(4096);
    while at < size {
        let length = (size - at).min(FILL_BYTES as u64) as usize;
        file.write_all_at(&zeros[..length], at)?;
        at += length as u64;
        progress(at, size);
    }
    file.sync_all()
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
