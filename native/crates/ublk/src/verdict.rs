//! What a daemon that starts does with a ublk device that it finds.

use crate::device_info::{DeviceInfo, DeviceState, OwnerTag};
use crate::device_record::DeviceRecord;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Another program's, or another daemon's: hands off.
    Foreign,
    /// Ours, and its server lives.
    Served,
    /// Ours, its server is gone, and we know what it is: take it back.
    Recover,
    /// Ours, but nobody can say which volume it was: stop and delete it, its I/O hangs otherwise.
    Orphan,
    /// Ours, never started or already stopped: delete it.
    Dead,
}

/// `record`: the device file of that number; `server_lives`: is `info.server` a running process?
/// Only a daemon that holds the lock of its directory may act on the verdict: a device that
/// another one is just adding looks dead.
pub fn judge(
    info: &DeviceInfo,
    owner: OwnerTag,
    record: Option<&DeviceRecord>,
    server_lives: bool,
) -> Verdict {
    if info.owner != Some(owner) {
        return Verdict::Foreign;
    }
    if info.state == DeviceState::Dead {
        return Verdict::Dead;
    }
    if server_lives && info.state == DeviceState::Live {
        return Verdict::Served;
    }
    match record {
        Some(record) if record.matches(info) => Verdict::Recover,
        _ => Verdict::Orphan,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device_info::Features;
    use crate::device_record::tests::record;

    const OURS: OwnerTag = OwnerTag(7);

    fn info(state: DeviceState) -> DeviceInfo {
        let record = record();
        DeviceInfo {
            device: record.device,
            queues: record.queues,
            depth: record.depth,
            state,
            max_io_bytes: record.max_io_bytes,
            server: Some(1),
            features: Features::REQUIRED,
            owner: Some(OURS),
        }
    }

    #[test]
    fn others_devices_are_left_alone_in_every_state() {
        for state in [DeviceState::Dead, DeviceState::Live, DeviceState::Quiesced] {
            for owner in [None, Some(OwnerTag(8))] {
                let info = DeviceInfo { owner, ..info(state) };
                assert_eq!(judge(&info, OURS, Some(&record()), false), Verdict::Foreign);
            }
        }
    }

    #[test]
    fn ours_are_recovered_when_we_know_them() {
        let quiesced = info(DeviceState::Quiesced);
        assert_eq!(judge(&quiesced, OURS, Some(&record()), false), Verdict::Recover);
        assert_eq!(judge(&quiesced, OURS, None, false), Verdict::Orphan);
        let other = DeviceRecord { device: 99, ..record() };
        assert_eq!(judge(&quiesced, OURS, Some(&other), false), Verdict::Orphan);
    }

    #[test]
    fn a_killed_server_is_noticed_before_the_kernel_did() {
        let live = info(DeviceState::Live);
        assert_eq!(judge(&live, OURS, Some(&record()), true), Verdict::Served);
        assert_eq!(judge(&live, OURS, Some(&record()), false), Verdict::Recover);
    }

    /// The number of a dead server may have been taken by another process.
    #[test]
    fn a_quiesced_device_has_no_server_whoever_has_its_number() {
        let quiesced = info(DeviceState::Quiesced);
        assert_eq!(judge(&quiesced, OURS, Some(&record()), true), Verdict::Recover);
    }

    #[test]
    fn stopped_devices_are_dead_with_or_without_file() {
        let dead = info(DeviceState::Dead);
        assert_eq!(judge(&dead, OURS, Some(&record()), true), Verdict::Dead);
        assert_eq!(judge(&dead, OURS, None, false), Verdict::Dead);
    }
}
