//! A server in this process, and the programs of other authors that talk to it.

#![allow(dead_code, reason = "each test file uses its part")]

#[path = "../../examples/common/mod.rs"]
pub mod common;

use std::fs;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use common::{Disk, RamExports};
use shoal_nbd::{BlockSizes, Export, Limits};

pub const SIZE: u64 = 64 << 20;

/// Exports `vol` (the default), `blocks` (4096), `locked` (read-only) and `odd` (odd size).
pub struct Server {
    pub exports: Arc<RamExports>,
    pub directory: PathBuf,
}

impl Server {
    pub fn start() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("shoal-nbd-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        let listener = UnixListener::bind(directory.join("socket")).unwrap();
        let exports = RamExports::new([
            export("vol", SIZE, BlockSizes::BYTES, false),
            export("vol2", SIZE, BlockSizes::BYTES, false),
            export("wblocks", SIZE, BlockSizes::BLOCKS, false),
            export("xlocked", SIZE, BlockSizes::BYTES, true),
            export("xodd", 1_000_001, BlockSizes::BYTES, false),
        ]);
        let served = exports.clone();
        // Ends with the test process.
        thread::spawn(move || common::listen(listener, served, Limits::default()));
        Self { exports, directory }
    }

    pub fn uri(&self, name: &str) -> String {
        format!("nbd+unix:///{name}?socket={}", self.path("socket").display())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub fn dial(&self) -> UnixStream {
        UnixStream::connect(self.path("socket")).unwrap()
    }

    /// What `name` holds, byte by byte.
    pub fn content(&self, name: &str) -> Vec<u8> {
        let size = self.exports.0[name].0.size;
        let mut content = Vec::new();
        for part in self.exports.disk(name).read(0, size).unwrap() {
            match part {
                shoal_nbd::ReadPart::Data(data) => content.extend_from_slice(&data),
                shoal_nbd::ReadPart::Hole(count) => {
                    content.resize(content.len() + count as usize, 0);
                }
            }
        }
        content
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn export(name: &str, size: u64, blocks: BlockSizes, read_only: bool) -> Export {
    Export { name: name.into(), description: format!("about {name}"), size, blocks, read_only }
}

/// Runs a program of Debian package `package`; its absence fails the test, it is not skipped.
pub fn run(package: &str, program: &str, args: &[&str]) -> Output {
    match Command::new(program).args(args).output() {
        Ok(output) => output,
        Err(error) => panic!("`{program}`: {error}. Install the Debian package `{package}`."),
    }
}

/// Its standard output; panics with both outputs if it fails.
pub fn run_ok(package: &str, program: &str, args: &[&str]) -> String {
    let output = run(package, program, args);
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {}\n{out}{err}", output.status);
    out
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A file of `size` bytes: runs of random bytes, of one byte, and of zeros.
pub fn sample(path: &Path, size: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let mut content = Vec::with_capacity(size);
    while content.len() < size {
        let length = (random.next() % 200_000) as usize;
        match random.next() % 3 {
            0 => content.resize(content.len() + length, 0),
            1 => content.resize(content.len() + length, random.next() as u8),
            _ => content.extend((0..length).map(|_| random.next() as u8)),
        }
    }
    content.truncate(size);
    fs::write(path, &content).unwrap();
    content
}

/// SplitMix64: enough for tests, and the same everywhere.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
