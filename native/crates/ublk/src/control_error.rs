//! Why a control command did not do what was asked.

use std::{fmt, io};

use crate::device_info::Features;
use crate::device_spec::SpecError;

#[derive(Debug)]
pub enum ControlError {
    /// /dev/ublk-control cannot be opened: no such driver, or not allowed.
    NoDriver(io::Error),
    /// The ring for the command could not be made or entered.
    Ring(io::Error),
    Spec(SpecError),
    /// The kernel's driver lacks these features; the device was not made.
    Lacks(Features),
    Refused {
        command: &'static str,
        device: u32,
        errno: i32,
    },
    /// The kernel did not answer in time. The command may still take effect.
    TimedOut {
        command: &'static str,
        device: u32,
    },
}

impl ControlError {
    /// The device is in use, or its last server is not quite gone: ask again.
    pub fn is_busy(&self) -> bool {
        self.errno() == Some(libc::EBUSY)
    }

    /// There is no such device (any more).
    pub fn is_gone(&self) -> bool {
        self.errno() == Some(libc::ENODEV)
    }

    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Refused { errno, .. } => Some(*errno),
            _ => None,
        }
    }
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDriver(error) => write!(f, "no ublk driver: {error}; try modprobe ublk_drv"),
            Self::Ring(error) => write!(f, "no io_uring for a ublk command: {error}"),
            Self::Spec(error) => error.fmt(f),
            Self::Lacks(features) => write!(f, "the kernel's ublk lacks {:#x}", features.0),
            Self::Refused { command, device, errno } => {
                let reason = io::Error::from_raw_os_error(*errno);
                write!(f, "{command} of ublk device {device}: {reason}")
            }
            Self::TimedOut { command, device } => {
                write!(f, "{command} of ublk device {device}: no answer from the kernel")
            }
        }
    }
}

impl std::error::Error for ControlError {}

impl From<SpecError> for ControlError {
    fn from(error: SpecError) -> Self {
        Self::Spec(error)
    }
}
