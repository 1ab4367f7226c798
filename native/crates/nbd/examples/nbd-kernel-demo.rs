//! Serves a file as `/dev/nbdN` through the kernel's nbd client. Needs root and nbd.ko.
//!
//! ```text
//! nbd-kernel-demo serve FILE SIZE BLOCK CONNECTIONS [ro]   prints "ready /dev/nbdN"
//! nbd-kernel-demo resume FILE SIZE CONNECTIONS INDEX       takes a device back
//! nbd-kernel-demo disconnect INDEX
//! nbd-kernel-demo devices
//! ```
//!
//! A server ends when its device is disconnected.

mod common;

use std::error::Error;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use common::disk::FileDisk;
use common::{Disk, POOL_BYTES, serve};
use shoal_nbd::kernel::{Connect, NbdControl, Reconfigure, device_path};
use shoal_nbd::{BlockSizes, Connection, Export, Limits};
use shoal_types::buffer::BufferPool;

const RETRY: Duration = Duration::from_secs(1);

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", file, size, block, connections] => {
            start(&export(size, false)?, Path::new(file), block.parse()?, connections.parse()?)
        }
        ["serve", file, size, block, connections, "ro"] => {
            start(&export(size, true)?, Path::new(file), block.parse()?, connections.parse()?)
        }
        ["resume", file, size, connections, index] => {
            resume(&export(size, false)?, Path::new(file), connections.parse()?, index.parse()?)
        }
        ["disconnect", index] => control()?.disconnect(index.parse()?).map_err(failed),
        ["devices"] => devices(),
        _ => Err("usage: see the head of this file".into()),
    }
}

fn start(export: &Export, file: &Path, block: u32, connections: usize) -> Outcome {
    let (kernel_side, servers) = serve_all(export, file, connections)?;
    let mut control = control()?;
    let connect = Connect {
        dead_connection_seconds: 60,
        ..Connect::new(export, block, &backend(), descriptors(&kernel_side))
    };
    let index = control.connect(&connect).map_err(failed)?;
    run(&control, index, kernel_side, servers)
}

fn resume(export: &Export, file: &Path, connections: usize, index: u32) -> Outcome {
    let (kernel_side, servers) = serve_all(export, file, connections)?;
    let mut control = control()?;
    let sockets = descriptors(&kernel_side);
    let reconfigure = Reconfigure { index, sockets, backend: backend(), size: None };
    control.reconfigure(&reconfigure).map_err(failed)?;
    run(&control, index, kernel_side, servers)
}

fn run(
    control: &NbdControl,
    index: u32,
    kernel_side: Vec<UnixStream>,
    servers: Vec<JoinHandle<()>>,
) -> Outcome {
    // The kernel holds its own reference; ours would hide the end of the connection.
    drop(kernel_side);
    control.set_retry_interval(index, RETRY)?;
    println!("ready {}", device_path(index).display());
    for server in servers {
        server.join().map_err(|_| "a server thread panicked")?;
    }
    Ok(())
}

/// One thread for each connection, before the kernel knows the other ends.
fn serve_all(
    export: &Export,
    file: &Path,
    connections: usize,
) -> Outcome<(Vec<UnixStream>, Vec<JoinHandle<()>>)> {
    let disk: Arc<dyn Disk> = Arc::new(FileDisk::open(file, export.size)?);
    let pool = BufferPool::new(POOL_BYTES);
    let mut kernel_side = Vec::new();
    let mut servers = Vec::new();
    for number in 0..connections {
        let (theirs, ours) = UnixStream::pair()?;
        kernel_side.push(theirs);
        let connection = Connection::for_kernel(export.clone(), Limits::default(), pool.clone());
        let disk = disk.clone();
        servers.push(thread::spawn(move || {
            let result = serve(ours, connection, Some(disk), |_| unreachable!("not negotiated"));
            eprintln!("connection {number} closed: {result:?}");
        }));
    }
    Ok((kernel_side, servers))
}

fn descriptors(sockets: &[UnixStream]) -> Vec<RawFd> {
    sockets.iter().map(AsRawFd::as_raw_fd).collect()
}

/// Whose devices these are.
fn backend() -> String {
    std::env::var("BACKEND").unwrap_or_else(|_| String::from("shoal:demo"))
}

fn devices() -> Outcome {
    for device in control()?.devices().map_err(failed)? {
        println!("{} {}", device.index, if device.connected { "connected" } else { "free" });
    }
    Ok(())
}

fn export(size: &str, read_only: bool) -> Outcome<Export> {
    Ok(Export {
        name: String::from("demo"),
        description: String::new(),
        size: size.parse()?,
        blocks: BlockSizes::BYTES,
        read_only,
    })
}

fn control() -> Outcome<NbdControl> {
    NbdControl::open().map_err(failed)
}

fn failed(error: shoal_nbd::kernel::KernelError) -> Box<dyn Error> {
    format!("{error:?}").into()
}
