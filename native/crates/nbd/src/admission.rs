//! Which requests are let in, and what the others are told.

use crate::constants::{cmd, cmd_flag};
use crate::error::{Errno, Violation};
use crate::export::Export;
use crate::limits::PAYLOAD_BYTES_MAX;
use crate::request::Header;

/// What negotiation agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub export: Export,
    pub structured: bool,
    /// base:allocation was selected for this very export.
    pub block_status: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    Accept,
    /// Nothing to do, and that succeeds.
    Empty,
    /// A refused WRITE still sends its payload.
    Refuse(Errno),
    Goodbye,
    Close(Violation),
}

impl Session {
    pub fn admit(&self, header: &Header) -> Admission {
        if header.command == cmd::DISC {
            return Admission::Goodbye;
        }
        if header.command == cmd::WRITE && header.length > PAYLOAD_BYTES_MAX {
            return Admission::Close(Violation::PayloadTooLong(header.length));
        }
        match self.check(header) {
            Err(errno) => Admission::Refuse(errno),
            Ok(()) if header.length == 0 && header.command != cmd::FLUSH => Admission::Empty,
            Ok(()) => Admission::Accept,
        }
    }

    fn check(&self, header: &Header) -> Result<(), Errno> {
        let allowed = self.allowed_flags(header.command)?;
        if header.flags & !allowed != 0 {
            return Err(Errno::Invalid);
        }
        match header.command {
            cmd::FLUSH if header.offset != 0 || header.length != 0 => Err(Errno::Invalid),
            cmd::FLUSH => Ok(()),
            cmd::WRITE | cmd::TRIM | cmd::WRITE_ZEROES if self.export.read_only => {
                Err(Errno::NotPermitted)
            }
            cmd::BLOCK_STATUS if !self.block_status || header.length == 0 => Err(Errno::Invalid),
            _ => self.check_range(header),
        }
    }

    /// FUA is valid everywhere; it says nothing new, because every write is durable when it is
    /// answered.
    fn allowed_flags(&self, command: u16) -> Result<u16, Errno> {
        let own = match command {
            cmd::READ if self.structured => cmd_flag::DF,
            cmd::READ | cmd::WRITE | cmd::FLUSH | cmd::TRIM | cmd::CACHE => 0,
            cmd::WRITE_ZEROES => cmd_flag::NO_HOLE | cmd_flag::FAST_ZERO,
            cmd::BLOCK_STATUS => cmd_flag::REQ_ONE,
            _ => return Err(Errno::Invalid),
        };
        Ok(own | cmd_flag::FUA)
    }

    fn check_range(&self, header: &Header) -> Result<(), Errno> {
        let unit = u64::from(self.export.blocks.minimum);
        if !header.offset.is_multiple_of(unit) || !u64::from(header.length).is_multiple_of(unit) {
            return Err(Errno::Invalid);
        }
        let end = header.offset.checked_add(u64::from(header.length));
        if end.is_none_or(|end| end > self.export.size) {
            return Err(match header.command {
                cmd::WRITE | cmd::WRITE_ZEROES => Errno::NoSpace,
                _ => Errno::Invalid,
            });
        }
        if header.command == cmd::READ && header.length > PAYLOAD_BYTES_MAX {
            // OVERFLOW is only for clients that know DF.
            return Err(if self.structured { Errno::Overflow } else { Errno::Invalid });
        }
        Ok(())
    }
}
