//! Serves files as ublk devices through the crate, with one ring on one thread: what the tests in
//! the guest (test/vm) drive, and a small model of how the data process uses the crate.
//!
//!   ublk-file serve --dir D --back B [options] NAME...   add the devices that do not exist, take
//!                                                        back those that wait; ends when all are
//!                                                        detached
//!   ublk-file detach --dir D [--force] NAME              works whether or not a server lives
//!   ublk-file list --dir D | features
//!
//! Options of serve: --size BYTES, --queues N, --depth N, --block-size N, --read-only, --fence,
//! --copy user|buffers, --null, --die-after add|begin|open|fetch|map.

mod backing;
mod bring_up;
mod detach;
mod options;
mod server;

use std::path::Path;

use shoal_ublk::{Control, DeviceDir, OwnerTag, list, verdict};

use options::Options;

type AnyResult<T> = Result<T, Box<dyn std::error::Error>>;

fn main() {
    if let Err(error) = run() {
        eprintln!("ublk-file: {error}");
        std::process::exit(1);
    }
}

fn run() -> AnyResult<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    let control = control()?;
    match options.command.as_str() {
        "features" => println!("{:#x}", control.features()?.0),
        "serve" => server::serve(bring_up::all(&control, &options)?)?,
        "detach" => detach::detach(&control, &options)?,
        "list" => print_devices(&control, &options)?,
        other => return Err(format!("no command {other:?}").into()),
    }
    Ok(())
}

pub fn control() -> AnyResult<Control> {
    let path = Path::new(shoal_ublk::control::CONTROL_PATH);
    Ok(Control::open(path, shoal_ublk::control::PATIENCE_DEFAULT)?)
}

pub fn is_process(pid: Option<u32>) -> bool {
    pid.is_some_and(|pid| Path::new(&format!("/proc/{pid}")).exists())
}

fn print_devices(control: &Control, options: &Options) -> AnyResult<()> {
    let dir = DeviceDir::open(&options.dir)?;
    let owner = OwnerTag::of_dir(dir.path());
    for device in list::devices(Path::new(list::CLASS_DIR))? {
        let info = control.info(device)?;
        let record = dir.read(device).unwrap_or_default();
        let verdict = verdict::judge(&info, owner, record.as_ref(), is_process(info.server));
        let name = record.map_or("-".into(), |record| record.name);
        println!("{device} {name} {:?} {verdict:?} queues={}", info.state, info.queues);
    }
    Ok(())
}
