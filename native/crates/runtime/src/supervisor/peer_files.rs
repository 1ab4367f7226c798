//! The small files of a peer's directory. Each is replaced whole: written aside, synced, renamed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shoal_meta::hex::{ClusterId, Hex, PublicKey};
use shoal_types::{DiskId, PeerId};
use shoal_wire::identity::SecretKey;
use shoal_wire::identity::file::{self, KeyFileError, Role};

use super::log_marks::LogMarks;

/// Which cluster this peer belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterFile {
    pub version: u32,
    pub cluster_id: ClusterId,
    pub peer_id: u64,
    pub authority_key: PublicKey,
    /// Signed membership record of this peer, hex.
    pub membership: String,
    /// Peers known to vote, to ask after a start: key and data addresses.
    pub contacts: Vec<Contact>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    pub peer_id: u64,
    pub public_key: PublicKey,
    pub addresses: Vec<String>,
}

/// A disk that this peer serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskLine {
    pub disk_id: u64,
    pub path: PathBuf,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DiskFileBody {
    version: u32,
    disks: Vec<DiskLine>,
}

/// A disk that is being added, and what its store will be called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddingLine {
    pub store: Hex<16>,
    pub path: PathBuf,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AddingFileBody {
    version: u32,
    disks: Vec<AddingLine>,
}

/// Where the scrub of a disk is that runs by itself, and when the next one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScrubLine {
    pub disk_id: u64,
    pub next_at_ms: u64,
    pub at: Option<(u32, u64)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScrubFileBody {
    version: u32,
    disks: Vec<ScrubLine>,
}

/// Version of all files.
const VERSION: u32 = 1;

#[derive(Clone, Debug)]
pub struct PeerFiles {
    dir: PathBuf,
}

impl PeerFiles {
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    pub fn meta_dir(&self) -> PathBuf {
        self.dir.join("meta")
    }

    pub fn log_marks(&self) -> LogMarks {
        LogMarks::new(&self.dir)
    }

    /// The peer's key, made at the first start.
    pub fn identity(&self) -> Result<SecretKey, String> {
        let path = self.dir.join("identity.key");
        match file::load(&path, Role::Peer) {
            Ok(key) => Ok(key),
            Err(KeyFileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                let key = SecretKey::generate().map_err(|_| "the system gives no randomness")?;
                file::create(&path, &key, Role::Peer)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                Ok(key)
            }
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    /// The cluster's authority key; only some peers have it.
    pub fn authority(&self) -> Result<Option<SecretKey>, String> {
        let path = self.dir.join("authority.key");
        match file::load(&path, Role::Authority) {
            Ok(key) => Ok(Some(key)),
            Err(KeyFileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    /// In place of one that the cluster does not go by any more.
    pub fn replace_authority(&self, key: &SecretKey) -> Result<(), String> {
        let path = self.dir.join("authority.key");
        ignore_missing(fs::remove_file(&path))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        self.create_authority(key)
    }

    pub fn create_authority(&self, key: &SecretKey) -> Result<(), String> {
        let path = self.dir.join("authority.key");
        file::create(&path, key, Role::Authority)
            .map_err(|error| format!("{}: {error}", path.display()))
    }

    pub fn cluster(&self) -> Result<Option<ClusterFile>, String> {
        self.load("cluster.json")
    }

    pub fn set_cluster(&self, cluster: &ClusterFile) -> io::Result<()> {
        self.replace("cluster.json", cluster)
    }

    /// Forget the cluster: after this peer was removed from it.
    pub fn forget_cluster(&self) -> io::Result<()> {
        for name in ["cluster.json", "adding.json", "disks.json", "scrubs.json", "authority.key"] {
            ignore_missing(fs::remove_file(self.dir.join(name)))?;
        }
        ignore_missing(fs::remove_dir_all(self.dir.join("log-marks")))?;
        ignore_missing(fs::remove_dir_all(self.meta_dir()))
    }

    pub fn disks(&self) -> Result<Vec<DiskLine>, String> {
        let body: Option<DiskFileBody> = self.load("disks.json")?;
        Ok(body.unwrap_or_default().disks)
    }

    pub fn add_disk(&self, disk: DiskId, path: &Path) -> Result<(), String> {
        let mut disks = self.disks()?;
        disks.retain(|line| line.disk_id != disk.0);
        disks.push(DiskLine { disk_id: disk.0, path: path.to_owned() });
        self.set_disks(disks)
    }

    pub fn remove_disk(&self, disk: DiskId) -> Result<(), String> {
        let mut disks = self.disks()?;
        disks.retain(|line| line.disk_id != disk.0);
        self.set_disks(disks)
    }

    fn set_disks(&self, disks: Vec<DiskLine>) -> Result<(), String> {
        let body = DiskFileBody { version: VERSION, disks };
        self.replace("disks.json", &body).map_err(|error| format!("disks.json: {error}"))
    }

    pub fn adding(&self) -> AddingFile<'_> {
        AddingFile(self)
    }

    pub fn scrubs(&self) -> Result<Vec<ScrubLine>, String> {
        let body: Option<ScrubFileBody> = self.load("scrubs.json")?;
        Ok(body.unwrap_or_default().disks)
    }

    pub fn set_scrubs(&self, disks: Vec<ScrubLine>) -> io::Result<()> {
        self.replace("scrubs.json", &ScrubFileBody { version: VERSION, disks })
    }

    fn load<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, String> {
        match fs::read(self.dir.join(name)) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| format!("{name} in {}: {error}", self.dir.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("{name} in {}: {error}", self.dir.display())),
        }
    }

    fn replace(&self, name: &str, value: &impl Serialize) -> io::Result<()> {
        let aside = self.dir.join(format!("{name}.new"));
        let mut file = File::create(&aside)?;
        file.write_all(&serde_json::to_vec_pretty(value)?)?;
        file.sync_all()?;
        fs::rename(&aside, self.dir.join(name))?;
        File::open(&self.dir)?.sync_all()
    }
}

/// `adding.json`.
pub struct AddingFile<'a>(&'a PeerFiles);

impl AddingFile<'_> {
    const NAME: &'static str = "adding.json";

    pub fn lines(&self) -> Result<Vec<AddingLine>, String> {
        let body: Option<AddingFileBody> = self.0.load(Self::NAME)?;
        Ok(body.unwrap_or_default().disks)
    }

    /// DURABLE BEFORE THE CLUSTER HEARS OF IT. The name of an earlier try is kept.
    pub fn begin(&self, path: &Path) -> Result<[u8; 16], String> {
        let mut disks = self.lines()?;
        if let Some(line) = disks.iter().find(|line| line.path == path) {
            return Ok(line.store.0);
        }
        let store: [u8; 16] = crate::random::bytes();
        disks.push(AddingLine { store: Hex(store), path: path.to_owned() });
        self.set(disks)?;
        Ok(store)
    }

    pub fn end(&self, path: &Path) -> Result<(), String> {
        let mut disks = self.lines()?;
        disks.retain(|line| line.path != path);
        self.set(disks)
    }

    fn set(&self, disks: Vec<AddingLine>) -> Result<(), String> {
        let body = AddingFileBody { version: VERSION, disks };
        self.0.replace(Self::NAME, &body).map_err(|error| format!("{}: {error}", Self::NAME))
    }
}

impl ClusterFile {
    pub const VERSION: u32 = VERSION;

    pub fn peer(&self) -> PeerId {
        PeerId(self.peer_id)
    }
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_survive_and_say_what_is_wrong() {
        let dir = std::env::temp_dir().join(format!("shoal-files-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let files = PeerFiles::new(&dir);
        assert_eq!(files.disks().unwrap(), Vec::new());
        files.add_disk(DiskId(3), Path::new("/dev/x")).unwrap();
        files.add_disk(DiskId(4), Path::new("/dev/y")).unwrap();
        files.remove_disk(DiskId(3)).unwrap();
        let left = vec![DiskLine { disk_id: 4, path: "/dev/y".into() }];
        assert_eq!(files.disks().unwrap(), left);
        let store = files.adding().begin(Path::new("/dev/z")).unwrap();
        assert_eq!(
            files.adding().begin(Path::new("/dev/z")),
            Ok(store),
            "the next try is the same"
        );
        files.adding().end(Path::new("/dev/z")).unwrap();
        assert_eq!(files.adding().lines(), Ok(Vec::new()));
        let line = ScrubLine { disk_id: 4, next_at_ms: 5, at: Some((6, 7)) };
        files.set_scrubs(vec![line]).unwrap();
        assert_eq!(files.scrubs().unwrap(), [line]);
        let key = files.identity().unwrap();
        assert_eq!(files.identity().unwrap().public(), key.public(), "made once");
        fs::write(dir.join("disks.json"), b"{").unwrap();
        assert!(files.disks().unwrap_err().contains("disks.json"));
        assert_eq!(files.cluster().unwrap(), None);
        fs::remove_dir_all(&dir).unwrap();
    }
}
