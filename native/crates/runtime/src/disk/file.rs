//! An open disk: exclusive, unbuffered, its size known.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// The kernel frees the last request of a ring, and with it the file, a moment after its answer; also after
/// the end of the process that had it.
const LET_GO_MAX: Duration = Duration::from_secs(1);
const LET_GO_STEP: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskKind {
    /// A whole device or a partition.
    Raw,
    File,
}

#[derive(Debug)]
pub struct DiskFile {
    file: File,
    pub kind: DiskKind,
    /// Size in bytes, rounded down to whole blocks.
    pub size: u64,
    /// False where the file system has no O_DIRECT (tmpfs): then the page cache is in the way and
    /// `RWF_DSYNC` still makes writes durable.
    pub direct: bool,
}

impl DiskFile {
    /// Open for reading and writing. A device that is mounted or held by another program is
    /// refused (`EBUSY`), because O_EXCL on a block device is the kernel's own lock.
    pub fn open(path: &Path) -> io::Result<Self> {
        let kind = kind_of(path)?;
        let exclusive = if kind == DiskKind::Raw { libc::O_EXCL } else { 0 };
        let open = |flags| {
            OpenOptions::new().read(true).write(true).custom_flags(exclusive | flags).open(path)
        };
        let (file, direct) = match open(libc::O_DIRECT) {
            Ok(file) => (file, true),
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => (open(0)?, false),
            Err(error) => return Err(error),
        };
        if kind == DiskKind::File {
            lock(&file)?;
        }
        let size = size_of_disk(&file, kind)? & !4095;
        Ok(Self { file, kind, size, direct })
    }

    /// The same, and waits a second while the disk is busy: what held it may have been this program.
    #[allow(clippy::disallowed_methods)] // the kernel tells nobody when it has let go
    pub fn open_when_free(path: &Path) -> io::Result<Self> {
        let mut waited = Duration::ZERO;
        loop {
            match Self::open(path) {
                Err(error) if is_busy(&error) && waited < LET_GO_MAX => {
                    thread::sleep(LET_GO_STEP);
                    waited += LET_GO_STEP;
                }
                opened => return opened,
            }
        }
    }

    pub fn fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    pub fn file(&self) -> &File {
        &self.file
    }
}

fn is_busy(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EBUSY)
}

fn kind_of(path: &Path) -> io::Result<DiskKind> {
    let file_type = std::fs::metadata(path)?.file_type();
    if file_type.is_block_device() {
        Ok(DiskKind::Raw)
    } else if file_type.is_file() {
        Ok(DiskKind::File)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a block device nor a file"))
    }
}

/// Two processes must never serve one file; for devices O_EXCL does the same.
fn lock(file: &File) -> io::Result<()> {
    // SAFETY: flock takes no pointers.
    let status = unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) };
    if status == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::EWOULDBLOCK) {
        return Err(io::Error::from_raw_os_error(libc::EBUSY));
    }
    Err(error)
}

fn size_of_disk(file: &File, kind: DiskKind) -> io::Result<u64> {
    if kind == DiskKind::File {
        return Ok(file.metadata()?.len());
    }
    /// `_IOR(0x12, 114, size_t)`, linux/fs.h.
    const BLKGETSIZE64: libc::c_ulong = 0x8008_1272;
    let mut size = 0u64;
    // SAFETY: the ioctl writes one u64.
    let status = unsafe { libc::ioctl(file.as_raw_fd(), BLKGETSIZE64, &mut size) };
    if status == 0 { Ok(size) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("shoal-file-{name}-{}", std::process::id()));
        std::fs::write(&path, [0; 4096]).unwrap();
        path
    }

    #[test]
    fn a_disk_that_is_let_go_of_a_moment_later_is_waited_for() {
        let path = fresh("let-go");
        let held = DiskFile::open(&path).unwrap();
        assert!(is_busy(&DiskFile::open(&path).unwrap_err()));
        let waiting = {
            let path = path.clone();
            thread::spawn(move || DiskFile::open_when_free(&path).map(|_| ()))
        };
        #[allow(clippy::disallowed_methods, reason = "the other thread must find it busy")]
        thread::sleep(LET_GO_STEP * 4);
        drop(held);
        waiting.join().unwrap().unwrap();
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn one_that_another_program_has_is_refused() {
        let path = fresh("held");
        let _held = DiskFile::open(&path).unwrap();
        assert!(is_busy(&DiskFile::open_when_free(&path).unwrap_err()));
        std::fs::remove_file(path).unwrap();
    }
}
