//! The real directory: the one place of this crate that touches a file system.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;

use super::dir::Dir;

const FILE_MODE: u32 = 0o600;

/// Keeps files that are appended to open.
#[derive(Debug)]
pub struct FsDir {
    path: PathBuf,
    open: BTreeMap<String, File>,
}

impl FsDir {
    /// Makes the directory if it is missing. For its owner alone, with all that it holds from before.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        fs::create_dir_all(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o700))?;
        // The new directory's own name must not be lost with the first files in it.
        if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            File::open(parent)?.sync_all()?;
        }
        Ok(Self { path, open: BTreeMap::new() })
    }

    fn file(&mut self, name: &str) -> io::Result<&mut File> {
        if !self.open.contains_key(name) {
            let path = self.path.join(name);
            let file = OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path)?;
            self.open.insert(name.to_owned(), file);
        }
        Ok(self.open.get_mut(name).expect("just opened"))
    }
}

impl Dir for FsDir {
    fn read(&mut self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn create(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.open.remove(name);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(FILE_MODE);
        let mut file = options.open(self.path.join(name))?;
        file.write_all(bytes)?;
        self.open.insert(name.to_owned(), file);
        Ok(())
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.file(name)?.write_all(bytes)
    }

    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()> {
        self.file(name)?.set_len(len)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.file(name)?.sync_data()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.open.remove(from);
        self.open.remove(to);
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_may_look_into_it() {
        let path = std::env::temp_dir().join(format!("shoal-fs-dir-{}", std::process::id()));
        let mut dir = FsDir::open(&path).unwrap();
        dir.create("made", b"a").unwrap();
        dir.append("appended", b"b").unwrap();
        let mode = |name: &str| {
            let found = fs::metadata(path.join(name)).unwrap();
            found.permissions().mode() & 0o777
        };
        assert_eq!((mode("made"), mode("appended"), mode("")), (0o600, 0o600, 0o700));
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        FsDir::open(&path).unwrap();
        assert_eq!(mode(""), 0o700, "one of an older version");
        fs::remove_dir_all(&path).unwrap();
    }
}
