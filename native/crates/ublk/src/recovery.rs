//! Taking a device back whose server died. The steps, and why in this order, are drawn in
//! docs/formats/ublk.md: begin → open → fetch all (one call) → map → END_USER_RECOVERY.

use crate::control::Control;
use crate::control_error::ControlError;
use crate::device_info::DeviceState;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Begun {
    /// The device waits for a server: open and fetch it.
    Yes,
    /// The kernel is still burying the last server: ask again in a few milliseconds.
    NotYet,
}

/// Asks the kernel to forget the dead server.
pub fn begin(control: &Control, device: u32) -> Result<Begun, ControlError> {
    match control.start_recovery(device) {
        Ok(()) => Ok(Begun::Yes),
        Err(error) if error.is_busy() => Ok(Begun::NotYet),
        // EINVAL with I/O waiting: a server that died between this step and its first fetch has
        // asked already, and there is nothing more to forget.
        Err(error) if error.errno() == Some(libc::EINVAL) => match control.info(device)?.state {
            DeviceState::Quiesced => Ok(Begun::Yes),
            _ => Err(error),
        },
        Err(error) => Err(error),
    }
}
