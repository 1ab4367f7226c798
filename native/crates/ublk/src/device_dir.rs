//! The directory of device files, `/run/shoal/devices`: one file per device, named by its number.
//!
//! It lies in memory and dies with the kernel, as the devices do; so nothing is ever synced. A file
//! is WRITTEN BEFORE THE DEVICE IS STARTED AND REMOVED AFTER IT IS DELETED, and replaced by rename:
//! whenever the server dies, each device that holds a user's I/O has a whole file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::device_record::{DeviceRecord, RECORD_BYTES, RecordError};

pub const DIR_DEFAULT: &str = "/run/shoal/devices";

pub struct DeviceDir {
    path: PathBuf,
}

impl DeviceDir {
    pub fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        Ok(Self { path: path.canonicalize()? })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn write(&self, record: &DeviceRecord) -> io::Result<()> {
        let part = self.path.join(format!(".{}.part", record.device));
        fs::write(&part, record.encode())?;
        fs::rename(&part, self.file(record.device))
    }

    /// None: there is no file. A damaged one is an error of kind InvalidData.
    pub fn read(&self, device: u32) -> io::Result<Option<DeviceRecord>> {
        use std::io::Read;
        let mut bytes = Vec::with_capacity(RECORD_BYTES + 1);
        match fs::File::open(self.file(device)) {
            Ok(file) => file.take(RECORD_BYTES as u64 + 1).read_to_end(&mut bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let invalid = |error: RecordError| io::Error::new(io::ErrorKind::InvalidData, error);
        let record = DeviceRecord::parse(&bytes).map_err(invalid)?;
        if record.device != device {
            return Err(invalid(RecordError::Shape));
        }
        Ok(Some(record))
    }

    /// Numbers of all devices that have a file, ascending.
    pub fn devices(&self) -> io::Result<Vec<u32>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            numbers.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The device of the volume `name`; damaged files are passed over.
    pub fn find(&self, name: &str) -> io::Result<Option<DeviceRecord>> {
        for device in self.devices()? {
            match self.read(device) {
                Ok(Some(record)) if record.name == name => return Ok(Some(record)),
                Err(error) if error.kind() != io::ErrorKind::InvalidData => return Err(error),
                _ => {}
            }
        }
        Ok(None)
    }

    /// Done already is fine too.
    pub fn remove(&self, device: u32) -> io::Result<()> {
        match fs::remove_file(self.file(device)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn file(&self, device: u32) -> PathBuf {
        self.path.join(device.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device_record::tests::record;

    struct Scratch(DeviceDir);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("shoal-{name}-{}", std::process::id()));
            Self(DeviceDir::open(&path).unwrap())
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            fs::remove_dir_all(self.0.path()).unwrap();
        }
    }

    #[test]
    fn files_are_written_found_and_removed() {
        let scratch = Scratch::new("device-dir");
        let dir = &scratch.0;
        dir.write(&record()).unwrap();
        let other = DeviceRecord { device: 12, name: "other".into(), ..record() };
        dir.write(&other).unwrap();
        let fenced = DeviceRecord { fenced: true, ..other.clone() };
        dir.write(&fenced).unwrap();
        assert_eq!(dir.devices().unwrap(), [3, 12]);
        assert_eq!(dir.find("other").unwrap(), Some(fenced));
        assert_eq!(dir.find("none").unwrap(), None);
        dir.remove(12).unwrap();
        dir.remove(12).unwrap();
        assert_eq!(dir.read(12).unwrap(), None);
    }

    #[test]
    fn damaged_files_are_named_as_such_and_hide_nothing() {
        let scratch = Scratch::new("device-dir-damaged");
        let dir = &scratch.0;
        dir.write(&record()).unwrap();
        fs::write(dir.path().join("1"), b"").unwrap();
        fs::write(dir.path().join("2"), vec![b'S'; 1 << 20]).unwrap();
        fs::copy(dir.path().join("3"), dir.path().join("5")).unwrap();
        fs::write(dir.path().join(".9.part"), b"torn").unwrap();
        for device in [1, 2, 5] {
            let error = dir.read(device).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "file {device}");
        }
        assert_eq!(dir.devices().unwrap(), [1, 2, 3, 5]);
        assert_eq!(dir.find("db-0.data").unwrap(), Some(record()));
    }
}
