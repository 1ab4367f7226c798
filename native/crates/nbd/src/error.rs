//! Errors as clients see them, and the reasons for which a connection ends.

use std::fmt;

/// The error values of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Errno {
    NotPermitted = 1,
    Io = 5,
    NoMemory = 12,
    Invalid = 22,
    NoSpace = 28,
    Overflow = 75,
    NotSupported = 95,
    Shutdown = 108,
}

impl Errno {
    pub fn code(self) -> u32 {
        self as u32
    }

    /// For the human who reads the client's log.
    pub fn message(self) -> &'static str {
        match self {
            Self::NotPermitted => "not permitted on this export",
            Self::Io => "input/output error",
            Self::NoMemory => "out of memory",
            Self::Invalid => "invalid request",
            Self::NoSpace => "no space left",
            Self::Overflow => "request is too large",
            Self::NotSupported => "not supported, or not faster than a write",
            Self::Shutdown => "the server is shutting down",
        }
    }
}

/// Why a connection ends. Whatever had to be sent before has been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The client said goodbye, in negotiation (ABORT) or transmission (DISC).
    Disconnected,
    /// `Connection::shutdown`, and nothing is in flight any more.
    Shutdown,
    /// The client broke a rule that has no polite answer; what is in flight goes unanswered.
    Violation(Violation),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    UnknownClientFlags(u32),
    BadOptionMagic(u64),
    OptionTooLong(u32),
    TooManyOptions,
    /// EXPORT_NAME has no way to say no.
    ExportRefused,
    BadRequestMagic(u32),
    PayloadTooLong(u32),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownClientFlags(flags) => write!(f, "unknown client flags {flags:#x}"),
            Self::BadOptionMagic(magic) => write!(f, "option begins with {magic:#x}"),
            Self::OptionTooLong(len) => write!(f, "option of {len} bytes"),
            Self::TooManyOptions => write!(f, "too many options"),
            Self::ExportRefused => write!(f, "export refused"),
            Self::BadRequestMagic(magic) => write!(f, "request begins with {magic:#x}"),
            Self::PayloadTooLong(len) => write!(f, "payload of {len} bytes"),
        }
    }
}
