//! The few operations on a directory that the log needs.

use std::io;

/// Nothing is durable before its sync; a name is durable after `sync_dir`.
pub trait Dir {
    /// `None`: no such file.
    fn read(&mut self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// Makes the file, or cuts it to nothing, and writes it.
    fn create(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;

    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()>;

    fn sync(&mut self, name: &str) -> io::Result<()>;

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    fn sync_dir(&mut self) -> io::Result<()>;

    /// Atomic and durable: a crash leaves the old file or the new one, whole. THE NEW BYTES ARE
    /// SYNCED BEFORE THE NAME POINTS TO THEM, AND THE NAME BEFORE ANYONE RELIES ON IT.
    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let fresh = format!("{name}.new");
        self.create(&fresh, bytes)?;
        self.sync(&fresh)?;
        self.rename(&fresh, name)?;
        self.sync_dir()
    }
}
