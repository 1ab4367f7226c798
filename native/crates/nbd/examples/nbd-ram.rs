//! Serves RAM disks over NBD on a unix socket:
//!
//! ```text
//! cargo run -p shoal-nbd --example nbd-ram -- SOCKET SIZE [NAME...]
//! ```
//!
//! SIZE in bytes; a NAME that ends in `:ro` is read-only, in `:4k` has blocks of 4096.

mod common;

use std::error::Error;
use std::os::unix::net::UnixListener;

use common::{RamExports, listen};
use shoal_nbd::{BlockSizes, Export, Limits};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(socket), Some(size)) = (args.next(), args.next()) else {
        return Err("usage: nbd-ram SOCKET SIZE [NAME[:ro|:4k]...]".into());
    };
    let size = size.parse()?;
    let mut exports: Vec<Export> = args.map(|name| export(&name, size)).collect();
    if exports.is_empty() {
        exports.push(export("ram", size));
    }
    let listener = UnixListener::bind(&socket)?;
    eprintln!("nbd+unix:///{}?socket={socket}", exports[0].name);
    Ok(listen(listener, RamExports::new(exports), Limits::default())?)
}

fn export(name: &str, size: u64) -> Export {
    let (name, kind) = name.split_once(':').unwrap_or((name, ""));
    Export {
        name: name.to_owned(),
        description: String::from("RAM disk"),
        size,
        blocks: if kind == "4k" { BlockSizes::BLOCKS } else { BlockSizes::BYTES },
        read_only: kind == "ro",
    }
}
