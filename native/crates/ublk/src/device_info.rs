//! What the driver tells about a device, and about itself.

use crate::uapi::{self, DeviceInfoRaw, flag};

/// Upper half of the owner tag: tells our devices from those of other programs.
const OWNER_MARK: u32 = u32::from_be_bytes(*b"Shoa");

/// The driver's feature bits, as GET_FEATURES or ADD_DEV return them; never guessed from a version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Features(pub u64);

impl Features {
    /// Without these a device of ours cannot be made.
    pub const REQUIRED: Self = Self(
        flag::USER_RECOVERY
            | flag::USER_RECOVERY_REISSUE
            | flag::CMD_IOCTL_ENCODE
            | flag::USER_COPY,
    );

    /// What `wanted` has and these lack.
    pub fn missing(self, wanted: Self) -> Self {
        Self(wanted.0 & !self.0)
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Which daemon made a device. Kept by the kernel with the device from its first moment, so a
/// sweep never touches a device of another program or of another daemon on the same machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OwnerTag(pub u32);

impl OwnerTag {
    /// The tag of whoever keeps its device files in `dir` (an absolute path).
    pub fn of_dir(dir: &std::path::Path) -> Self {
        use std::os::unix::ffi::OsStrExt;
        Self(shoal_types::checksum::crc32c(dir.as_os_str().as_bytes()))
    }

    pub fn to_bits(self) -> u64 {
        u64::from(OWNER_MARK) << 32 | u64::from(self.0)
    }

    pub fn from_bits(bits: u64) -> Option<Self> {
        (bits >> 32 == u64::from(OWNER_MARK)).then_some(Self(bits as u32))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeviceState {
    /// Added and not started, or stopped.
    Dead,
    Live,
    /// Its server is gone; I/O waits for the next one.
    Quiesced,
    /// Its server is gone; I/O fails. Not a state of a device with our flags.
    FailIo,
    /// A newer driver's state.
    Other(u16),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceInfo {
    /// The number in /dev/ublkbN.
    pub device: u32,
    /// May be less than asked for: the driver makes at most one queue per CPU.
    pub queues: u16,
    pub depth: u16,
    pub state: DeviceState,
    pub max_io_bytes: u32,
    /// Process that serves or served it; none before the start and after the stop.
    pub server: Option<u32>,
    pub features: Features,
    pub owner: Option<OwnerTag>,
}

impl From<&DeviceInfoRaw> for DeviceInfo {
    fn from(raw: &DeviceInfoRaw) -> Self {
        Self {
            device: raw.device,
            queues: raw.queues,
            depth: raw.depth,
            state: match raw.state {
                uapi::state::DEAD => DeviceState::Dead,
                uapi::state::LIVE => DeviceState::Live,
                uapi::state::QUIESCED => DeviceState::Quiesced,
                uapi::state::FAIL_IO => DeviceState::FailIo,
                other => DeviceState::Other(other),
            },
            max_io_bytes: raw.max_io_bytes,
            server: u32::try_from(raw.server_pid).ok().filter(|pid| *pid > 0),
            features: Features(raw.flags),
            owner: OwnerTag::from_bits(raw.server_flags),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owner_tag_survives_the_kernel_and_foreign_flags_are_nobodys() {
        let tag = OwnerTag::of_dir(std::path::Path::new("/run/shoal/devices"));
        assert_eq!(OwnerTag::from_bits(tag.to_bits()), Some(tag));
        assert_ne!(tag, OwnerTag::of_dir(std::path::Path::new("/run/other/devices")));
        assert_eq!(OwnerTag::from_bits(0), None);
        assert_eq!(OwnerTag::from_bits(u64::from(tag.0)), None);
    }

    #[test]
    fn missing_names_exactly_what_lacks() {
        assert!(Features(0x1fe).missing(Features::REQUIRED).is_empty());
        let old = Features(0x1fe & !flag::USER_COPY);
        assert_eq!(old.missing(Features::REQUIRED), Features(flag::USER_COPY));
    }

    #[test]
    fn a_device_without_server_has_none() {
        let raw = DeviceInfoRaw { server_pid: -1, state: 9, ..Default::default() };
        let info = DeviceInfo::from(&raw);
        assert_eq!((info.server, info.state), (None, DeviceState::Other(9)));
    }
}
