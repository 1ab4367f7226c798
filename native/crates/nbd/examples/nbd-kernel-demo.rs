//! Serves a file as `/dev/nbdN` through the kernel's nbd client. Needs root and nbd.ko.
//!
//! ```text
//! nbd-kernel-demo serve FILE SIZE BLOCK [ro]   prints "ready /dev/nbdN"
//! nbd-kernel-demo resume FILE SIZE INDEX       takes a device back
//! nbd-kernel-demo disconnect INDEX
//! nbd-kernel-demo devices
//! ```
//!
//! A server ends when its device is disconnected.

mod common;

use std::error::Error;
use std::os::fd::AsRawFd;
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
        ["serve", file, size, block] => {
            start(&export(size, false)?, Path::new(file), block.parse()?)
        }
        ["serve", file, size, block, "ro"] => {
            start(&export(size, true)?, Path::new(file), block.parse()?)
        }
        ["resume", file, size, index] => {
            resume(&export(size, false)?, Path::new(file), index.parse()?)
        }
        ["disconnect", index] => control()?.disconnect(index.parse()?).map_err(failed),
        ["devices"] => devices(),
        _ => Err("usage: see the head of this file".into()),
    }
}

fn start(export: &Export, file: &Path, block: u32) -> Outcome {
    let (kernel_side, server) = serve_pair(export, file)?;
    let mut control = control()?;
    let connect = Connect {
        dead_connection_seconds: 60,
        ..Connect::new(export, block, &backend(), kernel_side.as_raw_fd())
    };
    let index = control.connect(&connect).map_err(failed)?;
    run(&control, index, kernel_side, server)
}

fn resume(export: &Export, file: &Path, index: u32) -> Outcome {
    let (kernel_side, server) = serve_pair(export, file)?;
    let mut control = control()?;
    let socket = Some(kernel_side.as_raw_fd());
    let reconfigure = Reconfigure { index, socket, backend: backend(), size: None };
    control.reconfigure(&reconfigure).map_err(failed)?;
    run(&control, index, kernel_side, server)
}

fn run(
    control: &NbdControl,
    index: u32,
    kernel_side: UnixStream,
    server: JoinHandle<()>,
) -> Outcome {
    // The kernel holds its own reference; ours would hide the end of the connection.
    drop(kernel_side);
    control.set_retry_interval(index, RETRY)?;
    println!("ready {}", device_path(index).display());
    server.join().map_err(|_| "the server thread panicked".into())
}

/// The server runs before the kernel knows the other end: the first requests come at once.
fn serve_pair(export: &Export, file: &Path) -> Outcome<(UnixStream, JoinHandle<()>)> {
    let disk: Arc<dyn Disk> = Arc::new(FileDisk::open(file, export.size)?);
    let pool = BufferPool::new(POOL_BYTES);
    let connection = Connection::for_kernel(export.clone(), Limits::default(), pool);
    let (theirs, ours) = UnixStream::pair()?;
    let server = thread::spawn(move || {
        let result = serve(ours, connection, Some(disk), |_| unreachable!("not negotiated"));
        eprintln!("closed: {result:?}");
    });
    Ok((theirs, server))
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
