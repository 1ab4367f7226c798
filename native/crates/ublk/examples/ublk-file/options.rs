use std::path::PathBuf;

use crate::AnyResult;

#[derive(Clone, Default)]
pub struct Options {
    pub command: String,
    pub dir: PathBuf,
    pub back: PathBuf,
    pub size: u64,
    pub queues: u16,
    pub depth: u16,
    pub block_bytes: u32,
    pub read_only: bool,
    pub fence: bool,
    pub tag_buffers: bool,
    pub null: bool,
    pub force: bool,
    pub die_after: Option<String>,
    pub names: Vec<String>,
}

impl Options {
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> AnyResult<Self> {
        let command = arguments.next().ok_or("which command?")?;
        let mut options = Self {
            command,
            size: 256 << 20,
            queues: 1,
            depth: 128,
            block_bytes: 512,
            ..Default::default()
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--dir" => options.dir = value()?.into(),
                "--back" => options.back = value()?.into(),
                "--size" => options.size = value()?.parse()?,
                "--queues" => options.queues = value()?.parse()?,
                "--depth" => options.depth = value()?.parse()?,
                "--block-size" => options.block_bytes = value()?.parse()?,
                "--copy" => options.tag_buffers = value()? == "buffers",
                "--die-after" => options.die_after = Some(value()?),
                "--read-only" => options.read_only = true,
                "--fence" => options.fence = true,
                "--null" => options.null = true,
                "--force" => options.force = true,
                name if !name.starts_with('-') => options.names.push(name.into()),
                other => return Err(format!("no option {other}").into()),
            }
        }
        Ok(options)
    }

    /// For the tests of recovery: die as by SIGKILL, if this is the step to die after.
    pub fn maybe_die(&self, step: &str) {
        if self.die_after.as_deref() == Some(step) {
            // SAFETY: plain system call on ourselves.
            unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
        }
    }
}
